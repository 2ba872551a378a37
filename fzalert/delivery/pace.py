"""How fast a channel may be used: a token bucket with an urgent reserve, adaptive to throttling.

Asked once a batch, never once a message. The capacity is a tenth of a second of the rate, since
carriers count per second and answer a full second's burst with a throttled result.
"""

from __future__ import annotations

from fzalert.messages import Lane

RESERVE = 0.2
BURST_SECONDS = 0.1
SLOW_DOWN = 0.7
RECOVER_PER_SECOND = 0.02


class Pace:
    """A token bucket.

    Args:
        rate: Parts a second by contract; None sets no limit.
        now: Monotonic seconds.
    """

    def __init__(self, rate: float | None, now: float) -> None:
        self.contract = rate
        self.rate = rate
        self._capacity = max(1.0, (rate or 0.0) * BURST_SECONDS)
        self._tokens = self._capacity
        self._at = now
        self._slowed_at = now

    def take(self, number: int, lane: Lane, now: float) -> int:
        """Take up to `number` parts; returns how many may go now."""
        if self.rate is None:
            return number
        self._refill(now)
        if lane is Lane.URGENT:
            free = int(self._tokens + self.rate)  # it may borrow a second of the rate
        else:
            free = int(self._tokens - self._capacity * RESERVE + 1)
        taken = max(0, min(number, free))
        self._tokens -= taken
        return taken

    def give_back(self, number: int) -> None:
        """Return what was taken and not used."""
        if self.rate is not None:
            self._tokens = min(self._capacity, self._tokens + number)

    def pause(self, lane: Lane = Lane.BULK) -> float:
        """Seconds until a part of a lane may go."""
        if self.rate is None:
            return 0.0
        needed = 1 - self.rate if lane is Lane.URGENT else self._capacity * RESERVE
        return max(0.001, (needed - self._tokens) / self.rate)

    def throttled(self, now: float) -> None:
        """The far side asked for less; once a second at most it counts."""
        if self.rate is None:
            return
        if now - self._slowed_at >= 1.0 or self.rate == self.contract:
            self.rate = max(1.0, self.rate * SLOW_DOWN)
            self._slowed_at = now

    def _refill(self, now: float) -> None:
        assert self.rate is not None  # noqa: S101  callers checked
        assert self.contract is not None  # noqa: S101
        passed = max(0.0, now - self._at)
        self._at = now
        if self.rate < self.contract and now - self._slowed_at >= 1.0:
            grown = self.rate * (1 + RECOVER_PER_SECOND * passed)
            self.rate = min(self.contract, grown)
        self._tokens = min(self._capacity, self._tokens + passed * self.rate)
