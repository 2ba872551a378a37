"""Above a high-water mark bulk is asked to come later, so that no queue grows without end."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from fzalert.config import Settings
from fzalert.delivery import Engine, Prepared
from fzalert.errors import Overloaded
from fzalert.messages import Lane
from fzalert.store import Store

SOONEST, LATEST = 5.0, 300.0
SHARE = 10
"""A caller is asked back when a tenth of the queue has gone out at today's pace."""


class Intake:
    """Refuses bulk where too much waits; urgent is always taken.

    Args:
        store: Knows how much waits.
        engine: Knows the pace of channels.
        settings: The mark.
    """

    def __init__(self, store: Store, engine: Engine, settings: Settings) -> None:
        self._store = store
        self._engine = engine
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Keep the mark of other settings from now on."""
        self._most = settings.limits.bulk_queue

    async def check(self, lane: Lane, ready: Prepared) -> None:
        """Let an acceptance through.

        Raises:
            Overloaded: It is bulk, and its channel's queue is above the mark.
        """
        if lane is Lane.URGENT:
            return
        messages = ready.acceptance.messages
        coming = Counter[str]()
        for one in messages:
            if not one.refused:
                coming[one.channel] += one.parts
        for channel, parts in coming.items():
            waiting = await self._store.queued(channel, Lane.BULK)
            if waiting + parts > self._most:
                pace = sum(slot.per_second() for slot in self._engine.channels[channel].slots)
                seconds = min(LATEST, max(SOONEST, waiting / SHARE / max(pace, 1.0)))
                raise Overloaded(
                    f"{waiting} bulk messages wait for {channel} already; {self._most} may.",
                    hint="Try again later; a campaign feeds a long list by itself.",
                    retry_after=timedelta(seconds=round(seconds)),
                )
