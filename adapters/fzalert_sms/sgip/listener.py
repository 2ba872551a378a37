"""Our end for the connections that the gateway opens: reports, replies and news of users."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from typing_extensions import override

from fzalert.ports import AdapterContext, get_logger
from fzalert_sms.carrier.inbox import Inbox
from fzalert_sms.carrier.session import (
    Delivered,
    Event,
    Ignored,
    Limits,
    LoggedIn,
    Malformed,
    Refused,
)
from fzalert_sms.carrier.transport import Link, Token
from fzalert_sms.sgip.codec import UserRpt
from fzalert_sms.sgip.codec import layout as c
from fzalert_sms.sgip.config import Listener as Settings
from fzalert_sms.sgip.config import SgipConfig
from fzalert_sms.sgip.session import Door, InboundSession, Sequences

_log = get_logger("fzalert.sms")

_TICK = 0.1
_LEAVE = 1.0
"""Seconds that closing waits for what is on disk to be answered."""
_AGAIN = 5.0
"""Seconds until a port that is taken is tried again."""


class InboundLink(Link):
    """One connection of the gateway."""

    def __init__(
        self,
        session: InboundSession[Token],
        owner: Listener,
        context: AdapterContext,
        settings: Settings,
    ) -> None:
        clock = context.clock
        super().__init__(session, owner, now=clock.monotonic, began_at=clock.millis(), slot=0)
        self._listener = owner
        self._settings = settings

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.session.start(self._now())
        peer = transport.get_extra_info("peername")
        if not self._listener.admit(self, str(peer[0]) if peer else ""):
            self.abort("it may not connect")

    @override
    def pause_writing(self) -> None:
        # It sends requests and reads no answers: it has to wait.
        super().pause_writing()
        self.pause_reading()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self.resume_reading()


class Listener:
    """Listens while the channel is open; see `SgipConfig.listener`.

    Args:
        config: Of the channel.
        settings: Its listener.
        context: The adapter's.
        inbox: Takes what is delivered.
        sequences: Of the channel.

    Attributes:
        port: Where it listens; 0 while it does not.
        why: Why it does not listen; empty while it does.
        bound: Logins of the gateway.
        last_bind: Wall milliseconds of the last one; 0 before the first.
        rejected: Logins and connections that were refused.
        refused: Logins that were refused since the last one that was not.
        user_reports: News of users (USERRPT).
    """

    def __init__(
        self,
        config: SgipConfig,
        settings: Settings,
        context: AdapterContext,
        inbox: Inbox,
        sequences: Sequences,
    ) -> None:
        self.port = 0
        self.why = "not opened yet"
        self.bound = 0
        self.last_bind = 0
        self.rejected = 0
        self.refused = 0
        self.user_reports = 0
        self._name = config.name
        self._settings = settings
        self._context = context
        self._clock = context.clock
        self._inbox = inbox
        self._sequences = sequences
        self._door = Door(
            settings.account, settings.secret.get_secret_value(), settings.login_type_1
        )
        self._limits = Limits(login_timeout=settings.login_timeout, keep_alive=settings.idle_close)
        self._links: dict[Link, None] = {}
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._links)

    async def open(self) -> None:
        """Begin to listen; a port that is taken is tried again in the background."""
        await self._listen()
        self._task = self._context.background.keep(f"sms listener {self._name}", self._keep)

    async def close(self) -> None:
        """Take no more connections, answer what is on disk, and close."""
        if self._server is not None:
            self._server.close()
        deadline = self._clock.monotonic() + _LEAVE
        while any(link.session.unacknowledged for link in self._links):
            if self._clock.monotonic() >= deadline:
                break
            await self._clock.sleep(0.02)
        for link in list(self._links):
            link.flush()
            link.abort("the channel is closed")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.port = 0

    def admit(self, link: Link, address: str) -> bool:
        """Note a connection; False where it may not stay."""
        why = ""
        if not self._settings.lets_in(address):
            why = "its address is not in allowed"
        elif len(self._links) >= self._settings.max_connections:
            why = "there are max_connections already"
        if why:
            self._reject(why, address=_shown(address))
            return False
        self._links[link] = None
        return True

    # What a link tells.

    def on_events(self, link: Link, events: Sequence[Event]) -> None:
        """Take what happened on the link."""
        for event in events:
            match event:
                case Delivered(frame):
                    self._on_delivered(link, frame)
                case LoggedIn():
                    self._on_bound()
                case Refused(result):
                    self.refused += 1
                    self._reject("wrong login name, password or login type", result=result)
                case Malformed(command, _, reason):
                    _log.warning("sms.malformed", channel=self._name, command=command, why=reason)
                case Ignored(command, _):
                    _log.warning("sms.ignored", channel=self._name, command=command)
                case _:
                    pass  # the link tells its end

    def on_lost(self, link: Link, reason: str) -> None:
        """The link is gone; what it brought and was not answered comes again on another."""
        del reason
        link.session.abandon()
        self._inbox.lost(link)
        self._links.pop(link, None)

    def _on_bound(self) -> None:
        self.bound += 1
        self.refused = 0
        self.last_bind = self._clock.millis()
        if self.bound & (self.bound - 1) == 0:  # it may come for every burst
            _log.info("sms.bound", channel=self._name, binds=self.bound)

    def _on_delivered(self, link: Link, frame: Any) -> None:
        if isinstance(frame, UserRpt):
            self.user_reports += 1
            _log.info("sms.user_report", channel=self._name, condition=frame.user_condition)
            link.session.acknowledge(frame.sequence, c.USERRPT.to_bytes(4, "big"))
            return
        self._inbox.deliver(link, frame)

    def _reject(self, why: str, **more: Any) -> None:
        self.rejected += 1
        if self.rejected & (self.rejected - 1) == 0:  # the first, second, fourth, eighth …
            _log.warning(
                "sms.bind_rejected", channel=self._name, why=why, rejected=self.rejected, **more
            )

    # Work in the background.

    async def _listen(self) -> None:
        settings = self._settings
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._link, settings.host, self.port or settings.port, reuse_address=True
            )
        except OSError as error:
            self.why = error.strerror or str(error)
            _log.error("sms.not_listening", channel=self._name, port=settings.port, why=self.why)
            return
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.why = ""

    def _link(self) -> Link:
        session: InboundSession[Token] = InboundSession(
            self._door, self._sequences, limits=self._limits
        )
        return InboundLink(session, self, self._context, self._settings)

    async def _keep(self) -> None:
        """Look at the time of every link, and listen again where it could not."""
        tried_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(_TICK)
            for link in list(self._links):
                link.tick()
            if self._server is None and self._clock.monotonic() - tried_at >= _AGAIN:
                tried_at = self._clock.monotonic()
                await self._listen()


def _shown(address: str) -> str:
    """An address for a log; never raw octets of a peer."""
    try:
        return str(ip_address(address.partition("%")[0]))
    except ValueError:
        return "?"
