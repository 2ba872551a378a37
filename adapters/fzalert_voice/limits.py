"""How often a speaker may speak, and how loudly at night.

Ten cards in a minute must not make ten announcements, and loud sound that goes on and on is an
offence: so the same script is not said twice within an interval, and routine plays have a cap.

Source: Noise Pollution Prevention Law of 2022-06-05, articles 63 and 81.
"""

from __future__ import annotations

import datetime
import enum
from collections import deque
from typing import Final, NamedTuple

from fzalert.messages import Lane, Speech

__all__ = ["BEIJING", "PlayLimits", "Refusal", "ScriptKey", "is_quiet", "script_key"]

BEIJING: Final = datetime.timezone(datetime.timedelta(hours=8))
_HOUR: Final = 3600.0


class ScriptKey(NamedTuple):
    """What counts as the same announcement."""

    script: str
    audience: str
    language: str
    drill: bool


class Refusal(enum.StrEnum):
    """Why a speaker stays silent."""

    DUPLICATE = "duplicate"
    HOURLY = "hourly-limit"


def script_key(speech: Speech) -> ScriptKey:
    """Name the announcement that a speech makes."""
    script = speech.script
    return ScriptKey(script.id, script.audience, speech.locale, speech.drill)


def is_quiet(
    now: datetime.datetime, start: datetime.time | None, end: datetime.time | None
) -> bool:
    """Tell whether a moment lies in the quiet hours, which may cross midnight."""
    if start is None or end is None:
        return False
    clock = now.astimezone(BEIJING).time()
    if start <= end:
        return start <= clock < end
    return clock >= start or clock < end


class PlayLimits:
    """The plays of one speaker.

    Args:
        min_interval: Seconds until the same script may be said again.
        max_per_hour: Routine plays in an hour.
    """

    def __init__(self, *, min_interval: float, max_per_hour: int) -> None:
        self._min_interval = min_interval
        self._max_per_hour = max_per_hour
        self._last: dict[tuple[ScriptKey, Lane], float] = {}
        self._plays: deque[float] = deque()

    def refuse(self, key: ScriptKey, lane: Lane, now: float) -> Refusal | None:
        """Say why not, or None. An urgent warning is only held back by an urgent one."""
        lanes = (Lane.URGENT,) if lane is Lane.URGENT else (Lane.URGENT, Lane.BULK)
        for other in lanes:
            last = self._last.get((key, other))
            if last is not None and now - last < self._min_interval:
                return Refusal.DUPLICATE
        if lane is Lane.URGENT:
            return None
        while self._plays and now - self._plays[0] >= _HOUR:
            self._plays.popleft()
        return Refusal.HOURLY if len(self._plays) >= self._max_per_hour else None

    def begin(self, key: ScriptKey, lane: Lane, now: float) -> None:
        """Count a play that begins."""
        self._last = {
            known: then for known, then in self._last.items() if now - then < self._min_interval
        }
        self._last[key, lane] = now
        if lane is Lane.BULK:
            self._plays.append(now)

    def undo(self, key: ScriptKey, lane: Lane, *, heard: bool) -> None:
        """Forget a play that was cut short, so that it may be said again; heard sound counts."""
        self._last.pop((key, lane), None)
        if lane is Lane.BULK and not heard and self._plays:
            self._plays.pop()
