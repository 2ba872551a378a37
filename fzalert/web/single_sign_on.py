"""The way to an OpenID provider and back, by links: a form would not be let out of our pages."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fzalert.config import WebSettings
from fzalert.errors import AccessDenied, ConfigError
from fzalert.service.api import DaemonApi
from fzalert.service.single_sign_on import CALLBACK, WAY_S, SingleSignOn
from fzalert.web.guard import Guard, own_path, spoken
from fzalert.web.problems import ProblemError

__all__ = ["SingleSignOnPages"]

_LONGEST = 2048
"""Characters of a code at most."""

Refuse = Callable[[Request, str], Response]


class SingleSignOnPages:
    """Leaves for the provider, and comes back.

    Args:
        service: Knows the provider, if there is one.
        guard: Knows the session.
        web: Where we listen.
        with_cookie: Lets an answer carry a session's cookie.
        refuse: The login page with what was wrong.
    """

    def __init__(
        self,
        service: DaemonApi,
        guard: Guard,
        web: WebSettings,
        with_cookie: Callable[[Response, str], Response],
        refuse: Refuse,
    ) -> None:
        self._service = service
        self._guard = guard
        self._web = web
        self._with_cookie = with_cookie
        self._refuse = refuse
        self._way = "__Host-fz-sso" if web.has_tls_in_front else "fz-sso"

    @property
    def label(self) -> str:
        """What the button says; empty where there is no provider."""
        found = self._service.single_sign_on()
        return "" if found is None else found.label

    def routes(self) -> Sequence[Route]:
        """The routes."""
        return [
            Route("/login/oidc", self._leave, methods=["GET"]),
            Route("/prove/oidc", self._prove, methods=["GET"]),
            Route(CALLBACK, self._arrive, methods=["GET"]),
        ]

    async def _leave(self, request: Request) -> Response:
        room, browser = self._room(), secrets.token_urlsafe(24)
        to = own_path(request.query_params.get("next", "/"))
        try:
            where = await room.leave(browser, to=to, address=_address(request))
        except (AccessDenied, ConfigError) as error:
            return self._refuse(request, spoken(error))
        return self._left(where, browser)

    async def _prove(self, request: Request) -> Response:
        room, browser = self._room(), secrets.token_urlsafe(24)
        cookie = self._guard.cookie_of(request)
        if await self._guard.session(request) is None:
            return RedirectResponse("/login", status_code=303)
        to = own_path(request.query_params.get("next", "/"))
        try:
            where = await room.leave_to_prove(browser, cookie, to=to, address=_address(request))
        except (AccessDenied, ConfigError) as error:
            return self._refuse(request, spoken(error))
        return self._left(where, browser)

    async def _arrive(self, request: Request) -> Response:
        room, told = self._room(), request.query_params
        if "error" in told:
            why = "".join(c for c in told["error"][:60] if c.isalnum() or c == "_")
            return self._refuse(request, f"统一登录没有完成。The provider refused: {why}.")
        state, code = told.get("state", ""), told.get("code", "")
        if not 0 < len(state) <= 64 or not 0 < len(code) <= _LONGEST:
            return self._refuse(request, "统一登录没有完成。The provider's answer is malformed.")
        before = self._guard.cookie_of(request)
        try:
            arrived = await self._guard.returned(
                request,
                lambda: room.arrive(
                    self._browser(request),
                    state=state,
                    code=code,
                    issuer=told.get("iss", ""),
                    cookie=before,
                ),
            )
        except ProblemError as problem:
            page = self._refuse(request, problem.detail)
            page.status_code = problem.status
            return page
        except ConfigError as error:
            return self._refuse(request, spoken(error))
        await self._service.sign_out(before)  # the session of before ends here
        answer = self._with_cookie(RedirectResponse(arrived.to, status_code=303), arrived.cookie)
        answer.delete_cookie(
            self._way, secure=self._web.has_tls_in_front, httponly=True, samesite="lax"
        )
        return answer

    def _room(self) -> SingleSignOn:
        room = self._service.single_sign_on()
        if room is None:
            raise ProblemError(404, "no-such-path")
        return room

    def _left(self, where: str, browser: str) -> Response:
        answer = RedirectResponse(where, status_code=303)
        answer.set_cookie(
            self._way,
            browser,
            max_age=int(WAY_S),
            secure=self._web.has_tls_in_front,
            httponly=True,
            samesite="lax",  # the provider's page sends the browser back to us
        )
        return answer

    def _browser(self, request: Request) -> str:
        cookie = request.cookies.get(self._way, "")
        return cookie if 0 < len(cookie) <= 64 else ""


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
