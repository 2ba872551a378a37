"""The webhook channel against the shipped contract; the far side is a bare HTTP server."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from typing_extensions import override

from fzalert.messages import ReceiptKind
from fzalert.ports import AdapterContext
from fzalert.testing import LifecycleContract, LinkContract, RefusalContract, SilenceContract
from fzalert_post.webhook import Webhook, WebhookConfig

STATUSES = {
    ReceiptKind.PERMANENT: b"422 Unprocessable Content",
    ReceiptKind.TEMPORARY: b"503 Service Unavailable",
    ReceiptKind.THROTTLED: b"429 Too Many Requests",
    ReceiptKind.UNKNOWN: b"502 Bad Gateway",
}


class WebhookPeer:
    """A receiver that can refuse, keep silent and hang up."""

    can_refuse = True
    can_go_silent = True
    can_drop = True

    def __init__(self) -> None:
        self.port = 0
        self._seen: list[tuple[str, str]] = []
        self._arrived = asyncio.Condition()
        self._refusals: deque[ReceiptKind] = deque()
        self._is_silent = False
        self._links: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = writer
        try:
            while True:
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the link was cut, by us or by the client
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("ascii").lower().split("\r\n")
        length = next(line for line in lines if line.startswith("content-length:"))
        post = json.loads(await reader.readexactly(int(length.split(":")[1])))
        if self._refusals:
            status = STATUSES[self._refusals.popleft()]
        else:
            status = b"204 No Content"
            async with self._arrived:
                self._seen.append((lines[0].split()[1].removeprefix("/hook/"), post["text"]))
                self._arrived.notify_all()
            if self._is_silent:
                await asyncio.Event().wait()
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  Peer
        try:
            async with asyncio.timeout(timeout), self._arrived:
                await self._arrived.wait_for(lambda: len(self._seen) >= n)
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

    async def close(self) -> None:
        """Hang up and see every handler end."""
        for task in self._links:
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)


class TestWebhook(RefusalContract, SilenceContract, LinkContract, LifecycleContract):
    factory = Webhook
    refusals = frozenset(STATUSES)

    @pytest.fixture
    async def peer(self) -> AsyncIterator[WebhookPeer]:
        peer = WebhookPeer()
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
        peer.port = server.sockets[0].getsockname()[1]
        yield peer
        server.close()
        await peer.close()
        await server.wait_closed()

    @pytest.fixture
    def config(self, peer: WebhookPeer) -> WebhookConfig:
        one = {
            "name": "duty",
            "url": f"http://127.0.0.1:{peer.port}/hook/duty",
            "secret": SecretStr("a shared secret of 30 letters"),
            "private": True,
        }
        return WebhookConfig.model_validate(
            {"name": "posts", "adapter": "post.webhook", "groups": [one], "answer_timeout": 0.5}
        )

    @pytest.fixture
    @override
    async def adapter(
        self, config: WebhookConfig, context: AdapterContext
    ) -> AsyncIterator[Webhook]:
        async with Webhook(config, context) as adapter:
            yield adapter
