"""When a campaign would be done: its seconds of sending laid around the quiet hours."""

from __future__ import annotations

from dataclasses import dataclass

from fzalert.config import LimitSettings
from fzalert.service.windows import next_quiet, quiet_end

__all__ = ["Schedule", "lay_out"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the sending falls; times in milliseconds.

    Attributes:
        done_at: When the last part would go; None where the window ends before.
        pauses: Begin and end of the quiet hours that fall into it.
        left: Share of the sending that the window leaves out, 0 to 1.
    """

    done_at: int | None
    pauses: tuple[tuple[int, int], ...]
    left: float


def lay_out(limits: LimitSettings, start: int, not_after: int, seconds: float) -> Schedule:
    """Lay `seconds` of sending from `start` on around the quiet hours, up to `not_after`."""
    at, left = start, seconds * 1000
    pauses: list[tuple[int, int]] = []
    while at < not_after:
        quiet = quiet_end(limits, at)
        if quiet is not None:
            pauses.append((at, quiet))
            at = quiet
            continue
        begins = next_quiet(limits, at)
        until = not_after if begins is None else min(begins, not_after)
        if left <= until - at:
            return Schedule(at + int(left), tuple(pauses), 0.0)
        left -= until - at
        at = until
    return Schedule(None, tuple(pauses), left / (seconds * 1000) if seconds else 1.0)
