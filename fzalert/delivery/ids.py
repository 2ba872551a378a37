"""Ids of messages and warnings: 64-bit, time-ordered, made in blocks without randomness."""

from __future__ import annotations

from fzalert.clock import Clock

EPOCH_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
PER_MS = 1 << 20


class IdMaker:
    """Gives ids that grow, even when the wall clock steps back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def take(self, number: int = 1) -> range:
        """Give `number` ids in a row."""
        first = max((self._clock.millis() - EPOCH_MS) * PER_MS, self._last + 1)
        self._last = first + number - 1
        return range(first, first + number)

    def one(self) -> int:
        """Give one id."""
        return self.take()[0]
