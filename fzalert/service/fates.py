"""The way back to branches: one reader of the outcome feed, and a shelf on disk for each branch.

The reader keeps a cursor in the store and moves it in the commit that fills the shelves. What lies
on a shelf is given again until the branch says that it has it on disk, so neither side's restart
loses a fate.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable

from fzalert.access.actors import Actor
from fzalert.clock import Clock
from fzalert.delivery import Engine
from fzalert.messages import FeedRow, Outcome, OutcomeState, ReportKind
from fzalert.service.models import FatePage, FateView
from fzalert.store import ChangeSet, StateRow, Store

__all__ = ["Fates", "branch_of"]

PEER = "peer:"
"""How the ids of machines with a credential begin."""

CURSOR = "relay"
BATCH = 500
LONGEST_WAIT = 60.0
IDLE = 30.0
LOOK_AGAIN = 5.0
LONGEST_CODE = 64
LONGEST_DETAIL = 200
_SENDERS = 4096
_PERSIST_EVERY = 20 * BATCH
_WORDS = {
    OutcomeState.DELIVERED: ReportKind.DELIVERED,
    OutcomeState.FAILED: ReportKind.UNDELIVERED,
    OutcomeState.SUPPRESSED: ReportKind.UNDELIVERED,
    OutcomeState.EXPIRED: ReportKind.EXPIRED,
    OutcomeState.UNKNOWN: ReportKind.NO_REPORT,
    OutcomeState.WITHDRAWN: ReportKind.WITHDRAWN,
}
_FINER = {
    OutcomeState.DELIVERED: {"delivered", "shown", "hidden", "played", "acknowledged"},
    OutcomeState.FAILED: {"interrupted"},
}
"""Words of the channel that say more than the state, and the same."""


def branch_of(actor: Actor) -> str:
    """The name of the machine that acts; empty for anybody else."""
    return str(actor.id).removeprefix(PEER) if str(actor.id).startswith(PEER) else ""


class Fates:
    """Brings the fates of branches' warnings to their shelves, and hands them out.

    Args:
        store: Keeps cursor and shelves.
        engine: Tells when something changed.
        clock: Reader of time.
        wanted: Whether there are branches; without one the feed is not read.
    """

    def __init__(
        self, store: Store, engine: Engine, clock: Clock, wanted: Callable[[], bool]
    ) -> None:
        self._wanted = wanted
        self._store = store
        self._engine = engine
        self._clock = clock
        self._cursor = 0
        self._kept = 0
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._senders: OrderedDict[int, str] = OrderedDict()

    async def load(self) -> None:
        """Read the cursor; needed once, before anything else."""
        for key, value in await self._store.state(CURSOR, "cursor"):
            if key == "cursor":
                self._cursor = self._kept = int(value)

    async def run(self) -> None:
        """Follow the feed for ever."""
        while True:
            seen = self._engine.changes
            if not self._wanted():
                await self._clock.sleep(LOOK_AGAIN)
            elif not await self._step():
                await self._engine.changed(seen, IDLE)

    async def _step(self) -> bool:
        """Read a piece of the feed; whether there was one."""
        rows = await self._store.feed(self._cursor, BATCH)
        if not rows:
            return False
        shelves = await self._shelved(rows)
        cursor = rows[-1].seq
        if shelves or cursor - self._kept >= _PERSIST_EVERY:
            kept = StateRow(CURSOR, "cursor", str(cursor).encode())
            await self._store.commit(ChangeSet(state=(kept, *(row for _, row in shelves))))
            self._kept = cursor
        self._cursor = cursor
        for name in {name for name, _ in shelves}:
            self._news[name].set()
        return True

    async def _shelved(self, rows: Iterable[FeedRow]) -> list[tuple[str, StateRow]]:
        newest = {row.id: row for row in rows if row.id and row.warning}
        found: list[tuple[str, StateRow]] = []
        for row in sorted(newest.values()):
            sender = await self._sender(row.warning)
            outcome = await self._store.outcome(row.id) if sender else None
            if outcome is not None and outcome.state is not OutcomeState.OPEN:
                value = _view(row.seq, outcome).model_dump_json().encode()
                found.append((sender, StateRow(_shelf(sender), _key(row.seq), value)))
        return found

    async def _sender(self, warning: int) -> str:
        """The branch that a warning is of; empty where it is another's."""
        if warning not in self._senders:
            row = await self._store.warning(warning)
            by = "" if row is None else row.by
            is_relayed = row is not None and by.startswith(PEER) and row.key.startswith("relay:")
            self._senders[warning] = by.removeprefix(PEER) if is_relayed else ""
            while len(self._senders) > _SENDERS:
                self._senders.popitem(last=False)
        return self._senders[warning]

    # -- handing out -----------------------------------------------------------------------

    async def page(self, name: str, after: int, store: str, limit: int, wait: float) -> FatePage:
        """Give what a branch has not acknowledged yet.

        Args:
            name: The branch.
            after: Everything up to here is on the branch's disk, and is taken off the shelf.
            store: The store that `after` is a position of; another one's says nothing.
            limit: Most of them.
            wait: Seconds to wait where there is none.
        """
        shelf = _shelf(name)
        # A position beyond ours is of a time that was rolled back by a restored backup.
        is_ours = store == self._store.store_id and after <= self._cursor
        since = after if is_ours else 0
        deadline = self._clock.monotonic() + min(wait, LONGEST_WAIT)
        while True:
            self._news[name].clear()
            rows = await self._store.state(shelf)
            done = [key for key, _ in rows if int(key) <= since]
            if done:
                gone = tuple(StateRow(shelf, key, None) for key in done)
                await self._store.commit(ChangeSet(state=gone))
            left = deadline - self._clock.monotonic()
            items = [json.loads(value) for _, value in rows[len(done) : len(done) + limit]]
            if items or left <= 0:
                views = [FateView.model_validate(item) for item in items]
                return FatePage(items=views, store=self._store.store_id)
            try:
                async with asyncio.timeout(left):
                    await self._news[name].wait()
            except TimeoutError:
                continue


def _view(seq: int, outcome: Outcome) -> FateView:
    """An outcome as the report that the branch's engine will read."""
    is_finer = outcome.word in _FINER.get(outcome.state, ())
    code, detail = outcome.code, outcome.detail
    if outcome.state is OutcomeState.SUPPRESSED:
        code = code or "suppressed"
    if outcome.resent:
        detail = f"sent a second time; {detail}".strip("; ")
    return FateView(
        seq=seq,
        message=str(outcome.message),
        word=outcome.word if is_finer else str(_WORDS[outcome.state]),
        code=code[:LONGEST_CODE],
        detail=detail[:LONGEST_DETAIL],
        proof=outcome.proof.name.lower(),
        at=outcome.at,
        duration_ms=outcome.duration_ms,
    )


def _shelf(name: str) -> str:
    return f"relay-out:{name}"


def _key(seq: int) -> str:
    return f"{seq:020d}"
