"""What waits on a channel that is down moves in time: urgent soon, bulk before its window ends.

A part that is answered *down* moves by itself (`policy`). This looks after the rest: what waits in
the queue of a line that never opens, and bulk that would wait until it is worthless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from fzalert.clock import Clock
from fzalert.delivery.policy import Channel
from fzalert.errors import StoreError
from fzalert.log import get_logger
from fzalert.messages import Lane
from fzalert.store import ChangeSet, Move, Store

log = get_logger("fzalert.delivery")

EVERY = 1.0
URGENT_AFTER = 3.0
BULK_EVERY = 5.0
BATCH = 500


class Line(Protocol):
    """What must be known of a channel."""

    policy: Channel

    @property
    def is_usable(self) -> bool:
        """Whether one of its lines takes something now."""
        ...


class Failover:
    """Watches channels, and moves what waits on those that are down.

    Args:
        channels: Those that run, by name; may change.
        store: Where messages wait.
        clock: Reader of time.
        poke: Tells channels that their queue has something new.
    """

    def __init__(
        self,
        channels: Callable[[], Mapping[str, Line]],
        store: Store,
        clock: Clock,
        poke: Callable[[Iterable[str]], None],
    ) -> None:
        self._channels = channels
        self._store = store
        self._clock = clock
        self._poke = poke
        self._down_since: dict[str, float] = {}
        self._bulk_at: dict[str, float] = {}

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await self._clock.sleep(EVERY)
            for name, line in list(self._channels().items()):
                try:
                    await self._look(name, line)
                except StoreError as error:
                    log.warning("channel.failover_failed", channel=name, code=error.code)

    async def _look(self, name: str, line: Line) -> None:
        now = self._clock.monotonic()
        if line.is_usable:
            self._down_since.pop(name, None)
            return
        since = self._down_since.setdefault(name, now)
        other = self._channels().get(line.policy.fallback)
        if now - since < URGENT_AFTER or other is None or not other.is_usable:
            return
        await self._move(line.policy, Lane.URGENT)
        if now >= self._bulk_at.get(name, 0.0):
            self._bulk_at[name] = now + BULK_EVERY
            await self._move(line.policy, Lane.BULK)

    async def _move(self, channel: Channel, lane: Lane) -> None:
        wanted = Move(channel.name, channel.fallback, lane, BATCH, channel.fallback_as_is)
        total = 0
        while True:
            moved = (await self._store.commit(ChangeSet(moves=(wanted,)))).moved
            total += moved
            if not moved:
                break
            self._poke([channel.fallback])
        if total:
            log.warning(
                "channel.failover",
                channel=channel.name,
                to=channel.fallback,
                lane=str(lane),
                messages=total,
            )
