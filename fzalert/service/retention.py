"""What was over for as long as the configuration says is removed, a little every second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.errors import FzalertError, StoreError
from fzalert.log import get_logger
from fzalert.store import Store

log = get_logger("fzalert.service")

DAY_MS = 86_400_000
EVERY = 3600.0
AT_ONCE = 500
PAUSE = 0.1
"""Seconds between two pieces, so that no warning waits behind a long purge."""


class Retention:
    """Removes what is kept no longer.

    Args:
        store: Open.
        settings: How long it is kept.
        clock: Reader of time.
        cases: Destroys the keys of freeze cases whose time is over; returns how many.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        cases: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._cases = cases
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Keep things as long as other settings say, from now on."""
        self._days = settings.store.keep_days

    async def run(self) -> None:
        """Look every hour, until cancelled."""
        while True:
            try:
                await self.purge()
            except StoreError as error:
                log.warning("store.purge_failed", code=error.code)
            try:
                if self._cases is not None:
                    await self._cases()
            except FzalertError as error:
                log.warning("freeze.not_destroyed", code=error.code)
            await self._clock.sleep(EVERY)

    async def purge(self) -> int:
        """Remove everything that is kept no longer; returns how many rows that were."""
        total = 0
        while self._days:
            before = self._clock.millis() - self._days * DAY_MS
            removed = await self._store.purge(before, AT_ONCE)
            total += removed
            if not removed:
                break
            await self._clock.sleep(PAUSE)
        if total:
            log.info("store.purged", rows=total)
        return total
