"""What people type: variables, durations, lists of targets."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fzalert.errors import InputError
from fzalert.scripts import VARIABLES, VariableType

__all__ = ["parse_duration", "parse_values", "read_targets"]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,7})\s*([smhd]?)", re.ASCII)


def parse_values(pairs: Sequence[str]) -> dict[str, str | int]:
    """Read variables written as name=value; counts become numbers.

    Raises:
        InputError: Not of that form, or given twice.
    """
    values: dict[str, str | int] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError("A value is written name=value.", field="value")
        if name in values:
            raise InputError(f"The value {name} was given twice.", field="value")
        known = VARIABLES.get(name)
        counts = known is not None and known.type is VariableType.COUNT
        values[name] = int(text) if counts and text.isascii() and text.isdigit() else text
    return values


def parse_duration(text: str) -> float | None:
    """Read 90, 90s, 10m, 24h or 7d as seconds; nothing is None.

    Raises:
        InputError: Not of that form.
    """
    if not text:
        return None
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise InputError(
            f"{text[:20]!r} is no length of time.", hint="Write 90s, 10m, 24h or 7d.", field="time"
        )
    return float(int(match[1]) * _UNITS[match[2]])


def read_targets(typed: Sequence[str], file: Path | None) -> list[str]:
    """Join the targets that were typed and those of a file, one a line.

    Raises:
        InputError: The file cannot be read, or there is no target at all.
    """
    lines: list[str] = []
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The list {file} cannot be read.", field="to-file") from error
        lines = [line.strip() for line in text.splitlines()]
    targets = [*typed, *(line for line in lines if line and not line.startswith("#"))]
    if not targets:
        raise InputError(
            "Nobody is named.", hint="Write phone:13800138000 or display:lobby.", field="to"
        )
    return targets
