"""The CMPP channel against a gateway of a few lines that knows no more than offsets.

It plays octets from `tests/cases/cmpp`, so that none of our encoders stands between the case and
the channel.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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
from fzalert.ports import HealthState, Submission
from fzalert.testing import SCRIPT, RecordingWire, make_context
from fzalert_sms.cmpp import CmppConfig, CmppGateway

CASES = Path(__file__).parents[1] / "cases" / "cmpp"
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)
VERSIONS = ("2.0", "3.0")


def _cases(name: str, version: str = "") -> list[Any]:
    rows: list[Any] = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    wanted = "cmpp" + version.replace(".", "")
    return [row for row in rows if row["protocol"].startswith(wanted)]


def _frame(command: int, sequence: int, body: bytes) -> bytes:
    words = (12 + len(body), command, sequence)
    return b"".join(word.to_bytes(4, "big") for word in words) + body


class RawGateway:
    """Takes every login, answers SUBMITs with the frames it is given, and says what it is told.

    Attributes:
        answers: What the next SUBMITs are answered with; the sequence is put in.
        heard: Every frame that arrived.
        replies_to_tests: The body of an ACTIVE_TEST_RESP.
    """

    def __init__(self, version: str) -> None:
        self.answers: list[bytes] = []
        self.heard: list[bytes] = []
        self.replies_to_tests = b"\0"
        self.port = 0
        self._version = version
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    def say(self, octets: bytes) -> None:
        self._writers[-1].write(octets)

    def count(self, command: int) -> int:
        return sum(frame[4:8] == command.to_bytes(4, "big") for frame in self.heard)

    async def until_count(self, command: int, count: int) -> None:
        async with asyncio.timeout(5):
            while self.count(command) < count:
                self._changed.clear()
                await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readexactly(12)
                body = await reader.readexactly(int.from_bytes(head[:4], "big") - 12)
                self._take(head, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.heard.append(head + body)
        command = int.from_bytes(head[4:8], "big")
        sequence = int.from_bytes(head[8:], "big")
        match command:
            case 0x00000001:
                status = bytes(4 if self._version == "3.0" else 1)
                version = b"\x30" if self._version == "3.0" else b"\x20"
                writer.write(_frame(0x80000001, sequence, status + bytes(16) + version))
            case 0x00000002:
                writer.write(_frame(0x80000002, sequence, b""))
            case 0x00000004 if self.answers:
                answer = self.answers.pop(0)
                writer.write(answer[:8] + head[8:] + answer[12:])
            case 0x00000008:
                writer.write(_frame(0x80000008, sequence, self.replies_to_tests))
            case _:
                pass
        self._changed.set()


@asynccontextmanager
async def _line(version: str, **more: Any) -> AsyncIterator[tuple[CmppGateway, RawGateway]]:
    async with make_context() as context, RawGateway(version) as raw:
        settings: dict[str, Any] = {
            "name": "cmpp-1",
            "host": "127.0.0.1",
            "port": raw.port,
            "version": version,
            "account": "901234",
            "secret": SecretStr("1234"),
            "service_id": "FZALERT",
            "src_id": "106980001234",
            "open_wait": 5,
            "reply_wait": 0.2,
        }
        async with CmppGateway(CmppConfig(**settings | more), context) as gateway:
            yield gateway, raw


async def _rows(gateway: CmppGateway, count: int) -> list[Appended]:
    found: list[Appended] = []
    async with asyncio.timeout(5):
        async for batch in gateway.inbound():
            found.extend(batch.rows)
            batch.acknowledge()
            if len(found) >= count:
                break
    assert len(found) == count
    return found


async def _submit(gateway: CmppGateway, count: int = 1) -> list[Receipt]:
    wire = RecordingWire()
    batch = [
        Submission(n, 0, Lane.BULK, phone("13800138000"), TEXT, 2**62) for n in range(1, 1 + count)
    ]
    async with asyncio.timeout(5):
        await gateway.submit(batch, wire)
    wire.check()
    return [wire.receipts[one.id, 0] for one in batch]


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_deviant_report_arrives_and_is_answered(version: str) -> None:
    cases = _cases("deviant_reports", version)
    assert len(cases) > 15
    async with _line(version) as (gateway, raw):
        with structlog.testing.capture_logs() as logs:
            raw.say(b"".join(bytes.fromhex(case["hex"]) for case in cases))
            rows = await _rows(gateway, len(cases))
        await raw.until_count(0x80000005, len(cases))
        figures = dict((await gateway.health()).figures)
    for case, row in zip(cases, rows, strict=True):
        assert isinstance(row, DeliveryReport)
        told = {
            "stat": row.code,
            "kind": row.kind,
            "address": row.target.address if row.target is not None else "",
            "at": row.at,
        }
        assert told == {name: case["expect"][name] for name in told}, case["id"]
        assert row.carrier_id.hex() == "aaa052c1e2400315"
    assert figures["odd reports"] == sum(case["expect"]["odd"] for case in cases)
    assert [line["event"] for line in logs].count("sms.odd_report") == 1
    answers = [frame for frame in raw.heard if frame[4:8] == b"\x80\0\0\x05"]
    assert {len(answer) for answer in answers} == {24 if version == "3.0" else 21}
    assert {answer[20:] for answer in answers} == {bytes(4 if version == "3.0" else 1)}


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_deviant_reply_arrives_whole_and_each_part_is_answered(version: str) -> None:
    for case in _cases("deviant_replies", version):
        async with _line(version) as (gateway, raw):
            raw.say(b"".join(bytes.fromhex(octets) for octets in case["hex"]))
            (row,) = await _rows(gateway, 1)
            await raw.until_count(0x80000005, len(case["hex"]))
        assert isinstance(row, Uplink)
        assert row.source == phone("13800138000")
        told = {"text": row.text, "opt_out": row.is_opt_out}
        assert told == case["expect"], case["id"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_no_part_of_a_reply_is_answered_before_the_whole_is_on_disk(version: str) -> None:
    (case,) = [c for c in _cases("deviant_replies", version) if "two_parts" in c["id"]]
    first, second = (bytes.fromhex(octets) for octets in case["hex"])
    async with _line(version, reply_wait=30) as (gateway, raw):
        raw.say(first)
        raw.say(second)
        inbound = gateway.inbound()
        async with asyncio.timeout(5):
            batch = await anext(inbound)
        assert raw.count(0x80000005) == 0
        batch.acknowledge()
        await raw.until_count(0x80000005, 2)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reply_of_which_a_part_is_missing_is_told_and_answered(version: str) -> None:
    (case,) = [c for c in _cases("deviant_replies", version) if "two_parts" in c["id"]]
    async with _line(version) as (gateway, raw):
        raw.say(bytes.fromhex(case["hex"][0]))
        (row,) = await _rows(gateway, 1)
        await raw.until_count(0x80000005, 1)
        figures = dict((await gateway.health()).figures)
    assert isinstance(row, Uplink)
    assert row.text == "我收到了…"
    assert figures["torn replies"] == 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_deviant_answer_settles_its_text(version: str) -> None:
    cases = _cases("deviant_answers", version)
    async with _line(version, result_table={"106": "recipient"}) as (gateway, raw):
        raw.answers = [bytes.fromhex(case["hex"]) for case in cases]
        receipts = await _submit(gateway, len(cases))
    wanted = {
        (0, True): ReceiptKind.SENT,
        (0, False): ReceiptKind.UNKNOWN,
        (8, False): ReceiptKind.THROTTLED,
        (106, False): ReceiptKind.PERMANENT,
    }
    for case, receipt in zip(cases, receipts, strict=True):
        has_id = set(case["expect"]["msg_id"]) != {"0"}
        assert receipt.kind is wanted[case["expect"]["result"], has_id], case["id"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_taken_without_an_id_is_unknown_and_never_sent_again_by_itself(version: str) -> None:
    (case,) = [c for c in _cases("deviant_answers", version) if "no_id" in c["id"]]
    async with _line(version) as (gateway, raw):
        raw.answers = [bytes.fromhex(case["hex"])]
        (receipt,) = await _submit(gateway)
        assert (receipt.kind, receipt.carrier_id, receipt.code) == (ReceiptKind.UNKNOWN, b"", "0")
        assert raw.count(0x00000004) == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("body", [b"", b"\0"])
async def test_active_test_may_be_answered_with_12_or_13_octets(version: str, body: bytes) -> None:
    async with _line(version, keep_alive=0.1, keep_alive_timeout=0.1) as (gateway, raw):
        raw.replies_to_tests = body
        await raw.until_count(0x00000008, 5)
        assert (await gateway.health()).state is HealthState.UP
        assert raw.count(0x00000001) == 1


async def test_an_answer_with_octets_too_many_ends_the_link_and_a_new_one_is_made() -> None:
    # Some stacks announce 13 octets and write 16: after that no length can be trusted.
    async with _line("2.0", keep_alive=0.1, keep_alive_timeout=0.1) as (_, raw):
        raw.replies_to_tests = b"\0"
        await raw.until_count(0x00000008, 1)
        raw.say(b"\0\0\0")
        await raw.until_count(0x00000001, 2)
