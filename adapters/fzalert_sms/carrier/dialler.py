"""Makes one link: where to dial, how long to wait after a failure."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence

from fzalert.ports import AdapterContext
from fzalert_sms.carrier.account import Account
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.dialect import Dialect
from fzalert_sms.carrier.dialling import (
    BackOff,
    Distrusted,
    LoginRefused,
    Places,
    TurnedAway,
    down_words,
)
from fzalert_sms.carrier.transport import Link, Owner

_IDLE_PAUSE = 1.0
"""Longest pause after a link that was closed with nothing open on it, seconds."""


class Dialler:
    """See the module.

    Args:
        config: Of the channel.
        context: The adapter's.
        dialect: How it logs in.
        account: What the line shares with the other connections.
        places: Where to dial.

    Attributes:
        places: The addresses, and which of them is used.
        pause: Seconds until the next attempt, as decided at the last failure; 0 while up.
        why: The last failure, as words for a log.
    """

    def __init__(
        self,
        config: CarrierConfig,
        context: AdapterContext,
        dialect: Dialect,
        account: Account,
        places: Sequence[tuple[str, int]],
    ) -> None:
        self.places = Places(places)
        self.pause = 0.0
        self.why = "not dialled yet"
        self._config = config
        self._account = account
        self._clock = context.clock
        self._rng = context.rng
        self._back_off = BackOff(config, context.rng)
        self._error: BaseException | None = None
        self._next_at = 0.0
        self._turned_away = 0
        self._was_idle = False
        self._opening: asyncio.Future[None] | None = None
        self._dialect = dialect

    @property
    def failures(self) -> int:
        """Attempts that failed since a link last worked."""
        return self._back_off.failures

    def words(self, now: float) -> str:
        """Why there is no link, for people."""
        return down_words(self._error, self.why, max(0.0, self._next_at - now))

    def works(self) -> None:
        """Note that the gateway answers."""
        if self._back_off.failures:
            self._back_off.works()

    def opened(self) -> None:
        """The login succeeded."""
        self._turned_away = 0
        self._error = None
        self.pause = 0.0
        self.places.works()
        if self._opening is not None and not self._opening.done():
            self._opening.set_result(None)

    def refused(self, error: ConnectionError) -> None:
        """The login failed, where one is under way."""
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(error)

    def lost(self, why: str, *, was_idle: bool) -> None:
        """The link is gone; `was_idle` says that a peaceful close is no failure."""
        self.why, self._error = why, None
        self._next_at = self._clock.monotonic()
        self._was_idle = was_idle

    def plan(self, error: BaseException | None, why: str) -> float:
        """Decide how long to wait, and where to dial then."""
        now = self._clock.monotonic()
        pause = self._back_off.pause(error, now)
        if error is None:
            pause = min(pause, _IDLE_PAUSE) if self._was_idle else pause
        elif self._steps_down(error) or self._has_another_place(error):
            pause = min(pause, self._config.reconnect_min)
        self.pause, self._error, self.why, self._next_at = pause, error, why, now + pause
        return pause

    async def dial(self, owner: Owner, hold: Callable[[Link], None]) -> Link:
        """Connect and log in.

        Args:
            owner: Who hears of the link. It calls `opened` and `refused`.
            hold: Takes the link as soon as it is connected.

        Raises:
            OSError: It did not succeed; also as a timeout, `LoginRefused`, `Distrusted` or
                `TurnedAway`.
        """
        config, clock = self._config, self._clock
        loop = asyncio.get_running_loop()
        session = self._dialect.login(self._rng, clock.now(), clock.monotonic())
        link = Link(session, owner, now=clock.monotonic, began_at=clock.millis(), slot=config.slot)
        self._opening = loop.create_future()
        try:
            async with asyncio.timeout(config.connect_timeout):
                await self._connect(loop, link)
            hold(link)
            link.flush()
            async with asyncio.timeout(config.auth_timeout):
                await self._opening
        except BaseException as error:
            link.abort("the login did not succeed")
            if link.tls_error is not None:
                # In TLS 1.3 a refused certificate of ours is told only after the handshake.
                raise _failed_handshake(link.tls_error) from error
            if self._is_turned_away(link, error):
                raise TurnedAway("closed before the login, while others stay open") from error
            raise
        finally:
            if self._opening.done() and not self._opening.cancelled():
                self._opening.exception()  # read here, or asyncio reports it as never read
            self._opening = None
        return link

    async def _connect(self, loop: asyncio.AbstractEventLoop, link: Link) -> None:
        """Connect, over TLS where the settings ask for it; the files are read each time."""
        host, port = self.places.now
        try:
            tls = self._config.tls_context()
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            reason = error.strerror if isinstance(error, OSError) else None
            why = reason or error
            raise Distrusted(
                f"证书文件读不了（{why}）", f"a certificate file cannot be read ({why})"
            ) from error
        if tls is None:
            await loop.create_connection(lambda: link, host, port)
            return
        name = self._config.tls_name or host
        try:
            await loop.create_connection(lambda: link, host, port, ssl=tls, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message
            raise Distrusted(
                f"网关证书不可信（{why}）", f"the gateway's certificate is not trusted ({why})"
            ) from error
        except ssl.SSLError as error:
            raise _failed_handshake(error) from error

    def _steps_down(self, error: BaseException) -> bool:
        return isinstance(error, LoginRefused) and self._dialect.steps_down(error.status)

    def _has_another_place(self, error: BaseException) -> bool:
        has_more = self.places.fails()
        return has_more and not isinstance(error, LoginRefused | Distrusted | TurnedAway)

    def _is_turned_away(self, link: Link, error: BaseException) -> bool:
        """Whether a gateway with enough connections of ours closes this one without a word."""
        was_closed = isinstance(error, ConnectionError) and not isinstance(error, LoginRefused)
        if not (was_closed and link.is_connected and self._account.open):
            self._turned_away = 0
            return False
        self._turned_away += 1
        return self._turned_away > 1


def _failed_handshake(error: ssl.SSLError) -> Distrusted:
    why = error.reason
    return Distrusted(f"TLS 握手失败（{why}）", f"the TLS handshake failed ({why})")
