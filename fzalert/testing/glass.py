"""A pane of glass in a TLS line: it ends the TLS on both sides, and sees and keeps what passes.

A test's own authority made the certificates of both sides, so the pane can show each the other's.
It is plain asyncio and ssl and knows nothing of what it carries, so what it kept is a witness. Its
address stays while what is behind it comes back on another port; it can be told to drip, to close
in mid answer, to swallow, and to act when certain bytes pass.
"""

from __future__ import annotations

import asyncio
import enum
import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Glass", "Side", "Whim"]

_PIECE = 65_536
_DRIP_EVERY = 0.2


class Side(enum.Enum):
    """Which way bytes go."""

    ASKED = "asked"
    ANSWERED = "answered"


class Whim(enum.Enum):
    """What it does with answers."""

    CARRY = "carry them"
    SWALLOW = "swallow them: what is asked arrives, and no answer comes"
    DRIP = "let a byte of an answer pass now and then"
    CUT = "close in the middle of an answer"


class Glass:
    """A pane on a port of this machine; use `async with`.

    Args:
        folder: Where it keeps what passed: `NAME.asked` and `NAME.answered`, raw.
        name: In front of its files.
        authority: Certificate that both sides are held against, PEM.
        server: Certificate and key that it shows to who asks.
        client: Certificate and key that it shows to what is behind it.

    Attributes:
        port: Where it listens.
        behind: The port that it goes on to; may be changed at any time.
        whim: What it does with answers now.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        authority: Path,
        server: tuple[Path, Path],
        client: tuple[Path, Path],
    ) -> None:
        self.port = 0
        self.behind = 0
        self.whim = Whim.CARRY
        self._front = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        self._front.verify_mode = ssl.CERT_REQUIRED
        self._front.load_cert_chain(*server)
        self._back = ssl.create_default_context(cafile=authority)
        self._back.load_cert_chain(*client)
        self._files = {side: (folder / f"{name}.{side.value}").open("ab", 0) for side in Side}
        self._acts: list[tuple[Side, bytes, Callable[[], None]]] = []
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def when(self, side: Side, words: bytes, act: Callable[[], None]) -> None:
        """Act once, when a piece with these words has come and before it goes on."""
        self._acts.append((side, words, act))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._front)
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
        for file in self._files.values():
            file.close()

    def cut(self) -> None:
        """Reset every open connection, both sides of it."""
        for writer in [*self._open]:
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
        there, back = await asyncio.open_connection("127.0.0.1", self.behind, ssl=self._back)
        self._open.add(back)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(Side.ASKED, reader, back))
                both.create_task(self._pump(Side.ANSWERED, there, writer))
        except* OSError:
            pass  # the other pump ends with it
        finally:
            self._open.discard(back)
            back.transport.abort()

    async def _pump(
        self, side: Side, source: asyncio.StreamReader, to: asyncio.StreamWriter
    ) -> None:
        while piece := await source.read(_PIECE):
            self._files[side].write(piece)
            for act in [one for one in self._acts if one[0] is side and one[1] in piece]:
                self._acts.remove(act)
                act[2]()
            await self._pass(piece, to, self.whim if side is Side.ANSWERED else Whim.CARRY)
        raise ConnectionResetError("one side closed")

    async def _pass(self, piece: bytes, to: asyncio.StreamWriter, whim: Whim) -> None:
        if whim is Whim.SWALLOW:
            return
        if whim is Whim.CUT:
            to.write(piece[: len(piece) // 2])
            await to.drain()
            raise ConnectionResetError("closed in mid answer")
        if whim is Whim.DRIP:
            for at in range(len(piece)):
                to.write(piece[at : at + 1])
                await to.drain()
                await asyncio.sleep(_DRIP_EVERY)
            return
        to.write(piece)
        await to.drain()
