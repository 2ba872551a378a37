"""Keeps one link to the gateway: dials, logs in, dials again, leaves in good order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from fzalert.ports import AdapterContext, get_logger
from fzalert_sms.carrier.account import Account
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.dialect import Dialect
from fzalert_sms.carrier.dialler import Dialler
from fzalert_sms.carrier.dialling import LoginRefused, Places
from fzalert_sms.carrier.session import (
    Closed,
    Event,
    Ignored,
    Malformed,
    Opened,
    Refused,
)
from fzalert_sms.carrier.transport import Link

_log = get_logger("fzalert.sms")

_TICK = 0.1
"""Seconds between two looks at the time; less where a limit is shorter."""
_STEADY = 10.0
"""Seconds after which a link that nobody used counts as working."""
_LEAVE = 1.0
"""Seconds that closing waits for the answer to the good-bye."""
_IDLE = 1.0
"""Seconds after which a link that was closed with nothing open on it was closed for idling."""


class Gateway(Protocol):
    """Who uses the line."""

    def on_events(self, link: Link, events: Sequence[Event]) -> None:
        """Take what happened."""
        ...

    def on_lost(self, link: Link, reason: str) -> None:
        """Take that the link is gone."""
        ...

    def on_tick(self) -> None:
        """Look at the time."""
        ...


class Line:
    """The link that is there, or why there is none.

    Args:
        config: Of the channel.
        context: The adapter's.
        dialect: How it speaks.
        gateway: Who uses it.
        account: What it shares with the other connections.
        places: Where to dial.
        use: What for, as a word for logs.

    Attributes:
        link: The link that is logged in, or None.
        reconnects: Links that were opened after the first.
    """

    def __init__(
        self,
        config: CarrierConfig,
        context: AdapterContext,
        dialect: Dialect,
        gateway: Gateway,
        account: Account,
        places: Sequence[tuple[str, int]],
        *,
        use: str = "send",
    ) -> None:
        self.link: Link | None = None
        self.reconnects = 0
        self._config = config
        self._dialect = dialect
        self._account = account
        self._use = use
        self._clock = context.clock
        self._background = context.background
        self._gateway = gateway
        self._dialler = Dialler(config, context, dialect, account, places)
        self._dialled: Link | None = None
        self._usable = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._tried = asyncio.Event()
        self._tried.set()
        self._rests_after = config.rests_after
        self._used_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._opened_at = 0.0
        self._opens = 0

    @property
    def pause(self) -> float:
        """Seconds until the next attempt, as decided at the last failure; 0 while up."""
        return self._dialler.pause

    @property
    def places(self) -> Places:
        """The addresses, and which of them is used."""
        return self._dialler.places

    @property
    def dozes(self) -> bool:
        """Whether it is closed for want of work, or is just being opened again."""
        return self.link is None and not self._tried.is_set()

    async def wake(self) -> Link | None:
        """Open a line that dozes; None where it is down, or stays so at the first attempt."""
        if not self.dozes:
            return self.link
        self._wanted.set()
        try:
            async with asyncio.timeout(self._config.open_wait):
                await self._tried.wait()
        except TimeoutError:
            self._tried.set()
        return self.link

    def words(self, now: float) -> str:
        """How the line is, for people."""
        if self.dozes:
            return (
                "空闲，链路已关，有短信即重连 · idle: closed, and opened again when there is work"
            )
        if self.link is not None:
            seconds = now - self._opened_at
            words = self.link.session.words
            return f"已连接 {seconds:.0f} 秒，{words} · connected for {seconds:.0f} s"
        return self._dialler.words(now)

    def works(self) -> None:
        """Note that the gateway answers submissions."""
        self._used_at = self._clock.monotonic()
        self._dialler.works()

    def start(self) -> None:
        """Begin to dial."""
        name = f"{self._config.name}-{self._config.slot} {self._use}"
        self._tasks = [
            self._background.keep(f"sms link {name}", self._keep_link),
            self._background.keep(f"sms timers {name}", self._keep_time),
        ]

    async def open(self) -> None:
        """Begin to dial; return when the line is usable, or after `open_wait` seconds."""
        self.start()
        try:
            async with asyncio.timeout(self._config.open_wait):
                await self._usable.wait()
        except TimeoutError:
            _log.warning("sms.not_yet_open", channel=self._config.name, why=self._dialler.why)

    async def close(self) -> None:
        """Wait for open answers, say good-bye, and stop; each within its limit."""
        link = self._let_go()
        self._tried.set()
        if link is not None:
            await self._drain(link)
            link.session.leave(self._clock.monotonic())
            link.flush()
            try:
                async with asyncio.timeout(_LEAVE):
                    await link.lost.wait()
            except TimeoutError:
                link.abort("the good-bye was not answered in time")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._dialled is not None:
            self._dialled.abort("closed")

    def _let_go(self) -> Link | None:
        link, self.link = self.link, None
        if link is not None:
            self._account.open -= 1
        return link

    async def _drain(self, link: Link) -> None:
        deadline = self._clock.monotonic() + self._config.close_within
        session = link.session
        while session.unanswered > session.overdue and self._clock.monotonic() < deadline:
            if link.lost.is_set():
                return
            await self._clock.sleep(0.02)

    # What the link tells.

    def on_event(self, link: Link, event: Event) -> None:
        """Take an event that is about the link itself."""
        match event:
            case Opened(version, warning):
                self._on_opened(link, version, warning)
            case Refused(status):
                table = self._dialect.table
                is_final = status in table.is_final
                words = table.login_words(status)
                shown = self._dialect.results.shown(status)
                self._dialler.refused(LoginRefused(status, words, shown, is_final=is_final))
            case Malformed(command, _, reason):
                _log.warning(
                    "sms.malformed", channel=self._config.name, command=command, why=reason
                )
            case Ignored(command, _):
                _log.warning("sms.ignored", channel=self._config.name, command=command)
            case Closed():
                pass  # the link tells its owner that it is lost
            case _:
                raise TypeError(f"unexpected event {type(event).__name__}")

    def on_lost(self, link: Link, reason: str, *, unanswered: int) -> None:
        """Take that a link is gone."""
        self._dialler.refused(ConnectionError(reason))
        if link is self.link:
            self._let_go()
            self._usable.clear()
            was_idle = not unanswered and self._clock.monotonic() - self._opened_at >= _IDLE
            self._dialler.lost(reason, was_idle=was_idle)
            if was_idle and self._rests_after:
                self._doze()
            log = _log.info if was_idle else _log.warning
            log(
                "sms.lost",
                channel=self._config.name,
                slot=self._config.slot,
                use=self._use,
                why=reason,
                unanswered=unanswered,
            )

    def _on_opened(self, link: Link, version: int, warning: str) -> None:
        self.link = link
        self._account.open += 1
        self.reconnects += self._opens > 0
        self._opens += 1
        self._opened_at = self._used_at = self._clock.monotonic()
        self._usable.set()
        self._tried.set()
        self._dialler.opened()
        log = _log.warning if warning else _log.info
        log(
            "sms.open",
            channel=self._config.name,
            slot=self._config.slot,
            use=self._use,
            version=version,
            warning=warning,
        )

    def _doze(self) -> None:
        """Dial no more until somebody wants the line."""
        self._wanted.clear()
        self._tried.clear()

    def _look_for_work(self, link: Link) -> None:
        """Say good-bye on a line that nobody has used for long."""
        now = self._clock.monotonic()
        if link.session.unanswered:
            self._used_at = now
        elif now - self._used_at >= self._rests_after:
            self._let_go()
            self._usable.clear()
            self._doze()
            _log.info("sms.rests", channel=self._config.name, slot=self._config.slot)
            link.session.leave(now)
            link.flush()

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
                self._dialler.works()
            if self.link is not None and self._rests_after:
                self._look_for_work(self.link)
            self._gateway.on_tick()

    async def _keep_link(self) -> None:
        """Dial, and dial again whenever the link is lost; for connect and login only."""
        while True:
            link: Link | None = None
            await self._wanted.wait()
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(OSError),
                wait=self._pause_after,
                before_sleep=self._note_pause,
                sleep=self._clock.sleep,
            ):
                with attempt:
                    link = await self._dialler.dial(self._gateway, self._hold)
            if link is not None:
                await link.lost.wait()
            if not self.dozes:
                await self._clock.sleep(self._dialler.plan(None, self._dialler.why))

    def _hold(self, link: Link) -> None:
        self._dialled = link

    def _pause_after(self, state: RetryCallState) -> float:
        self._tried.set()
        error = state.outcome.exception() if state.outcome is not None else None
        return self._dialler.plan(error, str(error) or type(error).__name__)

    def _note_pause(self, state: RetryCallState) -> None:
        del state
        failures = self._dialler.failures
        if failures & (failures - 1) == 0:  # the first, second, fourth, eighth … in a row
            _log.warning(
                "sms.down",
                channel=self._config.name,
                why=self._dialler.why,
                failures=failures,
                next_in=round(self.pause, 2),
            )
