"""From an age, a birthday or an identity number to an age band; nothing else of it is kept.

Source: GB 11643-1999, 4: digits 7 to 14 of an identity number of eighteen are the birthday; one of
fifteen has the year without its century.
"""

from __future__ import annotations

import re
from datetime import date

__all__ = ["ELDERLY", "MINOR", "age_of", "band_of"]

MINOR = 14
"""Below it a guardian consents. Source: 个人信息保护法 art. 31."""
ELDERLY = 60
"""Source: 老年人权益保障法 art. 2."""
OLDEST = 130
_BANDS = ((14, "0-13"), (18, "14-17"), (41, "18-40"), (60, "41-59"), (75, "60-74"), (999, "75+"))
_AGE = re.compile(r"(\d{1,3})(?:\.0+)?\s*(?:周?岁)?", re.ASCII)
_BIRTH = re.compile(r"(\d{4})[-/.年]?(\d{1,2})(?:[-/.月]?(\d{1,2}))?日?(?:\s.*)?", re.ASCII)
_IDENTITY = re.compile(r"\d{6}(\d{8})\d{3}[\dXx]", re.ASCII)
_OLD_IDENTITY = re.compile(r"\d{6}(\d{6})\d{3}", re.ASCII)


def age_of(column: str, text: str, today: date | None) -> int | None:
    """Read a whole age, years.

    Args:
        column: `age`, `birth` or `id_number`.
        text: The cell.
        today: Needed for a birthday.

    Returns:
        None where the cell says no age.
    """
    if column == "age":
        found = _AGE.fullmatch(text)
        return _sane(int(found[1])) if found else None
    if today is None:
        return None
    if column == "id_number":
        new, old = _IDENTITY.fullmatch(text), _OLD_IDENTITY.fullmatch(text)
        if new is None and old is None:
            return None
        text = new[1] if new else f"19{old[1] if old else ''}"
    return _since(text, today)


def _since(text: str, today: date) -> int | None:
    found = _BIRTH.fullmatch(text)
    if found is None:
        return None
    try:
        born = date(int(found[1]), int(found[2]), int(found[3] or 1))
    except ValueError:
        return None
    return _sane(today.year - born.year - ((today.month, today.day) < (born.month, born.day)))


def _sane(age: int) -> int | None:
    return age if 0 <= age <= OLDEST else None


def band_of(age: int) -> str:
    """The band of an age, such as 60-74."""
    return next(name for below, name in _BANDS if age < below)
