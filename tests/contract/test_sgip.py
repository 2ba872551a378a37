"""The SGIP channel against the contract that every channel keeps, and against its own gateway."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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
from fzalert.ports import AdapterContext, Health, HealthState, Submission
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
from fzalert_sms.sgip import SgipConfig, SgipGateway
from fzalert_sms.sgip.codec import (
    Bind,
    BindResp,
    FrameBuffer,
    Sequence,
    Unbind,
    UnbindResp,
    UserRpt,
    UserRptResp,
    decode,
    encode,
)
from fzalert_sms.sgip.codec import layout as c
from fzalert_sms.sgip.knobs import Knobs
from fzalert_sms.sgip.push import PushConnection, SgipSimulatedGateway
from fzalert_sms.sgip.simulator import SgipSimulator
from tests.contract.carrier_peer import CarrierPeer

RESULTS = {
    ReceiptKind.PERMANENT: 29,
    ReceiptKind.THROTTLED: 11,
    ReceiptKind.TEMPORARY: 21,
    ReceiptKind.UNKNOWN: 9,
    ReceiptKind.CHANNEL_DOWN: 3,
}
STATS = {
    ReportKind.DELIVERED: "DELIVRD",
    ReportKind.UNDELIVERED: "UNDELIV",
    ReportKind.EXPIRED: "EXPIRED",
    ReportKind.NO_REPORT: "99",
}
FOREVER = 2**62
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)
LONG = SmsText(("反" * 67, "诈" * 67, "中心"), Coding.UCS2, SCRIPT)


def settings(port: int, **more: Any) -> SgipConfig:
    listener = {
        "host": "127.0.0.1",
        "port": 0,
        "account": "gateway",
        "secret": SecretStr("shared"),
    } | more.pop("listening", {})
    given: dict[str, Any] = {
        "name": "sgip-1",
        "host": "127.0.0.1",
        "port": port,
        "account": "fzalert",
        "secret": SecretStr("shared"),
        "node_id": 3053100123,
        "corp_id": "00123",
        "service_type": "FZALERT",
        "sp_number": "10655000",
        "listener": listener,
        "open_wait": 5,
        "late_after": 0.3,
        "submit_timeout": 0.6,
    }
    return SgipConfig(**given | more)


def deliver_to(simulator: SgipSimulator, gateway: SgipGateway) -> None:
    assert gateway.listener is not None
    simulator.change(deliver_port=gateway.listener.port)


class SgipPeer(CarrierPeer[SgipSimulator]):
    """The simulated gateway as the contract uses it."""

    results = RESULTS
    stats = STATS

    @staticmethod
    @override
    def read(submit: Any) -> tuple[str, bytes]:
        return submit.user_numbers[0], submit.content


class TestSgipGateway(
    RefusalContract,
    SilenceContract,
    LinkContract,
    ReportsContract,
    LifecycleContract,
    AdapterContract,
):
    factory = SgipGateway
    refusals = frozenset(RESULTS)

    @pytest.fixture
    async def peer(self) -> AsyncIterator[SgipPeer]:
        knobs = Knobs(response_delay_ms=5, missing_share=1.0)
        async with SgipSimulator(knobs) as simulator:
            yield SgipPeer(simulator)

    @pytest.fixture
    def config(self, peer: SgipPeer) -> SgipConfig:
        return settings(peer.simulator.port)

    @pytest.fixture
    @override
    async def adapter(
        self, config: SgipConfig, context: AdapterContext, peer: SgipPeer
    ) -> AsyncIterator[SgipGateway]:
        async with SgipGateway(config, context) as gateway:
            deliver_to(peer.simulator, gateway)
            yield gateway

    @override
    def address_of(self, target: Target) -> str:
        return target.address.removeprefix("+")


@asynccontextmanager
async def _line(
    knobs: Knobs | None = None, **more: Any
) -> AsyncIterator[tuple[SgipGateway, SgipSimulator]]:
    knobs = knobs or Knobs(response_delay_ms=0, missing_share=1.0)
    async with (
        make_context() as context,
        SgipSimulator(knobs) as simulator,
        SgipGateway(settings(simulator.port, **more), context) as gateway,
    ):
        deliver_to(simulator, gateway)
        yield gateway, simulator


async def _send(gateway: SgipGateway, *submissions: Submission) -> list[Receipt]:
    wire = RecordingWire()
    with anyio.fail_after(10):
        await gateway.submit(submissions, wire)
    wire.check()
    return [wire.receipts[s.id, s.part] for s in submissions]


def _one(id_: int = 1, number: str = "18600186000", text: SmsText = TEXT) -> Submission:
    return Submission(id_, 0, Lane.BULK, phone(number), text, FOREVER)


async def _rows(gateway: SgipGateway, count: int) -> list[Appended]:
    found: list[Appended] = []
    with anyio.fail_after(10):
        async for batch in gateway.inbound():
            batch.acknowledge()
            found += batch.rows
            if len(found) >= count:
                return found
    raise AssertionError("the gateway was closed")


async def _shows(gateway: SgipGateway, is_so: Callable[[Health], bool]) -> None:
    """Wait until the status page would show it."""
    with anyio.fail_after(10):
        while True:
            if is_so(await gateway.health()):
                return
            await asyncio.sleep(0.01)


def _figure(health: Health, name: str) -> int | float | str:
    return dict(health.figures)[name]


@pytest.mark.parametrize(
    ("result", "kind", "scope"),
    [
        (1, ReceiptKind.PERMANENT, Scope.CHANNEL),
        (3, ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL),
        (6, ReceiptKind.PERMANENT, Scope.RECIPIENT),
        (9, ReceiptKind.UNKNOWN, Scope.MESSAGE),
        (11, ReceiptKind.THROTTLED, Scope.CHANNEL),
        (21, ReceiptKind.TEMPORARY, Scope.MESSAGE),
        (24, ReceiptKind.PERMANENT, Scope.CHANNEL),
        (29, ReceiptKind.PERMANENT, Scope.RECIPIENT),
        (32, ReceiptKind.TEMPORARY, Scope.MESSAGE),
        (12, ReceiptKind.PERMANENT, Scope.MESSAGE),
        (200, ReceiptKind.TEMPORARY, Scope.MESSAGE),
    ],
)
async def test_a_result_is_the_receipt_that_the_table_says(
    result: int, kind: ReceiptKind, scope: Scope
) -> None:
    async with _line() as (gateway, simulator):
        simulator.gateway.next_answers.append(result)
        (receipt,) = await _send(gateway, _one())
    assert (receipt.kind, receipt.scope, receipt.code) == (kind, scope, str(result))
    assert " · " in receipt.detail


async def test_a_text_carries_what_the_contract_says_and_its_sequence_is_its_id() -> None:
    parts = [Submission(9, n, Lane.URGENT, phone("18600186000"), LONG, FOREVER) for n in range(3)]
    wire = RecordingWire()
    async with _line() as (gateway, simulator):
        await gateway.submit(parts, wire)
    references = set()
    for number, (submit, _, _) in enumerate(simulator.submits, start=1):
        key = submit.sequence.pack()
        assert wire.receipts[9, number - 1] == Receipt(ReceiptKind.SENT, carrier_id=key)
        assert wire.written[9, number - 1] == key
        assert submit.sequence.node == 3053100123
        assert submit.user_numbers == ("8618600186000",)
        assert (submit.charge_number, submit.corp_id) == ("0" * 21, "00123")
        assert (submit.fee_type, submit.morelate_to_mt_flag, submit.report_flag) == (1, 2, 1)
        assert (submit.tp_udhi, submit.message_coding) == (1, 8)
        assert (submit.content[4], submit.content[5]) == (3, number)
        assert submit.content[6:].decode("utf-16-be") == LONG.parts[number - 1]
        references.add(submit.content[3])
    assert len(references) == 1


@pytest.mark.parametrize(
    ("stat", "kind", "code"),
    [
        ("DELIVRD", ReportKind.DELIVERED, "0"),
        ("25", ReportKind.EXPIRED, "25"),
        ("26", ReportKind.EXPIRED, "26"),
        ("29", ReportKind.UNDELIVERED, "29"),
        ("200", ReportKind.UNDELIVERED, "200"),
        ("99", ReportKind.NO_REPORT, "99"),
    ],
)
async def test_an_error_code_of_a_report_is_read(stat: str, kind: ReportKind, code: str) -> None:
    async with _line(report_table={"99": "no_report"}) as (gateway, simulator):
        (receipt,) = await _send(gateway, _one())
        submit, carrier_id, _ = simulator.submits[0]
        simulator.report(submit, carrier_id, "ACCEPTD")  # State 1 says nothing
        simulator.report(submit, carrier_id, stat)
        (row,) = await _rows(gateway, 1)
        await simulator.until(lambda: simulator.counts["acknowledged"] == 2)
    assert isinstance(row, DeliveryReport)
    assert (row.kind, row.code, row.carrier_id) == (kind, code, receipt.carrier_id)
    assert row.target == phone("18600186000")
    assert (" · " in row.detail) is (code in ("25", "26", "29"))


async def test_reports_that_come_before_the_answer_and_twice_are_all_given_on() -> None:
    knobs = Knobs(response_delay_ms=100, early_share=0.5, twice_share=0.5, report_delay_ms=0)
    async with _line(knobs, late_after=3, submit_timeout=5) as (gateway, simulator):
        receipts = await _send(gateway, *(_one(n, f"186{n:08d}") for n in range(1, 13)))
        sent = {receipt.carrier_id for receipt in receipts}
        seen: set[bytes] = set()
        while seen != sent:
            for row in await _rows(gateway, 1):
                assert isinstance(row, DeliveryReport)
                seen.add(row.carrier_id)
        await simulator.until(lambda: simulator.unacknowledged == 0)


async def test_a_report_is_answered_only_when_it_is_on_disk() -> None:
    async with _line() as (gateway, simulator):
        await _send(gateway, _one())
        submit, carrier_id, _ = simulator.submits[0]
        simulator.report(submit, carrier_id, "DELIVRD")
        with anyio.fail_after(10):
            batch = await anext(aiter(gateway.inbound()))
        await simulator.until(lambda: simulator.unacknowledged == 1)
        await asyncio.sleep(0)
        assert simulator.counts["acknowledged"] == 0
        batch.acknowledge()
        await simulator.until(lambda: simulator.counts["acknowledged"] == 1)


async def test_a_report_about_a_text_of_a_former_process_names_it() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0)
    async with SgipSimulator(knobs) as simulator:
        config = settings(simulator.port)
        async with make_context() as context, SgipGateway(config, context) as first:
            (receipt,) = await _send(first, _one())
        async with make_context() as context, SgipGateway(config, context) as second:
            deliver_to(simulator, second)
            (other,) = await _send(second, _one(2))
            submit, carrier_id, _ = simulator.submits[0]
            simulator.report(submit, carrier_id, "DELIVRD")
            (row,) = await _rows(second, 1)
    assert isinstance(row, DeliveryReport)
    assert row.carrier_id == receipt.carrier_id != other.carrier_id


async def test_reports_come_on_several_connections_at_once() -> None:
    async with _line() as (gateway, simulator):
        receipts = await _send(gateway, *(_one(n, f"186{n:08d}") for n in range(1, 5)))
        links = [await simulator.dial() for _ in range(4)]
        await simulator.until(lambda: all(link.receives for link in links))
        assert _figure(await gateway.health(), "inbound connections") == 4
        for link, (submit, carrier_id, _) in zip(links, simulator.submits, strict=True):
            simulator.report(submit, carrier_id, "DELIVRD", on=link)
        rows = await _rows(gateway, 4)
        await simulator.until(lambda: simulator.counts["acknowledged"] == 4)
    found = {row.carrier_id for row in rows if isinstance(row, DeliveryReport)}
    assert found == {receipt.carrier_id for receipt in receipts}


async def test_a_reply_is_an_uplink_an_opt_out_is_marked_and_a_long_one_is_joined() -> None:
    async with _line() as (gateway, simulator):
        simulator.write("fzalert", "18600186000", "退订", to="10655000")
        (row,) = await _rows(gateway, 1)
        for number, words in ((2, "骗子打来的"), (1, "刚才是")):
            octets = words.encode("utf-16-be")
            simulator.write_part("fzalert", "18600186000", (7, 2, number), octets)
        (joined,) = await _rows(gateway, 1)
    assert isinstance(row, Uplink)
    assert (row.source, row.text, row.is_opt_out) == (phone("18600186000"), "退订", True)
    assert isinstance(joined, Uplink)
    assert joined.text == "刚才是骗子打来的"


# The line that sends rests, and comes back.


async def test_an_idle_line_says_good_bye_is_not_down_and_opens_with_work() -> None:
    async with _line(idle_close=0.2) as (gateway, simulator):
        await _send(gateway, _one())
        await simulator.until(lambda: not simulator.gateway.connections, 10)
        health = await gateway.health()
        assert health.state is HealthState.UP
        assert "空闲" in health.detail
        logins = simulator.counts["logins"]
        (receipt,) = await _send(gateway, _one(2))
        assert receipt.kind is ReceiptKind.SENT
        assert simulator.counts["logins"] == logins + 1


async def test_a_line_that_the_gateway_closes_for_idling_is_not_down() -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, idle_close=1.2)
    async with _line(knobs) as (gateway, simulator):
        await _send(gateway, _one())
        await simulator.until(lambda: not simulator.gateway.connections, 10)
        await _shows(gateway, lambda health: "空闲" in health.detail)
        assert (await gateway.health()).state is HealthState.UP
        (receipt,) = await _send(gateway, _one(2))
    assert receipt.kind is ReceiptKind.SENT


async def test_a_line_that_cannot_be_opened_again_is_down_and_says_so() -> None:
    async with _line(idle_close=0.2, open_wait=2) as (gateway, simulator):
        await simulator.until(lambda: not simulator.gateway.connections, 10)
        await simulator.deafen()
        (receipt,) = await _send(gateway, _one())
        assert receipt.kind is ReceiptKind.CHANNEL_DOWN
        assert (await gateway.health()).state is HealthState.DOWN
        await simulator.listen()
        with anyio.fail_after(10):
            while receipt.kind is ReceiptKind.CHANNEL_DOWN:
                await asyncio.sleep(0.05)
                (receipt,) = await _send(gateway, _one())
    assert receipt.kind is ReceiptKind.SENT


# What is unknown goes out again with its own sequence.


@pytest.mark.parametrize("answer", [0, 9])
async def test_a_text_whose_answer_was_lost_goes_out_again_as_the_same_one(answer: int) -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, drop_share=1.0, answers_repeats=answer)
    wire = RecordingWire()
    async with _line(knobs, gateway_deduplicates=True) as (gateway, simulator):
        assert gateway.capabilities.idempotent_key
        await gateway.submit([_one()], wire)
        key = wire.written[1, 0]
        lost = wire.receipts[1, 0]
        assert (lost.kind, lost.carrier_id) == (ReceiptKind.UNKNOWN, key)
        simulator.cut()  # from another connection it is the same text
        await simulator.until(lambda: not simulator.gateway.connections)
        with anyio.fail_after(10):
            while True:
                (receipt,) = await _send(gateway, _one()._replace(previous_key=key, attempt=2))
                if receipt.kind is ReceiptKind.SENT:
                    break
                await asyncio.sleep(0.02)
        assert receipt == Receipt(ReceiptKind.SENT, carrier_id=key)
        assert len(simulator.submits) == 1, "the gateway took it twice"


@pytest.mark.parametrize("result", [11, 9])
async def test_a_text_that_was_refused_goes_out_with_a_new_sequence(result: int) -> None:
    """Also after a 9 to its first attempt: that is no proof that it was taken."""
    async with _line() as (gateway, simulator):
        simulator.gateway.next_answers.append(result)
        wire = RecordingWire()
        await gateway.submit([_one()], wire)
        key = wire.written[1, 0]
        (receipt,) = await _send(gateway, _one()._replace(previous_key=key, attempt=2))
    assert receipt.kind is ReceiptKind.SENT
    assert receipt.carrier_id != key


async def test_the_key_of_another_node_is_not_used() -> None:
    async with _line() as (gateway, _):
        key = Sequence(3099900001, 1125030000, 7).pack()
        for previous in (key, b"of another protocol"):
            (receipt,) = await _send(gateway, _one()._replace(previous_key=previous))
            assert receipt.carrier_id not in (key, previous)


def test_without_the_promise_nothing_is_sent_again_by_itself() -> None:
    assert settings(1).gateway_deduplicates is False


# Our listener, and who may come in.


async def test_a_wrong_login_of_the_gateway_is_refused_and_shown() -> None:
    async with _line() as (gateway, simulator):
        await _send(gateway, _one())
        assert _figure(await gateway.health(), "inbound last bind") == "never"
        simulator.change(deliver_secret="hongqi-7")
        submit, carrier_id, _ = simulator.submits[0]
        simulator.report(submit, carrier_id, "DELIVRD")
        await _shows(gateway, lambda health: _figure(health, "inbound rejected binds") != 0)
        health = await gateway.health()
        assert health.state is HealthState.SLOW
        assert "登录名或口令不对" in health.detail
        simulator.change(deliver_secret="shared")
        (row,) = await _rows(gateway, 1)
        health = await gateway.health()
    assert isinstance(row, DeliveryReport)
    assert health.state is HealthState.UP
    assert _figure(health, "inbound binds") == 1
    assert str(_figure(health, "inbound last bind")).endswith("s ago")


async def _answer_to(port: int, data: bytes) -> bytes:
    """What the listener says before it closes."""
    with anyio.fail_after(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        try:
            with contextlib.suppress(ConnectionError):
                return await reader.read()
            return b""
        finally:
            writer.close()


async def test_who_does_not_log_in_rightly_is_closed() -> None:
    async with _line(listening={"login_type_1": False}) as (gateway, _):
        assert gateway.listener is not None
        port = gateway.listener.port
        sequence = Sequence(1, 2, 3)
        for bind, result in (
            (Bind(sequence, 2, "gateway", "wrong"), 1),
            (Bind(sequence, 2, "nobody", "shared"), 1),
            (Bind(sequence, 1, "gateway", "shared"), 4),
        ):
            (frame,) = FrameBuffer().feed(await _answer_to(port, encode(bind)))
            assert decode(frame) == BindResp(sequence, result)
        for data in (
            c.HEADER.pack(20, c.UNBIND, 1, 2, 3),
            b"\xff" * 64,
            b"GET / HTTP/1.1\r\n\r\n" + b"x" * 5000,
        ):
            assert await _answer_to(port, data) == b""
        assert _figure(await gateway.health(), "inbound binds") == 0


async def test_who_says_nothing_or_may_not_connect_is_closed() -> None:
    async with _line(listening={"login_timeout": 0.2}) as (gateway, _):
        assert gateway.listener is not None
        assert await _answer_to(gateway.listener.port, b"\0\0") == b""
    async with _line(listening={"allowed": ("10.1.2.0/24",)}) as (gateway, _):
        assert gateway.listener is not None
        bind = encode(Bind(Sequence(1, 2, 3), 2, "gateway", "shared"))
        assert await _answer_to(gateway.listener.port, bind) == b""
        assert _figure(await gateway.health(), "inbound rejected binds") == 1


async def test_a_gateway_that_binds_as_a_provider_is_let_in() -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0, deliver_type=1)
    async with _line(knobs) as (gateway, _):
        await _send(gateway, _one())
        (row,) = await _rows(gateway, 1)
    assert isinstance(row, DeliveryReport)


async def test_news_of_a_user_is_answered_and_counted() -> None:
    async with _line() as (gateway, _):
        assert gateway.listener is not None
        sequence = Sequence(105310, 1, 7)
        data = (
            encode(Bind(Sequence(105310, 1, 6), 2, "gateway", "shared"))
            + encode(UserRpt(sequence, "10655000", "8618600186000", 0))
            + encode(Unbind(Sequence(105310, 1, 8)))
        )
        frames = FrameBuffer().feed(await _answer_to(gateway.listener.port, data))
        health = await gateway.health()
    bound, told, left = (decode(frame) for frame in frames)
    assert bound == BindResp(Sequence(105310, 1, 6), 0)
    assert told == UserRptResp(sequence, 0)
    assert left == UnbindResp(Sequence(105310, 1, 8))
    assert _figure(health, "user reports") == 1


async def test_a_port_that_is_taken_is_said_and_sending_works() -> None:
    async with _line() as (first, simulator):
        assert first.listener is not None
        more = {"listening": {"port": first.listener.port}}
        async with (
            make_context() as context,
            SgipGateway(settings(simulator.port, **more), context) as second,
        ):
            (receipt,) = await _send(second, _one())
            health = await second.health()
    assert receipt.kind is ReceiptKind.SENT
    assert health.state is HealthState.SLOW
    assert "无法监听" in health.detail


# The simulator keeps to the text.


async def test_the_gateway_opens_a_connection_for_a_burst_and_leaves() -> None:
    knobs = Knobs(response_delay_ms=0, report_delay_ms=0)
    async with _line(knobs) as (gateway, simulator):
        simulated = simulator.gateway
        assert isinstance(simulated, SgipSimulatedGateway)
        await _send(gateway, *(_one(n, f"186{n:08d}") for n in range(1, 21)))
        await _rows(gateway, 20)
        await simulator.until(lambda: simulator.counts["acknowledged"] == 20)
        pushes = [one for one in simulated.connections if isinstance(one, PushConnection)]
        await simulator.until(lambda: not any(one in simulated.connections for one in pushes), 10)
        assert 1 <= simulated.pushes <= 20


async def test_a_number_without_86_is_refused_by_the_gateway() -> None:
    async with _line() as (gateway, simulator):
        await _send(gateway, _one())
        (submit, _, _) = simulator.submits[0]
        bare = submit._replace(user_numbers=("18600186000",))
        verdict = simulator.gateway.judge(simulator.gateway.side.incoming(bare))
    assert verdict.result == 6


@pytest.mark.parametrize(("result", "words"), [(1, "口令错"), (4, "登录类型"), (3, "连接过多")])
async def test_a_refused_login_says_what_to_do(result: int, words: str) -> None:
    async with _line(Knobs(login_status=result), open_wait=0.3) as (gateway, simulator):
        await simulator.until(lambda: simulator.gateway.attempts >= 1)
        health = await gateway.health()
        (receipt,) = await _send(gateway, _one())
    assert health.state is HealthState.DOWN
    assert words in health.detail
    assert "shared" not in repr(health)
    assert receipt.kind is ReceiptKind.CHANNEL_DOWN


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"secret": SecretStr("x" * 17)}, "16 ASCII"),
        ({"listener": None}, r"\[channel.listener\] is missing"),
        ({"listening": {"allowed": ("10.1.2.3/24",)}}, "no address or network"),
        ({"report_table": {"MA:0022": "frequency"}}, "no ErrorCode"),
        ({"window": 33}, "32"),
    ],
)
def test_a_wrong_setting_is_named(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(1, **more)


def test_a_raw_log_names_its_protocol(tmp_path: Path) -> None:
    async def run() -> None:
        async with SgipSimulator(log=tmp_path / "log"):
            pass

    anyio.run(run)
    assert (tmp_path / "log").read_bytes() == b"SGIPLOG1"
