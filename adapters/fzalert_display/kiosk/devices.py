"""Who may be a screen: enrolment tokens for people, device tokens for browsers.

An enrolment token stands in a link that a person opens once on the screen. It is never stored:
unless the settings pin it, every start makes a new one, and screens enrolled before stay
enrolled. The browser gets a device token of its own in a cookie; only its SHA-256 is stored. A new
enrolment replaces the old one, so a stolen screen is shut out by enrolling its successor.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from urllib.parse import quote

from fzalert_display.kiosk.settings import ScreenConfig

__all__ = ["Enrolment", "device_cookie", "device_hash", "new_device_token"]

COOKIE_SECONDS = 400 * 86_400
"""As long as a browser keeps a cookie at all; each load of the page starts it again."""


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
