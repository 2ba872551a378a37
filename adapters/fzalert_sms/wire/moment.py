"""The time of day as gateways write it, in Beijing; it has had no summer time since 1991."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

BEIJING: Final = timezone(timedelta(hours=8), "CST")
_LONGEST_VALIDITY: Final = 48 * 3_600_000


def login_timestamp(now: datetime) -> int:
    """MMDDHHMMSS in Beijing time, as the number that a login carries."""
    return int(now.astimezone(BEIJING).strftime("%m%d%H%M%S"))


@lru_cache(maxsize=4096)
def moment_of(text: str) -> int:
    """Milliseconds since the epoch of a gateway's YYMMDDHHMM[SS], or 0 where it is none."""
    if len(text) not in (10, 12) or not (text.isascii() and text.isdigit()):
        return 0
    year, month, day, hour, minute = (int(text[at : at + 2]) for at in range(0, 10, 2))
    try:
        moment = datetime(2000 + year, month, day, hour, minute, tzinfo=BEIJING)
    except ValueError:
        return 0
    return int(moment.timestamp()) * 1000


def valid_time(not_after: int, now: int) -> str:
    """Until when the carrier may try, as an absolute time; empty beyond two days.

    Beyond two days the carrier's own limit is the shorter one. More than an hour off it is given in
    whole minutes, so that neighbours share a template.

    Args:
        not_after: Milliseconds since the epoch.
        now: The same.

    Source: SMPP 3.4, 7.1.1, which CMPP, SGIP and SMGP share: YYMMDDhhmmss, tenths of a second, and
    quarter hours from UTC.
    """
    left = not_after - now
    if not 0 < left <= _LONGEST_VALIDITY:
        return ""
    seconds = not_after // 1000
    return _stamp(seconds - seconds % 60 if left > 3_600_000 else seconds)


@lru_cache(maxsize=256)
def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%y%m%d%H%M%S") + "032+"
