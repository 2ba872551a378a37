"""The id of a message: what the answer says and what the receipt says need not look alike.

An answer may name it in hexadecimal and the receipt in decimal digits, one of them with leading
zeros or in capitals. A rule brings both to one form before they are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

IdRule = Literal["as_is", "lower", "strip_zeros", "hex_to_dec", "dec_to_hex"]
"""What a setting may ask for."""
Reader = Callable[[bytes], bytes]
_LONGEST: Final = 64
"""Octets of an id (v3.4, 5.2.23)."""


def _as_is(octets: bytes) -> bytes:
    return octets


def _lower(octets: bytes) -> bytes:
    return octets.lower()


def _stripped(octets: bytes) -> bytes:
    """Without leading zeros and in small letters; an id of zeros alone stays one zero."""
    lower = octets.lower()
    return lower.lstrip(b"0") or lower[-1:]


def _hex_to_dec(octets: bytes) -> bytes:
    try:
        return b"%d" % int(octets[:_LONGEST], 16)
    except ValueError:
        return _stripped(octets)


def _dec_to_hex(octets: bytes) -> bytes:
    if not octets.isdigit() or len(octets) > _LONGEST:
        return _stripped(octets)
    return b"%x" % int(octets)


_READERS: Final[dict[IdRule, tuple[Reader, Reader]]] = {
    "as_is": (_as_is, _as_is),
    "lower": (_lower, _lower),
    "strip_zeros": (_stripped, _stripped),
    "hex_to_dec": (_hex_to_dec, _stripped),
    "dec_to_hex": (_dec_to_hex, _stripped),
}


def answered_id(rule: IdRule) -> Reader:
    """Return what brings the id of an answer to the form that is kept."""
    return _READERS[rule][0]


def reported_id(rule: IdRule) -> Reader:
    """Return what brings the id of a receipt to the form that is kept."""
    return _READERS[rule][1]
