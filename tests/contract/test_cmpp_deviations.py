"""The simulated gateway with the manners of real ones, seen through the channel."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from fzalert.messages import (
    Appended,
    Coding,
    DeliveryReport,
    Lane,
    Receipt,
    ReceiptKind,
    ReportKind,
    Scope,
    SmsText,
    phone,
)
from fzalert.ports import AdapterContext, HealthState, Submission
from fzalert.scripts import cut
from fzalert.testing import SCRIPT, FakeClock, RecordingWire, make_context
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import recount_with_texts

FOREVER = 2**62
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)
LONG = SmsText(("反" * 67, "诈" * 67, "中心"), Coding.UCS2, SCRIPT)
both_versions = pytest.mark.parametrize("version", ["3.0", "2.0"])


@asynccontextmanager
async def _line(
    knobs: Knobs, *, log: Path | None = None, clock: FakeClock | None = None, **more: Any
) -> AsyncIterator[tuple[CmppGateway, CmppSimulator, AdapterContext]]:
    async with make_context(clock=clock) as context, CmppSimulator(knobs, log=log) as simulator:
        settings: dict[str, Any] = {
            "name": "cmpp-1",
            "host": "127.0.0.1",
            "port": simulator.port,
            "account": "901234",
            "secret": SecretStr("1234"),
            "service_id": "FZALERT",
            "src_id": "106980001234",
            "open_wait": 5,
        }
        async with CmppGateway(CmppConfig(**settings | more), context) as gateway:
            yield gateway, simulator, context


def _batch(count: int, *, first: int = 1, lane: Lane = Lane.BULK) -> list[Submission]:
    return [
        Submission(first + n, 0, lane, phone(f"138{first + n:08d}"), TEXT, FOREVER)
        for n in range(count)
    ]


def _long(id_: int) -> list[Submission]:
    target = phone("13900139000")
    return [Submission(id_, n, Lane.BULK, target, LONG, FOREVER) for n in range(3)]


async def _receipts(gateway: CmppGateway, batch: list[Submission]) -> list[Receipt]:
    wire = RecordingWire()
    async with asyncio.timeout(10):
        await gateway.submit(batch, wire)
    wire.check()
    return [wire.receipts[s.id, s.part] for s in batch]


async def _rows(gateway: CmppGateway, count: int) -> list[Appended]:
    found: list[Appended] = []
    async with asyncio.timeout(10):
        async for batch in gateway.inbound():
            found.extend(batch.rows)
            batch.acknowledge()
            if len(found) >= count:
                break
    return found


@both_versions
@pytest.mark.parametrize("form", ["plain", "other", "seconds", "blank", "head", "86"])
async def test_reports_of_any_form_settle_their_texts(version: str, form: Any) -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=1, report_form=form, short_tails=True)
    async with _line(knobs, version=version) as (gateway, simulator, _):
        receipts = await _receipts(gateway, _batch(20))
        rows = await _rows(gateway, 20)
        await simulator.until(lambda: simulator.unacknowledged == 0)
        figures = dict((await gateway.health()).figures)
    told = {}
    for row in rows:
        assert isinstance(row, DeliveryReport)
        assert row.kind is ReportKind.DELIVERED
        assert row.target is not None
        assert (row.at > 0) == (form in {"plain", "other", "seconds", "86"})
        told[row.carrier_id] = row.target.address
    assert told == {r.carrier_id: f"+86138{n:08d}" for n, r in enumerate(receipts, start=1)}
    assert figures["odd reports"] == (20 if form in {"seconds", "head"} else 0)


@both_versions
async def test_a_gateway_without_ids_leaves_its_texts_unknown(version: str) -> None:
    knobs = Knobs(response_delay_ms=0, gives_ids=False)
    async with _line(knobs, version=version) as (gateway, simulator, _):
        receipts = await _receipts(gateway, _batch(3))
        assert simulator.counts["accepted"] == 3
    assert {r.kind for r in receipts} == {ReceiptKind.UNKNOWN}
    assert {r.carrier_id for r in receipts} == {b""}


async def test_a_living_gateway_that_answers_tests_with_a_bare_header_keeps_its_link() -> None:
    knobs = Knobs(response_delay_ms=0, bare_tests=True)
    async with _line(knobs, keep_alive=0.1, keep_alive_timeout=0.1) as (gateway, simulator, _):
        heard: list[bytes] = []
        simulator.gateway.connections[0].session.tap = heard.append
        tests = b"\x00\x00\x00\x08"
        await simulator.until(lambda: [frame[4:8] for frame in heard].count(tests) >= 5)
        assert simulator.counts["logins"] == 1
        assert (await gateway.health()).state is HealthState.UP


async def test_a_text_leaves_room_for_the_signature_that_the_gateway_adds() -> None:
    signature, body = "某某市公安局", "反诈中心提醒" * 11 + "请"
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, adds_signature=signature)
    reserved = cut(body, Coding.UCS2, reserve_first=len(signature) + 2)
    careless = cut(body, Coding.UCS2)
    assert (len(reserved.parts), len(careless.parts)) == (2, 1)
    async with _line(knobs, gateway_adds=len(signature) + 2) as (gateway, simulator, _):
        profile = gateway.capabilities.text
        assert profile is not None
        assert profile.gateway_adds == len(signature) + 2
        for number, parts in enumerate((reserved.parts, careless.parts)):
            text = SmsText(parts, Coding.UCS2, SCRIPT)
            batch = [
                Submission(number, n, Lane.BULK, phone("13800138000"), text, FOREVER)
                for n in range(len(parts))
            ]
            kinds = {r.kind for r in await _receipts(gateway, batch)}
            assert kinds == {ReceiptKind.PERMANENT if number else ReceiptKind.SENT}
        sent = [s.content for s, _, result in simulator.submits if result == 0]
    assert "".join(c[6:].decode("utf-16-be") for c in sent) == body, "the signature is not ours"


@both_versions
@pytest.mark.parametrize("which", ["first", "last"])
async def test_one_report_of_a_long_text_counts_for_all_its_parts(version: str, which: Any) -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=20, report_parts=which)
    async with _line(knobs, version=version, report_parts=which) as (gateway, simulator, _):
        receipts = await _receipts(gateway, _long(7))
        short = await _receipts(gateway, _batch(1))
        rows = await _rows(gateway, 4)
        await simulator.until(lambda: simulator.unacknowledged == 0)
        assert simulator.counts["acknowledged"] == 2
    reports = [row for row in rows if isinstance(row, DeliveryReport)]
    assert {r.carrier_id for r in reports} == {r.carrier_id for r in [*receipts, *short]}
    assert {r.kind for r in reports} == {ReportKind.DELIVERED}


async def test_any_report_of_a_long_text_counts_where_the_settings_say_so() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0)
    async with _line(knobs, report_parts="any") as (gateway, simulator, _):
        receipts = await _receipts(gateway, _long(7))
        submit, msg_id, _ = simulator.submits[1]
        simulator.report(submit, msg_id, "UNDELIV")
        rows = await _rows(gateway, 3)
    kinds = {r.carrier_id: r.kind for r in rows if isinstance(r, DeliveryReport)}
    assert kinds == {r.carrier_id: ReportKind.UNDELIVERED for r in receipts}


@both_versions
@pytest.mark.parametrize("asked", [True, False])
async def test_the_end_of_a_text_travels_with_it_where_the_settings_ask(
    version: str, asked: bool
) -> None:
    clock = FakeClock()  # 2026-11-24, 18:00 in Beijing
    knobs = Knobs(response_delay_ms=0, missing_share=1.0)
    async with _line(knobs, clock=clock, version=version, validity=asked) as (gateway, sim, _):
        now = clock.millis()
        lives = (timedelta(minutes=10), timedelta(hours=30, seconds=31), timedelta(days=30))
        batch = [
            one._replace(not_after=now + int(life.total_seconds() * 1000))
            for one, life in zip(_batch(3), lives, strict=True)
        ]
        await _receipts(gateway, batch)
        seen = [submit.valid_time for submit, _, _ in sim.submits]
    wanted = ["261124181000032+", "261126000000032+", ""]
    assert seen == (wanted if asked else [""] * 3)


async def test_reports_of_overflow_pause_bulk_and_tell_the_engine_once() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0)
    async with _line(knobs) as (gateway, simulator, context):
        await _receipts(gateway, _batch(20))
        for submit, msg_id, _ in simulator.submits[:5]:
            simulator.report(submit, msg_id, "MO:0008")
        rows = await _rows(gateway, 5)
        health = await gateway.health()
        began = context.clock.monotonic()
        wire, batch = RecordingWire(), _batch(10, first=100)
        going = asyncio.ensure_future(gateway.submit(batch, wire))
        await wire.until_settled(1)
        assert wire.written == {}
        (urgent,) = await _receipts(gateway, _batch(1, first=500, lane=Lane.URGENT))
        assert urgent.kind is ReceiptKind.SENT
        assert context.clock.monotonic() - began < 0.9, "urgent does not wait"
        await going
        took = context.clock.monotonic() - began
    for row in rows:
        assert isinstance(row, DeliveryReport)
        assert (row.kind, row.code) == (ReportKind.UNDELIVERED, "MO:0008")
        assert "over the flow limit" in row.detail
    assert health.state is HealthState.SLOW
    assert "超过流量" in health.detail
    fates = wire.fates(batch)
    assert fates == [ReceiptKind.THROTTLED] + [ReceiptKind.SENT] * 9
    told = wire.receipts[100, 0]
    assert 0 < told.retry_after <= 1
    assert told.scope is Scope.CHANNEL
    assert 0.7 < took < 3


async def test_a_pause_for_overflow_ends_with_the_line() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0)
    wire, batch = RecordingWire(), _batch(3, first=100)
    async with _line(knobs) as (gateway, simulator, context):
        await _receipts(gateway, _batch(1))
        submit, msg_id, _ = simulator.submits[0]
        simulator.report(submit, msg_id, "MO:0008")
        await _rows(gateway, 1)
        began = context.clock.monotonic()
        going = asyncio.ensure_future(gateway.submit(batch, wire))
        await wire.until_settled(1)
    await going
    assert context.clock.monotonic() - began < 0.9
    assert set(wire.fates(batch)) == {ReceiptKind.THROTTLED, ReceiptKind.CHANNEL_DOWN}


async def test_a_number_over_its_limit_gets_no_more_bulk_today_but_the_urgent() -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=1, per_number=1)
    async with _line(knobs) as (gateway, simulator, _):
        await _receipts(gateway, _batch(2))
        await _rows(gateway, 2)
        await _receipts(gateway, _batch(1))
        (row,) = await _rows(gateway, 1)
        assert isinstance(row, DeliveryReport)
        assert (row.kind, row.code) == (ReportKind.UNDELIVERED, "MA:0022")
        before = simulator.counts["submits"]
        refused, sent = await _receipts(gateway, _batch(2))
        assert (refused.kind, refused.scope) == (ReceiptKind.PERMANENT, Scope.RECIPIENT)
        assert (refused.code, refused.suppress) == ("MA:0022", False)
        assert "today" in refused.detail
        assert sent.kind is ReceiptKind.SENT
        assert simulator.counts["submits"] == before + 1
        (urgent,) = await _receipts(gateway, _batch(1, lane=Lane.URGENT))
        assert urgent.kind is ReceiptKind.SENT


async def test_the_settings_say_what_a_gateways_own_codes_mean() -> None:
    own: dict[str, Any] = {
        "result_table": {"106": "opt_out"},
        "report_table": {"MK:": "overflow", "MA:0022": "no_report"},
    }
    knobs = Knobs(response_delay_ms=0, missing_share=1.0)
    async with _line(knobs, **own) as (gateway, simulator, _):
        await _receipts(gateway, _batch(1))
        simulator.gateway.next_answers.append(106)
        (refused,) = await _receipts(gateway, _batch(1, first=2))
        submit, msg_id, _ = simulator.submits[0]
        simulator.report(submit, msg_id, "MA:0022")
        (row,) = await _rows(gateway, 1)
        assert isinstance(row, DeliveryReport)
        assert row.kind is ReportKind.NO_REPORT
        assert (await _receipts(gateway, _batch(1)))[0].kind is ReceiptKind.SENT
        simulator.report(submit, msg_id, "MK:0007")
        await _rows(gateway, 1)
        assert "超过流量" in (await gateway.health()).detail
    assert (refused.kind, refused.suppress) == (ReceiptKind.PERMANENT, True)


async def test_a_gateway_that_becomes_slow_without_a_word_is_seen() -> None:
    clock = FakeClock()
    knobs = Knobs(response_delay_ms=100, missing_share=1.0)
    async with _line(knobs, clock=clock, late_after=30) as (gateway, simulator, _):
        wire = RecordingWire()
        going = asyncio.ensure_future(gateway.submit(_batch(8), wire))
        await simulator.until(lambda: simulator.counts["submits"] == 8)
        clock.advance(6)
        await going
        health = await gateway.health()
        assert health.state is HealthState.SLOW
        assert "slow answers" in health.detail
        assert dict(health.figures)["95 % of answers within ms"] == 6000


async def test_a_window_that_stays_full_is_seen(tmp_path: Path) -> None:
    clock = FakeClock()
    knobs = Knobs(response_delay_ms=60_000, missing_share=1.0)
    more: dict[str, Any] = {"window": 4, "late_after": 60}
    async with _line(knobs, log=tmp_path / "log", clock=clock, **more) as (gateway, simulator, _):
        wire = RecordingWire()
        going = asyncio.ensure_future(gateway.submit(_batch(6), wire))
        await wire.until_written(2)
        for _ in range(12):
            await clock.until_sleeping()
            clock.advance(1)
            await asyncio.sleep(0)
        health = await gateway.health()
        assert health.state is HealthState.SLOW
        assert "the window has been full" in health.detail
        await simulator.until(lambda: simulator.counts["submits"] == 2)
        simulator.cut()
        await going
    total, _ = recount_with_texts(tmp_path / "log")
    assert total.max_unanswered == 2
