"""Something between two machines: it carries bytes, cuts, refuses, or swallows everything.

Its address stays while what is behind it comes back on another port.
"""

from __future__ import annotations

import asyncio
import enum
from types import TracebackType
from typing import Self

__all__ = ["Between", "Mood"]

_PIECE = 65_536


class Mood(enum.Enum):
    """What it does with what comes."""

    CARRY = "carry bytes both ways"
    REFUSE = "hang up on whoever comes"
    SWALLOW = "take everything and answer nothing"
    LOSE_ANSWERS = "carry what is asked, and swallow every answer"


class Between:
    """A forwarder on a port of this machine; use `async with`.

    Args:
        behind: The port that it forwards to; may be changed at any time.

    Attributes:
        port: Where it listens.
        mood: What it does now; a change concerns new bytes on open connections too.
    """

    def __init__(self, behind: int = 0) -> None:
        self.port = 0
        self.behind = behind
        self.mood = Mood.CARRY
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None  # noqa: S101  entered before
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every open connection, both sides of it."""
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a server's callback is a task
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._carry(reader, writer)
        except OSError:
            pass  # one of the two sides is gone
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mood is Mood.REFUSE:
            return
        if self.mood is Mood.SWALLOW:
            while await reader.read(_PIECE):
                pass
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.behind)
        self._open.add(back)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, back, is_answer=False))
                both.create_task(self._pump(there, writer, is_answer=True))
        except* OSError:
            pass  # the other pump ends with it
        finally:
            self._open.discard(back)
            back.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        while piece := await source.read(_PIECE):
            if self.mood is Mood.SWALLOW or (is_answer and self.mood is Mood.LOSE_ANSWERS):
                continue
            to.write(piece)
            await to.drain()
        raise ConnectionResetError("one side closed")
