"""Approval: two persons, one text, a time limit."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.errors import AccessDenied, InputError, ScriptNotApproved
from fzalert.messages import ActorId
from fzalert.scripts import (
    Approval,
    ApprovalState,
    ApprovalStatus,
    Library,
    Script,
    Withdrawal,
    approve,
    decode_event,
    encode_event,
    may_send,
)

WANG, LI = ActorId("wang"), ActorId("li")
DAY = 86_400_000
SCRIPT = Library.load().get("generic")


def version(number: int, sms: str = "请停，打96110。") -> Script:
    text = (
        f'[[script]]\nid = "generic"\naudience = "general"\nversion = {number}\naction = "call"\n'
        f'[script.zh]\nsms = "{sms}"'
    )
    return Library.from_toml(text).get("generic")


def approved(script: Script = SCRIPT, at: int = 0, *, drill: bool = False) -> Approval:
    return approve(script, author=WANG, approver=LI, at=at, drill=drill)


def test_an_approved_script_may_be_sent_for_180_days() -> None:
    state = ApprovalState([approved(at=1000)])
    may_send(SCRIPT, state, 1000)
    may_send(SCRIPT, state, 1000 + 180 * DAY - 1)
    with pytest.raises(ScriptNotApproved, match="expired"):
        may_send(SCRIPT, state, 1000 + 180 * DAY)


def test_a_draft_may_not() -> None:
    with pytest.raises(ScriptNotApproved, match="generic/general/1 is a draft") as caught:
        may_send(SCRIPT, ApprovalState(), 0)
    assert caught.value.field == "script"


def test_nobody_approves_their_own_text() -> None:
    with pytest.raises(AccessDenied, match="cannot approve it too"):
        approve(SCRIPT, author=WANG, approver=WANG, at=0)
    with pytest.raises(AccessDenied, match="two persons"):
        approve(SCRIPT, author=WANG, approver=ActorId(""), at=0)


def test_a_stored_approval_by_its_own_author_is_refused_too() -> None:
    forged = Approval(SCRIPT.key, SCRIPT.digest, WANG, WANG, 0, DAY)
    with pytest.raises(AccessDenied):
        ApprovalState([forged])


def test_a_changed_text_is_not_approved() -> None:
    first = version(2)
    state = ApprovalState([approved(first)])
    may_send(first, state, 1)
    changed = version(2, "请停，马上打96110。")
    assert state.status(changed, 1) is ApprovalStatus.CHANGED
    with pytest.raises(ScriptNotApproved, match="changed"):
        may_send(changed, state, 1)


def test_a_drill_approval_counts_in_drills_only() -> None:
    state = ApprovalState([approved(drill=True)])
    may_send(SCRIPT, state, 1, drill=True)
    with pytest.raises(ScriptNotApproved, match="drills only"):
        may_send(SCRIPT, state, 1)
    assert state.status(SCRIPT, 1) is ApprovalStatus.DRAFT


def test_a_real_approval_counts_in_drills_and_a_later_drill_does_not_end_it() -> None:
    state = ApprovalState([approved(), approved(at=5, drill=True)])
    may_send(SCRIPT, state, 10)
    may_send(SCRIPT, state, 10, drill=True)


def test_a_renewed_approval_goes_on() -> None:
    state = ApprovalState([approved(), approved(at=179 * DAY)])
    may_send(SCRIPT, state, 200 * DAY)
    found = state.find(SCRIPT, 200 * DAY)
    assert found is not None
    assert found.at == 179 * DAY


def test_a_withdrawal_ends_every_approval_before_it() -> None:
    state = ApprovalState([approved(), Withdrawal(SCRIPT.key, WANG, 5)])
    assert state.status(SCRIPT, 6) is ApprovalStatus.DRAFT
    state.apply(approved(at=7))
    may_send(SCRIPT, state, 8)


def test_an_approval_of_the_future_does_not_count_yet() -> None:
    state = ApprovalState([approved(at=100)])
    assert state.find(SCRIPT, 99) is None


def test_a_retired_script_is_not_sent_whatever_was_approved() -> None:
    text = (
        '[[script]]\nid = "x-old"\naudience = "general"\nversion = 1\naction = "call"\n'
        'status = "retired"\n[script.zh]\nsms = "请停。"'
    )
    script = Library.from_toml(text).get("x-old")
    state = ApprovalState([approved(script)])
    with pytest.raises(ScriptNotApproved, match="retired"):
        may_send(script, state, 1)


def test_a_new_draft_does_not_silence_the_approved_version() -> None:
    new, old = version(2), SCRIPT
    state = ApprovalState([approved(old)])
    assert state.choose([new, old], 1) is old
    state.apply(approved(new, at=2))
    assert state.choose([new, old], 3) is new
    with pytest.raises(ScriptNotApproved, match="generic/general/2"):
        ApprovalState().choose([new, old], 1)


def test_an_approval_holds_for_some_time() -> None:
    with pytest.raises(InputError):
        approve(SCRIPT, author=WANG, approver=LI, at=0, valid_for=timedelta(0))
    short = approve(SCRIPT, author=WANG, approver=LI, at=10, valid_for=timedelta(seconds=1))
    assert short.valid_until == 1010


@given(
    st.builds(
        Approval,
        st.text(),
        st.text(),
        st.text().map(ActorId),
        st.text().map(ActorId),
        st.integers(0, 2**53),
        st.integers(0, 2**53),
        st.booleans(),
    )
    | st.builds(Withdrawal, st.text(), st.text().map(ActorId), st.integers(0, 2**53))
)
def test_events_come_back_from_the_store(event: Approval | Withdrawal) -> None:
    assert decode_event(encode_event(event)) == event
