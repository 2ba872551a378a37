"""From when to when a warning may be sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fzalert.config import LimitSettings
from fzalert.delivery.quiet import quiet_until
from fzalert.errors import InputError
from fzalert.messages import Lane


def quiet_end(limits: LimitSettings, now: int) -> int | None:
    """When the quiet hours that hold at `now` end, or None where none hold; both milliseconds."""
    quiet = limits.quiet_hours
    if not quiet.enabled:
        return None
    at = datetime.fromtimestamp(now / 1000, UTC)
    until = quiet_until(at, quiet.start, quiet.end, quiet.tzinfo)
    return None if until is None else int(until.timestamp() * 1000)


def next_quiet(limits: LimitSettings, now: int) -> int | None:
    """When quiet hours begin next after `now`, outside of them; None where none are kept."""
    quiet = limits.quiet_hours
    if not quiet.enabled:
        return None
    local = datetime.fromtimestamp(now / 1000, UTC).astimezone(quiet.tzinfo)
    begins = datetime.combine(local.date(), quiet.start, quiet.tzinfo)
    if begins <= local:
        begins = datetime.combine(local.date() + timedelta(days=1), quiet.start, quiet.tzinfo)
    return int(begins.timestamp() * 1000)


def window_of(
    limits: LimitSettings, lane: Lane, expires_in: float | None, now: int, *, personal: bool
) -> tuple[int, int]:
    """Find the earliest sending and the end of a warning's worth, milliseconds.

    Bulk to persons waits for the end of the quiet hours. A window that the caller did not give
    begins where sending may begin; a given one begins now.

    Raises:
        InputError: It could never be sent.
    """
    not_before = now
    if lane is Lane.BULK and personal:
        not_before = quiet_end(limits, now) or now
    if expires_in is not None:
        not_after = now + int(expires_in * 1000)
    elif lane is Lane.URGENT:
        not_after = not_before + limits.urgent_window * 60_000
    else:
        not_after = not_before + limits.bulk_window * 3_600_000
    if not_after <= not_before:
        raise InputError(
            "The window ends before the quiet hours do, so it could never be sent.",
            hint="Give a longer expires_in, or use the urgent lane if somebody is in danger.",
            field="expires_in",
        )
    return not_before, not_after
