"""The CMPP channel against its simulated gateway: refusals, silence, cuts, the window."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from pydantic import SecretStr

from fzalert.messages import (
    Appended,
    Coding,
    Lane,
    LateReceipt,
    Receipt,
    ReceiptKind,
    Scope,
    SmsText,
    phone,
)
from fzalert.ports import AdapterContext, HealthState, Submission
from fzalert.testing import SCRIPT, FakeClock, RecordingWire, make_context
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import recount_with_texts

FOREVER = 2**62
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)
LONG = SmsText(("反" * 67, "诈" * 67, "中心"), Coding.UCS2, SCRIPT)


def _config(simulator: CmppSimulator, **more: Any) -> CmppConfig:
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
    return CmppConfig(**settings | more)


@asynccontextmanager
async def _line(
    knobs: Knobs | None = None, *, log: Path | None = None, **more: Any
) -> AsyncIterator[tuple[CmppGateway, CmppSimulator, AdapterContext]]:
    knobs = knobs or Knobs(response_delay_ms=0, missing_share=1.0)
    async with (
        make_context() as context,
        CmppSimulator(knobs, log=log) as simulator,
        CmppGateway(_config(simulator, **more), context) as gateway,
    ):
        yield gateway, simulator, context


def _batch(count: int, *, first: int = 1, lane: Lane = Lane.BULK) -> list[Submission]:
    return [
        Submission(first + n, 0, lane, phone(f"138{first + n:08d}"), TEXT, FOREVER)
        for n in range(count)
    ]


def _long(id_: int) -> list[Submission]:
    target = phone("13900139000")
    return [Submission(id_, n, Lane.URGENT, target, LONG, FOREVER) for n in range(3)]


async def _receipts(gateway: CmppGateway, batch: list[Submission]) -> list[Receipt]:
    wire = RecordingWire()
    async with asyncio.timeout(10):
        await gateway.submit(batch, wire)
    wire.check()
    return [wire.receipts[s.id, s.part] for s in batch]


async def _next_row(gateway: CmppGateway) -> Appended:
    async with asyncio.timeout(5):
        batch = await anext(gateway.inbound())
    batch.acknowledge()
    (row,) = batch.rows
    return row


async def test_a_batch_beyond_the_window_goes_out_in_portions_and_never_exceeds_it(
    tmp_path: Path,
) -> None:
    knobs = Knobs(response_delay_ms=1, missing_share=1.0)
    async with _line(knobs, log=tmp_path / "log", window=8) as (gateway, _, _):
        receipts = await _receipts(gateway, _batch(200))
    assert {receipt.kind for receipt in receipts} == {ReceiptKind.SENT}
    assert len({receipt.carrier_id for receipt in receipts}) == 200
    total, _ = recount_with_texts(tmp_path / "log")
    assert (total.accepted, total.distinct, total.duplicates) == (200, 200, 0)
    assert total.max_unanswered == 6, "bulk leaves the reserve of two"


async def test_urgent_passes_a_full_bulk_lane() -> None:
    knobs = Knobs(response_delay_ms=50, missing_share=1.0)
    async with _line(knobs, window=4) as (gateway, simulator, _):
        wire = RecordingWire()
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(gateway.submit(_batch(16), wire))
            await wire.until_settled(2)
            urgent = _batch(1, first=500, lane=Lane.URGENT)
            (receipt,) = await _receipts(gateway, urgent)
            assert receipt.kind is ReceiptKind.SENT
            assert len(wire.receipts) < 10
            await wire.until_settled(16)
        assert simulator.counts["accepted"] == 17


@pytest.mark.parametrize(
    ("result", "kind", "scope"),
    [
        (1, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (3, ReceiptKind.UNKNOWN, Scope.MESSAGE),
        (7, ReceiptKind.PERMANENT, Scope.CHANNEL),
        (8, ReceiptKind.THROTTLED, Scope.CHANNEL),
        (13, ReceiptKind.PERMANENT, Scope.RECIPIENT),
        (77, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (130, ReceiptKind.TEMPORARY, Scope.MESSAGE),
        (-1, ReceiptKind.UNKNOWN, Scope.MESSAGE),
    ],
)
async def test_a_result_is_read_as_its_receipt(
    result: int, kind: ReceiptKind, scope: Scope
) -> None:
    async with _line() as (gateway, simulator, _):
        simulator.gateway.next_answers.append(result)
        (receipt,) = await _receipts(gateway, _batch(1))
    assert (receipt.kind, receipt.scope) == (kind, scope)
    assert receipt.code == str(max(0, result))
    assert receipt.detail
    assert (receipt.retry_after > 0) == (kind is ReceiptKind.THROTTLED)


@pytest.mark.parametrize(("lane", "pause"), [(Lane.BULK, 1.0), (Lane.URGENT, 0.2)])
async def test_an_urgent_part_that_is_throttled_comes_again_sooner(
    lane: Lane, pause: float
) -> None:
    async with _line() as (gateway, simulator, _):
        simulator.gateway.next_answers.append(8)
        (receipt,) = await _receipts(gateway, _batch(1, lane=lane))
    assert (receipt.kind, receipt.retry_after) == (ReceiptKind.THROTTLED, pause)


async def test_an_unmapped_refusal_is_told_once_by_its_number() -> None:
    async with _line() as (gateway, simulator, _):
        simulator.gateway.next_answers.extend([77, 77, 77])
        with structlog.testing.capture_logs() as logs:
            await _receipts(gateway, _batch(3))
    told = [line for line in logs if line["event"] == "sms.refused"]
    assert [line["code"] for line in told] == [77]


async def test_a_throttled_part_comes_again_with_its_reference() -> None:
    async with _line() as (gateway, simulator, _):
        simulator.gateway.next_answers.extend([0x7F, 8])
        first = await _receipts(gateway, _long(7))
        assert first[1].kind is ReceiptKind.THROTTLED
        (again,) = await _receipts(gateway, [_long(7)[1]])
        assert again.kind is ReceiptKind.SENT
        headers = {submit.content[:4] for submit, _, _ in simulator.submits}
        parts = [(s.pk_number, s.content[4:6], s.pk_total) for s, _, _ in simulator.submits]
    assert len(headers) == 1
    assert parts == [
        (1, b"\x03\x01", 3), (2, b"\x03\x02", 3), (3, b"\x03\x03", 3), (2, b"\x03\x02", 3),
    ]  # fmt: skip


async def test_the_text_and_the_number_travel_as_the_settings_say() -> None:
    texts = {
        Coding.UCS2: ("反诈😀", 8, "utf-16-be"),
        Coding.ASCII: ("Call 96110", 0, "ascii"),
        Coding.GB18030: ("反诈中心", 15, "gb18030"),
    }
    async with _line(number_format="86") as (gateway, simulator, _):
        for n, (coding, (text, _, _)) in enumerate(texts.items()):
            rendition = SmsText((text,), coding, SCRIPT)
            target = phone("13800138000")
            await _receipts(gateway, [Submission(n, 0, Lane.BULK, target, rendition, FOREVER)])
        for (submit, _, _), (text, msg_fmt, codec) in zip(
            simulator.submits, texts.values(), strict=True
        ):
            assert submit.destinations == ("8613800138000",)
            assert (submit.msg_fmt, submit.content.decode(codec)) == (msg_fmt, text)
            assert (submit.registered_delivery, submit.tp_udhi, submit.pk_total) == (1, 0, 1)
            assert (submit.service_id, submit.src_id) == ("FZALERT", "106980001234")


@pytest.mark.parametrize(
    "rendition",
    [
        SmsText(("一" * 71,), Coding.UCS2, SCRIPT),
        SmsText(("反诈",), Coding.ASCII, SCRIPT),
        SmsText(("",), Coding.UCS2, SCRIPT),
        SmsText(("a" * 160,), Coding.ASCII, SCRIPT),
    ],
)
async def test_a_text_that_cannot_travel_is_refused_and_harms_no_other(rendition: SmsText) -> None:
    bad = Submission(1, 0, Lane.BULK, phone("13800138000"), rendition, FOREVER)
    async with _line() as (gateway, _, _):
        refused, sent = await _receipts(gateway, [bad, *_batch(1, first=2)])
    assert (refused.kind, sent.kind) == (ReceiptKind.PERMANENT, ReceiptKind.SENT)
    assert refused.detail


async def test_a_warning_past_its_time_is_neither_written_nor_settled() -> None:
    async with _line() as (gateway, simulator, context):
        late = _batch(1)[0]._replace(not_after=context.clock.millis() - 1)
        wire = RecordingWire()
        await gateway.submit([late], wire)
        assert not wire.written
        assert not wire.receipts
        assert simulator.counts["submits"] == 0


async def test_a_link_cut_with_a_full_window_leaves_it_unknown_and_the_rest_unsent(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    knobs = Knobs(is_silent=False, response_delay_ms=60_000, missing_share=1.0)
    async with _line(knobs, log=log, window=16, late_after=30) as (gateway, simulator, _):
        batch = _batch(40, lane=Lane.URGENT)
        wire = RecordingWire()
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(gateway.submit(batch, wire))
            await wire.until_written(16)
            await simulator.until(lambda: simulator.counts["submits"] == 16)
            simulator.cut()
        wire.check()
        fates = wire.fates(batch)
    assert fates == [ReceiptKind.UNKNOWN] * 16 + [ReceiptKind.CHANNEL_DOWN] * 24
    assert len(set(wire.written.values())) == 16
    total, sightings = recount_with_texts(log)
    assert (total.submits, total.unanswered, total.accepted) == (16, 16, 0)
    assert {sighting.text.number for sighting in sightings} == {
        submission.target.address.removeprefix("+86") for submission in batch[:16]
    }


@pytest.mark.parametrize("reset", [True, False])
async def test_the_first_text_after_a_cut_leaves_within_a_second(
    tmp_path: Path, reset: bool
) -> None:
    async with _line(log=tmp_path / "log") as (gateway, simulator, context):
        await _receipts(gateway, _batch(3))
        simulator.cut(reset=reset)
        await simulator.until(lambda: not simulator.gateway.connections)
        kind, tries = ReceiptKind.CHANNEL_DOWN, 0
        while kind is not ReceiptKind.SENT:
            tries += 1
            (receipt,) = await _receipts(gateway, _batch(1, first=100 + tries))
            kind = receipt.kind
            await context.clock.sleep(0.01)
    total, _ = recount_with_texts(tmp_path / "log")
    first, second = total.connections
    assert first.closed_at is not None
    assert second.first_submit_at is not None
    assert second.first_submit_at - first.closed_at < 1.0
    assert total.duplicates == 0


async def test_terminate_of_the_gateway_leaves_the_open_parts_unknown_and_the_line_comes_back() -> (
    None
):
    knobs = Knobs(response_delay_ms=60_000, missing_share=1.0)
    async with _line(knobs, late_after=30) as (gateway, simulator, _):
        wire = RecordingWire()
        batch = _batch(3)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(gateway.submit(batch, wire))
            await simulator.until(lambda: simulator.counts["submits"] == 3)
            simulator.leave()
        assert wire.fates(batch) == [ReceiptKind.UNKNOWN] * 3
        await simulator.until(lambda: simulator.counts["logins"] == 2)


async def test_it_comes_back_after_an_outage() -> None:
    async with _line() as (gateway, simulator, context):
        await simulator.deafen()
        simulator.cut()
        async with asyncio.timeout(5):
            while (health := await gateway.health()).state is not HealthState.DOWN:
                await context.clock.sleep(0.01)
        (receipt,) = await _receipts(gateway, _batch(1))
        assert receipt.kind is ReceiptKind.CHANNEL_DOWN
        assert "重试" in health.detail
        assert "next try in" in health.detail
        await simulator.listen()
        await simulator.until(lambda: simulator.counts["logins"] == 2)


async def test_an_answer_that_comes_late_is_first_unknown_then_a_late_receipt() -> None:
    knobs = Knobs(response_delay_ms=300, missing_share=1.0)
    async with _line(knobs, late_after=0.1) as (gateway, _, _):
        (receipt,) = await _receipts(gateway, _batch(1))
        assert receipt.kind is ReceiptKind.UNKNOWN
        assert (await gateway.health()).state is HealthState.SLOW
        row = await _next_row(gateway)
    assert isinstance(row, LateReceipt)
    assert (row.id, row.part, row.receipt.kind) == (1, 0, ReceiptKind.SENT)
    assert len(row.receipt.carrier_id) == 8


async def test_the_answer_to_a_submit_that_was_cancelled_is_a_late_receipt() -> None:
    knobs = Knobs(response_delay_ms=100, missing_share=1.0)
    async with _line(knobs) as (gateway, simulator, _):
        wire = RecordingWire()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await gateway.submit(_batch(1), wire)
        assert simulator.counts["submits"] == 1
        row = await _next_row(gateway)
    assert wire.receipts == {}
    assert isinstance(row, LateReceipt)
    assert row.receipt.kind is ReceiptKind.SENT


async def test_lost_answers_do_not_stall_the_lane() -> None:
    knobs = Knobs(response_delay_ms=0, drop_share=0.5, missing_share=1.0)
    async with _line(knobs, window=64, late_after=0.2) as (gateway, _, _):
        receipts = await _receipts(gateway, _batch(40))
    kinds = [receipt.kind for receipt in receipts]
    assert set(kinds) == {ReceiptKind.SENT, ReceiptKind.UNKNOWN}


async def test_a_window_full_of_silence_turns_the_next_away_unwritten() -> None:
    knobs = Knobs(drop_share=1.0, missing_share=1.0)
    async with _line(knobs, window=4, late_after=0.2) as (gateway, _, _):
        kinds = [r.kind for r in await _receipts(gateway, _batch(6, lane=Lane.URGENT))]
        assert kinds == [ReceiptKind.UNKNOWN] * 4 + [ReceiptKind.CHANNEL_DOWN] * 2


async def test_requests_given_up_in_a_row_make_a_new_link() -> None:
    knobs = Knobs(drop_share=1.0, missing_share=1.0)
    async with _line(knobs, late_after=0.1, submit_timeout=0.2) as (gateway, simulator, _):
        await _receipts(gateway, _batch(3))
        await simulator.until(lambda: simulator.counts["logins"] == 2)


async def test_a_dead_peer_is_found_within_two_keep_alives() -> None:
    settings: dict[str, Any] = {"keep_alive": 0.4, "keep_alive_timeout": 0.13}
    knobs = Knobs(answers_tests=False)
    async with _line(knobs, **settings) as (gateway, simulator, context):
        began = context.clock.monotonic()
        await simulator.until(lambda: simulator.counts["logins"] == 2)
        assert context.clock.monotonic() - began < 0.8 + 0.5
        assert (await gateway.health()).state in {HealthState.UP, HealthState.DOWN}


async def test_a_living_peer_keeps_an_idle_link() -> None:
    clock = FakeClock()
    async with (
        CmppSimulator(Knobs(keep_alive=3600)) as simulator,
        make_context(clock=clock) as context,
        CmppGateway(_config(simulator), context) as gateway,
    ):
        connection = simulator.gateway.connections[0]
        tests = 0

        def count(frame: bytes) -> None:
            nonlocal tests
            tests += frame[4:8] == b"\0\0\0\x08"

        connection.session.tap = count
        for expected in (1, 2, 3):
            await clock.until_sleeping()
            clock.advance(30)
            await simulator.until(lambda wanted=expected: tests == wanted)  # type: ignore[misc]
            (receipt,) = await _receipts(gateway, _batch(1, first=expected))
            assert receipt.kind is ReceiptKind.SENT
        assert simulator.counts["logins"] == 1


async def test_a_wrong_secret_is_said_in_words_and_not_tried_again_for_a_minute() -> None:
    clock = FakeClock()
    async with CmppSimulator() as simulator, make_context(clock=clock) as context:
        config = _config(simulator, secret=SecretStr("guess"), open_wait=0.2)
        async with CmppGateway(config, context) as gateway:
            health = await gateway.health()
            assert health.state is HealthState.DOWN
            assert "状态 3" in health.detail
            assert "correct the settings" in health.detail
            assert "guess" not in repr(health)
            (receipt,) = await _receipts(gateway, _batch(1))
            assert receipt.kind is ReceiptKind.CHANNEL_DOWN
            assert receipt.retry_after >= 60
            attempts = simulator.gateway.attempts
            assert attempts == 1
            clock.advance(59)
            await asyncio.sleep(0.05)
            assert simulator.gateway.attempts == 1
            clock.advance(20)
            await simulator.until(lambda: simulator.gateway.attempts == 2)


async def test_opening_returns_although_nobody_listens() -> None:
    async with CmppSimulator() as simulator, make_context() as context:
        await simulator.deafen()
        async with CmppGateway(_config(simulator, open_wait=0.1), context) as gateway:
            assert (await gateway.health()).state is HealthState.DOWN
            await simulator.listen()
            await simulator.until(lambda: simulator.counts["logins"] == 1)


async def test_closing_waits_for_open_answers_and_says_good_bye(tmp_path: Path) -> None:
    knobs = Knobs(response_delay_ms=200, missing_share=1.0)
    wire, batch = RecordingWire(), _batch(5)
    async with _line(knobs, log=tmp_path / "log") as (gateway, simulator, _):
        task = asyncio.ensure_future(gateway.submit(batch, wire))
        await simulator.until(lambda: simulator.counts["submits"] == 5)
    await task
    assert wire.fates(batch) == [ReceiptKind.SENT] * 5
    total, _ = recount_with_texts(tmp_path / "log")
    assert (total.unanswered, total.connections[0].reason) == (0, "the peer said good-bye")


async def test_the_layout_of_2_0_works_as_well(tmp_path: Path) -> None:
    knobs = Knobs(response_delay_ms=0)
    async with _line(knobs, log=tmp_path / "log", version="2.0") as (gateway, simulator, _):
        assert (await _receipts(gateway, _long(9)))[2].kind is ReceiptKind.SENT
        async with asyncio.timeout(5):
            seen = 0
            async for batch in gateway.inbound():
                seen += len(batch.rows)
                batch.acknowledge()
                if seen == 3:
                    break
        await simulator.until(lambda: simulator.unacknowledged == 0)
    total, _ = recount_with_texts(tmp_path / "log")
    assert (total.accepted, total.reports_acknowledged, total.undecodable) == (3, 3, 0)
    assert total.connections[0].version == 2
