"""Opt-outs: noted by every door, answered on the line, listed masked, taken back, on record."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

from fzalert.client import connect
from fzalert.errors import AccessDenied, InputError
from fzalert.messages import Uplink, phone
from fzalert.service import Service
from fzalert.service.models import OptOutQuery, OptOutRequest
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import PLAIN, House
from fzalert.web import Stopping, WebServer, build_app

NUMBER = "13800138000"


@pytest.fixture
def line() -> FarSide:
    return FarSide(capabilities=sms(reports=False))


@pytest.fixture
def house(tmp_path: Path, line: FarSide) -> House:
    (tmp_path / "fzalert.toml").write_text(PLAIN, encoding="utf-8")
    return House(tmp_path, {"sms": line.make})


def asked(*numbers: str) -> OptOutRequest:
    return OptOutRequest(to=[f"phone:{one}" for one in numbers], reason="来电 13900139000 要求")


async def sends(house: House, service: Service, lane: str, number: str = NUMBER) -> str:
    """The fate of a message to somebody."""
    warning = await house.door(service).warn("generic", to=phone(number), lane=lane)  # type: ignore[arg-type]
    return (await warning.outcome(timeout=30)).state


async def records(service: Service) -> list[str]:
    store = service._open.building.store
    bodies = [row.body for chain, *_ in await store.chains() for row in await store.evidence(chain)]
    return [event["what"] for body in bodies if "optout" in (event := json.loads(body))["what"]]


async def test_bulk_is_held_back_until_the_person_comes_back_and_urgent_never(
    house: House, line: FarSide
) -> None:
    async with house.service() as service:
        await house.approve(service)
        assert (await service.opt_out(asked(NUMBER, NUMBER), house.local)).changed == 1
        assert (await service.opt_out(asked(NUMBER), house.local)).changed == 0
        assert await sends(house, service, "bulk") == "suppressed"
        assert await sends(house, service, "urgent") == "delivered"
        (row,) = (await service.opt_outs(OptOutQuery(), house.local)).items
        assert (row.target, row.reason) == ("phone:138****8000", "来电 139****9000 要求")
        assert (await service.opt_in(asked(NUMBER), house.local)).changed == 1
        assert await sends(house, service, "bulk") == "delivered"
        assert await records(service) == ["optout.add", "optout.add", "optout.remove"]
    assert len(line.written) == 2


async def test_an_answer_on_the_line_is_an_opt_out_on_record(house: House, line: FarSide) -> None:
    async with house.service() as service:
        await house.approve(service)
        answer = Uplink(phone(NUMBER), "退订", 0, is_opt_out=True)
        async with asyncio.timeout(30):
            await line.bring(answer).wait()
            await line.bring(answer).wait()
        assert await sends(house, service, "bulk") == "suppressed"
        assert await records(service) == ["optout.add"]


async def test_every_door_changes_the_same_list(house: House, tmp_path: Path) -> None:
    async with house.service() as service:
        token = await service.add_user("zhao", ["duty_officer"])
        async with connect(house.settings) as client:
            zhao = await client.authenticate(token)
            assert (await client.opt_out(asked("13800138001"), zhao)).changed == 1
            assert (await client.opt_in(asked("13800138001"), zhao)).changed == 1
            assert (await client.opt_outs(OptOutQuery(), zhao)).items == []
        stopping = Stopping()
        app = build_app(service, house.settings, stopping=stopping)
        async with (
            WebServer(app, house.settings.web, stopping).serving() as url,
            httpx.AsyncClient(
                base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
            ) as web,
        ):
            body = asked("13800138002").model_dump()
            assert (await web.post("/api/v1/optouts", json=body)).json()["changed"] == 1
            assert "138****8002" in (await web.get("/api/v1/optouts")).text
            assert (await web.post("/api/v1/optouts/remove", json=body)).json()["changed"] == 1
            wrong = await web.post("/api/v1/optouts", json={**body, "to": ["display:lobby"]})
            assert wrong.status_code == 422
        listed = tmp_path / "list.txt"
        listed.write_text("# 退订\n13800138003\nphone:13800138004\n", encoding="utf-8")
        assert await terminal(house, "import", str(listed), "--reason", "书面") == [
            {"named": 2, "changed": 2}
        ]
        assert await terminal(house, "remove", "13800138003", "--reason", "书面") == [
            {"named": 1, "changed": 1}
        ]
        (row,) = await terminal(house, "list")
        assert row["target"] == "phone:138****8004"


async def terminal(house: House, *words: str) -> list[dict[str, object]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fzalert.cli", "--json"),
        *("--config", str(house.folder / "fzalert.toml"), "optout"),
        *words,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


async def test_who_may_not_and_what_is_no_person_is_refused(house: House) -> None:
    async with house.service() as service:
        viewer = await service.authenticate(await service.add_user("sun", ["viewer"]))
        teller = await service.authenticate(await service.add_user("wang", ["teller"]))
        with pytest.raises(AccessDenied):
            await service.opt_outs(OptOutQuery(), viewer)
        await service.opt_out(asked(NUMBER), teller)
        with pytest.raises(AccessDenied):
            await service.opt_in(asked(NUMBER), teller)
        with pytest.raises(InputError) as refused:
            await service.opt_out(OptOutRequest(to=["speaker:atm"], reason="xx"), teller)
        assert (refused.value.field, refused.value.row) == ("to", 1)
