"""The line to one desk: one open question for its answers, which also tells whether it is up.

Nothing is posted before the desk has answered that question: a desk that does not let us in, or
accepts connections and never answers, is found by the question, asked again with a growing pause,
and what waits for it is known not to have left. Each desk has its own line, its own connections
and its own deadlines, so none waits for another.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta

from fzalert import ChannelUnavailable, ConfigError, FateUnknown
from fzalert.http import HttpAnswer
from fzalert.ports import AdapterContext, get_logger, sign_request
from fzalert_bank.answers import AnswerPage, read_page
from fzalert_bank.config import BankConfig
from fzalert_bank.reach import Reach

__all__ = ["DeskLine"]

PACKAGES = "/desk/v1/packages"
ANSWERS = "/desk/v1/answers"
LIMIT = 20
"""Answers in one page: the pool reads at most 64 KiB."""
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 15.0
NO_TLS = (
    "it ended the TLS session: its log says what is wrong with our client certificate"
    " (unknown authority, out of its time, none at all)"
)
_log = get_logger("fzalert.bank")


class DeskLine:
    """Asks one desk for answers without end, and carries packages to it.

    Args:
        desk: Whom.
        config: The channel's settings.
        context: Clock, chance, signer, state and the HTTP pool.
        deliver: Takes a page of answers and returns once they are on disk.

    Attributes:
        is_up: Whether the desk answered last.
        why_down: Why not, for people.
        latency_ms: A recent round trip.
        asked: Set once the first question has ended, well or not.
    """

    def __init__(
        self,
        desk: Reach,
        config: BankConfig,
        context: AdapterContext,
        deliver: Callable[[Reach, AnswerPage], Awaitable[None]],
    ) -> None:
        self.desk = desk
        self.is_up = False
        self.why_down = "not asked yet"
        self.latency_ms: float | None = None
        self.asked = asyncio.Event()
        self._config = config
        self._context = context
        self._deliver = deliver
        self._tls = desk.tls()
        self._base = desk.url.rstrip("/")
        self._waiting: asyncio.Timeout | None = None

    async def hand_over(self, body: bytes, key: str) -> HttpAnswer:
        """Post one package.

        Raises:
            ChannelUnavailable: Nothing left, or TLS ended before anything was read there.
            FateUnknown: It left, and no whole answer came.
        """
        started = self._context.clock.monotonic()
        more = {"Idempotency-Key": key, "Content-Type": "application/json"}
        try:
            answer = await self._request("POST", PACKAGES, body, more, wait=0)
        except (ChannelUnavailable, FateUnknown) as error:
            self._down(_words(error))
            self._ask_now()
            raise
        self.latency_ms = (self._context.clock.monotonic() - started) * 1000
        return answer

    async def follow(self) -> None:
        """Ask for answers until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                page = await self._ask()
            except (ChannelUnavailable, FateUnknown, ConfigError, ValueError) as error:
                self._down(_words(error))
                self.asked.set()
                await self._context.clock.sleep(pause * self._context.rng.uniform(0.75, 1.25))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            except TimeoutError:  # after FateUnknown, which is one
                continue  # doubted: a desk that is well holds the next question open too
            pause = FIRST_PAUSE
            self._up()
            self.asked.set()
            await self._deliver(self.desk, page)

    async def _ask(self) -> AnswerPage:
        cursor = await self._context.state.get(f"cursor/{self.desk.name}")
        store, _, after = (cursor or b"").decode().rpartition(" ")
        wait = self._config.poll_wait if self.is_up else 0
        query = f"after={after or 0}&store={store}&limit={LIMIT}&wait={wait:g}"
        try:
            async with asyncio.timeout(None) as self._waiting:
                answer = await self._request("GET", f"{ANSWERS}?{query}", b"", {}, wait=wait)
        finally:
            self._waiting = None
        if answer.status != 200:
            raise ChannelUnavailable(_refusal(answer))
        return read_page(answer.body)

    def _ask_now(self) -> None:
        """Give the open question up and ask anew: something is wrong with the line."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def _request(
        self, method: str, path: str, body: bytes, more: dict[str, str], *, wait: float
    ) -> HttpAnswer:
        now = self._context.clock.now()
        headers = {"Accept": "application/json", **more}
        headers |= sign_request(self._context.signer, method, path, body, now)
        try:
            return await self._context.http.request(
                method,
                self._base + path,
                content=body,
                headers=headers,
                deadline=timedelta(seconds=wait + self._config.answer_timeout),
                private_hosts=self.desk.private_hosts,
                tls=self._tls,
            )
        except FateUnknown as error:
            # TLS 1.3 tells a client that its certificate is refused after its first bytes left.
            if _is_alert(error):
                raise ChannelUnavailable(f"{self.desk.host}: {NO_TLS}.") from error
            raise

    def _up(self) -> None:
        if self.why_down:
            _log.info("bank.up", channel=self._config.name, desk=self.desk.name)
        self.is_up, self.why_down = True, ""

    def _down(self, why: str) -> None:
        if why != self.why_down:
            _log.warning("bank.down", channel=self._config.name, desk=self.desk.name, why=why)
        self.is_up, self.why_down = False, why


def _is_alert(error: BaseException) -> bool:
    """Whether the far side's TLS said no, which it does before it reads a request."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError) and "ALERT" in (seen.reason or ""):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _refusal(answer: HttpAnswer) -> str:
    try:
        found = json.loads(answer.body)
        return f"{found['code']}: {' '.join(str(found['detail']).split())[:200]}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"it answers HTTP {answer.status}"


def _words(error: Exception) -> str:
    words = str(error.args[0]) if error.args else type(error).__name__
    if isinstance(error, FateUnknown):
        return f"{words} (if it closed the connection without an answer: {NO_TLS})"
    return words
