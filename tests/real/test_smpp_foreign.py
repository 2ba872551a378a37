"""SMPP with others: our client against a message centre that is not ours, our centre the reverse.

The centre is smpp34, which runs in this process; the client is smpplib, in a process of its own.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import smpp34
from pydantic import SecretStr

from fzalert.messages import (
    Coding,
    DeliveryReport,
    Lane,
    Receipt,
    ReceiptKind,
    ReportKind,
    SmsText,
    Uplink,
    phone,
)
from fzalert.ports import HealthState, Submission
from fzalert.testing import SCRIPT, RecordingWire, make_context
from fzalert_sms.recount import recount_with_texts
from fzalert_sms.smpp import SmppConfig, SmppGateway
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.knobs import Knobs
from fzalert_sms.smpp.simulator import SmppSimulator
from fzalert_sms.wire import divide
from fzalert_sms.wire.gsm7 import to_septets

FOREVER = 2**62
PERSON = "8618900189000"
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)
LONG = SmsText(("反" * 67, "诈" * 67, "中心"), Coding.UCS2, SCRIPT)
LATIN = SmsText(("Do not pay: {call 96110} €",), Coding.GSM7, SCRIPT)
PATIENCE = 30.0


def _listening() -> set[int]:
    """The TCP ports on which this process listens, as the system tells it."""
    mine = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            mine.add(os.readlink(f"/proc/self/fd/{name}"))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return {
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in mine
    }


class Centre:
    """A message centre of others; the test says what it answers."""

    def __init__(self, server: Any, port: int) -> None:
        self.port = port
        self._server = server
        self.esmes: list[Any] = []
        self.gone = 0

    async def submitted(self) -> Any:
        """The next submit_sm; binds and ends that come before are noted."""
        while True:
            event = await self._next()
            if isinstance(event, smpp34.SubmitSmEvent):
                return event

    async def bound(self, count: int) -> None:
        while len(self.esmes) < count:
            await self._next()

    async def unbound(self, count: int) -> None:
        while self.gone < count:
            await self._next()

    async def _next(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            event = await self._server.next()
        if isinstance(event, smpp34.Esme):
            self.esmes.append(event)
        elif isinstance(event, smpp34.Unbound):
            self.gone += 1
        return event


@asynccontextmanager
async def _centre() -> AsyncIterator[Centre]:
    before = _listening()
    server = smpp34.Server("127.0.0.1", 0, system_id="FOREIGN")
    await server.start()
    try:
        (port,) = _listening() - before
        yield Centre(server, port)
    finally:
        await server.stop()


@asynccontextmanager
async def _line(**more: Any) -> AsyncIterator[tuple[SmppGateway, Centre]]:
    async with _centre() as centre, make_context() as context:
        given: dict[str, Any] = {
            "name": "foreign",
            "host": "127.0.0.1",
            "port": centre.port,
            "account": "fzalert",
            "secret": SecretStr("secret08"),
            "source_addr": "10690001",
            "open_wait": 20,
            "late_after": 20,
            **more,
        }
        async with SmppGateway(SmppConfig(**given), context) as gateway:
            await centre.bound(2 if more.get("bind") == "apart" else 1)
            yield gateway, centre


def _parts(text: SmsText, id_: int = 1) -> list[Submission]:
    return [
        Submission(id_, n, Lane.URGENT, phone("18900189000"), text, FOREVER)
        for n in range(len(text.parts))
    ]


def _sending(gateway: SmppGateway, *submissions: Submission) -> asyncio.Future[list[Receipt]]:
    async def send() -> list[Receipt]:
        wire = RecordingWire()
        with anyio.fail_after(PATIENCE):
            await gateway.submit(submissions, wire)
        return [wire.receipts[s.id, s.part] for s in submissions]

    return asyncio.ensure_future(send())


async def _row(gateway: SmppGateway) -> Any:
    with anyio.fail_after(PATIENCE):
        async for batch in gateway.inbound():
            batch.acknowledge()
            (row,) = batch.rows
            return row
    raise AssertionError("the gateway was closed")


async def _receipt(gateway: SmppGateway, esme: Any, text: bytes, **more: Any) -> Any:
    """Let the centre deliver, and wait until our acknowledgement is there."""
    told = {"source_addr": PERSON, "esm_class": 4, **more}
    delivered = asyncio.ensure_future(esme.deliver_sm("10690001", text, **told))
    row = await _row(gateway)
    async with asyncio.timeout(PATIENCE):
        assert (await delivered).is_success
    return row


async def test_a_foreign_centre_reads_what_we_write_and_we_what_it_answers() -> None:
    async with _line(service_type="VMA") as (gateway, centre):
        assert (await gateway.health()).state is HealthState.UP
        for number, (text, octets, coding) in enumerate(
            [
                (TEXT, TEXT.parts[0].encode("utf-16-be"), 8),
                (LATIN, to_septets(LATIN.parts[0]), 0),
            ]
        ):
            sending = _sending(gateway, *_parts(text))
            event = await centre.submitted()
            assert (event.short_message, event.data_coding) == (octets, coding)
            assert (event.source_addr, event.destination_addr) == ("10690001", PERSON)
            assert (event.dest_addr_ton, event.dest_addr_npi) == (1, 1)
            assert (event.service_type, event.registered_delivery) == ("VMA", 1)
            event.accept(message_id=f"A-{number}")
            (receipt,) = await sending
            assert (receipt.kind, receipt.carrier_id) == (ReceiptKind.SENT, b"A-%d" % number)


@pytest.mark.parametrize("concat", ["udh", "sar"])
async def test_a_foreign_centre_can_join_a_long_text(concat: str) -> None:
    async with _line(concat=concat) as (gateway, centre):
        sending = _sending(gateway, *_parts(LONG))
        seen = []
        for _ in LONG.parts:  # in no order: it hands out several at once
            event = await centre.submitted()
            fields = {field.tag: field.value for field in event.tlvs}
            if concat == "udh":
                assert event.esm_class == 0x40
                place, octets = divide(event.short_message)
                assert place is not None
                assert not fields
                seen.append((place.total, place.number, octets.decode("utf-16-be")))
            else:
                assert event.esm_class == 0
                total, part = fields[c.SAR_TOTAL_SEGMENTS], fields[c.SAR_SEGMENT_SEQNUM]
                words = event.short_message.decode("utf-16-be")
                seen.append((total[0], part[0], words))
            event.accept(message_id=str(100 + seen[-1][1]))
        receipts = await sending
    assert sorted(seen) == [(3, n, words) for n, words in enumerate(LONG.parts, start=1)]
    assert [receipt.carrier_id for receipt in receipts] == [b"101", b"102", b"103"]


async def test_a_foreign_centre_gets_a_long_text_whole() -> None:
    whole = SmsText(("反" * 600,), Coding.UCS2, SCRIPT)
    async with _line(concat="payload") as (gateway, centre):
        sending = _sending(gateway, *_parts(whole))
        event = await centre.submitted()
        fields = {field.tag: field.value for field in event.tlvs}
        assert fields[c.MESSAGE_PAYLOAD].decode("utf-16-be") == whole.parts[0]
        event.accept(message_id="1")
        (receipt,) = await sending
    assert receipt.kind is ReceiptKind.SENT


async def test_a_receipt_counts_before_and_after_the_answer() -> None:
    async with _line() as (gateway, centre):
        (esme,) = centre.esmes
        text = b"id:%s sub:001 dlvrd:001 submit date:2611250300 done date:2611250301 stat:%s err:0"
        sending = _sending(gateway, *_parts(TEXT))
        event = await centre.submitted()
        early = await _receipt(gateway, esme, text % (b"77", b"DELIVRD"))
        assert not sending.done()
        event.accept(message_id="77")
        (receipt,) = await sending
        assert isinstance(early, DeliveryReport)
        assert (early.carrier_id, early.kind) == (receipt.carrier_id, ReportKind.DELIVERED)
        assert early.target == phone("18900189000")
        late = await _receipt(gateway, esme, text % (b"77", b"UNDELIV"))
        assert isinstance(late, DeliveryReport)
        assert (late.carrier_id, late.kind) == (b"77", ReportKind.UNDELIVERED)
        reply = await _receipt(
            gateway, esme, "退订".encode("utf-16-be"), esm_class=0, data_coding=8
        )
        assert isinstance(reply, Uplink)
        assert (reply.text, reply.is_opt_out) == ("退订", True)


async def test_a_receiver_lives_on_where_the_centre_refuses_its_acknowledgement() -> None:
    """smpp34 answers a deliver_sm_resp of a receiver with generic_nack."""
    async with _line(bind="apart") as (gateway, centre):
        receiver = gateway._receiver
        assert receiver is not None
        link = receiver.line.link
        assert link is not None
        refused = asyncio.Event()

        def look(frame: bytes) -> None:
            if c.HEADER.unpack_from(frame)[1] == c.GENERIC_NACK:
                refused.set()

        link.session.tap = look
        (esme,) = (esme for esme in centre.esmes if esme.can_receive)
        for number in (b"1", b"2"):
            refused.clear()
            told = {"source_addr": PERSON, "esm_class": 4}
            delivered = asyncio.ensure_future(
                esme.deliver_sm("10690001", b"id:%s stat:DELIVRD" % number, **told)
            )
            row = await _row(gateway)
            assert (row.carrier_id, row.kind) == (number, ReportKind.DELIVERED)
            async with asyncio.timeout(PATIENCE):
                await refused.wait()
            delivered.cancel()
        assert receiver.line.link is link


async def test_a_foreign_centre_throttles_and_refuses() -> None:
    async with _line() as (gateway, centre):
        for status, kind in (
            (0x58, ReceiptKind.THROTTLED),
            (0x0B, ReceiptKind.PERMANENT),
            (0x08, ReceiptKind.TEMPORARY),
        ):
            sending = _sending(gateway, *_parts(TEXT))
            (await centre.submitted()).reject(status)
            (receipt,) = await sending
            assert (receipt.kind, receipt.code) == (kind, f"{status:#04x}")


async def test_a_foreign_centre_answers_whether_it_lives_and_is_left_in_good_order() -> None:
    async with _line(keep_alive=0.1, keep_alive_timeout=5, keep_alive_tries=1) as (gateway, centre):
        link = gateway._sender.line.link
        assert link is not None
        answers = 0
        several = asyncio.Event()

        def count(frame: bytes) -> None:
            nonlocal answers
            answers += c.HEADER.unpack_from(frame)[1] == c.ENQUIRE_LINK_RESP
            if answers >= 3:
                several.set()

        link.session.tap = count
        async with asyncio.timeout(PATIENCE):
            await several.wait()
        assert (await gateway.health()).state is HealthState.UP
        await gateway.__aexit__(None, None, None)
        await centre.unbound(1)


CLIENT = """
import smpplib.client, smpplib.consts, smpplib.exceptions, smpplib.gsm, sys
port, secret, kind, words = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
client = smpplib.client.Client("127.0.0.1", port, timeout=20)
ids, receipts = [], []
def sent(pdu):
    ids.append(pdu.message_id.decode())
    print("SENT", pdu.message_id.decode())
def received(pdu):
    receipts.append(pdu.receipted_message_id.decode())
    print("RECEIPT", pdu.receipted_message_id.decode(), pdu.message_state)
client.set_message_sent_handler(sent)
client.set_message_received_handler(received)
client.connect()
try:
    getattr(client, "bind_" + kind)(system_id="fzalert", password=secret)
except smpplib.exceptions.PDUError as error:
    sys.exit("refused %d" % error.args[1])
parts, coding, flag = smpplib.gsm.make_parts(words)
for part in parts:
    client.send_message(
        source_addr_ton=0, source_addr="10690001",
        dest_addr_ton=1, destination_addr="86189" + "0" * 8,
        short_message=part, data_coding=coding, esm_class=flag, registered_delivery=True,
    )
while len(ids) < len(parts) or (kind == "transceiver" and len(receipts) < len(parts)):
    try:
        client.read_once()
    except smpplib.exceptions.PDUError as error:
        sys.exit("answered %d" % error.args[1])
client.unbind()
client.disconnect()
print("DONE", sorted(ids) == sorted(receipts))
"""


async def _client(port: int, secret: str, kind: str, words: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, str(port), secret, kind, words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("early", [0.0, 1.0])
async def test_a_foreign_client_binds_sends_a_long_text_and_reads_its_receipts(
    early: float, tmp_path: Path
) -> None:
    words = "反诈中心提醒：请勿转账。" * 12
    knobs = Knobs(report_delay_ms=50, early_share=early, response_delay_ms=50)
    async with SmppSimulator(knobs, log=tmp_path / "log") as simulator:
        code, out, err = await _client(simulator.port, "secret08", "transceiver", words)
        await simulator.until(lambda: not simulator.gateway.connections, 20)
        submits = [submit for submit, _, _ in simulator.submits]
        counts = dict(simulator.counts)
    assert code == 0, err
    lines = out.split("\n")
    assert "DONE True" in lines
    first = "RECEIPT" if early else "SENT"
    assert lines[0].startswith(first)
    texts = [divide(submit.short_message)[1].decode("utf-16-be") for submit in submits]
    assert "".join(texts) == words
    assert len(submits) > 1
    assert counts["accepted"] == counts["delivered"] == counts["acknowledged"] == len(submits)
    # What the client wrote, what our centre read, and what a reader of its log finds agree.
    total, sightings = recount_with_texts(tmp_path / "log")
    assert (total.logins, total.submits, total.accepted) == (1, len(submits), len(submits))
    assert (total.undecodable, total.unanswered) == (0, 0)
    assert "".join(sighting.text.text for sighting in sightings) == words


@pytest.mark.parametrize(
    ("secret", "kind", "knobs", "said"),
    [
        ("guess", "transceiver", Knobs(), "refused 14"),
        ("secret08", "transmitter", Knobs(rejects=((1.0, 0x0B),)), "answered 11"),
        ("secret08", "transmitter", Knobs(rejects=((1.0, 0x58),)), "answered 88"),
    ],
)
async def test_a_foreign_client_is_refused_as_it_should(
    secret: str, kind: str, knobs: Knobs, said: str
) -> None:
    async with SmppSimulator(knobs) as simulator:
        code, _, err = await _client(simulator.port, secret, kind, "hello")
    assert code == 1
    assert said in err


async def test_a_foreign_client_that_only_sends_gets_no_receipts() -> None:
    async with SmppSimulator(Knobs(report_delay_ms=0, response_delay_ms=0)) as simulator:
        code, out, err = await _client(simulator.port, "secret08", "transmitter", "hello")
        await simulator.until(lambda: simulator.counts["accepted"] == 1, 20)
        assert simulator.counts["delivered"] == 0
    assert code == 0, err
    assert "RECEIPT" not in out
