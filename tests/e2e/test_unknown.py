"""What stays unknown is settled by a person: library, socket, interface and terminal alike."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import httpx
import pytest

from fzalert.access import Actor
from fzalert.client import connect
from fzalert.errors import AccessDenied, InputError
from fzalert.messages import phone
from fzalert.service import Service, ServiceApi
from fzalert.service.models import SettleRequest, UnknownRequest
from fzalert.testing.engine import FarSide, Play, sms, take_everything
from fzalert.testing.house import PLAIN, House
from fzalert.web import Stopping, WebServer, build_app

NUMBERS = [f"1380013800{n}" for n in range(8)]


@pytest.fixture
def line() -> FarSide:
    return FarSide(lambda _: Play.SILENT, sms(window=64, reports=False))


@pytest.fixture
def house(tmp_path: Path, line: FarSide) -> House:
    (tmp_path / "fzalert.toml").write_text(PLAIN, encoding="utf-8")
    return House(tmp_path, {"sms": line.make})


@pytest.fixture
async def service(house: House) -> AsyncIterator[Service]:
    async with house.service() as service:
        await house.approve(service)
        yield service


async def until(service: ServiceApi, is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that a commit brings."""
    seen = 0
    async with asyncio.timeout(60):
        while not await is_so():
            seen = await service.changed(seen, 5)


async def lost(house: House, service: ServiceApi, numbers: Sequence[str] = NUMBERS) -> list[str]:
    """Bulk messages that went out and were never answered; returns their ids, in order."""
    before = (await service.unknown(UnknownRequest())).total
    fz = house.door(service)
    await fz.warn("generic", to=[phone(number) for number in numbers], lane="bulk")

    async def there() -> bool:
        return (await service.unknown(UnknownRequest())).total == before + len(numbers)

    await until(service, there)
    return [view.message for view in (await service.unknown(UnknownRequest())).items][before:]


def request(decision: str, *messages: str, count: int = 0) -> SettleRequest:
    return SettleRequest.model_validate(
        {
            "messages": messages,
            "decision": decision,
            "reason": "问过 13800138000 本人",
            "count": count or len(messages),
        }
    )


async def fates(service: ServiceApi) -> dict[str, str]:
    return {one.message: one.state for view in await service.recent(9) for one in view.targets}


async def decisions(service: Service) -> list[dict[str, object]]:
    """What the evidence says of decisions."""
    store = service._open.building.store
    bodies = [row.body for chain, *_ in await store.chains() for row in await store.evidence(chain)]
    events: list[dict[str, object]] = [json.loads(body) for body in bodies]
    return [event for event in events if event["what"] == "unknown.settle"]


async def test_every_door_lists_masked_and_settles_once_on_record(
    house: House, service: Service
) -> None:
    ids = await lost(house, service)
    token = await service.add_user("zhao", ["duty_officer"])
    zhao = await service.authenticate(token)

    page = await service.unknown(UnknownRequest(limit=3))
    assert (len(page.items), page.total, page.next) == (3, 8, ids[2])
    assert page.items[0].target == "phone:138****8000"
    assert page.items[0].can_resend
    assert (await service.settle_unknown(request("delivered", ids[0]), zhao)).settled == 1

    async with connect(house.settings) as client:
        by = await client.authenticate(token)
        assert (await client.unknown(UnknownRequest(after=ids[0]))).total == 7
        done = await client.settle_unknown(request("not_delivered", ids[1]), by)
        assert [one.result for one in done.items] == ["settled"]

    stopping = Stopping()
    app = build_app(service, house.settings, stopping=stopping)
    async with (
        WebServer(app, house.settings.web, stopping).serving() as url,
        httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        ) as web,
    ):
        listed = await web.get("/api/v1/unknown", params={"channel": "sms", "limit": 2})
        assert listed.json()["total"] == 6
        assert "13800138" not in listed.text
        body = request("delivered", ids[2]).model_dump()
        first = await web.post("/api/v1/unknown/settle", json=body)
        again = await web.post("/api/v1/unknown/settle", json=body)
        assert (first.json()["settled"], again.json()["settled"]) == (1, 0)
        assert again.json()["items"][0]["result"] == "repeated"
        wrong = await web.post("/api/v1/unknown/settle", json={**body, "count": 2})
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/count")

    code, out = await terminal(
        house, "unknown", "settle", "--all-of", "--channel", "sms",
        "--decision", "not-delivered", "--reason", "运营商清单", "--yes",
    )  # fmt: skip
    assert (code, len(out)) == (0, 5)
    assert {one["result"] for one in out} == {"settled"}
    assert (await terminal(house, "unknown", "list"))[1] == []

    known = await fates(service)
    assert [known[id] for id in ids] == ["delivered", "failed", "delivered", *["failed"] * 5]
    events = await decisions(service)
    assert [(event["decision"], len(list(event["messages"]))) for event in events] == [  # type: ignore[call-overload]
        ("delivered", 1),
        ("not_delivered", 1),
        ("delivered", 1),
        ("not_delivered", 5),
    ]
    assert [event["who"] for event in events][:3] == ["user:zhao"] * 3
    assert "13800138000" not in json.dumps(events)
    assert "138****8000" in json.dumps(events)


async def terminal(house: House, *words: str) -> tuple[int, list[dict[str, object]]]:
    """Run a command as another process, which speaks to the service over its socket."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fzalert.cli",
        "--config",
        str(house.folder / "fzalert.toml"),
        "--json",
        *words,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, [json.loads(line) for line in out.splitlines()]


async def test_sent_again_knowingly_it_goes_out_once_more_and_only_once(
    house: House, service: Service, line: FarSide
) -> None:
    (id,) = await lost(house, service, NUMBERS[:1])
    line.answer = take_everything
    before = len(line.written)
    wanted = request("send_again", id)
    for _ in range(3):
        await service.settle_unknown(wanted, house.local)
    await line.until_written(before + 1)

    async def arrived() -> bool:
        return (await fates(service))[id] == "delivered"

    await until(service, arrived)
    (late,) = (await service.settle_unknown(wanted, house.local)).items
    assert late.result == "not_unknown"
    assert len(line.written) == before + 1
    assert len(await decisions(service)) == 1


async def test_only_some_roles_may_and_a_drill_person_may_not(
    house: House, service: Service
) -> None:
    (id,) = await lost(house, service, NUMBERS[:1])

    async def someone(role: str) -> Actor:
        return await service.authenticate(await service.add_user(f"a-{role[:5]}", [role]))

    for role in ("viewer", "teller", "auditor"):
        with pytest.raises(AccessDenied):
            await service.settle_unknown(request("delivered", id), await someone(role))
    with pytest.raises(InputError) as refused:
        await service.settle_unknown(request("delivered", id, count=2), house.local)
    assert refused.value.field == "count"
    assert (await fates(service))[id] == "unknown"
    assert await decisions(service) == []


async def test_what_was_settled_stays_settled_after_a_restart(house: House, line: FarSide) -> None:
    async with house.service() as service:
        await house.approve(service)
        one, two = await lost(house, service, NUMBERS[:2])
        await service.settle_unknown(request("delivered", one), house.local)
    written = len(line.written)
    async with house.service() as service:
        assert await fates(service) == {one: "delivered", two: "unknown"}
        assert (await service.unknown(UnknownRequest())).total == 1
    assert len(line.written) == written
