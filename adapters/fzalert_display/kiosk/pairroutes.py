"""The routes of pairing: what an unpaired page asks, and what a person confirms or revokes.

The person's side takes a form of the page without scripts, and JSON from programs alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, quote

from fzalert.ports import AuthKind, MountedRequest, MountedResponse, Route, get_logger
from fzalert_display.kiosk.answers import (
    HTML,
    PLAIN,
    STAFF_POLICY,
    error,
    is_own_json,
    json_answer,
    page_headers,
)
from fzalert_display.kiosk.assets import AssetFiles
from fzalert_display.kiosk.document import Json
from fzalert_display.kiosk.hub import Hub
from fzalert_display.kiosk.pairing import CODE_SECONDS, POLL_SECONDS, Guesses, Pairing
from fzalert_display.kiosk.routes import screen_cookie
from fzalert_display.kiosk.screen import Screen
from fzalert_display.kiosk.staffpage import Notice, staff_page

__all__ = ["PairRoutes"]

_FORM = "application/x-www-form-urlencoded"
_SMALL = 2048
_log = get_logger("fzalert.display")


class PairRoutes:
    """The handlers.

    Args:
        hub: The state behind the screens.
        assets: What the page loads.
    """

    def __init__(self, hub: Hub, assets: AssetFiles) -> None:
        self._hub = hub
        self._assets = assets
        self._pairing = Pairing()
        self._guesses = Guesses()

    def routes(self) -> Sequence[Route]:
        """The routes, relative to the mount."""
        own, staff = AuthKind.OWN, AuthKind.STAFF
        return (
            Route("POST", "pair/code", own, self.code, max_body=_SMALL),
            Route("POST", "pair/poll", own, self.poll, max_body=_SMALL),
            Route("GET", "", staff, self.front),
            Route("GET", "pair/", staff, self.page),
            Route("GET", "pair/screens", staff, self.screens),
            Route("POST", "pair/confirm", staff, self.confirm, max_body=_SMALL),
            Route("POST", "pair/revoke", staff, self.revoke, max_body=_SMALL),
        )

    # -- the unpaired page -----------------------------------------------------------------

    async def code(self, request: MountedRequest) -> MountedResponse:
        """Give an unpaired page its code, and the secret by which it learns what became of it."""
        fields = _json(request)
        if isinstance(fields, MountedResponse):
            return fields
        hint = fields.get("hint", "")
        known = hint if hint in self._hub.screens else ""
        begun = self._pairing.begin(request.client, known, self._now())
        if begun is None:
            return error(429, "too many pages wait for a code", retry_after=60)
        return json_answer(
            {
                "code": begun.code,
                "secret": begun.secret,
                "valid_ms": int(CODE_SECONDS * 1000),
                "poll_ms": int(POLL_SECONDS * 1000),
            }
        )

    async def poll(self, request: MountedRequest) -> MountedResponse:
        """Tell a page whether somebody has confirmed it; then it gets its cookie."""
        fields = _json(request)
        if isinstance(fields, MountedResponse):
            return fields
        name = self._pairing.asked(fields.get("secret", ""), self._now())
        if name is None:
            return error(410, "the code is no longer valid; ask for another")
        screen = self._hub.screens.get(name)
        if screen is None:
            return json_answer({"status": "waiting"})
        token = await self._hub.enrol(screen)
        self._note("screen.paired", screen.name, request)
        pin = self._hub.context.signer.public_key.hex()
        return json_answer(
            {"status": "paired", "display": screen.name, "key": pin},
            headers={"Set-Cookie": screen_cookie(screen, token, request)},
        )

    # -- people ----------------------------------------------------------------------------

    async def front(self, request: MountedRequest) -> MountedResponse:
        """Lead from the channel's address to its one page for people."""
        del request
        return MountedResponse(303, headers={**PLAIN, "Location": "pair/"})

    async def page(self, request: MountedRequest) -> MountedResponse:
        """Show the screens, and take a code."""
        paired, revoked = request.query.get("paired", ""), request.query.get("revoked", "")
        notice = None
        if paired in self._hub.screens:
            notice = Notice(
                f"屏幕 {paired} 已确认，几秒内就会亮起。", f"{paired} is paired; it comes up soon."
            )
        elif revoked in self._hub.screens:
            notice = Notice(
                f"屏幕 {revoked} 已停用。", f"{revoked} is shut out; it shows a code now."
            )
        return self._page(request, notice)

    async def screens(self, request: MountedRequest) -> MountedResponse:
        """List the screens for programs."""
        del request
        return json_answer({"screens": [self._row(one) for one in self._hub.screens.values()]})

    async def confirm(self, request: MountedRequest) -> MountedResponse:
        """Make the page that shows a code a screen. Wrong codes are counted, and cost a wait."""
        fields = _fields(request)
        if fields is None:
            return error(400, "send {code, display} as JSON or as a form")
        session, now = _session(request), self._now()
        wait = self._guesses.wait(session, request.client, now)
        if wait > 0:
            notice = Notice(
                "输错次数过多，请稍后再试。", "Too many wrong codes; try again later.", is_bad=True
            )
            return self._refuse(request, 429, notice, retry_after=int(wait) + 1)
        display = fields.get("display", "")
        if display and display not in self._hub.screens:
            notice = Notice("没有这块屏幕。", "There is no such screen.", is_bad=True)
            return self._refuse(request, 422, notice)
        try:
            name = self._pairing.confirm(fields.get("code", ""), display, now)
        except ValueError:
            notice = Notice("请选择是哪块屏幕。", "Choose which screen it is.", is_bad=True)
            return self._refuse(request, 422, notice, typed=fields.get("code", ""))
        if not name:
            self._guesses.wrong(session, request.client, now)
            self._note("screen.code_wrong", display, request)
            notice = Notice(
                "配对码不对或已过期，请看屏幕上现在显示的码。",
                "No screen shows that code now; look again.",
                is_bad=True,
            )
            return self._refuse(request, 404, notice, typed=fields.get("code", ""))
        self._guesses.right(session)
        self._note("screen.code_confirmed", name, request)
        return _done(request, "paired", name)

    async def revoke(self, request: MountedRequest) -> MountedResponse:
        """Shut a screen's browser out: at its next word it blanks and shows a code."""
        fields = _fields(request)
        if fields is None:
            return error(400, "send {display} as JSON or as a form")
        screen = self._hub.screens.get(fields.get("display", ""))
        if screen is None:
            notice = Notice("没有这块屏幕。", "There is no such screen.", is_bad=True)
            return self._refuse(request, 422, notice)
        await self._hub.revoke(screen)
        self._note("screen.revoked", screen.name, request)
        return _done(request, "revoked", screen.name)

    # -- parts -----------------------------------------------------------------------------

    def _note(self, event: str, screen: str, request: MountedRequest) -> None:
        _log.info(event, channel=self._hub.config.name, screen=screen, client=request.client)

    def _now(self) -> float:
        return self._hub.context.clock.monotonic()

    def _refuse(
        self,
        request: MountedRequest,
        status: int,
        notice: Notice,
        *,
        typed: str = "",
        retry_after: int = 0,
    ) -> MountedResponse:
        if not _is_form(request):
            return error(status, f"{notice.text} {notice.english}", retry_after=retry_after)
        answer = self._page(request, notice, status=status, typed=typed[:32])
        wait = {"Retry-After": str(retry_after)} if retry_after else {}
        return MountedResponse(status, answer.body, HTML, {**answer.headers, **wait})

    def _page(
        self, request: MountedRequest, notice: Notice | None, *, status: int = 200, typed: str = ""
    ) -> MountedResponse:
        body = staff_page(
            self._hub,
            notice,
            typed=typed,
            search=request.query.get("q", "")[:64],
            waiting=self._pairing.waiting(self._now()),
            version=self._assets.version,
            signed_in=_session(request) != "",
            base_url=request.base_url,
        )
        # Under no-referrer a browser sends a form with `Origin: null`, which is refused.
        headers = {**page_headers(STAFF_POLICY), "Referrer-Policy": "same-origin"}
        return MountedResponse(status, body, HTML, headers)

    def _row(self, screen: Screen) -> dict[str, Json]:
        return {
            "display": screen.name,
            "title": screen.config.title,
            "location": screen.config.location,
            "enrolled": screen.device is not None,
            "live": self._hub.live(screen),
            "viewport": "{}x{}".format(*screen.viewport) if screen.viewport != (0, 0) else "",
            "warnings": screen.desired.count(rolling=False),
        }


def _is_form(request: MountedRequest) -> bool:
    return request.headers.get("content-type", "").startswith(_FORM)


def _json(request: MountedRequest) -> dict[str, str] | MountedResponse:
    """Read what an unpaired page sends, or say what is wrong with it."""
    wrong = is_own_json(request)
    if wrong is not None:
        return wrong
    fields = _texts(request.body)
    return error(400, "the body is no JSON object of texts") if fields is None else fields


def _fields(request: MountedRequest) -> Mapping[str, str] | None:
    """Read a form, or the same as JSON."""
    if not _is_form(request):
        return _texts(request.body)
    try:
        form = parse_qs(request.body.decode("ascii"), max_num_fields=8)
    except ValueError:
        return None
    return {name: values[-1] for name, values in form.items()}


def _texts(body: bytes) -> dict[str, str] | None:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        return None
    return value


def _session(request: MountedRequest) -> str:
    """Name who asks, without keeping the credential: the token, or the session of the pages."""
    _, _, token = request.headers.get("authorization", "").partition(" ")
    credential = token.strip() or request.cookies.get("__Host-fz") or request.cookies.get("fz", "")
    return hashlib.sha256(credential.encode("utf-8")).hexdigest() if credential else ""


def _done(request: MountedRequest, what: str, screen: str) -> MountedResponse:
    if _is_form(request):
        headers = {**PLAIN, "Location": f"./?{what}={quote(screen)}"}
        return MountedResponse(303, headers=headers)
    return json_answer({what: screen})
