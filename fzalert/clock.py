"""The only reader of time: everything else takes a `Clock` as an argument.

Wall time is for law, people and expiry; monotonic time is for durations, rates and leases.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from typing_extensions import override

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What the library needs to know of time."""

    def now(self) -> datetime:
        """Wall time, aware, in UTC."""
        ...

    def millis(self) -> int:
        """Wall time in whole milliseconds since the Unix epoch: the unit of every stored time."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump, counted through suspend where the system can."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of monotonic time."""
        ...


class SystemClock(Clock):
    """The machine's own clocks."""

    def __init__(self) -> None:
        # CLOCK_BOOTTIME counts a suspended machine's sleep, which a lease deadline must see.
        self._clock_id = getattr(time, "CLOCK_BOOTTIME", None)

    @override
    def now(self) -> datetime:
        return datetime.now(UTC)

    @override
    def millis(self) -> int:
        return time.time_ns() // 1_000_000

    @override
    def monotonic(self) -> float:
        if self._clock_id is not None:
            return time.clock_gettime(self._clock_id)
        return time.monotonic()

    @override
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
