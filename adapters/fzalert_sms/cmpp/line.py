"""Keeps one link to the gateway: dials, logs in, dials again, leaves in good order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from fzalert.ports import AdapterContext
from fzalert_sms.cmpp.codec import login_timestamp
from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.cmpp.dialling import BackOff, LoginRefused, down_words
from fzalert_sms.cmpp.session import (
    ClientSession,
    Closed,
    Credentials,
    Event,
    Ignored,
    Malformed,
    Opened,
    Refused,
)
from fzalert_sms.cmpp.transport import CmppLink, Token

_log = structlog.get_logger()

_TICK = 0.1
"""Seconds between two looks at the time; less where a limit is shorter."""
_STEADY = 10.0
"""Seconds after which a link that nobody used counts as working."""
_LEAVE = 1.0
"""Seconds that closing waits for the answer to TERMINATE."""


class Gateway(Protocol):
    """Who uses the line."""

    def on_events(self, link: CmppLink, events: Sequence[Event]) -> None:
        """Take what happened."""
        ...

    def on_lost(self, link: CmppLink, reason: str) -> None:
        """Take that the link is gone."""
        ...

    def on_tick(self) -> None:
        """Look at the time."""
        ...


class Line:
    """The link that is there, or why there is none.

    Attributes:
        link: The link that is logged in, or None.
        pause: Seconds until the next attempt, as decided at the last failure; 0 while up.
        reconnects: Links that were opened after the first.
    """

    def __init__(self, config: CmppConfig, context: AdapterContext, gateway: Gateway) -> None:
        self.link: CmppLink | None = None
        self.pause = 0.0
        self.reconnects = 0
        self._config = config
        self._clock = context.clock
        self._background = context.background
        self._gateway = gateway
        self._back_off = BackOff(config, context.rng)
        self._rng = context.rng
        self._dialled: CmppLink | None = None
        self._opening: asyncio.Future[None] | None = None
        self._usable = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._opened_at = 0.0
        self._opens = 0
        self._why = "not dialled yet"
        self._error: BaseException | None = None
        self._next_at = 0.0
        self._credentials = Credentials(
            config.account,
            config.secret.get_secret_value(),
            config.layout.version,
            config.auth_pad_source_addr,
            config.strict_server_auth,
        )

    def words(self, now: float) -> str:
        """How the line is, for people."""
        if self.link is not None:
            version = self.link.session.layout.version
            seconds = now - self._opened_at
            return (
                f"已连接 {seconds:.0f} 秒，CMPP {version >> 4}.{version & 15}"
                f" · connected for {seconds:.0f} s"
            )
        return down_words(self._error, self._why, max(0.0, self._next_at - now))

    def works(self) -> None:
        """Note that the gateway answers submissions."""
        if self._back_off.failures:
            self._back_off.works()

    async def open(self) -> None:
        """Begin to dial; return when the line is usable, or after `open_wait` seconds."""
        name = f"{self._config.name}-{self._config.slot}"
        self._tasks = [
            self._background.keep(f"cmpp link {name}", self._keep_link),
            self._background.keep(f"cmpp timers {name}", self._keep_time),
        ]
        try:
            async with asyncio.timeout(self._config.open_wait):
                await self._usable.wait()
        except TimeoutError:
            _log.warning("cmpp.not_yet_open", channel=self._config.name, why=self._why)

    async def close(self) -> None:
        """Wait for open answers, say good-bye, and stop; each within its limit."""
        link = self.link
        self.link = None
        if link is not None:
            await self._drain(link)
            link.session.leave(self._clock.monotonic())
            link.flush()
            try:
                async with asyncio.timeout(_LEAVE):
                    await link.lost.wait()
            except TimeoutError:
                link.abort("TERMINATE was not answered in time")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._dialled is not None:
            self._dialled.abort("closed")

    async def _drain(self, link: CmppLink) -> None:
        deadline = self._clock.monotonic() + self._config.close_within
        session = link.session
        while session.unanswered > session.overdue and self._clock.monotonic() < deadline:
            if link.lost.is_set():
                return
            await self._clock.sleep(0.02)

    # What the link tells.

    def on_event(self, link: CmppLink, event: Event) -> None:
        """Take an event that is about the link itself."""
        match event:
            case Opened(version, warning):
                self._on_opened(link, version, warning)
            case Refused(status):
                self._fail(LoginRefused(status))
            case Malformed(command, _, reason):
                _log.warning(
                    "cmpp.malformed", channel=self._config.name, command=command, why=reason
                )
            case Ignored(command, _):
                _log.warning("cmpp.ignored", channel=self._config.name, command=command)
            case Closed():
                pass  # the link tells its owner that it is lost
            case _:
                raise TypeError(f"unexpected event {type(event).__name__}")

    def on_lost(self, link: CmppLink, reason: str, *, unanswered: int) -> None:
        """Take that a link is gone."""
        self._fail(ConnectionError(reason))
        if link is self.link:
            self.link = None
            self._usable.clear()
            self._why, self._error = reason, None
            self._next_at = self._clock.monotonic()
            _log.warning("cmpp.lost", channel=self._config.name, why=reason, unanswered=unanswered)

    def _fail(self, error: ConnectionError) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(error)

    def _on_opened(self, link: CmppLink, version: int, warning: str) -> None:
        self.link = link
        self.pause = 0.0
        self.reconnects += self._opens > 0
        self._opens += 1
        self._opened_at = self._clock.monotonic()
        self._error = None
        self._usable.set()
        if self._opening is not None and not self._opening.done():
            self._opening.set_result(None)
        log = _log.warning if warning else _log.info
        log("cmpp.open", channel=self._config.name, version=version, warning=warning)

    # Work in the background.

    async def _keep_time(self) -> None:
        shortest = min(
            self._config.late_after, self._config.keep_alive, self._config.keep_alive_timeout
        )
        pause = min(_TICK, shortest / 4)
        while True:
            await self._clock.sleep(pause)
            if self._dialled is not None:
                self._dialled.tick()
            if self.link is not None and self._clock.monotonic() - self._opened_at >= _STEADY:
                self.works()
            self._gateway.on_tick()

    async def _keep_link(self) -> None:
        """Dial, and dial again whenever the link is lost; for connect and login only."""
        while True:
            link: CmppLink | None = None
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(OSError),
                wait=self._pause_after,
                before_sleep=self._note_pause,
                sleep=self._clock.sleep,
            ):
                with attempt:
                    link = await self._dial()
            if link is not None:
                await link.lost.wait()
            self._plan(None, self._why)
            await self._clock.sleep(self.pause)

    def _pause_after(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return self._plan(error, str(error) or type(error).__name__)

    def _plan(self, error: BaseException | None, why: str) -> float:
        now = self._clock.monotonic()
        self.pause = self._back_off.pause(error, now)
        self._error, self._why, self._next_at = error, why, now + self.pause
        return self.pause

    def _note_pause(self, state: RetryCallState) -> None:
        del state
        failures = self._back_off.failures
        if failures & (failures - 1) == 0:  # the first, second, fourth, eighth … in a row
            _log.warning(
                "cmpp.down",
                channel=self._config.name,
                why=self._why,
                failures=failures,
                next_in=round(self.pause, 2),
            )

    async def _dial(self) -> CmppLink:
        config, clock = self._config, self._clock
        loop = asyncio.get_running_loop()
        session: ClientSession[Token] = ClientSession(
            self._credentials,
            limits=config.limits,
            layout=config.layout,
            # Not always from 1: some gateways take a number of the last connection for a repeat.
            first_sequence=self._rng.randrange(1, 1 << 30),
        )
        link = CmppLink(
            session,
            self._gateway,
            now=clock.monotonic,
            began_at=clock.millis(),
            slot=config.slot,
        )
        self._opening = loop.create_future()
        try:
            async with asyncio.timeout(config.connect_timeout):
                await loop.create_connection(lambda: link, config.host, config.port)
            self._dialled = link
            skewed = clock.now() + timedelta(seconds=config.clock_skew)
            session.login(login_timestamp(skewed), clock.monotonic())
            link.flush()
            async with asyncio.timeout(config.auth_timeout):
                await self._opening
        except BaseException:
            link.abort("the login did not succeed")
            raise
        finally:
            if self._opening.done() and not self._opening.cancelled():
                self._opening.exception()  # read here, or asyncio reports it as never read
            self._opening = None
        return link
