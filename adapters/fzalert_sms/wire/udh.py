"""The user data header that joins the parts of a long text.

Source: 3GPP TS 23.040, 9.2.3.24.1 (8-bit reference) and 9.2.3.24.8 (16-bit).
"""

from __future__ import annotations

from typing import Final, NamedTuple

CONCATENATION: Final = b"\x05\x00\x03"
"""How the header of a part with an 8-bit reference begins."""


class Place(NamedTuple):
    """Where a part stands in a long text.

    Attributes:
        reference: The same in all parts of the text.
        total: How many there are.
        number: Which this is, from 1.
    """

    reference: int
    total: int
    number: int


def concatenation_header(reference: int, total: int, number: int) -> bytes:
    """The user data header of one part of a long text."""
    return CONCATENATION + bytes((reference, total, number))


def reference_of(message: int) -> int:
    """The 8-bit reference of a long text: the same whenever a part of it is sent again.

    Neighbouring ids give references that lie far apart, so that two texts to one person within
    minutes are not joined by the handset. (Fibonacci hashing.)
    """
    return (message * 0x9E37_79B9_7F4A_7C15 & 0xFFFF_FFFF_FFFF_FFFF) >> 56


def divide(content: bytes) -> tuple[Place | None, bytes]:
    """Take the user data header off; its place is None where it names none that makes sense."""
    if not content:
        return None, content
    end = content[0] + 1
    header, text = content[1:end], content[end:]
    at = 0
    while at + 2 <= len(header):
        element, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        at += 2 + size
        if (element, size, len(value)) in {(0x00, 3, 3), (0x08, 4, 4)}:
            place = Place(int.from_bytes(value[:-2], "big"), value[-2], value[-1])
            if 0 < place.number <= place.total:
                return place, text
    return None, text
