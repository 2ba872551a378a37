"""What both roles of a CMPP connection share: window, sequence numbers, keep-alive, leaving.

A session does no I/O and reads no clock. Its owner gives it octets and the time, and takes events
and octets: `receive_data`, `tick`, `frames_to_send`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import islice
from struct import Struct
from typing import Generic, NamedTuple

from fzalert_sms.cmpp.codec import (
    HEADER,
    V30,
    ActiveTest,
    ActiveTestResp,
    DecodeError,
    DeliverResp,
    Frame,
    FrameBuffer,
    Layout,
    SubmitResp,
    Terminate,
    TerminateResp,
    decode,
    encode,
)
from fzalert_sms.cmpp.codec import layout as c
from fzalert_sms.cmpp.session.events import (
    Answered,
    Closed,
    GivenUp,
    Ignored,
    Limits,
    Malformed,
    Overdue,
    State,
    Stray,
    T,
    Unreadable,
)

Event = tuple[object, ...]
"""Any of the tuples in `events`."""
Handler = Callable[[bytes, float, list[Event]], None]

_ANSWERS = {24: Struct(">III8sI"), 21: Struct(">III8sB")}
"""SUBMIT_RESP and DELIVER_RESP by their length, which tells the version better than the login."""
_REMEMBERED = 4096
"""Requests given up that a late answer still finds."""


class _Open(NamedTuple, Generic[T]):
    sent_at: float
    token: T


class Session(ABC, Generic[T]):
    """One side of a connection; `T` is what the owner keeps for each request of its own.

    Attributes:
        state: Where the connection stands.
        layout: The version in force; 3.0 until the login tells otherwise.
        limits: The figures of this connection.
        tap: Called with every complete frame as it is read, for a trace.
    """

    answer_command: int
    """The command that answers this side's own requests."""

    def __init__(self, *, limits: Limits, layout: Layout = V30, first_sequence: int = 1) -> None:
        self.state = State.AUTH
        self.layout = layout
        self.limits = limits
        self.tap: Callable[[bytes], None] | None = None
        self._buffer = FrameBuffer()
        self._out: list[bytes] = []
        self._replies: list[bytes] = []
        self._sequence = first_sequence - 1
        self._pending: dict[int, _Open[T]] = {}
        self._overdue: dict[int, _Open[T]] = {}
        self._given_up: dict[int, _Open[T]] = {}
        self._timeouts = 0
        self._started_at: float | None = None
        self._heard_at = 0.0
        self._tests = 0
        self._tested_at = 0.0
        self._left_at = 0.0
        common: dict[int, Handler] = {
            c.ACTIVE_TEST: self._on_test,
            c.ACTIVE_TEST_RESP: self._on_test_answer,
            c.TERMINATE: self._on_terminate,
            self.answer_command: self._on_answer,
        }
        self._table: dict[State, dict[int, Handler]] = {
            State.AUTH: self._login_table(),
            State.OPEN: common | self._open_table(),
            State.LEAVING: common | self._open_table() | {c.TERMINATE_RESP: self._on_left},
            State.CLOSED: {},
        }

    # The owner's side.

    @property
    def is_open(self) -> bool:
        """Whether requests may be sent."""
        return self.state is State.OPEN

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is read or written."""
        return self.state is State.CLOSED

    @property
    def unanswered(self) -> int:
        """Requests of ours in the window."""
        return len(self._pending) + len(self._overdue)

    @property
    def overdue(self) -> int:
        """How many of them were told as overdue."""
        return len(self._overdue)

    @property
    def room(self) -> int:
        """How many more requests the window takes now."""
        if self.state is not State.OPEN:
            return 0
        return max(0, self.limits.window - len(self._pending) - len(self._overdue))

    def start(self, now: float) -> None:
        """Begin to count the time for the login."""
        self._started_at = now
        self._heard_at = now

    def next_sequence(self) -> int:
        """Take the next sequence number that no open request has; 0 is never used."""
        while True:
            self._sequence = self._sequence % 0xFFFF_FFFF + 1
            if self._sequence not in self._pending and self._sequence not in self._overdue:
                self._given_up.pop(self._sequence, None)
                return self._sequence

    def send_many(self, requests: Sequence[tuple[int, bytes, T]], now: float) -> None:
        """Put requests into the window: sequence, whole frame and the owner's token of each.

        Raises:
            RuntimeError: The connection is not open, or the window has no room for all of them.
        """
        if len(requests) > self.room:
            raise RuntimeError(
                f"{len(requests)} requests, room for {self.room}, state {self.state}"
            )
        pending = self._pending
        for sequence, frame, token in requests:
            pending[sequence] = _Open(now, token)
            self._out.append(frame)

    def leave(self, now: float) -> None:
        """Send TERMINATE. Answers and deliveries are still read until the peer has answered."""
        if self.state is State.OPEN:
            self.state = State.LEAVING
            self._left_at = now
            self._send(Terminate(self.next_sequence()))
        else:
            self.state = State.CLOSED

    def abandon(self) -> list[T]:
        """Close and return the tokens of requests that were neither answered nor told overdue."""
        self.state = State.CLOSED
        tokens = [entry.token for entry in self._pending.values()]
        self._pending.clear()
        self._overdue.clear()
        self._given_up.clear()
        return tokens

    def frames_to_send(self) -> list[bytes]:
        """Take the frames that wait: answers to the peer first, then our requests."""
        frames = self._replies + self._out
        self._replies.clear()
        self._out.clear()
        return frames

    def data_to_send(self) -> bytes:
        """Take everything that waits, as one buffer for one write."""
        return b"".join(self.frames_to_send())

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Take what arrived, in any portions; return what it means."""
        events: list[Event] = []
        if self.state is State.CLOSED:
            return events
        self._heard_at = now
        self._tests = 0
        answer = self.answer_command
        is_open = self.state is State.OPEN
        for frame in self._buffer.feed(data):
            if self.tap is not None:
                self.tap(frame)
            shape = _ANSWERS.get(len(frame))
            if shape is not None and is_open:
                _, command, sequence, msg_id, result = shape.unpack(frame)
                if command == answer:
                    self._settle(sequence, msg_id, result, events)
                    continue
            command = HEADER.unpack_from(frame)[1]
            handler = self._table[self.state].get(command)
            if handler is not None:
                handler(frame, now, events)
                is_open = self.state is State.OPEN
            elif self.state is State.AUTH:
                self._close(f"command {command:#010x} before the login", events)
            elif not self.is_closed:
                self._on_other(frame, events)
        if self._buffer.lost and not self.is_closed:
            self._close(f"framing lost: {self._buffer.lost}", events)
        return events

    def tick(self, now: float) -> list[Event]:
        """Look at the time; call it several times a second."""
        events: list[Event] = []
        limits = self.limits
        match self.state:
            case State.AUTH:
                started = self._started_at
                if started is not None and now - started >= limits.login_timeout:
                    self._close("the login was not answered in time", events)
            case State.OPEN:
                self._check_requests(now, events)
                self._check_silence(now, events)
            case State.LEAVING:
                self._check_requests(now, events)
                if now - self._left_at >= limits.leave_timeout:
                    self._close("TERMINATE was not answered in time", events)
            case State.CLOSED:
                pass
        return events

    # What a role adds.

    @abstractmethod
    def _login_table(self) -> dict[int, Handler]:
        """Who handles what before the login; everything else closes the connection."""

    @abstractmethod
    def _open_table(self) -> dict[int, Handler]:
        """Who handles the peer's requests once the connection is open."""

    @abstractmethod
    def _refuse(self, error: DecodeError) -> None:
        """Answer a request that cannot be read, where the protocol has an answer."""

    # What both roles share.

    def _send(self, frame: Frame) -> None:
        self._out.append(encode(frame, self.layout))

    def _reply(self, frame: Frame) -> None:
        self._replies.append(encode(frame, self.layout))

    def _close(self, reason: str, events: list[Event], *, by_peer: bool = False) -> None:
        self.state = State.CLOSED
        events.append(Closed(reason, by_peer))

    def _decoded(self, frame: bytes, events: list[Event]) -> Frame | None:
        """Read a frame; a bad one is refused and told, and the connection lives on."""
        found = decode(frame, self.layout)
        if isinstance(found, DecodeError):
            self._refuse(found)
            events.append(Malformed(found.command, found.sequence, found.reason))
            return None
        return found

    def _settle(self, sequence: int, msg_id: bytes, result: int, events: list[Event]) -> None:
        self._timeouts = 0
        entry = self._pending.pop(sequence, None)
        if entry is not None:
            events.append(Answered(entry.token, sequence, msg_id, result, entry.sent_at, False))
            return
        entry = self._overdue.pop(sequence, None) or self._given_up.pop(sequence, None)
        if entry is None:
            events.append(Stray(sequence, msg_id, result))
        else:
            events.append(Answered(entry.token, sequence, msg_id, result, entry.sent_at, True))

    def _on_answer(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = decode(frame, self.layout)
        if isinstance(found, (SubmitResp, DeliverResp)):
            self._settle(found.sequence, found.msg_id, found.result, events)
        elif isinstance(found, DecodeError):
            self._settle_unreadable(found, events)

    def _settle_unreadable(self, error: DecodeError, events: list[Event]) -> None:
        entry = self._pending.pop(error.sequence, None)
        is_late = entry is None
        if entry is None:
            entry = self._overdue.pop(error.sequence, None)
            entry = entry or self._given_up.pop(error.sequence, None)
        if entry is None:
            events.append(Malformed(error.command, error.sequence, error.reason))
        else:
            events.append(Unreadable(entry.token, error.sequence, error.reason, is_late))

    def _on_test(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if found is not None:
            self._reply(ActiveTestResp(found.sequence))

    def _on_test_answer(self, frame: bytes, now: float, events: list[Event]) -> None:
        # Anything that arrives proves that the peer lives: `receive_data` has noted it.
        del frame, now, events

    def _on_terminate(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if found is not None:
            self._reply(TerminateResp(found.sequence))
            self._close("the peer sent TERMINATE", events, by_peer=True)

    def _on_left(self, frame: bytes, now: float, events: list[Event]) -> None:
        del frame, now
        self._close("TERMINATE was answered", events)

    def _on_other(self, frame: bytes, events: list[Event]) -> None:
        _, command, sequence = HEADER.unpack_from(frame)
        events.append(Ignored(command, sequence))

    def _check_requests(self, now: float, events: list[Event]) -> None:
        """Tell the overdue and give up the hopeless. Both tables are in the order of sending."""
        limits = self.limits
        for told, age in ((False, limits.late_after), (True, limits.request_timeout)):
            table = self._overdue if told else self._pending
            while table:
                sequence, entry = next(iter(table.items()))
                if now - entry.sent_at < age:
                    break
                del table[sequence]
                if told or limits.request_timeout <= limits.late_after:
                    self._give_up(sequence, entry, events, was_told=told)
                else:
                    self._overdue[sequence] = entry
                    events.append(Overdue(entry.token, sequence))
        if self._timeouts >= limits.timeouts_in_row and self.state is not State.CLOSED:
            self._close(f"{self._timeouts} requests in a row were not answered", events)

    def _give_up(
        self, sequence: int, entry: _Open[T], events: list[Event], *, was_told: bool
    ) -> None:
        self._timeouts += 1
        self._given_up[sequence] = entry
        if len(self._given_up) > _REMEMBERED:
            for old in list(islice(self._given_up, _REMEMBERED // 2)):
                del self._given_up[old]
        events.append(GivenUp(entry.token, sequence, was_told))

    def _check_silence(self, now: float, events: list[Event]) -> None:
        limits = self.limits
        if self._tests == 0:
            due = self._heard_at + limits.keep_alive
        else:
            due = self._tested_at + limits.keep_alive_timeout
        if now < due or self.state is not State.OPEN:
            return
        if self._tests >= limits.keep_alive_tries:
            self._close(f"{self._tests} ACTIVE_TESTs were not answered", events)
            return
        self._tests += 1
        self._tested_at = now
        self._send(ActiveTest(self.next_sequence()))
