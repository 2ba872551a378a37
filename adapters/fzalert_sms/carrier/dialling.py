"""When to dial again, and in which words a channel says so."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from fzalert_sms.carrier.config import CarrierConfig

_SHARE: Final = 0.1
"""A pause is at most this share of the outage so far, so that little is added to its length."""


class LoginRefused(ConnectionError):
    """The gateway refused the login.

    Attributes:
        status: Its number.
        words: What it says to people.
        shown: The number as the protocol writes it.
        is_final: Whether it will be refused again until somebody changes a setting.
    """

    def __init__(self, status: int, words: str, shown: str = "", *, is_final: bool) -> None:
        self.status = status
        self.words = words
        self.shown = shown or str(status)
        super().__init__(f"login refused with status {self.shown}")
        self.is_final = is_final


class Distrusted(ConnectionError):
    """TLS with the gateway does not come about until somebody changes a file or a setting.

    Attributes:
        chinese: Why, for people.
        english: The same.
    """

    def __init__(self, chinese: str, english: str) -> None:
        super().__init__(english)
        self.chinese = chinese
        self.english = english


class TurnedAway(ConnectionError):
    """The gateway closed again and again before the login, while other connections stay open."""


class Places:
    """The addresses of a gateway: the one that worked last is tried first, then the next ones.

    Args:
        all_places: Host and port of each, in order of preference.

    Attributes:
        now: Where to dial.
    """

    def __init__(self, all_places: Sequence[tuple[str, int]]) -> None:
        self._all = tuple(all_places)
        self._at = 0
        self._failed = 0

    @property
    def now(self) -> tuple[str, int]:
        """Where to dial."""
        return self._all[self._at % len(self._all)]

    @property
    def are_several(self) -> bool:
        """Whether there is more than one."""
        return len(self._all) > 1

    def works(self) -> None:
        """The login succeeded here."""
        self._failed = 0

    def fails(self) -> bool:
        """Go to the next; whether it has not been tried yet since one worked."""
        self._at += 1
        self._failed += 1
        return self._failed < len(self._all)


class BackOff:
    """Pauses between attempts: small at first, longer with the length of the outage, with jitter.

    After a refusal that only a person can mend, no pause is shorter than `reconnect_refused`. Where
    the gateway has too many connections it is between one and two `reconnect_crowded`.
    """

    def __init__(self, config: CarrierConfig, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._failures = 0
        self._since: float | None = None

    @property
    def failures(self) -> int:
        """Attempts that failed since the link last worked."""
        return self._failures

    def works(self) -> None:
        """Note that the link does what it should."""
        self._failures = 0
        self._since = None

    def pause(self, error: BaseException | None, now: float) -> float:
        """Seconds to wait after one more failure."""
        config = self._config
        if self._since is None:
            self._since = now
        self._failures += 1
        # 2 ** 20 is far beyond every limit; an exponent without a bound would overflow.
        growth = 2.0 ** min(self._failures - 1, 20)
        if isinstance(error, LoginRefused):
            if error.is_final:
                return config.reconnect_refused * self._rng.uniform(1.0, 1.2)
            return config.reconnect_crowded * self._rng.uniform(1.0, 2.0)
        if isinstance(error, Distrusted):
            return config.reconnect_refused * self._rng.uniform(1.0, 1.2)
        if isinstance(error, TurnedAway):
            return config.reconnect_crowded * self._rng.uniform(1.0, 2.0)
        limit = max(1.0, _SHARE * (now - self._since))
        longest = min(config.reconnect_max, limit, config.reconnect_min * growth)
        return longest * self._rng.uniform(0.5, 1.0)


def down_words(error: BaseException | None, reason: str, pause: float) -> str:
    """Why a channel is down and what it does next, Chinese first."""
    again = f"{pause:.1f} 秒后重试"
    next_try = f"next try in {pause:.1f} s"
    if isinstance(error, LoginRefused):
        words = error.words
        if error.is_final:
            return (
                f"登录被拒（状态 {error.shown}，{words}），请改正设置；{again}"
                f" · login refused (status {error.shown}); correct the settings; {next_try}"
            )
        return (
            f"登录被拒（状态 {error.shown}，{words}）；{again}"
            f" · login refused (status {error.shown}); {next_try}"
        )
    if isinstance(error, Distrusted):
        return f"{error.chinese}；{again} · {error.english}; {next_try}"
    if isinstance(error, TurnedAway):
        return f"网关不收更多连接；{again} · the gateway takes no more connections; {next_try}"
    return f"连接不可用；{again} · link down ({reason}); {next_try}"
