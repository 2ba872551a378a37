"""The line to the county: one open question for fates, which is also what tells whether it is up.

While the county has not answered that question, nothing is handed over: what waits is then known
not to have left, and need not be called unknown. A warning that is not answered makes the line
doubtful; the question is asked anew at once, and the line is up again with its answer.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from fzalert import ChannelUnavailable, ConfigError, FateUnknown
from fzalert.http import HttpAnswer
from fzalert.ports import AdapterContext, InboundBatch, get_logger
from fzalert_post.relay.answers import FatePage, problem_of, read_page, report_of
from fzalert_post.relay.config import RelayConfig

__all__ = ["Line"]

PAGE = 60
"""Fates in one answer: the pool reads at most 64 KiB."""
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
_CLOSED_EARLY = (
    "it closed the connection without an answer; if it asks for a certificate, its log says"
    " what is wrong with ours"
)
_log = get_logger("fzalert.post")


class Line:
    """Asks for fates without end, and carries warnings over.

    Args:
        config: The channel's settings.
        context: Clock, chance and the HTTP pool.

    Attributes:
        is_up: Whether the county answered last.
        why_down: Why not, for people.
        latency_ms: A recent round trip.
        asked: Set once the first question has ended, well or not.
        fates: How many came.
    """

    def __init__(self, config: RelayConfig, context: AdapterContext) -> None:
        self.is_up = False
        self.why_down = "not asked yet"
        self.latency_ms: float | None = None
        self.asked = asyncio.Event()
        self.fates = 0
        self._config = config
        self._context = context
        self._tls = config.tls()
        self._base = config.url.rstrip("/")
        self._closed = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._after = 0
        self._store = ""
        self._page: FatePage | None = None
        self._arrived = asyncio.Event()
        self._written = asyncio.Event()

    def close(self) -> None:
        """End the question and the stream of fates."""
        self._closed.set()
        self._arrived.set()
        self._written.set()
        self.ask_now()

    # -- handing over ----------------------------------------------------------------------

    async def hand_over(self, body: bytes, key: str) -> HttpAnswer:
        """Send one warning.

        Raises:
            ChannelUnavailable: Nothing left.
            FateUnknown: It left, and no whole answer came.
            ConfigError: The address or a header cannot be.
        """
        started = self._context.clock.monotonic()
        try:
            answer = await self._request(
                "POST", "/api/v1/relay", body, {"Idempotency-Key": key}, wait=0
            )
        except (ChannelUnavailable, FateUnknown) as error:
            self._down(_words(error))
            self.ask_now()
            raise
        self.latency_ms = (self._context.clock.monotonic() - started) * 1000
        return answer

    def ask_now(self) -> None:
        """Give the open question up and ask anew: something is wrong with the line."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    # -- fates -----------------------------------------------------------------------------

    async def follow(self) -> None:
        """Ask for fates until the line is closed."""
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            try:
                page = await self._ask()
            except (ChannelUnavailable, FateUnknown, ConfigError, ValueError) as error:
                self._down(_words(error))
                self.asked.set()
                await self._sleep(pause * self._context.rng.uniform(0.75, 1.25))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            except TimeoutError:  # after FateUnknown, which is one
                continue  # doubted: a county that is well holds the next question open too
            pause = FIRST_PAUSE
            self._up()
            self.asked.set()
            if page.items:
                await self._deliver(page)

    async def batches(self) -> AsyncIterator[InboundBatch]:
        """The fates as batches for the engine, until the line is closed."""
        while True:
            await self._arrived.wait()
            page = self._page
            if self._closed.is_set() or page is None:
                return
            yield InboundBatch(_rows(page), functools.partial(self._acknowledge, page))
            await self._written.wait()  # whoever reads anew before that gets the same page

    def _acknowledge(self, page: FatePage) -> None:
        self._after, self._store = page.last, page.store
        self._arrived.clear()
        self._written.set()

    async def _deliver(self, page: FatePage) -> None:
        """Give a page to the engine, and go on once it is on disk: it is not asked for before."""
        self.fates += len(page.items)
        self._page = page
        self._written.clear()
        self._arrived.set()
        await self._written.wait()

    async def _ask(self) -> FatePage:
        wait = self._config.poll_wait if self.is_up else 0
        query = f"after={self._after}&store={self._store}&limit={PAGE}&wait={wait:g}"
        try:
            async with asyncio.timeout(None) as self._waiting:
                if self._closed.is_set():
                    raise TimeoutError
                answer = await self._request(
                    "GET", f"/api/v1/relay/fates?{query}", b"", {}, wait=wait
                )
        finally:
            self._waiting = None
        if answer.status != 200:
            _, detail = problem_of(answer)
            raise ChannelUnavailable(detail)
        return read_page(answer.body)

    async def _request(
        self, method: str, path: str, body: bytes, headers: dict[str, str], *, wait: float
    ) -> HttpAnswer:
        headers = {"Accept": "application/json", **headers}
        if body:
            headers["Content-Type"] = "application/json"
        if self._config.token is not None:
            headers["Authorization"] = f"Bearer {self._config.token.get_secret_value()}"
        return await self._context.http.request(
            method,
            self._base + path,
            content=body,
            headers=headers,
            deadline=timedelta(seconds=wait + self._config.answer_timeout),
            private_hosts=self._config.private_hosts,
            tls=self._tls,
        )

    # -- up and down -----------------------------------------------------------------------

    def _up(self) -> None:
        if self.why_down:
            _log.info("relay.up", channel=self._config.name)
        self.is_up, self.why_down = True, ""

    def _down(self, why: str) -> None:
        if why != self.why_down:
            _log.warning("relay.down", channel=self._config.name, why=why)
        self.is_up, self.why_down = False, why

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return


def _rows(page: FatePage) -> tuple[Any, ...]:
    found = [report_of(item) for item in page.items]
    if None in found:
        _log.warning("relay.odd_fate", fates=found.count(None))
    return tuple(row for row in found if row is not None)


def _words(error: Exception) -> str:
    words = str(error.args[0]) if error.args else type(error).__name__
    return f"{words} ({_CLOSED_EARLY})" if isinstance(error, FateUnknown) else words
