"""The thin layer between a client session and a socket: callbacks, one write a time.

It adds no meaning: events go to the owner, octets to the socket.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from typing_extensions import override

from fzalert.messages import Receipt
from fzalert_sms.carrier.session import ClientSession, Closed, Event


class Settles(Protocol):
    """The part of `fzalert.ports.Wire` that an answer needs."""

    def settle(self, id: int, part: int, receipt: Receipt) -> None:
        """Give the answer."""
        ...


class Flight:
    """One `submit` on its way: how many of its parts are written and not settled.

    Attributes:
        wire: Where its answers go.
        is_urgent: Whether it is of the urgent lane.
        open: Parts written and not settled.
        is_over: True once `submit` has returned; later answers are late receipts.
        landed: Resolved when nothing is open; None while nobody waits.
    """

    __slots__ = ("is_over", "is_urgent", "landed", "open", "wire")

    def __init__(self, wire: Settles, *, is_urgent: bool = False) -> None:
        self.wire = wire
        self.is_urgent = is_urgent
        self.open = 0
        self.is_over = False
        self.landed: asyncio.Future[None] | None = None


class Token(NamedTuple):
    """What the session keeps for a part that is out.

    Attributes:
        flight: Its `submit`.
        id: The message.
        part: Its part.
        key: Its wire key, where a report names it by that; else empty.
    """

    flight: Flight
    id: int
    part: int
    key: bytes = b""


class Ticket(NamedTuple):
    """What answers one delivery, on the link that brought it.

    Attributes:
        link: The link.
        sequence: Of the delivery.
        note: What the answer repeats.
    """

    link: Link
    sequence: Any
    note: bytes


class Owner(Protocol):
    """Who hears of a link."""

    def on_events(self, link: Link, events: Sequence[Event]) -> None:
        """Take what happened; called once for each portion that arrived."""
        ...

    def on_lost(self, link: Link, reason: str) -> None:
        """Take that the link is gone; called once."""
        ...


class Link(asyncio.Protocol):
    """One connection to a gateway.

    Args:
        session: Its state machine.
        owner: Who hears of it.
        now: Monotonic seconds.
        began_at: Wall milliseconds at which it was dialled: with the slot and a sequence it makes a
            wire key that no other connection of the account has.
        slot: The adapter's slot.

    Attributes:
        session: See above.
        lost: Set once the link is gone.
        is_connected: Whether the peer took the connection, whatever came of it.
        tls_error: What TLS did not like, where that ended the link.
    """

    def __init__(
        self,
        session: ClientSession[Token, Any, Any],
        owner: Owner,
        *,
        now: Callable[[], float],
        began_at: int,
        slot: int,
    ) -> None:
        self.session = session
        self.lost = asyncio.Event()
        self.is_connected = False
        self.tls_error: ssl.SSLError | None = None
        self._owner = owner
        self._now = now
        self._began_at = began_at
        self._slot = slot
        self._transport: asyncio.Transport | None = None
        self._is_blocked = False
        self._told = False

    @property
    def room(self) -> int:
        """How many parts may be written now."""
        transport = self._transport
        if self._is_blocked or transport is None or transport.is_closing():
            return 0
        return self.session.room

    def key(self, sequence: Any) -> bytes:
        """The wire key of a part."""
        return self.session.key(self._began_at, self._slot, sequence)

    def flush(self) -> None:
        """Hand everything that waits to the socket, in one write."""
        data = self.session.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def tick(self) -> None:
        """Let the session look at the time."""
        events = self.session.tick(self._now())
        self._take(events)

    def pause_reading(self) -> None:
        """Take no more from the socket until `resume_reading`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self, reason: str) -> None:
        """Close at once and tell the owner."""
        if self._transport is not None:
            self._transport.abort()
        self._tell(reason)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what create_connection makes
        self._transport = transport
        self.is_connected = True
        handle = transport.get_extra_info("socket")
        if handle is not None:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @override
    def data_received(self, data: bytes) -> None:
        self._take(self.session.receive_data(data, self._now()))

    @override
    def pause_writing(self) -> None:
        self._is_blocked = True

    @override
    def resume_writing(self) -> None:
        self._is_blocked = False
        self._owner.on_events(self, ())

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, ssl.SSLError):
            self.tls_error = exc
        self._tell(str(exc) if exc is not None else "the peer closed the connection")

    def _take(self, events: list[Event]) -> None:
        if events:
            self._owner.on_events(self, events)
        self.flush()
        if self.session.is_closed and self._transport is not None:
            self._transport.close()
            last = events[-1] if events else None
            self._tell(last.reason if isinstance(last, Closed) else "closed")

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._owner.on_lost(self, reason)
            self.lost.set()
