"""The routes of the screens, free of any web framework.

A browser shows who it is by the cookie that enrolment gave it. Whatever it asks beyond the files
of the page is answered with 401 without that cookie.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from fzalert.ports import AuthKind, MountedRequest, MountedResponse, Route
from fzalert_display.kiosk.assets import AssetFiles
from fzalert_display.kiosk.devices import (
    Enrolment,
    cookie_name,
    device_cookie,
    device_hash,
    new_device_token,
)
from fzalert_display.kiosk.document import canonical
from fzalert_display.kiosk.hub import Hub
from fzalert_display.kiosk.reports import parse_batch
from fzalert_display.kiosk.screen import Screen
from fzalert_display.kiosk.stream import Stream

__all__ = ["CONTENT_SECURITY_POLICY", "ScreenRoutes"]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types kiosk",
    )
)
_HTML = "text/html; charset=utf-8"
_PLAIN = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PAGE = {
    **_PLAIN,
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_STREAM = {**_PLAIN, "X-Accel-Buffering": "no"}
_FOR_EVER = "public, max-age=31536000, immutable"
_RETRY_MS = (800, 2500)


class ScreenRoutes:
    """The handlers.

    Args:
        hub: The state behind the screens.
        enrolment: Who may become a screen.
        assets: What a page loads.
    """

    def __init__(self, hub: Hub, enrolment: Enrolment, assets: AssetFiles) -> None:
        self._hub = hub
        self._enrolment = enrolment
        self._assets = assets

    def routes(self) -> Sequence[Route]:
        """The routes, relative to the mount."""
        own = AuthKind.OWN
        return (
            Route("GET", "enroll/{display}", own, self.enroll),
            Route("GET", "assets/{file}", AuthKind.OPEN, self.asset),
            Route("GET", "screen/{display}/", own, self.page),
            Route("GET", "screen/{display}/worker.js", own, self.worker),
            Route("GET", "screen/{display}/state", own, self.state),
            Route("GET", "screen/{display}/stream", own, self.stream, stream=True),
            Route("POST", "screen/{display}/report", own, self.report, max_body=131_072),
        )

    async def enroll(self, request: MountedRequest) -> MountedResponse:
        """Make the browser that opens the link the screen, in place of the one before."""
        screen = self._hub.screens.get(request.path["display"])
        token = request.query.get("t", "")
        if screen is None or not self._enrolment.admits(screen.name, token):
            return self._notice()
        device = new_device_token()
        await self._hub.enrol(screen, device_hash(device))
        # The page pins the key that it gets here; in a fragment it never leaves the browser.
        pin = self._hub.context.signer.public_key.hex()
        headers = {
            **_PLAIN,
            "Location": f"../screen/{quote(screen.name)}/#key={pin}",
            "Set-Cookie": self._cookie(screen, device, request),
            "Referrer-Policy": "no-referrer",
        }
        return MountedResponse(303, headers=headers, media_type="text/plain; charset=utf-8")

    async def asset(self, request: MountedRequest) -> MountedResponse:
        """Serve one file of the page; under its version it may be kept for ever."""
        asset = self._assets.files.get(request.path["file"])
        if asset is None:
            return _error(404, "no such file")
        current = request.query.get("v") == self._assets.version
        headers = {
            "Cache-Control": _FOR_EVER if current else "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        return MountedResponse(200, asset.body, asset.media_type, headers)

    async def page(self, request: MountedRequest) -> MountedResponse:
        """Serve the page, and let its cookie live on."""
        screen = self._enrolled(request)
        if screen is None:
            return self._notice()
        token = request.cookies[cookie_name(screen.name)]
        headers = {**_PAGE, "Set-Cookie": self._cookie(screen, token, request)}
        return MountedResponse(200, self._assets.page, _HTML, headers)

    async def worker(self, request: MountedRequest) -> MountedResponse:
        """Serve the worker that lets the page start while the hub is away."""
        if self._enrolled(request) is None:
            return _error(401, "this browser is not enrolled")
        headers = {**_PAGE, "Cache-Control": "no-cache"}
        return MountedResponse(200, self._assets.worker, "text/javascript; charset=utf-8", headers)

    async def state(self, request: MountedRequest) -> MountedResponse:
        """Answer the signed state and the hub's time."""
        screen = self._enrolled(request)
        if screen is None:
            return _error(401, "this browser is not enrolled")
        body = f'{{"now":{self._hub.context.clock.millis()},"state":{screen.envelope}}}'
        return MountedResponse(200, body.encode("utf-8"), headers=_PLAIN)

    async def stream(self, request: MountedRequest) -> MountedResponse:
        """Open the one live stream of a screen; the first event is the whole state."""
        screen = self._enrolled(request)
        if screen is None:
            return _error(401, "this browser is not enrolled")
        hub = self._hub
        stream = Stream(
            request.query.get("page", "")[:64],
            hub.context.rng.randint(*_RETRY_MS),
            screen.leave_stream,
        )
        screen.take_stream(stream, hub.context.clock.monotonic())
        stream.offer(hub.state_frame(screen))
        stream.beat(hub.beat_frame(screen))
        return MountedResponse(200, stream.frames(), "text/event-stream; charset=utf-8", _STREAM)

    async def report(self, request: MountedRequest) -> MountedResponse:
        """Take a batch of reports; 204 only once they are on the engine's disk."""
        screen = self._enrolled(request)
        if screen is None:
            return _error(401, "this browser is not enrolled")
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return _error(403, "only the screen's own page reports")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _error(415, "reports come as application/json")
        try:
            parsed = parse_batch(request.body)
        except ValueError:
            return _error(400, "this is no batch of reports")
        hub = self._hub
        waiting = hub.take_reports(screen, parsed)
        if not waiting.room:
            return _busy()
        try:
            async with asyncio.timeout(hub.config.commit_seconds):
                for pending in waiting.pending:
                    await pending.done.wait()
        except TimeoutError:
            return _busy()
        if not all(pending.committed for pending in waiting.pending):
            return _busy()
        await hub.remember(screen, waiting)
        now = str(hub.context.clock.millis())
        return MountedResponse(204, headers={**_PLAIN, "X-Fz-Now": now})

    def _enrolled(self, request: MountedRequest) -> Screen | None:
        screen = self._hub.screens.get(request.path["display"])
        if screen is None or screen.device is None:
            return None
        token = request.cookies.get(cookie_name(screen.name), "")
        return screen if hmac.compare_digest(device_hash(token), screen.device) else None

    def _cookie(self, screen: Screen, token: str, request: MountedRequest) -> str:
        path = urlsplit(request.base_url).path or "/"
        return device_cookie(screen.name, token, path=path, secure=request.secure)

    def _notice(self) -> MountedResponse:
        return MountedResponse(401, self._assets.notice, _HTML, _PAGE)


def _error(status: int, why: str) -> MountedResponse:
    return MountedResponse(status, canonical({"error": why}).encode("utf-8"), headers=_PLAIN)


def _busy() -> MountedResponse:
    body = canonical({"error": "the store is behind; keep the reports"}).encode("utf-8")
    return MountedResponse(503, body, headers={**_PLAIN, "Retry-After": "5"})
