"""One dataclass an endpoint: from the list come the routes and the OpenAPI document.

A call goes through the same steps in the same order: credential, role, key, parameters, body,
handler, answer. A handler sees validated models and returns one.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fzalert.access import Actor, Role
from fzalert.service.api import DaemonApi
from fzalert.web.bodies import read_body, require_media_type
from fzalert.web.guard import Guard
from fzalert.web.problems import ProblemError, from_validation

__all__ = [
    "KEY_HEADER",
    "KEY_PATTERN",
    "Answer",
    "Call",
    "Endpoint",
    "NoBody",
    "NoQuery",
    "RawBody",
    "routes",
]

KEY_HEADER = "Idempotency-Key"
KEY_PATTERN = r"^[!-~]{1,128}$"
JSON = "application/json"


class NoBody(BaseModel):
    """An endpoint without a body."""


class RawBody(BaseModel):
    """An endpoint whose body is no JSON; its bytes are in `Call.raw`."""


class NoQuery(BaseModel):
    """An endpoint without parameters behind the question mark."""

    model_config = ConfigDict(extra="forbid")


_Body = TypeVar("_Body", bound=BaseModel, covariant=True)
_Query = TypeVar("_Query", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[_Body, _Query]):
    """One call as its handler sees it.

    Attributes:
        service: The service.
        by: Who calls; None where the endpoint is open.
        path: Path parameters.
        query: Validated parameters.
        body: The validated body.
        key: The idempotency key, or an empty string.
        raw: The body of an endpoint that takes no JSON.
        headers: As they came, names in lower case.
        again: Tells anew who calls, for an answer that goes on for long; raises as at first.
    """

    service: DaemonApi
    by: Actor | None
    path: Mapping[str, str]
    query: _Query
    body: _Body
    key: str = ""
    raw: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    again: Callable[[], Awaitable[Actor]] | None = None

    @property
    def actor(self) -> Actor:
        """Who calls, at an endpoint that asks for a credential."""
        if self.by is None:
            raise RuntimeError("an open endpoint has no actor")
        return self.by


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns where a bare model is not enough."""

    model: BaseModel
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[_Body, _Query]):
    """One method on one path.

    Attributes:
        method: GET or POST.
        path: Pattern, with `{name}` for one segment.
        operation: Name of the operation, for clients made from the document.
        summary: One line.
        call: The handler.
        answer: Model of a good answer.
        status: HTTP status of a good answer.
        body: Model of the body.
        query: Model of the parameters.
        roles: Who may call; empty lets in every actor, None everybody.
        keyed: Whether an idempotency key must come with it.
        problems: Statuses that the handler itself may end with.
        also: Further good or known statuses with the model `answer`.
        max_body: Longest body in bytes.
        sessions: Whether a person who is signed in at the pages may call it too.
        takes: Media types of a body that is no JSON.
        media: Media type of a good answer; other than JSON, the handler makes the whole answer.
        refused: Told of a body that does not hold, before the caller is.
    """

    method: str
    path: str
    operation: str
    summary: str
    call: Callable[[Call[_Body, _Query]], Awaitable[BaseModel | Answer | Response]]
    answer: type[BaseModel]
    body: type[_Body]
    query: type[_Query]
    status: int = 200
    roles: frozenset[Role] | None = frozenset()
    keyed: bool = False
    problems: tuple[int, ...] = ()
    also: tuple[int, ...] = ()
    max_body: int = 262_144
    sessions: bool = False
    takes: tuple[str, ...] = ()
    media: str = JSON
    refused: Callable[[Call[BaseModel, _Query], ProblemError], Awaitable[None]] | None = None

    @property
    def has_body(self) -> bool:
        """Whether it takes a body."""
        return self.body is not NoBody

    @property
    def all_problems(self) -> tuple[int, ...]:
        """Every status that a call can end with as a problem, without 405."""
        found = {421, 500, 503, *self.problems}
        if self.roles is not None:
            found |= {401, 403, 429}
        if self.query.model_fields or self.query.model_config.get("extra") == "forbid":
            found.add(422)
        if self.keyed:
            found.add(400)
        if self.has_body:
            found |= {400, 408, 413, 415, 422}
        return tuple(sorted(found - set(self.also)))

    async def handle(self, request: Request, service: DaemonApi, guard: Guard) -> Response:
        """Answer one request."""
        actor = None
        if self.roles is not None:
            actor = await self._caller(request, guard)
            if self.roles and self.roles.isdisjoint(actor.roles):
                raise ProblemError(403, "access-denied", _needs(self.roles))
        key = _read_key(request) if self.keyed else ""
        query = self._parameters(request)
        try:
            body, raw = await self._read(request)
        except ProblemError as problem:
            if self.refused is not None and actor is not None and problem.status == 422:
                path: Mapping[str, str] = request.path_params
                about: Call[BaseModel, _Query] = Call(service, actor, path, query, NoBody())
                await self.refused(about, problem)
            raise
        call = Call(
            service,
            actor,
            request.path_params,
            query,
            body,
            key,
            raw,
            request.headers,
            lambda: self._caller(request, guard),
        )
        made = await self.call(call)
        if isinstance(made, Response):
            return made
        answer = made if isinstance(made, Answer) else Answer(made)
        return Response(
            answer.model.model_dump_json(),
            answer.status or self.status,
            headers=dict(answer.headers),
            media_type=JSON,
        )

    async def _caller(self, request: Request, guard: Guard) -> Actor:
        return await (guard.caller(request) if self.sessions else guard.bearer(request))

    def _parameters(self, request: Request) -> _Query:
        pairs = request.query_params.multi_items()
        given = dict(pairs)
        if len(given) != len(pairs):
            raise ProblemError(422, "invalid", "A parameter was given twice.")
        try:
            return self.query.model_validate(given)
        except ValidationError as error:
            raise from_validation(error, parameters=True) from None

    async def _read(self, request: Request) -> tuple[_Body, bytes]:
        if not self.has_body:
            return self.body(), b""
        require_media_type(request, *(self.takes or (JSON,)))
        raw = await read_body(request, self.max_body)
        if self.takes:
            return self.body(), raw
        try:
            return self.body.model_validate_json(raw, strict=True), b""
        except ValidationError as error:
            raise from_validation(error) from None
        except RecursionError:
            raise ProblemError(400, "not-json", "The body is nested too deeply.") from None


def _read_key(request: Request) -> str:
    keys = request.headers.getlist(KEY_HEADER)
    if len(keys) != 1 or not re.fullmatch(KEY_PATTERN, keys[0]):
        raise ProblemError(
            400,
            "idempotency-key",
            f"Send one header {KEY_HEADER} of 1 to 128 visible characters, the same for each"
            " repetition of the same call.",
        )
    return keys[0]


def _needs(roles: frozenset[Role]) -> str:
    return f"您的角色不能这样做。This needs one of the roles: {', '.join(sorted(roles))}."


def routes(
    endpoints: Sequence[Endpoint[BaseModel, BaseModel]], service: DaemonApi, guard: Guard
) -> list[Route]:
    """Make one route a path; a method that the path lacks is answered 405 with `Allow`."""
    by_path: dict[str, dict[str, Endpoint[BaseModel, BaseModel]]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [_route(path, methods, service, guard) for path, methods in by_path.items()]


def _route(
    path: str,
    methods: Mapping[str, Endpoint[BaseModel, BaseModel]],
    service: DaemonApi,
    guard: Guard,
) -> Route:
    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await methods[method].handle(request, service, guard)

    return Route(path, answer, methods=list(methods))
