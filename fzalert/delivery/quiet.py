"""Quiet hours: when bulk waits until the morning."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo


def quiet_until(now: datetime, start: time, end: time, zone: tzinfo) -> datetime | None:
    """When the quiet that holds now is over, or None where none holds.

    The first second of `start` is quiet, the first second of `end` is not; an `end` before
    `start` lies on the next day, and an `end` equal to it leaves no quiet at all.
    """
    if start == end:
        return None
    local = now.astimezone(zone)
    for day in (local.date() - timedelta(days=1), local.date()):
        begins = datetime.combine(day, start, zone)
        ends = datetime.combine(day if end > start else day + timedelta(days=1), end, zone)
        if begins <= local < ends:
            return ends.astimezone(UTC)
    return None
