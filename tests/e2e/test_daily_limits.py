"""A daily limit of freeze requests through the service: refused, seen in status and metrics."""

import asyncio
import json
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from fzalert.errors import AccessDenied, GuardsUnmet
from fzalert.freeze.model import InstructionKind
from fzalert.service import Service
from fzalert.service import freeze_models as asks
from fzalert.service.models import UserChange
from fzalert.testing.house import House
from fzalert.web import build_app
from tests.unit.freezing import OFFICERS, REPORT, VICTIM, account, transfer

RULES = (files("fzalert.freeze") / "policies" / "cn-2024.toml").read_text("utf-8")
UNIT = "110105000000"
CARDS = ("6222021234567890128", "6222021234567890136", "6222020000000000004")


@pytest.fixture
def house(tmp_path: Path) -> House:
    rules = RULES.replace("{ value = 50, unit", "{ value = 2, unit")
    rules = rules.replace('{ value = 200, unit = "looks"', '{ value = 3, unit = "looks"')
    assert rules.count("value = 3,") > RULES.count("value = 3,")
    (tmp_path / "rules.toml").write_text(rules, encoding="utf-8")
    return House(tmp_path, {}, '[freeze]\npolicy = "rules.toml"\n')


async def prepared(house: House, service: Service, token: str, card: str) -> str:
    """Open a case and prepare a stop; returns the case's id."""

    async def do(ask: asks.FreezeAsk) -> str:
        answer = await service.freeze(ask, await service.authenticate(token))
        return "" if answer.case is None else answer.case.id

    now = house.clock.now()
    report = REPORT.model_copy(update={"at": now - timedelta(minutes=5)})
    case = await do(asks.OpenAsk(report=report, victim=VICTIM))
    await do(asks.OfficersAsk(case=case, officers=OFFICERS))
    paid = (transfer(at=now - timedelta(minutes=20)),)
    await do(asks.AddAccountAsk(case=case, account=account(card), inflow=paid))
    await do(asks.PrepareAsk(case=case, measure="m1", kind=InstructionKind.STOP, reason="止付"))
    return case


async def told(service: Service) -> list[tuple[str, str, int, int]]:
    found = (await service.status()).limits
    return sorted((one.of, one.kind, one.count, one.limit) for one in found)


async def metric(house: House, service: Service, state: str) -> float:
    app = build_app(service, house.settings, clock=house.clock)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8800"
    ) as client:
        text = (await client.get("/metrics")).text
    (line,) = [
        one for one in text.splitlines() if one.startswith(f'fz_freeze_limits{{state="{state}"}}')
    ]
    return float(line.rpartition(" ")[2])


async def test_an_officer_at_the_limit_is_refused_and_everybody_can_see_it(house: House) -> None:
    async with house.service() as service:
        wanted = UserChange(action="add", name="ma", roles=["detective"], unit=UNIT)
        token = await service.change_user(wanted)
        await prepared(house, service, token, CARDS[0])
        assert await told(service) == []
        await prepared(house, service, token, CARDS[1])
        assert await told(service) == [("user:ma", "measures", 2, 2)]
        with pytest.raises(GuardsUnmet) as caught:
            await prepared(house, service, token, CARDS[2])
        assert "daily-limit" in caught.value.guards
        assert await metric(house, service, "reached") == 1
        assert await metric(house, service, "near") == 0
    async with house.service() as service:
        with pytest.raises(GuardsUnmet) as caught:
            await prepared(house, service, token, CARDS[2])
        assert "daily-limit" in caught.value.guards
        assert await told(service) == [("user:ma", "measures", 2, 2)]
        house.clock.set(house.clock.now() + timedelta(days=1))
        assert await told(service) == []


async def test_nobody_looks_at_more_in_plain_than_a_day_allows(house: House) -> None:
    async with house.service() as service:
        wanted = UserChange(action="add", name="ma", roles=["detective"], unit=UNIT)
        token = await service.change_user(wanted)
        case = await prepared(house, service, token, CARDS[0])
        actor = await service.authenticate(token)
        masked = await service.freeze(asks.ShowAsk(case=case), actor)
        assert masked.case is not None
        looks = [service.freeze(asks.ShowAsk(case=case, reveal=True), actor) for _ in range(6)]
        found = await asyncio.gather(*looks, return_exceptions=True)
        refused = [one for one in found if isinstance(one, AccessDenied)]
        assert (len(found), len(refused)) == (6, 3)
        assert "officer_reveals_daily" in refused[0].hint
        assert ("user:ma", "reveals", 3, 3) in await told(service)
        store = service._open.building.store
        rows = [row for chain, *_ in await store.chains() for row in await store.evidence(chain)]
        acts = [json.loads(row.body)["what"] for row in rows]
        assert acts.count("case.reveal") == 3
        assert acts.count("limit.refused") == 3
        assert acts.count("limit.reached") == 1
    async with house.service() as service:
        actor = await service.authenticate(token)
        with pytest.raises(AccessDenied):
            await service.freeze(asks.ShowAsk(case=case, reveal=True), actor)
        assert (await service.freeze(asks.ShowAsk(case=case), actor)).case is not None
