"""Parts whose answer was lost: a report may still tell what became of them.

Such a report names an id that nobody here knows. It counts where it names the very person of an
unknown part, and nothing else that is out to that person could be meant. A part that was resent
could: its first attempt may have been taken too, under an id that was never heard. Where the report
tells the extension of the sender's number as well, only messages with that extension can be meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fzalert.messages import extension_of
from fzalert.store.records import Flag, PartState
from fzalert.store.sqlite.books import Books
from fzalert.store.sqlite.fates import REPORTS_COME_MS, Key


class _Out(NamedTuple):
    """One part that a report of an unknown id might mean."""

    id: int
    part: int
    state: int
    flags: int
    claimed_at: int

    @property
    def is_unknown(self) -> bool:
        return self.state == PartState.UNKNOWN

    @property
    def is_resent(self) -> bool:
        """Whether it went out twice and the second attempt is known."""
        return bool(self.flags & Flag.RESENT) and self.state != PartState.CLAIMED


class Lost:
    """The parts of a channel without an answer, by the blind index of their addressee."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._read: dict[bytes, dict[Key, _Out]] | None = None

    def only(
        self, target_index: bytes, word: str, extension: str = "", *, since: int | None = None
    ) -> Key | None:
        """The one part that can be meant; None where there is none, or more than one.

        A part that was resent, and whose second attempt was taken, is credited with `delivered`
        alone: a first attempt that came to nothing says nothing of the second one.

        Args:
            target_index: Whom the report names.
            word: What it says.
            extension: Of the sender's number, where the report tells it; empty otherwise.
            since: When the report arrived; the part has to be out since before.
        """
        found = self._named(target_index, extension)
        if extension and len({one.id for one in found}) == 1 and _are_unknown(found):
            # The parts of one text are alike in this: each report counts for one of them.
            found = found[:1]
        if len(found) != 1:
            return None
        one = found[0]
        if since is not None and since < one.claimed_at:
            return None
        if one.is_unknown or (one.is_resent and word == "delivered"):
            return one.id, one.part
        return None

    def adopt(self, key: Key, carrier_id: bytes) -> None:
        """From here on the carrier's id names the part, unless another one does already."""
        self._books.db.execute(
            "UPDATE flight SET carrier_id = ? WHERE id = ? AND part = ? AND carrier_id IS NULL",
            (carrier_id, *key),
        )
        self._read = None

    def _named(self, target_index: bytes, extension: str) -> list[_Out]:
        found: Iterable[_Out] = self._parts().get(target_index, {}).values()
        if extension:
            found = (one for one in found if extension_of(one.id, len(extension)) == extension)
        return sorted(found)

    def _parts(self) -> dict[bytes, dict[Key, _Out]]:
        """Unknown ones, those that are out, and those that were resent, whatever became of them."""
        if self._read is None:
            self._read = {}
            unknown, claimed = int(PartState.UNKNOWN), int(PartState.CLAIMED)
            recent = f"f.claimed_at > {self._books.now - REPORTS_COME_MS}"
            for which in (
                f"f.state = {unknown} AND f.carrier_id IS NULL AND f.word = 'unknown' AND {recent}",
                f"f.state = {claimed}",
                f"f.flags & 1 AND {recent}",
            ):
                rows = self._books.db.execute(
                    "SELECT m.target_index, f.id, f.part, f.state, f.flags, f.claimed_at"  # noqa: S608  constants
                    " FROM flight f JOIN message m ON m.id = f.id"
                    f" WHERE f.channel = ? AND {which}",
                    (self._books.channel,),
                )
                for index, *part in rows:
                    out = _Out(*part)
                    self._read.setdefault(index, {})[out[:2]] = out
        return self._read


def _are_unknown(found: list[_Out]) -> bool:
    return all(one.is_unknown for one in found)
