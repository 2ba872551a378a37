"""The one connection of a mail slot: opened, kept alive, opened again with growing pauses."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import aiosmtplib
import tenacity

from fzalert.ports import AdapterContext, Health, HealthState, get_logger

if TYPE_CHECKING:
    from fzalert_mail.config import SmtpConfig

__all__ = ["LINE_ERRORS", "SmtpLine"]

LINE_ERRORS = (aiosmtplib.SMTPException, OSError)
"""What a broken line raises; a reply that refuses something is caught before."""

_NOT_OFFERED = (aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported)
"""What a missing STARTTLS or AUTH is called; the bare class stands for nothing else there."""
_FIRST_PAUSE = 0.5
_GOODBYE = 2.0
_log = get_logger("fzalert.mail")


class SmtpLine:
    """Owner of the connection. Whoever speaks on it holds `lock`.

    Attributes:
        lock: One dialogue at a time.
    """

    def __init__(self, config: SmtpConfig, context: AdapterContext) -> None:
        self.lock = asyncio.Lock()
        self._config = config
        self._context = context
        self._client: aiosmtplib.SMTP | None = None
        self._tls: ssl.SSLContext | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._known = asyncio.Event()
        self._down = ""
        self._is_closing = False
        self._latency_ms: float | None = None
        self._sent = 0

    def open(self) -> None:
        """Start to connect, in the background."""
        name = f"mail {self._config.name}/{self._config.slot}"
        self._task = self._context.background.keep(name, self._keep)

    async def close(self) -> None:
        """Stop, say goodbye if the server still listens, and let go."""
        self._is_closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        client, self._client = self._client, None
        if client is not None and client.is_connected:
            try:
                await client.quit(timeout=_GOODBYE)
            except LINE_ERRORS:
                pass  # it was to be closed anyway
            finally:
                client.close()

    async def ready(self) -> aiosmtplib.SMTP | None:
        """Give the connection, waiting for it while it is being made; None while it is down."""
        client = self._client
        if client is not None and client.is_connected:
            return client
        if client is not None:
            self.lost("the server closed the line")
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                await self._known.wait()
        except TimeoutError:
            return None
        return self._client

    def lost(self, why: str) -> None:
        """Give the connection up and have another one made."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
            self._known.clear()
            _log.warning("mail.lost", channel=self._config.name, why=why)
        self._wake.set()

    async def reset(self, client: aiosmtplib.SMTP) -> None:
        """Forget a refused mail, so that the next one starts afresh."""
        try:
            await client.rset(timeout=self._config.connect_timeout)
        except LINE_ERRORS as error:
            self.lost(f"no answer to RSET ({type(error).__name__})")

    def note(self, seconds: float) -> None:
        """Remember how long the last mail took."""
        self._latency_ms = seconds * 1000
        self._sent += 1

    def health(self) -> Health:
        """How the line is now."""
        place = f"{self._config.host}:{self._config.server_port}"
        if self._client is not None and self._client.is_connected:
            return Health(
                HealthState.UP, f"connected to {place}", self._latency_ms, (("sent", self._sent),)
            )
        if self._down:
            return Health(HealthState.DOWN, f"{place}: {self._down}; trying again")
        return Health(HealthState.UNKNOWN, f"connecting to {place}")

    async def _keep(self) -> None:
        # Python 3.11's wait_for, below the dialling, may swallow a cancellation: hence the flag.
        while not self._is_closing:
            self._client = await self._connect()
            if self._is_closing:
                return
            self._down = ""
            self._wake.clear()
            self._known.set()
            _log.info("mail.connected", channel=self._config.name, slot=self._config.slot)
            while self._client is not None and not self._is_closing:
                await self._rest()

    async def _rest(self) -> None:
        """Sleep until the line is lost, or try it after a while without use."""
        try:
            async with asyncio.timeout(self._config.keepalive):
                await self._wake.wait()
        except TimeoutError:
            async with self.lock:
                client = self._client
                if client is None:
                    return
                try:
                    await client.noop(timeout=self._config.connect_timeout)
                except LINE_ERRORS as error:
                    self.lost(f"no answer to NOOP ({type(error).__name__})")

    async def _connect(self) -> aiosmtplib.SMTP:
        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(LINE_ERRORS),
            wait=self._pause,
            sleep=self._context.clock.sleep,
            before_sleep=self._failed,
        )
        return await attempts(self._dial)

    async def _dial(self) -> aiosmtplib.SMTP:
        config = self._config
        if self._tls is None and config.tls != "none":
            self._tls = ssl.create_default_context(cafile=config.ca_file)
        client = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.server_port,
            username=config.username or None,
            password=config.password.get_secret_value() if config.password else None,
            local_hostname=config.domain,
            timeout=config.answer_timeout,
            use_tls=config.tls == "tls",
            start_tls=config.tls == "starttls",
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(config.connect_timeout):
                await client.connect(timeout=config.connect_timeout)
        except BaseException:
            client.close()
            raise
        return client

    def _pause(self, state: tenacity.RetryCallState) -> float:
        """Twice as long each time, half of it by chance; a refused login waits longest at once."""
        most = self._config.retry_most
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, aiosmtplib.SMTPAuthenticationError):
            most = min(most, _FIRST_PAUSE * 2 ** min(state.attempt_number - 1, 16))
        return most * (0.5 + self._context.rng.random() / 2)

    def _failed(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        reason = _reason(error)
        if reason != self._down:
            _log.warning("mail.down", channel=self._config.name, why=reason)
        self._down = reason
        self._known.set()


def _reason(error: BaseException | None) -> str:
    """Say why a connection failed, without the server's own words."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, ssl.SSLCertVerificationError):
            return "its certificate is not trusted"
        at = at.__cause__ or at.__context__
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return f"it refused the login ({error.code})"
        case aiosmtplib.SMTPResponseException():
            return f"it refused to serve ({error.code})"
        case TimeoutError():
            return "no answer in time"
        case aiosmtplib.SMTPException() if type(error) in _NOT_OFFERED:
            return "it does not offer what the settings ask for"
        case _:
            return f"no connection ({type(error).__name__})"
