"""The channel to bank desks against the shipped contract; a bare TLS server plays the desks."""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog.testing
from typing_extensions import override

from fzalert import bank_desk
from fzalert.access.keys import KeySigner
from fzalert.desk.inbox import RECEIPT_DOMAIN
from fzalert.evidence import canonical
from fzalert.messages import (
    Answer,
    BankPackage,
    Proof,
    ReceiptKind,
    Rendition,
    RenditionKind,
    Scope,
    Target,
)
from fzalert.ports import AdapterContext, HealthState, InboundBatch
from fzalert.testing import (
    LifecycleContract,
    LinkContract,
    MemoryState,
    RecordingWire,
    RefusalContract,
    SilenceContract,
    make_context,
    sample_rendition,
    submission,
)
from fzalert.testing.pki import Authority, Issued
from fzalert.testing.processes import ask_until
from fzalert_bank import BankConfig, BankDesks, answers

DESK = "icbc-lhasa"
KEY = KeySigner.from_seed(bytes([9]) * 32)
FORGER = KeySigner.from_seed(bytes([8]) * 32)
PATIENCE = 60.0
REFUSALS = {
    ReceiptKind.PERMANENT: (409, "duplicate-key"),
    ReceiptKind.CHANNEL_DOWN: (403, "access-denied"),
    ReceiptKind.THROTTLED: (429, "overloaded"),
    ReceiptKind.UNKNOWN: (502, ""),
}


def signed(document: dict[str, Any], key: KeySigner = KEY) -> bytes:
    text = canonical(document)
    said = {
        "document": text.decode(),
        "key_id": KEY.key_id,  # as a forger claims too
        "signature": key.sign(RECEIPT_DOMAIN, text).hex(),
    }
    return canonical(said)


class FakeDesk:
    """A desk that can refuse, keep silent, hang up, answer and forge; it keeps no store."""

    can_refuse = True
    can_go_silent = True
    can_drop = True

    def __init__(self, authority: Authority, name: str = DESK) -> None:
        self.name = name
        self.signer = KEY
        self.acknowledged_as: dict[str, str] = {}
        self.headers: list[dict[str, str]] = []
        self.asked: list[dict[str, str]] = []
        self.polled_silent = False
        self.handshakes: list[float] = []
        self._server = authority.issue(f"desk-{name}", addresses=["127.0.0.1"])
        self._authority = authority
        self._seen: list[tuple[str, str]] = []
        self._refusals: deque[ReceiptKind] = deque()
        self._answers: list[bytes] = []
        self._is_silent = False
        self._moved = asyncio.Condition()
        self._links: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, client_ca: Path) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self._server.certificate, self._server.key)
        context.sni_callback = self._greeted
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._listening.sockets[0].getsockname()[1]

    def _greeted(self, link: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        self.handshakes.append(asyncio.get_running_loop().time())

    async def close(self) -> None:
        self._listening.close()
        self.drop()
        for task in self._links:
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = writer
        try:
            while True:
                status, body = await self._answer(reader)
                head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the link was cut, by us or by the client
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        method, path, _ = head[0].split()
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in headers.items()}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if method == "POST" and not self._refusals:
            await self._see(body, headers)
        if self._is_silent or (method == "GET" and self.polled_silent):
            await asyncio.Event().wait()
        if method == "POST":
            return self._take(body)
        return await self._give({k: v[0] for k, v in parse_qs(urlsplit(path).query).items()})

    def _take(self, body: bytes) -> tuple[int, bytes]:
        if self._refusals:
            status, code = REFUSALS[self._refusals.popleft()]
            return status, json.dumps({"code": code, "detail": "no"} if code else {}).encode()
        digest = sha256(body).hexdigest()
        document = {"acknowledges": f"app-{digest[:12]}", "sha256": digest, "at": "now"}
        return 200, signed(document | self.acknowledged_as, self.signer)

    async def _see(self, body: bytes, headers: dict[str, str]) -> None:
        async with self._moved:
            self.headers.append(headers)
            self._seen.append((self.name, body.decode()))
            self._moved.notify_all()

    async def _give(self, query: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append(query)
        after = int(query["after"]) if query.get("store") == "s1" else 0
        async with self._moved:
            try:
                async with asyncio.timeout(float(query["wait"])):
                    await self._moved.wait_for(lambda: len(self._answers) > after)
            except TimeoutError:
                pass  # nothing to give
            items = [one.decode() for one in self._answers[after:]]
        page = {"store": "s1", "last": max(after, len(self._answers)), "items": items}
        return 200, json.dumps(page).encode()

    async def give(self, *wires: bytes) -> None:
        async with self._moved:
            self._answers += wires
            self._moved.notify_all()

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  Peer
        try:
            async with asyncio.timeout(timeout), self._moved:
                await self._moved.wait_for(lambda: len(self._seen) >= n)
        except TimeoutError:
            pass  # fewer came; the caller sees which
        return list(self._seen)

    def refuse_next(self, kind: ReceiptKind) -> None:
        self._refusals.append(kind)

    def silent(self) -> None:
        self._is_silent = True

    def drop(self) -> None:
        self._is_silent = False
        for writer in self._links.values():
            writer.transport.abort()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def peer(authority: Authority) -> AsyncIterator[FakeDesk]:
    desk = FakeDesk(authority)
    await desk.start(authority.certificate)
    yield desk
    await desk.close()


def config_for(
    players: list[FakeDesk], authority: Authority, client: Issued | None = None, **more: Any
) -> BankConfig:
    client = client or authority.issue("county", uris=["fz:county"])
    tables = [
        {
            "name": desk.name,
            "url": f"https://127.0.0.1:{desk.port}",
            "ca": str(authority.certificate),
            "certificate": str(client.certificate),
            "key": str(client.key),
            "public_keys": [KEY.public_key.hex()],
        }
        for desk in players
    ]
    said = {"name": "banks", "adapter": "bank.https", "desks": tables, "answer_timeout": 2.0}
    return BankConfig.model_validate(said | more)


async def until_up(adapter: BankDesks) -> None:
    async def is_up() -> bool:
        return (await adapter.health()).state is HealthState.UP

    await ask_until(is_up, "every desk answers", within=PATIENCE)


class TestBank(RefusalContract, SilenceContract, LinkContract, LifecycleContract):
    factory = BankDesks
    refusals = frozenset(REFUSALS)
    settle_within = 30.0
    recover_within = 60.0
    open_within = 15.0
    close_within = 15.0

    @pytest.fixture
    def config(self, peer: FakeDesk, authority: Authority) -> BankConfig:
        return config_for([peer], authority)

    @pytest.fixture
    @override
    async def adapter(
        self, config: BankConfig, context: AdapterContext
    ) -> AsyncIterator[BankDesks]:
        async with BankDesks(config, context) as adapter:
            await until_up(adapter)
            yield adapter

    async def test_sent_is_what_the_desk_has_signed(
        self,
        adapter: BankDesks,
        peer: FakeDesk,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        assert isinstance(rendition, BankPackage)
        (sent,) = await self.send(adapter, self.make(context, target, rendition))
        assert (sent.kind, sent.proof) == (ReceiptKind.SENT, Proof.DEVICE)
        assert sent.carrier_id == rendition.application_id.encode()
        for wrong in ({"acknowledges": "another"}, {"sha256": "0" * 64}):
            peer.acknowledged_as = wrong
            (receipt,) = await self.send(adapter, self.make(context, target, rendition))
            assert (receipt.kind, receipt.code) == (ReceiptKind.UNKNOWN, "bad-acknowledgement")
        peer.acknowledged_as, peer.signer = {}, FORGER
        (receipt,) = await self.send(adapter, self.make(context, target, rendition))
        assert (receipt.kind, receipt.code) == (ReceiptKind.UNKNOWN, "bad-acknowledgement")

    async def test_the_same_package_has_the_same_key_and_a_new_signature(
        self,
        adapter: BankDesks,
        peer: FakeDesk,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        one = self.make(context, target, rendition)
        await self.send(adapter, one)
        await self.send(adapter, one._replace(attempt=2))
        first, second = peer.headers
        assert first["idempotency-key"] == second["idempotency-key"]
        assert first["fz-nonce"] != second["fz-nonce"]
        assert adapter.capabilities.idempotent_key
        assert adapter.capabilities.per_target == 1

    async def test_other_bytes_than_those_of_the_hash_do_not_leave(
        self,
        adapter: BankDesks,
        peer: FakeDesk,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        assert isinstance(rendition, BankPackage)
        changed = BankPackage(rendition.application_id, "icbc", True, "{}", rendition.sha256)
        wire = RecordingWire()
        (refused,) = await self.send(adapter, self.make(context, target, changed), wire=wire)
        assert (refused.kind, refused.code) == (ReceiptKind.PERMANENT, "package-differs")
        assert not wire.written


async def test_a_package_never_goes_to_the_desk_of_another_institution(
    peer: FakeDesk, authority: Authority
) -> None:
    told = config_for([peer], authority).desks[0].model_dump() | {"institutions": ("another",)}
    config = config_for([peer], authority, desks=[told])
    async with make_context() as context, BankDesks(config, context) as adapter:
        await until_up(adapter)
        assert await post(adapter, context) == "permanent other-institution"
    assert peer.headers == []


# -- answers -------------------------------------------------------------------------------


def package() -> BankPackage:
    found = sample_rendition(RenditionKind.BANK)
    assert isinstance(found, BankPackage)
    return found


async def post(adapter: BankDesks, context: AdapterContext, desk: str = DESK, id: int = 7) -> str:
    later = context.clock.millis() + 600_000
    one = submission(bank_desk(desk), package(), id=id, not_after=later)
    wire = RecordingWire()
    await adapter.submit([one], wire)
    return f"{wire.receipts[id, 0].kind} {wire.receipts[id, 0].code}"


async def next_batch(adapter: BankDesks) -> InboundBatch:
    async with asyncio.timeout(PATIENCE):
        async for batch in adapter.inbound():
            return batch
    raise AssertionError("inbound ended")


def of_another_key(wire: bytes) -> bytes:
    return wire.replace(KEY.key_id.encode(), FORGER.key_id.encode())


def answer(code: str = "0000", key: KeySigner = KEY, application: str = "") -> bytes:
    return signed({"application_id": application or package().application_id, "code": code}, key)


async def test_an_answer_is_given_until_it_is_on_disk_also_after_a_restart(
    peer: FakeDesk, authority: Authority
) -> None:
    config = config_for([peer], authority)
    state = MemoryState()
    async with make_context(state=state) as context, BankDesks(config, context) as adapter:
        await until_up(adapter)
        assert await post(adapter, context) == "sent acknowledged"
        await peer.give(answer())
        first = await next_batch(adapter)  # read, and the process dies before the commit
        assert first.rows == (Answer(7, 0, answer()),)
    async with make_context(state=state) as context, BankDesks(config, context) as adapter:
        again = await next_batch(adapter)
        assert again.rows == first.rows
        again.acknowledge()

        async def moved() -> bool:
            return await state.get(f"cursor/{DESK}") == b"s1 1"

        await ask_until(moved, "the cursor is on disk", within=PATIENCE)
    async with make_context(state=state) as context, BankDesks(config, context) as adapter:
        await peer.give(answer("0099"))
        later = await next_batch(adapter)
        assert later.rows == (Answer(7, 0, answer("0099")),)
        later.acknowledge()


async def test_a_forged_or_foreign_answer_is_passed_over(
    peer: FakeDesk, authority: Authority
) -> None:
    config = config_for([peer], authority)
    async with make_context() as context, BankDesks(config, context) as adapter:
        await until_up(adapter)
        assert await post(adapter, context) == "sent acknowledged"
        acknowledgement = signed({"acknowledges": package().application_id, "sha256": "0" * 64})
        with structlog.testing.capture_logs() as events:
            await peer.give(
                answer(key=FORGER),
                of_another_key(answer()),
                b"{}",
                acknowledgement,
                answer(application="another"),
            )
            await peer.give(answer("0400"))
            batch = await next_batch(adapter)
        assert batch.rows == (Answer(7, 0, answer("0400")),)
        batch.acknowledge()
        told = [event["event"] for event in events if event["log_level"] == "error"]
        assert told == ["bank.bad_answer"] * 4 + ["bank.foreign_answer"]
        assert ("refused_answers", 5) in (await adapter.health()).figures
    assert answers.RECEIPT_DOMAIN == RECEIPT_DOMAIN


# -- lines ---------------------------------------------------------------------------------


async def test_a_certificate_that_is_not_let_in_is_a_desk_that_is_down(
    authority: Authority, tmp_path: Path
) -> None:
    others = Authority(tmp_path, "others")
    desk = FakeDesk(authority)
    await desk.start(others.certificate)
    try:
        config = config_for([desk], authority)
        async with make_context() as context, BankDesks(config, context) as adapter:
            assert await post(adapter, context) == "channel_down no-line"
            wire = RecordingWire()
            one = submission(bank_desk(DESK), package(), id=8, not_after=2**50)
            for _ in range(200):
                wire = RecordingWire()
                await adapter.submit([one], wire)
            receipt = wire.receipts[8, 0]
            assert (receipt.kind, receipt.scope) == (ReceiptKind.CHANNEL_DOWN, Scope.RECIPIENT)
            assert "client certificate" in receipt.detail
            assert not wire.written
            assert desk.headers == []
            health = await adapter.health()
            assert (health.state, DESK in health.detail) == (HealthState.DOWN, True)
            # It is asked again with a growing pause, never as fast as it refuses.

            async def often() -> bool:
                return len(desk.handshakes) >= 3

            await ask_until(often, "it is asked again", within=PATIENCE)
            first, second, third = desk.handshakes[:3]
            assert second - first > 0.18
            assert third - second > 0.36
    finally:
        await desk.close()


async def test_desks_that_never_answer_cost_the_others_nothing(authority: Authority) -> None:
    desks = [FakeDesk(authority, f"bank-{number}") for number in range(22)]
    mute, deaf = desks[0], desks[1]
    for desk in desks:
        await desk.start(authority.certificate)
    mute.polled_silent = True  # it accepts the connection and answers nothing at all
    try:
        client = authority.issue("county")
        config = config_for(desks, authority, client, answer_timeout=60.0)
        async with make_context() as context, BankDesks(config, context) as adapter:

            async def others_up() -> bool:
                return ("desks_up", 21) in (await adapter.health()).figures

            await ask_until(others_up, "21 desks answer", within=PATIENCE)
            deaf.silent()  # it takes the package and never acknowledges it
            later = context.clock.millis() + 600_000
            batch = [
                submission(bank_desk(desk.name), package(), id=100 + number, not_after=later)
                for number, desk in enumerate(desks)
            ]
            assert adapter.capabilities.submits >= len(desks)
            wire = RecordingWire()
            loop = asyncio.get_running_loop()
            sending = loop.create_task(adapter.submit(batch, wire))
            good = {(100 + number, 0) for number in range(2, 22)}

            async def sent() -> bool:
                return good <= set(wire.receipts)

            await ask_until(sent, "20 desks have acknowledged", within=50.0)
            assert {wire.receipts[key].kind for key in good} == {ReceiptKind.SENT}
            assert wire.receipts[100, 0].kind is ReceiptKind.CHANNEL_DOWN
            assert (101, 0) not in wire.receipts
            assert not sending.done()
            sending.cancel()
            await asyncio.wait({sending})
    finally:
        for desk in desks:
            await desk.close()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"url": "http://desk.bank.example"}, "https"),
        ({"url": "https://desk.bank.example/x"}, "behind the port"),
        ({"public_keys": ["ab"]}, "64"),
    ],
)
def test_settings_that_cannot_be_meant(changed: dict[str, Any], words: str) -> None:
    desk = {
        "name": DESK,
        "url": "https://desk.bank.example:8853/",
        "certificate": "county.pem",
        "key": "county.key",
        "public_keys": [KEY.public_key.hex()],
    }
    base = {"name": "banks", "adapter": "bank.https"}
    BankConfig.model_validate({**base, "desks": [desk]})
    with pytest.raises(ValueError, match=words):
        BankConfig.model_validate({**base, "desks": [{**desk, **changed}]})
    with pytest.raises(ValueError, match="two desks"):
        BankConfig.model_validate({**base, "desks": [desk, desk]})
    ours = {"certificate": "county.pem", "key": "county.key"}
    BankConfig.model_validate({**base, **ours})
    with pytest.raises(ValueError, match="fzalert contacts add"):
        BankConfig.model_validate(base)
    with pytest.raises(ValueError, match="a day later"):
        BankConfig.model_validate({**base, **ours, "desks": [desk]})
