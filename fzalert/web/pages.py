"""Staff pages: status, one warning, login; rendered here, live by server-sent events."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from importlib.resources import files

import jinja2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fzalert.access import Actor
from fzalert.clock import Clock
from fzalert.config import WebSettings
from fzalert.ports import AuthKind
from fzalert.service.api import DaemonApi
from fzalert.web.freeze_desk import Desk, may_read
from fzalert.web.freeze_pages import FreezePages
from fzalert.web.guard import Guard
from fzalert.web.headers import NONCE, page_policy
from fzalert.web.problems import ProblemError
from fzalert.web.signing import SigningPages
from fzalert.web.streams import SSE_HEADERS, Stopping, StreamAnswer, server_event
from fzalert.web.unknown import UnknownPages
from fzalert.web.watch import Watch
from fzalert.web.wording import Summary, summarise, warning_row

__all__ = ["Pages"]

HTML = "text/html; charset=utf-8"
HEARTBEAT = 10.0
"""Seconds without news after which a stream says that it lives."""
PACE = 0.5
"""Seconds between two updates of one stream at least."""
RECENT = 25


class Pages:
    """The pages and what they need.

    Args:
        service: What the pages show.
        guard: Who may see them.
        web: Where we listen.
        clock: Time of day, and the pace of streams.
        stopping: Ends the streams.
        watch: Knows since when channels are in their state.
        drill: Whether every page says 演练.
    """

    def __init__(
        self,
        service: DaemonApi,
        guard: Guard,
        web: WebSettings,
        clock: Clock,
        stopping: Stopping,
        watch: Watch,
        *,
        drill: bool,
    ) -> None:
        self._service = service
        self._guard = guard
        self._web = web
        self._clock = clock
        self._stopping = stopping
        self._watch = watch
        self._assets = _read_assets()
        self._titles: dict[str, str] = {}
        self._fragment = ""
        self._fragment_at = float("-inf")
        self._rendering = asyncio.Lock()
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("fzalert.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            asset=self._asset,
            drill=drill,
            secure=web.has_tls_in_front,
            loopback=web.is_loopback,
            may_freeze=may_read,
        )

    def routes(self) -> Sequence[Route]:
        """The routes of the pages."""
        desk = Desk(
            self._service, self._guard, self._page, self._render, self._clock, self._stopping
        )
        return [
            Route("/", self._status, methods=["GET"]),
            Route("/events", self._events, methods=["GET"]),
            Route("/warnings/{id}", self._warning, methods=["GET"]),
            *UnknownPages(self._service, self._guard, self._page, self._reader).routes(),
            *FreezePages(desk).routes(),
            *SigningPages(self._service, self._guard, self._web, self._page).routes(),
            Route("/static/{version}/{name}", self._static, methods=["GET"]),
        ]

    def error(self, request: Request, problem: ProblemError) -> Response:
        """A problem as a page, for a browser."""
        page = self._page(request, "error.html", status=problem.status, problem=problem)
        page.headers.update(problem.headers)
        return page

    async def _status(self, request: Request) -> Response:
        actor = await self._reader(request)
        if isinstance(actor, Response):
            return actor
        page = await self._summary()
        return self._page(request, "status.html", actor=actor, page=page, pages=self._mounted())

    async def _events(self, request: Request) -> Response:
        await self._guard.staff(request, reads_only=True)
        return StreamAnswer(
            self._updates(),
            self._stopping,
            farewell=server_event("-", event="bye"),
            headers=SSE_HEADERS,
        )

    async def _updates(self) -> AsyncIterator[bytes]:
        yield b"retry: 3000\n\n"
        seq = await self._service.changed(0, 0)
        shown = ""
        while True:
            html = await self._live()
            if html != shown:
                shown = html
                yield server_event(html, id=str(seq))
            else:
                yield server_event("-", event="hb")
            await self._clock.sleep(PACE)
            seq = await self._service.changed(seq, HEARTBEAT)

    async def _live(self) -> str:
        """Render the live part once for all streams that ask at about the same time."""
        async with self._rendering:
            if self._clock.monotonic() - self._fragment_at >= PACE / 2:
                page = await self._summary()
                template = self._templates.get_template("live.html")
                self._fragment = template.render(page=page, pages=self._mounted())
                self._fragment_at = self._clock.monotonic()
            return self._fragment

    async def _summary(self) -> Summary:
        status = await self._service.status()
        self._watch.see(status)
        recent = await self._service.recent(RECENT)
        titles = await self._script_titles({view.script for view in recent})
        campaigns = await self._service.campaigns()
        return summarise(status, recent, campaigns, titles, self._watch, self._clock.now())

    async def _script_titles(self, keys: Collection[str]) -> Mapping[str, str]:
        """Titles of scripts by key; the library is asked again only for a key never asked for."""
        if not self._titles.keys() >= set(keys):
            library = await self._service.scripts()
            self._titles = dict.fromkeys(keys, "") | {each.key: each.title for each in library}
        return self._titles

    def _mounted(self) -> frozenset[str]:
        """Channels whose own page a person may open."""
        people = {AuthKind.OPEN, AuthKind.STAFF}
        return frozenset(
            name
            for name, routes in self._service.routes().items()
            if any(r.method == "GET" and r.path in {"", "/"} and r.auth in people for r in routes)
        )

    async def _warning(self, request: Request) -> Response:
        actor = await self._reader(request)
        if isinstance(actor, Response):
            return actor
        id = request.path_params["id"]
        view = await self._service.warning(id) if id.isascii() and id.isalnum() else None
        if view is None:
            raise ProblemError(404, "no-such-warning", "没有这条预警。There is no such warning.")
        row = warning_row(view, await self._script_titles({view.script}))
        return self._page(request, "warning.html", actor=actor, row=row)

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = self._assets.get(name)
        if found is None or found[0] != request.path_params["version"]:
            raise ProblemError(404, "no-such-file", "There is no such file.")
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(found[1], media_type=media_type, headers=headers)

    async def _reader(self, request: Request) -> Actor | Response | None:
        """Return who reads a page, None for a reader on this machine, or the way to the login."""
        try:
            return await self._guard.staff(request, reads_only=True)
        except ProblemError as problem:
            if problem.status == 401 and "authorization" not in request.headers:
                return RedirectResponse("/login", status_code=303)
            raise

    def _page(
        self, request: Request, name: str, *, status: int = 200, **values: object
    ) -> Response:
        nonce = request.scope[NONCE]
        values.setdefault("actor", None)
        body = self._render(name, nonce=nonce, **values)
        headers = {
            "content-security-policy": page_policy(nonce),
            "referrer-policy": "same-origin",  # or its forms would come with Origin: null
        }
        return Response(body, status, headers=headers, media_type=HTML)

    def _render(self, name: str, **values: object) -> str:
        return self._templates.get_template(name).render(**values)

    def _asset(self, name: str) -> str:
        return f"/static/{self._assets[name][0]}/{name}"


def _read_assets() -> dict[str, tuple[str, bytes]]:
    """Read the style sheet and the script, each with the version that its address carries."""
    folder = files("fzalert.web") / "static"
    contents = {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}
    return {
        name: (hashlib.sha256(content).hexdigest()[:12], content)
        for name, content in contents.items()
        if name.endswith((".css", ".js"))
    }
