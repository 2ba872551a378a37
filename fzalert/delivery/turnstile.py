"""Lets any number route messages side by side, and one change the routes alone.

Between the look at the routes and the commit that follows it lies a wait. A channel that is taken
away meanwhile would get messages that nobody sends, so a change waits for those who look, and who
comes meanwhile waits for the change, which takes no time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Turnstile"]


class Turnstile:
    """Shared by those who route, alone for the one who changes the routes."""

    def __init__(self) -> None:
        self._inside = 0
        self._open = asyncio.Event()
        self._open.set()
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Route inside the block."""
        while not self._open.is_set():
            await self._open.wait()
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        """Stay inside beyond the block, for work that outlives its caller; needs a `release`."""
        self._inside += 1
        self._empty.clear()

    def release(self) -> None:
        """Leave."""
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    @asynccontextmanager
    async def alone(self, within: float) -> AsyncIterator[None]:
        """Change the routes inside the block, which must not wait for anything.

        Args:
            within: Seconds to wait at most for those who are inside.

        Raises:
            TimeoutError: They did not leave in time, as where the disk hangs.
        """
        self._open.clear()
        try:
            async with asyncio.timeout(within):
                while self._inside:
                    await self._empty.wait()
            yield
        finally:
            self._open.set()
