"""A clock that moves only when a test says so."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from fzalert.clock import Clock

__all__ = ["FakeClock"]

_START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


class FakeClock(Clock):
    """Time as an argument: `advance` moves it and wakes whoever has slept long enough.

    Args:
        start: Wall time at the beginning, aware.
    """

    def __init__(self, start: datetime = _START) -> None:
        if start.tzinfo is None:
            raise ValueError("the start needs a time zone")
        self._wall = start.astimezone(UTC)
        self._monotonic = 0.0
        self._count = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._fell_asleep: asyncio.Event | None = None

    @override
    def now(self) -> datetime:
        return self._wall

    @override
    def millis(self) -> int:
        return (self._wall - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    @override
    def monotonic(self) -> float:
        return self._monotonic

    @override
    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._monotonic + seconds, self._count, future))
        if self._fell_asleep is not None:
            self._fell_asleep.set()
        await future

    def advance(self, seconds: float) -> None:
        """Move both clocks forward and wake the sleepers that are due, the earliest first."""
        if seconds < 0:
            raise ValueError("monotonic time never goes back; use `jump` for the wall clock")
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a correction of the machine's time does."""
        self._wall += timedelta(seconds=seconds)

    @property
    def sleeping(self) -> int:
        """How many are asleep now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def until_sleeping(self, count: int = 1, *, timeout: float = 2.0) -> None:  # noqa: ASYNC109  real seconds, for the test's own patience
        """Wait until at least `count` are asleep, so that `advance` meets them.

        Raises:
            TimeoutError: Fewer fell asleep within `timeout` real seconds.
        """
        self._fell_asleep = asyncio.Event()
        try:
            async with asyncio.timeout(timeout):
                while self.sleeping < count:
                    self._fell_asleep.clear()
                    await self._fell_asleep.wait()
        finally:
            self._fell_asleep = None
