"""Read aloud what a script left in digits or Latin letters: hotlines, phone numbers, initials.

A script's voice text should have none. Should one slip through, an engine would read 96110 as
ninety-six thousand; here every digit is said by itself, the way people say phone numbers.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["read_digits", "read_phone", "spoken"]

_DIGITS: Final = str.maketrans("0123456789", "零幺二三四五六七八九")
_MASKED: Final = re.compile(r"(?:\+?86)?(1[3-9]\d)\*+(\d{4})")
_MOBILE: Final = re.compile(r"(?:\+?86)?(1[3-9]\d)-?(\d{4})-?(\d{4})")
_SERVICE: Final = re.compile(r"([48]00)-?(\d{3})-?(\d{4})")
_LANDLINE: Final = re.compile(r"(0\d{2,3})-(\d{3,4})(\d{4})")
_CARD: Final = re.compile(r"\d{12,19}")
_NUMBER: Final = re.compile(r"(?<![\d+])\+?\d[\d*\-]*\d|\d")
_WORD: Final = re.compile(r"[A-Za-z]+")
_SPACES: Final = re.compile(r" {2,}")


def read_digits(digits: str) -> str:
    """Say digit by digit, with 幺 for 1.

    >>> read_digits("96110")
    '九六幺幺零'
    """
    return digits.translate(_DIGITS)


def read_phone(number: str) -> str:
    """Say a hotline or a phone number in the groups people use.

    A number of 12 to 19 digits is a card or an account, of which only the tail is ever spoken in
    a public hall.
    """
    if match := _MASKED.fullmatch(number):
        return f"{read_digits(match[1])}，尾号{read_digits(match[2])}"
    for pattern in (_MOBILE, _SERVICE, _LANDLINE):
        if match := pattern.fullmatch(number):
            return "，".join(read_digits(group) for group in match.groups())
    if _CARD.fullmatch(number):
        return f"尾号{read_digits(number[-4:])}"
    return "，".join(read_digits(run) for run in re.findall(r"\d+", number))


def spoken(text: str) -> str:
    """Replace every digit and Latin letter of a text by what is said.

    >>> spoken("请拨打96110，到ATM机旁")
    '请拨打九六幺幺零，到 A T M 机旁'
    """
    text = unicodedata.normalize("NFKC", text).replace(",", "，").replace("?", "？")
    text = _NUMBER.sub(lambda match: read_phone(match[0]), text)
    text = _WORD.sub(lambda match: f" {' '.join(match[0].upper())} ", text)
    return _SPACES.sub(" ", text).strip()
