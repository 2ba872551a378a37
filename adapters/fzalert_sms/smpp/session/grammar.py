"""How a session speaks SMPP, in both roles."""

from __future__ import annotations

from collections import deque
from typing import Final, Generic

from typing_extensions import override

from fzalert_sms.carrier.session import Event, Ignored, Limits, Session, State
from fzalert_sms.carrier.session.core import T
from fzalert_sms.smpp.codec import (
    HEADER,
    DecodeError,
    Frame,
    FrameBuffer,
    MessageResp,
    Plain,
    decode,
    encode,
)
from fzalert_sms.smpp.codec import layout as c

_REMEMBERED: Final = 256
"""Deliveries whose answer the peer may still refuse."""


class SmppSession(Session[T, int, Frame], Generic[T]):
    """One side of an SMPP connection."""

    test = c.ENQUIRE_LINK
    test_answer = c.ENQUIRE_LINK_RESP
    farewell = c.UNBIND
    farewell_answer = c.UNBIND_RESP

    def __init__(self, *, limits: Limits, first_sequence: int = 1) -> None:
        self._sequence = first_sequence - 1
        self._own_plain: set[int] = set()
        self._answered: deque[int] = deque(maxlen=_REMEMBERED)
        super().__init__(FrameBuffer(), limits=limits)
        for state in (State.OPEN, State.LEAVING):
            self._table[state][c.GENERIC_NACK] = self._on_nack

    @override
    def receive_data(self, data: bytes, now: float) -> list[Event]:
        was_closed = self.is_closed
        events = super().receive_data(data, now)
        if self._buffer.lost and not was_closed:
            # v3.4, 4.3: a command_length that makes no sense is told, then nothing can be trusted.
            self._reply(Plain(0, c.GENERIC_NACK, c.INVALID_LENGTH))
        return events

    @override
    def _following(self) -> int:
        self._sequence = self._sequence % c.MAX_SEQUENCE + 1
        return self._sequence

    @override
    def _head(self, frame: bytes) -> tuple[int, int]:
        _, command, _, sequence = HEADER.unpack_from(frame)
        return command, sequence

    @override
    def _decode(self, frame: bytes) -> Frame | DecodeError[int]:
        return decode(frame)

    @override
    def _encode(self, frame: Frame) -> bytes:
        return encode(frame)

    @override
    def _plain(self, command: int, sequence: int) -> bytes:
        if command == self.test:
            self._own_plain = {sequence}
        elif command == self.farewell:
            self._own_plain.add(sequence)
        return HEADER.pack(HEADER.size, command, c.OK, sequence)

    @override
    def _quick(self, frame: bytes) -> tuple[int, bytes, int] | None:
        _, command, status, sequence = HEADER.unpack_from(frame)
        if command != self.answer_command:
            return None
        size = len(frame)
        if size == HEADER.size:  # an error mostly has no body, and some centres write none at all
            return sequence, b"", status
        if status or frame.find(b"\0", HEADER.size) != size - 1:
            return None  # with optional fields, or odd: read with care
        return sequence, self._own_id(frame[HEADER.size : size - 1]), c.OK

    @override
    def _answer_of(self, frame: Frame) -> tuple[int, bytes, int] | None:
        if isinstance(frame, MessageResp):
            message_id = self._own_id(frame.message_id.encode("latin-1"))
            return frame.sequence, b"" if frame.status else message_id, frame.status
        return None

    def _own_id(self, octets: bytes) -> bytes:
        """The id of an answer in the form in which it is kept."""
        return octets

    @override
    def _refuse(self, error: DecodeError[int]) -> None:
        if not error.command & c.RESPONSE:
            self._reply(Plain(error.sequence, c.GENERIC_NACK, c.INVALID_LENGTH))

    @override
    def _on_other(self, frame: bytes, events: list[Event]) -> None:
        command, sequence = self._head(frame)
        if not command & c.RESPONSE:
            self._reply(Plain(sequence, c.GENERIC_NACK, c.INVALID_COMMAND))
        events.append(Ignored(command, sequence))

    def _on_nack(self, frame: bytes, now: float, events: list[Event]) -> None:
        """One request of ours was refused; or the peer no longer knows where a PDU begins."""
        del now
        _, _, status, sequence = HEADER.unpack_from(frame)
        if any(sequence in table for table in (self._pending, self._overdue, self._given_up)):
            self._settle(sequence, b"", status or c.INVALID_COMMAND, events)
        elif sequence in self._own_plain or sequence in self._answered:
            # A refused enquire_link still shows that it lives. Some centres refuse the answer to
            # what they deliver on a receiver; they read it, and framing is not lost.
            events.append(Ignored(c.GENERIC_NACK, sequence))
        else:
            self._close(f"framing lost: generic_nack {status:#04x}", events)
