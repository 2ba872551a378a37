"""The two doors of a bank's desk: packages and answers over mutual TLS; the bank's own people.

The first takes signed requests and nothing else; the second takes tokens, and is on this machine
only or over TLS.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fzalert.access import Actor, Role
from fzalert.clock import Clock, SystemClock
from fzalert.config import WebSettings
from fzalert.desk.inbox import DeskAnswer
from fzalert.desk.rows import Line
from fzalert.desk.views import ItemDetail, ItemView, detail_of, view_of
from fzalert.errors import AccessDenied, FzalertError
from fzalert.log import get_logger
from fzalert.service.custody import DESK_PLACES, Custody
from fzalert.service.custody_models import KeysAsk, RotateAsk
from fzalert.service.desk_staff import DeskPerson, DeskStaff
from fzalert.web.bodies import read_body, require_media_type
from fzalert.web.desk_pages import DeskPages
from fzalert.web.guard import HostCheck
from fzalert.web.headers import SecurityHeaders
from fzalert.web.peers import peer_in
from fzalert.web.problems import ProblemError, from_error, from_validation
from fzalert.web.server import Door, WebServer
from fzalert.web.streams import Stopping

if TYPE_CHECKING:
    from fzalert.desk.service import AnswersPage, DeskService
    from fzalert.desk.settings import DeskSettings

__all__ = ["DeskDoors", "ItemsView", "desk_doors", "police_app", "staff_app"]

_log = get_logger("fzalert.desk")
LARGEST_PACKAGE = 1_048_576
_JSON = "application/json"
_Query = TypeVar("_Query", bound=BaseModel)
_Handler = Callable[[Request, Exception], Awaitable[Response]]


class ItemsView(BaseModel):
    """What waits, or all; oldest first."""

    model_config = ConfigDict(extra="forbid")

    items: tuple[ItemView, ...]


class _Answers(BaseModel):
    """What a question for answers may say."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    store: Annotated[str, Field(max_length=64)] = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    wait: Annotated[float, Field(ge=0, le=60)] = 0.0


class _Items(BaseModel):
    """What a question for items may say."""

    model_config = ConfigDict(extra="forbid")

    all: bool = False


class DeskDoors(NamedTuple):
    """Where an open desk listens.

    Attributes:
        police: Address for packages.
        staff: Address for the bank's own people.
        servers: The two servers.
    """

    police: str
    staff: str
    servers: tuple[WebServer, WebServer]


@asynccontextmanager
async def desk_doors(desk: DeskService, clock: Clock | None = None) -> AsyncIterator[DeskDoors]:
    """Open both doors.

    Raises:
        ListenError: An address cannot be bound, or a certificate cannot be read.
    """
    settings = desk.settings
    stopping = Stopping()
    clock = clock or SystemClock()
    first = WebSettings(
        host=settings.host,
        port=settings.port,
        certificate=settings.certificate,
        key=settings.key,
    )
    second = staff_settings(settings)
    door = Door(settings.host, settings.port, "port", settings.client_ca, refused=desk.line_refused)
    police = WebServer(police_app(desk, stopping), first, stopping, door=door)
    staff = WebServer(staff_app(desk, second, clock, stopping), second, stopping)
    async with police.serving() as police_url, staff.serving() as staff_url:
        yield DeskDoors(police_url, staff_url, (police, staff))


def staff_settings(settings: DeskSettings) -> WebSettings:
    """Where the bank's own people ask: over TLS unless it is this machine alone."""
    local = settings.staff_is_local
    return WebSettings(
        host=settings.staff_host,
        port=settings.staff_port,
        certificate=None if local else settings.certificate,
        key=None if local else settings.key,
    )


def police_app(desk: DeskService, stopping: Stopping) -> Starlette:
    """What stands behind mutual TLS."""

    async def take(request: Request) -> Response:
        require_media_type(request, _JSON)
        body = await read_body(request, LARGEST_PACKAGE)
        made = await desk.take(_path(request), dict(request.headers), body, _line(request))
        return Response(made, media_type=_JSON)

    async def answers(request: Request) -> Response:
        asked = _query(request, _Answers)
        if stopping.is_set:
            raise ProblemError(503, "stopping", "The desk stops.", headers={"retry-after": "5"})
        page = await _until(
            stopping,
            desk.answers(
                _path(request),
                dict(request.headers),
                after=asked.after,
                store=asked.store,
                limit=asked.limit,
                wait=asked.wait,
            ),
        )
        return _json({"store": page.store, "last": page.last, "items": list(page.items)})

    return _app(
        [
            Route("/desk/v1/packages", take, methods=["POST"]),
            Route("/desk/v1/answers", answers, methods=["GET"]),
        ],
        [],
    )


def staff_app(
    desk: DeskService, web: WebSettings, clock: Clock, stopping: Stopping | None = None
) -> Starlette:
    """What the bank's own people and programs ask: pages with a login, the rest with a token."""
    staff = DeskStaff(desk)
    pages = DeskPages(desk, staff, web, clock, stopping or Stopping())
    custody = Custody(desk.store, desk.settings.master_key, DESK_PLACES, clock)
    desk.keep("keys", custody.run)

    async def actor(request: Request) -> Actor:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise ProblemError(
                401,
                "unauthorised",
                "请带上令牌。Send a token: Authorization: Bearer …",
                headers={"www-authenticate": "Bearer"},
            )
        found = await staff.authenticate(token.strip())
        found.require(Role.BANK_DESK)
        return found

    async def items(request: Request) -> Response:
        _ = await actor(request)
        asked = _query(request, _Items)
        found = await desk.inbox.items(waiting=not asked.all)
        shown = ItemsView(items=tuple(view_of(item, clock.millis()) for item in found))
        return Response(shown.model_dump_json(), media_type=_JSON)

    async def item(request: Request) -> Response:
        found = await desk.reveal(request.path_params["application"], await actor(request))
        shown: ItemDetail = detail_of(found, clock.millis())
        return Response(shown.model_dump_json(), media_type=_JSON)

    async def answer(request: Request) -> Response:
        by = await actor(request)
        require_media_type(request, _JSON)
        body = await read_body(request, 65_536)
        try:
            said = DeskAnswer.model_validate_json(body)
        except ValidationError as error:
            raise from_validation(error) from None
        receipt = await desk.answer(request.path_params["application"], said, by)
        found = await desk.inbox.item(receipt.application_id)
        if found is None:
            raise ProblemError(404, "no-such-path")
        return Response(view_of(found, clock.millis()).model_dump_json(), media_type=_JSON)

    return _app(
        [
            Route("/desk/v1/items", items, methods=["GET"]),
            Route("/desk/v1/items/{application}", item, methods=["GET"]),
            Route("/desk/v1/items/{application}/answer", answer, methods=["POST"]),
            Route("/desk/v1/people", _people(staff, actor), methods=["GET", "POST"]),
            Route("/desk/v1/keys", _keys(custody, actor), methods=["GET", "POST"]),
            *pages.routes(),
        ],
        [Middleware(HostCheck, web=web)],
        pages,
        secure=web.is_secure,
    )


def _people(
    staff: DeskStaff, actor: Callable[[Request], Awaitable[Actor]]
) -> Callable[[Request], Awaitable[Response]]:
    """The people of the desk: listed for its people, changed by a supervisor."""

    async def people(request: Request) -> Response:
        by = await actor(request)
        if request.method == "GET":
            views = await staff.views()
            return _json({"people": [view.model_dump() for view in views]})
        require_media_type(request, _JSON)
        try:
            wanted = DeskPerson.model_validate_json(await read_body(request, 4096))
        except ValidationError as error:
            raise from_validation(error) from None
        return _json({"name": wanted.name, "token": await wanted.change(staff, by)})

    return people


def _keys(
    custody: Custody, actor: Callable[[Request], Awaitable[Actor]]
) -> Callable[[Request], Awaitable[Response]]:
    """The keys of the desk's store: shown to a supervisor, and changed by one."""

    async def keys(request: Request) -> Response:
        by = await actor(request)
        asked = KeysAsk() if request.method == "GET" else RotateAsk()
        answer = await custody.answer(asked, by)
        return _json({"keys": None if answer.keys is None else answer.keys.model_dump()})

    return keys


async def _until(stopping: Stopping, asked: Awaitable[AnswersPage]) -> AnswersPage:
    """Wait for a page, no longer than the desk serves.

    Raises:
        ProblemError: The desk stops.
    """
    waiting = asyncio.ensure_future(asked)
    ending = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({waiting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        raise ProblemError(503, "stopping", "The desk stops.", headers={"retry-after": "5"})
    finally:
        waiting.cancel()
        ending.cancel()


def _app(
    routes: list[Route],
    middleware: list[Middleware],
    pages: DeskPages | None = None,
    *,
    secure: bool = True,
) -> Starlette:
    def shown(handler: _Handler) -> _Handler:
        """A problem as a page, where a browser asked for one."""

        async def handled(request: Request, error: Exception) -> Response:
            wants_page = "text/html" in request.headers.get("accept", "")
            is_page = not request.url.path.startswith("/desk/v1/")
            found = await handler(request, error)
            if pages is None or not (wants_page and is_page):
                return found
            if isinstance(error, FzalertError):
                return pages.error(request, from_error(error))
            if isinstance(error, ProblemError):
                return pages.error(request, error)
            if isinstance(error, HTTPException):
                problem = ProblemError(error.status_code, "http", headers=error.headers)
                return pages.error(request, problem)
            return found

        return handled

    return Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders, secure=secure), *middleware],
        exception_handlers={
            ProblemError: shown(_problem),
            FzalertError: shown(_ours),
            HTTPException: shown(_plain),
            Exception: _unexpected,
        },
    )


def _line(request: Request) -> Line | None:
    """The client certificate of the line."""
    peer = peer_in(request)
    if peer is None:
        return None
    return Line(peer.fingerprint, peer.names, datetime.fromtimestamp(peer.not_after, UTC))


def _path(request: Request) -> str:
    """Path and query as they stood in the request line: what was signed."""
    path: str = request.scope["raw_path"].decode("latin-1")
    query: str = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _query(request: Request, model: type[_Query]) -> _Query:
    pairs = request.query_params.multi_items()
    if len(dict(pairs)) != len(pairs):
        raise ProblemError(422, "invalid", "A parameter was given twice.")
    try:
        return model.model_validate(dict(pairs))
    except ValidationError as error:
        raise from_validation(error, parameters=True) from None


def _json(value: object) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), media_type=_JSON)


async def _problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return error.response(request.url.path)


async def _ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, FzalertError):
        raise error
    found = from_error(error)
    if isinstance(error, AccessDenied):
        _log.warning("desk.not_let_in", path=request.url.path, why=str(error.args[0]))
    if found.status == 500:
        _log.error("desk.failed", path=request.url.path, error=error.code, exc_info=error)
    return found.response(request.url.path)


async def _plain(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "no-such-path", 405: "method"}.get(error.status_code, "http")
    return ProblemError(error.status_code, code, headers=error.headers).response(request.url.path)


async def _unexpected(request: Request, error: Exception) -> Response:
    del error  # the server logs it with its trace
    detail = "程序出错，已记入日志。The log has the details."
    return ProblemError(500, "unexpected", detail).response(request.url.path)
