"""What a receipt says of transfers onward becomes drafts of the next level, once each."""

from __future__ import annotations

from datetime import timedelta

from fzalert.freeze import commands as c
from fzalert.freeze.evolve import replay
from fzalert.freeze.model import MeasureState
from fzalert.freeze.results import Outflow
from tests.unit.freezing import CARD, World, account, transfer

SECOND = "6222021234567890136"
THIRD = "6222021234567890144"


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
