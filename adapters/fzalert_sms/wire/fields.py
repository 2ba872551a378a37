"""Fields of fixed length, both ways. All integers are big-endian; texts are padded with zeros."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S")


class DecodeError(NamedTuple, Generic[S]):
    """A complete frame that cannot be read; the connection lives on, unless its protocol closes it.

    Attributes:
        sequence: The sequence of its header, so that it can be answered.
        command: The command of its header.
        reason: What did not add up, without any content.
        note: What an answer to it has to repeat, such as the id at the head of a CMPP_DELIVER.
    """

    sequence: S
    command: int
    reason: str
    note: bytes = b""


class Unreadable(Exception):
    """Ends the reading of one frame; a codec's `decode` turns it into a value."""


def text(field: bytes) -> str:
    """Read a text up to its first zero octet."""
    return field.partition(b"\0")[0].decode("latin-1")


def exactly(body: bytes, size: int) -> None:
    """Check the length of a whole body.

    Raises:
        Unreadable: It has another one.
    """
    if len(body) != size:
        raise Unreadable(f"the body has {len(body)} octets, not {size}")


def octets(value: str, width: int) -> bytes:
    """Write a text, padded on the right with zeros.

    Raises:
        ValueError: It does not fit, or is not Latin-1.
    """
    return exact(value.encode("latin-1"), width)


def exact(value: bytes, width: int) -> bytes:
    """Pad octets on the right with zeros.

    Raises:
        ValueError: They do not fit.
    """
    if len(value) > width:
        raise ValueError(f"{len(value)} octets do not fit a field of {width}")
    return value.ljust(width, b"\0")


def whole(value: bytes, width: int) -> bytes:
    """Take octets as they are.

    Raises:
        ValueError: They are not of this length.
    """
    if len(value) != width:
        raise ValueError(f"{len(value)} octets, not {width}")
    return value


def small(value: int, width: int) -> bytes:
    """Write a number without a sign.

    Raises:
        ValueError: It does not fit.
    """
    try:
        return value.to_bytes(width, "big")
    except OverflowError as error:
        raise ValueError(f"{value} does not fit {width} octets") from error
