"""Answers that never end by themselves, ended by us when the process stops.

A server that waits for open streams never stops, so each stream watches one `Stopping` beside its
peer: whichever comes first closes the generator, so that its `finally` runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

__all__ = ["SSE_HEADERS", "Stopping", "StreamAnswer", "server_event"]

SSE_HEADERS: Mapping[str, str] = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""What keeps proxies from holding a stream of server-sent events back."""

FAREWELL_WITHIN = 1.0
"""Seconds that the last bytes of a stream may take."""


class Stopping:
    """Set once, when the process stops."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """Whether the process is stopping."""
        return self._event.is_set()

    def set(self) -> None:
        """End every stream and refuse new work."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until the process stops."""
        await self._event.wait()


class StreamAnswer(Response):
    """Sends what a generator yields until the peer leaves, the generator ends, or we stop.

    Args:
        chunks: What to send; closed in every case.
        stopping: Ends the stream.
        farewell: Sent last where we are the ones who end it.
        status_code: HTTP status.
        media_type: Content type.
        headers: Further headers.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        stopping: Stopping,
        *,
        farewell: bytes = b"",
        status_code: int = 200,
        media_type: str = "text/event-stream; charset=utf-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(None, status_code, headers, media_type)
        self._chunks = chunks
        self._stopping = stopping
        self._farewell = farewell
        self.raw_headers = [row for row in self.raw_headers if row[0] != b"content-length"]

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._run(scope, receive, send)
        finally:
            if isinstance(self._chunks, AsyncGenerator):
                await self._chunks.aclose()

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(self._pump(send), name="stream")
            gone = group.create_task(_disconnected(receive), name="stream-peer")
            stop = group.create_task(self._stopping.wait(), name="stream-stop")
            await asyncio.wait({pump, gone, stop}, return_when=asyncio.FIRST_COMPLETED)
            for task in (pump, gone, stop):
                task.cancel()
        if not gone.done() or gone.cancelled():
            last = self._farewell if self._stopping.is_set else b""
            with contextlib.suppress(TimeoutError):  # a peer that does not read keeps nobody
                async with asyncio.timeout(FAREWELL_WITHIN):
                    await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _pump(self, send: Send) -> None:
        async for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def server_event(data: str, *, event: str = "", id: str = "") -> bytes:
    """Write one server-sent event.

    Source: WHATWG HTML, 9.2.6 (interpreting an event stream): a line ends at CR, LF or both.
    """
    lines = [f"event: {event}"] if event else []
    if id:
        lines.append(f"id: {id}")
    text = data.replace("\r\n", "\n").replace("\r", "\n")
    lines.extend(f"data: {line}" for line in text.split("\n"))
    return ("\n".join(lines) + "\n\n").encode()
