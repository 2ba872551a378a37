"""What a receipt leads to: pure decisions. Retry is data (`due_at`), never a sleeping task."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from random import Random
from typing import assert_never

from fzalert.messages import Lane, Receipt, ReceiptKind, Scope
from fzalert.ports import Submission
from fzalert.store import Flag, PartState, Requeue, ResultRow


class UnknownPolicy(enum.StrEnum):
    """What to do with a part that may or may not have been taken."""

    HOLD = "hold"
    """Never send twice knowingly: a report, a late receipt or a person decides."""
    RESEND_ONCE = "resend_once"
    """Wait, then send once more, marked: a second warning costs less than none."""
    SAME_KEY = "same_key"
    """Send again under the same key: the far side promised to take it once."""
    RESUBMIT = "resubmit"
    """The channel keeps a state: setting it again is no second effect."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Figures of the engine; all from the configuration.

    Attributes:
        unknown_wait_ms: How long a resend waits for a late answer or report.
        max_attempts: Attempts on one channel before a temporary refusal is final there.
        retry_base_ms: First pause after a temporary refusal; doubles, with full jitter.
        retry_cap_ms: Longest pause.
        down_pause_ms: Pause after a channel was down; the attempt does not count.
        throttle_ms: Shortest and longest pause after a throttled answer without its own.
    """

    unknown_wait_ms: int = 60_000
    max_attempts: int = 4
    retry_base_ms: int = 1_000
    retry_cap_ms: int = 60_000
    down_pause_ms: int = 250
    throttle_ms: tuple[int, int] = (200, 2_000)


@dataclass(frozen=True, slots=True)
class Channel:
    """What the policy must know of a part's channel.

    Attributes:
        name: Its name.
        reports: Whether a report may follow; without one `sent` is the last word.
        keeps_state: Whether a submission sets a state.
        idempotent_key: Whether the same key twice has one effect.
        fallback: The next channel of the route that takes the same rendition, or empty.
    """

    name: str
    reports: bool = True
    keeps_state: bool = False
    idempotent_key: bool = False
    fallback: str = ""


def unknown_policy(channel: Channel, lane: Lane) -> UnknownPolicy:
    """Which policy applies on a channel and lane."""
    if channel.keeps_state:
        return UnknownPolicy.RESUBMIT
    if channel.idempotent_key:
        return UnknownPolicy.SAME_KEY
    return UnknownPolicy.RESEND_ONCE if lane is Lane.URGENT else UnknownPolicy.HOLD


def decide(
    receipt: Receipt,
    part: Submission,
    flags: Flag,
    wire_key: bytes,
    channel: Channel,
    limits: Limits,
    now: int,
    rng: Random,
) -> ResultRow:
    """Turn a receipt into the part's next state, and its next due time where there is one."""
    row = ResultRow(
        part.id,
        part.part,
        PartState.FAILED,
        str(receipt.kind),
        receipt.code,
        receipt.detail,
        receipt.carrier_id,
        receipt.proof,
        wire_key,
        None,
        receipt.suppress,
    )
    match receipt.kind:
        case ReceiptKind.SENT:
            state = PartState.SENT if channel.reports else PartState.DELIVERED
            return row._replace(state=state)
        case ReceiptKind.PERMANENT:
            return row._replace(word="failed")
        case ReceiptKind.UNKNOWN:
            return _unknown(row, part, flags, channel, limits, now)
        case ReceiptKind.THROTTLED:
            low, high = limits.throttle_ms
            pause = int(receipt.retry_after * 1000) or rng.randint(low, high)
            return _again(row, channel.name, now + pause, part.attempt, flags)
        case ReceiptKind.CHANNEL_DOWN:
            if part.lane is Lane.URGENT and channel.fallback and _may_move(part):
                return _again(row, channel.fallback, now, 1, flags)
            pause = int(receipt.retry_after * 1000) or limits.down_pause_ms
            return _again(row, channel.name, now + pause, part.attempt, flags)
        case ReceiptKind.TEMPORARY:
            return _temporary(row, receipt, part, flags, channel, limits, now, rng)
        case _:
            assert_never(receipt.kind)


def _unknown(
    row: ResultRow, part: Submission, flags: Flag, channel: Channel, limits: Limits, now: int
) -> ResultRow:
    policy = unknown_policy(channel, part.lane)
    held = row._replace(state=PartState.UNKNOWN)
    match policy:
        case UnknownPolicy.HOLD:
            return held
        case UnknownPolicy.RESEND_ONCE:
            if flags & Flag.RESENT:
                return held
            due = now + limits.unknown_wait_ms
            again = Requeue(channel.name, due, part.attempt + 1, Flag.RESENT, row.wire_key)
            return held._replace(requeue=again)
        case UnknownPolicy.SAME_KEY | UnknownPolicy.RESUBMIT:
            pause = _backoff(part.attempt, limits)
            return _again(row, channel.name, now + pause, part.attempt + 1, flags)
        case _:
            assert_never(policy)


def _temporary(
    row: ResultRow,
    receipt: Receipt,
    part: Submission,
    flags: Flag,
    channel: Channel,
    limits: Limits,
    now: int,
    rng: Random,
) -> ResultRow:
    # A screen that is not connected may come back at any moment of the window: for a channel
    # that keeps a state only the window ends the attempts.
    if part.attempt >= limits.max_attempts and not channel.keeps_state:
        if channel.fallback and _may_move(part):
            return _again(row, channel.fallback, now, 1, flags)
        return row._replace(word="failed")
    pause = int(receipt.retry_after * 1000)
    if not pause:
        pause = rng.randint(limits.retry_base_ms // 2, _backoff(part.attempt, limits))
    if receipt.scope is Scope.RECIPIENT and channel.keeps_state:
        pause = min(pause, 2_000)
    return _again(row, channel.name, now + pause, part.attempt + 1, flags)


def _again(row: ResultRow, channel: str, due: int, attempt: int, flags: Flag) -> ResultRow:
    again = Requeue(channel, due, attempt, flags, row.wire_key)
    return row._replace(state=PartState.QUEUED, requeue=again)


def _backoff(attempt: int, limits: Limits) -> int:
    return int(min(limits.retry_cap_ms, limits.retry_base_ms * 2 ** min(attempt - 1, 16)))


def _may_move(part: Submission) -> bool:
    """A message of several parts stays on its channel: a mixed message is no message."""
    parts = getattr(part.rendition, "parts", ())
    return len(parts) <= 1


def back_to_queue(part: Submission, flags: Flag, channel: str, now: int) -> ResultRow:
    """Nothing was written: the part returns as it was, and the attempt does not count."""
    again = Requeue(channel, now, part.attempt, flags, part.previous_key)
    return ResultRow(part.id, part.part, PartState.QUEUED, "requeued", requeue=again)


def too_late(part: Submission) -> ResultRow:
    """Its window ended between the claim and the line."""
    return ResultRow(
        part.id,
        part.part,
        PartState.EXPIRED,
        "expired",
        detail="its window ended before it could be sent",
    )
