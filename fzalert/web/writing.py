"""How pages write moments, lengths of time and figures. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

__all__ = ["BEIJING", "clock_of", "how_long", "latency", "number", "pace", "when"]

BEIJING = timezone(timedelta(hours=8))


def when(moment: str | datetime, *, seconds: bool = True) -> str:
    """Write a moment as people here read it: Beijing time, with its date."""
    if isinstance(moment, str):
        if not moment:
            return "–"
        moment = datetime.fromisoformat(moment)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(BEIJING).strftime("%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def clock_of(moment: datetime, now: datetime) -> str:
    """Write a moment to the minute, with the date only where it is not today."""
    there, here = moment.astimezone(BEIJING), now.astimezone(BEIJING)
    return there.strftime("%H:%M" if there.date() == here.date() else "%m-%d %H:%M")


def how_long(seconds: float) -> str:
    """Write a length of time as people say it, in its largest unit."""
    if seconds < 60:
        return f"{seconds:.0f} 秒"
    if seconds < 3600:
        return f"{seconds // 60:.0f} 分钟"
    return f"{seconds // 3600:.0f} 小时" if seconds < 2 * 86400 else f"{seconds // 86400:.0f} 天"


def pace(per_second: float) -> str:
    """Write a rate, with a decimal only where it is low."""
    return f"{per_second:.1f}" if 0 < per_second < 10 else f"{per_second:.0f}"


def latency(millis: float | None) -> str:
    """Write a round trip."""
    if millis is None:
        return "–"
    return f"{millis:.0f} ms" if millis < 1000 else f"{millis / 1000:.1f} s"


def number(value: float | str) -> str:
    """Write a figure of a channel, which may be a word."""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
