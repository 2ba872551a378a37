"""Optional fields: tag and length of two octets each, then the value.

Source: SMGP V3.0.3, 7.3; SMPP 3.4, 3.2.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from typing_extensions import override

_HEAD = Struct(">HH")


class Tlv(NamedTuple):
    """One optional field, its value raw."""

    tag: int
    value: bytes

    @override
    def __repr__(self) -> str:
        return f"Tlv({self.tag:#06x}, {len(self.value)} octets)"


def read_tlvs(body: bytes, start: int) -> tuple[tuple[Tlv, ...], bool]:
    """Read fields to the end of a body, in the order in which they stand.

    Returns:
        The fields, and whether the last one was cut off; what is complete is kept then.
    """
    found: list[Tlv] = []
    size = len(body)
    while start < size:
        if size - start < _HEAD.size:
            return tuple(found), True
        tag, length = _HEAD.unpack_from(body, start)
        start += _HEAD.size
        if size - start < length:
            return tuple(found), True
        found.append(Tlv(tag, body[start : start + length]))
        start += length
    return tuple(found), False


def write_tlvs(fields: Iterable[Tlv]) -> bytes:
    """Write fields in ascending order of their tags; equal tags keep their order.

    Raises:
        ValueError: A tag or a length does not fit two octets.
    """
    written: list[bytes] = []
    for tag, value in sorted(fields, key=lambda field: field.tag):
        if not 0 <= tag <= 0xFFFF or len(value) > 0xFFFF:
            raise ValueError(f"field {tag:#x} with {len(value)} octets cannot be written")
        written.append(_HEAD.pack(tag, len(value)) + value)
    return b"".join(written)
