"""Several connections of one account, spare addresses, and what a gateway does to connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from pydantic import SecretStr

from fzalert.messages import (
    Appended,
    Coding,
    DeliveryReport,
    Lane,
    Receipt,
    ReceiptKind,
    SmsText,
    Uplink,
    phone,
)
from fzalert.ports import AdapterContext, Health, HealthState, Submission
from fzalert.testing import SCRIPT, FakeClock, RecordingWire, make_context
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import recount, recount_with_texts

TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)
QUIET = Knobs(response_delay_ms=0, missing_share=1.0)


def _config(port: int, **more: Any) -> CmppConfig:
    settings: dict[str, Any] = {
        "name": "cmpp-1",
        "host": "127.0.0.1",
        "port": port,
        "account": "901234",
        "secret": SecretStr("1234"),
        "service_id": "FZALERT",
        "src_id": "106980001234",
        "open_wait": 5,
    }
    return CmppConfig(**settings | more)


@asynccontextmanager
async def _slots(
    count: int, knobs: Knobs = QUIET, *, log: Path | None = None, **more: Any
) -> AsyncIterator[tuple[list[CmppGateway], CmppSimulator, AdapterContext]]:
    """So many slots of one channel, in one process as the engine runs them."""
    async with (
        make_context() as context,
        CmppSimulator(knobs, log=log) as simulator,
        AsyncExitStack() as stack,
    ):
        gateways = [
            await stack.enter_async_context(
                CmppGateway(_config(simulator.port, connections=count, slot=slot, **more), context)
            )
            for slot in range(count)
        ]
        yield gateways, simulator, context


def _batch(count: int, *, first: int = 1, lane: Lane = Lane.BULK) -> list[Submission]:
    return [
        Submission(first + n, 0, lane, phone(f"138{first + n:08d}"), TEXT, 2**62)
        for n in range(count)
    ]


async def _receipts(gateway: CmppGateway, batch: list[Submission]) -> list[Receipt]:
    wire = RecordingWire()
    async with asyncio.timeout(10):
        await gateway.submit(batch, wire)
    wire.check()
    return [wire.receipts[s.id, s.part] for s in batch]


async def _until(gateway: CmppGateway, context: AdapterContext, words: str) -> Health:
    """Wait until the channel says so of itself."""
    async with asyncio.timeout(5):
        while words not in (health := await gateway.health()).detail:
            await context.clock.sleep(0.01)
    return health


async def _next_row(gateway: CmppGateway) -> Appended:
    async with asyncio.timeout(5):
        batch = await anext(gateway.inbound())
    batch.acknowledge()
    (row,) = batch.rows
    return row


async def test_each_slot_has_its_own_connection_and_its_share_of_the_rate(tmp_path: Path) -> None:
    async with _slots(4, log=tmp_path / "log", rate=200, window=8) as (gateways, simulator, _):
        assert simulator.counts["logins"] == 4
        assert [g.capabilities.rate for g in gateways] == [50.0] * 4
        assert [g.capabilities.window for g in gateways] == [8] * 4
        async with asyncio.TaskGroup() as group:
            for slot, gateway in enumerate(gateways):
                group.create_task(_receipts(gateway, _batch(25, first=1 + 25 * slot)))
    total = recount(tmp_path / "log")
    assert (total.accepted, total.duplicates) == (100, 0)
    assert [one.submits for one in total.connections] == [25] * 4


async def test_wire_keys_differ_between_the_slots() -> None:
    async with _slots(2) as (gateways, _, _):
        keys: set[bytes] = set()
        for slot, gateway in enumerate(gateways):
            wire = RecordingWire()
            await gateway.submit(_batch(20, first=1 + 20 * slot), wire)
            keys |= set(wire.written.values())
    assert len(keys) == 40


async def test_a_report_on_the_other_connection_names_its_text() -> None:
    async with _slots(2) as (gateways, simulator, _):
        first, second = gateways
        (receipt,) = await _receipts(first, _batch(1))
        submit, msg_id, _ = simulator.submits[0]
        simulator.report(submit, msg_id, "DELIVRD", on=simulator.gateway.connections[1])
        row = await _next_row(second)
        assert isinstance(row, DeliveryReport)
        assert row.carrier_id == receipt.carrier_id
        await simulator.until(lambda: simulator.counts["acknowledged"] == 1)


async def test_one_connection_is_cut_and_the_other_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _slots(2, log=log) as (gateways, simulator, context):
        first, second = gateways
        simulator.gateway.connections[0].cut("the test cuts the first connection")
        wire = RecordingWire()
        going = asyncio.ensure_future(second.submit(_batch(200, first=500), wire))
        async with asyncio.timeout(5):
            while (await _receipts(first, _batch(1)))[0].kind is not ReceiptKind.SENT:
                await context.clock.sleep(0.01)
        await going
        assert {receipt.kind for receipt in wire.receipts.values()} == {ReceiptKind.SENT}
        assert simulator.counts["logins"] == 3
    total, sightings = recount_with_texts(log)
    assert (total.unanswered, total.duplicates) == (0, 0)
    assert sum(sighting.connection == 2 for sighting in sightings) == 200


async def test_a_login_too_many_waits_half_a_minute_and_leaves_the_others_alone() -> None:
    clock = FakeClock()
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, max_connections=1)
    async with (
        CmppSimulator(knobs) as simulator,
        make_context(clock=clock) as context,
        CmppGateway(_config(simulator.port, connections=2), context) as first,
        CmppGateway(
            _config(simulator.port, connections=2, slot=1, open_wait=0.2), context
        ) as second,
    ):
        (sent,) = await _receipts(first, _batch(1))
        assert sent.kind is ReceiptKind.SENT
        (down,) = await _receipts(second, _batch(1))
        assert down.kind is ReceiptKind.CHANNEL_DOWN
        assert 30 <= down.retry_after <= 60
        health = await second.health()
        assert health.state is HealthState.DOWN
        assert "状态 5" in health.detail
        assert (await first.health()).state is HealthState.UP
        clock.advance(29)
        await asyncio.sleep(0.05)
        assert simulator.gateway.attempts == 2
        simulator.change(max_connections=2)
        clock.advance(31)
        await simulator.until(lambda: simulator.counts["logins"] == 2)
        assert simulator.gateway.attempts == 3


async def test_a_gateway_that_closes_a_login_too_many_without_a_word_is_not_stormed() -> None:
    attempts: list[asyncio.StreamWriter] = []

    async def turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(writer)
        writer.close()

    server = await asyncio.start_server(turn_away, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with _slots(1) as ((first,), _, context):
        config = _config(port, connections=2, slot=1, open_wait=0.1)
        async with CmppGateway(config, context) as second:
            health = await _until(second, context, "更多连接")
            (down,) = await _receipts(second, _batch(1))
            assert 30 <= down.retry_after <= 60
        assert len(attempts) == 2, "once may be chance"
        assert health.state is HealthState.DOWN
        (sent,) = await _receipts(first, _batch(1))
        assert sent.kind is ReceiptKind.SENT
    server.close()
    await server.wait_closed()


async def test_parts_of_a_reply_on_different_connections_are_joined() -> None:
    async with _slots(2) as (gateways, simulator, _):
        one, two = simulator.gateway.connections
        for number, (text, on) in enumerate((("退", one), ("订", two)), start=1):
            simulator.write_part(
                "901234", "13800138000", (7, 2, number), text.encode("utf-16-be"), on=on
            )
            if number == 1:
                await simulator.until(lambda: one.session.unanswered == 1)
        row = await _next_row(gateways[1])
        await simulator.until(lambda: simulator.counts["acknowledged"] == 2)
    assert isinstance(row, Uplink)
    assert (row.text, row.is_opt_out) == ("退订", True)


async def test_a_part_that_was_not_answered_comes_again_after_a_cut() -> None:
    async with _slots(1) as ((gateway,), simulator, _):
        place, octets = (7, 2, 1), "我收到".encode("utf-16-be")
        simulator.write_part("901234", "13800138000", place, octets)
        await simulator.until(lambda: simulator.counts["delivered"] == 1)
        simulator.cut()
        await simulator.until(lambda: simulator.counts["delivered"] == 2)
        simulator.write_part("901234", "13800138000", (7, 2, 2), "了".encode("utf-16-be"))
        row = await _next_row(gateway)
        await simulator.until(lambda: simulator.unacknowledged == 0)
    assert isinstance(row, Uplink)
    assert row.text == "我收到了"


async def test_the_receive_connection_takes_reports_and_never_sends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _slots(2, log=log, receive_connection=True) as (gateways, simulator, context):
        await simulator.until(lambda: simulator.counts["logins"] == 3)
        for slot, gateway in enumerate(gateways):
            await _receipts(gateway, _batch(10, first=1 + 10 * slot))
        senders = {s.connection for s in recount_with_texts(log)[1]}
        assert len(senders) == 2
        (receiver,) = [c for c in simulator.gateway.connections if c.number not in senders]
        submit, msg_id, _ = simulator.submits[-1]
        simulator.report(submit, msg_id, "DELIVRD", on=receiver)
        row = await _next_row(gateways[0])
        assert isinstance(row, DeliveryReport)
        assert row.carrier_id == msg_id
        await simulator.until(lambda: simulator.counts["acknowledged"] == 1)
        await simulator.deafen()
        receiver.cut("the test cuts the receiver")
        health = await _until(gateways[0], context, "收不到状态报告")
        assert health.state is HealthState.SLOW
        assert (await _receipts(gateways[0], _batch(1, first=99)))[0].kind is ReceiptKind.SENT
        await simulator.listen()
        await simulator.until(lambda: simulator.counts["logins"] == 4)


async def test_the_next_address_is_dialled_at_once_and_stays() -> None:
    async with CmppSimulator(QUIET) as dead, CmppSimulator(QUIET) as spare, make_context() as c:
        await dead.deafen()
        config = _config(dead.port, extra_hosts=(f"127.0.0.1:{spare.port}",))
        async with CmppGateway(config, c) as gateway:
            assert spare.counts["logins"] == 1
            figures = dict((await gateway.health()).figures)
            assert figures["gateway"] == f"127.0.0.1:{spare.port}"
            await dead.listen()
            spare.cut()
            await spare.until(lambda: spare.counts["logins"] == 2)
            assert dead.counts["logins"] == 0, "the one that worked last is tried first"
            await spare.deafen()
            spare.cut()
            await dead.until(lambda: dead.counts["logins"] == 1)


async def test_a_gateway_that_closes_idle_connections_is_followed_and_loses_nothing(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, idle_close=1.1)
    with structlog.testing.capture_logs() as logs:
        async with _slots(1, knobs, log=log) as ((gateway,), simulator, context):
            await simulator.until(lambda: simulator.counts["logins"] >= 2)
            await _until(gateway, context, "已连接")
            (first,) = await _receipts(gateway, _batch(1))
            await simulator.until(lambda: simulator.counts["logins"] >= 3)
            await _until(gateway, context, "已连接")
            (second,) = await _receipts(gateway, _batch(1, first=2))
    assert (first.kind, second.kind) == (ReceiptKind.SENT, ReceiptKind.SENT)
    total = recount(log)
    assert (total.accepted, total.unanswered, total.duplicates) == (2, 0, 0)
    gaps = [
        second.opened_at - first.closed_at
        for first, second in zip(total.connections, total.connections[1:], strict=False)
        if first.closed_at is not None
    ]
    assert max(gaps) < 1.2
    assert {line["log_level"] for line in logs if line["event"] == "sms.lost"} == {"info"}


@pytest.mark.parametrize("version", ["3.0", "2.0"])
async def test_terminate_under_load_loses_nothing_and_leaves_nothing_unknown(
    tmp_path: Path, version: str
) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=30, missing_share=1.0)
    async with _slots(1, knobs, log=log, version=version) as ((gateway,), simulator, context):
        wire = RecordingWire()
        todo = _batch(300)
        going = asyncio.ensure_future(gateway.submit(todo, wire))
        await wire.until_settled(20)
        simulator.leave()
        await going
        fates = wire.fates(todo)
        assert fates.count(ReceiptKind.UNKNOWN) == 0
        down = [one for one, fate in zip(todo, fates, strict=True) if fate is not ReceiptKind.SENT]
        assert 0 < len(down) < 280
        await simulator.until(lambda: simulator.counts["logins"] == 2)
        await _until(gateway, context, "已连接")
        wire.forget(down)
        async with asyncio.timeout(10):
            await gateway.submit(down, wire)
        assert wire.fates(todo) == [ReceiptKind.SENT] * 300
    total = recount(log)
    assert (total.accepted, total.unanswered, total.duplicates) == (300, 0, 0)


async def test_a_gateway_that_does_not_speak_3_0_is_asked_in_2_0_at_once() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, highest_version="2.0")
    async with _slots(1, knobs) as ((gateway,), simulator, _):
        assert simulator.gateway.attempts == 2
        (receipt,) = await _receipts(gateway, _batch(1))
        assert receipt.kind is ReceiptKind.SENT
        assert "CMPP 2.0" in (await gateway.health()).detail


@pytest.mark.parametrize("knobs", [Knobs(highest_version="2.0"), Knobs(layout="2.0")])
async def test_a_lower_version_is_no_login_where_the_settings_forbid_it(knobs: Knobs) -> None:
    more: dict[str, Any] = {"allow_lower_version": False, "open_wait": 0.3}
    async with _slots(1, knobs, **more) as ((gateway,), _, _):
        health = await gateway.health()
        assert health.state is HealthState.DOWN
        assert "状态 4" in health.detail
        (receipt,) = await _receipts(gateway, _batch(1))
        assert receipt.retry_after >= 60


async def test_a_login_with_a_clock_far_off_is_mended_by_the_setting() -> None:
    knobs = Knobs(max_skew=300, clock_offset=3600)
    async with _slots(1, knobs, open_wait=0.3) as ((gateway,), _, _):
        health = await gateway.health()
        assert "状态 3" in health.detail
        assert "时钟" in health.detail
    async with _slots(1, knobs, clock_skew=3600) as ((gateway,), simulator, _):
        assert (await gateway.health()).state is HealthState.UP
        assert simulator.counts["logins"] == 1
