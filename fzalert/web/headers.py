"""The headers that stand on every answer, and the nonce of every page."""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["NONCE", "SecurityHeaders", "page_policy"]

NONCE = "fzalert.nonce"
"""Key of a page's nonce in the ASGI scope."""

_API_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
)
# What a mounted page may set otherwise (a kiosk's own policy, the cache of its assets) is only
# filled in where it is missing; the rest is set on every answer, whoever made it.
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_WHERE_MISSING = {
    "content-security-policy": _API_POLICY,
    "cache-control": "no-store",
    # A page with a form says same-origin: under no-referrer a browser sends it with Origin: null.
    "referrer-policy": "no-referrer",
}
_HSTS = "max-age=31536000"


def page_policy(nonce: str) -> str:
    """Return the content security policy of a staff page."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


class SecurityHeaders:
    """ASGI middleware: makes the nonce, sets the headers.

    Args:
        app: What answers.
        secure: Whether we serve over TLS; then browsers are told to stay with it.
    """

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[NONCE] = secrets.token_urlsafe(18)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
                for name, value in _WHERE_MISSING.items():
                    headers.setdefault(name, value)
                if self._secure:
                    headers["strict-transport-security"] = _HSTS
            await send(message)

        await self._app(scope, receive, with_headers)
