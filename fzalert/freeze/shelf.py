"""Cases as they were last written, so that a board does not replay every case for every look.

A case is a frozen value that replay gives, so keeping it is safe as long as it is the newest: one
process owns the store, whoever writes puts what the write made of it here, and an older version
never takes the place of a newer one. Every open case stays, since the board asks for all of them;
of the ended ones a few do. What was dropped is replayed when it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict

from fzalert.freeze.model import FreezeCase

__all__ = ["Shelf"]

MOST_OPEN = 20_000
"""Open cases that stay at most; about ten kilobytes each."""
MOST_ENDED = 512


class Shelf:
    """Keeps cases by id.

    Args:
        most_open: Open cases at most; the one that was asked for longest ago goes first.
        most_ended: Ended cases at most.

    Attributes:
        drops: How often something was dropped because its newest version was in doubt.
    """

    def __init__(self, most_open: int = MOST_OPEN, most_ended: int = MOST_ENDED) -> None:
        self._open: OrderedDict[str, FreezeCase] = OrderedDict()
        self._ended: OrderedDict[str, FreezeCase] = OrderedDict()
        self._most_open = most_open
        self._most_ended = most_ended
        self.drops = 0

    def get(self, case_id: str) -> FreezeCase | None:
        """The case, where it is here."""
        for shelf in (self._open, self._ended):
            found = shelf.get(case_id)
            if found is not None:
                shelf.move_to_end(case_id)
                return found
        return None

    def put(self, case: FreezeCase, drops: int | None = None) -> FreezeCase:
        """Keep a case, unless a newer version of it is here; gives the newest.

        Args:
            case: As a write made it, or as it was read.
            drops: What `drops` was before it was read; where it is another one now, the version
                that was read may be an old one, and is not kept.
        """
        known = self.get(case.id)
        if known is not None and known.version >= case.version:
            return known
        if drops is not None and drops != self.drops:
            return case
        self._forget(case.id)
        shelf, most = (
            (self._ended, self._most_ended) if case.has_ended else (self._open, self._most_open)
        )
        shelf[case.id] = case
        while len(shelf) > most:
            shelf.popitem(last=False)
        return case

    def drop(self, case_id: str) -> None:
        """Forget a case; it is replayed when it is asked for again."""
        self.drops += 1
        self._forget(case_id)

    def _forget(self, case_id: str) -> None:
        self._open.pop(case_id, None)
        self._ended.pop(case_id, None)
