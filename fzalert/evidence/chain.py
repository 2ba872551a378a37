"""The chain: every hash covers its event and the hash before, so that no byte can be changed.

`h(i) = SHA-256(0x01 || "fz-audit-v1" || h(i-1) || uint64 big-endian length || canonical event)`,
and `h(-1)` is 32 zero bytes. A line of a chain is the event, a tab, the hash in lower-case hex and
a line feed. A chain does not protect its own tail: whoever cuts lines off its end leaves a valid
chain. Therefore heads are signed and kept elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from fzalert.errors import InputError
from fzalert.evidence.canonical import Json, canonical

__all__ = [
    "GENESIS",
    "HEAD_DOMAIN",
    "START",
    "Head",
    "Link",
    "append",
    "encode_line",
    "head_document",
    "head_of",
    "link",
]

GENESIS = bytes(32)
"""What stands before the first event."""
HEAD_DOMAIN = "fz-audit-head-v1"
"""Domain under which a head is signed."""
_PREFIX = b"\x01fz-audit-v1"


class Head(NamedTuple):
    """Where a chain ends: the last event's number and hash."""

    seq: int
    hash: bytes


class Link(NamedTuple):
    """One event of a chain.

    Attributes:
        seq: Its number, from 0, without a gap; the event itself carries it too.
        body: The event in its canonical spelling.
        hash: The hash over it and everything before, 32 bytes.
    """

    seq: int
    body: bytes
    hash: bytes


START = Head(-1, GENESIS)
"""The head of a chain that has no event yet."""


def link(previous: bytes, body: bytes) -> bytes:
    """Hash an event onto what came before.

    Args:
        previous: The hash before, 32 bytes.
        body: The event in its canonical spelling.
    """
    return hashlib.sha256(_PREFIX + previous + len(body).to_bytes(8, "big") + body).digest()


def head_of(last: Link | Head) -> Head:
    """Return the head that a chain has after this event."""
    return Head(last.seq, last.hash)


def append(last: Link | Head, event: Mapping[str, Json]) -> Link:
    """Add an event to a chain; its number `seq` is set here.

    Args:
        last: The link or head before, `START` for the first event.
        event: Who did what when. Personal data stands in it as a blind index or an encrypted
            value only, so that the chain outlives the destruction of a key.

    Raises:
        InputError: The event has no single spelling, or brings a `seq` of its own.
    """
    if "seq" in event:
        raise InputError("The event brings a seq of its own; the chain counts.", field="seq")
    seq = last.seq + 1
    body = canonical({**event, "seq": seq})
    return Link(seq, body, link(last.hash, body))


def encode_line(one: Link) -> bytes:
    """Write one event as a line of a chain in a file."""
    return one.body + b"\t" + one.hash.hex().encode("ascii") + b"\n"


def head_document(*, store: str, head: Head, at: str) -> bytes:
    """Write the document whose signature under `HEAD_DOMAIN` anchors a chain.

    Args:
        store: Name of the store or chain.
        head: Where the chain ends.
        at: When, RFC 3339 in UTC.
    """
    return canonical({"at": at, "h": head.hash.hex(), "seq": head.seq, "store": store})
