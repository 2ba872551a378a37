"""ISO 20022 and the return of money at the terminal, over the service that stands."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import fzalert
from fzalert.freeze.model import InstructionKind
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_handle import Freeze, MeasureHandle
from fzalert.testing.house import House
from fzalert.testing.processes import Ended, Site
from tests.e2e.test_freeze_service import UNIT, Station
from tests.unit.freezing import CARD
from tests.unit.test_iso20022 import answer, reason

KIND = InstructionKind
NS = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.056.001.08"}


class Desk:
    """A station with its folder; the service is opened for a while, and typed at in between."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.site.config.write_text(f"[web]\nport = 0\n{UNIT}", encoding="utf-8")
        self.house = House(folder / "clock")
        self.tokens: dict[str, str] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Station]:
        async with fzalert.open(self.site.config) as fz:
            station = Station(self.house, fz.api, self.tokens)
            if not self.tokens:
                await station.hire()
                self.tokens = station.tokens
                for name, token in station.tokens.items():
                    (self.site.folder / f"{name}.token").write_text(token, encoding="utf-8")
            yield station

    async def types(self, *words: str, by: str = "ma") -> Ended:
        return await self.site.fzalert("--json", "freeze", *words, "--token-file", f"{by}.token")


def told(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended
    found: dict[str, Any] = json.loads(ended.out.splitlines()[-1])
    return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def handle(station: Station, case: str) -> MeasureHandle:
    return (await Freeze(station.api).case(case, by=await station.by("ma"))).measure("m1")


async def _reads(desk: Desk, case: str, xml: bytes) -> Ended:
    (desk.site.folder / "answer.xml").write_bytes(xml)
    return await desk.types("iso20022", case, "m1", "--read", "answer.xml")


async def test_a_stop_goes_out_as_camt_056_and_its_camt_029_is_the_receipt(desk: Desk) -> None:
    async with desk.open() as station:
        case = await station.opened()
        await station.prepared(case)
        with pytest.raises(fzalert.InputError):
            await station.ask("ma", asks.Iso20022Ask(case=case, measure="m1"))  # not approved
        await station.change("zhao", asks.ApproveAsk(case=case, measure="m1"))
        await station.ask("ma", asks.SendAsk(case=case, paper=True))
    application = f"{case}-m1-1"
    written = told(await desk.types("iso20022", case, "--out", "stop.xml"))
    root = etree.parse(str(desk.site.folder / "stop.xml"))
    assert root.findtext(".//c:Case/c:Id", namespaces=NS) == application
    assert root.findtext(".//c:Rsn/c:Cd", namespaces=NS) == "FRAD"
    assert root.findtext(".//c:CdtrAcct//c:Othr/c:Id", namespaces=NS) == CARD
    assert (desk.site.folder / "stop.xml").stat().st_mode & 0o077 == 0
    assert written["file"] == "stop.xml"
    pending = told(await _reads(desk, case, answer("PDCR", case=application)))
    assert pending["measures"][0]["state"] == "acked"
    hostile = answer(case=application).replace(b"?>", b"?><!DOCTYPE d [<!ENTITY x 'y'>]>", 1)
    assert (await _reads(desk, case, hostile)).code == 2
    async with desk.open() as station:
        other = answer(case=f"{case}-m1-9").decode()
        with pytest.raises(fzalert.InputError, match="not about this request"):
            await (await handle(station, case)).read_iso20022(other, by=await station.by("ma"))
        again = await (await handle(station, case)).iso20022(by=await station.by("ma"))
        assert b"FRAD" in again
    refused = told(
        await _reads(desk, case, answer("RJCR", case=application, details=reason("BE01")))
    )
    assert refused["measures"][0]["state"] == "mismatch"
    assert refused["measures"][0]["receipts"] == [f"{application} 0301 B"]


async def _frozen(desk: Desk) -> str:
    async with desk.open() as station:
        case = await station.opened()
        await station.stopped(case)
        await station.file(case)
        end = desk.house.clock.now() + timedelta(days=90)
        await station.sent(case, KIND.FREEZE, amount="50000.00", end=end.isoformat())
        await station.change("ma", station.receipt(case, 2, frozen="50000.00"))
    return case


async def test_money_goes_back_by_each_method_and_after_its_notice(
    desk: Desk,
) -> None:
    case = await _frozen(desk)
    early, late = "2026-11-24T16:40:00+08:00", "2026-11-24T17:05:00+08:00"
    one = told(await desk.types("return", case, "--loss", "张三=60000"))
    assert (one["method"], one["shares"], one["left"]) == ("direct", {"张三": "50000.00"}, "0.00")
    timed = ("--loss", f"张三=30000@{early}", "--loss", f"李四=32000.10@{late}")
    by_time = told(await desk.types("return", case, *timed))
    assert (by_time["method"], by_time["total"]) == ("timestamp", "50000.00")
    assert by_time["shares"] == {"张三": "17999.90", "李四": "32000.10"}
    thirds = ("--loss", "甲=20000", "--loss", "乙=20000", "--loss", "丙=20000")
    shared = told(await desk.types("return", case, *thirds))
    assert shared["method"] == "proportional"
    assert sum(map(Decimal, shared["shares"].values())) == Decimal("50000.00")
    assert sorted(shared["shares"].values()) == ["16666.66", "16666.67", "16666.67"]
    await _notice(desk, case)


async def _notice(desk: Desk, case: str) -> None:
    """A proportional return waits for its public notice."""
    now = desk.house.clock.now()
    both = ("--loss", "张三=60000", "--loss", "李四=40000", "--reason", "案件已结")
    begun = (now - timedelta(days=29)).isoformat()
    view = told(await desk.types("return", case, *both, "--notice-from", begun))
    assert view["measures"][0]["kind"] == "return"
    early = await desk.types("approve", case, by="zhao")
    assert (early.code, '"notice"' in early.err) == (4, True), early
    async with desk.open() as station:
        reject = asks.RejectAsk(case=case, measure="m1", reason="公告未满三十日")
        await station.change("zhao", reject)
    begun = (now - timedelta(days=31)).isoformat()
    told(await desk.types("return", case, *both, "--notice-from", begun))
    async with desk.open() as station:
        await station.change("zhao", asks.ApproveAsk(case=case, measure="m1"))
        await station.ask("ma", asks.SendAsk(case=case))
        shown = await station.ask("ma", asks.ShowAsk(case=case))
        assert shown.case is not None
        measure = shown.case.measures[0]
        assert measure.state == "returning"
        number = measure.application_id.rpartition("-")[2]
        await station.change("ma", station.receipt(case, int(number)))
        ended = await station.ask("ma", asks.ShowAsk(case=case))
        assert ended.case is not None
        assert ended.case.measures[0].state == "returned"
