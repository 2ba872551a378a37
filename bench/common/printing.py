"""Rows of a bench: printed for people, kept as JSON under `build/bench/`.

Only ratios of one run mean anything: absolute figures move with the neighbours of the machine, so
each run prints the versions, the processors and the load beside them.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import TypedDict

FOLDER = Path("build/bench")


class Row(TypedDict, total=False):
    """One figure.

    Attributes:
        name: What was measured.
        value: The median.
        least: The smallest of the runs.
        most: The largest.
        unit: Of the three.
        runs: How many there were.
        goal: What it has to reach, in words; empty where there is none.
        met: Whether it does; None where there is no goal, or the run was too small to tell.
    """

    name: str
    value: float
    least: float
    most: float
    unit: str
    runs: int
    goal: str
    met: bool | None


class Report:
    """The rows of one bench.

    Args:
        bench: Its name: that of its file.
        quick: Whether the run is too small to be held against a goal.
    """

    def __init__(self, bench: str, *, quick: bool) -> None:
        self._bench = bench
        self._quick = quick
        self._rows: list[Row] = []

    def add(
        self,
        name: str,
        values: Sequence[float],
        unit: str,
        *,
        least: float | None = None,
        most: float | None = None,
    ) -> float:
        """Add a figure and return its median.

        Args:
            name: What was measured.
            values: Of each run.
            unit: Of the values.
            least: The goal, where the median has to be so much or more.
            most: The goal, where it has to be so much or less.
        """
        value = statistics.median(values)
        goal, met = "", None
        if least is not None:
            goal, met = f"≥ {least:g}", value >= least
        elif most is not None:
            goal, met = f"≤ {most:g}", value <= most
        row = Row(
            name=name, value=value, least=min(values), most=max(values), unit=unit,
            runs=len(values), goal=goal, met=None if self._quick else met,
        )  # fmt: skip
        self._rows.append(row)
        verdict = "" if met is None else f"  goal {goal}: {'met' if met else 'missed'}"
        spread = f"  ({_short(row['least'])} to {_short(row['most'])})" if len(values) > 1 else ""
        words = f"{name:52} {_short(value):>9} {unit}{spread}{'' if self._quick else verdict}"
        sys.stdout.write(words + "\n")
        sys.stdout.flush()
        return value

    def close(self) -> None:
        """Print what it ran on and write the file."""
        where = machine()
        sys.stdout.write("  " + ", ".join(f"{key} {value}" for key, value in where.items()) + "\n")
        if self._quick:
            sys.stdout.write("  a quick run: it shows that the bench works, nothing else\n")
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        found = {"bench": self._bench, "machine": where, "rows": self._rows}
        text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
        (FOLDER / f"{self._bench}.json").write_text(text, encoding="utf-8")


def machine() -> dict[str, str]:
    """What a run ran on."""
    return {
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "processors": str(os.cpu_count()),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def rss_mb(pid: int | str = "self", *, peak: bool = False) -> float:
    """Resident memory of a process, MB; the most that it ever had, where asked."""
    name = "VmHWM:" if peak else "VmRSS:"
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    """Let this process's peak of memory begin anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _short(value: float) -> str:
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.3f}"
