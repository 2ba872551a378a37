"""The page where a person settles what stays unknown: look, choose, confirm the number, done.

Every step is a plain form, so it is whole without a script and with the keyboard alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fzalert.access import Actor
from fzalert.service.api import DaemonApi
from fzalert.service.core import MAY_SETTLE
from fzalert.service.models import SettleRequest, UnknownRequest, UnknownView
from fzalert.web.bodies import read_body, require_media_type
from fzalert.web.guard import Guard
from fzalert.web.problems import ProblemError, from_validation
from fzalert.web.words import KINDS, LANES, LAST_WORDS, Badge
from fzalert.web.writing import when

__all__ = ["UnknownPages"]

PATH = "/unknown"
PAGE = 50
_FORM = "application/x-www-form-urlencoded"
_LONGEST_FORM = 32_768

DECISIONS: Mapping[str, Badge] = {
    "delivered": Badge("ok", "●", "认定已送达", "it arrived"),
    "not_delivered": Badge("bad", "■", "认定没有送到", "it did not arrive"),
    "send_again": Badge(
        "warn", "▲", "再发一次，对方可能收到两条", "send once more; it may come twice"
    ),
}

Draw = Callable[..., Response]
Reader = Callable[[Request], Awaitable[Actor | Response | None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One message of the page."""

    view: UnknownView
    kind: str
    address: str
    lane: str
    word: str
    since: str
    until: str
    resend_at: str


class UnknownPages:
    """The list, the confirmation and the act.

    Args:
        service: What is shown and asked.
        guard: Who may act.
        draw: Renders a template for a request.
        reader: Who reads a page, or the way to the login.
    """

    def __init__(self, service: DaemonApi, guard: Guard, draw: Draw, reader: Reader) -> None:
        self._service = service
        self._guard = guard
        self._draw = draw
        self._reader = reader

    def routes(self) -> Sequence[Route]:
        """The routes of the page."""
        return [
            Route(PATH, self._list, methods=["GET"]),
            Route(f"{PATH}/confirm", self._confirm, methods=["POST"]),
            Route(f"{PATH}/settle", self._settle, methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        actor = await self._reader(request)
        if isinstance(actor, Response):
            return actor
        asked = _query(request)
        page = await self._service.unknown(asked)
        status = await self._service.status()
        campaigns = await self._service.campaigns()
        more = {"channel": asked.channel, "campaign": asked.campaign, "after": page.next}
        return self._draw(
            request,
            "unknown.html",
            actor=actor,
            may_settle=_may(actor),
            rows=[_row(view) for view in page.items],
            total=page.total,
            asked=asked,
            channels=[channel.name for channel in status.channels],
            campaigns={view.id: view.name for view in campaigns},
            next=f"{PATH}?{urlencode({k: v for k, v in more.items() if v})}" if page.next else "",
            decisions=DECISIONS,
            done=_figure(request, "done"),
            of=_figure(request, "of"),
        )

    async def _confirm(self, request: Request) -> Response:
        actor, form = await self._form(request)
        chosen = form.get("message", [])
        decision = form.get("decision", [""])[0]
        reason = form.get("reason", [""])[0].strip()
        faults = []
        if not chosen:
            faults.append("请先选择消息。Choose messages first.")
        if decision not in DECISIONS:
            faults.append("请选择怎样处理。Choose what to decide.")
        if not 2 <= len(reason) <= 200:
            faults.append("请写明依据，2 至 200 字。Say why, in 2 to 200 characters.")
        return self._draw(
            request,
            "unknown_confirm.html",
            status=422 if faults else 200,
            actor=actor,
            faults=faults,
            chosen=chosen,
            decision=decision,
            badge=DECISIONS.get(decision),
            reason=reason,
        )

    async def _settle(self, request: Request) -> Response:
        actor, form = await self._form(request)
        chosen = form.get("message", [])
        try:
            wanted = SettleRequest.model_validate(
                {
                    "messages": chosen,
                    "decision": form.get("decision", [""])[0],
                    "reason": form.get("reason", [""])[0].strip(),
                    "count": form.get("count", [""])[0],
                }
            )
        except ValidationError as error:
            raise from_validation(error) from None
        done = await self._service.settle_unknown(wanted, actor)
        told = urlencode({"done": done.settled, "of": len(done.items)})
        return RedirectResponse(f"{PATH}?{told}", status_code=303)

    async def _form(self, request: Request) -> tuple[Actor, Mapping[str, list[str]]]:
        """Read a form of somebody who may act. Raises `ProblemError`."""
        actor = await self._guard.staff(request, reads_only=False)
        if actor is None or not _may(actor):
            wanted = ", ".join(MAY_SETTLE)
            raise ProblemError(
                403, "access-denied", f"您的角色不能这样做。This needs one of the roles: {wanted}."
            )
        require_media_type(request, _FORM)
        raw = await read_body(request, _LONGEST_FORM)
        try:
            return actor, parse_qs(raw.decode("utf-8"), max_num_fields=600)
        except ValueError:
            raise ProblemError(422, "invalid", "The form cannot be read.") from None


def _may(actor: Actor | None) -> bool:
    return actor is not None and not actor.roles.isdisjoint(MAY_SETTLE)


def _query(request: Request) -> UnknownRequest:
    names = ("channel", "campaign", "after")
    given = {name: request.query_params.get(name, "") for name in names}
    try:
        return UnknownRequest.model_validate({**given, "limit": PAGE})
    except ValidationError as error:
        raise from_validation(error, parameters=True) from None


def _figure(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 6 else None


def _row(view: UnknownView) -> Row:
    kind, _, address = view.target.partition(":")
    return Row(
        view=view,
        kind=KINDS.get(kind, kind),
        address=address,
        lane=LANES.get(view.lane, view.lane),
        word=LAST_WORDS.get(view.word, view.word),
        since=when(view.since),
        until=when(view.not_after),
        resend_at=when(view.resend_at) if view.resend_at else "",
    )
