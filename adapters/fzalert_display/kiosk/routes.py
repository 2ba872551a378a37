"""The routes of the screens, free of any web framework.

A browser shows who it is by the cookie that enrolment gave it. Whatever it asks beyond the files
of the page is answered with 401 without that cookie; the page itself then shows a pairing code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from fzalert.ports import AuthKind, MountedRequest, MountedResponse, Route
from fzalert_display.kiosk.answers import (
    FOR_EVER,
    HTML,
    PLAIN,
    error,
    is_own_json,
    page_headers,
    screen_policy,
)
from fzalert_display.kiosk.assets import AssetFiles
from fzalert_display.kiosk.devices import Enrolment, cookie_name, device_cookie, device_hash
from fzalert_display.kiosk.hub import Hub
from fzalert_display.kiosk.reports import parse_batch
from fzalert_display.kiosk.screen import Screen
from fzalert_display.kiosk.stream import Stream

__all__ = ["ScreenRoutes", "screen_cookie"]

_STREAM = {**PLAIN, "X-Accel-Buffering": "no"}
_KEPT = {
    "Cache-Control": FOR_EVER,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_RETRY_MS = (800, 2500)
_SCRIPT = "text/javascript; charset=utf-8"


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
        own, public = AuthKind.OWN, AuthKind.OPEN
        return (
            Route("GET", "enroll/{display}", own, self.enroll),
            Route("GET", "assets/{file}", public, self.asset),
            Route("GET", "playlist/{file}", public, self.playlist),
            Route("GET", "media/{file}", public, self.media),
            Route("GET", "screen/", own, self.any_screen),
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
            return self._unpaired(401, "../")
        device = await self._hub.enrol(screen)
        # The page pins the key that it gets here; in a fragment it never leaves the browser.
        pin = self._hub.context.signer.public_key.hex()
        headers = {
            **PLAIN,
            "Location": f"../screen/{quote(screen.name)}/#key={pin}",
            "Set-Cookie": screen_cookie(screen, device, request),
            "Referrer-Policy": "no-referrer",
        }
        return MountedResponse(303, headers=headers, media_type="text/plain; charset=utf-8")

    async def asset(self, request: MountedRequest) -> MountedResponse:
        """Serve one file of the page; under its version it may be kept for ever."""
        asset = self._assets.files.get(request.path["file"])
        if asset is None:
            return error(404, "no such file")
        current = request.query.get("v") == self._assets.version
        headers = _KEPT if current else {**_KEPT, "Cache-Control": "no-cache"}
        return MountedResponse(200, asset.body, asset.media_type, headers)

    async def playlist(self, request: MountedRequest) -> MountedResponse:
        """Serve the idle cards under the hash that stands in each screen's state."""
        playlist = self._hub.playlist
        if not playlist.body or request.path["file"] != playlist.name:
            return error(404, "no such playlist")
        return MountedResponse(200, playlist.body, headers=_KEPT)

    async def media(self, request: MountedRequest) -> MountedResponse:
        """Serve a picture or video under its hash; some at a time, the others come again."""
        shelf = self._hub.shelf
        file = shelf.find(request.path["file"])
        if file is None or not await shelf.is_whole(file):
            return error(404, "no such file")
        if shelf.busy:
            wait = self._hub.context.rng.randint(2, 15)
            return error(503, "others are fetching; come again", retry_after=wait)
        headers = {**_KEPT, "Accept-Ranges": "none"}
        return MountedResponse(200, shelf.read(file), file.facts.media_type, headers)

    async def any_screen(self, request: MountedRequest) -> MountedResponse:
        """Send a browser that is a screen to its own page; any other gets a pairing code."""
        for screen in self._hub.screens.values():
            if cookie_name(screen.name) in request.cookies and self._holds(screen, request):
                headers = {**PLAIN, "Location": f"{quote(screen.name)}/"}
                return MountedResponse(303, headers=headers)
        return self._unpaired(200, "../")

    async def page(self, request: MountedRequest) -> MountedResponse:
        """Serve the page, and let its cookie live on."""
        screen = self._enrolled(request)
        if screen is None:
            return self._unpaired(401, "../../")
        token = await self._hub.renew(screen, request.cookies[cookie_name(screen.name)])
        headers = {
            **page_headers(screen_policy(self._hub.shelf.kinds)),
            "Set-Cookie": screen_cookie(screen, token, request),
        }
        return MountedResponse(200, self._assets.screen(self._hub.page), HTML, headers)

    async def worker(self, request: MountedRequest) -> MountedResponse:
        """Serve the worker that lets the page start while the hub is away."""
        if self._enrolled(request) is None:
            return error(401, "this browser is not enrolled")
        headers = {**page_headers(screen_policy()), "Cache-Control": "no-cache"}
        body = self._assets.worker(self._hub.config.media_cache_mb)
        return MountedResponse(200, body, _SCRIPT, headers)

    async def state(self, request: MountedRequest) -> MountedResponse:
        """Answer the signed state and the hub's time; once a week with a new cookie."""
        screen = self._enrolled(request)
        if screen is None:
            return error(401, "this browser is not enrolled")
        token = request.cookies[cookie_name(screen.name)]
        fresh = await self._hub.renew(screen, token)
        headers = PLAIN
        if fresh != token:
            headers = {**PLAIN, "Set-Cookie": screen_cookie(screen, fresh, request)}
        body = f'{{"now":{self._hub.context.clock.millis()},"state":{screen.envelope}}}'
        return MountedResponse(200, body.encode("utf-8"), headers=headers)

    async def stream(self, request: MountedRequest) -> MountedResponse:
        """Open the one live stream of a screen; the first event is the whole state."""
        screen = self._enrolled(request)
        if screen is None:
            return error(401, "this browser is not enrolled")
        hub = self._hub
        stream = Stream(
            request.query.get("page", "")[:64],
            hub.context.rng.randint(*_RETRY_MS),
            screen.leave_stream,
        )
        screen.take_stream(stream, hub.context.clock.monotonic())
        stream.offer(screen.frame)
        stream.beat(hub.beat_frame(screen))
        return MountedResponse(200, stream.frames(), "text/event-stream; charset=utf-8", _STREAM)

    async def report(self, request: MountedRequest) -> MountedResponse:
        """Take a batch of reports; 204 only once they are on the engine's disk."""
        screen = self._enrolled(request)
        if screen is None:
            return error(401, "this browser is not enrolled")
        wrong = is_own_json(request)
        if wrong is not None:
            return wrong
        try:
            parsed = parse_batch(request.body)
        except ValueError:
            return error(400, "this is no batch of reports")
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
        return MountedResponse(204, headers={**PLAIN, "X-Fz-Now": now})

    def _enrolled(self, request: MountedRequest) -> Screen | None:
        screen = self._hub.screens.get(request.path["display"])
        return screen if screen is not None and self._holds(screen, request) else None

    def _holds(self, screen: Screen, request: MountedRequest) -> bool:
        token = request.cookies.get(cookie_name(screen.name), "")
        return screen.device is not None and screen.device.admits(device_hash(token))

    def _unpaired(self, status: int, base: str) -> MountedResponse:
        headers = page_headers(screen_policy())
        return MountedResponse(status, self._assets.pair(base), HTML, headers)


def screen_cookie(screen: Screen, token: str, request: MountedRequest) -> str:
    """Write the Set-Cookie header that makes a browser a screen."""
    path = urlsplit(request.base_url).path or "/"
    return device_cookie(screen.name, token, path=path, secure=request.secure)


def _busy() -> MountedResponse:
    return error(503, "the store is behind; keep the reports", retry_after=5)
