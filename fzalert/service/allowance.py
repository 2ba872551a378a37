"""How many warnings a branch may still hand over: counted by hour, on disk with what is counted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import NamedTuple

from fzalert.clock import Clock
from fzalert.config.settings import BranchSettings
from fzalert.errors import BranchLimit
from fzalert.messages import Lane
from fzalert.store import StateRow, Store

__all__ = ["Allowance", "Counted"]

NAMESPACE = "relay-count"
HOUR_MS = 3_600_000
_DAY = 24

_Hours = dict[str, dict[int, int]]
"""Warnings by lane and by hour since the epoch."""


class Counted(NamedTuple):
    """One warning more: what is then known, and its row for the commit."""

    hours: _Hours
    row: StateRow


class Allowance:
    """Counts by branch and lane; whoever calls it lets one warning of a branch in at a time.

    Args:
        store: Keeps one row a branch.
        clock: Reader of time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, _Hours] = {}

    async def one_more(self, branch: BranchSettings, lane: Lane) -> Counted:
        """Make room for one warning more; it counts once `count` is called.

        Raises:
            BranchLimit: There is none; `retry_after` says when there may be.
        """
        hours = await self._of(branch.name)
        now = self._clock.millis()
        hour = now // HOUR_MS
        recent = {at: n for at, n in hours[lane].items() if hour - at < _DAY}
        day = branch.urgent_day if lane is Lane.URGENT else branch.bulk_day
        if sum(recent.values()) >= day:
            raise _limit(branch, lane, "a day", timedelta(hours=1))
        if lane is Lane.URGENT and recent.get(hour, 0) >= branch.urgent_hour:
            left = timedelta(milliseconds=HOUR_MS - now % HOUR_MS)
            raise _limit(branch, lane, "an hour", left)
        more = {**hours, lane: {**recent, hour: recent.get(hour, 0) + 1}}
        return Counted(more, StateRow(NAMESPACE, branch.name, json.dumps(more).encode()))

    def count(self, branch: BranchSettings, counted: Counted) -> None:
        """Note that the commit with the row is on disk."""
        self._known[branch.name] = counted.hours

    async def _of(self, name: str) -> _Hours:
        if name not in self._known:
            kept = [row for key, row in await self._store.state(NAMESPACE, name) if key == name]
            found = json.loads(kept[0]) if kept else {}
            self._known[name] = {
                str(lane): {int(at): n for at, n in found.get(lane, {}).items()} for lane in Lane
            }
        return self._known[name]


def _limit(branch: BranchSettings, lane: Lane, span: str, wait: timedelta) -> BranchLimit:
    return BranchLimit(
        f"{branch.name} has handed over as many {lane} warnings as it may in {span}.",
        hint="It waits; the county may raise the limit in [[relay.branch]].",
        retry_after=wait,
    )
