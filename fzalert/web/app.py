"""The whole web application: interface, pages, mounted channels, and what stands round them."""

from __future__ import annotations

import json
from importlib.metadata import version

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from fzalert.clock import Clock, SystemClock
from fzalert.config import Settings
from fzalert.errors import FzalertError
from fzalert.service.api import DaemonApi
from fzalert.tracing import NOTHING
from fzalert.web import api, endpoints, freeze_api, openapi, relay
from fzalert.web.guard import Guard, HostCheck
from fzalert.web.headers import SecurityHeaders
from fzalert.web.mounted import MountedChannels
from fzalert.web.pages import Pages
from fzalert.web.problems import ProblemError, from_error
from fzalert.web.scrape import Scrape
from fzalert.web.streams import Stopping
from fzalert.web.tracecontext import TraceContext
from fzalert.web.watch import Watch

__all__ = ["build_app"]

_log = structlog.get_logger(__name__)
_PROGRAMS = ("/api/", "/openapi.json", "/healthz", "/readyz", "/metrics", "/events", "/channels/")
_PLAIN_CODES = {404: "no-such-path", 405: "method"}


def build_app(
    service: DaemonApi,
    settings: Settings,
    *,
    stopping: Stopping | None = None,
    clock: Clock | None = None,
    watch: Watch | None = None,
) -> Starlette:
    """Build the application.

    Args:
        service: What it serves.
        settings: Where it listens, and whether it is a drill.
        stopping: Set by the owner to end every stream before the server is asked to stop.
        clock: The clock; the machine's where none is given.
        watch: Remembers since when channels are in their state; its owner keeps it looking.
    """
    stopping = stopping or Stopping()
    clock = clock or SystemClock()
    watch = watch or Watch(clock)
    guard = Guard(service, settings.web, clock)
    pages = Pages(
        service, guard, settings.web, clock, stopping, watch, drill=settings.drill.enabled
    )
    tracer = service.tracer()
    listed = [
        *api.endpoints(stopping),
        *relay.endpoints(stopping),
        *freeze_api.endpoints(stopping),
    ]
    document = json.dumps(openapi.document(listed, version=version("fzalert")), ensure_ascii=False)

    async def describe(request: Request) -> Response:
        del request
        return Response(document, media_type="application/json")

    return Starlette(
        routes=[
            *endpoints.routes(listed, service, guard),
            Route("/openapi.json", describe, methods=["GET"]),
            Scrape(service, guard, watch).route(),
            MountedChannels(service, guard, stopping).route(),
            *pages.routes(),
        ],
        middleware=[
            Middleware(SecurityHeaders, secure=settings.web.has_tls_in_front),
            Middleware(HostCheck, web=settings.web),
            *([] if tracer is NOTHING else [Middleware(TraceContext, tracer=tracer)]),
        ],
        exception_handlers=_Errors(pages).handlers(),
    )


class _Errors:
    """Turns what a handler raises into a problem: a page for a browser, a document for others."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def handlers(self) -> dict[int | type[Exception], ExceptionHandler]:
        return {
            ProblemError: self._problem,
            FzalertError: self._ours,
            HTTPException: self._plain,
            ClientDisconnect: self._left,
            Exception: self._unexpected,
        }

    def _answer(self, request: Request, problem: ProblemError) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        if wants_page and not request.url.path.startswith(_PROGRAMS):
            return self._pages.error(request, problem)
        return problem.response(request.url.path)

    async def _problem(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, ProblemError):
            raise error
        return self._answer(request, error)

    async def _ours(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, FzalertError):
            raise error
        found = from_error(error)
        if found.status == 500:
            _log.error("web.failed", path=request.url.path, error=error.code, exc_info=error)
        return self._answer(request, found)

    async def _plain(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        code = _PLAIN_CODES.get(error.status_code, "http")
        return self._answer(request, ProblemError(error.status_code, code, headers=error.headers))

    async def _left(self, request: Request, error: Exception) -> Response:
        del request, error
        return Response(status_code=400)  # the peer is gone: nobody reads this

    async def _unexpected(self, request: Request, error: Exception) -> Response:
        del error  # the server logs it with its trace
        detail = "程序出错，已记入日志。The log has the details."
        return ProblemError(500, "unexpected", detail).response(request.url.path)
