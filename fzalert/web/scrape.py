"""Who may read `/metrics`: everybody on this machine itself, elsewhere a viewer or an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fzalert.access import Role
from fzalert.service.api import ServiceApi
from fzalert.web.guard import Guard
from fzalert.web.problems import ProblemError
from fzalert.web.watch import Watch

if TYPE_CHECKING:
    from fzalert.web.metrics import Metrics

__all__ = ["Scrape"]

MAY_SCRAPE = frozenset({Role.VIEWER, Role.ADMIN})


class Scrape:
    """Answers a scrape.

    Args:
        service: Gives the figures.
        guard: Knows who asks.
        watch: Knows since when channels are in their state.
    """

    def __init__(self, service: ServiceApi, guard: Guard, watch: Watch) -> None:
        self._service = service
        self._guard = guard
        self._watch = watch
        self._metrics: Metrics | None = None

    def route(self) -> Route:
        """The one route."""
        return Route("/metrics", self._answer, methods=["GET"])

    async def _answer(self, request: Request) -> Response:
        if "authorization" in request.headers or not self._guard.is_open(request):
            actor = await self._guard.bearer(request)
            if MAY_SCRAPE.isdisjoint(actor.roles):
                needed = "您的角色不能这样做。This needs the role viewer or admin."
                raise ProblemError(403, "access-denied", needed)
        metrics = self._load()
        status = await self._service.status()
        text, media_type = metrics.text(status, request.headers.get("accept", ""))
        return Response(text, headers={"content-type": media_type})

    def _load(self) -> Metrics:
        if self._metrics is None:
            try:
                from fzalert.web.metrics import Metrics
            except ModuleNotFoundError:
                how = "缺少组件。Install it: pip install 'fzalert[metrics]'"
                raise ProblemError(501, "not-installed", how) from None
            self._metrics = Metrics(self._watch)
        return self._metrics
