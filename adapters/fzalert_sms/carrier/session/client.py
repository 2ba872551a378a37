"""Our side of a connection: logs in, submits, takes deliveries. The same for every protocol."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Generic

from typing_extensions import override

from fzalert_sms.carrier.session.core import Event, F, S, Session, T
from fzalert_sms.carrier.session.events import Limits, State
from fzalert_sms.wire import FrameBuffer

_ANSWERING = frozenset({State.OPEN, State.LEAVING})


class ClientSession(Session[T, S, F], Generic[T, S, F]):
    """The service provider's side.

    Attributes:
        unacknowledged: Deliveries that the owner has not answered.
    """

    names_texts: ClassVar[bool] = False
    """Whether the wire key of a part is also the id by which its report names it. It is known
    before the part is sent, and the part may go out with it again."""

    def __init__(self, buffer: FrameBuffer, *, limits: Limits) -> None:
        super().__init__(buffer, limits=limits)
        self._to_leave: bytes | None = None
        self.unacknowledged = 0

    @property
    @abstractmethod
    def words(self) -> str:
        """Protocol and version in force, such as CMPP 3.0."""

    @abstractmethod
    def key(self, began_at: int, slot: int, sequence: S) -> bytes:
        """The wire key of a part that goes out with a sequence on this connection.

        Args:
            began_at: Wall milliseconds at which the connection was dialled.
            slot: The adapter's slot.
            sequence: As `next_sequence` gave it.
        """

    def again(self, key: bytes) -> S | None:
        """The sequence that a part went out with before; None where it needs a new one.

        Args:
            key: Its wire key.
        """
        del key
        return None

    def acknowledge(self, sequence: S, note: bytes, result: int = 0) -> None:
        """Answer a delivery, once what it says is on disk. After the close it does nothing.

        Args:
            sequence: Of the delivery.
            note: What the answer repeats, as the dialect read it from the delivery.
            result: 0 takes it.
        """
        if self.state in _ANSWERING:
            self.unacknowledged -= 1
            self._replies.append(self._delivery_answer(sequence, note, result))

    @abstractmethod
    def _delivery_answer(self, sequence: S, note: bytes, result: int) -> bytes:
        """Write the answer to a delivery."""

    @property
    def _owes(self) -> bool:
        """Whether a good-bye of the peer has to wait for something, within the grace."""
        return bool(self._pending)

    @override
    def receive_data(self, data: bytes, now: float) -> list[Event]:
        events = super().receive_data(data, now)
        if self._to_leave is not None and not self._owes:
            self._left(events)
        return events

    @override
    def tick(self, now: float) -> list[Event]:
        if self._to_leave is None or self.is_closed:
            return super().tick(now)
        events: list[Event] = []
        self._check_requests(now, events)
        if now - self._left_at >= self.limits.grace or not self._owes:
            self._left(events)
        return events

    @override
    def _on_farewell(self, frame: bytes, now: float, events: list[Event]) -> None:
        """Send no more; let the gateway answer what is out before it is told to go."""
        if self._decoded(frame, events) is None or self._to_leave is not None:
            return
        self._to_leave = self._plain(self.farewell_answer, self._head(frame)[1])
        self._left_at = now
        self.state = State.LEAVING

    def _left(self, events: list[Event]) -> None:
        if self._to_leave is not None and not self.is_closed:
            self._replies.append(self._to_leave)
            self._close("the peer said good-bye", events, by_peer=True)
        self._to_leave = None
