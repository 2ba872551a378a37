"""What a CMPP gateway delivers: reports early, twice, late, missing; people's replies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from fzalert.messages import (
    Appended,
    Coding,
    DeliveryReport,
    Lane,
    Proof,
    ReceiptKind,
    ReportKind,
    SmsText,
    Uplink,
    phone,
)
from fzalert.ports import InboundBatch, Submission
from fzalert.testing import SCRIPT, RecordingWire, make_context
from fzalert_sms.carrier.simulator.side import Parcel
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.codec import V30, Deliver, encode
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import recount

TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)


@asynccontextmanager
async def _line(
    knobs: Knobs, *, log: Path | None = None
) -> AsyncIterator[tuple[CmppGateway, CmppSimulator]]:
    async with make_context() as context, CmppSimulator(knobs, log=log) as simulator:
        config = CmppConfig(
            name="cmpp-1",
            host="127.0.0.1",
            port=simulator.port,
            account="901234",
            secret=SecretStr("1234"),
            service_id="FZALERT",
            src_id="106980001234",
            open_wait=5,
        )
        async with CmppGateway(config, context) as gateway:
            yield gateway, simulator


def _batch(count: int) -> list[Submission]:
    return [
        Submission(n, 0, Lane.BULK, phone(f"138{n:08d}"), TEXT, 2**62) for n in range(1, 1 + count)
    ]


async def _send(gateway: CmppGateway, count: int) -> dict[bytes, str]:
    """Send, and return the number of each carrier id."""
    wire, batch = RecordingWire(), _batch(count)
    async with asyncio.timeout(10):
        await gateway.submit(batch, wire)
    assert set(wire.fates(batch)) == {ReceiptKind.SENT}
    return {wire.receipts[s.id, 0].carrier_id: s.target.address for s in batch}


async def _rows(gateway: CmppGateway, count: int) -> list[Appended]:
    found: list[Appended] = []
    async with asyncio.timeout(10):
        async for batch in gateway.inbound():
            found.extend(batch.rows)
            batch.acknowledge()
            if len(found) >= count:
                break
    return found


async def test_every_report_names_its_text_and_is_acknowledged(tmp_path: Path) -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=1, report_jitter_ms=20, failing_share=0.3)
    log = tmp_path / "log"
    async with _line(knobs, log=log) as (gateway, simulator):
        sent = await _send(gateway, 60)
        rows = await _rows(gateway, 60)
        await simulator.until(lambda: simulator.unacknowledged == 0)
    reports = [row for row in rows if isinstance(row, DeliveryReport)]
    told = {r.carrier_id: r.target.address for r in reports if r.target is not None}
    assert told == sent
    kinds = {(r.kind, r.code, r.proof) for r in reports}
    assert kinds == {
        (ReportKind.DELIVERED, "DELIVRD", Proof.DEVICE),
        (ReportKind.UNDELIVERED, "UNDELIV", Proof.NONE),
    }
    assert all(r.at > 1_700_000_000_000 for r in reports)
    total = recount(log)
    assert (total.reports_sent, total.reports_acknowledged, total.reports_repeated) == (60, 60, 0)


async def test_a_report_before_the_answer_is_kept() -> None:
    knobs = Knobs(response_delay_ms=100, early_share=1.0)
    async with _line(knobs) as (gateway, _):
        sending = asyncio.ensure_future(_send(gateway, 1))
        (row,) = await _rows(gateway, 1)
        assert not sending.done()
        sent = await sending
    assert isinstance(row, DeliveryReport)
    assert row.carrier_id in sent


async def test_a_report_that_comes_twice_is_told_and_acknowledged_twice() -> None:
    async with _line(Knobs(response_delay_ms=0, twice_share=1.0)) as (gateway, simulator):
        await _send(gateway, 1)
        first, second = await _rows(gateway, 2)
        assert first == second
        await simulator.until(lambda: simulator.counts["acknowledged"] == 2)


async def test_what_was_not_acknowledged_comes_again_on_the_next_link(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _line(Knobs(response_delay_ms=0), log=log) as (gateway, simulator):
        await _send(gateway, 3)
        seen: list[InboundBatch] = []
        inbound = gateway.inbound()
        async with asyncio.timeout(5):
            while sum(len(batch.rows) for batch in seen) < 3:
                seen.append(await anext(inbound))
        assert simulator.counts["acknowledged"] == 0
        simulator.cut()
        await simulator.until(lambda: simulator.counts["delivered"] == 6)
        for batch in seen:
            batch.acknowledge()  # of the lost link: must be harmless
        async with asyncio.timeout(5):
            again = 0
            while again < 3:
                batch = await anext(inbound)
                batch.acknowledge()
                again += len(batch.rows)
        await simulator.until(lambda: simulator.unacknowledged == 0)
    total = recount(log)
    assert (total.reports_sent, total.reports_repeated, total.reports_acknowledged) == (3, 3, 3)


async def test_an_unanswered_delivery_is_sent_again_after_a_time() -> None:
    knobs = Knobs(response_delay_ms=0, redeliver_after=0.2)
    async with _line(knobs) as (gateway, simulator):
        await _send(gateway, 1)
        await simulator.until(lambda: simulator.counts["delivered"] >= 2)
        await _rows(gateway, 2)


@pytest.mark.parametrize(
    ("stat", "kind"),
    [
        ("DELIVRD", ReportKind.DELIVERED),
        ("EXPIRED", ReportKind.EXPIRED),
        ("UNDELIV", ReportKind.UNDELIVERED),
        ("REJECTD", ReportKind.UNDELIVERED),
        ("DELETED", ReportKind.UNDELIVERED),
        ("MB:0044", ReportKind.UNDELIVERED),
        ("MK:0001", ReportKind.UNDELIVERED),
        ("00140", ReportKind.UNDELIVERED),
        ("MA:0001", ReportKind.NO_REPORT),
        ("IC:0151", ReportKind.NO_REPORT),
        ("UNKNOWN", ReportKind.NO_REPORT),
    ],
)
async def test_a_stat_is_read_as_its_report(stat: str, kind: ReportKind) -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0)
    async with _line(knobs) as (gateway, simulator):
        await _send(gateway, 1)
        submit, msg_id, _ = simulator.submits[0]
        # An intermediate word is acknowledged and never told.
        simulator.report(submit, msg_id, "ACCEPTD")
        await simulator.until(lambda: simulator.counts["acknowledged"] == 1)
        simulator.report(submit, msg_id, stat)
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, DeliveryReport)
    assert (row.kind, row.code, row.carrier_id) == (kind, stat, msg_id)


async def test_a_report_that_cannot_be_read_is_refused_and_counted() -> None:
    async with _line(Knobs()) as (gateway, simulator):
        session = simulator.gateway.connections[0].session
        sequence = session.next_sequence()
        deliver = Deliver(sequence, bytes(8), "", "", 0, 0, 0, "", 0, 1, b"short", b"")
        answers: list[bytes] = []
        session.tap = answers.append
        frame = encode(deliver, V30)
        session.send_many([(sequence, frame, Parcel(bytes(8), "", "", "", None))], 0.0)
        simulator.gateway.connections[0].flush()
        await simulator.until(lambda: bool(answers))
        assert answers[0][-1] == 1
        figures = dict((await gateway.health()).figures)
    assert figures["unreadable reports"] == 1


@pytest.mark.parametrize(
    ("text", "is_opt_out"),
    [
        ("TD", True),
        ("td", True),
        ("TD 退订", True),
        ("TD退订", True),
        ("退订。", True),
        (" t ", True),
        ("收到，谢谢", False),
        ("TNT", False),
        ("我要退订吗", False),
        ("", False),
    ],
)
async def test_a_reply_is_an_uplink_and_an_opt_out_is_marked(text: str, is_opt_out: bool) -> None:
    async with _line(Knobs()) as (gateway, simulator):
        simulator.write("901234", "8613800138000", text, to="106980001234")
        (row,) = await _rows(gateway, 1)
        await simulator.until(lambda: simulator.unacknowledged == 0)
    assert isinstance(row, Uplink)
    assert row.source == phone("13800138000")
    assert (row.text, row.destination, row.is_opt_out) == (text, "106980001234", is_opt_out)
