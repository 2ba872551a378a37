"""What differs between CMPP versions, as a table; everything else in the codec is shared.

All integers are big-endian. Texts are fixed-length octet strings, padded on the right with zero.

Source: CMPP V3.0.0 (QB-GF-028-2003), chapters 7 and 8, and its list of changes from 2.0.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

CONNECT: Final = 0x0000_0001
TERMINATE: Final = 0x0000_0002
SUBMIT: Final = 0x0000_0004
DELIVER: Final = 0x0000_0005
QUERY: Final = 0x0000_0006
CANCEL: Final = 0x0000_0007
ACTIVE_TEST: Final = 0x0000_0008
RESPONSE: Final = 0x8000_0000
"""A response carries the command of its request with this bit set."""

CONNECT_RESP: Final = RESPONSE | CONNECT
TERMINATE_RESP: Final = RESPONSE | TERMINATE
SUBMIT_RESP: Final = RESPONSE | SUBMIT
DELIVER_RESP: Final = RESPONSE | DELIVER
QUERY_RESP: Final = RESPONSE | QUERY
CANCEL_RESP: Final = RESPONSE | CANCEL
ACTIVE_TEST_RESP: Final = RESPONSE | ACTIVE_TEST

HEADER: Final = Struct(">III")
"""Total_Length (header included), Command_Id, Sequence_Id."""
MAX_FRAME: Final = 4096
"""Longest frame that is read; the longest legal one is 163 + 32 * 99 + 160 octets."""
NO_ID: Final = bytes(8)
"""The Msg_Id of a request that has none yet."""


class Layout(NamedTuple):
    """The field widths of one version.

    Attributes:
        version: As it stands in CONNECT: major in the high four bits.
        status: Octets of a status or result in a response.
        terminal: Octets of a terminal number.
        typed: Whether terminal numbers have a type octet beside them.
        tail: Octets of Reserve (2.0) or LinkID (3.0) at the end.
        submit: SUBMIT up to and including DestUsr_tl.
        deliver: DELIVER up to and including Msg_Length.
        report: Octets of a status report's content.
    """

    version: int
    status: int
    terminal: int
    typed: bool
    tail: int
    submit: Struct
    deliver: Struct
    report: int


V20: Final = Layout(
    version=0x20,
    status=1,
    terminal=21,
    typed=False,
    tail=8,
    submit=Struct(">8s4B10sB21s3B6s2s6s17s17s21sB"),
    deliver=Struct(">8s21s10s3B21s2B"),
    report=60,
)
V30: Final = Layout(
    version=0x30,
    status=4,
    terminal=32,
    typed=True,
    tail=20,
    submit=Struct(">8s4B10sB32s4B6s2s6s17s17s21sB"),
    deliver=Struct(">8s21s10s3B32s3B"),
    report=71,
)


def layout_of(version: int) -> Layout:
    """The layout that a version number in CONNECT asks for; below 3.0 it is that of 2.0.

    Some stacks write 0x00 or 0x01 for 2.0.
    """
    return V30 if version >= 0x30 else V20
