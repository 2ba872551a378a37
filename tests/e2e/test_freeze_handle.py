"""`fz.freeze` as a detective's program uses it: asked twice under a key, to the return of money."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import fzalert
from fzalert.freeze.events import TermsData
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.results import Receipt
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_handle import CaseHandle, Freeze
from tests.e2e.freeze_pages import CARD, PDF, Station, station
from tests.unit.freezing import REPORT, VICTIM, account, transfer


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Station]:
    async with station(tmp_path) as found:
        yield found


async def answered(at: Station, case: CaseHandle, code: str = "0000", **more: object) -> None:
    """Send on paper what was approved and not sent yet, and enter the bank's answer."""
    ma = await at.by("ma")
    if case.view.measures[0].stage == "approved":
        await case.send(by=ma, paper=True)
    told = {
        "application_id": case.view.measures[0].application_id,
        "code": code,
        "account_number": CARD,
        "started_at": at.clock.now(),
        "grade": "B",
        **more,
    }
    await case.measure("m1").record_receipt(Receipt.model_validate(told), by=ma)


async def test_a_change_that_is_asked_for_twice_under_a_key_is_made_once(at: Station) -> None:
    ma, freeze = await at.by("ma"), Freeze(at.service)
    report = REPORT.model_copy(update={"at": at.clock.now() - timedelta(minutes=5)})
    opened = [
        await freeze.open_case(report=report, victim=VICTIM, by=ma, key="report-7")
        for _ in range(2)
    ]
    assert opened[0].id == opened[1].id
    case = await at.case()
    for _ in range(2):
        await case.measure("m1").submit(by=ma, key="submit-7")
        await case.measure("m1").approve(by=await at.by("zhao"), key="approve-7")
        await case.send(by=ma, paper=True, key="send-7")
    made = [one.event for one in await case.history(by=ma)]
    for event in ("instruction.prepared", "instruction.approved", "instruction.sent"):
        assert made.count(event) == 1, made
    with pytest.raises(fzalert.DuplicateKey):
        await case.measure("m1").extend(by=ma, reason="另一件事", key="submit-7")


async def test_a_case_runs_from_a_mismatch_to_the_return_of_its_money(at: Station) -> None:
    ma, zhao = await at.by("ma"), await at.by("zhao")
    case = await at.case()
    one = case.measure("m1")
    await one.submit(by=ma)
    await one.approve(by=zhao)
    await case.send(by=ma, paper=True)
    await case.acknowledge(one.view.application_id, by=ma, desk="王")
    assert one.view.stage == "acked"
    await answered(at, case, "0301", started_at=None, cause="户名不符")
    assert one.view.state == "mismatch"
    paid = [transfer(at=at.clock.now() - timedelta(minutes=20))]
    await one.correct(account(CARD, name="李四"), inflow=paid, by=ma, reason="户名更正")
    await one.submit(by=ma)
    await one.approve(by=await at.by("zhao"))
    await answered(at, case)
    assert one.view.state == "stopped"
    freeze = Freeze(at.service)
    assert await freeze.deadlines(timedelta(hours=47), by=ma) == []
    (soon,) = await freeze.deadlines(timedelta(hours=48), by=ma)
    assert (soon.case, soon.measure.id) == (case.id, "m1")
    assert await freeze.tasks(by=ma, case=case.id) == []

    found = await one.check(by=ma, kind=InstructionKind.FREEZE)
    assert "filed" in {guard.id for guard in found.later}
    await case.file(
        "A1101050000002026110001",
        at=at.clock.now(),
        decision=PDF,
        legal_basis=["中华人民共和国反电信网络诈骗法第二十条"],
        by=ma,
    )
    half_a_year = at.clock.now() + timedelta(days=180)
    terms = TermsData(amount=Decimal("50000"), end=half_a_year)
    await one.convert(terms, by=ma, reason="转冻结")
    await one.approve(by=await at.by("zhao"))
    await answered(at, case, frozen="30000.01")
    assert one.view.state == "frozen"

    await one.complain("申诉-2026-7", by=ma)
    assert "appeal" in one.view.flags
    losses = {"甲": Decimal("2"), "乙": Decimal("1")}
    shares = await one.divide(by=ma, losses=losses)
    assert sum(shares.values()) == Decimal("3.00")
    whole = {"甲": Decimal("40000"), "乙": Decimal("20000")}
    shares = await one.divide(by=ma, losses=whole)
    assert shares == {"甲": Decimal("20000.01"), "乙": Decimal("10000.00")}
    deposits = [asks.DepositData(claimant="甲", amount=Decimal("50000"), at=paid[0].at)]
    by_time = await one.divide(by=ma, method="timestamp", deposits=deposits)
    assert by_time == {"甲": Decimal("30000.01")}
    back = TermsData.model_validate(
        {
            "method": "proportional",
            "allocation": [{"claimant": who, "amount": much} for who, much in shares.items()],
            "notice_from": at.clock.now() - timedelta(days=29),
        }
    )
    await one.give_back(back, by=ma, reason="返还")
    with pytest.raises(fzalert.GuardsUnmet) as early:
        await one.approve(by=await at.by("zhao"))
    assert early.value.guards == ("notice",)
    at.later(days=2)
    await one.approve(by=await at.by("zhao"))
    await answered(at, case)
    assert one.view.state == "returned"


async def test_a_lift_that_is_owed_stays_on_the_board_when_its_days_are_over(at: Station) -> None:
    ma = await at.by("ma")
    case = await at.case()
    await at.stopped(case)
    one = case.measure("m1")
    await case.file(
        "A1101050000002026110001",
        at=at.clock.now(),
        decision=PDF,
        legal_basis=["中华人民共和国反电信网络诈骗法第二十条"],
        by=ma,
    )
    terms = TermsData(amount=Decimal("50000"), end=at.clock.now() + timedelta(days=180))
    await one.convert(terms, by=ma, reason="转冻结")
    await one.approve(by=await at.by("zhao"))
    await answered(at, case, frozen="50000")
    await one.find_irrelevant(by=ma, reason="工资")
    at.later(days=4)
    (row,) = await Freeze(at.service).board(by=await at.by("ma"))
    assert (row.measure.state, row.measure.next.deadline) == ("frozen", "irrelevant")
    assert row.measure.next.seconds is not None
    assert -90_000 < row.measure.next.seconds < 0


async def test_money_that_is_not_of_the_case_is_lifted_within_three_days(at: Station) -> None:
    ma = await at.by("ma")
    case = await at.case()
    await at.stopped(case)
    one = case.measure("m1")
    await one.find_irrelevant(by=ma, reason="工资")
    freeze = Freeze(at.service)
    (row,) = await freeze.board(by=ma)
    assert row.measure.next.zh == "已认定与案件无关：申请解除"
    await one.release(by=ma, reason="与案件无关", key="release-1")
    await one.release(by=ma, reason="与案件无关", key="release-1")
    await one.approve(by=await at.by("zhao"))
    await answered(at, case)
    assert (one.view.state, one.view.next.zh) == ("released", "无")
    assert (await one.paper(by=await at.by("zhao"), kind="owner_notice")).startswith(b"%PDF")
