"""The server on real sockets: slow clients, streams at shutdown, addresses that are taken."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from fzalert.config import Settings, parse_settings
from fzalert.errors import ListenError
from fzalert.ports import AuthKind, MountedRequest, MountedResponse, Route
from fzalert.service.models import WarnRequest
from fzalert.testing.service import FakeService
from fzalert.web import Stopping, WebServer, build_app
from fzalert.web.server import Door, bind

PATIENCE = 5.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse_settings("[web]\nport = 0", tmp_path / "fzalert.toml")


@pytest.fixture
def service() -> FakeService:
    return FakeService({"zhang": ["teller"]})


@pytest.fixture
def stopping() -> Stopping:
    return Stopping()


@pytest.fixture
def server(service: FakeService, settings: Settings, stopping: Stopping) -> WebServer:
    app = build_app(service, settings, stopping=stopping)
    return WebServer(app, settings.web, stopping, head_within=0.3)


def address(url: str) -> tuple[str, int]:
    parsed = httpx.URL(url)
    assert parsed.port is not None
    return parsed.host, parsed.port


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_a_dripped_head_is_cut_off_also_on_a_kept_connection(server: WebServer) -> None:
    async with server.serving() as url:
        reader, writer = await asyncio.open_connection(*address(url))
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        assert await until_closed(reader) == b""
        writer.close()

        reader, writer = await asyncio.open_connection(*address(url))
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        first = await reader.readuntil(b'{"status":"ok"}')
        assert first.startswith(b"HTTP/1.1 200")
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        assert await until_closed(reader) == b""
        writer.close()


async def test_a_stream_outlives_the_limit_for_heads_and_brings_what_is_new(
    server: WebServer, service: FakeService
) -> None:
    async with (
        server.serving() as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("GET", "/events") as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        lines = answer.aiter_lines()
        async with asyncio.timeout(PATIENCE):
            await found(lines, "还没有预警")
            request = WarnRequest(script="impersonating-police", to=["phone:13800138000"])
            await service.warn_request(request, service.directory.local_actor())
            line = await found(lines, "138****8000")
        assert line.startswith("data: ")


async def found(lines: AsyncIterator[str], text: str) -> str:
    async for line in lines:
        if text in line:
            return line
    raise AssertionError(f"the stream ended without {text!r}")


async def test_a_hundred_streams_end_with_a_farewell_when_the_server_stops(
    server: WebServer,
) -> None:
    loop = asyncio.get_running_loop()
    async with server.serving() as url:
        connections = [await asyncio.open_connection(*address(url)) for _ in range(100)]
        for _, writer in connections:
            writer.write(b"GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        for reader, _ in connections:
            await reader.readuntil(b"retry: 3000")
        asked = loop.time()
    assert loop.time() - asked < 3
    for reader, writer in connections:
        assert b"event: bye" in await until_closed(reader)
        writer.close()


async def test_a_mounted_stream_is_closed_when_its_peer_leaves_and_when_we_stop(
    server: WebServer, service: FakeService
) -> None:
    closed: asyncio.Queue[str] = asyncio.Queue()

    async def endless(name: str) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b": hb\n\n"
                await asyncio.Event().wait()
        finally:
            closed.put_nowait(name)

    async def answer(request: MountedRequest) -> MountedResponse:
        name = request.query["name"]
        return MountedResponse(body=endless(name), media_type="text/event-stream")

    service.mounted["lobby"] = [Route("GET", "events", AuthKind.OPEN, answer, stream=True)]
    async with server.serving() as url, httpx.AsyncClient(base_url=url) as client:
        async with asyncio.timeout(PATIENCE):
            async with client.stream("GET", "/channels/lobby/events?name=peer") as stream:
                await anext(stream.aiter_raw())
            assert await closed.get() == "peer"
        reader, writer = await asyncio.open_connection(*address(url))
        writer.write(b"GET /channels/lobby/events?name=us HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b": hb")
    assert closed.get_nowait() == "us"
    await until_closed(reader)
    writer.close()


async def test_a_peer_that_does_not_read_keeps_nobody(
    server: WebServer, service: FakeService
) -> None:
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        try:
            while True:
                sent += 1
                yield b"x" * 1_000_000
        finally:
            closed.set()

    async def answer(request: MountedRequest) -> MountedResponse:
        return MountedResponse(body=flood(), media_type="text/event-stream")

    service.mounted["lobby"] = [Route("GET", "events", AuthKind.OPEN, answer, stream=True)]
    async with server.serving() as url:
        reader, writer = await asyncio.open_connection(*address(url), limit=1)
        writer.write(b"GET /channels/lobby/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        await reader.readexactly(1)
        asked = loop.time()
    assert loop.time() - asked < 6
    assert closed.is_set()
    assert sent < 100
    writer.close()


async def test_a_head_of_a_stream_does_not_start_it(server: WebServer) -> None:
    async with server.serving() as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.head("/events")
        assert (answer.status_code, answer.content) == (200, b"")


async def test_no_new_warning_is_taken_once_we_stop(
    server: WebServer, service: FakeService, stopping: Stopping
) -> None:
    async with server.serving() as url, httpx.AsyncClient(base_url=url) as client:
        stopping.set()
        answer = await client.post(
            "/api/v1/warnings",
            json={"script": "impersonating-police", "to": ["display:lobby"]},
            headers={
                "authorization": f"Bearer {service.tokens['zhang']}",
                "idempotency-key": "k",
            },
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "stopping")
        assert (await client.get("/readyz")).status_code == 503
    assert service.warnings == []


async def test_a_taken_port_says_which_and_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        web = parse_settings(f"[web]\nport = {port}", tmp_path / "fzalert.toml").web
        with pytest.raises(ListenError, match=rf"port {port}.*\[web\] port"):
            bind(Door.first(web))


async def test_an_address_of_another_machine_is_refused_in_words(tmp_path: Path) -> None:
    web = parse_settings('[web]\nhost = "192.0.2.1"\nport = 0', tmp_path / "f.toml").web
    with pytest.raises(ListenError, match="address of this machine"):
        bind(Door.first(web))
