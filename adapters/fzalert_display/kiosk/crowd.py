"""A crowd of simulated screens: each holds its stream over a raw socket, and comes back when cut.

It enrols, reads events and, where asked, reports `shown` as a page would. It verifies no
signature and paints nothing: it is there to find out what a hub does with a thousand of them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from fzalert_display.kiosk.devices import cookie_name

__all__ = ["Crowd", "Told"]

_PATIENCE = 30.0
_AT_ONCE = 50


class Told(NamedTuple):
    """One event as one screen got it.

    Attributes:
        screen: The screen.
        event: `state`, `hb`, `bye`, …
        data: Its data.
        at: Loop time at which it was there.
    """

    screen: str
    event: str
    data: str
    at: float

    @property
    def cards(self) -> tuple[str, ...]:
        """Names of the warnings in a state."""
        document = json.loads(json.loads(self.data)["doc"])
        return tuple(card["id"] for card in document["overrides"])


class Crowd:
    """The screens.

    Args:
        base_url: Where the channel is mounted, with a slash at the end.
        names: The screens.
        token: The enrolment token that all of them share.
        reports: Whether each says `shown` for every warning that it gets.
        heard: Called with every event.
        seed: Of the chance in waiting before a screen comes back.
    """

    def __init__(
        self,
        base_url: str,
        names: Sequence[str],
        token: str,
        *,
        reports: bool = False,
        heard: Callable[[Told], None] | None = None,
        seed: int = 0,
    ) -> None:
        split = urlsplit(base_url)
        self._host, self._port = split.hostname or "127.0.0.1", split.port or 80
        self._path = split.path
        self.names = tuple(names)
        self._token = token
        self._reports = reports
        self._heard = heard
        self._rng = Random(seed)  # noqa: S311  chance that repeats is the point
        self._cookies: dict[str, str] = {}
        self._open: set[str] = set()
        self._changed = asyncio.Event()
        self._dialling = asyncio.Semaphore(_AT_ONCE)
        self._count = 0
        self.connects = 0

    @property
    def live(self) -> int:
        """How many streams are open, their first state received."""
        return len(self._open)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Enrol all, hold their streams until the block ends.

        Raises:
            TimeoutError: They were not all there in time.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._hold(name)) for name in self.names]
            try:
                await self.until(lambda: self.live == len(self.names))
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def until(self, is_so: Callable[[], bool], within: float = _PATIENCE) -> None:
        """Wait until something holds; it is looked at after every event.

        Raises:
            TimeoutError: It did not come to hold in time.
        """
        async with asyncio.timeout(within):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def _hold(self, name: str) -> None:
        """Hold one stream; wait as its `retry` says, with chance, and dial again."""
        wait = 0.5
        while True:
            try:
                if name not in self._cookies:
                    async with self._dialling:
                        self._cookies[name] = await self._enrol(name)
                wait = await self._listen(name, wait)
            except (OSError, EOFError, ValueError):
                wait = min(wait * 1.5, 5.0)
            finally:
                self._left(name)
            await asyncio.sleep(wait * self._rng.uniform(0.7, 1.3))

    def _left(self, name: str) -> None:
        self._open.discard(name)
        self._changed.set()

    async def _enrol(self, name: str) -> str:
        path = f"enroll/{quote(name)}?t={quote(self._token)}"
        reader, writer = await self._ask("GET", path, "")
        try:
            head = await self._head(reader)
            if " 303 " not in head.partition("\n")[0]:
                raise ValueError(f"not enrolled: {head[:40]}")
            start = head.index(f"{cookie_name(name)}=")
            return head[start : head.index(";", start)]
        finally:
            writer.close()

    async def _listen(self, name: str, wait: float) -> float:
        """Read one stream to its end; returns what to wait before the next."""
        path = f"screen/{quote(name)}/stream?page=crowd-{name}"
        async with self._dialling:
            reader, writer = await self._ask("GET", path, self._cookies[name])
        try:
            if " 200 " not in (await self._head(reader)).partition("\n")[0]:
                return 2.0
            self.connects += 1
            while True:
                event = await reader.readuntil(b"\n\n")
                at = asyncio.get_running_loop().time()
                fields = _fields(event)
                if "retry" in fields:
                    wait = int(fields["retry"]) / 1000
                if "event" in fields:
                    self._take(Told(name, fields["event"], fields.get("data", ""), at))
                if fields.get("event") in {"bye", "gone", "displaced"}:
                    return wait
        except asyncio.IncompleteReadError:
            return wait
        finally:
            writer.close()

    def _take(self, told: Told) -> None:
        if told.event == "state":
            self._open.add(told.screen)
        if self._heard is not None:
            self._heard(told)
        self._changed.set()

    async def shown(self, told: Told) -> int:
        """Report every warning of a state as shown; returns the status."""
        rows = [
            {"report_id": self._report_id(), "event": "shown", "card": card, "at": 0}
            for card in told.cards
        ]
        body = json.dumps({"reports": rows}).encode()
        path = f"screen/{quote(told.screen)}/report"
        reader, writer = await self._ask("POST", path, self._cookies[told.screen], body)
        try:
            return int((await self._head(reader)).split(" ", 2)[1])
        finally:
            writer.close()

    def _report_id(self) -> str:
        self._count += 1
        return f"00000000-{self._count:x}"

    async def _ask(
        self, method: str, path: str, cookie: str, body: bytes = b""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        lines = [
            f"{method} {self._path}{path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            f"Cookie: {cookie}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        return reader, writer

    async def _head(self, reader: asyncio.StreamReader) -> str:
        async with asyncio.timeout(_PATIENCE):
            return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")


def _fields(event: bytes) -> dict[str, str]:
    """Read an event, with the lengths of the chunks that it came in left out."""
    lines = event.decode("utf-8").replace("\r\n", "\n").split("\n")
    return dict(line.split(": ", 1) for line in lines if ": " in line)
