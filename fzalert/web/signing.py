"""The pages by which people come in, prove themselves anew, keep their passkeys, and go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fzalert.access.sessions import SESSION_LIFE_S
from fzalert.config import WebSettings
from fzalert.errors import AccessDenied, InputError
from fzalert.service.api import DaemonApi
from fzalert.web.bodies import read_body, require_media_type
from fzalert.web.guard import Guard, own_path, require_same_origin
from fzalert.web.passkeys import PasskeyEndpoints
from fzalert.web.problems import ProblemError
from fzalert.web.single_sign_on import SingleSignOnPages
from fzalert.web.writing import when

__all__ = ["SigningPages", "read_form"]

_FORM = "application/x-www-form-urlencoded"

Draw = Callable[..., Response]


class SigningPages:
    """Login, proof, account and logout.

    Args:
        service: Knows who may come in.
        guard: Keeps the sessions' cookies.
        web: Where we listen.
        draw: Renders a template for a request.
    """

    def __init__(self, service: DaemonApi, guard: Guard, web: WebSettings, draw: Draw) -> None:
        self._service = service
        self._guard = guard
        self._web = web
        self._draw = draw
        self._passkeys = PasskeyEndpoints(service, guard, web, self.with_cookie)
        self._single = SingleSignOnPages(service, guard, web, self.with_cookie, self._not_in)

    def routes(self) -> Sequence[Route]:
        """The routes of the pages."""
        return [
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/prove", self._prove, methods=["GET", "POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/enrol", self._enrol, methods=["GET"]),
            Route("/account", self._account, methods=["GET"]),
            Route("/account/passkey", self._change, methods=["POST"]),
            Route("/account/sign-out", self._sign_out, methods=["POST"]),
            *self._passkeys.routes(),
            *self._single.routes(),
        ]

    # -- coming in -------------------------------------------------------------------------

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            actor = await self._guard.session(request)
            back = own_path(request.query_params.get("next", "/"))
            return self._sign_in_page(request, back, actor=actor)
        form = await read_form(request)
        back = own_path(form.get("next", ["/"])[0])
        try:
            cookie = await self._guard.login(
                request, form.get("token", [""])[0], form.get("name", [""])[0].strip()
            )
        except ProblemError as problem:
            return self._refused(problem, self._sign_in_page(request, back, problem=_said(problem)))
        return self.with_cookie(RedirectResponse(back, status_code=303), cookie)

    def _sign_in_page(
        self, request: Request, back: str, *, actor: object = None, problem: str = ""
    ) -> Response:
        return self._draw(
            request,
            "login.html",
            actor=actor,
            problem=problem,
            back=back,
            passkeys=self._passkeys.are_offered,
            single=self._single.label,
        )

    def _not_in(self, request: Request, problem: str) -> Response:
        page = self._sign_in_page(request, "/", problem=problem)
        page.status_code = 401
        return page

    async def _prove(self, request: Request) -> Response:
        """Ask who is signed in for a credential once more, before an act that needs it."""
        actor = await self._guard.session(request)
        if actor is None:
            return RedirectResponse("/login", status_code=303)
        posted = request.method == "POST"
        form = await read_form(request) if posted else {}
        asked = form.get("next", ["/"])[0] if posted else request.query_params.get("next", "/")
        back = own_path(asked)
        problem = ""
        refused: ProblemError | None = None
        if posted:
            try:
                cookie = await self._guard.prove(request, form.get("token", [""])[0])
                return self.with_cookie(RedirectResponse(back, status_code=303), cookie)
            except ProblemError as error:
                problem, refused = _said(error), error
        page = self._draw(
            request,
            "prove.html",
            actor=actor,
            problem=problem,
            back=back,
            passkeys=self._passkeys.are_offered,
            single=self._single.label,
        )
        return page if refused is None else self._refused(refused, page)

    async def _enrol(self, request: Request) -> Response:
        """Where a person with a code makes the first passkey."""
        actor = await self._guard.session(request)
        return self._draw(request, "enrol.html", actor=actor, passkeys=self._passkeys.are_offered)

    async def _logout(self, request: Request) -> Response:
        room = self._service.single_sign_on()
        where = ""
        if room is not None:
            require_same_origin(request)
            where = await room.goodbye(self._guard.cookie_of(request))
        await self._guard.logout(request)
        if not where:
            return self._gone("/")
        # A form is not let out of our pages, so the way out of the provider is a link.
        page = self._draw(request, "signed_out.html", where=where)
        return self._without_cookie(page)

    # -- one's own account -----------------------------------------------------------------

    async def _account(self, request: Request, problem: str = "", status: int = 200) -> Response:
        actor = await self._guard.session(request)
        if actor is None:
            return RedirectResponse("/login", status_code=303)
        found = await self._service.passkeys().of(self._guard.cookie_of(request))
        keys = [
            {
                "id": one.id,
                "label": one.label,
                "blocked": one.blocked,
                "backed_up": one.backed_up,
                "made": when(one.created_at, seconds=False),
                "used": when(one.used_at, seconds=False),
            }
            for one in found
        ]
        return self._draw(
            request,
            "account.html",
            status=status,
            actor=actor,
            keys=keys,
            passkeys=self._passkeys.are_offered,
            problem=problem,
        )

    async def _change(self, request: Request) -> Response:
        """Name or remove one of one's own passkeys."""
        require_same_origin(request)
        if await self._guard.session(request) is None:
            return RedirectResponse("/login", status_code=303)
        form = await read_form(request)
        cookie, room = self._guard.cookie_of(request), self._service.passkeys()
        id, label = form.get("id", [""])[0], form.get("label", [""])[0]
        try:
            if form.get("do", [""])[0] == "remove":
                await room.remove(cookie, id)
            else:
                await room.rename(cookie, id, label)
        except AccessDenied:
            return RedirectResponse("/prove?next=/account", status_code=303)
        except InputError as error:
            text = f"没有改动。{error.args[0]} {error.hint}".strip()
            return await self._account(request, text, 422)
        # Whoever came in with the passkey that was removed has no session any more.
        still_in = await self._guard.session(request) is not None
        return RedirectResponse("/account", status_code=303) if still_in else self._gone("/login")

    async def _sign_out(self, request: Request) -> Response:
        """End every session of whoever is signed in, this one too."""
        require_same_origin(request)
        if await self._guard.session(request) is not None:
            cookie = self._guard.cookie_of(request)
            await self._service.passkeys().sign_out_everywhere(cookie)
        return self._gone("/login")

    # -- parts -----------------------------------------------------------------------------

    def with_cookie(self, answer: Response, cookie: str) -> Response:
        """Let an answer carry the cookie of a session."""
        answer.set_cookie(
            self._guard.cookie,
            cookie,
            max_age=SESSION_LIFE_S,
            secure=self._web.has_tls_in_front,
            httponly=True,
            samesite="lax",
        )
        return answer

    def _gone(self, to: str) -> Response:
        return self._without_cookie(RedirectResponse(to, status_code=303))

    def _without_cookie(self, answer: Response) -> Response:
        answer.delete_cookie(
            self._guard.cookie, secure=self._web.has_tls_in_front, httponly=True, samesite="lax"
        )
        return answer

    @staticmethod
    def _refused(problem: ProblemError, page: Response) -> Response:
        page.status_code = problem.status
        page.headers.update(problem.headers)
        return page


def _said(problem: ProblemError) -> str:
    """What a form shows of a refusal; anything but a refused credential goes on."""
    if problem.status not in {401, 429}:
        raise problem
    return problem.detail


async def read_form(request: Request) -> Mapping[str, Sequence[str]]:
    """Read a small form.

    Raises:
        ProblemError: 415 for another kind of body, 413 for a long one.
    """
    require_media_type(request, _FORM)
    return parse_qs((await read_body(request, 4096)).decode("ascii", "replace"))
