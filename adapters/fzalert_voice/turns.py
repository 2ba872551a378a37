"""Whose turn it is on one speaker: one voice at a time, urgent first, equals in their order."""

from __future__ import annotations

import asyncio
from collections import deque

from fzalert.messages import Lane

__all__ = ["Turn", "TurnQueue"]


class Turn:
    """The right to use a speaker, until it is given back.

    Attributes:
        lane: Whose it is.
        stop: Set when it must be given up: fade out and give it back.
    """

    __slots__ = ("lane", "stop")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.stop = asyncio.Event()


class TurnQueue:
    """Hands out the turns of one speaker."""

    def __init__(self) -> None:
        self._holder: Turn | None = None
        self._waiting: dict[Lane, deque[tuple[Turn, asyncio.Future[None]]]] = {
            Lane.URGENT: deque(),
            Lane.BULK: deque(),
        }

    async def take(self, lane: Lane) -> Turn:
        """Wait for a turn. An urgent one stops a bulk one that is in the way."""
        turn = Turn(lane)
        if self._holder is None:
            self._holder = turn
            return turn
        if lane is Lane.URGENT and self._holder.lane is Lane.BULK:
            self._holder.stop.set()
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append((turn, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(turn)
            raise
        return turn

    def give_back(self, turn: Turn) -> None:
        """End a turn; the next one waiting begins."""
        if self._holder is not turn:
            raise RuntimeError("the turn was given back twice")
        self._holder = None
        for waiting in (self._waiting[Lane.URGENT], self._waiting[Lane.BULK]):
            while waiting:
                following, granted = waiting.popleft()
                if not granted.done():
                    self._holder = following
                    granted.set_result(None)
                    return

    def stop(self) -> None:
        """Stop whoever has the turn."""
        if self._holder is not None:
            self._holder.stop.set()
