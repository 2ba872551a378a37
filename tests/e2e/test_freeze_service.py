"""Freeze requests through the service: who may what, what goes out, what is kept, what is late."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import fzalert
from fzalert import messages
from fzalert.access import Actor
from fzalert.client import Client, connect
from fzalert.evidence import verify
from fzalert.evidence.chain import Link
from fzalert.freeze.bundle import verify_bundle
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import read_package
from fzalert.freeze.results import Receipt
from fzalert.freeze.values import AttachmentType
from fzalert.messages import BankPackage, RenditionKind, TargetKind
from fzalert.service import Service
from fzalert.service import freeze_models as asks
from fzalert.service.api import ServiceApi
from fzalert.service.freeze_answers import CURSOR
from fzalert.service.freeze_models import CaseView, FreezeAnswer
from fzalert.service.models import UserChange
from fzalert.store import ChangeSet, StateRow
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.testing.processes import ask_until
from tests.unit.freezing import BANK, CARD, OFFICERS, REPORT, VICTIM, account, transfer

UNIT = """
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
prefecture = "1101"
duty_phone = "010-12345678"
"""
KIND = InstructionKind
ACKNOWLEDGED = messages.Receipt(messages.ReceiptKind.SENT, proof=messages.Proof.DEVICE)
"""The desk's own program says that it has the package."""
PDF = b"%PDF-1.7 made up"


class Station:
    """People of a police station, and what they ask; the same for a service and for a client."""

    def __init__(self, house: House, api: ServiceApi, tokens: dict[str, str] | None = None) -> None:
        self.house = house
        self.api = api
        self.tokens = tokens or {}

    async def hire(self) -> None:
        for name, role, rank in (
            ("ma", "detective", "station"),
            ("li", "detective", "county"),
            ("zhao", "approver", "prefecture"),
            ("he", "viewer", "station"),
        ):
            change = UserChange(action="add", name=name, roles=[role], rank=rank)
            self.tokens[name] = await self.api.change_user(change)

    async def by(self, name: str) -> Actor:
        """The person, who shows the token now."""
        return await self.api.authenticate(self.tokens[name])

    async def ask(self, name: str, ask: asks.FreezeAsk) -> FreezeAnswer:
        return await self.api.freeze(ask, await self.by(name))

    async def change(self, name: str, ask: asks.FreezeAsk) -> CaseView:
        answer = await self.ask(name, ask)
        assert answer.case is not None
        return answer.case

    async def attach(self, case: str, kind: AttachmentType, body: bytes = PDF) -> CaseView:
        data = base64.b64encode(body).decode()
        await self.ask("ma", asks.PutAsk(upload="ab" * 8, offset=0, data=data))
        return await self.change("ma", asks.AttachAsk(case=case, type=kind, upload="ab" * 8))

    async def opened(self, *, papers: bool = True, number: str = CARD) -> str:
        now = self.house.clock.now()
        report = REPORT.model_copy(update={"at": now - timedelta(minutes=5)})
        case = await self.change("ma", asks.OpenAsk(report=report, victim=VICTIM))
        await self.change("ma", asks.OfficersAsk(case=case.id, officers=OFFICERS))
        if papers:
            await self.attach(case.id, AttachmentType.IDENTITY)
            await self.attach(case.id, AttachmentType.STOP_FORM)
        paid = (transfer(at=now - timedelta(minutes=20)),)
        add = asks.AddAccountAsk(case=case.id, account=account(number), inflow=paid)
        await self.change("ma", add)
        return case.id

    async def prepared(self, case: str, kind: InstructionKind = KIND.STOP, **terms: object) -> None:
        ask = asks.PrepareAsk.model_validate(
            {"case": case, "measure": "m1", "kind": kind, "reason": "资金正在转移", "terms": terms}
        )
        await self.change("ma", ask)

    async def approved(self, case: str, kind: InstructionKind = KIND.STOP, **terms: object) -> None:
        await self.prepared(case, kind, **terms)
        await self.change("zhao", asks.ApproveAsk(case=case, measure="m1"))

    async def sent(
        self, case: str, kind: InstructionKind = KIND.STOP, **terms: object
    ) -> FreezeAnswer:
        await self.approved(case, kind, **terms)
        return await self.ask("li", asks.SendAsk(case=case))

    def receipt(self, case: str, number: int = 1, **more: object) -> asks.ReceiptAsk:
        values = {
            "application_id": f"{case}-m1-{number}",
            "code": "0000",
            "account_number": CARD,
            "started_at": self.house.clock.now(),
            "grade": "B",
            **more,
        }
        return asks.ReceiptAsk(case=case, receipt=Receipt.model_validate(values))

    async def stopped(self, case: str) -> CaseView:
        await self.sent(case)
        return await self.change("ma", self.receipt(case))

    async def file(self, case: str) -> CaseView:
        data = base64.b64encode(PDF).decode()
        await self.ask("ma", asks.PutAsk(upload="cd" * 8, offset=0, data=data))
        return await self.change(
            "ma",
            asks.FileAsk(
                case=case,
                case_number="A1101050000002026110001",
                at=self.house.clock.now(),
                legal_basis=("中华人民共和国反电信网络诈骗法第二十条",),
                upload="cd" * 8,
            ),
        )

    async def refused(self, name: str, ask: asks.FreezeAsk) -> set[str]:
        with pytest.raises(fzalert.GuardsUnmet) as caught:
            await self.ask(name, ask)
        reasons = caught.value.reasons
        assert len(reasons) == len(caught.value.guards)
        assert all(zh and en and source for zh, en, source in reasons)
        return set(caught.value.guards)


def desks() -> FarSide:
    """A channel that reaches the desk of one bank."""
    bank = replace(
        sms(reports=False),
        kinds=frozenset({TargetKind.BANK_DESK}),
        rendition=RenditionKind.BANK,
        addresses=frozenset({BANK}),
    )
    return FarSide(lambda _: ACKNOWLEDGED, bank)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, toml=UNIT)


@pytest.fixture
async def service(house: House) -> AsyncIterator[Service]:
    async with house.service() as service:
        yield service


@pytest.fixture
async def station(house: House, service: Service) -> Station:
    station = Station(house, service)
    await station.hire()
    return station


async def test_the_whole_way_on_paper(station: Station, house: House) -> None:
    case = await station.opened()
    answer = await station.sent(case)
    assert answer.note == "m1: paper"
    (paper,) = answer.files
    assert base64.b64decode(paper.data).startswith(b"%PDF-1.")
    view = await station.change("ma", station.receipt(case))
    (measure,) = view.measures
    assert measure.state == "stopped"
    assert measure.expires_at is not None
    left = measure.expires_at - house.clock.now()
    assert timedelta(hours=47, minutes=50) < left <= timedelta(hours=48)
    assert measure.next.deadline == "stop-expiry"
    await station.file(case)
    end = house.clock.now() + timedelta(days=90)
    await station.sent(case, KIND.FREEZE, amount="50000.00", end=end.isoformat())
    frozen = await station.change("ma", station.receipt(case, 2, frozen="50000.00"))
    assert frozen.measures[0].state == "frozen"
    shares = await station.ask(
        "ma",
        asks.ShareAsk.model_validate({"case": case, "measure": "m1", "losses": {"张": "90000"}}),
    )
    assert {name: str(amount) for name, amount in shares.shares.items()} == {"张": "50000.00"}
    await station.sent(case, KIND.RELEASE)
    released = await station.change("ma", station.receipt(case, 3))
    assert released.measures[0].state == "released"
    bundle = (await station.ask("ma", asks.BundleAsk(case=case))).files[0]
    report = verify_bundle(base64.b64decode(bundle.data))
    assert report.papers == tuple(f"{case}-m1-{number}.pdf" for number in (1, 2, 3))
    assert report.events == released.version


async def test_each_guard_refuses_through_the_service(station: Station) -> None:
    case = await station.opened(papers=False)
    ask = asks.PrepareAsk(case=case, measure="m1", kind=KIND.STOP)
    assert "role" in await station.refused("he", ask)
    await station.change("ma", ask)
    approve = asks.ApproveAsk(case=case, measure="m1")
    assert await station.refused("ma", approve) == {"second-person", "documents"}
    assert await station.refused("li", approve) == {"documents"}
    await station.attach(case, AttachmentType.IDENTITY)
    await station.attach(case, AttachmentType.STOP_FORM)
    await station.change("li", approve)
    # What was approved is what is sent: a paper that came after it is another package.
    await station.attach(case, AttachmentType.POLICE_CARD)
    assert await station.refused("ma", asks.SendAsk(case=case)) == {"package"}
    reject = asks.RejectAsk(case=case, measure="m1", reason="附件已变")
    await station.change("li", reject)
    await station.change("ma", ask)
    await station.change("li", approve)
    await station.ask("ma", asks.SendAsk(case=case))
    other = station.receipt(case, 2, account_number="6222020000000000000")
    assert "receipt-account" in await station.refused("ma", other)
    assert "receipt-proof" in await station.refused("ma", station.receipt(case, 2, grade="C"))
    ahead = station.house.clock.now() + timedelta(minutes=10)
    assert "receipt-time" in await station.refused("ma", station.receipt(case, 2, started_at=ahead))
    with pytest.raises(fzalert.InputError, match="grade A"):
        await station.ask("ma", station.receipt(case, 2, grade="A", proof="made up"))
    await station.change("ma", station.receipt(case, 2))
    freeze = asks.PrepareAsk.model_validate(
        {
            "case": case,
            "measure": "m1",
            "kind": "freeze",
            "reason": "x",
            "terms": {"amount": "60000", "end": "2040-01-01T00:00:00Z"},
        }
    )
    await station.change("ma", freeze)
    assert {"filed", "amount", "period"} <= await station.refused("zhao", approve)
    assert "role" in await station.refused("li", approve)
    history = await station.ask("ma", asks.HistoryAsk(case=case))
    refused = [event for event in history.events if event.event == "case.refused"]
    assert len(refused) == 9
    assert refused[0].by == "user:he"


async def test_a_third_stop_and_a_second_measure_are_refused(
    station: Station,
) -> None:
    case = await station.opened()
    await station.stopped(case)
    await station.sent(case, KIND.EXTEND)
    await station.change("ma", station.receipt(case, 2))
    third = asks.PrepareAsk(case=case, measure="m1", kind=KIND.EXTEND, reason="再延")
    assert "stop-count" in await station.refused("ma", third)
    other = await station.opened()
    assert "duplicate" in await station.refused(
        "ma", asks.PrepareAsk(case=other, measure="m1", kind=KIND.STOP)
    )


async def test_personal_data_is_masked_and_its_reveal_is_on_record(
    station: Station, service: Service
) -> None:
    case = await station.opened()
    masked = (await station.ask("ma", asks.ShowAsk(case=case))).model_dump_json()
    board = (await station.ask("li", asks.BoardAsk())).model_dump_json()
    history = (await station.ask("li", asks.HistoryAsk(case=case))).model_dump_json()
    for secret in (CARD, VICTIM.id_number, VICTIM.phone, "张三", "李四", "王一"):
        assert secret not in masked + board + history
    shown = await station.ask("ma", asks.ShowAsk(case=case, reveal=True))
    assert shown.case is not None
    assert (shown.case.victim, shown.case.measures[0].account) == ("张三", CARD)
    with pytest.raises(fzalert.AccessDenied):
        await service.freeze(asks.ShowAsk(case=case, reveal=True), service.local_actor())
    with pytest.raises(fzalert.AccessDenied):
        await station.ask("he", asks.ShowAsk(case=case))
    assert service._rooms is not None
    store = service._rooms.building.store
    rows = []
    for name, _, _ in await store.chains():
        chain = await store.evidence(name)
        assert verify([Link(row.seq, row.body, row.hash) for row in chain]).is_intact
        rows += chain
    assert sum(b'"case.reveal"' in row.body and b"user:ma" in row.body for row in rows) == 1


async def test_a_document_is_told_by_its_content_and_put_in_order(station: Station) -> None:
    case = await station.opened(papers=False)
    with pytest.raises(fzalert.InputError, match="PDF, PNG or JPEG"):
        await station.attach(case, AttachmentType.IDENTITY, b"MZ a program")
    piece = base64.b64encode(PDF).decode()
    with pytest.raises(fzalert.InputError, match="out of order"):
        await station.ask("ma", asks.PutAsk(upload="ee" * 8, offset=7, data=piece))
    with pytest.raises(fzalert.InputError, match="No document"):
        # What one person put is not another's to attach.
        await station.ask("ma", asks.PutAsk(upload="ff" * 8, offset=0, data=piece))
        await station.ask(
            "li", asks.AttachAsk(case=case, type=AttachmentType.IDENTITY, upload="ff" * 8)
        )


async def test_a_desk_gets_the_package_in_the_commit_that_says_so(tmp_path: Path) -> None:
    bank = desks()
    house = House(tmp_path, {"bank": bank.make}, UNIT)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        answer = await station.sent(case)
        assert answer.note == "m1: desk"
        assert answer.files == []
        await bank.until(lambda: bool(bank.written), timeout=90)
        (written,) = bank.written
        (batch,) = bank.submitted
        (submission,) = batch
        rendition = submission.rendition
        assert isinstance(rendition, BankPackage)
        package = read_package(rendition.body.encode())
        assert (package.application_id, package.account.number) == (f"{case}-m1-1", CARD)
        assert rendition.binding
        assert base64.b64decode(rendition.paper).startswith(b"%PDF-1.")
        shown = await station.ask("ma", asks.ShowAsk(case=case))
        assert shown.case is not None
        measure = shown.case.measures[0]
        assert measure.package_sha256 == rendition.sha256
        assert measure.state == "sent"
        assert written
        # A refused sending leaves nothing in the outbox.
        await station.change("ma", station.receipt(case))
        assert await station.refused("he", asks.SendAsk(case=case, measure="m1")) >= {"state"}
        assert len(bank.written) == 1


def signed(receipt: asks.ReceiptAsk) -> bytes:
    """The wire form of a desk's answer; the channel has verified its signature."""
    document = receipt.receipt.model_dump_json(exclude_none=True)
    return json.dumps({"document": document, "key_id": "ab" * 8, "signature": "00"}).encode()


async def test_a_desk_s_signed_answer_becomes_the_receipt(tmp_path: Path) -> None:
    bank = desks()
    house = House(tmp_path, {"bank": bank.make}, UNIT)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        await station.sent(case)
        await bank.until(lambda: bool(bank.submitted), timeout=60)
        message = bank.submitted[0][0].id

        async def state() -> str:
            shown = await station.ask("ma", asks.ShowAsk(case=case))
            assert shown.case is not None
            return shown.case.measures[0].state

        async def acknowledged() -> bool:
            return await state() == "acked"

        await ask_until(acknowledged, "the desk's acknowledgement is known to the case")
        # An answer about another account is refused on record, and the right one counts.
        other = station.receipt(case, account_number="6222020000000000000")
        bank.bring(messages.Answer(message, 0, signed(other)))
        bank.bring(messages.Answer(message, 0, b"no answer at all"))
        bank.bring(messages.Answer(message, 0, signed(station.receipt(case))))

        async def stopped() -> bool:
            return await state() == "stopped"

        await ask_until(stopped, "the signed answer has stopped the account")
    async with house.service() as service:
        station.api = service
        # One more, so that it is known when everything before it was read, or was not read again.
        bank.bring(messages.Answer(message, 0, signed(station.receipt(case))))

        async def repeated() -> bool:
            told = (await station.ask("ma", asks.HistoryAsk(case=case))).events
            return any(one.event == "instruction.answer-repeated" for one in told)

        await ask_until(repeated, "the same answer once more is noted")
        events = (await station.ask("ma", asks.HistoryAsk(case=case))).events
        answered = [one for one in events if one.event == "instruction.answered"]
        assert [(one.by, one.facts["grade"]) for one in answered] == [("machine:answers", "A")]
        refused = [one for one in events if one.event == "case.refused"]
        assert [one.facts["guards"] for one in refused] == ["receipt-account"]
        assert len([one for one in events if one.event == "instruction.answer-repeated"]) == 1


async def test_an_answer_counts_although_its_channel_was_taken_out_before_it_was_read(
    tmp_path: Path,
) -> None:
    bank = desks()
    house = House(tmp_path, {"bank": bank.make, "other": desks().make}, UNIT)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        await station.sent(case)
        await bank.until(lambda: bool(bank.submitted), timeout=60)
        bank.bring(messages.Answer(bank.submitted[0][0].id, 0, signed(station.receipt(case))))

        async def told(event: str) -> bool:
            events = (await station.ask("ma", asks.HistoryAsk(case=case))).events
            return any(one.event == event for one in events)

        await ask_until(lambda: told("instruction.answered"), "the answer is known")
        # As if the daemon had died before it read the feed: it begins anew at its beginning.
        assert service._rooms is not None
        anew = StateRow(CURSOR, "cursor", b"0")
        await service._rooms.building.store.commit(ChangeSet(state=(anew,)))
    house = House(tmp_path, {"other": desks().make}, UNIT)
    async with house.service() as service:
        station.house, station.api = house, service
        await ask_until(
            lambda: told("instruction.answer-repeated"), "the answer is read without its channel"
        )


async def test_deadlines_fire_in_a_service_that_was_down_meanwhile(tmp_path: Path) -> None:
    house = House(tmp_path, toml=UNIT)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        await station.stopped(case)
    house.clock.set(house.clock.now() + timedelta(hours=49))
    async with house.service() as service:
        station.api = service

        async def expired() -> bool:
            events = (await station.ask("ma", asks.HistoryAsk(case=case))).events
            return any(event.event == "measure.expired" for event in events)

        await ask_until(expired, "the stop that ended while nothing ran has expired")
        events = (await station.ask("ma", asks.HistoryAsk(case=case))).events
        late = [event for event in events if event.event == "deadline.reminded"]
        assert late
        assert all(int(event.facts["late_seconds"]) > 0 for event in late[-2:])
        ends = [event for event in events if event.event == "measure.expired"]
        assert len(ends) == 1
        view = (await service.status()).deadlines
        assert view.running
        assert view.late >= 1
        assert view.problem == ""


async def test_a_deadline_that_comes_nearer_wakes_the_runner(
    station: Station, house: House, service: Service
) -> None:
    case = await station.opened()
    await station.stopped(case)
    # Six hours before the end is nearer than the thirty seconds that the runner may sleep for.
    house.clock.set(house.clock.now() + timedelta(hours=48, seconds=1))
    other = await station.opened(number="6222021234567890136")

    async def expired() -> bool:
        shown = await station.ask("ma", asks.ShowAsk(case=case))
        return shown.case is not None and shown.case.measures[0].state == "expired"

    await ask_until(expired, "an act elsewhere woke the runner")
    assert other


async def test_a_client_gets_the_same_answers_and_the_same_refusals(
    station: Station, house: House, service: Service
) -> None:
    case = await station.opened()
    async with connect(house.settings) as client:
        assert isinstance(client, Client)
        far = Station(house, client, station.tokens)
        await far.change("ma", asks.PrepareAsk(case=case, measure="m1", kind=KIND.STOP))
        approve = asks.ApproveAsk(case=case, measure="m1")
        assert await far.refused("ma", approve) == {"second-person"}
        view = await far.change("li", approve)
        assert view.measures[0].approved_by == "user:li"
        assert view.version == (await station.change("ma", asks.ShowAsk(case=case))).version
        with pytest.raises(fzalert.InputError, match="no such case"):
            await far.ask("ma", asks.ShowAsk(case="c0"))


async def test_now_is_not_in_the_future_however_finely_it_is_read(
    station: Station, house: House
) -> None:
    ahead = house.clock.now() + timedelta(milliseconds=900)
    report = REPORT.model_copy(update={"at": ahead})
    case = await station.change("ma", asks.OpenAsk(report=report, victim=VICTIM))
    assert case.reported_at <= case.opened_at
    later = REPORT.model_copy(update={"at": house.clock.now() + timedelta(minutes=1)})
    refused = await station.refused("ma", asks.OpenAsk(report=later, victim=VICTIM))
    assert refused == {"clean"}


async def test_without_the_extra_the_rest_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.service.freeze_room.NEEDED", ("no_such_library",))
    async with house.service() as service:
        assert not (await service.status()).deadlines.running
        with pytest.raises(fzalert.ConfigError, match=r"no_such_library") as caught:
            await service.freeze(asks.BoardAsk(), service.local_actor())
        assert "fzalert[freeze]" in caught.value.hint


async def test_a_wrong_policy_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("name = 'x'\n", encoding="utf-8")
    house = House(tmp_path, toml='[freeze]\npolicy = "own.toml"\n')
    async with house.service() as service:
        with pytest.raises(fzalert.ConfigError, match=r"own\.toml"):
            await service.freeze(asks.BoardAsk(), service.local_actor())
