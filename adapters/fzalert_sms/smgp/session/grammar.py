"""How a session speaks SMGP, in both roles."""

from __future__ import annotations

from struct import Struct
from typing import Final, Generic

from typing_extensions import override

from fzalert_sms.carrier.session import Limits, Session
from fzalert_sms.carrier.session.core import T
from fzalert_sms.smgp.codec import (
    HEADER,
    DecodeError,
    DeliverResp,
    Frame,
    FrameBuffer,
    SubmitResp,
    decode,
    encode,
)
from fzalert_sms.smgp.codec import layout as c

WRONG_STRUCTURE: Final = 10
"""Status of a request that cannot be read (SMGP V3.0.3, annex A)."""
_ANSWER = Struct(">III10sI")


class SmgpSession(Session[T, int, Frame], Generic[T]):
    """One side of an SMGP connection."""

    test = c.ACTIVE_TEST
    test_answer = c.ACTIVE_TEST_RESP
    farewell = c.EXIT
    farewell_answer = c.EXIT_RESP

    def __init__(self, *, limits: Limits, first_sequence: int = 1) -> None:
        self._sequence = first_sequence - 1
        super().__init__(FrameBuffer(), limits=limits)

    @override
    def _following(self) -> int:
        self._sequence = self._sequence % 0xFFFF_FFFF + 1
        return self._sequence

    @override
    def _head(self, frame: bytes) -> tuple[int, int]:
        _, command, sequence = HEADER.unpack_from(frame)
        return command, sequence

    @override
    def _decode(self, frame: bytes) -> Frame | DecodeError[int]:
        return decode(frame)

    @override
    def _encode(self, frame: Frame) -> bytes:
        return encode(frame)

    @override
    def _plain(self, command: int, sequence: int) -> bytes:
        return HEADER.pack(HEADER.size, command, sequence)

    @override
    def _quick(self, frame: bytes) -> tuple[int, bytes, int] | None:
        if len(frame) != _ANSWER.size:
            return None
        _, command, sequence, msg_id, status = _ANSWER.unpack(frame)
        return (sequence, msg_id, status) if command == self.answer_command else None

    @override
    def _answer_of(self, frame: Frame) -> tuple[int, bytes, int] | None:
        if isinstance(frame, (SubmitResp, DeliverResp)):
            return frame
        return None
