"""How a session speaks CMPP, in both roles."""

from __future__ import annotations

from struct import Struct
from typing import Final, Generic

from typing_extensions import override

from fzalert_sms.carrier.session import Limits, Session
from fzalert_sms.carrier.session.core import T
from fzalert_sms.cmpp.codec import (
    HEADER,
    V30,
    DecodeError,
    DeliverResp,
    Frame,
    FrameBuffer,
    Layout,
    SubmitResp,
    decode,
    encode,
)
from fzalert_sms.cmpp.codec import layout as c

VERSION_TOO_HIGH: Final = 4
"""Status of a login whose version the gateway does not speak."""
_ANSWERS = {24: Struct(">III8sI"), 21: Struct(">III8sB")}
"""SUBMIT_RESP and DELIVER_RESP by their length, which tells the version better than the login."""
_BODIES = {c.ACTIVE_TEST_RESP: b"\0"}


class CmppSession(Session[T, int, Frame], Generic[T]):
    """One side of a CMPP connection.

    Attributes:
        layout: The version in force; 3.0 until the login tells otherwise.
    """

    test = c.ACTIVE_TEST
    test_answer = c.ACTIVE_TEST_RESP
    farewell = c.TERMINATE
    farewell_answer = c.TERMINATE_RESP

    def __init__(self, *, limits: Limits, layout: Layout = V30, first_sequence: int = 1) -> None:
        self.layout = layout
        self._sequence = first_sequence - 1
        super().__init__(FrameBuffer(), limits=limits)

    @override
    def _following(self) -> int:
        self._sequence = self._sequence % 0xFFFF_FFFF + 1  # 0 is never used
        return self._sequence

    @override
    def _head(self, frame: bytes) -> tuple[int, int]:
        _, command, sequence = HEADER.unpack_from(frame)
        return command, sequence

    @override
    def _decode(self, frame: bytes) -> Frame | DecodeError[int]:
        return decode(frame, self.layout)

    @override
    def _encode(self, frame: Frame) -> bytes:
        return encode(frame, self.layout)

    @override
    def _plain(self, command: int, sequence: int) -> bytes:
        body = _BODIES.get(command, b"")
        return HEADER.pack(HEADER.size + len(body), command, sequence) + body

    @override
    def _quick(self, frame: bytes) -> tuple[int, bytes, int] | None:
        shape = _ANSWERS.get(len(frame))
        if shape is None:
            return None
        _, command, sequence, msg_id, result = shape.unpack(frame)
        return (sequence, msg_id, result) if command == self.answer_command else None

    @override
    def _answer_of(self, frame: Frame) -> tuple[int, bytes, int] | None:
        if isinstance(frame, (SubmitResp, DeliverResp)):
            return frame
        return None
