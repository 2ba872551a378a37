"""How a session speaks SGIP, whichever side it is."""

from __future__ import annotations

from struct import Struct
from typing import Final, Generic

from typing_extensions import override

from fzalert_sms.carrier.session import Event, Ignored, Limits, Session
from fzalert_sms.carrier.session.core import T
from fzalert_sms.sgip.codec import (
    HEADER,
    DecodeError,
    DeliverResp,
    Frame,
    FrameBuffer,
    ReportResp,
    Sequence,
    SubmitResp,
    UserRptResp,
    decode,
    encode,
    result_answer,
)
from fzalert_sms.sgip.codec import layout as c
from fzalert_sms.sgip.session.sequences import Sequences

WRONG_LOGIN: Final = 1
ALREADY_BOUND: Final = 2
WRONG_TYPE: Final = 4
WRONG_FORMAT: Final = 5
WRONG_COMMAND: Final = 7
REPEATED: Final = 9
"""Results by their meaning (SGIP V1.2, annex)."""
_ANSWER = Struct(">II12sB8s")


class SgipSession(Session[T, Sequence, Frame], Generic[T]):
    """One side of an SGIP connection. The protocol has no keep-alive."""

    test = None
    test_answer = None
    farewell = c.UNBIND
    farewell_answer = c.UNBIND_RESP

    def __init__(self, sequences: Sequences, *, limits: Limits) -> None:
        self._sequences = sequences
        super().__init__(FrameBuffer(), limits=limits)

    @override
    def _following(self) -> Sequence:
        return self._sequences.next()

    @override
    def _head(self, frame: bytes) -> tuple[int, Sequence]:
        _, command, *words = HEADER.unpack_from(frame)
        return command, Sequence(*words)

    @override
    def _decode(self, frame: bytes) -> Frame | DecodeError[Sequence]:
        return decode(frame)

    @override
    def _encode(self, frame: Frame) -> bytes:
        return encode(frame)

    @override
    def _plain(self, command: int, sequence: Sequence) -> bytes:
        return HEADER.pack(HEADER.size, command, *sequence)

    @override
    def _quick(self, frame: bytes) -> tuple[Sequence, bytes, int] | None:
        if len(frame) != _ANSWER.size:
            return None
        _, command, octets, result, _ = _ANSWER.unpack(frame)
        if command != self.answer_command:
            return None
        sequence = Sequence.unpack(octets)
        return sequence, octets, self._read(sequence, result)

    @override
    def _answer_of(self, frame: Frame) -> tuple[Sequence, bytes, int] | None:
        if isinstance(frame, (SubmitResp, DeliverResp, ReportResp, UserRptResp)):
            sequence = frame.sequence
            return sequence, sequence.pack(), self._read(sequence, frame.result)
        return None

    def _read(self, sequence: Sequence, result: int) -> int:
        """What the result of an answer means for a request of ours."""
        del sequence
        return result

    @override
    def _on_other(self, frame: bytes, events: list[Event]) -> None:
        """Refuse a request that nobody expects; drop a response that nobody waits for."""
        command, sequence = self._head(frame)
        if not command & c.RESPONSE:
            self._replies.append(result_answer(command, sequence, WRONG_COMMAND))
        events.append(Ignored(command, sequence))
