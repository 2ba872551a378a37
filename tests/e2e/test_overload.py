"""Ten times too much, and a clock that jumps: bulk waits outside, urgent goes on, nothing twice."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from fzalert.errors import Overloaded
from fzalert.messages import Lane, Receipt, ReceiptKind, phone
from fzalert.service import Service
from fzalert.service.models import WarnRequest
from fzalert.testing.engine import FarSide, Play, sms, take_everything
from fzalert.testing.house import LOUD, House
from fzalert.web import Stopping, WebServer, build_app

TIGHT = "[limits]\nbulk_queue = 1000\n" + LOUD


def bulk(batch: int) -> WarnRequest:
    numbers = [f"phone:139{batch:04d}{n:04d}" for n in range(300)]
    return WarnRequest(script="generic", to=numbers, lane="bulk", key=f"B{batch}")


async def test_above_the_mark_bulk_comes_later_and_urgent_now(tmp_path: Path) -> None:
    line = FarSide(capabilities=sms(reports=False))
    line.gate.clear()  # nothing is answered: what is taken waits
    house = House(tmp_path, {"sms": line.make}, TIGHT)
    async with house.service() as service:
        await house.approve(service)
        token = await service.add_user("wang", ["teller"])
        with pytest.raises(Overloaded) as refused:
            for batch in range(6):
                await service.warn_request(bulk(batch), house.local)
        assert refused.value.retry_after is not None
        assert 5 <= refused.value.retry_after.total_seconds() <= 300
        outcome = (
            await house.door(service).warn("generic", to=phone("13700000000"), lane="bulk")
        ).known
        assert outcome.state in {"failed", "open"}  # one more may still fit
        stopping = Stopping()
        app = build_app(service, house.settings, stopping=stopping)
        async with (
            WebServer(app, house.settings.web, stopping).serving() as url,
            httpx.AsyncClient(
                base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
            ) as web,
        ):
            late = await web.post(
                "/api/v1/warnings",
                json=bulk(7).model_dump(exclude={"key"}),
                headers={"Idempotency-Key": "B7"},
            )
            assert (late.status_code, late.json()["code"]) == (429, "overloaded")
            assert 5 <= int(late.headers["retry-after"]) <= 300
        line.gate.set()
        urgent = await house.door(service).warn("generic", to=phone("13800138000"))
        assert (await urgent.outcome(timeout=60)).state == "delivered"

        async def drained() -> bool:
            return await service._open.building.store.queued("sms", Lane.BULK) < 600

        seen = 0
        async with asyncio.timeout(60):
            while not await drained():
                seen = await service.changed(seen, 5)
        await service.warn_request(bulk(8), house.local)


async def acts(service: Service) -> list[str]:
    store = service._open.building.store
    bodies = [row.body for chain, *_ in await store.chains() for row in await store.evidence(chain)]
    return [json.loads(body)["what"] for body in bodies]


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_jump_of_the_clock_is_shown_and_sends_nothing_twice(
    tmp_path: Path, hours: int
) -> None:
    line = FarSide(lambda _: Play.SILENT, sms(reports=False))
    house = House(tmp_path, {"sms": line.make})
    house.clock.shift = timedelta(hours=-3)  # so that the approval is older than the jump
    async with house.service() as service:
        await house.approve(service)
    house.clock.shift = timedelta(0)
    async with house.service() as service:
        engine = service._open.building.engine
        epochs = [slot.lease.epoch for slot in engine.channels["sms"].slots]
        lost = await house.door(service).warn("generic", to=phone("13800138000"), lane="bulk")
        assert (await lost.outcome(timeout=60)).state == "unknown"
        house.clock.shift += timedelta(hours=hours)
        line.answer = take_everything
        async with asyncio.timeout(60):
            while not (await service.status()).clock_suspect:
                await service.clock.sleep(0.1)
        fresh = await house.door(service).warn("generic", to=phone("13900139000"))
        assert (await fresh.outcome(timeout=60)).state == "delivered"
        assert (await lost.outcome()).state == "unknown"
        assert [slot.lease.epoch for slot in engine.channels["sms"].slots] == epochs
        assert "clock.jump" in await acts(service)
        house.clock.shift -= timedelta(hours=hours)
        async with asyncio.timeout(60):
            while (await service.status()).clock_suspect:
                await service.clock.sleep(0.1)
    numbers = [written.part.target.address for written in line.written]
    assert len(numbers) == len(set(numbers)) == 2


async def test_a_clock_that_is_set_back_lets_no_retry_wait_longer(tmp_path: Path) -> None:
    later = Receipt(ReceiptKind.THROTTLED, retry_after=10)
    line = FarSide(lambda _: later, sms(reports=False))
    house = House(tmp_path, {"sms": line.make})
    house.clock.shift = timedelta(hours=-3)  # so that the approval is older than the jump
    async with house.service() as service:
        await house.approve(service)
    house.clock.shift = timedelta(0)
    async with house.service() as service:
        waiting = await house.door(service).warn(
            "generic", to=phone("13900139000"), lane="urgent", expires_in=timedelta(minutes=5)
        )
        async with asyncio.timeout(60):
            while not line.written:
                await service.clock.sleep(0.05)
        line.answer = take_everything
        house.clock.shift -= timedelta(hours=1)
        assert (await waiting.outcome(timeout=120)).state == "delivered"
