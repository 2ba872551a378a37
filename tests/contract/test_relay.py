"""The relay against the shipped contract; a bare HTTP server plays the county."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typing_extensions import override

from fzalert.messages import (
    DeliveryReport,
    Proof,
    ReceiptKind,
    Rendition,
    RenditionKind,
    ReportKind,
    Target,
    TargetKind,
)
from fzalert.ports import AdapterContext, HealthState
from fzalert.testing import (
    LifecycleContract,
    LinkContract,
    MemoryState,
    RecordingWire,
    RefusalContract,
    ReportsContract,
    SilenceContract,
    make_context,
    sample_rendition,
    sample_target,
    submission,
)
from fzalert.testing.processes import ask_until
from fzalert_post.relay import Relay, RelayConfig

REFUSALS = {
    ReceiptKind.PERMANENT: (422, "script-differs"),
    ReceiptKind.CHANNEL_DOWN: (503, "store-full"),
    ReceiptKind.THROTTLED: (429, "branch-limit"),
    ReceiptKind.UNKNOWN: (502, ""),
}
TOKEN = "chengguan.a-token-of-the-branch"


class County:
    """A county that can refuse, keep silent, hang up and report."""

    can_refuse = True
    can_go_silent = True
    can_drop = True

    def __init__(self) -> None:
        self.port = 0
        self.keys: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self._seen: list[tuple[str, str]] = []
        self._refusals: deque[ReceiptKind] = deque()
        self._fates: list[dict[str, Any]] = []
        self._acknowledged = 0
        self._is_silent = False
        self._moved = asyncio.Condition()
        self._waking: asyncio.Task[None] | None = None
        self._links: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = writer
        try:
            while True:
                status, said = await self._answer(reader)
                body = json.dumps(said).encode()
                head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the link was cut, by us or by the client
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        method, target, _ = head[0].split()
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in headers.items()}
        assert headers["authorization"] == f"Bearer {TOKEN}"
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if self._is_silent:
            if method == "POST":
                await self._see(json.loads(body), headers["idempotency-key"])
            await asyncio.Event().wait()
        if method == "POST":
            return await self._take(json.loads(body), headers["idempotency-key"])
        return await self._give({k: v[0] for k, v in parse_qs(urlsplit(target).query).items()})

    async def _take(self, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        if self._refusals:
            status, code = REFUSALS[self._refusals.popleft()]
            return status, {"code": code, "detail": "no"} if code else {}
        await self._see(body, key)
        return 202, {"message": f"m{key}", "warning": "1"}

    async def _see(self, body: dict[str, Any], key: str) -> None:
        async with self._moved:
            self.keys.append(key)
            self.bodies.append(body)
            name = f"{body['script']}/{body['audience']}/{body['version']}"
            text = f"{name} {body['language']} {body['digest']}"
            self._seen.append((body["target"].partition(":")[2], text))
            self._moved.notify_all()

    async def _give(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append(query)
        async with self._moved:
            if query.get("store") == "s1":
                self._acknowledged = max(self._acknowledged, int(query["after"]))
                self._moved.notify_all()
            try:
                async with asyncio.timeout(float(query["wait"])):
                    await self._moved.wait_for(lambda: bool(self._open()))
            except TimeoutError:
                pass  # nothing to give
            return 200, {"store": "s1", "items": self._open()}

    def _open(self) -> list[dict[str, Any]]:
        return [fate for fate in self._fates if fate["seq"] > self._acknowledged]

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

    def report(self, kind: ReportKind, word: str = "") -> None:
        fate = {
            "seq": len(self._fates) + 1,
            "message": f"m{self.keys[-1]}",
            "word": word or str(kind),
            "code": "DELIVRD",
            "proof": "device",
            "at": 5,
        }
        self._fates.append(fate)
        self.wake()

    def wake(self) -> None:
        self._waking = asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def acknowledged(self, n: int, timeout: float) -> int:  # noqa: ASYNC109  Peer
        try:
            async with asyncio.timeout(timeout), self._moved:
                await self._moved.wait_for(lambda: self._acknowledged >= n)
        except TimeoutError:
            pass  # fewer came; the caller sees how many
        return self._acknowledged

    async def close(self) -> None:
        """Hang up and see every handler end."""
        self.drop()
        for task in self._links:
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)


def config_for(county: County, monkeypatch: pytest.MonkeyPatch, **more: Any) -> RelayConfig:
    monkeypatch.setenv("RELAY_TOKEN", TOKEN)
    return RelayConfig.model_validate(
        {
            "name": "county",
            "adapter": "post.relay",
            "url": f"http://127.0.0.1:{county.port}/",
            "token": {"env": "RELAY_TOKEN"},
            "answer_timeout": 1.0,
            **more,
        }
    )


@pytest.fixture
async def peer() -> AsyncIterator[County]:
    county = County()
    server = await asyncio.start_server(county.serve, "127.0.0.1", 0)
    county.port = server.sockets[0].getsockname()[1]
    yield county
    server.close()
    await county.close()
    await server.wait_closed()


class TestRelay(RefusalContract, SilenceContract, LinkContract, ReportsContract, LifecycleContract):
    factory = Relay
    refusals = frozenset(REFUSALS)

    @pytest.fixture
    def config(self, peer: County, monkeypatch: pytest.MonkeyPatch) -> RelayConfig:
        return config_for(peer, monkeypatch)

    @pytest.fixture
    @override
    async def adapter(self, config: RelayConfig, context: AdapterContext) -> AsyncIterator[Relay]:
        async with Relay(config, context) as adapter:
            yield adapter

    async def test_what_travels_is_no_text(
        self,
        adapter: Relay,
        peer: County,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        one = self.make(context, target, rendition)
        await self.send(adapter, one)
        (body,) = peer.bodies
        assert set(body) == {
            *("script", "audience", "language", "version", "digest", "values", "target"),
            *("lane", "not_after", "sent_at", "drill"),
        }
        assert peer.keys == [f"{one.id}.{one.part}"]
        assert body["not_after"] == one.not_after

    async def test_the_same_message_goes_out_again_under_the_same_key(
        self,
        adapter: Relay,
        peer: County,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        one = self.make(context, target, rendition)
        peer.refuse_next(ReceiptKind.UNKNOWN)
        (lost,) = await self.send(adapter, one)
        assert lost.kind is ReceiptKind.UNKNOWN
        (sent,) = await self.send(adapter, one._replace(attempt=2))
        assert sent.kind is ReceiptKind.SENT
        assert peer.keys == [f"{one.id}.0"]
        assert adapter.capabilities.idempotent_key


async def batch_of(adapter: Relay) -> tuple[list[DeliveryReport], Any]:
    async with asyncio.timeout(10):
        async for batch in adapter.inbound():
            return [row for row in batch.rows if isinstance(row, DeliveryReport)], batch
    raise AssertionError("inbound ended")


async def test_a_fate_is_given_until_it_is_on_disk_also_after_a_restart(
    peer: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(peer, monkeypatch)
    peer.keys.append("7.0")
    state = MemoryState()
    async with make_context(state=state) as context, Relay(config, context) as adapter:
        peer.report(ReportKind.DELIVERED)
        (first,), _ = await batch_of(adapter)  # read, and the process dies before the commit
        (again,), _ = await batch_of(adapter)
        assert first == again
    async with make_context(state=state) as context, Relay(config, context) as adapter:
        (later,), batch = await batch_of(adapter)
        assert later == first
        assert (later.carrier_id, later.proof, later.at) == (b"m7.0", Proof.DEVICE, 5)
        batch.acknowledge()
        assert await peer.acknowledged(1, 10) == 1


async def test_a_word_of_a_newer_county_is_passed_over_and_acknowledged(
    peer: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(peer, monkeypatch)
    peer.keys.append("7.0")
    async with make_context() as context, Relay(config, context) as adapter:
        peer.report(ReportKind.DELIVERED, word="teleported")
        rows, batch = await batch_of(adapter)
        assert rows == []
        batch.acknowledge()
        assert await peer.acknowledged(1, 10) == 1


async def test_nothing_leaves_while_the_county_does_not_answer(
    peer: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(peer, monkeypatch)
    peer.silent()
    async with make_context() as context, Relay(config, context) as adapter:
        one = submission(
            sample_target(TargetKind.PHONE),
            sample_rendition(RenditionKind.RELAY),
            not_after=context.clock.millis() + 60_000,
        )
        wire = RecordingWire()
        await adapter.submit([one], wire)
        assert wire.receipts[1, 0].kind is ReceiptKind.CHANNEL_DOWN
        assert not wire.written

        async def has(state: str) -> bool:
            return str((await adapter.health()).state) == state

        await ask_until(lambda: has("down"), "it is down")
        peer.drop()
        await ask_until(lambda: has("up"), "it is up")
        wire = RecordingWire()
        await adapter.submit([one], wire)
        assert wire.receipts[1, 0].kind.value == "sent"
    assert peer.keys == ["1.0"]


async def test_a_county_that_hangs_up_is_asked_again_with_a_growing_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(asyncio.get_running_loop().time())
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    county = County()
    county.port = server.sockets[0].getsockname()[1]
    async with (
        make_context() as context,
        Relay(config_for(county, monkeypatch), context) as adapter,
    ):
        assert (await adapter.health()).state is HealthState.DOWN

        async def often() -> bool:
            return len(asked) >= 3

        await ask_until(often, "it is asked again")
    # 0.25 s and 0.5 s, less their jitter; a starved machine only adds to them.
    assert asked[1] - asked[0] > 0.18
    assert asked[2] - asked[1] > 0.36
    server.close()
    await server.wait_closed()
