"""What a screen can show: text that would not fit or not show as written is refused, never cut."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["half_cells", "unfit"]

# In half-width cells: a Chinese character counts two. A title of 14 and lines of 18 Chinese
# characters, or 48 and 64 Latin ones, stay above a twentieth of the screen's height.
TITLE_CELLS = 48
LINE_CELLS = 64
FOOTER_CELLS = 96
LINES = 3

# Controls, surrogates, private use, unassigned; format characters such as U+202E turn text round.
_FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def half_cells(text: str) -> int:
    """Measure a text in half-width cells.

    >>> half_cells("拨打 96110")
    10
    """
    return sum(2 if unicodedata.east_asian_width(one) in "WFA" else 1 for one in text)


def unfit(title: str, lines: Sequence[str], footer: str) -> str:
    """Say why a card cannot be shown as it is written; empty where it can."""
    if not title.strip():
        return "it has no headline"
    if len(lines) > LINES:
        return f"it has {len(lines)} lines, a screen shows {LINES}"
    for what, text, most in (
        ("headline", title, TITLE_CELLS),
        *((f"line {number}", line, LINE_CELLS) for number, line in enumerate(lines, 1)),
        ("footer", footer, FOOTER_CELLS),
    ):
        for one in text:
            if unicodedata.category(one) in _FORBIDDEN:
                return f"the {what} holds U+{ord(one):04X}, which does not show as a character"
        if half_cells(text) > most:
            return f"the {what} is {half_cells(text)} half-width cells, at most {most} fit"
    return ""
