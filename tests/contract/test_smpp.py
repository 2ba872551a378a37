"""The SMPP channel against the contract that every channel keeps, and against its own centre."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
import structlog
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
from fzalert_sms.smpp import SmppConfig, SmppGateway
from fzalert_sms.smpp.codec import DataSm, ShortMessage, encode
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.knobs import Knobs
from fzalert_sms.smpp.simulator import SmppSimulator
from fzalert_sms.wire import Tlv, divide
from fzalert_sms.wire.gsm7 import pack, to_septets
from tests.contract.carrier_peer import CarrierPeer

RESULTS = {
    ReceiptKind.PERMANENT: 0x0B,
    ReceiptKind.THROTTLED: 0x58,
    ReceiptKind.TEMPORARY: 0x45,
    ReceiptKind.CHANNEL_DOWN: 0x05,
}
STATS = {
    ReportKind.DELIVERED: "DELIVRD",
    ReportKind.UNDELIVERED: "UNDELIV",
    ReportKind.EXPIRED: "EXPIRED",
    ReportKind.NO_REPORT: "UNKNOWN",
}
FOREVER = 2**62
PERSON = "8618900189000"
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)
LONG = SmsText(("反" * 67, "诈" * 67, "中心"), Coding.UCS2, SCRIPT)


def settings(port: int, **more: Any) -> SmppConfig:
    given: dict[str, Any] = {
        "name": "smpp-1",
        "host": "127.0.0.1",
        "port": port,
        "account": "fzalert",
        "secret": SecretStr("secret08"),
        "source_addr": "10690001",
        "open_wait": 5,
        "late_after": 0.3,
        "submit_timeout": 0.6,
    }
    return SmppConfig(**given | more)


class SmppPeer(CarrierPeer[SmppSimulator]):
    """The simulated centre as the contract uses it."""

    results = RESULTS
    stats = STATS

    @staticmethod
    @override
    def read(submit: Any) -> tuple[str, bytes]:
        return submit.destination_addr, submit.short_message


class TestSmppGateway(
    RefusalContract,
    SilenceContract,
    LinkContract,
    ReportsContract,
    LifecycleContract,
    AdapterContract,
):
    factory = SmppGateway
    refusals = frozenset(RESULTS)
    more: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    async def peer(self) -> AsyncIterator[SmppPeer]:
        knobs = Knobs(response_delay_ms=5, missing_share=1.0)
        async with SmppSimulator(knobs) as simulator:
            yield SmppPeer(simulator)

    @pytest.fixture
    def config(self, peer: SmppPeer) -> SmppConfig:
        return settings(peer.simulator.port, **self.more)

    @pytest.fixture
    @override
    async def adapter(
        self, config: SmppConfig, context: AdapterContext
    ) -> AsyncIterator[SmppGateway]:
        async with SmppGateway(config, context) as gateway:
            yield gateway

    @override
    def address_of(self, target: Target) -> str:
        return target.address.removeprefix("+")


class TestSmppApart(TestSmppGateway):
    """One connection sends, another one receives."""

    more: ClassVar[dict[str, Any]] = {"bind": "apart"}


@asynccontextmanager
async def _line(
    knobs: Knobs | None = None, **more: Any
) -> AsyncIterator[tuple[SmppGateway, SmppSimulator]]:
    knobs = knobs or Knobs(response_delay_ms=0, missing_share=1.0)
    more = {"late_after": 15, "submit_timeout": 30, **more}  # for a machine that is busy
    async with (
        make_context() as context,
        SmppSimulator(knobs) as simulator,
        SmppGateway(settings(simulator.port, **more), context) as gateway,
    ):
        yield gateway, simulator


async def _send(gateway: SmppGateway, *submissions: Submission) -> list[Receipt]:
    wire = RecordingWire()
    with anyio.fail_after(20):
        await gateway.submit(submissions, wire)
    wire.check()
    return [wire.receipts[s.id, s.part] for s in submissions]


def _one(
    id_: int = 1, number: str = "18900189000", text: SmsText = TEXT, part: int = 0
) -> Submission:
    return Submission(id_, part, Lane.BULK, phone(number), text, FOREVER)


async def _rows(gateway: SmppGateway, count: int) -> list[Appended]:
    found: list[Appended] = []
    with anyio.fail_after(20):
        async for batch in gateway.inbound():
            batch.acknowledge()
            found += batch.rows
            if len(found) >= count:
                return found
    raise AssertionError("the gateway was closed")


def _push(simulator: SmppSimulator, make: Callable[[int], bytes]) -> None:
    """Send a delivery of the test's own writing on the connection that is there."""
    (connection,) = simulator.gateway.connections
    sequence = connection.session.next_sequence()
    now = asyncio.get_running_loop().time()
    connection.session.send_many([(sequence, make(sequence), None)], now)
    connection.flush()


def _deliver(sequence: int, **more: Any) -> ShortMessage:
    plain = ShortMessage(
        sequence, c.DELIVER_SM, "", 1, 1, PERSON, 0, 1, "10690001", 0, 0, 0, "", "", 0, 0, 0, 0, b""
    )
    return plain._replace(**more)


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (0x58, ReceiptKind.THROTTLED, Scope.CHANNEL),
        (0x14, ReceiptKind.THROTTLED, Scope.CHANNEL),
        (0x08, ReceiptKind.TEMPORARY, Scope.MESSAGE),
        (0x0A, ReceiptKind.PERMANENT, Scope.CHANNEL),
        (0x0B, ReceiptKind.PERMANENT, Scope.RECIPIENT),
        (0x62, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (0x101, ReceiptKind.PERMANENT, Scope.CHANNEL),
        (0x411, ReceiptKind.PERMANENT, Scope.RECIPIENT),
        (0x412, ReceiptKind.TEMPORARY, Scope.MESSAGE),
        (0x3FE, ReceiptKind.PERMANENT, Scope.MESSAGE),
    ],
)
async def test_a_status_is_the_receipt_that_the_table_says(
    status: int, kind: ReceiptKind, scope: Scope
) -> None:
    async with _line(result_table={"0x411": "recipient"}) as (gateway, simulator):
        simulator.gateway.next_answers.append(status)
        (receipt,) = await _send(gateway, _one())
    assert (receipt.kind, receipt.scope, receipt.code) == (kind, scope, f"{status:#04x}")
    assert " · " in receipt.detail


async def test_a_full_queue_rests_the_channel_longer_than_flow_control() -> None:
    async with _line() as (gateway, simulator):
        pauses = []
        for status in (0x58, 0x14):
            simulator.gateway.next_answers.append(status)
            (receipt,) = await _send(gateway, _one())
            pauses.append(receipt.retry_after)
    assert 0 < pauses[0] < pauses[1]


async def test_a_centre_that_lost_the_bind_is_bound_to_anew() -> None:
    async with _line(reconnect_min=0.01) as (gateway, simulator):
        simulator.gateway.next_answers.append(0x04)
        (receipt,) = await _send(gateway, _one())
        assert receipt.kind is ReceiptKind.CHANNEL_DOWN
        await simulator.until(lambda: simulator.counts["logins"] == 2, 20)


async def test_an_answer_without_an_id_is_unknown() -> None:
    async with _line() as (gateway, simulator):
        simulator.gateway.next_answers.append(-1)
        (receipt,) = await _send(gateway, _one())
    assert receipt.kind is ReceiptKind.UNKNOWN


async def test_a_long_text_carries_a_header_and_no_sar_fields() -> None:
    async with _line() as (gateway, simulator):
        receipts = await _send(gateway, *(_one(9, text=LONG, part=n) for n in range(3)))
        submits = [submit for submit, _, _ in simulator.submits]
    assert {receipt.kind for receipt in receipts} == {ReceiptKind.SENT}
    references = set()
    for number, submit in enumerate(submits, start=1):
        assert submit.esm_class == 0x40
        assert not submit.tlvs
        place, octets = divide(submit.short_message)
        assert place is not None
        assert (place.total, place.number) == (3, number)
        assert octets.decode("utf-16-be") == LONG.parts[number - 1]
        assert len(submit.short_message) <= 140
        references.add(place.reference)
    assert len(references) == 1


async def test_a_long_text_carries_sar_fields_and_no_header() -> None:
    async with _line(concat="sar") as (gateway, simulator):
        await _send(gateway, *(_one(id_, text=LONG, part=n) for id_ in (9, 10) for n in range(3)))
        submits = [submit for submit, _, _ in simulator.submits]
    seen = []
    for submit in submits:
        fields = dict(submit.tlvs)
        assert submit.esm_class == 0
        place = fields[c.SAR_TOTAL_SEGMENTS][0], fields[c.SAR_SEGMENT_SEQNUM][0]
        seen.append((fields[c.SAR_MSG_REF_NUM], *place))
        assert submit.short_message.decode("utf-16-be") == LONG.parts[place[1] - 1]
    first, second = seen[0][0], seen[3][0]
    assert first != second
    assert seen == [(ref, 3, n) for ref in (first, second) for n in (1, 2, 3)]


async def test_a_long_text_travels_whole_in_message_payload() -> None:
    whole = SmsText(("".join(LONG.parts),), Coding.UCS2, SCRIPT)
    async with _line(concat="payload") as (gateway, simulator):
        assert gateway.capabilities.text is not None
        assert gateway.capabilities.text.whole
        await _send(gateway, _one(text=whole), _one(2))
        (long, _, _), (short, _, _) = simulator.submits
    assert (long.short_message, long.esm_class) == (b"", 0)
    assert [tag for tag, _ in long.tlvs] == [c.MESSAGE_PAYLOAD]
    assert long.tlvs[0].value.decode("utf-16-be") == whole.parts[0]
    assert short.short_message.decode("utf-16-be") == TEXT.parts[0]


@pytest.mark.parametrize("packed", [False, True])
async def test_septets_travel_an_octet_each_or_packed(packed: bool) -> None:
    words = "Fraud warning: {0} @ 5€_"
    parts = ("a@" * 76 + "b", "c" * 40)
    async with _line(gsm7_packed=packed) as (gateway, simulator):
        long = SmsText(parts, Coding.GSM7, SCRIPT)
        await _send(
            gateway,
            _one(text=SmsText((words,), Coding.GSM7, SCRIPT)),
            *(_one(2, text=long, part=n) for n in range(2)),
        )
        submits = [submit for submit, _, _ in simulator.submits]
    assert {submit.data_coding for submit in submits} == {0}
    septets = to_septets(words)
    assert submits[0].short_message == (pack(septets) if packed else septets)
    for submit, part in zip(submits[1:], parts, strict=True):
        body = to_septets(part)
        assert submit.short_message[6:] == (pack(body, 1) if packed else body)
        assert len(submit.short_message) <= (140 if packed else 159)


async def test_a_submit_says_what_the_settings_say() -> None:
    async with _line(source_addr="FZALERT", service_type="VMA", priority=2, validity=True) as (
        gateway,
        simulator,
    ):
        soon = gateway._clock.millis() + 600_000
        await _send(gateway, Submission(1, 0, Lane.URGENT, phone("18900189000"), TEXT, soon))
        ((submit, _, _),) = simulator.submits
    source = submit.source_addr_ton, submit.source_addr_npi, submit.source_addr
    assert source == (5, 0, "FZALERT")
    assert (submit.dest_addr_ton, submit.dest_addr_npi) == (1, 1)
    assert submit.destination_addr == PERSON
    assert (submit.service_type, submit.priority_flag, submit.data_coding) == ("VMA", 2, 8)
    assert submit.registered_delivery == 1
    assert submit.validity_period.endswith("032+")


FORMS = ["plain", "other", "seconds", "blank", "head", "86"]


@pytest.mark.parametrize("form", FORMS)
async def test_a_receipt_is_matched_however_the_centre_writes_it(form: ReportForm) -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0, report_form=form, message_ids="uuid")
    async with _line(knobs) as (gateway, simulator):
        receipts = await _send(gateway, *(_one(n, f"189{n:08d}") for n in range(1, 7)))
        rows = await _rows(gateway, 6)
        await simulator.until(lambda: simulator.counts["acknowledged"] == 6)
    reports = [row for row in rows if isinstance(row, DeliveryReport)]
    assert {report.carrier_id for report in reports} == {r.carrier_id for r in receipts}
    assert {report.kind for report in reports} == {ReportKind.DELIVERED}
    assert {r.target.address for r in reports if r.target is not None} == {
        f"+86189{n:08d}" for n in range(1, 7)
    }
    told = [report.at > 0 for report in reports]
    assert all(told) if form in ("plain", "seconds", "86") else not any(told)


@pytest.mark.parametrize(
    ("answers", "receipts", "rule"),
    [
        ("decimal", "same", "as_is"),
        ("hex", "decimal", "hex_to_dec"),
        ("decimal", "hex", "dec_to_hex"),
        ("decimal", "zeros", "strip_zeros"),
        ("uuid", "upper", "lower"),
        ("hex", "hex", "strip_zeros"),
    ],
)
async def test_an_id_is_brought_to_one_form(answers: Any, receipts: Any, rule: str) -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0, message_ids=answers, receipt_ids=receipts)
    async with _line(knobs, message_id=rule) as (gateway, _):
        (receipt,) = await _send(gateway, _one())
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, DeliveryReport)
    assert row.carrier_id == receipt.carrier_id


async def test_without_its_rule_an_id_is_not_matched() -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0, message_ids="hex", receipt_ids="decimal")
    async with _line(knobs) as (gateway, _):
        (receipt,) = await _send(gateway, _one())
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, DeliveryReport)
    assert row.carrier_id != receipt.carrier_id


async def test_receipts_that_come_before_the_answer_and_twice_are_all_given_on() -> None:
    knobs = Knobs(response_delay_ms=30, early_share=0.5, twice_share=0.5, report_delay_ms=0)
    async with _line(knobs) as (gateway, simulator):
        receipts = await _send(gateway, *(_one(n, f"189{n:08d}") for n in range(1, 15)))
        sent = {receipt.carrier_id for receipt in receipts}
        seen: set[bytes] = set()
        while seen != sent:
            for row in await _rows(gateway, 1):
                assert isinstance(row, DeliveryReport)
                seen.add(row.carrier_id)
        await simulator.until(lambda: simulator.unacknowledged == 0, 20)


async def test_what_is_still_under_way_changes_nothing_and_is_acknowledged() -> None:
    async with _line() as (gateway, simulator):
        for n, (esm_class, stat) in enumerate([(4, "ENROUTE"), (4, "ACCEPTD"), (0x20, "DELIVRD")]):
            text = f"id:7{n} sub:001 dlvrd:000 stat:{stat} err:000 text:".encode()
            more = {"esm_class": esm_class, "short_message": text}
            _push(simulator, lambda s, more=more: encode(_deliver(s, **more)))  # type: ignore[misc]
        await simulator.until(lambda: simulator.counts["acknowledged"] == 3, 20)
        text = b"id:99 stat:UNDELIV err:045"
        _push(simulator, lambda s: encode(_deliver(s, esm_class=4, short_message=text)))
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, DeliveryReport)
    assert (row.carrier_id, row.kind) == (b"99", ReportKind.UNDELIVERED)
    assert row.code == "UNDELIV/045"


async def test_a_receipt_comes_without_its_mark_or_by_data_sm_or_from_the_wrong_side() -> None:
    fields = (Tlv(c.RECEIPTED_MESSAGE_ID, b"71\0"), Tlv(c.MESSAGE_STATE, b"\2"))
    async with _line() as (gateway, simulator):
        _push(simulator, lambda s: encode(_deliver(s, tlvs=fields)))
        _push(
            simulator,
            lambda s: encode(DataSm(s, "", 0, 1, "10690001", 1, 1, PERSON, 4, 0, 0, fields)),
        )
        rows = await _rows(gateway, 2)
        await simulator.until(lambda: simulator.counts["acknowledged"] == 1, 20)
    for row in rows:
        assert isinstance(row, DeliveryReport)
        assert row.target == phone("18900189000")
        assert (row.carrier_id, row.kind) == (b"71", ReportKind.DELIVERED)


async def test_a_receipt_that_cannot_be_read_is_refused_for_good() -> None:
    async with _line() as (gateway, simulator):
        _push(simulator, lambda s: encode(_deliver(s, esm_class=4, short_message=b"hello")))
        await simulator.until(lambda: simulator.counts["acknowledged"] == 1, 20)
        health = await gateway.health()
    assert dict(health.figures)["unreadable reports"] == 1


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (0, to_septets("T {€}"), "T {€}"),
        (1, b"STOP", "STOP"),
        (3, "café".encode("latin-1"), "café"),
        (8, "刚才是骗子".encode("utf-16-be"), "刚才是骗子"),
        (0x19, "好".encode("utf-16-be"), "好"),
        (15, "退订".encode("gb18030"), "退订"),
        (0xF0, to_septets("Ω"), "Ω"),
    ],
)
async def test_a_reply_is_read_by_its_coding(coding: int, octets: bytes, text: str) -> None:
    payload = (Tlv(c.MESSAGE_PAYLOAD, octets),)
    async with _line() as (gateway, simulator):
        _push(simulator, lambda s: encode(_deliver(s, data_coding=coding, short_message=octets)))
        _push(simulator, lambda s: encode(_deliver(s, data_coding=coding, tlvs=payload)))
        rows = await _rows(gateway, 2)
    for row in rows:
        assert isinstance(row, Uplink)
        assert (row.text, row.source) == (text, phone("18900189000"))


async def test_a_packed_reply_is_read_and_its_filling_is_no_character() -> None:
    async with _line(gsm7_packed=True) as (gateway, simulator):
        for words in ("TD", "1234567", "12345678"):
            octets = pack(to_septets(words))
            _push(simulator, lambda s, o=octets: encode(_deliver(s, short_message=o)))  # type: ignore[misc]
        rows = await _rows(gateway, 3)
    assert [row.text for row in rows if isinstance(row, Uplink)] == ["TD", "1234567", "12345678"]


async def test_an_opt_out_is_marked() -> None:
    async with _line() as (gateway, simulator):
        simulator.write("fzalert", PERSON, "退订", to="10690001")
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, Uplink)
    assert (row.source, row.text, row.is_opt_out) == (phone("18900189000"), "退订", True)


@pytest.mark.parametrize("way", ["udh", "sar", "payload"])
async def test_a_long_reply_is_joined(way: Any) -> None:
    knobs = Knobs(missing_share=1.0, replies_by=way)
    async with _line(knobs) as (gateway, simulator):
        for number, words in ((2, "骗子打来的"), (1, "刚才是")):
            octets = words.encode("utf-16-be")
            simulator.write_part("fzalert", PERSON, (7, 2, number), octets)
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, Uplink)
    assert row.text == "刚才是骗子打来的"


async def test_receipts_come_on_the_connection_that_receives() -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0)
    async with _line(knobs, bind="apart") as (gateway, simulator):
        await simulator.until(lambda: simulator.counts["logins"] == 2, 20)
        (receipt,) = await _send(gateway, _one())
        (row,) = await _rows(gateway, 1)
        kinds = sorted(c.session.bound_by for c in simulator.gateway.connections)  # type: ignore[attr-defined]
    assert isinstance(row, DeliveryReport)
    assert row.carrier_id == receipt.carrier_id
    assert kinds == [c.BIND_RECEIVER, c.BIND_TRANSMITTER]


async def test_a_receiver_lives_on_where_it_is_answered_what_it_never_asked() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, congestion=90)
    async with _line(knobs, bind="apart") as (gateway, simulator):
        await simulator.until(lambda: simulator.counts["logins"] == 2, 20)
        (receiver,) = (one for one in simulator.gateway.connections if one.receives)
        receiver.session.answer(77, b"1", 0)
        receiver.flush()
        simulator.write("fzalert", PERSON, "好", to="10690001")
        (row,) = await _rows(gateway, 1)
        assert isinstance(row, Uplink)
        assert simulator.counts["logins"] == 2
        assert gateway._receiver is not None
        assert gateway._receiver.line.reconnects == 0


async def test_the_log_names_a_status_in_hexadecimal() -> None:
    async with _line() as (gateway, simulator):
        simulator.gateway.next_answers.extend([0x0A, 0x0A])
        with structlog.testing.capture_logs() as logs:
            await _send(gateway, _one(), _one(2))
    told = [line["code"] for line in logs if line["event"] == "sms.refused"]
    assert told == ["0x0a"]


async def test_a_congested_centre_slows_bulk_and_not_an_urgent_warning() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, congestion=90)
    async with _line(knobs, rate=1000, window=2) as (gateway, _):
        (first,) = await _send(gateway, _one())
        (second,) = await _send(gateway, _one(2))
        urgent = Submission(3, 0, Lane.URGENT, phone("18900189000"), TEXT, FOREVER)
        (third,) = await _send(gateway, urgent)
        health = await gateway.health()
    assert first.kind is ReceiptKind.SENT
    assert second.kind is ReceiptKind.THROTTLED
    assert second.retry_after > 0
    assert third.kind is ReceiptKind.SENT
    assert health.state is HealthState.SLOW
    assert "拥塞" in health.detail


async def test_a_centre_under_its_limit_slows_nothing() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, congestion=79)
    async with _line(knobs, rate=1000, window=2) as (gateway, _):
        for number in (1, 2):
            (receipt,) = await _send(gateway, _one(number))
            assert receipt.kind is ReceiptKind.SENT


@pytest.mark.parametrize(
    ("status", "words", "least", "most"),
    [
        (0x0E, "密码错", 60, 72),
        (0x0D, "绑定失败", 60, 72),
        (0x53, "system_type", 60, 72),
        (0x05, "已绑定", 25, 60),
        (0x08, "系统错误", 25, 60),
    ],
)
async def test_a_refused_bind_says_what_to_do(
    status: int, words: str, least: float, most: float
) -> None:
    async with _line(Knobs(login_status=status), open_wait=0.3) as (gateway, simulator):
        await simulator.until(lambda: simulator.gateway.attempts >= 1)
        health = await gateway.health()
        (receipt,) = await _send(gateway, _one())
    assert health.state is HealthState.DOWN
    assert words in health.detail
    assert f"{status:#04x}" in health.detail
    assert receipt.kind is ReceiptKind.CHANNEL_DOWN
    assert least - 10 < receipt.retry_after <= most


async def test_a_wrong_secret_is_refused_and_not_tried_again_at_once() -> None:
    async with _line(secret=SecretStr("hongqi-7"), open_wait=0.3) as (gateway, simulator):
        await simulator.until(lambda: simulator.gateway.attempts >= 1)
        health = await gateway.health()
        assert "0x0e" in health.detail
        assert simulator.gateway.attempts == 1
    assert "hongqi" not in health.detail


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"secret": SecretStr("x" * 33)}, "32 characters"),
        ({"secret": SecretStr("密码")}, "ASCII"),
        ({"source_addr": "FRAUD-CENTRES"}, "11 characters"),
        ({"ca_file": Path("ca.pem")}, "tls = true"),
        ({"tls": True, "certificate": Path("a.pem")}, "go together"),
        ({"gsm7_packed": True, "coding": "ucs2"}, "gsm7"),
        ({"coding": "gb18030"}, "coding"),
    ],
)
def test_settings_that_do_not_fit_are_named_before_anything_is_sent(
    more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(1, **more)


def test_a_raw_log_names_its_protocol(tmp_path: Path) -> None:
    async def run() -> None:
        async with SmppSimulator(log=tmp_path / "log"):
            pass

    anyio.run(run)
    assert (tmp_path / "log").read_bytes() == b"SMPPLOG1"
