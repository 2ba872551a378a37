"""What the script of the login pages asks: the questions that a passkey answers, and its answers.

Everything is asked by POST in JSON from our own pages. Before there is a session, a cookie that is
good for two minutes binds the answer to the browser that asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fzalert.access.challenges import CHALLENGE_LIFE_S
from fzalert.access.passkeys import RelyingParty
from fzalert.config import WebSettings
from fzalert.errors import ConfigError
from fzalert.service.api import DaemonApi
from fzalert.web.bodies import read_body, require_media_type
from fzalert.web.guard import Guard, own_path
from fzalert.web.problems import ProblemError, from_validation

__all__ = ["PasskeyEndpoints"]

_LONGEST = 16_384
"""An answer with an attestation is about two kilobytes."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(_Strict):
    """A wish for a question."""

    purpose: Literal["sign-in", "prove", "register", "enrol"]
    name: str = Field(default="", max_length=64)
    code: str = Field(default="", max_length=64)


class Answered(_Strict):
    """What the browser made of a question."""

    answer: dict[str, Any]
    next: str = Field(default="/", max_length=200)
    label: str = Field(default="", max_length=80)
    code: str = Field(default="", max_length=64)


class PasskeyEndpoints:
    """The endpoints of the script.

    Args:
        service: Makes and checks passkeys.
        guard: Counts wrong answers, knows the session.
        web: Where we listen.
        with_cookie: Lets an answer carry a session's cookie.
    """

    def __init__(
        self,
        service: DaemonApi,
        guard: Guard,
        web: WebSettings,
        with_cookie: Callable[[Response, str], Response],
    ) -> None:
        self._service = service
        self._guard = guard
        self._web = web
        self._with_cookie = with_cookie
        self._try = "__Host-fz-try" if web.has_tls_in_front else "fz-try"

    @property
    def are_offered(self) -> bool:
        """Whether passkeys can work here at all."""
        return bool(self._web.public_url) or self._web.is_loopback

    def routes(self) -> Sequence[Route]:
        """The routes of the endpoints."""
        return [
            Route("/passkeys/ask", self._ask, methods=["POST"]),
            Route("/passkeys/sign-in", self._sign_in, methods=["POST"]),
            Route("/passkeys/prove", self._prove, methods=["POST"]),
            Route("/passkeys/add", self._add, methods=["POST"]),
        ]

    async def _ask(self, request: Request) -> Response:
        asked = await _read(request, Asked)
        site, room = self._site(request), self._service.passkeys()
        session = self._guard.cookie_of(request)
        address = request.client.host if request.client else ""
        browser = self._browser(request) or secrets.token_urlsafe(24)

        async def question() -> dict[str, Any]:
            if asked.purpose == "sign-in":
                name = asked.name.strip()
                return await room.ask_sign_in(site, browser, name=name, address=address)
            if asked.purpose == "prove":
                return await room.ask_prove(site, session, address=address)
            if asked.purpose == "register":
                return await room.ask_new(site, session, address=address)
            code = asked.code or "-"  # never without one: that would be the session's own
            return await room.ask_new(site, browser, code=code, address=address)

        answer = JSONResponse(await self._guarded(request, question))
        answer.set_cookie(
            self._try,
            browser,
            max_age=CHALLENGE_LIFE_S,
            secure=self._web.has_tls_in_front,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def _sign_in(self, request: Request) -> Response:
        told = await _read(request, Answered)
        site, room = self._site(request), self._service.passkeys()

        async def sign_in() -> str:
            return (await room.sign_in(site, self._browser(request), told.answer))[0]

        cookie = await self._guarded(request, sign_in)
        await self._service.sign_out(self._guard.cookie_of(request))  # the session of before
        return self._with_cookie(JSONResponse({"next": own_path(told.next)}), cookie)

    async def _prove(self, request: Request) -> Response:
        told = await _read(request, Answered)
        site, room = self._site(request), self._service.passkeys()
        session = self._guard.cookie_of(request)

        async def prove() -> str:
            return await room.prove(site, session, told.answer)

        cookie = await self._guarded(request, prove)
        return self._with_cookie(JSONResponse({"next": own_path(told.next)}), cookie)

    async def _add(self, request: Request) -> Response:
        told = await _read(request, Answered)
        site, room = self._site(request), self._service.passkeys()
        asked_by = self._browser(request) if told.code else self._guard.cookie_of(request)

        async def add() -> str:
            return await room.add(site, asked_by, told.answer, label=told.label, code=told.code)

        cookie = await self._guarded(request, add)
        answer = JSONResponse({"next": "/account"})
        if not cookie:
            return answer
        await self._service.sign_out(self._guard.cookie_of(request))
        return self._with_cookie(answer, cookie)

    async def _guarded(self, request: Request, ask: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await self._guard.otherwise(request, ask)
        except ConfigError as error:
            raise _unfit(f"{error.args[0]} {error.hint}") from None

    def _browser(self, request: Request) -> str:
        cookie = request.cookies.get(self._try, "")
        return cookie if 0 < len(cookie) <= 64 else ""

    def _site(self, request: Request) -> RelyingParty:
        """The site that passkeys are for.

        Raises:
            ProblemError: 409 where a browser has none: by an address, or by a name without TLS.
        """
        if self._web.public_url:
            return RelyingParty.of(self._web.public_url)
        here = RelyingParty.of(f"{request.url.scheme}://{request.headers.get('host', '')}")
        if self._web.is_loopback and here.id == "localhost":
            return here
        raise _unfit(
            "通行密钥须用名称和 TLS 打开本页：本机用 http://localhost，其他机器请管理员设置"
            " [web] public_url。 A passkey needs a name and TLS: open http://localhost here, or let"
            " an administrator set [web] public_url."
        )


def _unfit(detail: str) -> ProblemError:
    return ProblemError(409, "config", detail)


async def _read(request: Request, kind: type[Any]) -> Any:
    require_media_type(request, "application/json")
    try:
        return kind.model_validate_json(await read_body(request, _LONGEST))
    except ValidationError as error:
        raise from_validation(error) from None
