"""The SMGP channel against the contract that every channel keeps, and against its own gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from pydantic import SecretStr, ValidationError
from typing_extensions import override

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
    Target,
    Uplink,
    phone,
)
from fzalert.ports import AdapterContext, HealthState, Submission
from fzalert.testing import (
    SCRIPT,
    AdapterContract,
    LifecycleContract,
    LinkContract,
    RecordingWire,
    RefusalContract,
    ReportsContract,
    SilenceContract,
    make_context,
)
from fzalert_sms.carrier.simulator.knobs import ReportForm
from fzalert_sms.recount import recount_with_texts
from fzalert_sms.smgp import SmgpConfig, SmgpGateway
from fzalert_sms.smgp.codec import layout as c
from fzalert_sms.smgp.knobs import Knobs
from fzalert_sms.smgp.simulator import SmgpSimulator
from tests.contract.carrier_peer import CarrierPeer

RESULTS = {
    ReceiptKind.PERMANENT: 47,
    ReceiptKind.THROTTLED: 1,
    ReceiptKind.TEMPORARY: 150,
    ReceiptKind.UNKNOWN: 12,
    ReceiptKind.CHANNEL_DOWN: 2,
}
STATS = {
    ReportKind.DELIVERED: "DELIVRD",
    ReportKind.UNDELIVERED: "UNDELIV",
    ReportKind.EXPIRED: "EXPIRED",
    ReportKind.NO_REPORT: "UNKNOWN",
}
FOREVER = 2**62
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)
LONG = SmsText(("反" * 67, "诈" * 67, "中心"), Coding.UCS2, SCRIPT)


def settings(port: int, **more: Any) -> SmgpConfig:
    given: dict[str, Any] = {
        "name": "smgp-1",
        "host": "127.0.0.1",
        "port": port,
        "account": "35100001",
        "secret": SecretStr("shared"),
        "service_id": "FZALERT",
        "src_term_id": "118351000",
        "open_wait": 5,
        "late_after": 0.3,
        "submit_timeout": 0.6,
    }
    return SmgpConfig(**given | more)


class SmgpPeer(CarrierPeer[SmgpSimulator]):
    """The simulated gateway as the contract uses it."""

    results = RESULTS
    stats = STATS

    @staticmethod
    @override
    def read(submit: Any) -> tuple[str, bytes]:
        return submit.dest_term_ids[0], submit.content


class TestSmgpGateway(
    RefusalContract,
    SilenceContract,
    LinkContract,
    ReportsContract,
    LifecycleContract,
    AdapterContract,
):
    factory = SmgpGateway
    refusals = frozenset(RESULTS)
    more: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    async def peer(self) -> AsyncIterator[SmgpPeer]:
        knobs = Knobs(response_delay_ms=5, missing_share=1.0)
        async with SmgpSimulator(knobs) as simulator:
            yield SmgpPeer(simulator)

    @pytest.fixture
    def config(self, peer: SmgpPeer) -> SmgpConfig:
        return settings(peer.simulator.port, **self.more)

    @pytest.fixture
    @override
    async def adapter(
        self, config: SmgpConfig, context: AdapterContext
    ) -> AsyncIterator[SmgpGateway]:
        async with SmgpGateway(config, context) as gateway:
            yield gateway

    @override
    def address_of(self, target: Target) -> str:
        return target.address.removeprefix("+86")


class TestSmgpApart(TestSmgpGateway):
    """One connection sends, another one receives."""

    more: ClassVar[dict[str, Any]] = {"login_mode": "apart"}


@asynccontextmanager
async def _line(
    knobs: Knobs | None = None, **more: Any
) -> AsyncIterator[tuple[SmgpGateway, SmgpSimulator]]:
    knobs = knobs or Knobs(response_delay_ms=0, missing_share=1.0)
    async with (
        make_context() as context,
        SmgpSimulator(knobs) as simulator,
        SmgpGateway(settings(simulator.port, **more), context) as gateway,
    ):
        yield gateway, simulator


async def _send(gateway: SmgpGateway, *submissions: Submission) -> list[Receipt]:
    wire = RecordingWire()
    with anyio.fail_after(10):
        await gateway.submit(submissions, wire)
    wire.check()
    return [wire.receipts[s.id, s.part] for s in submissions]


def _one(id_: int = 1, number: str = "18900189000", text: SmsText = TEXT) -> Submission:
    return Submission(id_, 0, Lane.BULK, phone(number), text, FOREVER)


async def _rows(gateway: SmgpGateway, count: int) -> list[Appended]:
    found: list[Appended] = []
    with anyio.fail_after(10):
        async for batch in gateway.inbound():
            batch.acknowledge()
            found += batch.rows
            if len(found) >= count:
                return found
    raise AssertionError("the gateway was closed")


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (1, ReceiptKind.THROTTLED, Scope.CHANNEL),
        (12, ReceiptKind.UNKNOWN, Scope.MESSAGE),
        (33, ReceiptKind.PERMANENT, Scope.CHANNEL),
        (37, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (39, ReceiptKind.PERMANENT, Scope.RECIPIENT),
        (47, ReceiptKind.PERMANENT, Scope.RECIPIENT),
        (74, ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL),
        (75, ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL),
        (200, ReceiptKind.TEMPORARY, Scope.MESSAGE),
        (99, ReceiptKind.PERMANENT, Scope.MESSAGE),
    ],
)
async def test_a_status_is_the_receipt_that_the_table_says(
    status: int, kind: ReceiptKind, scope: Scope
) -> None:
    async with _line() as (gateway, simulator):
        simulator.gateway.next_answers.append(status)
        (receipt,) = await _send(gateway, _one())
    assert (receipt.kind, receipt.scope, receipt.code) == (kind, scope, str(status))
    assert " · " in receipt.detail


async def test_a_time_of_day_or_a_quota_rests_the_channel_for_minutes() -> None:
    async with _line() as (gateway, simulator):
        for status, least in ((74, 300), (75, 600)):
            simulator.gateway.next_answers.append(status)
            (receipt,) = await _send(gateway, _one())
            assert receipt.retry_after >= least


async def test_a_long_text_says_its_parts_in_its_header_and_in_its_fields() -> None:
    parts = [Submission(9, n, Lane.URGENT, phone("18900189000"), LONG, FOREVER) for n in range(3)]
    async with _line(m_service_id="110000001", msg_src="12345") as (gateway, simulator):
        receipts = await _send(gateway, *parts)
    assert {receipt.kind for receipt in receipts} == {ReceiptKind.SENT}
    references = set()
    for number, (submit, _, _) in enumerate(simulator.submits, start=1):
        tlvs = dict(submit.tlvs)
        assert tlvs[c.TP_UDHI] == b"\1"
        assert (tlvs[c.PK_TOTAL], tlvs[c.PK_NUMBER]) == (b"\3", bytes((number,)))
        assert tlvs[c.MSG_SRC] == b"12345\0\0\0"
        assert tlvs[c.M_SERVICE_ID] == b"110000001".ljust(21, b"\0")
        assert submit.content[:3] == b"\5\0\3"
        assert (submit.content[4], submit.content[5]) == (3, number)
        assert submit.content[6:].decode("utf-16-be") == LONG.parts[number - 1]
        assert len(submit.content) <= 140
        references.add(submit.content[3])
    assert len(references) == 1


@pytest.mark.parametrize("form", ["plain", "other", "seconds", "blank", "head", "86"])
async def test_a_report_is_matched_however_the_gateway_writes_it(form: ReportForm) -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0, report_form=form)
    async with _line(knobs) as (gateway, simulator):
        receipts = await _send(gateway, *(_one(n, f"189{n:08d}") for n in range(1, 7)))
        rows = await _rows(gateway, 6)
        await simulator.until(lambda: simulator.counts["acknowledged"] == 6)
    ids = {receipt.carrier_id for receipt in receipts}
    assert any(b"\0 :" in carrier_id for carrier_id in ids), "no id with awkward octets was tried"
    reports = [row for row in rows if isinstance(row, DeliveryReport)]
    assert {report.carrier_id for report in reports} == ids
    assert {report.kind for report in reports} == {ReportKind.DELIVERED}
    assert {r.target.address for r in reports if r.target is not None} == {
        f"+86189{n:08d}" for n in range(1, 7)
    }
    told = [report.at > 0 for report in reports]
    assert all(told) if form in ("plain", "other", "seconds", "86") else not any(told)


async def test_reports_that_come_before_the_answer_and_twice_are_all_given_on() -> None:
    knobs = Knobs(response_delay_ms=30, early_share=0.5, twice_share=0.5, report_delay_ms=0)
    async with _line(knobs) as (gateway, simulator):
        receipts = await _send(gateway, *(_one(n, f"189{n:08d}") for n in range(1, 15)))
        sent = {receipt.carrier_id for receipt in receipts}
        seen: set[bytes] = set()
        while seen != sent:
            for row in await _rows(gateway, 1):
                assert isinstance(row, DeliveryReport)
                seen.add(row.carrier_id)
        await simulator.until(lambda: simulator.unacknowledged == 0)


async def test_a_reply_is_an_uplink_and_an_opt_out_is_marked() -> None:
    async with _line() as (gateway, simulator):
        simulator.write("35100001", "18900189000", "退订", to="118351000")
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, Uplink)
    assert (row.source, row.text, row.is_opt_out) == (phone("18900189000"), "退订", True)


async def test_a_long_reply_is_joined() -> None:
    async with _line() as (gateway, simulator):
        for number, words in ((2, "骗子打来的"), (1, "刚才是")):
            octets = words.encode("utf-16-be")
            simulator.write_part("35100001", "18900189000", (7, 2, number), octets)
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, Uplink)
    assert row.text == "刚才是骗子打来的"


async def test_reports_come_on_the_connection_that_receives() -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0)
    async with _line(knobs, login_mode="apart") as (gateway, simulator):
        await simulator.until(lambda: simulator.counts["logins"] == 2)
        (receipt,) = await _send(gateway, _one())
        (row,) = await _rows(gateway, 1)
        modes = sorted(c.session.mode for c in simulator.gateway.connections)  # type: ignore[attr-defined]
    assert isinstance(row, DeliveryReport)
    assert row.carrier_id == receipt.carrier_id
    assert modes == [0, 1]


@pytest.mark.parametrize(
    ("status", "words"),
    [(21, "认证错"), (20, "IP"), (2, "最大连接数"), (22, "版本太高")],
)
async def test_a_refused_login_says_what_to_do(status: int, words: str) -> None:
    async with _line(Knobs(login_status=status), open_wait=0.3) as (gateway, simulator):
        await simulator.until(lambda: simulator.gateway.attempts >= 1)
        health = await gateway.health()
        (receipt,) = await _send(gateway, _one())
    assert health.state is HealthState.DOWN
    assert words in health.detail
    assert receipt.kind is ReceiptKind.CHANNEL_DOWN
    assert receipt.retry_after > 5


async def test_a_wrong_secret_is_refused_and_not_tried_again_at_once() -> None:
    async with _line(secret=SecretStr("hongqi-7"), open_wait=0.3) as (gateway, simulator):
        health = await gateway.health()
        assert "21" in health.detail
        assert simulator.gateway.attempts == 1
    assert "hongqi" not in health.detail


def test_a_secret_too_long_for_the_protocol_is_named_before_anything_is_sent() -> None:
    with pytest.raises(ValidationError, match="15 characters"):
        settings(1, secret=SecretStr("x" * 16))


async def test_the_raw_log_says_that_the_window_was_kept_and_nothing_went_twice(
    tmp_path: Path,
) -> None:
    knobs = Knobs(response_delay_ms=1, report_delay_ms=0)
    async with (
        make_context() as context,
        SmgpSimulator(knobs, log=tmp_path / "log") as simulator,
        SmgpGateway(settings(simulator.port, window=8), context) as gateway,
    ):
        batch = [_one(n, f"189{n:08d}") for n in range(1, 201)]
        receipts = await _send(gateway, *batch)
        await _rows(gateway, 200)
        await simulator.until(lambda: simulator.unacknowledged == 0)
    total, _ = recount_with_texts(tmp_path / "log")
    assert {receipt.kind for receipt in receipts} == {ReceiptKind.SENT}
    assert (total.accepted, total.distinct, total.duplicates) == (200, 200, 0)
    assert total.max_unanswered == 6, "bulk leaves the reserve of two"
    assert (total.reports_acknowledged, total.stats) == (200, {"DELIVRD": 200})
