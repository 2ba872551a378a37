"""What a receipt leads to: pure decisions. Retry is data (`due_at`), never a sleeping task."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import assert_never

from fzalert.messages import Lane, LateReceipt, Receipt, ReceiptKind, Scope
from fzalert.ports import Submission
from fzalert.store import Flag, PartState, Requeue, ResultRow

LONGEST_PAUSE = 3600
MAYBE_TAKEN = Flag.RESENT | Flag.UNSURE
"""Of an attempt before nothing is known: where the present one fails, the fate is unknown."""


URGENT_DOWN_MS = 1_000
BULK_DOWN_MS = 5_000


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


def _never_quiet(now: int) -> int | None:
    del now
    return None


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
        quiet: Tells when the quiet hours that hold at a moment end (milliseconds), or None.
    """

    unknown_wait_ms: int = 60_000
    max_attempts: int = 4
    retry_base_ms: int = 1_000
    retry_cap_ms: int = 60_000
    down_pause_ms: int = 250
    throttle_ms: tuple[int, int] = (200, 2_000)
    quiet: Callable[[int], int | None] = _never_quiet


@dataclass(frozen=True, slots=True)
class Channel:
    """What the policy must know of a part's channel.

    Attributes:
        name: Its name.
        reports: Whether a report may follow; without one `sent` is the last word.
        keeps_state: Whether a submission sets a state.
        idempotent_key: Whether the same key twice has one effect.
        fallback: The next channel of the route for the same targets, or empty.
        fallback_as_is: Whether that takes the very same text.
        is_binding: Whether it carries instructions to banks: what may have been taken is never
            sent there again on a guess, also where it is urgent.
        key_is_id: Whether a report names a part by its wire key.
    """

    name: str
    reports: bool = True
    keeps_state: bool = False
    idempotent_key: bool = False
    fallback: str = ""
    fallback_as_is: bool = True
    is_binding: bool = False
    key_is_id: bool = False


def unknown_policy(channel: Channel, lane: Lane) -> UnknownPolicy:
    """Which policy applies on a channel and lane."""
    if channel.keeps_state:
        return UnknownPolicy.RESUBMIT
    if channel.idempotent_key:
        return UnknownPolicy.SAME_KEY
    if channel.is_binding:
        return UnknownPolicy.HOLD
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
    """Turn a receipt into the part's next state, and its next due time where there is one.

    A part that is not to be resent blindly never moves to another channel once it was resent:
    what is known of its first attempt stays with this one.
    """
    if receipt.kind is ReceiptKind.SENT:  # nearly every answer: its row is made once
        return ResultRow(
            part.id,
            part.part,
            PartState.SENT if channel.reports else PartState.DELIVERED,
            "sent",
            receipt.code,
            receipt.detail,
            receipt.carrier_id,
            receipt.proof,
            wire_key,
            None,
            receipt.suppress,
        )
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
        case ReceiptKind.PERMANENT:
            # Balance, signature, login: this channel's own trouble, not the message's.
            if receipt.scope in {Scope.BINDING, Scope.CHANNEL} and _may_move(part, flags, channel):
                return _over(row, channel, flags, now)
            return _failed(row, flags & ~Flag.UNSURE if _is_of_the_message(receipt) else flags)
        case ReceiptKind.UNKNOWN:
            return _unknown(row, part, flags, channel, limits, now)
        case ReceiptKind.THROTTLED:
            pause = _asked(receipt) or rng.randint(*limits.throttle_ms)
            return _again(row, part, channel, now + pause, part.attempt, flags)
        case ReceiptKind.CHANNEL_DOWN:
            if part.lane is Lane.URGENT and _may_move(part, flags, channel):
                return _over(row, channel, flags, now)
            # The line's own pause is for dialling. A part waits less, so that the line's return
            # finds it: nothing is dialled or sent for asking again.
            most = URGENT_DOWN_MS if part.lane is Lane.URGENT else BULK_DOWN_MS
            pause = min(_asked(receipt) or limits.down_pause_ms, most)
            return _again(row, part, channel, now + pause, part.attempt, flags)
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
            again = _again(row, part, channel, due, part.attempt + 1, flags | Flag.RESENT)
            return again._replace(state=PartState.UNKNOWN)
        case UnknownPolicy.SAME_KEY | UnknownPolicy.RESUBMIT:
            if policy is UnknownPolicy.SAME_KEY:
                flags |= Flag.UNSURE
            pause = _backoff(part.attempt, limits)
            return _again(row, part, channel, now + pause, part.attempt + 1, flags)
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
        if _may_move(part, flags, channel):
            return _over(row, channel, flags, now)
        return _failed(row, flags)
    pause = _asked(receipt)
    if not pause:
        most = _backoff(part.attempt, limits)
        pause = rng.randint(min(most, limits.retry_base_ms // 2), most)
    if receipt.scope is Scope.RECIPIENT and channel.keeps_state:
        pause = min(pause, 2_000)
    return _again(row, part, channel, now + pause, part.attempt + 1, flags)


def _again(
    row: ResultRow, part: Submission, channel: Channel, due: int, attempt: int, flags: Flag
) -> ResultRow:
    """The same channel once more; a key that went out stays the part's key."""
    key = row.wire_key or part.previous_key
    return row._replace(
        state=PartState.QUEUED, requeue=Requeue(channel.name, due, attempt, flags, key)
    )


def _over(row: ResultRow, channel: Channel, flags: Flag, now: int) -> ResultRow:
    """The next channel of the route, from the beginning: keys mean nothing there."""
    over = Requeue(channel.fallback, now, 1, flags, as_is=channel.fallback_as_is)
    return row._replace(state=PartState.QUEUED, requeue=over)


def _asked(receipt: Receipt) -> int:
    """The pause that the far side asked for, in milliseconds; nonsense counts as none."""
    if not 0 < receipt.retry_after <= LONGEST_PAUSE:
        return LONGEST_PAUSE * 1000 if receipt.retry_after > LONGEST_PAUSE else 0
    return max(1, int(receipt.retry_after * 1000))


def _backoff(attempt: int, limits: Limits) -> int:
    return int(min(limits.retry_cap_ms, limits.retry_base_ms * 2 ** min(attempt - 1, 16)))


def _may_move(part: Submission, flags: Flag, channel: Channel) -> bool:
    """A message of several parts stays on its channel: a mixed message is no message."""
    parts = getattr(part.rendition, "parts", ())
    return bool(channel.fallback) and len(parts) <= 1 and not flags & MAYBE_TAKEN


def _is_of_the_message(receipt: Receipt) -> bool:
    """Whether a refusal under a key speaks of what the key stands for, and not of the line."""
    return receipt.scope in {Scope.MESSAGE, Scope.RECIPIENT}


def _failed(row: ResultRow, flags: Flag) -> ResultRow:
    """This attempt failed for good; an earlier one that nobody answered may have been taken."""
    if flags & MAYBE_TAKEN:
        return row._replace(state=PartState.UNKNOWN, word="unknown")
    return row._replace(word="failed")


def late_row(late: LateReceipt, channel: Channel, limits: Limits, now: int) -> ResultRow:
    """What a late answer makes of an unknown part; the store knows which attempt it was."""
    receipt = late.receipt
    row = ResultRow(
        late.id,
        late.part,
        PartState.UNKNOWN,
        str(receipt.kind),
        receipt.code,
        receipt.detail,
        receipt.carrier_id,
        receipt.proof,
        suppress=receipt.suppress,
    )
    match receipt.kind:
        case ReceiptKind.SENT:
            state = PartState.SENT if channel.reports else PartState.DELIVERED
            return row._replace(state=state)
        case ReceiptKind.PERMANENT:
            return row._replace(state=PartState.FAILED, word="failed")
        case ReceiptKind.UNKNOWN:
            return row
        case ReceiptKind.THROTTLED | ReceiptKind.TEMPORARY | ReceiptKind.CHANNEL_DOWN:
            # It was not taken after all, so it may be sent like any other.
            due = now + (_asked(receipt) or limits.retry_base_ms)
            return row._replace(state=PartState.QUEUED, requeue=Requeue(channel.name, due, 0))
        case _:
            assert_never(receipt.kind)


def back_to_queue(part: Submission, flags: Flag, channel: str, now: int) -> ResultRow:
    """Nothing was written: the part returns as it was, and the attempt does not count."""
    again = Requeue(channel, now, part.attempt, flags, part.previous_key)
    return ResultRow(part.id, part.part, PartState.QUEUED, "requeued", requeue=again)


def withdrawn(part: Submission, flags: Flag) -> ResultRow:
    """It was taken back between the claim and the line."""
    if flags & MAYBE_TAKEN:
        why = "it was taken back before it could be sent a second time"
        return ResultRow(part.id, part.part, PartState.UNKNOWN, "unknown", detail=why)
    return ResultRow(part.id, part.part, PartState.WITHDRAWN, "withdrawn")


def too_late(part: Submission, flags: Flag) -> ResultRow:
    """Its window ended between the claim and the line."""
    if flags & MAYBE_TAKEN:
        why = "its window ended before it could be sent a second time"
        return ResultRow(part.id, part.part, PartState.UNKNOWN, "unknown", detail=why)
    return ResultRow(
        part.id,
        part.part,
        PartState.EXPIRED,
        "expired",
        detail="its window ended before it could be sent",
    )
