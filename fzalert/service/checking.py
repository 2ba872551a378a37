"""The store is checked every hour, and at once where something looks damaged."""

from __future__ import annotations

import asyncio

from fzalert.delivery import Engine
from fzalert.errors import StoreDamaged, StoreError
from fzalert.log import get_logger
from fzalert.store import SqliteStore

log = get_logger("fzalert.service")

EVERY = 3600.0
AFTER_FAULT = 60.0


class Checking:
    """Checks one store; what is damaged is sent from no more.

    Args:
        store: Open.
        engine: Halted where the store is damaged.

    Attributes:
        damaged: Set then; whoever runs the process ends it.
        error: What was found.
    """

    def __init__(self, store: SqliteStore, engine: Engine) -> None:
        self.damaged = asyncio.Event()
        self.error: StoreDamaged | None = None
        self._store = store
        self._engine = engine

    def _give_up(self, error: StoreDamaged) -> None:
        self._engine.halt()
        self.error = error
        self.damaged.set()
        log.error("store.damaged", why=str(error.args[0]))

    async def run(self) -> None:
        """Check until it is damaged."""
        pause = EVERY
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._store.suspicion.wait()
            except TimeoutError:
                pass  # the hour is over
            self._store.suspicion.clear()
            pause = EVERY
            try:
                await self._store.check()
            except StoreDamaged as error:
                self._give_up(error)
                return
            except StoreError as error:
                log.warning("store.check_failed", code=error.code)
                pause = AFTER_FAULT
