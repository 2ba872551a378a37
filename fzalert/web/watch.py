"""Since when: what a status at one moment cannot tell, kept by looking again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from fzalert.clock import Clock
from fzalert.service.api import ServiceApi
from fzalert.service.models import StatusView

__all__ = ["Seen", "Watch"]

EVERY = 5.0
"""Seconds between two looks of our own; a page or a scrape in between is a look too."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one channel.

    Attributes:
        state: Its state.
        since: When it was first seen in it without a break.
        changed: Whether it was seen in another one before; else it may be in it for longer.
        error: The newest error, or empty.
        error_at: When that error was first seen, or None.
    """

    state: str
    since: datetime
    changed: bool = False
    error: str = ""
    error_at: datetime | None = None


class Watch:
    """Remembers since when each channel is in its state, and when its last error came.

    Args:
        clock: Time of day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, Seen] = {}

    def see(self, status: StatusView) -> None:
        """Take a status as it is now."""
        now = self._clock.now()
        for view in status.channels:
            before = self._seen.get(view.name)
            seen = before or Seen(view.state, now)
            if seen.state != view.state:
                seen = replace(seen, state=view.state, since=now, changed=True)
            if seen.error != view.last_error:
                at = now if view.last_error else None
                seen = replace(seen, error=view.last_error, error_at=at)
            self._seen[view.name] = seen

    def of(self, channel: str) -> Seen | None:
        """What was seen of a channel; None where it was never seen."""
        return self._seen.get(channel)

    def seconds(self, channel: str) -> float:
        """How long a channel is in its state, as far as was seen."""
        seen = self._seen.get(channel)
        return 0.0 if seen is None else (self._clock.now() - seen.since).total_seconds()

    async def keep(self, service: ServiceApi) -> None:
        """Look every few seconds, so that a change is seen also while nobody looks."""
        while True:
            self.see(await service.status())
            await self._clock.sleep(EVERY)
