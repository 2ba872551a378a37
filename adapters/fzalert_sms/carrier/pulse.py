"""Whether the gateway answers in time: what a carrier does that slows down and does not say so."""

from __future__ import annotations

from collections import deque
from typing import Final

_SAMPLES: Final = 400
_FRESH: Final = 60.0
"""Seconds for which an answer tells how the gateway is."""
_FEWEST: Final = 5
_SLOW_MS: Final = 5_000.0
_STUCK: Final = 10.0


class Pulse:
    """Round trips of late, and how long the window has been full.

    Attributes:
        throttled_at: Monotonic time of the last throttled answer.
    """

    def __init__(self) -> None:
        self.throttled_at = float("-inf")
        self._trips: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self._answered_at = float("-inf")
        self._full_since: float | None = None

    def answered(self, sent_at: float, now: float) -> None:
        """Note one answer, however late."""
        self._answered_at = now
        self._trips.append((now, now - sent_at))

    def look(self, is_full: bool, now: float) -> None:
        """Note whether the window has room; called several times a second."""
        if not is_full:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now

    @property
    def latency_ms(self) -> float | None:
        """The newest round trip."""
        return self._trips[-1][1] * 1000.0 if self._trips else None

    def p95_ms(self, now: float) -> float | None:
        """Nineteen of twenty answers took no longer; None where too few are fresh."""
        fresh = sorted(took for at, took in self._trips if now - at <= _FRESH)
        if len(fresh) < _FEWEST:
            return None
        return fresh[(len(fresh) * 95 + 99) // 100 - 1] * 1000.0

    def slow_words(self, now: float) -> str:
        """Why the gateway counts as slow, Chinese first; empty where it does not."""
        since = self._full_since
        if since is not None:
            stuck = now - max(since, self._answered_at)
            if stuck > _STUCK:
                return (
                    f"窗口已满 {stuck:.0f} 秒无应答"
                    f" · the window has been full for {stuck:.0f} s without an answer"
                )
        p95 = self.p95_ms(now)
        if p95 is not None and p95 > _SLOW_MS:
            return (
                f"应答变慢，95% 在 {p95 / 1000:.1f} 秒内"
                f" · slow answers, 95 % within {p95 / 1000:.1f} s"
            )
        return ""
