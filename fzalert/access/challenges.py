"""Questions that stand open for a browser: each good once, for minutes, for one purpose.

A passkey signs one; a way to an OpenID provider and back carries one.

They stand in memory alone. A restart forgets them, and what was asked before it is refused then: a
person tries again, and nothing that was signed for an older question is ever taken.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from fzalert.clock import Clock
from fzalert.errors import AccessDenied, PasskeyRefused

__all__ = ["CHALLENGE_LIFE_S", "Challenge", "Challenges"]

CHALLENGE_LIFE_S = 120
_MOST = 8192
_MOST_OF_ONE = 64
"""Challenges that wait for one address: a flood from there pushes out its own, not others'."""


class Challenge(NamedTuple):
    """One question that was asked.

    Attributes:
        purpose: What the answer may be used for: sign-in, prove, register or enrol.
        browser: SHA-256 of the cookie of the browser that asked.
        user: Whom it is for; empty where whoever answers tells it.
        address: Where the question came from.
        until: When it is worth nothing, on the monotonic clock.
        note: What the asker wants back with the answer.
    """

    purpose: str
    browser: bytes
    user: str
    address: str
    until: float
    note: str = ""


class Challenges:
    """Makes challenges, and takes each back once.

    Args:
        clock: Reader of time.
        life: Seconds for which one is good.
        refuse: Makes the error for one that is not open.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        life: float = CHALLENGE_LIFE_S,
        refuse: Callable[[], AccessDenied] | None = None,
    ) -> None:
        self._clock = clock
        self._life = life
        self._refuse = refuse or _not_open
        self._open: OrderedDict[bytes, Challenge] = OrderedDict()
        self._from: dict[str, int] = {}

    def ask(
        self, purpose: str, cookie: str, *, user: str = "", address: str = "", note: str = ""
    ) -> bytes:
        """Make a challenge, 32 random bytes.

        Args:
            purpose: What the answer may be used for.
            cookie: Of the browser that will answer.
            user: Whom it is for, where that is known.
            address: Where the browser is.
            note: What is wanted back with the answer.
        """
        now = self._clock.monotonic()
        while self._open and (
            next(iter(self._open.values())).until <= now or len(self._open) >= _MOST
        ):
            self._drop(next(iter(self._open)))
        if self._from.get(address, 0) >= _MOST_OF_ONE:
            self._drop(next(key for key, one in self._open.items() if one.address == address))
        key = secrets.token_bytes(32)
        until = now + self._life
        self._open[key] = Challenge(purpose, _hash(cookie), user, address, until, note)
        self._from[address] = self._from.get(address, 0) + 1
        return key

    def take(self, challenge: bytes, purpose: str, cookie: str) -> Challenge:
        """Take a challenge back; whatever becomes of the answer, it is worth nothing afterwards.

        Raises:
            AccessDenied: It was never asked, was answered before, is too old, or was another
                browser's or for another purpose; its class is that of `refuse`.
        """
        found = self._open.get(challenge)
        if found is not None:
            self._drop(challenge)
        if (
            found is None
            or found.until <= self._clock.monotonic()
            or found.purpose != purpose
            or not secrets.compare_digest(found.browser, _hash(cookie))
        ):
            raise self._refuse()
        return found

    def purpose(self, challenge: bytes) -> str:
        """What an open challenge is for; empty where it is not open."""
        found = self._open.get(challenge)
        return "" if found is None else found.purpose

    def age(self, challenge: Challenge) -> float:
        """Seconds since it was asked."""
        return self._clock.monotonic() - (challenge.until - self._life)

    def _drop(self, key: bytes) -> None:
        address = self._open.pop(key).address
        left = self._from[address] - 1
        if left:
            self._from[address] = left
        else:
            del self._from[address]


def _not_open() -> AccessDenied:
    return PasskeyRefused(
        "The passkey answered a question that is not open here.",
        hint="Try again; an answer is good once, for two minutes, in the same browser.",
    )


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
