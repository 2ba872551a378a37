"""What a protocol says in its own words, put into those of every channel.

A dialect belongs to one channel. It makes sessions, writes texts and reads what the gateway brings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from datetime import datetime
from random import Random
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from typing_extensions import override

from fzalert.messages import Coding
from fzalert_sms.carrier.reports import Reading
from fzalert_sms.carrier.results import Results, Table
from fzalert_sms.carrier.session import ClientSession

__all__ = ["Arrival", "Dialect", "Message", "Report", "Template", "Unsendable"]

Key = TypeVar("Key", bound=Hashable)
Sequence_ = TypeVar("Sequence_", bound=Hashable, contravariant=True)


class Unsendable(Exception):
    """A text that cannot go out as it is; the words say why."""


class Template(Protocol[Sequence_]):
    """A part of a text that is written but for what changes from person to person.

    Attributes:
        extends: Whether its sender's number ends with digits of the message's own.
    """

    extends: bool

    def frame(self, sequence: Sequence_, number: bytes, reference: int = 0) -> bytes:
        """Write the frame that brings the part to one number."""
        ...

    def extended(self, frame: bytes, extension: bytes) -> bytes:
        """Put a message's own digits into a frame."""
        ...


class Report(NamedTuple):
    """A status report.

    Attributes:
        carrier_id: The id by which the gateway took the text.
        stat: The word that says what became of it.
        number: The addressee, as the gateway names it.
        done: When, in milliseconds since the epoch; 0 where it is not said.
        is_odd: Whether it was not written as the protocol says.
        octets: How long it was.
        service: The number that the text came from, as the report names it.
    """

    carrier_id: bytes
    stat: str
    number: str
    done: int = 0
    is_odd: bool = False
    octets: int = 0
    service: str = ""

    @override
    def __repr__(self) -> str:
        return f"Report(carrier_id={self.carrier_id.hex()}, stat={self.stat!r})"


class Message(NamedTuple):
    """What a person wrote, or a part of it.

    Attributes:
        source: The number, as the gateway names it.
        destination: The access number.
        content: Raw, with its header.
        coding: The protocol's number of its coding.
        has_header: Whether it begins with a user data header.
    """

    source: str
    destination: str
    content: bytes
    coding: int
    has_header: bool

    @override
    def __repr__(self) -> str:
        return f"Message(octets={len(self.content)})"


class Arrival(NamedTuple, Generic[Key]):
    """A delivery.

    Attributes:
        sequence: What answers it.
        note: What the answer repeats.
        what: The report or the message; None where a report cannot be read.
    """

    sequence: Key
    note: bytes
    what: Report | Message | None


class Dialect(ABC):
    """How one channel speaks. Sequences are whatever its sessions count by."""

    protocol: ClassVar[str]
    """For people, such as CMPP."""
    table: ClassVar[Table]
    """What its answers mean."""

    results: Results
    """The same with what the settings say otherwise."""
    read_stat: Callable[[str], Reading]
    """What the word of a report says."""

    @abstractmethod
    def login(self, rng: Random, wall: datetime, now: float) -> ClientSession[Any, Any, Any]:
        """Make a session whose login waits to be sent.

        Args:
            rng: For a first sequence.
            wall: The time of day.
            now: Monotonic seconds.
        """

    def steps_down(self, status: int) -> bool:
        """Whether a refused login is worth another try at once, in a lower version."""
        del status
        return False

    @abstractmethod
    def templates(
        self,
        session: ClientSession[Any, Any, Any],
        parts: tuple[str, ...],
        coding: Coding,
        until: str,
    ) -> tuple[Template[Any], ...]:
        """Write the parts of a text; those of recent texts are kept.

        Args:
            session: Where they go out.
            parts: Their words.
            coding: How they travel.
            until: Until when they are worth sending, as `until` writes it.

        Raises:
            Unsendable: A part cannot go out as it is.
        """

    @abstractmethod
    def until(self, not_after: int, now: int) -> str:
        """Until when the carrier may try, as the protocol writes it; empty for no limit.

        Args:
            not_after: Milliseconds since the epoch.
            now: The same.
        """

    @abstractmethod
    def number(self, digits: str) -> bytes:
        """Write a mainland mobile number, given as eleven digits."""

    @abstractmethod
    def read(self, frame: Any) -> Arrival[Any]:
        """Read a delivery, as the session decoded it."""

    @abstractmethod
    def text_of(self, octets: bytes, coding: int) -> str:
        """Read octets without any header; what cannot be read is shown as U+FFFD."""
