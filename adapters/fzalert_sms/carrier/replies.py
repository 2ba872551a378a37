"""Joins the parts of a long reply, whichever connections they come on.

The gateway is answered for a part only once the whole reply is on disk: whatever dies meanwhile,
it sends the parts again. Until then each part holds a place in the gateway's window, so that a
reply waits half a minute at most, and less where too many are held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from fzalert_sms.wire import Place

MISSING: Final = "…"
"""Stands in the text where a part did not come."""
_MOST_HELD: Final = 8
"""Unanswered parts of one connection: half of the gateway's window."""
_REMEMBERED: Final = 1000
_REPEATS_FOR: Final = 600.0
"""Seconds for which a part that comes again is known by its reply."""

Ticket = TypeVar("Ticket")


class Piece(NamedTuple):
    """One part of a reply.

    Attributes:
        source: Who wrote it, as the gateway names the number.
        destination: The access number.
        place: Where it stands.
        octets: Its text, without header.
        coding: The protocol's number of its coding.
    """

    source: str
    destination: str
    place: Place
    octets: bytes
    coding: int


class Reply(NamedTuple, Generic[Ticket]):
    """A reply, as far as it came.

    Attributes:
        source: Who wrote it.
        destination: The access number.
        text: Its words; `MISSING` stands for each part that did not come.
        words: The same without that mark.
        tickets: What answers the gateway for all its parts.
        is_whole: Whether every part came.
    """

    source: str
    destination: str
    text: str
    words: str
    tickets: tuple[Ticket, ...]
    is_whole: bool


_Key = tuple[str, str, int, int]


class _Open(Generic[Ticket]):
    __slots__ = ("parts", "since", "tickets")

    def __init__(self, since: float) -> None:
        self.since = since
        self.parts: dict[int, Piece] = {}
        self.tickets: list[tuple[object, Ticket]] = []


class Replies(Generic[Ticket]):
    """Parts that wait for the others.

    Args:
        wait: Seconds that a part waits.
        text_of: Reads octets in a coding.
    """

    def __init__(self, wait: float, text_of: Callable[[bytes, int], str]) -> None:
        self._wait = wait
        self._text_of = text_of
        self._open: dict[_Key, _Open[Ticket]] = {}
        self._done: dict[tuple[_Key, int], tuple[float, bytes]] = {}

    @property
    def waiting(self) -> int:
        """Replies that are not complete."""
        return len(self._open)

    def add(self, piece: Piece, link: object, ticket: Ticket, now: float) -> list[Reply[Ticket]]:
        """Take a part; return what is complete now, or has to be given out as it is.

        A part of a reply that was complete before is given back as a reply without any text.
        """
        key = (piece.source, piece.destination, piece.place.reference, piece.place.total)
        number = piece.place.number
        done_at, octets = self._done.get((key, number), (0.0, None))
        if octets == piece.octets and now - done_at < _REPEATS_FOR:
            return [Reply(piece.source, piece.destination, "", "", (ticket,), True)]
        entry = self._open.setdefault(key, _Open(now))
        entry.parts[number] = piece  # one that comes again takes the place of the first
        entry.tickets.append((link, ticket))
        if len(entry.parts) == piece.place.total:
            return [self._close(key, now)]
        if self._held_by(link) > _MOST_HELD:
            return [self._close(self._oldest_of(link), now)]
        return []

    def expired(self, now: float) -> list[Reply[Ticket]]:
        """Take out what has waited long enough."""
        old = [key for key, entry in self._open.items() if now - entry.since >= self._wait]
        return [self._close(key, now) for key in old]

    def forget(self, link: object) -> None:
        """A connection is gone: its parts come again on another, with tickets of their own."""
        for key, entry in list(self._open.items()):
            entry.tickets = [(held, ticket) for held, ticket in entry.tickets if held is not link]
            if not entry.tickets:
                del self._open[key]

    def _held_by(self, link: object) -> int:
        return sum(held is link for entry in self._open.values() for held, _ in entry.tickets)

    def _oldest_of(self, link: object) -> _Key:
        return next(
            key
            for key, entry in self._open.items()
            if any(held is link for held, _ in entry.tickets)
        )

    def _close(self, key: _Key, now: float) -> Reply[Ticket]:
        entry = self._open.pop(key)
        source, destination, _, total = key
        is_whole = len(entry.parts) == total
        for number, piece in entry.parts.items():
            self._done[key, number] = (now, piece.octets)
        while len(self._done) > _REMEMBERED:
            del self._done[next(iter(self._done))]
        text, words = _joined(entry.parts, total, self._text_of)
        tickets = tuple(ticket for _, ticket in entry.tickets)
        return Reply(source, destination, text, words, tickets, is_whole)


def _joined(
    parts: dict[int, Piece], total: int, text_of: Callable[[bytes, int], str]
) -> tuple[str, str]:
    """Decode neighbours of one coding together: a character may be cut in two between them."""
    runs: list[tuple[int, bytes]] = []
    shown: list[str] = []
    said: list[str] = []

    def decode() -> None:
        text = "".join(text_of(octets, coding) for coding, octets in runs)
        runs.clear()
        if text:
            shown.append(text)
            said.append(text)

    for number in range(1, total + 1):
        piece = parts.get(number)
        if piece is None:
            decode()
            if shown[-1:] != [MISSING]:
                shown.append(MISSING)
        elif runs and runs[-1][0] == piece.coding:
            runs[-1] = (piece.coding, runs[-1][1] + piece.octets)
        else:
            runs.append((piece.coding, piece.octets))
    decode()
    return "".join(shown), "".join(said)
