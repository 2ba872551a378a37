"""How values are written, and how they are said: one small reader for each type of variable.

What is spoken holds no digit and no Latin letter, because engines guess at both. In Chinese a
hotline is read digit by digit with 幺 for 1; a count reads 2 as 两 alone and before 千.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from fzalert.scripts.variables import VARIABLES, VariableType

_DIGITS_ZH = "零一二三四五六七八九"
_PHONE_ZH = "零幺二三四五六七八九"
# fmt: off
_ONES_EN = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)
_TENS_EN = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)
_MONTHS_EN = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)
# fmt: on


def written(name: str, value: str | int, language: str) -> str:
    """A checked value as it stands in a text."""
    chinese = language.partition("-")[0] != "en"
    match VARIABLES[name].type:
        case VariableType.DATE:
            day = date.fromisoformat(str(value))
            return (
                f"{day.month}月{day.day}日"
                if chinese
                else f"{day.day} {_MONTHS_EN[day.month - 1][:3]}"
            )
        case VariableType.MONTH:
            return str(value) if chinese else _MONTHS_EN[int(value) - 1][:3]
        case VariableType.MONEY:
            amount = f"{Decimal(value):.2f}".removesuffix(".00")
            return f"{amount}元" if chinese else f"CNY {amount}"
        case _:
            return str(value)


def spoken(name: str, value: str | int, language: str) -> str:
    """A checked value as it is said.

    >>> spoken("hotline", "96110", "zh")
    '九六幺幺零'
    >>> spoken("case_count", 12, "zh")
    '十二'
    """
    chinese = language.partition("-")[0] != "en"
    match VARIABLES[name].type:
        case VariableType.HOTLINE | VariableType.LAST4:
            return digits_zh(str(value)) if chinese else digits_en(str(value))
        case VariableType.COUNT:
            return count_zh(int(value)) if chinese else number_en(int(value))
        case VariableType.MONTH:
            return number_zh(int(value)) if chinese else _MONTHS_EN[int(value) - 1]
        case VariableType.DATE:
            day = date.fromisoformat(str(value))
            if chinese:
                return f"{number_zh(day.month)}月{number_zh(day.day)}日"
            return f"{_MONTHS_EN[day.month - 1]} {number_en(day.day)}"
        case VariableType.NAME:
            return _each_digit(str(value), digits_zh if chinese else digits_en)
        case VariableType.MONEY | VariableType.TIME:
            raise ValueError(f"{name} is never spoken")


def digits_zh(number: str) -> str:
    """Digit by digit, 1 as 幺."""
    return "".join(_PHONE_ZH[int(digit)] for digit in number)


def digits_en(number: str) -> str:
    """Digit by digit, with spaces."""
    return " ".join(_ONES_EN[int(digit)] for digit in number)


def number_zh(number: int) -> str:
    """A number from 0 to 9999 in Chinese, 2 as 二: months, days, ordinals.

    >>> [number_zh(n) for n in (0, 10, 24, 105, 1010, 2200)]
    ['零', '十', '二十四', '一百零五', '一千零一十', '二千二百']
    """
    if number == 0:
        return _DIGITS_ZH[0]
    said, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            said += (_DIGITS_ZH[0] if gap else "") + _DIGITS_ZH[digit] + name
            gap = False
        else:
            gap = bool(said)
    return said.removeprefix("一") if 10 <= number < 20 else said


def count_zh(number: int) -> str:
    """The same before a measure word: 2 alone and before 千 is 两.

    >>> [count_zh(n) for n in (2, 12, 2200)]
    ['两', '十二', '两千二百']
    """
    said = number_zh(number)
    return "两" + said[1:] if number == 2 or number // 1000 == 2 else said


def number_en(number: int) -> str:
    """A number from 0 to 9999 in English words.

    >>> number_en(2345)
    'two thousand three hundred and forty five'
    """
    if number < 20:
        return _ONES_EN[number]
    if number < 100:
        rest = number % 10
        return _TENS_EN[number // 10] + (f" {_ONES_EN[rest]}" if rest else "")
    unit, name, joint = (1000, "thousand", " ") if number >= 1000 else (100, "hundred", " and ")
    rest = number % unit
    if unit == 1000 and rest < 100:
        joint = " and "
    return f"{number_en(number // unit)} {name}" + (joint + number_en(rest) if rest else "")


def _each_digit(text: str, say: Callable[[str], str]) -> str:
    return "".join(say(c) if c.isascii() and c.isdigit() else c for c in text)
