"""The raw log of fake banks: a line of JSON for each thing that happened, written before it counts.

Lines: `package` (it came in, whether new or not), `core` (core banking did something, once for an
application id), `answer` (the desk signed an answer), `fault` (the scenario's hook failed or a
package was left without an acknowledgement). Accounts stand there masked.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from fzalert.clock import Clock

__all__ = ["BankCount", "RawLog", "count_log"]

MARK = "模拟"
_IN_FORCE = frozenset({"0000", "0900", "1200", "1299"})


class RawLog:
    """Appends lines to a file.

    Args:
        path: The file; several banks of one process may share it.
        clock: Reader of time.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, bank: str, event: str, **facts: str | int) -> None:
        """Put one line down; it is with the operating system when this returns."""
        at = self._clock.now().isoformat(timespec="milliseconds")
        line = {"at": at, "mark": MARK, "bank": bank, "event": event, **facts}
        os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class BankCount(NamedTuple):
    """What one fake bank's log says.

    Attributes:
        packages: Different packages that came in.
        repeated: How often one came that had come before.
        stopped: Stops that core banking put in force.
        answered: Answers that the desk signed.
        faults: Failed hooks, and packages that were not acknowledged.
    """

    packages: int
    repeated: int
    stopped: int
    answered: int
    faults: int


def count_log(path: Path) -> dict[str, BankCount]:
    """Count a raw log, by bank; reads lines and codes, and knows nothing of desks.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line is no JSON.
    """
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found: dict[str, BankCount] = {}
    for bank in sorted({line["bank"] for line in lines}):
        own = [line for line in lines if line["bank"] == bank]
        came = [line["sha256"] for line in own if line["event"] == "package"]
        stops = {
            line["application_id"]
            for line in own
            if line["event"] == "core" and line["kind"] == "stop" and line["code"] in _IN_FORCE
        }
        found[bank] = BankCount(
            packages=len(set(came)),
            repeated=len(came) - len(set(came)),
            stopped=len(stops),
            answered=sum(line["event"] == "answer" for line in own),
            faults=sum(line["event"] == "fault" for line in own),
        )
    return found
