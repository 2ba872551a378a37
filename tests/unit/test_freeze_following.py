"""What a receipt says of transfers onward becomes drafts of the next level, once each."""

from __future__ import annotations

from datetime import timedelta

from fzalert.freeze import commands as c
from fzalert.freeze.decide import Refusals
from fzalert.freeze.evolve import replay
from fzalert.freeze.model import MeasureState
from fzalert.freeze.results import Outflow
from tests.unit.freezing import CARD, World, account, transfer

SECOND = "6222021234567890136"
THIRD = "6222021234567890144"
FOURTH = "6222021234567890151"


def outflow(world: World, number: str, amount: str, minutes: int, source: str = CARD) -> Outflow:
    paid = transfer(amount, world.now - timedelta(minutes=minutes))
    return Outflow(
        account=account(number, name="钱七"),
        transfer=paid.model_copy(update={"from_account": source}),
    )


def test_outflows_open_the_next_level_once() -> None:
    world = World()
    world.opened()
    world.sent()
    onward = (
        outflow(world, SECOND, "20000.00", 4),
        outflow(world, THIRD, "12000.00", 3),
        outflow(world, SECOND, "8000.00", 9),
        outflow(world, CARD, "100.00", 2),
    )
    world.do(world.receipt(outflows=onward))
    assert world.case is not None
    assert list(world.case.measures) == ["m1", "m2", "m3"]
    second = world.measure("m2")
    assert (second.account.number, second.level, second.parent) == (SECOND, 2, "m1")
    assert second.state is MeasureState.DRAFT
    assert [str(one.amount) for one in second.inflow] == ["8000.00", "20000.00"]  # by time
    # The same answer again, and another bank's word of the same account, open nothing more.
    world.do(world.receipt(outflows=onward))
    assert list(world.case.measures) == ["m1", "m2", "m3"]
    assert replay(world.log, "case-1", world.policy.hours("stop_hours")) == world.case


def test_a_refused_receipt_opens_nothing() -> None:
    world = World()
    world.opened()
    world.sent()
    onward = (outflow(world, SECOND, "20000.00", 4),)
    refused = world.no(world.receipt(outflows=onward, account_number="6222020000000000000"))
    assert refused == ("receipt-account",)
    assert world.case is not None
    assert list(world.case.measures) == ["m1"]


def test_the_third_level_hangs_under_the_second() -> None:
    world = World()
    world.opened()
    world.sent()
    world.do(world.receipt(outflows=(outflow(world, SECOND, "20000.00", 4),)))
    world.do(world.prepare(measure="m2"))

    world.do(c.Approve(world.chief, "m2"))
    world.do(c.MarkSent(world.system, "m2", "bank-https"))
    receipt = world.receipt(
        application_id="app-2",
        account_number=SECOND,
        outflows=(outflow(world, THIRD, "5000.00", 1, SECOND), outflow(world, CARD, "1", 1)),
    )
    world.do(receipt)
    third = world.measure("m3")
    assert (third.level, third.parent, third.account.number) == (3, "m2", THIRD)


def test_more_below_an_account_than_went_on_from_it_is_a_warning() -> None:
    world = World()
    world.opened()
    world.sent()
    told = (outflow(world, SECOND, "20000.00", 4), outflow(world, THIRD, "12000.00", 3))
    world.do(world.receipt(outflows=told))
    assert str(world.measure().outflow) == "32000.00"
    # What the bank told of fits itself.
    world.do(world.prepare(measure="m2"))
    more = outflow(world, FOURTH, "0.01", 2)
    world.do(c.AddAccount(world.author, "m4", more.account, (more.transfer,), parent="m1"))
    answer = world.ask(world.prepare(measure="m4"))
    assert isinstance(answer, Refusals)
    (refusal,) = answer.refusals
    assert (refusal.guard, refusal.detail) == ("clean", "traced-above-outflow")
    world.do(world.prepare(measure="m4", waived=(("traced-above-outflow", "另有一笔未反馈"),)))


def test_where_the_bank_told_nothing_no_sum_is_compared() -> None:
    world = World()
    world.stopped()
    more = outflow(world, SECOND, "90000.00", 2)
    world.do(c.AddAccount(world.author, "m2", more.account, (more.transfer,), parent="m1"))
    assert world.measure().outflow is None
    world.do(world.prepare(measure="m2"))
