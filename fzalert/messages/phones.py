"""Mainland China mobile numbers: shape, allocated segments, canonical form, masking.

The allocation table is MIIT's as of the end of March 2023 (number segments of the basic carriers
and of resale, 移动转售, operators). Machine-to-machine segments (140, 141, 144 and 1064x) carry no
people and are refused. A number's segment does not tell today's carrier: since 2019-11-27 numbers
are portable, so nothing here decides a route.
"""

from __future__ import annotations

import re
import unicodedata

from fzalert.errors import InputError

__all__ = ["is_mobile", "mask_digits", "normalise_mobile"]

_ALLOCATED = frozenset(
    {
        *map(str, range(130, 140)),
        *map(str, range(145, 154)),
        *map(str, range(155, 160)),
        *("162", "165", "166", "167"),
        *map(str, range(170, 179)),
        *map(str, range(180, 194)),
        *map(str, range(195, 200)),
    }
)
_SEPARATORS = re.compile(r"[\s\-()." "\u2010-\u2015\uff08\uff09\u00b7\u200b\u2060\ufeff" "]+")
_PREFIX = re.compile(r"^(?:\+|00)?86(?=1\d{10}$)")
_MOBILE = re.compile(r"1[3-9]\d{9}", re.ASCII)
_LANDLINE = re.compile(r"0\d{2,3}\d{7,8}", re.ASCII)


def normalise_mobile(number: str) -> str:
    """Bring a mainland mobile number to its canonical form `+86` and eleven digits.

    Full-width digits, spaces, dashes, brackets and the prefixes +86, 0086 and 86 are accepted.

    Raises:
        InputError: Not a mainland mobile number; the text says what it looks like instead and
            never repeats the number in full.
    """
    digits = _SEPARATORS.sub("", unicodedata.normalize("NFKC", number))
    digits = _PREFIX.sub("", digits)
    if _MOBILE.fullmatch(digits):
        if digits[:3] in _ALLOCATED:
            return "+86" + digits
        raise InputError(
            f"{mask_digits(digits)} starts with {digits[:3]}, which is allocated to no carrier"
            " for people.",
            hint="Check the number with its owner.",
            field="phone",
        )
    raise InputError(_why_not(digits, number), hint=_HINT, field="phone")


_HINT = "Give a mainland mobile number of eleven digits, with or without +86."


def _why_not(digits: str, number: str) -> str:
    shown = mask_digits(digits) or repr(number[:8])
    if not digits:
        return "The phone number is empty."
    if re.fullmatch(r"\d(?:\.\d+)?[eE]\+?\d+", digits):
        return f"{digits} is scientific notation: digits of the number are lost."
    if digits.startswith(("+", "00")):
        return f"{shown} is not a mainland number."
    if _LANDLINE.fullmatch(digits):
        return f"{shown} is a landline, which takes no SMS."
    if not digits.isascii() or not digits.isdigit():
        return f"{shown} has characters that are no digits."
    return f"{shown} has {len(digits)} digits and is no mobile number."


def is_mobile(number: str) -> bool:
    """Tell whether `normalise_mobile` would accept the number."""
    try:
        normalise_mobile(number)
    except InputError:
        return False
    return True


def mask_digits(text: str) -> str:
    """Hide the middle of every run of six or more digits: 13800138000 becomes 138****8000.

    >>> mask_digits("to +8613800138000")
    'to +86138****8000'
    """
    return re.sub(r"\d{6,}", _mask_run, text)


def _mask_run(match: re.Match[str]) -> str:
    run = match.group()
    if len(run) == 13 and run.startswith("86"):
        return f"86{run[2:5]}****{run[-4:]}"
    if len(run) >= 11:
        return f"{run[:3]}****{run[-4:]}"
    return f"{run[:1]}****{run[-2:]}"
