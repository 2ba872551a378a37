"""Who may be a screen: enrolment tokens for people, device tokens for browsers.

An enrolment token stands in a link that a person opens once on the screen. It is never stored:
unless the settings pin it, every start makes a new one, and screens enrolled before stay
enrolled. The browser gets a device token of its own in a cookie; only its SHA-256 is stored. A new
enrolment replaces the old one, so a stolen screen is shut out by enrolling its successor. A token
is changed every week; the one before holds until the new one was seen, so that an answer that is
lost shuts nobody out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from fzalert_display.kiosk.settings import ScreenConfig

__all__ = ["Device", "Enrolment", "cookie_name", "device_cookie", "device_hash", "new_device_token"]

COOKIE_SECONDS = 90 * 86_400
"""A screen that was off for longer is paired again; every change of the token starts it anew."""
TOKEN_MS = 7 * 86_400_000
_SETTLING_MS = 60_000
_HASH = 32


@dataclass(frozen=True, slots=True)
class Device:
    """The one browser that is a screen.

    Attributes:
        current: SHA-256 of its token.
        since: When it was given that token, milliseconds since the epoch.
        before: SHA-256 of the token before, until the current one was seen.
    """

    current: bytes
    since: int
    before: bytes = b""

    def admits(self, hashed: bytes) -> bool:
        """Tell whether this is the browser's token, in constant time."""
        now = hmac.compare_digest(hashed, self.current)
        return now or (bool(self.before) and hmac.compare_digest(hashed, self.before))

    def is_due(self, hashed: bytes, now: int) -> bool:
        """Tell whether this browser should get a new token.

        Two requests that were under way with the old one must not bring two new ones.
        """
        age = now - self.since
        return age > TOKEN_MS if hashed == self.current else age > _SETTLING_MS

    def write(self) -> bytes:
        """Serialise for the store."""
        return self.current + self.since.to_bytes(8, "big") + self.before

    @classmethod
    def read(cls, row: bytes | None) -> Device | None:
        """Read back what `write` wrote.

        Raises:
            ValueError: The row is damaged.
        """
        if row is None:
            return None
        if len(row) not in {_HASH, _HASH + 8, 2 * _HASH + 8}:
            raise ValueError("the row of a screen's browser is damaged")
        since = int.from_bytes(row[_HASH : _HASH + 8], "big")
        return cls(row[:_HASH], since, row[_HASH + 8 :])


class Enrolment:
    """The enrolment tokens of this run."""

    def __init__(self, screens: Iterable[ScreenConfig]) -> None:
        self._tokens = {
            screen.name: screen.token.get_secret_value()
            if screen.token is not None
            else secrets.token_urlsafe(24)
            for screen in screens
        }

    def admits(self, screen: str, token: str) -> bool:
        """Tell whether the token enrols a browser as this screen, in constant time."""
        right = self._tokens.get(screen, "")
        return bool(right) and hmac.compare_digest(right.encode(), token.encode())

    def links(self, base_url: str) -> dict[str, str]:
        """Give the link to open on each screen.

        Args:
            base_url: Where the channel is mounted, with a slash at the end.
        """
        return {
            name: f"{base_url.rstrip('/')}/enroll/{quote(name)}?t={quote(token)}"
            for name, token in self._tokens.items()
        }


def new_device_token() -> str:
    """Make the secret of one browser."""
    return secrets.token_urlsafe(32)


def device_hash(token: str) -> bytes:
    """What is stored of it."""
    return hashlib.sha256(token.encode("utf-8")).digest()


def device_cookie(screen: str, token: str, *, path: str, secure: bool) -> str:
    """Write the Set-Cookie header that hands the token to the browser."""
    parts = [
        f"{cookie_name(screen)}={token}",
        f"Path={path}",
        f"Max-Age={COOKIE_SECONDS}",
        "HttpOnly",
        "SameSite=Strict",
    ]
    return "; ".join([*parts, "Secure"] if secure else parts)


def cookie_name(screen: str) -> str:
    """Name the cookie; one browser may show several screens."""
    return f"fz-screen-{screen}"
