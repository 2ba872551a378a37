"""Deadlines: what falls due when, over weekends, month ends and long silences."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fzalert
from fzalert.freeze import commands as c
from fzalert.freeze.deadlines import DueKind, due, working_days_after
from fzalert.freeze.events import Escalated, InstructionSent, Reminded
from fzalert.freeze.model import InstructionKind, MeasureState
from fzalert.freeze.values import AttachmentType
from tests.unit.freezing import BANK, SHA, World, attachment

KIND = InstructionKind


def named(world: World) -> dict[str, datetime]:
    assert world.case is not None
    found = due(world.case, world.policy)
    assert list(found) == sorted(found, key=lambda one: one.due_at)
    assert len({(one.measure, one.name) for one in found}) == len(found)
    return {one.name: one.due_at for one in found}


def test_a_report_is_entered_within_half_an_hour() -> None:
    world = World()
    world.opened()
    assert world.case is not None
    at = world.case.report.at
    found = named(world)
    assert found["entry"] == at + timedelta(minutes=30)
    assert found["entry-15m"] == at + timedelta(minutes=15)


def test_the_ladder_goes_on_until_the_desk_acknowledges() -> None:
    world = World()
    world.opened()
    world.sent()
    sent = world.now
    assert named(world)["acknowledge-1"] == sent + timedelta(minutes=5)
    world.facts = replace(world.facts, way="bank-mail")
    world.later(minutes=5)
    assert "acknowledge-1" in world.fire_due()
    world.facts = replace(world.facts, way="")
    # The second channel does not set the clocks back.
    assert named(world)["acknowledge-2"] == sent + timedelta(minutes=15)
    world.later(minutes=60)
    while [name for name in world.fire_due() if name.startswith("acknowledge")]:
        pass
    rungs = [event for event in world.log if isinstance(event, Escalated)]
    assert [(rung.step, rung.to, rung.channel) for rung in rungs] == [
        (1, "next-channel", "bank-mail"),
        (2, "phone", ""),
        (3, "supervisor", ""),
        (4, "centre", ""),
    ]
    assert [rung.late_seconds // 60 for rung in rungs] == [0, 50, 30, 10]
    again = [event for event in world.log if isinstance(event, InstructionSent)]
    assert [(event.channel, event.step) for event in again][1:] == [("bank-mail", 2)]
    assert "escalated" in world.measure().flags
    assert [task.kind for task in world.measure().tasks] == ["phone", "supervisor", "centre"]
    assert not [name for name in named(world) if name.startswith("acknowledge")]


def test_an_acknowledgement_ends_the_ladder_and_what_it_asked_for() -> None:
    world = World()
    world.opened()
    world.sent()
    world.later(minutes=6)
    assert "acknowledge-1" in world.fire_due()
    (task,) = world.measure().tasks
    assert (task.kind, task.is_open) == ("phone", True)
    world.do(c.Acknowledge(world.desk, "app-1"))
    assert not [name for name in named(world) if name.startswith("acknowledge")]
    (task,) = world.measure().tasks
    assert (task.is_open, task.result) == (False, "acknowledged")
    # A deadline that was on its way meanwhile does nothing.
    late = c.Escalate(world.system, "m1", "app-1", 2, world.now)
    assert world.do(late) == ()


def test_a_call_by_which_the_desk_took_it_is_an_acknowledgement() -> None:
    world = World()
    world.opened()
    world.sent()
    world.later(minutes=6)
    world.fire_due()
    (task,) = world.measure().tasks
    assert world.no(c.FinishTask(world.desk, "m1", task.id, "told")) == ("role",)
    assert world.no(c.FinishTask(world.author, "m1", "m1-t9", "told")) == ("unknown",)
    world.do(c.FinishTask(world.author, "m1", task.id, "no-answer", "占线"))
    assert world.measure().state is MeasureState.SENT
    assert world.do(c.FinishTask(world.second, "m1", task.id, "taken")) == ()
    world.later(minutes=20)
    world.fire_due()
    supervisor = world.measure().tasks[-1]
    assert supervisor.kind == "supervisor"
    world.do(c.FinishTask(world.author, "m1", supervisor.id, "taken"))
    assert world.measure().state is MeasureState.ACKED
    assert not [name for name in named(world) if name.startswith("acknowledge")]


def test_a_desk_out_of_reach_is_passed_over_at_once_and_only_once() -> None:
    world = World()
    world.opened()
    world.sent()
    world.facts = replace(world.facts, way="bank-mail")
    world.later(seconds=2)
    world.do(c.Escalate(world.system, "m1", "app-1", 1, world.now, why="refused"))
    assert world.do(c.Escalate(world.system, "m1", "app-1", 1, world.now, why="refused")) == ()
    current = world.measure().current
    assert current is not None
    assert current.sent_over[1:] == ("bank-mail",)
    assert named(world)["acknowledge-2"] == world.now + timedelta(minutes=10)


def test_no_result_after_a_day_is_asked_for_by_telephone() -> None:
    world = World()
    world.opened()
    world.sent()
    world.do(c.Acknowledge(world.desk, "app-1"))
    assert named(world)["result-1"] == world.now + timedelta(hours=24)
    world.facts = replace(world.facts, way="bank-mail")
    world.later(hours=24)
    world.fire_due()
    assert [(one.kind, one.ladder) for one in world.measure().tasks] == [("phone", "result")]
    assert named(world)["result-2"] == world.now + timedelta(minutes=10)
    world.do(world.receipt())
    assert not [name for name in named(world) if name.startswith("result")]
    assert [one.result for one in world.measure().tasks] == ["answered"]


def test_forty_eight_hours_run_through_a_weekend() -> None:
    world = World(now=datetime(2026, 11, 27, 15, 0, tzinfo=UTC))  # a Friday
    world.stopped()
    began = world.now
    found = named(world)
    assert found["stop-expiry"] == began + timedelta(hours=48)
    assert found["stop-expiry-30m"] == began + timedelta(hours=47, minutes=30)
    reminders = [name for name in found if name.startswith("stop-expiry-")]
    assert len(reminders) == 5


def test_late_ones_run_in_order_and_say_how_late() -> None:
    world = World()
    world.stopped()
    world.later(hours=60)
    fired = world.fire_due()
    expiry = [name for name in fired if name.startswith("stop-expiry")]
    assert expiry == [
        *(f"stop-expiry-{minutes}m" for minutes in (1440, 720, 360, 120, 30)),
        "stop-expiry",
    ]
    reminded = [event for event in world.log if isinstance(event, Reminded)]
    first = next(event for event in reminded if event.deadline == "stop-expiry-1440m")
    assert first.late_seconds == 36 * 3600
    assert world.measure().state is MeasureState.EXPIRED
    assert named(world) == {}


def test_an_old_deadline_ends_nothing_that_was_extended() -> None:
    world = World()
    world.stopped()
    old = world.measure().expires_at
    assert old is not None
    world.later(hours=47)
    world.sent(KIND.EXTEND)
    world.do(world.receipt())
    world.later(hours=2)
    assert world.do(c.Expire(world.system, "m1", old)) == ()
    assert world.measure().state is MeasureState.STOPPED
    # Nor does one that fires too early.
    ahead = world.measure().expires_at
    assert ahead is not None
    assert world.do(c.Expire(world.system, "m1", ahead)) == ()


def test_a_freeze_reminds_ten_days_before_its_end() -> None:
    world = World()
    world.frozen()
    ends = world.measure().expires_at
    assert ends is not None
    found = named(world)
    assert found["freeze-expiry"] == ends
    assert found["renewal"] == ends - timedelta(days=10)
    assert "stop-expiry" not in found


def test_a_late_renewal_is_warned_of_on_record_and_shown_until_it_is_done() -> None:
    world = World()
    world.frozen()
    ends = world.measure().expires_at
    assert ends is not None
    world.now = ends - timedelta(days=11)
    world.fire_due()
    assert "renewal-due" not in world.measure().flags
    world.later(days=2)
    assert "renewal" in world.fire_due()
    assert "renewal-due" in world.measure().flags
    terms = {"amount": "50000.00", "end": ends + timedelta(days=150), "legal_review": "法审7"}
    world.sent(KIND.RENEW, terms=terms)
    world.do(world.receipt())
    assert world.measure().flags == frozenset()
    assert named(world)["renewal"] == ends + timedelta(days=140)


def test_what_nobody_verified_for_three_months_is_to_be_lifted() -> None:
    world = World()
    world.frozen()
    assert named(world)["unverified"] == datetime(2027, 2, 24, 9, 0, tzinfo=UTC)
    world.now = datetime(2027, 2, 24, 9, 0, tzinfo=UTC)
    assert "unverified" in world.fire_due()
    assert "unverified" in world.measure().flags
    assert world.measure().state is MeasureState.FROZEN


def test_six_months_end_on_a_day_that_exists() -> None:
    world = World(now=datetime(2026, 8, 31, 2, 0, tzinfo=UTC))
    world.stopped()
    world.filed()
    start = world.now
    allowed = datetime(2027, 2, 28, 2, 0, tzinfo=UTC)
    terms = {"amount": "1.00", "start": start, "end": allowed + timedelta(seconds=1)}
    world.do(world.prepare(KIND.FREEZE, terms=terms))
    assert world.no(c.Approve(world.second, "m1")) == ("period",)
    world.do(c.Reject(world.second, "m1", "期限"))
    world.do(world.prepare(KIND.FREEZE, terms={**terms, "end": allowed}))
    world.do(c.Approve(world.second, "m1"))


def test_a_year_needs_a_prefecture() -> None:
    world = World()
    world.stopped()
    world.filed()
    terms = {**world.freeze_terms(days=360), "major": True}
    world.do(world.prepare(KIND.FREEZE, terms=terms))
    assert world.no(c.Approve(world.second, "m1")) == ("period",)
    world.do(c.Approve(world.chief, "m1"))


def test_a_whole_account_is_sorted_within_a_month() -> None:
    world = World()
    world.stopped()
    world.filed()
    terms = {**world.freeze_terms(), "mode": "02", "necessity": "全部为涉案资金"}
    world.sent(KIND.FREEZE, terms=terms)
    world.do(world.receipt(frozen="90000.00"))
    assert named(world)["sort-whole"] == datetime(2026, 12, 24, 9, 0, tzinfo=UTC)
    assert named(world)["sort-whole-last"] == datetime(2027, 2, 24, 9, 0, tzinfo=UTC)
    assert named(world)["sort-whole-last-10080m"] == datetime(2027, 2, 17, 9, 0, tzinfo=UTC)


def test_a_whole_account_with_much_money_takes_a_prefecture_whatever_is_asked() -> None:
    world = World()
    world.opened()
    world.sent()
    world.do(world.receipt(balance="2000000.01"))
    world.filed()
    terms = {**world.freeze_terms(), "mode": "02", "necessity": "全部为涉案资金"}
    world.do(world.prepare(KIND.FREEZE, terms=terms))
    assert world.no(c.Approve(world.second, "m1")) == ("mass",)
    world.do(c.Approve(world.chief, "m1"))


def test_every_limit_of_the_policy_is_read_somewhere() -> None:
    package = Path(fzalert.__file__).parent
    code = "".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    unread = [name for name in World().policy.limits if f'"{name}"' not in code]
    assert unread == []


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        # A Thursday: over the weekend.
        (date(2026, 11, 26), 3, date(2026, 12, 1)),
        # Over the National Day holiday of 2026, with its working Saturday.
        (date(2026, 9, 30), 3, date(2026, 10, 10)),
        # Beyond the calendar's years Monday to Friday count.
        (date(2060, 1, 1), 1, date(2060, 1, 2)),
        (date(2060, 1, 2), 1, date(2060, 1, 5)),
    ],
)
def test_working_days(start: date, days: int, expected: date) -> None:
    assert working_days_after(start, days) == expected


def test_a_return_counts_working_days() -> None:
    world = World(now=datetime(2026, 11, 26, 2, 0, tzinfo=UTC))
    world.frozen()
    shares = [{"claimant": "victim", "amount": "10.00"}]
    world.sent(KIND.RETURN, terms={"method": "direct", "allocation": shares})
    assert named(world)["return"] == world.now + timedelta(days=5)
    assert DueKind.RETURN in {one.kind for one in due(world.case, world.policy)}  # type: ignore[arg-type]


def test_the_police_of_another_prefecture_is_owed_a_notice_within_a_week() -> None:
    world = World(facts=c.Facts(frozenset(), frozenset({BANK}), {BANK: "5401"}, SHA))
    few = world.policy.limits["other_prefecture_fen"].model_copy(update={"value": 4_999_999})
    limits = {**world.policy.limits, "other_prefecture_fen": few}
    world.frozen()
    assert not [name for name in named(world) if name.startswith("other-prefecture")]
    world.policy = world.policy.model_copy(update={"limits": limits})
    frozen = world.measure().started_at
    assert frozen is not None
    found = named(world)
    assert found["other-prefecture-5401"] == frozen + timedelta(days=7)
    assert found["other-prefecture-2880m-5401"] == frozen + timedelta(days=5)
    # What was sent lies among the documents of the case; then nothing is owed any more.
    world.do(c.AttachDocument(world.author, attachment(AttachmentType.PREFECTURE_NOTICE)))
    assert not [name for name in named(world) if name.startswith("other-prefecture")]
    # At home nothing is owed.
    home = World(policy=world.policy, facts=replace(world.facts, prefectures={BANK: "1101"}))
    home.frozen()
    assert not [name for name in named(home) if name.startswith("other-prefecture")]


def test_what_is_irrelevant_is_told_of_daily_until_it_is_released() -> None:
    world = World()
    world.stopped()
    world.do(c.FindIrrelevant(world.author, "m1", "与案件无关"))
    found = named(world)
    days = [found[name] - world.now for name in ("irrelevant-2880m", "irrelevant-1440m")]
    assert [*days, found["irrelevant"] - world.now] == [timedelta(days=n) for n in (1, 2, 3)]
    world.later(hours=1)
    world.sent(KIND.RELEASE)
    world.do(world.receipt())
    assert named(world) == {}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["later", "fire", "refuse", "acknowledge", "call", "answer"]),
        st.integers(1, 90),
        st.booleans(),
    ),
    max_size=25,
)


@given(STEPS)
def test_whatever_happens_no_step_is_climbed_twice_and_none_after_the_answer(
    steps: list[tuple[str, int, bool]],
) -> None:
    world = World()
    world.opened()
    world.sent()
    quiet_from: dict[str, int] = {}
    for what, number, is_open in steps:
        world.facts = replace(world.facts, way=f"way-{number}" if is_open else "")
        current = world.measure().current
        if what == "later":
            world.later(minutes=number)
        elif what == "fire":
            names = named(world)
            world.fire_due()
            assert all(at > world.now or name not in names for name, at in named(world).items())
        elif current is None:
            continue
        elif what == "refuse":
            step = number % 5
            world.do(c.Escalate(world.system, "m1", current.id, step, world.now, why="refused"))
        elif what == "acknowledge":
            world.do(c.Acknowledge(world.desk, current.id))
            quiet_from.setdefault("acknowledge", len(world.log))
        elif what == "call" and world.measure().tasks:
            task = world.measure().tasks[number % len(world.measure().tasks)]
            world.do(c.FinishTask(world.author, "m1", task.id, "no-answer"))
        elif what == "answer":
            world.do(world.receipt("1300"))
            quiet_from.setdefault("acknowledge", len(world.log))
            quiet_from.setdefault("result", len(world.log))
    climbed = [(place, e) for place, e in enumerate(world.log) if isinstance(e, Escalated)]
    for ladder in ("acknowledge", "result"):
        mine = [(place, event) for place, event in climbed if event.ladder == ladder]
        assert [event.step for _, event in mine] == list(range(1, len(mine) + 1))
        assert all(place < quiet_from.get(ladder, place + 1) for place, _ in mine)
        people = [event.to for _, event in mine if event.to != "next-channel"]
        assert people == ["phone", "supervisor", "centre"][: len(people)]
        assert [event.to for _, event in mine][-len(people) or len(mine) :] == people
    assert all(event.late_seconds >= 0 for _, event in climbed)
    tasks = world.measure().tasks
    assert len({task.id for task in tasks}) == len(tasks)
    assert world.measure().current is not None or not any(task.is_open for task in tasks)
