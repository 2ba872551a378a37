"""What all pages of the freeze desk share: who may come in, how it asks, how a page stays live.

Every page is read by a person who signed in, whatever the address; tellers and viewers see nothing
of it. Whatever changes something is a form of our own pages, and takes the session's Actor.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fzalert.access import Actor, Role
from fzalert.clock import Clock
from fzalert.errors import ConfigError
from fzalert.service.api import DaemonApi
from fzalert.service.freeze_models import MAY_READ, CaseView, FreezeAnswer, FreezeAsk, ShowAsk
from fzalert.service.freeze_room import NEEDED
from fzalert.web.freeze_kept import Kept
from fzalert.web.guard import Guard
from fzalert.web.problems import ProblemError
from fzalert.web.streams import SSE_HEADERS, Stopping, StreamAnswer, server_event

__all__ = ["BOARD", "MAY_CHANGE", "Desk", "Live", "case_path", "may_read"]

BOARD = "/freeze"
MAY_CHANGE = (Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER)
PACE = 1.0
"""Seconds between two updates of one stream at least."""
HEARTBEAT = 10.0
"""Seconds without news after which a stream says that it lives."""
LOOK_AGAIN = 60.0
"""Seconds after which a stream asks whether its session still stands."""

Draw = Callable[..., Response]
Render = Callable[..., str]


class Live(NamedTuple):
    """A part of a page as it is now.

    Attributes:
        key: Equal for equal content; the running of clocks alone changes nothing.
        render: Writes it.
    """

    key: object
    render: Callable[[], str]


def case_path(case: str, measure: str = "", act: str = "") -> str:
    """The address of a case, or of an act in it."""
    path = f"{BOARD}/case/{case}"
    return f"{path}/{measure or 'case'}/{act}" if act else path


def may_read(actor: Actor | None) -> bool:
    """Whether somebody may see the freeze desk."""
    return actor is not None and not actor.roles.isdisjoint(MAY_READ)


def may_change(actor: Actor) -> bool:
    """Whether somebody may act there."""
    return not actor.roles.isdisjoint(MAY_CHANGE)


class Desk:
    """The door to the freeze desk.

    Args:
        service: What is shown and asked.
        guard: Who may come in.
        draw: Renders a template for a request.
        render: Renders a template without a request, for streams.
        clock: Reader of time.
        stopping: Ends the streams.
    """

    def __init__(
        self,
        service: DaemonApi,
        guard: Guard,
        draw: Draw,
        render: Render,
        clock: Clock,
        stopping: Stopping,
    ) -> None:
        self.service = service
        self.guard = guard
        self.clock = clock
        self.kept = Kept(clock)
        self.render = render
        self._draw = draw
        self._stopping = stopping

    async def reader(self, request: Request) -> Actor | Response:
        """Who reads a page, or the way to the login.

        Raises:
            ProblemError: 403 for somebody of another role, 501 where it is not installed.
        """
        try:
            actor = await self.guard.staff(request, reads_only=True)
        except ProblemError as problem:
            if problem.status != 401 or "authorization" in request.headers:
                raise
            actor = None
        if actor is None:
            return RedirectResponse(f"/login?next={request.url.path}", status_code=303)
        return self._admitted(actor, MAY_READ)

    async def writer(self, request: Request, *, reads_only: bool = False) -> Actor:
        """Who sends a form.

        Args:
            request: The form, before it is read.
            reads_only: Whether it changes nothing of a case, such as a reveal.

        Raises:
            ProblemError: 401, 403, 501.
        """
        actor = await self.guard.staff(request, reads_only=False)
        if actor is None:
            raise ProblemError(401, "unauthorised", "请先登录。Please sign in first.")
        return self._admitted(actor, MAY_READ if reads_only else MAY_CHANGE)

    def _admitted(self, actor: Actor, roles: tuple[Role, ...]) -> Actor:
        if actor.roles.isdisjoint(roles):
            wanted = ", ".join(roles)
            detail = f"您的角色不能使用冻结台。This needs one of the roles: {wanted}."
            raise ProblemError(403, "access-denied", detail)
        if any(importlib.util.find_spec(name) is None for name in NEEDED):
            raise ProblemError(
                501, "not-installed", "没有安装冻结功能。Install it: pip install 'fzalert[freeze]'"
            )
        return actor

    async def ask(self, ask: FreezeAsk, actor: Actor, *, key: str = "") -> FreezeAnswer:
        """Ask the service, a change once under its key where it has one.

        Raises as `ServiceApi.freeze`; a wrong setting is a `ProblemError`.
        """
        try:
            return await self.service.freeze(ask, actor, key=key)
        except ConfigError as error:
            raise ProblemError(501, error.code, str(error)) from None

    async def case(self, case: str, actor: Actor, *, reveal: bool = False) -> CaseView:
        """A case as it stands, masked unless revealed.

        Raises:
            ProblemError: 404, there is no such case.
            AccessDenied: To reveal takes a person who has just proved who he is.
        """
        if not (0 < len(case) <= 36 and case.isascii() and case.isprintable()):
            raise no_such_case()
        found = (await self.ask(ShowAsk(case=case, reveal=reveal), actor)).case
        if found is None:
            raise no_such_case()
        return found

    def draw(
        self, request: Request, name: str, actor: Actor, *, status: int = 200, **values: object
    ) -> Response:
        """Render a page."""
        return self._draw(
            request,
            f"freeze/{name}.html",
            status=status,
            actor=actor,
            may_change=may_change(actor),
            **values,
        )

    def stream(self, request: Request, look: Callable[[], Awaitable[Live]]) -> Response:
        """Keep a part of a page fresh for as long as the session of its reader stands.

        Args:
            request: Who listens.
            look: Reads the part.
        """
        return StreamAnswer(
            self._updates(request, look),
            self._stopping,
            farewell=server_event("-", event="bye"),
            headers=SSE_HEADERS,
        )

    async def _updates(
        self, request: Request, look: Callable[[], Awaitable[Live]]
    ) -> AsyncIterator[bytes]:
        yield b"retry: 3000\n\n"
        seq = await self.service.changed(0, 0)
        shown: object = None
        admitted = self.clock.monotonic()
        while True:
            live = await look()
            if live.key != shown:
                shown = live.key
                yield server_event(live.render(), id=str(seq))
            else:
                yield server_event("-", event="hb")
            await self.clock.sleep(PACE)
            seq = await self.service.changed(seq, HEARTBEAT)
            if self.clock.monotonic() - admitted >= LOOK_AGAIN:
                admitted = self.clock.monotonic()
                if not may_read(await self.guard.staff(request, reads_only=True)):
                    return


class Shared:
    """Reads the board once for all who ask at the same time, and never gives what is older.

    Args:
        service: Tells whether anything was committed since.
        clock: Reader of time.
    """

    def __init__(self, service: DaemonApi, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._reading = asyncio.Lock()
        self._began = float("-inf")
        self._seq = -1
        self._found: FreezeAnswer | None = None

    async def read(self, ask: Callable[[], Awaitable[FreezeAnswer]]) -> FreezeAnswer:
        """What was read since the call began or is unchanged for a moment, or is read now."""
        asked = self._clock.monotonic()
        async with self._reading:
            seq = await self._service.changed(0, 0)
            now = self._clock.monotonic()
            same = seq == self._seq and now - self._began < PACE / 2
            if self._found is None or not (same or self._began > asked):
                self._began, self._seq = now, seq
                self._found = None  # a reading that fails leaves nothing behind
                self._found = await ask()
            return self._found


def no_such_case() -> ProblemError:
    """There is no such case."""
    return ProblemError(404, "no-such-case", "没有这个案件。There is no such case.")
