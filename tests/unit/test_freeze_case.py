"""The life of a case: what each step leads to, late truths, and invariants under any commands."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fzalert.freeze import commands as c
from fzalert.freeze import events as e
from fzalert.freeze.deadlines import due
from fzalert.freeze.decide import Refusals, allowed_kinds
from fzalert.freeze.events import dump_event, load_event
from fzalert.freeze.evolve import evolve, replay
from fzalert.freeze.model import FINAL, FreezeCase, InstructionKind, Measure, MeasureState, Stage
from fzalert.freeze.policy import load_policy
from fzalert.freeze.results import Outcome, Receipt, result_of
from tests.unit.freezing import CARD, World, account, transfer

KIND = InstructionKind
S = MeasureState


def test_from_report_to_return() -> None:
    world = World()
    world.opened()
    world.do(world.prepare())
    assert world.measure().state is S.REVIEW
    world.do(c.Approve(world.second, "m1"))
    assert world.measure().state is S.APPROVED
    world.do(c.MarkSent(world.system, "m1", "bank-https"))
    assert world.measure().state is S.SENT
    world.do(c.Acknowledge(world.desk, "app-1"))
    assert world.measure().state is S.ACKED
    world.later(minutes=3)
    world.do(world.receipt(balance="120.55"))
    stopped = world.measure()
    assert (stopped.state, stopped.stop_no) == (S.STOPPED, 1)
    assert stopped.expires_at == world.now + timedelta(hours=48)
    assert stopped.balance == Decimal("120.55")
    world.filed()
    world.sent(KIND.FREEZE, terms=world.freeze_terms("120.55"))
    assert world.measure().state is S.FREEZE_SENT
    world.do(world.receipt("1200", frozen="120.55"))
    frozen = world.measure()
    assert (frozen.state, frozen.frozen) == (S.FROZEN, Decimal("120.55"))
    assert "partial" in frozen.flags
    world.later(days=170)
    terms = {**world.freeze_terms(days=180), "legal_review": "法审2027-17"}
    assert frozen.expires_at is not None
    terms["end"] = frozen.expires_at + timedelta(days=180)
    world.sent(KIND.RENEW, terms=terms)
    world.do(world.receipt())
    assert world.measure().expires_at == terms["end"]
    shares = [{"claimant": "victim", "amount": "120.55"}]
    world.sent(KIND.RETURN, terms={"method": "direct", "allocation": shares})
    assert world.measure().state is S.RETURNING
    world.do(world.receipt())
    assert world.measure().state is S.RETURNED
    assert [one.stage for one in world.measure().past] == [Stage.ANSWERED] * 4


def test_a_mismatch_is_corrected_and_asked_again() -> None:
    world = World()
    world.opened()
    world.sent()
    world.do(world.receipt("0301", cause="户名不符"))
    assert world.measure().state is S.MISMATCH
    assert world.measure().expires_at is None
    right = account(name="李四四")
    world.do(c.Correct(world.author, "m1", right, (transfer(),), "户名录入有误"))
    assert world.measure().state is S.DRAFT
    world.sent()
    world.do(world.receipt())
    assert world.measure().state is S.STOPPED
    assert [one.result for one in world.measure().past] == ["0301", "0000"]


def test_an_account_that_others_hold_is_frozen_in_turn() -> None:
    world = World()
    world.opened()
    world.sent()
    world.do(world.receipt("1303", earlier_authority="邻县公安局"))
    assert world.measure().state is S.REFUSED
    assert allowed_kinds(world.measure()) == {KIND.FREEZE}
    world.filed()
    world.sent(KIND.FREEZE, terms=world.freeze_terms())
    ends = world.now + timedelta(days=90)
    world.do(world.receipt(earlier_authority="邻县公安局", earlier_expires_at=ends))
    assert world.measure().state is S.QUEUED


def test_without_the_banks_time_the_clock_runs_from_our_sending() -> None:
    world = World()
    world.opened()
    world.sent()
    sent = world.now
    world.later(hours=1)
    world.do(world.receipt(started_at=None))
    assert world.measure().expires_at == sent + timedelta(hours=48)


def test_a_stop_ends_by_itself_and_a_late_receipt_opens_it_again() -> None:
    world = World()
    world.opened()
    world.sent()
    told = world.receipt()
    world.do(told)
    world.later(hours=40)
    world.sent(KIND.EXTEND)
    late = world.receipt(started_at=world.now)
    world.later(hours=9)
    assert "stop-expiry" in world.fire_due()
    ended = world.measure()
    assert ended.state is S.EXPIRED
    assert "deemed released" in ended.ended
    world.do(late)
    opened = world.measure()
    assert (opened.state, opened.stop_no) == (S.STOPPED, 2)
    assert "late-receipt" in opened.flags
    assert opened.expires_at == late.receipt.started_at + timedelta(hours=48)  # type: ignore[operator]


def test_a_stop_that_lapses_under_a_freeze_in_progress_is_told_and_not_the_end() -> None:
    world = World()
    world.stopped()
    world.filed()
    world.sent(KIND.FREEZE, terms=world.freeze_terms())
    world.later(hours=49)
    world.fire_due()
    assert world.measure().state is S.FREEZE_SENT
    assert "stop-lapsed" in world.measure().flags
    world.do(world.receipt("1300"))
    assert world.measure().state is S.EXPIRED


def test_a_bank_may_answer_twice() -> None:
    world = World()
    world.opened()
    world.sent()
    answer = world.receipt()
    world.do(answer)
    before = world.measure()
    (event,) = world.do(answer)
    assert event.type == "instruction.answer-repeated"
    assert world.measure() == before
    assert world.do(c.Acknowledge(world.desk, "app-1")) == ()


def test_a_rejected_freeze_leaves_the_stop_in_force() -> None:
    world = World()
    world.stopped()
    ends = world.measure().expires_at
    world.filed()
    world.do(world.prepare(KIND.FREEZE, terms=world.freeze_terms()))
    world.do(c.Reject(world.second, "m1", "金额请按余额填写"))
    assert world.measure().state is S.STOPPED
    assert world.measure().expires_at == ends


def test_a_refused_release_leaves_the_freeze_in_force() -> None:
    world = World()
    world.frozen()
    world.sent(KIND.RELEASE)
    assert world.measure().state is S.RELEASE_SENT
    world.do(world.receipt("1300"))
    assert world.measure().state is S.FROZEN


def test_irrelevant_money_has_three_days() -> None:
    world = World()
    world.frozen()
    world.do(c.FindIrrelevant(world.author, "m1", "系正常货款"))
    assert world.case is not None
    found = {one.name: one.due_at for one in due(world.case, world.policy)}
    assert found["irrelevant"] == world.now + timedelta(days=3)
    world.sent(KIND.RELEASE)
    world.do(world.receipt())
    assert world.measure().state is S.RELEASED
    assert due(world.case, world.policy) == ()


def test_a_draft_is_given_up_by_two_people() -> None:
    world = World()
    world.opened()
    assert world.no(c.Cancel(world.author, "m1", "author", "录错")) == ("second-person",)
    world.do(c.Cancel(world.second, "m1", "author", "录错"))
    assert world.measure().state is S.CANCELLED
    assert world.no(world.prepare()) == ("state",)


def test_the_next_level_hangs_below_its_parent() -> None:
    world = World()
    world.stopped()
    child = account("6222021234567890136")
    world.do(c.AddAccount(world.author, "m2", child, (transfer("20000.00"),), parent="m1"))
    assert (world.measure("m2").level, world.measure("m2").parent) == (2, "m1")
    assert world.no(c.AddAccount(world.author, "m3", child, (transfer(),), parent="m9")) == (
        "unknown",
    )


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("0000", Outcome.DONE),
        ("1200", Outcome.PARTIAL),
        ("1299", Outcome.PARTIAL),
        ("0300", Outcome.MISMATCH),
        ("1302", Outcome.HELD),
        ("1304", Outcome.COUNT),
        ("1101", Outcome.AGAIN),
        # Unlisted ones never count as done.
        ("0001", Outcome.REFUSED),
        ("0999", Outcome.REFUSED),
        ("0105", Outcome.MISMATCH),
        ("9999", Outcome.REFUSED),
    ],
)
def test_result_codes(code: str, outcome: Outcome) -> None:
    assert result_of(code).outcome is outcome


def test_nothing_personal_is_shown_by_accident() -> None:
    world = World()
    world.stopped()
    shown = repr(world.case) + repr(world.log) + str(world.measure())
    for secret in (
        CARD,
        "11010519491231002X",
        "13800138000",
        "张三",
        "李四",
        "6228480402564890018",
    ):
        assert secret not in shown


ENDS = st.sampled_from([None, None, 1, 47, 49, 24 * 90, 24 * 400])
"""Hours until the end that an institution tells; None where it tells none."""


class Audit:
    """Goes through what happened, event by event, with what the law asks of each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen = 0
        self.case: FreezeCase | None = None
        self.authors: dict[str, str] = {}

    def go_on(self) -> None:
        for event in self.world.log[self.seen :]:
            before = self.case
            self.case = evolve(before, event, "case-1", self.world.policy.hours("stop_hours"))
            assert event.by
            self.look(event, before, self.case)
        self.seen = len(self.world.log)

    def look(self, event: e.Event, before: FreezeCase | None, after: FreezeCase) -> None:
        was = None if before is None else before.measures.get(getattr(event, "measure", ""))
        if before is None or was is None:
            return
        now = after.measures[was.id]
        match event:
            case e.InstructionPrepared():
                self.authors[event.id] = event.by
            case e.InstructionApproved():
                assert event.by != self.authors[event.id]
            case e.MeasureCancelled():
                assert event.by != event.author
                assert all(one.sent_at is None or one.result for one in now.past)
            case e.InstructionSent():
                self.sent(before, was)
            case e.Answered():
                self.answer(event.receipt, was, now)
            case _:
                assert now.expires_at in {was.expires_at, None}
        # An end has an event with actor and reason; only a bank's own word leads out of it.
        assert not now.is_final or now.ended.strip()
        assert not was.is_final or now.state is was.state or isinstance(event, e.Answered)

    def sent(self, before: FreezeCase, was: Measure) -> None:
        asked = was.current
        assert asked is not None
        assert asked.approved_by
        if asked.kind is KIND.FREEZE:
            assert before.filing is not None
            assert before.filing.case_number
        if asked.kind in {KIND.STOP, KIND.EXTEND} and asked.sent_at is None:
            # What a bank tells late may count one more; nobody asks for a third.
            late = "late-receipt" in was.flags
            assert late or was.stop_no < self.world.policy.limit("max_stops")

    def answer(self, receipt: Receipt, was: Measure, now: Measure) -> None:
        asked = was.instruction(receipt.application_id)
        assert asked is not None
        good = result_of(receipt.code).outcome in {Outcome.DONE, Outcome.PARTIAL}
        if now.expires_at != was.expires_at and now.expires_at is not None:
            assert good
            if receipt.expires_at is not None:
                assert now.expires_at <= receipt.expires_at
            if asked.kind in {KIND.FREEZE, KIND.RENEW}:
                assert asked.terms.end is not None
                assert now.expires_at <= asked.terms.end
            else:
                began = receipt.started_at or asked.sent_at
                assert began is not None
                base = max(began, was.expires_at or began)
                assert now.expires_at <= base + timedelta(hours=48)
        first = asked.stage is not Stage.ANSWERED
        if good and first and was.state is S.EXPIRED:
            # The late truth wins over what was only deemed.
            assert now.state is not S.EXPIRED
            assert "late-receipt" in now.flags
        if not good and was.is_final:
            assert now.state is was.state


class AnyCommands(RuleBasedStateMachine):
    """Whatever is asked, in whatever order, what the law forbids does not come about."""

    @initialize(how=st.sampled_from(["opened", "stopped", "frozen", "queued", "late"]), ends=ENDS)
    def begin(self, how: str, ends: int | None) -> None:
        self.world = World()
        self.world.opened()
        until = None if ends is None else self.world.now + timedelta(hours=ends)
        if how == "late":
            self.told_late(49, "0000")
        elif how != "opened":
            self.world.sent()
            self.world.do(self.world.receipt(expires_at=until))
        if how in {"frozen", "queued"}:
            earlier = "邻县公安局" if how == "queued" else ""
            self.world.filed()
            self.world.sent(KIND.FREEZE, terms=self.world.freeze_terms("1.00"))
            self.world.do(
                self.world.receipt(frozen="1.00", expires_at=until, earlier_authority=earlier)
            )
        self.audit = Audit(self.world)

    @rule(kind=st.sampled_from(KIND), amount=st.sampled_from(["1.00", "50000.00", "50000.01"]))
    def prepare(self, kind: InstructionKind, amount: str) -> None:
        shares = [{"claimant": "victim", "amount": amount}]
        terms = {
            **self.world.freeze_terms(amount),
            "legal_review": "法审1",
            "method": "direct",
            "allocation": shares,
        }
        self.world.ask(self.world.prepare(kind, terms=terms))

    @rule(
        kind=st.sampled_from(KIND),
        code=st.sampled_from(["0000", "0000", "1200", "1300"]),
        ends=ENDS,
    )
    def all_the_way(self, kind: InstructionKind, code: str, ends: int | None) -> None:
        self.prepare(kind, "1.00")
        self.approve("chief")
        self.send()
        if self.world.measure().current is not None:
            until = None if ends is None else self.world.now + timedelta(hours=ends)
            self.world.ask(self.world.receipt(code, frozen="1.00", expires_at=until))

    @rule(hours=st.sampled_from([1, 47, 49]), code=st.sampled_from(["0000", "1300"]))
    def told_late(self, hours: int, code: str) -> None:
        """A stop, and an extension whose answer is some hours on its way."""
        self.all_the_way(KIND.STOP, "0000", None)
        self.prepare(KIND.EXTEND, "1.00")
        self.approve("chief")
        self.send()
        current = self.world.measure().current
        if current is None or current.kind is not KIND.EXTEND:
            return
        late = self.world.receipt(code)
        self.wait(hours)
        self.world.ask(late)

    @rule(times=st.integers(1, 3))
    def stop_and_extend(self, times: int) -> None:
        self.all_the_way(KIND.STOP, "0000", None)
        for _ in range(times):
            self.all_the_way(KIND.EXTEND, "0000", None)

    @rule(who=st.sampled_from(["author", "second", "chief"]))
    def approve(self, who: str) -> None:
        self.world.ask(c.Approve(getattr(self.world, who), "m1"))

    @rule()
    def reject(self) -> None:
        self.world.ask(c.Reject(self.world.second, "m1", "退回"))

    @rule()
    def send(self) -> None:
        self.world.ask(c.MarkSent(self.world.system, "m1", "bank-https"))

    @rule()
    def file(self) -> None:
        if self.world.case is not None and self.world.case.filing is None:
            self.world.filed()

    @precondition(lambda self: self.world.measure().current or self.world.measure().past)
    @rule(
        code=st.sampled_from(["0000", "1200", "0300", "1300", "1301", "1304"]),
        which=st.integers(0, 5),
        ago=st.integers(0, 200),
        told=st.booleans(),
        ends=ENDS,
    )
    def answer(self, code: str, which: int, ago: int, told: bool, ends: int | None) -> None:
        measure = self.world.measure()
        known = [*measure.past, *([measure.current] if measure.current else [])]
        receipt = self.world.receipt(
            code,
            application_id=known[which % len(known)].id,
            started_at=self.world.now - timedelta(minutes=ago) if told else None,
            expires_at=None if ends is None else self.world.now + timedelta(hours=ends),
            frozen="1.00",
        )
        if isinstance(self.world.ask(receipt), Refusals):
            return
        # A bank may answer twice: it is noted, and changes nothing.
        before = self.world.measure()
        (again,) = self.world.do(receipt)
        assert again.type == "instruction.answer-repeated"
        assert self.world.measure() == before

    @rule()
    def correct(self) -> None:
        self.world.ask(c.Correct(self.world.author, "m1", account(), (transfer(),), "改正"))

    @rule(sure=st.integers(0, 4))
    def cancel(self, sure: int) -> None:
        if sure == 0:
            self.world.ask(c.Cancel(self.world.second, "m1", "author", "放弃"))

    @rule(hours=st.sampled_from([0.1, 1, 1, 30, 30, 49, 24 * 100]))
    def wait(self, hours: float) -> None:
        self.world.later(hours=hours)
        self.world.fire_due()

    @invariant()
    def replay_is_the_projection(self) -> None:
        world = self.world
        read = [load_event(dump_event(event)) for event in world.log]
        assert read == world.log
        assert replay(read, "case-1", world.policy.hours("stop_hours")) == world.case
        assert world.case is not None
        assert world.case.version == len(world.log)

    @invariant()
    def the_law_held_at_every_event(self) -> None:
        self.audit.go_on()

    @invariant()
    def the_law_holds(self) -> None:
        world = self.world
        measure = world.measure()
        for one in (*measure.past, *([measure.current] if measure.current else [])):
            assert not one.approved_by or one.approved_by != one.prepared_by
            assert one.sent_at is None or one.approved_by
            if one.kind is KIND.FREEZE and one.sent_at is not None:
                assert world.case is not None
                assert world.case.filing is not None
        # What institutions tell late is true however often it is; asking is what has a limit.
        late = "late-receipt" in measure.flags
        assert late or measure.stop_no <= world.policy.limit("max_stops")
        assert measure.frozen is None or measure.frozen <= measure.amount
        if measure.state in FINAL:
            assert measure.ended
            assert allowed_kinds(measure) == frozenset()
        if measure.state is S.STOPPED:
            assert measure.expires_at is not None
            assert measure.started_at is not None
            span = timedelta(hours=48) * measure.stop_no
            assert late or measure.expires_at <= measure.started_at + span

    @invariant()
    def a_clock_runs_wherever_something_is_in_force(self) -> None:
        measure = self.world.measure()
        assert self.world.case is not None
        names = {one.name for one in due(self.world.case, self.world.policy)}
        if measure.state is S.STOPPED:
            assert "stop-expiry" in names
        if measure.state in {S.FROZEN, S.QUEUED}:
            assert "freeze-expiry" in names
        if measure.state is S.SENT:
            assert measure.current is not None
            climbed = {rung.to for rung in measure.current.rungs if rung.ladder == "acknowledge"}
            waits = any(name.startswith("acknowledge-") for name in names)
            assert waits or "centre" in climbed


AnyCommands.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyCommands = AnyCommands.TestCase


def test_a_stream_begins_with_its_opening() -> None:
    world = World()
    world.opened()
    with pytest.raises(ValueError, match=r"begins with case\.opened"):
        evolve(None, world.log[1], "case-1", timedelta(hours=48))
    assert replay([], "case-1", timedelta(hours=48)) is None


def test_an_answer_is_a_refusal_or_events_and_never_both() -> None:
    world = World(policy=load_policy())
    world.opened()
    answer = world.ask(c.Approve(world.author, "m1"))
    assert isinstance(answer, Refusals)
    assert (answer.command, answer.measure) == ("Approve", "m1")
