"""Parts whose answer was lost: a report may still tell what became of them.

Such a report names an id that nobody here knows. It counts where it names the very person of an
unknown part, and nothing else that is out to that person could be meant. A part that was resent
could: its first attempt may have been taken too, under an id that was never heard.
"""

from __future__ import annotations

from fzalert.store.records import (
    PartState,
)
from fzalert.store.sqlite.books import Books

Key = tuple[int, int]
_Out = tuple[int, int, int, int]

REPORTS_COME_MS = 7 * 86_400_000
"""After so long no report of a first attempt is waited for: orphans are kept no longer."""


class Lost:
    """The parts of a channel without an answer, by the blind index of their addressee."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._read: dict[bytes, dict[Key, _Out]] | None = None

    def only(self, target_index: bytes, *, since: int | None = None) -> Key | None:
        """The one part that can be meant; None where there is none, or more than one.

        Args:
            target_index: Whom the report names.
            since: When the report arrived; the part has to be out since before.
        """
        found = list(self._parts().get(target_index, {}).values())
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

    def _parts(self) -> dict[bytes, dict[Key, _Out]]:
        """Unknown ones, those that are out, and those that were resent, whatever became of them."""
        if self._read is None:
            self._read = {}
            unknown, claimed = int(PartState.UNKNOWN), int(PartState.CLAIMED)
            for which in (
                f"f.state = {unknown} AND f.carrier_id IS NULL AND f.word = 'unknown'",
                f"f.state = {claimed}",
                f"f.flags & 1 AND f.claimed_at > {self._books.now - REPORTS_COME_MS}",
            ):
                rows = self._books.db.execute(
                    "SELECT m.target_index, f.id, f.part, f.state, f.claimed_at FROM flight f"  # noqa: S608  constants
                    f" JOIN message m ON m.id = f.id WHERE f.channel = ? AND {which}",
                    (self._books.channel,),
                )
                for index, *part in rows:
                    out = (part[0], part[1], part[2], part[3])
                    self._read.setdefault(index, {})[out[:2]] = out
        return self._read
