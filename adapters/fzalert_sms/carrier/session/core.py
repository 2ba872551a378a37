"""What both roles of a connection share: window, sequences, keep-alive, leaving.

The same for every protocol; its frames and commands come from a subclass. A session does no I/O and
reads no clock. Its owner gives it octets and the time, and takes events and octets: `receive_data`,
`tick`, `frames_to_send`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from itertools import islice
from typing import ClassVar, Generic, NamedTuple, TypeVar

from fzalert_sms.carrier.session.events import (
    Answered,
    Closed,
    GivenUp,
    Ignored,
    Limits,
    Malformed,
    Overdue,
    State,
    Stray,
    Unreadable,
)
from fzalert_sms.wire import DecodeError, FrameBuffer

T = TypeVar("T")
S = TypeVar("S", bound=Hashable)
F = TypeVar("F")

Event = tuple[object, ...]
"""Any of the tuples in `events`."""
Handler = Callable[[bytes, float, list[Event]], None]

_REMEMBERED = 4096
"""Requests given up that a late answer still finds."""


class _Open(NamedTuple, Generic[T]):
    sent_at: float
    token: T


class Session(ABC, Generic[T, S, F]):
    """One side of a connection.

    `T` is what the owner keeps for each request of its own, `S` what the protocol counts requests
    by, `F` its frames.

    Attributes:
        state: Where the connection stands.
        limits: The figures of this connection.
        tap: Called with every complete frame as it is read, for a trace.
    """

    answer_command: int
    """The command that answers this side's own requests."""
    test: ClassVar[int | None]
    """The command that asks whether the peer lives; None where the protocol has none."""
    test_answer: ClassVar[int | None]
    farewell: ClassVar[int]
    """The command that ends a connection in good order."""
    farewell_answer: ClassVar[int]

    def __init__(self, buffer: FrameBuffer, *, limits: Limits) -> None:
        self.state = State.AUTH
        self.limits = limits
        self.tap: Callable[[bytes], None] | None = None
        self._buffer = buffer
        self._out: list[bytes] = []
        self._replies: list[bytes] = []
        self._pending: dict[S, _Open[T]] = {}
        self._overdue: dict[S, _Open[T]] = {}
        self._given_up: dict[S, _Open[T]] = {}
        self._timeouts = 0
        self._started_at: float | None = None
        self._heard_at = 0.0
        self._tests = 0
        self._tested_at = 0.0
        self._left_at = 0.0
        common: dict[int, Handler] = {
            self.farewell: self._on_farewell,
            self.answer_command: self._on_answer,
        }
        if self.test is not None and self.test_answer is not None:
            common[self.test] = self._on_test
            common[self.test_answer] = self._on_test_answer
        leaving: dict[int, Handler] = {self.farewell_answer: self._on_left}
        self._table: dict[State, dict[int, Handler]] = {
            State.AUTH: self._login_table(),
            State.OPEN: common | self._open_table(),
            State.LEAVING: common | self._open_table() | leaving,
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

    def next_sequence(self) -> S:
        """Take the next sequence that no open request has."""
        while True:
            sequence = self._following()
            if sequence not in self._pending and sequence not in self._overdue:
                self._given_up.pop(sequence, None)
                return sequence

    def send_many(self, requests: Sequence[tuple[S, bytes, T]], now: float) -> None:
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
        """Say good-bye. Answers and deliveries are still read until the peer has answered."""
        if self.state is State.OPEN:
            self.state = State.LEAVING
            self._left_at = now
            self._out.append(self._plain(self.farewell, self.next_sequence()))
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
        is_open = self.state is State.OPEN
        for frame in self._buffer.feed(data):
            if self.tap is not None:
                self.tap(frame)
            if is_open:
                quick = self._quick(frame)
                if quick is not None:
                    self._settle(*quick, events)
                    continue
            handler = self._table[self.state].get(self._head(frame)[0])
            if handler is not None:
                handler(frame, now, events)
                is_open = self.state is State.OPEN
            elif self.state is State.AUTH:
                command = self._head(frame)[0]
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
                    self._close("the good-bye was not answered in time", events)
            case State.CLOSED:
                pass
        return events

    # What a protocol adds.

    @abstractmethod
    def _following(self) -> S:
        """Count one on, and return the sequence."""

    @abstractmethod
    def _head(self, frame: bytes) -> tuple[int, S]:
        """Command and sequence of a complete frame."""

    @abstractmethod
    def _decode(self, frame: bytes) -> F | DecodeError[S]:
        """Read a complete frame."""

    @abstractmethod
    def _encode(self, frame: F) -> bytes:
        """Write a frame."""

    @abstractmethod
    def _plain(self, command: int, sequence: S) -> bytes:
        """Write a frame that is nothing but its command: good-bye, test, or the answer to one."""

    @abstractmethod
    def _quick(self, frame: bytes) -> tuple[S, bytes, int] | None:
        """Read the answer to a request of ours in one step; None where it is something else."""

    @abstractmethod
    def _answer_of(self, frame: F) -> tuple[S, bytes, int] | None:
        """Sequence, id and result of an answer to a request of ours; None where it is none."""

    # What a role adds.

    @abstractmethod
    def _login_table(self) -> dict[int, Handler]:
        """Who handles what before the login; everything else closes the connection."""

    @abstractmethod
    def _open_table(self) -> dict[int, Handler]:
        """Who handles the peer's requests once the connection is open."""

    @abstractmethod
    def _refuse(self, error: DecodeError[S]) -> None:
        """Answer a request that cannot be read, where the protocol has an answer."""

    # What both roles share.

    def _send(self, frame: F) -> None:
        self._out.append(self._encode(frame))

    def _reply(self, frame: F) -> None:
        self._replies.append(self._encode(frame))

    def _close(self, reason: str, events: list[Event], *, by_peer: bool = False) -> None:
        self.state = State.CLOSED
        events.append(Closed(reason, by_peer))

    def _decoded(self, frame: bytes, events: list[Event]) -> F | None:
        """Read a frame; a bad one is refused and told, and the connection lives on."""
        found = self._decode(frame)
        if isinstance(found, DecodeError):
            self._refuse(found)
            events.append(Malformed(found.command, found.sequence, found.reason))
            return None
        return found

    def _settle(self, sequence: S, carrier_id: bytes, result: int, events: list[Event]) -> None:
        self._timeouts = 0
        entry = self._pending.pop(sequence, None)
        if entry is not None:
            events.append(Answered(entry.token, sequence, carrier_id, result, entry.sent_at, False))
            return
        entry = self._overdue.pop(sequence, None) or self._given_up.pop(sequence, None)
        if entry is None:
            events.append(Stray(sequence, carrier_id, result))
        else:
            events.append(Answered(entry.token, sequence, carrier_id, result, entry.sent_at, True))

    def _on_answer(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decode(frame)
        if isinstance(found, DecodeError):
            self._settle_unreadable(found, events)
            return
        answer = self._answer_of(found)
        if answer is not None:
            self._settle(*answer, events)

    def _settle_unreadable(self, error: DecodeError[S], events: list[Event]) -> None:
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
        if self._decoded(frame, events) is not None and self.test_answer is not None:
            self._replies.append(self._plain(self.test_answer, self._head(frame)[1]))

    def _on_test_answer(self, frame: bytes, now: float, events: list[Event]) -> None:
        # Anything that arrives proves that the peer lives: `receive_data` has noted it.
        del frame, now, events

    def _on_farewell(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        if self._decoded(frame, events) is not None:
            self._replies.append(self._plain(self.farewell_answer, self._head(frame)[1]))
            self._close("the peer said good-bye", events, by_peer=True)

    def _on_left(self, frame: bytes, now: float, events: list[Event]) -> None:
        del frame, now
        self._close("the good-bye was answered", events)

    def _on_other(self, frame: bytes, events: list[Event]) -> None:
        events.append(Ignored(*self._head(frame)))

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
        self, sequence: S, entry: _Open[T], events: list[Event], *, was_told: bool
    ) -> None:
        self._timeouts += 1
        self._given_up[sequence] = entry
        if len(self._given_up) > _REMEMBERED:
            for old in list(islice(self._given_up, _REMEMBERED // 2)):
                del self._given_up[old]
        events.append(GivenUp(entry.token, sequence, was_told))

    def _check_silence(self, now: float, events: list[Event]) -> None:
        limits = self.limits
        if self.test is None:
            return
        if self._tests == 0:
            due = self._heard_at + limits.keep_alive
        else:
            due = self._tested_at + limits.keep_alive_timeout
        if now < due or self.state is not State.OPEN:
            return
        if self._tests >= limits.keep_alive_tries:
            self._close(f"{self._tests} keep-alives were not answered", events)
            return
        self._tests += 1
        self._tested_at = now
        self._out.append(self._plain(self.test, self.next_sequence()))
