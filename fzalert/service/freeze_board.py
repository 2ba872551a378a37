"""The board, quick enough to look at every second: rows are made once for a version of a case.

A row depends on its case, and on time alone by its next clock. So it is kept until the case has
another version or that clock has run out, and only the seconds that are left are told anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from fzalert.freeze.model import FreezeCase
from fzalert.freeze.policy import Policy
from fzalert.service.freeze_models import BoardRow
from fzalert.service.freeze_views import board_rows

__all__ = ["Board"]

MOST = 20_000
"""Cases whose rows are kept at most."""


class _Kept(NamedTuple):
    version: int
    policy: Policy
    drill: bool
    made_at: datetime
    until: datetime | None
    rows: list[BoardRow]


class Board:
    """Makes the rows of cases."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def rows(
        self, case: FreezeCase, policy: Policy, now: datetime, *, drill: bool = False
    ) -> list[BoardRow]:
        """The open measures of a case, masked; what `freeze_views.board_rows` gives.

        Args:
            case: As it stands.
            policy: The rules in force.
            now: The time.
            drill: Whether everything is a rehearsal.
        """
        kept = self._kept.get(case.id)
        if kept is not None and _holds(kept, case, policy, now, drill=drill):
            return [_at(row, now) for row in kept.rows]
        made = board_rows(case, policy, now, drill=drill)
        ahead = [one.measure.next.due_at for one in made]
        until = min((at for at in ahead if at is not None and at > now), default=None)
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[case.id] = _Kept(case.version, policy, drill, now, until, made)
        return made

    def only(self, cases: Sequence[str]) -> None:
        """Forget the rows of every other case: it has ended, and its key may be destroyed."""
        for gone in self._kept.keys() - set(cases):
            del self._kept[gone]


def _holds(kept: _Kept, case: FreezeCase, policy: Policy, now: datetime, *, drill: bool) -> bool:
    if kept.version != case.version or kept.policy is not policy or kept.drill != drill:
        return False
    return kept.made_at <= now and (kept.until is None or now < kept.until)


def _at(row: BoardRow, now: datetime) -> BoardRow:
    """The same row at another time."""
    due_at = row.measure.next.due_at
    if due_at is None:
        return row
    left = {"seconds": int((due_at - now).total_seconds())}
    told = row.measure.next.model_copy(update=left)
    return row.model_copy(update={"measure": row.measure.model_copy(update={"next": told})})
