"""Numbers as Chinese says them: sections of four digits, 零 for a gap, 两 where 2 leads.

Both 二百 and 两百 are good Mandarin; here it is 二百 always, and 两 only where a 2 leads the number
and stands alone or before 千, 万 or 亿: 两千二百, 两万二千, 二百二十.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

__all__ = ["LARGEST", "counted", "decimal", "digits", "number"]

LARGEST: Final = 10**16 - 1
_DIGITS: Final = "零一二三四五六七八九"
_SECTIONS: Final = ((10**12, "万亿"), (10**8, "亿"), (10**4, "万"), (1, ""))


def digits(text: str) -> str:
    """Digit by digit, 1 as 一: years, and what stands behind a point.

    >>> digits("2011")
    '二零一一'
    """
    return text.translate(str.maketrans("0123456789", _DIGITS))


def number(value: int) -> str:
    """A number with 2 as 二: months, days, ordinals.

    >>> [number(n) for n in (0, 10, 1010, 10050, 100010001)]
    ['零', '十', '一千零一十', '一万零五十', '一亿零一万零一']

    Raises:
        ValueError: Below 0, or more than sixteen digits.
    """
    if not 0 <= value <= LARGEST:
        raise ValueError(f"a number of {len(str(abs(value)))} digits is not said as one")
    if value == 0:
        return _DIGITS[0]
    said, rest = "", value
    for unit, name in _SECTIONS:
        section, rest = divmod(rest, unit)
        if not section:
            continue
        gap = _DIGITS[0] if said and section < 1000 else ""
        said += gap + _section(section) + name
    return said.removeprefix("一") if said.startswith("一十") else said


def counted(value: int) -> str:
    """The same before a measure word, where a leading 2 is 两.

    >>> [counted(n) for n in (2, 12, 22, 200, 2200, 22000, 20000000)]
    ['两', '十二', '二十二', '二百', '两千二百', '两万二千', '两千万']
    """
    said = number(value)
    return "两" + said[1:] if said == "二" or said[:2] in {"二千", "二万", "二亿"} else said


def decimal(value: Decimal) -> str:
    """A number with what stands behind its point.

    >>> decimal(Decimal("3.05"))
    '三点零五'
    """
    whole, _, behind = f"{abs(value):f}".partition(".")
    said = number(int(whole))
    return f"{said}点{digits(behind)}" if behind else said


def _section(value: int) -> str:
    """One to four digits; 一十 is left for the caller, who alone knows whether it leads."""
    said, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // unit % 10
        if digit:
            said += (_DIGITS[0] if gap else "") + _DIGITS[digit] + name
            gap = False
        else:
            gap = bool(said)
    return said
