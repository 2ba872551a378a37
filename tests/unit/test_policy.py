"""What each receipt leads to, on each kind of channel and lane."""

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.delivery.policy import (
    Channel,
    Limits,
    UnknownPolicy,
    back_to_queue,
    decide,
    late_row,
    too_late,
    unknown_policy,
    withdrawn,
)
from fzalert.messages import Lane, LateReceipt, Proof, Receipt, ReceiptKind, Scope
from fzalert.ports import Submission
from fzalert.store import Flag, PartState, Requeue, ResultRow
from fzalert.testing.parcels import number, text_in_parts

NOW = 1_000_000
LIMITS = Limits()
PLAIN = Channel("sms", fallback="sms-2")


def part(
    lane: Lane = Lane.BULK, *, attempt: int = 1, parts: int = 1, previous: bytes = b""
) -> Submission:
    return Submission(7, 0, lane, number(1), text_in_parts(parts), NOW + 60_000, attempt, previous)


def after(
    kind: ReceiptKind,
    one: Submission | None = None,
    channel: Channel = PLAIN,
    *,
    flags: Flag = Flag.NONE,
    key: bytes = b"key",
    scope: Scope = Scope.MESSAGE,
    retry_after: float = 0.0,
) -> ResultRow:
    receipt = Receipt(kind, scope, code="c", detail="d", retry_after=retry_after)
    return decide(receipt, one or part(), flags, key, channel, LIMITS, NOW, Random(1))


def requeue(row: ResultRow) -> Requeue:
    assert row.requeue is not None
    return row.requeue


def test_sent_waits_for_a_report_where_there_is_one() -> None:
    receipt = Receipt(ReceiptKind.SENT, carrier_id=b"c1", proof=Proof.TAKEN)
    args = (receipt, part(), Flag.NONE, b"key")
    row = decide(*args, Channel("sms"), LIMITS, NOW, Random(1))
    assert (row.state, row.carrier_id, row.proof) == (PartState.SENT, b"c1", Proof.TAKEN)
    row = decide(*args, Channel("sms", reports=False), LIMITS, NOW, Random(1))
    assert row.state is PartState.DELIVERED


def test_a_throttled_part_returns_alone_with_its_attempt_and_its_key() -> None:
    row = after(ReceiptKind.THROTTLED, part(attempt=3))
    again = requeue(row)
    assert row.state is PartState.QUEUED
    assert (again.channel, again.attempt, again.wire_key) == ("sms", 3, b"key")
    assert NOW + 200 <= again.due_at <= NOW + 2000
    assert requeue(after(ReceiptKind.THROTTLED, retry_after=7.5)).due_at == NOW + 7500


def test_a_part_that_was_not_written_keeps_the_key_it_had() -> None:
    for kind in (ReceiptKind.THROTTLED, ReceiptKind.TEMPORARY, ReceiptKind.CHANNEL_DOWN):
        row = after(kind, part(previous=b"old"), key=b"")
        assert requeue(row).wire_key == b"old"


def test_a_temporary_refusal_is_tried_again_later_and_then_elsewhere() -> None:
    for attempt in (1, 2, 3):
        again = requeue(after(ReceiptKind.TEMPORARY, part(attempt=attempt)))
        assert (again.channel, again.attempt) == ("sms", attempt + 1)
        assert NOW + 500 <= again.due_at <= NOW + 1000 * 2 ** (attempt - 1)
    moved = requeue(after(ReceiptKind.TEMPORARY, part(attempt=4)))
    assert moved == Requeue("sms-2", NOW, 1)
    row = after(ReceiptKind.TEMPORARY, part(attempt=4), Channel("sms"))
    assert (row.state, row.word, row.requeue) == (PartState.FAILED, "failed", None)


def test_a_screen_that_is_away_is_waited_for_until_the_window_ends() -> None:
    channel = Channel("lobby", keeps_state=True)
    row = after(ReceiptKind.TEMPORARY, part(attempt=40), channel, scope=Scope.RECIPIENT)
    assert requeue(row).due_at <= NOW + 2000


def test_a_message_of_several_parts_never_moves() -> None:
    one = part(Lane.URGENT, attempt=9, parts=2)
    for kind in (ReceiptKind.TEMPORARY, ReceiptKind.CHANNEL_DOWN, ReceiptKind.PERMANENT):
        row = after(kind, one, scope=Scope.CHANNEL)
        assert row.requeue is None or row.requeue.channel == "sms"


def test_an_urgent_part_leaves_a_dead_channel_at_once_and_bulk_waits() -> None:
    assert requeue(after(ReceiptKind.CHANNEL_DOWN, part(Lane.URGENT))) == Requeue("sms-2", NOW, 1)
    again = requeue(after(ReceiptKind.CHANNEL_DOWN))
    assert (again.channel, again.due_at, again.attempt) == ("sms", NOW + 250, 1)


@pytest.mark.parametrize("scope", list(Scope))
def test_a_refusal_for_good_moves_only_where_the_channel_is_meant(scope: Scope) -> None:
    row = after(ReceiptKind.PERMANENT, scope=scope)
    if scope in {Scope.BINDING, Scope.CHANNEL}:
        assert requeue(row) == Requeue("sms-2", NOW, 1)
    else:
        assert (row.state, row.word, row.code, row.requeue) == (
            PartState.FAILED,
            "failed",
            "c",
            None,
        )


def test_the_policy_for_unknowns() -> None:
    assert unknown_policy(PLAIN, Lane.BULK) is UnknownPolicy.HOLD
    assert unknown_policy(PLAIN, Lane.URGENT) is UnknownPolicy.RESEND_ONCE
    for lane in Lane:
        keyed = Channel("desk", idempotent_key=True)
        assert unknown_policy(keyed, lane) is UnknownPolicy.SAME_KEY
        # An instruction to a bank is not sent again on a guess, however urgent it is.
        assert unknown_policy(replace(PLAIN, is_binding=True), lane) is UnknownPolicy.HOLD
        kept = Channel("lobby", keeps_state=True, idempotent_key=True)
        assert unknown_policy(kept, lane) is UnknownPolicy.RESUBMIT


def test_hold_never_sends_again() -> None:
    row = after(ReceiptKind.UNKNOWN)
    assert (row.state, row.word, row.requeue) == (PartState.UNKNOWN, "unknown", None)


def test_resend_once_waits_marks_and_then_holds() -> None:
    row = after(ReceiptKind.UNKNOWN, part(Lane.URGENT))
    assert row.state is PartState.UNKNOWN
    assert requeue(row) == Requeue("sms", NOW + 60_000, 2, Flag.RESENT, b"key")
    second = part(Lane.URGENT, attempt=2)
    row = after(ReceiptKind.UNKNOWN, second, flags=Flag.RESENT)
    assert (row.state, row.requeue) == (PartState.UNKNOWN, None)


DESK = Channel("desk", idempotent_key=True, fallback="desk-2")


@pytest.mark.parametrize(
    ("channel", "flags"),
    [(DESK, Flag.UNSURE), (Channel("lobby", keeps_state=True), Flag.NONE)],
)
def test_the_same_key_is_sent_again_and_the_fate_stays_open(channel: Channel, flags: Flag) -> None:
    row = after(ReceiptKind.UNKNOWN, part(attempt=3), channel)
    assert row.state is PartState.QUEUED
    assert requeue(row) == Requeue(channel.name, NOW + 4000, 4, flags, b"key")


def test_what_may_have_been_taken_under_its_key_is_unknown_once_it_comes_to_nothing() -> None:
    last = part(attempt=9)
    line_down = after(ReceiptKind.PERMANENT, last, DESK, flags=Flag.UNSURE, scope=Scope.CHANNEL)
    given_up = after(ReceiptKind.TEMPORARY, last, DESK, flags=Flag.UNSURE)
    for row in (line_down, given_up, too_late(last, Flag.UNSURE), withdrawn(last, Flag.UNSURE)):
        assert (row.state, row.word, row.requeue) == (PartState.UNKNOWN, "unknown", None)


def test_a_refusal_under_the_same_key_speaks_of_every_attempt() -> None:
    row = after(ReceiptKind.PERMANENT, part(attempt=2), DESK, flags=Flag.UNSURE)
    assert (row.state, row.word) == (PartState.FAILED, "failed")


def test_a_second_attempt_that_is_refused_says_nothing_of_the_first() -> None:
    row = after(ReceiptKind.PERMANENT, part(Lane.URGENT, attempt=2), flags=Flag.RESENT)
    assert (row.state, row.word, row.requeue) == (PartState.UNKNOWN, "unknown", None)


def test_a_resent_part_stays_on_its_channel_and_keeps_its_mark() -> None:
    one = part(Lane.URGENT, attempt=9)
    for kind in (ReceiptKind.CHANNEL_DOWN, ReceiptKind.THROTTLED):
        again = requeue(after(kind, one, flags=Flag.RESENT))
        assert (again.channel, again.flags) == ("sms", Flag.RESENT)
    row = after(ReceiptKind.TEMPORARY, one, flags=Flag.RESENT)
    assert (row.state, row.requeue) == (PartState.UNKNOWN, None)


@pytest.mark.parametrize("said", [math.nan, math.inf, -math.inf, -5.0, 1e300, 0.0])
@pytest.mark.parametrize(
    "kind", [ReceiptKind.THROTTLED, ReceiptKind.TEMPORARY, ReceiptKind.CHANNEL_DOWN]
)
def test_a_nonsensical_pause_of_the_far_side_does_no_harm(kind: ReceiptKind, said: float) -> None:
    assert NOW < requeue(after(kind, retry_after=said)).due_at <= NOW + 3_600_000


@given(
    st.sampled_from(ReceiptKind),
    st.sampled_from(Scope),
    st.sampled_from(Lane),
    st.integers(1, 40),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "sms-2"]),
    st.sampled_from([Flag.NONE, Flag.RESENT]),
    st.floats(allow_nan=True),
    st.integers(1, 5000),
)
def test_every_decision_keeps_the_rules(
    kind: ReceiptKind,
    scope: Scope,
    lane: Lane,
    attempt: int,
    parts: int,
    keeps: bool,
    keyed: bool,
    reports: bool,
    fallback: str,
    flags: Flag,
    retry_after: float,
    cap: int,
) -> None:
    channel = Channel("sms", reports, keeps, keyed, fallback)
    one = part(lane, attempt=attempt, parts=parts)
    receipt = Receipt(kind, scope, retry_after=retry_after)
    limits = Limits(retry_cap_ms=cap)
    row = decide(receipt, one, flags, b"key", channel, limits, NOW, Random(attempt))
    assert (row.id, row.part) == (7, 0)
    again = row.requeue
    assert (row.state is PartState.QUEUED) <= (again is not None)
    if again is not None:
        assert again.due_at >= NOW
        assert again.flags >= flags
        assert again.channel in {"sms", fallback}
        if again.channel != "sms":
            assert (parts, again.attempt, again.wire_key, flags) == (1, 1, b"", Flag.NONE)
            assert kind is not ReceiptKind.UNKNOWN, "an unknown never fails over"
    if kind is ReceiptKind.UNKNOWN and not (keeps or keyed):
        assert row.state is PartState.UNKNOWN
        assert (again is not None) == (lane is Lane.URGENT and not flags)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (ReceiptKind.SENT, PartState.SENT),
        (ReceiptKind.PERMANENT, PartState.FAILED),
        (ReceiptKind.UNKNOWN, PartState.UNKNOWN),
        (ReceiptKind.THROTTLED, PartState.QUEUED),
        (ReceiptKind.TEMPORARY, PartState.QUEUED),
        (ReceiptKind.CHANNEL_DOWN, PartState.QUEUED),
    ],
)
def test_a_late_answer_leads_where_a_punctual_one_would(
    kind: ReceiptKind, state: PartState
) -> None:
    late = LateReceipt(7, 0, Receipt(kind, code="c"))
    row = late_row(late, Channel("sms"), LIMITS, NOW)
    assert (row.state, row.code) == (state, "c")
    assert (row.requeue is not None) == (state is PartState.QUEUED)


def test_what_was_never_written_returns_as_it_was() -> None:
    row = back_to_queue(part(attempt=3, previous=b"old"), Flag.RESENT, "sms", NOW)
    assert requeue(row) == Requeue("sms", NOW, 3, Flag.RESENT, b"old")


@pytest.mark.parametrize("make", [too_late, withdrawn])
def test_a_second_attempt_that_never_left_says_nothing_of_the_first(
    make: Callable[[Submission, Flag], ResultRow],
) -> None:
    assert make(part(), Flag.NONE).state in {PartState.EXPIRED, PartState.WITHDRAWN}
    assert make(part(), Flag.RESENT).state is PartState.UNKNOWN
