"""The machine's wall clock is watched: a jump is shown and on record, and nothing is sent for it.

Leases, paces and time-outs run by the monotonic clock, so a jump moves none of them. Windows and
due times are wall times, since law and people speak of those: until somebody has looked at the
clock, the status says that they may be wrong. A clock that is set back would let everything that
waits for a later attempt wait as much longer, so those times are brought nearer by as much.
"""

from __future__ import annotations

from collections.abc import Callable

from fzalert.clock import Clock
from fzalert.errors import StoreError
from fzalert.log import get_logger
from fzalert.store import ChangeSet, EvidenceEntry, Store

log = get_logger("fzalert.service")

EVERY = 1.0
JUMP_MS = 30_000
SUSPECT_FOR = 600.0


class ClockWatch:
    """Compares wall time with monotonic time.

    Args:
        clock: Both.
        store: Keeps the record, and what waits.
        wake: Called once due times were brought nearer.

    Attributes:
        suspect: What was seen, in words; empty while the clock is trusted. It ends when the clock
            is set back, or after ten minutes without a further jump.
    """

    def __init__(self, clock: Clock, store: Store, wake: Callable[[], None]) -> None:
        self.suspect = ""
        self._clock = clock
        self._store = store
        self._wake = wake
        self._trusted = self._offset()
        self._now = self._trusted
        self._until = 0.0

    def _offset(self) -> int:
        return self._clock.millis() - int(self._clock.monotonic() * 1000)

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await self._clock.sleep(EVERY)
            await self._look()

    async def _look(self) -> None:
        offset = self._offset()
        jump = offset - self._now
        now = self._clock.monotonic()
        if abs(jump) > JUMP_MS:
            self._now, self._until = offset, now + SUSPECT_FOR
            seconds = round(jump / 1000)
            self.suspect = f"时钟跳变 {seconds:+d} 秒 / the clock jumped by {seconds:+d} s"
            log.error("clock.jumped", seconds=seconds)
            await self._record(seconds, max(0, -jump))
        else:
            self._now = offset  # it drifts, or is slewed
        if self.suspect and (abs(offset - self._trusted) <= JUMP_MS or now >= self._until):
            self.suspect = ""
            log.warning("clock.trusted")
        if not self.suspect:
            self._trusted = self._now

    async def _record(self, seconds: int, sooner: int) -> None:
        entry = EvidenceEntry("store", "engine", "clock.jump", {"seconds": seconds})
        try:
            await self._store.commit(ChangeSet(evidence=(entry,), sooner=sooner))
        except StoreError as error:
            log.warning("clock.not_recorded", code=error.code)
            return
        if sooner:
            self._wake()
