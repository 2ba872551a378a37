"""What one screen should show: a value that changes by replacement, pure and without clocks.

Rules of the file: the sequence grows with every change and never falls, also over a lost row; a
card is known by (id, part); what leaves is remembered for late reports; a report that the engine
is owed stays in the row until it is on disk there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from fzalert.messages import DisplayContent, ReportKind

__all__ = ["Card", "Desired", "Owed", "Past", "in_order", "read_row", "write_row"]

Key = tuple[int, int]
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Card:
    """One message on one screen.

    Attributes:
        id: The message.
        part: Its part.
        version: The sequence that brought it; newest wins among equals.
        rolling: Whether it rolls with the idle content instead of taking the screen.
        not_before: Shown from here on, milliseconds since the epoch.
        not_after: Never shown from here on.
        content: What is shown.
        shown: Whether the screen has proved that it was painted.
    """

    id: int
    part: int
    version: int
    rolling: bool
    not_before: int
    not_after: int
    content: DisplayContent
    shown: bool = False

    @property
    def key(self) -> Key:
        """What names it."""
        return self.id, self.part


@dataclass(frozen=True, slots=True)
class Past:
    """A card that has left; late reports still name it.

    Attributes:
        id: The message.
        part: Its part.
        not_after: When it became worthless.
        settled: Whether its last word (shown, expired, withdrawn) is known.
    """

    id: int
    part: int
    not_after: int
    settled: bool

    @property
    def key(self) -> Key:
        """What names it."""
        return self.id, self.part


@dataclass(frozen=True, slots=True)
class Owed:
    """A report of the hub itself that the engine has not committed yet."""

    id: int
    part: int
    kind: ReportKind
    at: int


@dataclass(frozen=True, slots=True)
class Desired:
    """The whole of it.

    Attributes:
        sequence: Grows with every change; the page refuses an older one.
        issued_at: When this sequence was issued.
        cards: What is shown or waits its turn.
        past: What has left, newest last.
        owed: Reports on their way to the engine.
    """

    sequence: int = 0
    issued_at: int = 0
    cards: tuple[Card, ...] = ()
    past: tuple[Past, ...] = ()
    owed: tuple[Owed, ...] = ()

    def reissued(self, now: int) -> Desired:
        """Give it the next sequence: one more, or the wall time where that is more."""
        return replace(self, sequence=max(self.sequence + 1, now), issued_at=now)

    def find(self, key: Key) -> Card | None:
        """Return the card of this name."""
        return next((card for card in self.cards if card.key == key), None)

    def knows(self, key: Key) -> bool:
        """Tell whether this screen ever had the card, as far as it remembers."""
        return self.find(key) is not None or any(past.key == key for past in self.past)

    def count(self, *, rolling: bool) -> int:
        """Count the cards of one kind."""
        return sum(card.rolling is rolling for card in self.cards)

    def with_card(self, card: Card) -> Desired:
        """Add a card, in place of one of the same name."""
        kept = tuple(other for other in self.cards if other.key != card.key)
        return replace(self, cards=(*kept, replace(card, version=self.sequence)))

    def withdrawn(self, keys: Collection[Key], now: int) -> Desired:
        """Take cards away; those that were there are owed a report."""
        gone = tuple(card for card in self.cards if card.key in keys)
        owed = (Owed(card.id, card.part, ReportKind.WITHDRAWN, now) for card in gone)
        return replace(self._without(gone, settled=True), owed=(*self.owed, *owed))

    def expired(self, now: int) -> Desired:
        """Drop what is worthless by now."""
        return self._without(tuple(card for card in self.cards if card.not_after <= now))

    def given_up(self, before: int) -> Desired:
        """Report as expired what ended before a time and of which the screen said nothing."""
        late = {past.key for past in self.past if not past.settled and past.not_after <= before}
        if not late:
            return self
        owed = (
            Owed(past.id, past.part, ReportKind.EXPIRED, past.not_after)
            for past in self.past
            if past.key in late
        )
        return replace(self.settled(late), owed=(*self.owed, *owed))

    def settled(self, keys: Collection[Key]) -> Desired:
        """Note that the screen itself has spoken of these cards."""
        return replace(
            self,
            cards=tuple(
                replace(card, shown=True) if card.key in keys else card for card in self.cards
            ),
            past=tuple(
                replace(past, settled=True) if past.key in keys else past for past in self.past
            ),
        )

    def paid(self, owed: Iterable[Owed]) -> Desired:
        """Forget reports that the engine has committed."""
        done = set(owed)
        return replace(self, owed=tuple(one for one in self.owed if one not in done))

    def _without(self, gone: tuple[Card, ...], *, settled: bool = False) -> Desired:
        if not gone:
            return self
        past = (Past(one.id, one.part, one.not_after, settled or one.shown) for one in gone)
        return replace(
            self,
            cards=tuple(card for card in self.cards if card not in gone),
            past=(*self.past, *past)[-_REMEMBERED:],
        )


def in_order(cards: Iterable[Card], now: int) -> list[Card]:
    """Order the live overrides; the first has the screen.

    Highest priority first, then the newest version, then the name. Equal priorities take turns
    at the screen.
    """
    live = (card for card in cards if not card.rolling and card.not_before <= now < card.not_after)
    return sorted(live, key=lambda card: (-card.content.priority, -card.version, card.key))


_ROW: TypeAdapter[Desired] = TypeAdapter(Desired)


def write_row(desired: Desired) -> bytes:
    """Serialise for the store."""
    return _ROW.dump_json(desired)


def read_row(data: bytes | None) -> Desired:
    """Read back what `write_row` wrote; nothing where there was no row.

    Raises:
        ValueError: The row is damaged.
    """
    return Desired() if data is None else _ROW.validate_json(data)
