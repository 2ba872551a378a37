"""Key figures: each as its definition says, equal to a plain recount, and about nobody."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.freeze import commands as c
from fzalert.freeze import events as e
from fzalert.freeze.decide import Refusals
from fzalert.freeze.figures import ALL, Counting, FigureRow, Lengths, month_of
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.results import Outcome, Receipt, result_of
from tests.unit.freezing import BANK, CARD, OTHER_BANK, START, World, account, transfer

KIND = InstructionKind
CARDS = {"m1": CARD, "m2": "6222021234567890136", "m3": "6222021234567890144"}


def figures(*worlds: World, month: str = "") -> list[FigureRow]:
    counting = Counting(month)
    for world in worlds:
        counting.add(world.log)
    return counting.rows()


def test_one_stop_has_its_times_and_its_money() -> None:
    world = World()
    world.opened()
    world.later(minutes=3)
    world.sent()
    world.later(seconds=90)
    assert world.case is not None
    world.do(c.Acknowledge(world.desk, "app-1", "desk"))
    world.later(seconds=30)
    world.do(world.receipt(balance="20000.00"))
    (bank, whole) = figures(world)
    assert (bank.month, bank.desk, bank.name) == ("2026-11", BANK, "中国工商银行")
    assert (bank.sent, bank.acked, bank.stopped) == (1, 1, 1)
    assert bank.report_to_send == Lengths(1, 480.0, 480.0)  # five minutes before it was entered
    assert bank.send_to_ack == Lengths(1, 90.0, 90.0)
    assert bank.ack_to_stop == Lengths(1, 30.0, 30.0)
    assert bank.report_to_stop == Lengths(1, 600.0, 600.0)
    assert (bank.asked, bank.money_stopped) == (Decimal("50000.00"), Decimal("20000.00"))
    assert (whole.desk, whole.asked, whole.send_to_ack) == (ALL, bank.asked, bank.send_to_ack)


def test_frozen_and_returned_money_counts_when_the_institution_did_it() -> None:
    world = World()
    world.frozen()
    world.now = datetime.fromisoformat("2026-11-30T17:00:00+00:00")  # in China it is December
    shares = [{"claimant": "victim", "amount": "50000.00"}]
    world.sent(KIND.RETURN, terms={"method": "direct", "allocation": shares})
    world.do(world.receipt())
    november, _, december, _ = figures(world)
    assert (november.month, november.frozen, november.returned) == (
        "2026-11",
        Decimal("50000.00"),
        Decimal("0.00"),
    )
    assert (december.month, december.sent, december.returned) == (
        "2026-12",
        0,
        Decimal("50000.00"),
    )
    assert [row.month for row in figures(world, month="2026-12")] == ["2026-12", "2026-12"]
    assert figures(world, month="2027-01") == []


def test_a_freeze_that_waits_in_turn_is_no_frozen_money() -> None:
    world = World()
    world.stopped()
    world.filed()
    world.sent(KIND.FREEZE, terms=world.freeze_terms())
    world.do(world.receipt(frozen="50000.00", earlier_authority="某市公安局"))
    assert figures(world)[0].frozen == Decimal("0.00")


def test_a_mismatch_counts_for_the_bank_that_was_asked_and_a_correction_for_the_next() -> None:
    world = World()
    world.opened()
    world.sent()
    world.do(world.receipt("0100"))
    other = account(bank_code=OTHER_BANK, bank_name="中国农业银行")
    world.do(c.Correct(world.author, "m1", other, (transfer(),), "行号有误"))
    waived = (("card-bank-differs", "电话核实"),)
    world.do(world.prepare(waived=waived))
    world.do(c.Approve(world.chief, "m1"))
    world.do(c.MarkSent(world.system, "m1", "bank-https"))
    world.do(world.receipt())
    first, second, whole = figures(world)
    assert (first.desk, first.sent, first.mismatched, first.stopped) == (BANK, 1, 1, 0)
    assert (second.desk, second.sent, second.mismatched, second.stopped) == (OTHER_BANK, 1, 0, 1)
    assert (first.report_to_send.number, second.report_to_send.number) == (1, 0)
    assert (whole.sent, whole.asked, whole.money_stopped) == (
        2,
        Decimal("50000.00"),
        Decimal("50000.00"),
    )


def test_the_nearest_rank_is_a_value_that_was_there() -> None:
    assert Lengths.of([]) == Lengths(0, None, None)
    assert Lengths.of([7.0]) == Lengths(1, 7.0, 7.0)
    assert Lengths.of([float(n) for n in range(10, 0, -1)]) == Lengths(10, 5.0, 9.0)
    assert Lengths.of([float(n) for n in range(1, 12)]) == Lengths(11, 6.0, 10.0)


def test_nothing_in_a_figure_is_about_a_person() -> None:
    world = World()
    world.frozen()
    told = json.dumps([asdict(row) for row in figures(world)], default=str, ensure_ascii=False)
    for secret in (CARD, CARD[-4:], "张三", "李四", "王一", "138001380", "author", "110-2026"):
        assert secret not in told


# -- a plain recount -------------------------------------------------------------------------------

STEPS: Sequence[Callable[[World, str], c.Command]] = (
    lambda w, m: w.prepare(measure=m),
    lambda w, m: w.prepare(KIND.EXTEND, m),
    lambda w, m: w.prepare(KIND.FREEZE, m, terms=w.freeze_terms("4000.00")),
    lambda w, m: w.prepare(KIND.RELEASE, m),
    lambda w, m: w.prepare(
        KIND.RETURN,
        m,
        terms={"method": "direct", "allocation": [{"claimant": "v", "amount": "10.00"}]},
    ),
    lambda w, m: c.Approve(w.chief, m),
    lambda w, m: c.MarkSent(w.system, m, "bank-https"),
    lambda w, m: c.MarkSent(w.system, m, "paper", 2),
    lambda w, m: c.Acknowledge(w.desk, _last(w, m)),
    lambda w, m: _answer(w, m, "0000"),
    lambda w, m: _answer(w, m, "0000", balance="12.50"),
    lambda w, m: _answer(w, m, "0000", started_at=None),
    lambda w, m: _answer(w, m, "0900"),
    lambda w, m: _answer(w, m, "1200", balance="3.00"),
    lambda w, m: _answer(w, m, "0100"),
    lambda w, m: _answer(w, m, "1301"),
    lambda w, m: c.Reject(w.second, m, "再看"),
    lambda w, m: c.Correct(
        w.author,
        m,
        account(CARDS[m], bank_code=OTHER_BANK, bank_name=""),
        (transfer("99.99"),),
        "x",
    ),
)


def natural(w: World, m: str) -> c.Command:
    """What people would do next with an account; chance alone would hardly get there."""
    current = w.measure(m).current
    if current is not None:
        steps: dict[str, c.Command] = {
            "review": c.Approve(w.chief, m),
            "approved": c.MarkSent(w.system, m, "bank-https"),
            "sent": c.Acknowledge(w.desk, current.id),
        }
        return steps.get(current.stage, _answer(w, m, "0000"))
    if w.measure(m).state == "stopped":
        return STEPS[2](w, m)
    return STEPS[4](w, m) if w.measure(m).state == "frozen" else w.prepare(measure=m)


def _last(w: World, m: str) -> str:
    measure = w.measure(m)
    known = measure.current or (measure.past[-1] if measure.past else None)
    return "none" if known is None else known.id


def _answer(w: World, m: str, code: str, **more: object) -> c.Command:
    measure = w.measure(m)
    values: dict[str, object] = {
        "application_id": _last(w, m),
        "code": code,
        "account_number": measure.account.number,
        "started_at": w.now,
        "grade": "A",
        "proof": "x",
        **more,
    }
    return c.RecordReceipt(w.system, Receipt.model_validate(values))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A case of three accounts in which people and banks do what they are allowed to."""
    world = World(now=START + timedelta(days=draw(st.integers(0, 40))))
    if draw(st.booleans()):
        world.frozen()
    else:
        world.opened()
        world.filed()
    for measure, number in [*CARDS.items()][1:]:
        bank = draw(st.sampled_from((BANK, OTHER_BANK)))
        made = account(number, bank_code=bank, bank_name="")
        paid = (transfer(draw(st.sampled_from(("8000.00", "123.45"))), at=world.now),)
        world.do(c.AddAccount(world.author, measure, made, paid))
    for _ in range(draw(st.integers(0, 45))):
        step = draw(st.sampled_from((*STEPS, *[natural] * 2 * len(STEPS))))
        world.later(seconds=draw(st.sampled_from((0, 7, 600, 86_400))))
        if isinstance(world.ask(step(world, draw(st.sampled_from(sorted(CARDS))))), Refusals):
            continue
    return world


def recount(  # noqa: C901  in one piece, so that it can be read beside the definitions
    logs: Sequence[Sequence[e.Event]], month: str, desk: str
) -> dict[str, object]:
    """The figures of one row, each looked up anew in the whole log; slow and plain."""

    def at_bank(log: Sequence[e.Event], place: int, measure: str) -> e.MeasureOpened:
        known = [
            one
            for one in log[:place]
            if isinstance(one, e.MeasureOpened | e.AccountCorrected) and one.measure == measure
        ]
        return known[-1]  # type: ignore[return-value]  # both have account and inflow

    def here(moment: datetime, bank: str) -> bool:
        return month_of(moment) == month and desk in {ALL, bank}

    found: dict[str, object] = {}
    counts = dict.fromkeys(("sent", "acked", "stopped", "mismatched", "refused"), 0)
    seconds: dict[str, list[float]] = {
        name: [] for name in ("report_to_send", "send_to_ack", "ack_to_stop", "report_to_stop")
    }
    money = dict.fromkeys(("asked", "money_stopped", "frozen", "returned"), Decimal("0.00"))
    for log in logs:
        opened = log[0]
        assert isinstance(opened, e.CaseOpened)
        prepared = {one.id: one for one in log if isinstance(one, e.InstructionPrepared)}
        first: dict[str, tuple[int, datetime]] = {}
        for place, one in enumerate(log):
            if isinstance(one, e.InstructionSent) and one.id not in first:
                first[one.id] = (place, one.at)
        asked: set[str] = set()
        stop_sent: set[str] = set()
        good_stops: list[tuple[datetime, int, str]] = []
        for id_, (place, sent) in sorted(first.items(), key=lambda pair: pair[1][0]):
            made = prepared[id_]
            held = at_bank(log, place, made.measure)
            bank, amount = held.account.desk, sum(t.amount for t in held.inflow)
            acks = [a.at for a in log if isinstance(a, e.InstructionAcked) and a.id == id_]
            answers = [
                (result_of(a.receipt.code).outcome, a.receipt, a.receipt.started_at or a.at)
                for a in log
                if isinstance(a, e.Answered) and a.receipt.application_id == id_
            ]
            good = [one for one in answers if one[0] in {Outcome.DONE, Outcome.PARTIAL}]
            if made.kind in {KIND.STOP, KIND.FREEZE} and made.measure not in asked:
                asked.add(made.measure)
                money["asked"] += amount if here(sent, bank) else 0
            if made.kind is KIND.FREEZE and good and not good[0][1].earlier_authority:
                told = good[0][1].frozen
                frozen = made.terms.amount if told is None else told
                assert frozen is not None
                money["frozen"] += frozen if here(good[0][2], bank) else 0
            if made.kind is KIND.RETURN and good:
                paid = sum(one.amount for one in made.terms.allocation)
                money["returned"] += paid if here(good[0][2], bank) else 0
            if made.kind is not KIND.STOP:
                continue
            if good:
                good_stops.append((good[0][2], place, id_))
            if here(sent, bank):
                counts["sent"] += 1
                counts["acked"] += bool(acks or answers)
                counts["stopped"] += bool(good)
                wrong = bool(answers) and not good
                is_mismatch = bool(answers) and answers[0][0] is Outcome.MISMATCH
                counts["mismatched"] += wrong and is_mismatch
                counts["refused"] += wrong and not is_mismatch
                if made.measure not in stop_sent:
                    seconds["report_to_send"].append((sent - opened.report.at).total_seconds())
                if acks:
                    seconds["send_to_ack"].append((acks[0] - sent).total_seconds())
                if acks and good:
                    seconds["ack_to_stop"].append((good[0][2] - acks[0]).total_seconds())
            stop_sent.add(made.measure)
        done: set[str] = set()
        for began, place, id_ in sorted(good_stops):
            made = prepared[id_]
            held = at_bank(log, place, made.measure)
            if made.measure in done:
                continue
            done.add(made.measure)
            if here(began, held.account.desk):
                receipt = next(
                    a.receipt
                    for a in log
                    if isinstance(a, e.Answered)
                    and a.receipt.application_id == id_
                    and result_of(a.receipt.code).outcome in {Outcome.DONE, Outcome.PARTIAL}
                )
                flowed = sum((t.amount for t in held.inflow), Decimal(0))
                balance = flowed if receipt.balance is None else receipt.balance
                money["money_stopped"] += min(flowed, balance)
                seconds["report_to_stop"].append((began - opened.report.at).total_seconds())
    found |= counts
    found |= money
    for name, raw in seconds.items():
        known = sorted(max(0.0, one) for one in raw)
        half = known[math.ceil(len(known) / 2) - 1] if known else None
        most = known[math.ceil(len(known) * 9 / 10) - 1] if known else None
        found[name] = {"number": len(known), "p50": half, "p90": most}
    return found


@given(st.lists(worlds(), min_size=1, max_size=3))
def test_figures_equal_a_plain_recount(cases: list[World]) -> None:
    rows = figures(*cases)
    logs = [world.log for world in cases]
    for row in rows:
        told = asdict(row)
        month, desk = told.pop("month"), told.pop("desk")
        del told["name"]
        assert told == recount(logs, month, desk), (month, desk)
    # Nothing is left out: whatever was sent stands in some month.
    sent = 0
    for log in logs:
        stops = {o.id for o in log if isinstance(o, e.InstructionPrepared) and o.kind is KIND.STOP}
        sent += len(stops & {o.id for o in log if isinstance(o, e.InstructionSent)})
    assert sum(row.sent for row in rows if row.desk == ALL) == sent


@pytest.mark.parametrize("month", ["2026-11", "2026-12"])
def test_one_month_alone_has_the_rows_of_the_whole(month: str) -> None:
    world = World()
    world.stopped()
    other = World(now=START + timedelta(days=10))
    other.frozen()
    whole = [row for row in figures(world, other) if row.month == month]
    assert figures(world, other, month=month) == whole
    assert whole


def test_the_first_answer_that_it_was_done_counts() -> None:
    world = World()
    world.opened()
    world.sent()
    world.later(seconds=60)
    world.do(world.receipt(balance="400.00"))
    world.later(seconds=600)
    world.do(world.receipt("0900", balance="300.00"))
    world.do(world.receipt("1200", balance="200.00"))
    row = figures(world)[0]
    assert (row.stopped, row.money_stopped) == (1, Decimal("400.00"))
    assert row.report_to_stop == Lengths(1, 360.0, 360.0)
