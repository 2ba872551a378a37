"""Passwords: hashed with argon2id in a thread, checked in the same time for whoever does not exist.

The parameters are those of RFC 9106's second choice: 64 MiB, three passes, four lanes. At most two
hashes are computed at a time, so that a flood of guesses costs neither the memory nor the loop.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from typing import TYPE_CHECKING

from fzalert.errors import ConfigError, InputError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["Passwords", "check_password"]

SHORTEST, LONGEST = 12, 128
AT_ONCE = 2
_TOKEN = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\.[A-Za-z0-9_-]{43}")
_NONE = (
    "$argon2id$v=19$m=65536,t=3,p=4"
    "$ZnphbGVydC1ub2JvZHktcw$gtqOq0Vn0aK1yzUYxoLjQ1Qn1Hx9dQGJrWvWkHc0a3c"
)
"""What a guess is checked against where there is no password: it costs the same, and never fits."""


def is_token(secret: str) -> bool:
    """Whether a secret has the shape of a token; a password never has."""
    return _TOKEN.fullmatch(secret) is not None


def check_password(password: str, name: str) -> str:
    """Return a new password in the spelling that is hashed.

    Args:
        password: As it was typed.
        name: Whose it is to be.

    Raises:
        InputError: It is too short or too long, too plain, or could be taken for a token.
    """
    text = unicodedata.normalize("NFC", password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise InputError(
            f"A password has {SHORTEST} to {LONGEST} characters.",
            hint="Four words that do not belong together are good.",
            field="password",
        )
    if len(set(text)) < 5 or name in text.lower():
        raise InputError(
            "That password is too easy to guess.",
            hint="It has five different characters at least, and not the name.",
            field="password",
        )
    if is_token(text):
        raise InputError("A password does not look like a token.", field="password")
    return text


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self) -> None:
        self._hasher: PasswordHasher | None = None
        self._few = asyncio.Semaphore(AT_ONCE)

    async def hashed(self, password: str) -> str:
        """Hash a password that `check_password` has passed; the salt is part of the result.

        Raises:
            ConfigError: The library is not installed.
        """
        hasher = self._made()
        async with self._few:
            return await asyncio.to_thread(hasher.hash, password)

    async def fits(self, password: str, kept: str) -> bool:
        """Whether a password is the one whose hash is kept.

        Args:
            password: As it was typed.
            kept: The hash, or an empty text where there is none: that takes the same time.

        Raises:
            ConfigError: The library is not installed.
        """
        hasher = self._made()
        from argon2.exceptions import InvalidHashError, VerificationError

        text = unicodedata.normalize("NFC", password)[: LONGEST + 1]
        try:
            async with self._few:
                right = await asyncio.to_thread(hasher.verify, kept or _NONE, text)
        except (VerificationError, InvalidHashError):
            return False
        return right and bool(kept)

    def _made(self) -> PasswordHasher:
        if self._hasher is None:
            try:
                from argon2 import PasswordHasher, Type
            except ImportError:
                raise ConfigError(
                    "Passwords need a library that is not installed.",
                    hint="pip install 'fzalert[web]'",
                ) from None
            self._hasher = PasswordHasher(
                time_cost=3, memory_cost=65536, parallelism=4, type=Type.ID
            )
        return self._hasher
