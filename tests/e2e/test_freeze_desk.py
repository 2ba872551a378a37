"""Three accounts at two banks: real processes, mutual TLS, and the way of each to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fzalert.clock import SystemClock
from fzalert.desk.service import DeskService
from fzalert.desk.settings import load_desk
from fzalert.freeze.events import TermsData
from fzalert.freeze.package import write_package
from fzalert.freeze.values import AttachmentType
from fzalert.service import Fzalert
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_handle import CaseHandle, MeasureHandle
from fzalert.testing.desks import Bank, Precinct, card
from fzalert.testing.processes import ask_until
from tests.unit.freezing import BANK, OFFICERS, OTHER_BANK, REPORT, VICTIM, account, transfer

PDF = b"%PDF-1.7 made up"
FIRST, SECOND = card(1), card(2)
THIRD = card(3, "622848")
WRONG = card(4)
"""The second account as the victim first remembered it."""
PAYER = transfer().from_account


@pytest.fixture
async def precinct(tmp_path: Path) -> AsyncIterator[Precinct]:
    async with Precinct(tmp_path) as precinct:
        _ = await precinct.bank(BANK, hooked=False)
        _ = await precinct.bank(OTHER_BANK)
        precinct.configure()
        await precinct.hire()
        yield precinct


class Work:
    """One case and those who work on it, over the public API."""

    def __init__(self, precinct: Precinct, fz: Fzalert, case: CaseHandle) -> None:
        self._precinct = precinct
        self._fz = fz
        self.case = case

    @classmethod
    async def begin(cls, precinct: Precinct, fz: Fzalert) -> Work:
        """The report, the officers, the papers, and three accounts."""
        ma = await fz.actor(precinct.tokens["ma"])
        now = SystemClock().now()
        report = REPORT.model_copy(update={"at": now - timedelta(minutes=5)})
        case = await fz.freeze.open_case(report=report, victim=VICTIM, by=ma)
        await case.name_officers(OFFICERS, by=ma)
        for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
            await case.attach(PDF, type=kind, by=ma)
        paid = transfer(at=now - timedelta(minutes=20))
        for found in (
            account(FIRST),
            account(WRONG),
            account(THIRD, bank_code=OTHER_BANK, bank_name="中国农业银行"),
        ):
            await case.add_account(found, inflow=[paid], by=ma)
        return cls(precinct, fz, case)

    async def approved_and_sent(self, *measures: MeasureHandle) -> None:
        for measure in measures:
            await measure.approve(by=await self._fz.actor(self._precinct.tokens["zhao"]))
        await self.case.send(by=await self._fz.actor(self._precinct.tokens["li"]))

    async def until(self, measure: str, state: str, application: str) -> asks.MeasureView:
        """Wait until a measure is in a state, by the answer to an application."""
        ma = await self._fz.actor(self._precinct.tokens["ma"])

        async def look() -> asks.MeasureView | None:
            view = (await self._fz.freeze.case(self.case.id, by=ma)).measure(measure).view
            answered = any(one.startswith(f"{application} ") for one in view.receipts)
            return view if view.state == state and answered else None

        return await ask_until(look, f"{application} is answered: {state}")


async def _waiting(bank: Bank, application: str) -> dict[str, Any]:
    """Wait until a desk's own people see an application."""

    async def look() -> dict[str, Any] | None:
        _, found = await bank.ask("")
        return next((i for i in found["items"] if i["application_id"] == application), None)

    return await ask_until(look, f"the desk shows {application}")


async def test_three_accounts_at_two_banks_go_their_ways(precinct: Precinct) -> None:
    icbc, abc = precinct.banks
    async with precinct.desk(icbc) as first, precinct.desk(abc) as second:
        async with precinct.daemon() as daemon:
            await _walk(precinct)
            assert (await daemon.stop()).code == 0
        for program in (first, second):
            assert (await program.stop()).code == 0
    assert (await precinct.fzalert("evidence", "verify")).code == 0
    # Each bank has its own accounts, the victim's transfer, and nothing else: on the wire, and on
    # its disk, as it is and opened with its own key.
    own = {BANK: {FIRST, SECOND, WRONG}, OTHER_BANK: {THIRD}}
    for bank in precinct.banks:
        mine, others = own[bank.institution], {FIRST, SECOND, WRONG, THIRD} - own[bank.institution]
        came = (precinct.wire / f"{bank.institution}.asked").read_bytes()
        opened = await _opened(bank)
        for text in (came, opened):
            assert {one for one in (*mine, PAYER) if one.encode() in text} == {*mine, PAYER}
            assert not {one for one in others if one.encode() in text}
        files = [file for file in bank.folder.rglob("*") if file.is_file()]
        assert any(file.name == "desk.db" for file in files)
        raw = b"".join(file.read_bytes() for file in files if file.name != "core.log")
        assert not {one for one in (*mine, *others, PAYER) if one.encode() in raw}


async def _walk(precinct: Precinct) -> None:
    icbc, abc = precinct.banks
    async with precinct.client() as client:
        fz = Fzalert(client, await precinct.by(client, "ma"), owns_store=False)
        work = await Work.begin(precinct, fz)
        case = work.case
        measures = [case.measure(name) for name in ("m1", "m2", "m3")]
        ma = await precinct.by(client, "ma")
        for measure in measures:
            await measure.submit(by=ma)
        await work.approved_and_sent(*measures)

        # The second bank's core system answers by itself; the first one's people do.
        stopped = await work.until("m3", "stopped", f"{case.id}-m3-1")
        assert stopped.receipts == [f"{case.id}-m3-1 0000 A"]
        assert abc.core_log.read_text().splitlines() == [
            f"asked {case.id}-m3-1 {THIRD} stop",
            f"did {case.id}-m3-1 {THIRD} stop",
        ]
        shown = await _waiting(icbc, f"{case.id}-m1-1")
        assert (shown["asked"], shown["hours"]) == ("stop", 48)
        assert FIRST not in shown["account"]
        await _answered(icbc, f"{case.id}-m1-1", code="0000", balance="120.55")
        stopped = await work.until("m1", "stopped", f"{case.id}-m1-1")
        assert stopped.receipts == [f"{case.id}-m1-1 0000 A"]
        assert stopped.expires_at is not None
        assert stopped.started_at is not None
        assert stopped.expires_at - stopped.started_at == timedelta(hours=48)

        await _mismatch_is_corrected_and_sent_again(work, icbc, fz, precinct)
        await _freeze_renew_release(work, icbc, fz, precinct)


async def _answered(bank: Bank, application: str, **said: str) -> None:
    await _waiting(bank, application)
    status, found = await bank.ask(f"/{application}/answer", said)
    assert status == 200, found


async def _mismatch_is_corrected_and_sent_again(
    work: Work, bank: Bank, fz: Fzalert, precinct: Precinct
) -> None:
    case = work.case
    await _answered(bank, f"{case.id}-m2-1", code="0300", cause="账号有误")
    view = await work.until("m2", "mismatch", f"{case.id}-m2-1")
    assert view.receipts == [f"{case.id}-m2-1 0300 A"]
    ma = await fz.actor(precinct.tokens["ma"])
    paid = (transfer(at=SystemClock().now() - timedelta(minutes=20)),)
    right = asks.CorrectAsk(
        case=case.id, measure="m2", account=account(SECOND), inflow=paid, reason="受害人更正"
    )
    await case.change(right, ma)
    await case.measure("m2").submit(by=ma)
    await work.approved_and_sent(case.measure("m2"))
    await _answered(bank, f"{case.id}-m2-2", code="0000")
    stopped = await work.until("m2", "stopped", f"{case.id}-m2-2")
    assert stopped.receipts == [f"{case.id}-m2-1 0300 A", f"{case.id}-m2-2 0000 A"]


async def _freeze_renew_release(work: Work, bank: Bank, fz: Fzalert, precinct: Precinct) -> None:
    case, measure = work.case, work.case.measure("m1")
    ma = await fz.actor(precinct.tokens["ma"])
    now = SystemClock().now()
    await case.file(
        "A1101050000002026110001",
        at=now,
        decision=PDF,
        legal_basis=["中华人民共和国反电信网络诈骗法第二十条"],
        by=ma,
    )
    terms = {"amount": "50000.00", "start": now, "end": now + timedelta(days=90)}
    await measure.convert(TermsData.model_validate(terms), by=ma, reason="资金查控")
    await work.approved_and_sent(measure)
    await _answered(bank, f"{case.id}-m1-2", code="0000", frozen="50000.00")
    frozen = await work.until("m1", "frozen", f"{case.id}-m1-2")
    assert str(frozen.frozen) == "50000.00"
    longer = {**terms, "end": now + timedelta(days=170), "legal_review": "法审2026-7"}
    await measure.renew(TermsData.model_validate(longer), by=ma, reason="案件未结")
    await work.approved_and_sent(measure)
    await _answered(bank, f"{case.id}-m1-3", code="0000", frozen="50000.00")
    renewed = await work.until("m1", "frozen", f"{case.id}-m1-3")
    assert frozen.expires_at is not None
    assert renewed.expires_at is not None
    assert renewed.expires_at - frozen.expires_at == timedelta(days=80)
    await measure.release(by=ma, reason="与案件无关")
    await work.approved_and_sent(measure)
    await _answered(bank, f"{case.id}-m1-4", code="0000")
    released = await work.until("m1", "released", f"{case.id}-m1-4")
    assert [one.split()[1:] for one in released.receipts] == [["0000", "A"]] * 4
    history = await case.history(by=ma)
    assert [one.by for one in history if one.event == "instruction.answered"] == [
        "machine:answers"
    ] * 7


async def _opened(bank: Bank) -> bytes:
    """Every package in a desk's store, opened with the desk's own key."""
    settings = load_desk(bank.config)
    async with DeskService(settings, hooked=False) as desk:
        items = await desk.inbox.items()
    return b"\n".join(write_package(item.package) for item in items)
