"""Read aloud what a script left in digits or Latin letters: the pattern pass over a free text.

A script's voice text has none, for its variables have readers of their own. What comes here is a
text that has no recording and is synthesised: dates, times, amounts, counts and numbers are found
by their shape, in the order of the table below, and given to the reader of their type. What no
pattern knows is said digit by digit, the way people say phone numbers. Addresses of the web and
emoji are not spoken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from fzalert_voice.readers import (
    MEASURES,
    read_amount,
    read_case_number,
    read_count,
    read_date,
    read_digits,
    read_letters,
    read_number,
    read_phone,
    read_time,
)

__all__ = ["read_digits", "read_phone", "spoken"]

_NOT_SPOKEN: Final = re.compile(
    r"(?:https?://|www\.)[^\s，。；！？、]+|[\u200b-\u200f\u2600-\u27bf\ufe0e\ufe0f\U0001f000-\U0001faff]"
)
_AMOUNT = r"¥ ?\d[\d,]*(?:\.\d{1,2})?[万亿]?元?|\d[\d,]*(?:\.\d{1,2})?[万亿]?元"
_MEASURE = "|".join(MEASURES)
_TABLE: Final[tuple[tuple[str, str, Callable[[str], str]], ...]] = (
    ("case", r"[\[〔]\d{4}[\]〕]\d+号?", read_case_number),
    ("mobile", r"\+?(?:86)?1[3-9]\d(?:-?\d{4}-?\d{4}|\*+\d{4})", read_phone),
    ("landline", r"0\d{2,3}-\d{7,8}|[48]00-?\d{3}-?\d{4}", read_phone),
    ("date", r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|\d{1,2}月\d{1,2}[日号]", read_date),
    ("time", r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?", read_time),
    ("amount", _AMOUNT, read_amount),
    ("rate", r"\d+(?:\.\d+)?%|-?\d+(?:\.\d+)?°C|\d+/\d+|(?<!\.)\d+\.\d+(?!\.?\d)", read_number),
    ("count", rf"第\d{{1,4}}|\d{{1,8}}(?:[-~到至]\d{{1,8}})?(?:{_MEASURE})", read_count),
    ("digits", r"\+?\d[\d*\-]*\d|\d", read_phone),
)
_PATTERN: Final = re.compile(
    r"(?<![\d+])(?:"
    + "|".join(f"(?P<{name}>{shape})" for name, shape, _ in _TABLE)
    + r")(?:(?<=\D)|(?!\d))"
)
_RUN: Final = re.compile(r"\d+")
_READERS: Final = {name: reader for name, _, reader in _TABLE}
_LETTERS: Final = re.compile(r"[A-Za-z]+")
_SPACES: Final = re.compile(r" {2,}")


def spoken(text: str) -> str:
    """Replace every digit and Latin letter of a text by what is said.

    >>> spoken("请拨打96110，到ATM机旁")
    '请拨打九六幺幺零，到 A T M 机旁'
    >>> spoken("11月2日9:05，被骗¥50,000.00，2次")
    '十一月二日九点零五分，被骗五万元，两次'
    """
    text = unicodedata.normalize("NFKC", _NOT_SPOKEN.sub("", text))
    text = _PATTERN.sub(_read, text)
    text = _RUN.sub(lambda match: read_digits(match[0]), text)
    text = text.replace(",", "，").replace("?", "？")
    text = _LETTERS.sub(lambda match: f" {read_letters(match[0])} ", text)
    return _SPACES.sub(" ", text).strip()


def _read(match: re.Match[str]) -> str:
    assert match.lastgroup is not None  # noqa: S101  each alternative has a name
    try:
        return _READERS[match.lastgroup](match[0])
    except ValueError:
        # The shape is of the type and the value is not: the 31st month, say.
        return _RUN.sub(lambda run: read_phone(run[0]), match[0])
