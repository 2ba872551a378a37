"""The runner of deadlines: fires what is due, soonest first, and says when it is late or stands.

Deadlines lie in the store. What fell due while nothing ran fires at the start, in order, and the
log says how late. A beat is taken each time round; where it stops for two minutes the health of
the process says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from fzalert.clock import Clock
from fzalert.errors import FzalertError
from fzalert.freeze.book import CaseBook, Fire
from fzalert.freeze.commands import Authority
from fzalert.log import get_logger

__all__ = ["RUNNER", "STALLED_AFTER", "DeadlineRunner"]

log = get_logger("fzalert.service")

RUNNER = "machine:deadlines"
"""Who acts where a deadline fires."""
EVERY = 30.0
STALLED_AFTER = 120.0
LATE = 5.0
"""Seconds from which on a deadline counts as late."""
AGAIN_AFTER = 5.0
MOST_ROUNDS = 20
"""How often it looks again at once: a step that was missed may bring the next missed one."""


class DeadlineRunner:
    """Fires the deadlines of the cases.

    Args:
        book: Gives the cases.
        clock: Reader of time.
        fire: Does what a deadline asks for; its command alone unless given.

    Attributes:
        is_running: Whether it was started.
        fired: How many deadlines fired since the start.
        late: How many of them were late.
        next_due: When the next one falls due.
        failed: Why the last round failed, or empty.
    """

    def __init__(
        self, book: Callable[[], CaseBook], clock: Clock, fire: Fire | None = None
    ) -> None:
        self._book = book
        self._fire = fire
        self._clock = clock
        self._wake = asyncio.Event()
        self._beat = clock.monotonic()
        self.is_running = False
        self.fired = 0
        self.late = 0
        self.next_due: datetime | None = None
        self.failed = ""

    def wake(self) -> None:
        """Look now: a deadline may have come nearer."""
        self._wake.set()

    @property
    def stalled(self) -> float:
        """Seconds since the last beat, where they are too many; 0 while all is well."""
        since = self._clock.monotonic() - self._beat
        return since if self.is_running and since > STALLED_AFTER else 0.0

    async def run(self) -> None:
        """Fire what is due, until cancelled."""
        self.is_running = True
        while True:
            self._beat = self._clock.monotonic()
            self._wake.clear()
            wait = await self._round()
            self._beat = self._clock.monotonic()
            await self._sleep(wait)

    async def _round(self) -> float:
        """Fire what is due; returns the seconds to the next look."""
        book = self._book()
        by = Authority(RUNNER, machine=True)
        try:
            for _ in range(MOST_ROUNDS):
                due = await book.next_due()
                now = book.now()
                if due is None or due > now:
                    break
                self._beat = self._clock.monotonic()
                behind = (now - due).total_seconds()
                count = await book.run_due(by, fire=self._fire)
                self.fired += count
                if behind > LATE:
                    self.late += count
                    log.warning("freeze.deadlines_late", fired=count, seconds=round(behind))
                if not count:
                    break
            self.next_due = await book.next_due()
        except FzalertError as error:
            # The others of the round have fired; this one stays in the store and is tried again.
            self.failed = error.code
            log.warning("freeze.deadline_failed", code=error.code)
            return AGAIN_AFTER
        self.failed = ""
        if self.next_due is None:
            return EVERY
        left = (self.next_due - book.now()).total_seconds()
        # What is due already and did not go away is of another version; it must not spin.
        return min(EVERY, left + 0.01) if left > 0 else AGAIN_AFTER

    async def _sleep(self, seconds: float) -> None:
        """Sleep, or less where somebody wakes it."""
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleeping, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            woken.cancel()
