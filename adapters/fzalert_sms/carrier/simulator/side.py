"""What a simulated gateway needs of its protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from typing_extensions import override

from fzalert_sms.carrier.session import Event, State
from fzalert_sms.carrier.simulator.knobs import Knobs, ReportForm

__all__ = ["Fate", "Incoming", "Parcel", "ServerSide", "Side"]

K = TypeVar("K", bound=Knobs)


class Incoming(NamedTuple):
    """A text as the gateway sees it.

    Attributes:
        sequence: What answers it.
        numbers: To whom it goes.
        account: Whose it is.
        access_number: Where it comes from.
        service: Service code of the account.
        part: Number of the part, from 1.
        parts: How many there are.
        octets: Length of its content.
        wants_report: Whether a report is asked for.
    """

    sequence: Any
    numbers: tuple[str, ...]
    account: str
    access_number: str
    service: str
    part: int
    parts: int
    octets: int
    wants_report: bool

    @override
    def __repr__(self) -> str:
        return f"Incoming(part={self.part}/{self.parts}, destinations={len(self.numbers)})"


class Fate(NamedTuple):
    """What a report says.

    Attributes:
        carrier_id: The id by which the text was taken.
        stat: The word for what became of it.
        submitted: YYMMDDHHMM.
        done: The same for the end.
        serial: A number of the message centre.
    """

    carrier_id: bytes
    stat: str
    submitted: str
    done: str
    serial: int


class Parcel(NamedTuple):
    """One delivery, as it must arrive.

    Attributes:
        carrier_id: Id of the delivery itself.
        access_number: Who gets it.
        service: Service code of the account.
        number: The phone it speaks of, or that wrote it.
        report: The report; None for a person's message.
        octets: The message, header included, in UCS-2.
        has_header: Whether it begins with a user data header.
        form: How the report is written.
        has_tail: Whether what is reserved at its end is there.
    """

    carrier_id: bytes
    access_number: str
    service: str
    number: str
    report: Fate | None
    octets: bytes = b""
    has_header: bool = False
    form: ReportForm = "plain"
    has_tail: bool = True

    @override
    def __repr__(self) -> str:
        return f"Parcel({'report' if self.report is not None else 'message'})"


class ServerSide(Protocol):
    """A session of the gateway, as the simulator uses it."""

    account: str
    tap: Callable[[bytes], None] | None
    state: State

    @property
    def is_closed(self) -> bool:
        """Whether it is over."""
        ...

    @property
    def receives(self) -> bool:
        """Whether its login asked for deliveries."""
        ...

    @property
    def room(self) -> int:
        """How many deliveries may go out."""
        ...

    @property
    def unanswered(self) -> int:
        """How many deliveries are out."""
        ...

    def start(self, now: float) -> None:
        """Begin to count the time for the login."""
        ...

    def next_sequence(self) -> Any:
        """Take the next sequence."""
        ...

    def send_many(self, requests: Any, now: float) -> None:
        """Send deliveries."""
        ...

    def frames_to_send(self) -> list[bytes]:
        """Take what waits."""
        ...

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Take what arrived."""
        ...

    def tick(self, now: float) -> list[Event]:
        """Look at the time."""
        ...

    def leave(self, now: float) -> None:
        """Say good-bye."""
        ...

    def abandon(self) -> list[Parcel]:
        """Close, and return what was not answered."""
        ...

    def answer(self, sequence: Any, carrier_id: bytes, result: int) -> None:
        """Answer a submission."""
        ...


class Side(ABC, Generic[K]):
    """A protocol from the gateway's side.

    Attributes:
        no_id: The id of a refusal.
    """

    protocol: ClassVar[str]
    """As typed, such as cmpp."""
    magic: ClassVar[bytes]
    """How the raw log of its frames begins: eight octets."""
    throttled: ClassVar[int]
    """The result of a text too many."""
    too_long: ClassVar[int]
    """The result of a text that is too long."""
    crowded: ClassVar[int]
    """The status of a login too many."""
    skewed: ClassVar[int]
    """The status of a login by a clock that is off."""
    no_id: ClassVar[bytes]

    @abstractmethod
    def session(self, knobs: K, check: Callable[[str, int], int]) -> ServerSide:
        """Make the session of the next connection.

        Args:
            knobs: Behaviour.
            check: Asked for the status of a login that is right so far, by account and timestamp.
        """

    @abstractmethod
    def incoming(self, frame: Any) -> Incoming:
        """Read a submission, as the session decoded it."""

    @abstractmethod
    def new_id(self, at: datetime, count: int) -> bytes:
        """Make an id that is like no other."""

    @abstractmethod
    def frame(self, parcel: Parcel, sequence: Any, session: Any) -> bytes:
        """Write a delivery."""
