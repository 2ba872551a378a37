"""How long a case is kept: its key goes, nothing reads it any more, and its chain still holds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import fzalert
from fzalert.access import Actor
from fzalert.evidence import Link, verify
from fzalert.freeze.keys import KEYS
from fzalert.freeze.model import InstructionKind
from fzalert.service import Service
from fzalert.service import custody_models as custody
from fzalert.service import freeze_models as asks
from fzalert.testing.house import House
from tests.e2e.test_freeze_service import UNIT, Station, desks
from tests.unit.freezing import REPORT, VICTIM

YEAR = timedelta(days=366)


async def released(house: House, service: Service) -> tuple[Station, str]:
    """A case that went the whole way over a desk's channel, and ended."""
    station = Station(house, service)
    await station.hire()
    case = await station.opened()
    await station.stopped(case)
    await station.sent(case, InstructionKind.RELEASE)
    await station.change("ma", station.receipt(case, 2))
    return station, case


def files_of(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


async def cases(service: Service, by: Actor, days: int = 0) -> list[tuple[str, bool, bool]]:
    answer = await service.custody(custody.ExpiringAsk(days=days), by)
    return [(one.case, one.held, one.due) for one in answer.cases]


async def test_after_its_time_nothing_reads_a_case(tmp_path: Path) -> None:
    house = House(tmp_path, {"desk": desks().make}, toml=UNIT)
    async with house.service() as service:
        station, case = await released(house, service)
        other = await station.opened(number="6222021234567890110")
        store = service._open.building.store
        ((_, wrapped),) = await store.state(KEYS, case)
        chain = f"case/{case}"
        length = len(await store.evidence(chain))
        ma = await station.by("ma")
        # Its time has not come; the dry run tells when it will.
        assert await service._open.freeze.destroy_due() == 0
        assert await cases(service, ma) == []
        assert await cases(service, ma, 11 * 366) == [(case, False, False)]
        house.clock.shift += 11 * YEAR
        assert await cases(service, ma) == [(case, False, True)]
        # A legal hold stops it; only an approver ends one.
        hold = custody.HoldAsk(case=case, reason="国家赔偿复议中")
        assert (await service.custody(hold, ma)).note == "held"
        assert await service._open.freeze.destroy_due() == 0
        with pytest.raises(fzalert.AccessDenied):
            await service.custody(hold.model_copy(update={"lift": True}), ma)
        zhao = await station.by("zhao")
        await service.custody(hold.model_copy(update={"lift": True}), zhao)
        # The hold was an entry of its own, but the time counts from the last event.
        bundle = asks.BundleAsk(case=case)
        assert (await station.ask("ma", bundle)).files
        assert await service._open.freeze.destroy_due() == 1
        assert await service._open.freeze.destroy_due() == 0
        for ask in (bundle, asks.ShowAsk(case=case), asks.HistoryAsk(case=case)):
            with pytest.raises(fzalert.InputError, match="key was destroyed"):
                await station.ask("ma", ask)
        board = await station.ask("ma", asks.BoardAsk(ended=True))
        assert {row.case for row in board.board} == {other}
        # The record verifies, and tells of the end.
        rows = await store.evidence(chain)
        assert verify(Link(row.seq, row.body, row.hash) for row in rows).is_intact
        assert len(rows) > length
        assert b'"what":"case.destroy"' in rows[-1].body
        # While it runs, neither the file nor its log has the key; the other case is as it was.
        found = {name for name, body in files_of(tmp_path).items() if wrapped in body}
        assert not found
        assert (await station.ask("ma", asks.ShowAsk(case=other))).case
    async with house.service() as service:
        station = Station(house, service, station.tokens)
        assert (await station.ask("ma", asks.ShowAsk(case=other))).case
        with pytest.raises(fzalert.InputError, match="key was destroyed"):
            await station.ask("ma", asks.ShowAsk(case=case))
        # What went to the bank, with names and numbers, is gone with it.
        warnings = await service.recent(20)
        assert not [one for one in warnings if one.key.startswith(f"freeze/{case}")]


async def test_a_case_on_its_way_is_not_destroyed(tmp_path: Path) -> None:
    house = House(tmp_path, toml=UNIT)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        report = REPORT.model_copy(update={"at": house.clock.now()})
        empty = await station.change("ma", asks.OpenAsk(report=report, victim=VICTIM))
        house.clock.shift += 11 * YEAR
        # One has an open measure; the other never had any.
        assert await cases(service, await station.by("ma")) == [(empty.id, False, True)]
        assert await service._open.freeze.destroy_due() == 1
        assert (await station.ask("ma", asks.ShowAsk(case=case))).case
