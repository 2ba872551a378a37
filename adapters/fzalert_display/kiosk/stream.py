"""One open event stream: a slot for the newest state, never a backlog.

Source: HTML Living Standard, 9.2 Server-sent events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

__all__ = ["Stream", "frame"]


def frame(event: str, data: str, *, id: int | None = None, retry: int | None = None) -> bytes:
    r"""Write one event; `data` must be one line.

    >>> frame("hb", "{}", id=7)
    b'id: 7\nevent: hb\ndata: {}\n\n'

    Raises:
        ValueError: The data holds a line break, which would end the field.
    """
    if "\n" in data or "\r" in data:
        raise ValueError("the data of an event must be one line")
    lines = [f"id: {id}"] if id is not None else []
    lines.append(f"event: {event}")
    if retry is not None:
        lines.append(f"retry: {retry}")
    return ("\n".join([*lines, f"data: {data}"]) + "\n\n").encode("utf-8")


class Stream:
    """The hub's end of one page's stream.

    Args:
        page: The page's own random name; a reconnect of the same page displaces nobody.
        retry_ms: What the browser waits before it dials again; chance keeps a thousand apart.
        on_close: Called once when the stream has ended, whoever ended it.
    """

    def __init__(self, page: str, retry_ms: int, on_close: Callable[[Stream], None]) -> None:
        self.page = page
        self._opening = f"retry: {retry_ms}\n\n".encode("ascii")
        self._on_close = on_close
        self._wake = asyncio.Event()
        self._state: bytes | None = None
        self._beat: bytes | None = None
        self._farewell: bytes | None = None

    def offer(self, state: bytes) -> None:
        """Put the newest state into the slot; an older one that was not sent yet is gone."""
        self._state = state
        self._wake.set()

    def beat(self, beat: bytes) -> None:
        """Send a heartbeat."""
        self._beat = beat
        self._wake.set()

    def end(self, event: str) -> None:
        """Send a last event and end."""
        self._farewell = frame(event, "{}")
        self._wake.set()

    async def frames(self) -> AsyncGenerator[bytes]:
        """Yield what goes over the wire until the stream ends or its reader leaves."""
        try:
            yield self._opening
            while True:
                await self._wake.wait()
                self._wake.clear()
                state, self._state = self._state, None
                beat, self._beat = self._beat, None
                if state is not None:
                    yield state
                if beat is not None:
                    yield beat
                if self._farewell is not None:
                    yield self._farewell
                    return
        finally:
            self._on_close(self)
