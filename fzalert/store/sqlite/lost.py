"""Parts whose answer was lost: a report may still tell what became of them.

Such a report names an id that nobody here knows. It counts where it names the very person of an
unknown part, and nothing else that is out to that person could be meant.
"""

from __future__ import annotations

from fzalert.store.records import (
    PartState,
)
from fzalert.store.sqlite.books import Books

Key = tuple[int, int]


class Lost:
    """The parts of a channel without an answer, by the blind index of their addressee."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._read: dict[bytes, list[tuple[int, int, int, int]]] | None = None

    def only(self, target_index: bytes, *, since: int | None = None) -> Key | None:
        """The one part that can be meant; None where there is none, or more than one.

        Args:
            target_index: Whom the report names.
            since: When the report arrived; the part has to be out since before.
        """
        found = self._parts().get(target_index, ())
        if len(found) != 1:
            return None
        id_, part, state, claimed_at = found[0]
        if state != PartState.UNKNOWN or (since is not None and since < claimed_at):
            return None
        return id_, part

    def adopt(self, key: Key, carrier_id: bytes) -> None:
        """From here on the carrier's id names the part."""
        self._books.db.execute(
            "UPDATE flight SET carrier_id = ? WHERE id = ? AND part = ?", (carrier_id, *key)
        )
        self._read = None

    def _parts(self) -> dict[bytes, list[tuple[int, int, int, int]]]:
        """Unknown ones, and those that are out: their answer may be on its way."""
        if self._read is None:
            self._read = {}
            for state, narrower in (
                (int(PartState.UNKNOWN), "AND f.carrier_id IS NULL AND f.word = 'unknown'"),
                (int(PartState.CLAIMED), ""),
            ):
                rows = self._books.db.execute(
                    "SELECT m.target_index, f.id, f.part, f.state, f.claimed_at FROM flight f"  # noqa: S608  constants
                    " JOIN message m ON m.id = f.id"
                    f" WHERE f.channel = ? AND f.state = {state} {narrower}",
                    (self._books.channel,),
                )
                for index, *part in rows:
                    self._read.setdefault(index, []).append((part[0], part[1], part[2], part[3]))
        return self._read
