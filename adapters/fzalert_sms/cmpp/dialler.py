"""Makes one link: where to dial, which version to ask for, how long to wait after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from fzalert.ports import AdapterContext
from fzalert_sms.cmpp.account import Account
from fzalert_sms.cmpp.codec import V20, V30, login_timestamp
from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.cmpp.dialling import BackOff, LoginRefused, Places, TurnedAway, down_words
from fzalert_sms.cmpp.session import VERSION_TOO_HIGH, ClientSession, Credentials
from fzalert_sms.cmpp.transport import CmppLink, Owner, Token

_IDLE_PAUSE = 1.0
"""Longest pause after a link that was closed with nothing open on it, seconds."""


class Dialler:
    """See the module.

    Args:
        config: Of the channel.
        context: The adapter's.
        account: What the line shares with the other connections.
        places: Where to dial.

    Attributes:
        places: The addresses, and which of them is used.
        pause: Seconds until the next attempt, as decided at the last failure; 0 while up.
        why: The last failure, as words for a log.
    """

    def __init__(
        self,
        config: CmppConfig,
        context: AdapterContext,
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
        self._layout = config.layout
        self._opening: asyncio.Future[None] | None = None
        self._credentials = Credentials(
            config.account,
            config.secret.get_secret_value(),
            config.layout.version,
            config.auth_pad_source_addr,
            config.strict_server_auth,
            config.allow_lower_version,
        )

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
        """Decide how long to wait, where to dial then, and which version to ask for."""
        now = self._clock.monotonic()
        pause = self._back_off.pause(error, now)
        if error is None:
            pause = min(pause, _IDLE_PAUSE) if self._was_idle else pause
        elif self._steps_down(error) or self._has_another_place(error):
            pause = min(pause, self._config.reconnect_min)
        self.pause, self._error, self.why, self._next_at = pause, error, why, now + pause
        return pause

    async def dial(self, owner: Owner, hold: Callable[[CmppLink], None]) -> CmppLink:
        """Connect and log in.

        Args:
            owner: Who hears of the link. It calls `opened` and `refused`.
            hold: Takes the link as soon as it is connected.

        Raises:
            OSError: It did not succeed; also as a timeout, `LoginRefused` or `TurnedAway`.
        """
        config, clock = self._config, self._clock
        loop = asyncio.get_running_loop()
        session: ClientSession[Token] = ClientSession(
            self._credentials._replace(version=self._layout.version),
            limits=config.limits,
            layout=self._layout,
            # Not always from 1: some gateways take a number of the last connection for a repeat.
            first_sequence=self._rng.randrange(1, 1 << 30),
        )
        link = CmppLink(
            session, owner, now=clock.monotonic, began_at=clock.millis(), slot=config.slot
        )
        self._opening = loop.create_future()
        try:
            async with asyncio.timeout(config.connect_timeout):
                await loop.create_connection(lambda: link, *self.places.now)
            hold(link)
            skewed = clock.now() + timedelta(seconds=config.clock_skew)
            session.login(login_timestamp(skewed), clock.monotonic())
            link.flush()
            async with asyncio.timeout(config.auth_timeout):
                await self._opening
        except BaseException as error:
            link.abort("the login did not succeed")
            if self._is_turned_away(link, error):
                raise TurnedAway("closed before the login, while others stay open") from error
            raise
        finally:
            if self._opening.done() and not self._opening.cancelled():
                self._opening.exception()  # read here, or asyncio reports it as never read
            self._opening = None
        return link

    def _steps_down(self, error: BaseException) -> bool:
        """Ask for 2.0 where 3.0 is too high; for 3.0 again where that was no help."""
        if not isinstance(error, LoginRefused) or error.status != VERSION_TOO_HIGH:
            return False
        if self._layout is V30 and self._config.allow_lower_version:
            self._layout = V20
            return True
        self._layout = self._config.layout
        return False

    def _has_another_place(self, error: BaseException) -> bool:
        has_more = self.places.fails()
        return has_more and not isinstance(error, LoginRefused | TurnedAway)

    def _is_turned_away(self, link: CmppLink, error: BaseException) -> bool:
        """Whether a gateway with enough connections of ours closes this one without a word."""
        was_closed = isinstance(error, ConnectionError) and not isinstance(error, LoginRefused)
        if not (was_closed and link.is_connected and self._account.open):
            self._turned_away = 0
            return False
        self._turned_away += 1
        return self._turned_away > 1
