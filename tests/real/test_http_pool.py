"""The pool against sockets: what left, what came back, and who may be called."""

import asyncio
import gzip
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import trustme

from fzalert.errors import ChannelUnavailable, ConfigError, FateUnknown
from fzalert.http import HttpPool

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OURS = frozenset({"127.0.0.1", "gateway.corp", "outside.example"})
SECOND = timedelta(seconds=2)
OK = b"HTTP/1.1 200 OK\r\nX-One: a\r\nContent-Length: 2\r\n\r\nok"


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head, await reader.readexactly(length)


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    handlers: set[asyncio.Task[None]] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away, as some tests want
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


def answering(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    return serve


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.aclose()


async def test_a_request_and_its_answer_travel_whole(pool: HttpPool) -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    async with serving(serve) as port:
        answer = await pool.request(
            "POST",
            f"http://127.0.0.1:{port}/a%2Fb?key=%20x",
            content="反诈".encode(),
            headers={"Idempotency-Key": "7.0"},
            deadline=SECOND,
            private_hosts=OURS,
        )
    assert (answer.status, answer.body, answer.headers["x-one"]) == (200, b"ok", "a")
    ((head, body),) = seen
    assert head.startswith(b"POST /a%2Fb?key=%20x HTTP/1.1\r\n")
    assert b"\r\nidempotency-key: 7.0\r\n" in head.lower()
    assert body == "反诈".encode()


async def test_connections_are_kept_and_used_again(pool: HttpPool) -> None:
    links = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal links
        links += 1
        await answering(OK)(reader, writer)

    async with serving(serve) as port:
        for _ in range(5):
            await pool.request(
                "GET", f"http://127.0.0.1:{port}/", deadline=SECOND, private_hosts=OURS
            )
        assert links == 1
        await asyncio.gather(
            *(
                pool.request(
                    "GET", f"http://127.0.0.1:{port}/", deadline=SECOND, private_hosts=OURS
                )
                for _ in range(50)
            )
        )
        assert links <= 32
        await pool.aclose()


async def test_nobody_listening_means_nothing_was_sent(pool: HttpPool) -> None:
    async with serving(answering(OK)) as port:
        pass
    with pytest.raises(ChannelUnavailable, match="could not be reached"):
        await pool.request("GET", f"http://127.0.0.1:{port}/", deadline=SECOND, private_hosts=OURS)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await reader.read()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"SMTP ready\r\n\r\n")


async def stops_half_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"." * 65_536)
        await writer.drain()


async def packed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    body = gzip.compress(bytes(10_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


@pytest.mark.parametrize(
    "serve", [silent, hangs_up, babbles, stops_half_way, drips, endless, packed]
)
async def test_sent_without_a_whole_answer_is_unknown(pool: HttpPool, serve: Serve) -> None:
    async with serving(serve) as port:
        with pytest.raises(FateUnknown) as caught:
            await pool.request(
                "POST",
                f"http://127.0.0.1:{port}/hook/secret-path?key=secret",
                content=b"x",
                deadline=timedelta(milliseconds=300),
                private_hosts=OURS,
            )
        await pool.aclose()
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in repr(caught.value) + str(caught.value)


async def test_a_redirect_is_an_answer_and_is_not_followed(pool: HttpPool) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(moved)) as port:
        answer = await pool.request(
            "GET", f"http://127.0.0.1:{port}/", deadline=SECOND, private_hosts=OURS
        )
        await pool.aclose()
    assert answer.status == 302


async def test_the_environment_s_proxy_is_ignored(
    pool: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serving(answering(OK)) as port:
        answer = await pool.request(
            "GET", f"http://127.0.0.1:{port}/", deadline=SECOND, private_hosts=OURS
        )
        await pool.aclose()
    assert answer.status == 200


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["1.1.1.1", "10.0.0.1"],
        [],
    ],
)
async def test_a_name_that_leads_inside_is_not_called(addresses: list[str]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return addresses

    pool = HttpPool(resolve=resolve)
    with pytest.raises(ChannelUnavailable):
        await pool.request("GET", "https://outside.example/", deadline=SECOND)
    await pool.aclose()


@pytest.mark.parametrize("host", ["0177.1", "2130706433", "localhost", "[::ffff:127.0.0.1]"])
async def test_a_number_dressed_as_a_name_is_not_called(pool: HttpPool, host: str) -> None:
    async with serving(answering(OK)) as port:
        with pytest.raises(ChannelUnavailable, match=r"was not called|could not be reached"):
            await pool.request("GET", f"https://{host}:{port}/", deadline=SECOND)


async def test_the_checked_address_is_the_one_that_is_called() -> None:
    """A name that points inside on the second question is asked once for each connection."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    pool = HttpPool(resolve=rebinding)
    with pytest.raises(ChannelUnavailable, match="private or reserved"):
        await pool.request("GET", "https://outside.example/", deadline=SECOND)
    assert asked == ["outside.example"]
    await pool.aclose()


async def test_a_connection_to_a_private_host_serves_no_request_without_that_right() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    authority = trustme.CA()
    async with serving(answering(OK), server_tls(authority, "gateway.corp")) as port:
        pool = HttpPool(resolve=resolve, tls=client_tls(authority))
        url = f"https://gateway.corp:{port}/"
        assert (await pool.request("GET", url, deadline=SECOND, private_hosts=OURS)).status == 200
        with pytest.raises(ChannelUnavailable, match="private or reserved"):
            await pool.request("GET", url, deadline=SECOND)
        await pool.aclose()


async def test_host_and_certificate_stay_the_name() -> None:
    heads: list[bytes] = []
    names: list[str | None] = []

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(OK)

    authority = trustme.CA()
    context = server_tls(authority, "gateway.corp")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with serving(serve, context) as port:
        pool = HttpPool(resolve=resolve, tls=client_tls(authority))
        await pool.request(
            "GET", f"https://gateway.corp:{port}/", deadline=SECOND, private_hosts=OURS
        )
        await pool.aclose()
    assert names == ["gateway.corp"]
    assert f"\r\nhost: gateway.corp:{port}\r\n".encode() in heads[0].lower()


async def test_a_certificate_of_another_name_is_refused_before_anything_is_sent() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    authority = trustme.CA()
    async with serving(answering(OK), server_tls(authority, "other.corp")) as port:
        pool = HttpPool(resolve=resolve, tls=client_tls(authority))
        with pytest.raises(ChannelUnavailable):
            await pool.request(
                "GET", f"https://gateway.corp:{port}/", deadline=SECOND, private_hosts=OURS
            )
        await pool.aclose()


async def test_a_malformed_header_is_a_wrong_call(pool: HttpPool) -> None:
    async with serving(answering(OK)) as port:
        with pytest.raises(ConfigError, match="headers"):
            await pool.request(
                "GET",
                f"http://127.0.0.1:{port}/",
                headers={"X-One": "a\r\nX-Two: b"},
                deadline=SECOND,
                private_hosts=OURS,
            )
        await pool.aclose()


async def test_no_log_line_holds_a_path_or_a_query(
    pool: HttpPool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(answering(OK)) as port:
        await pool.request(
            "GET", f"http://127.0.0.1:{port}/hook?key=s3cret", deadline=SECOND, private_hosts=OURS
        )
        await pool.aclose()
    assert "s3cret" not in caplog.text


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
