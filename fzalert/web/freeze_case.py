"""The page of one case: measures, legal check, the way of the money, documents, what happened.

What shows personal data (a reveal, a paper, a bundle) is a form of its own: it takes somebody who
has just proved who he is, stands on record before it is shown, and is kept by no browser.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fzalert.access import Actor
from fzalert.errors import AccessDenied
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_models import CaseView, CheckView, EventView, MeasureView, TraceView
from fzalert.web import freeze_words as words
from fzalert.web.freeze_acts import Act, acts_of, case_acts, primary_act
from fzalert.web.freeze_board import Clock, clock_of_measure, totals
from fzalert.web.freeze_desk import BOARD, Desk, Live, case_path
from fzalert.web.freeze_forms import read_form
from fzalert.web.problems import ProblemError
from fzalert.web.words import Badge
from fzalert.web.writing import when

__all__ = ["CasePages"]

_CASE = f"{BOARD}/case/{{id}}"
_PAPERS = (
    ("instruction", "文书", "paper"),
    ("pre_alert", "预警通知（不具止付效力）", "pre-alert, binds nobody"),
    ("owner_notice", "告知账户所有人", "owner's notice"),
)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event in words."""

    version: int
    at: str
    by: str
    measure: str
    zh: str
    en: str
    facts: Sequence[tuple[str, str]]
    tone: str


@dataclass(frozen=True, slots=True)
class Card:
    """One measure of the page.

    Attributes:
        last: What was said of it last: by whom, over which channel, with which evidence.
    """

    view: MeasureView
    badge: Badge
    clock: Clock
    account: str
    flags: Sequence[str]
    main: Act | None
    acts: Sequence[Act]
    check: CheckView
    estimate: Decimal | None
    last: Happening | None
    children: list[Card] = field(default_factory=list)


class CasePages:
    """The page of a case, its stream, and what may be taken out of it.

    Args:
        desk: The door.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """The routes of the page."""
        return [
            Route(_CASE, self._page, methods=["GET"]),
            Route(f"{_CASE}/events", self._events, methods=["GET"]),
            Route(f"{_CASE}/case/reveal", self._reveal, methods=["POST"]),
            Route(f"{_CASE}/case/bundle", self._bundle, methods=["POST"]),
            Route(f"{_CASE}/{{measure}}/paper", self._paper, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        actor = await self._desk.reader(request)
        if isinstance(actor, Response):
            return actor
        values = await self._values(request.path_params["id"], actor)
        done = request.query_params.get("done", "")
        return self._desk.draw(request, "case", actor, done=done, **values)

    async def _events(self, request: Request) -> Response:
        actor = await self._desk.reader(request)
        if isinstance(actor, Response):
            return actor
        case = request.path_params["id"]

        async def look() -> Live:
            view = await self._desk.case(case, actor)
            tones = tuple(words.tone_of(measure) for measure in view.measures)
            nexts = tuple(measure.next.deadline for measure in view.measures)
            values = await self._values(case, actor)
            return Live(
                (view.version, tones, nexts),
                lambda: self._desk.render("freeze/case_live.html", actor=actor, **values),
            )

        return self._desk.stream(request, look)

    async def _values(self, case: str, actor: Actor) -> dict[str, Any]:
        view = await self._desk.case(case, actor)
        now = self._desk.clock.now()
        trace = (await self._desk.ask(asks.TraceAsk(case=view.id), actor)).trace
        history = await self._desk.ask(asks.HistoryAsk(case=view.id), actor)
        cards = []
        for measure in view.measures:
            check = asks.CheckAsk(case=view.id, measure=measure.id)
            found = (await self._desk.ask(check, actor)).check or CheckView()
            cards.append(
                Card(
                    view=measure,
                    badge=words.STATES[measure.state],
                    clock=clock_of_measure(measure, now),
                    account=words.account_groups(measure.account),
                    flags=[words.flag_words(flag) for flag in measure.flags],
                    main=primary_act(measure),
                    acts=acts_of(measure),
                    check=found,
                    estimate=_estimate(measure, view, trace),
                    last=_last(measure, history.events),
                )
            )
        return {
            "case": view,
            "cards": cards,
            "tree": _tree(cards),
            "trace": trace,
            "totals": totals(view.measures),
            "ready": _ready(cards),
            "history": [_happening(event) for event in reversed(history.events)],
            "documents": [
                (words.DOCUMENTS.get(one.type, (one.type, "")), one) for one in view.documents
            ],
            "case_acts": case_acts(),
            "papers": _PAPERS,
            "calls": words.CALLS,
            "reported_at": when(view.reported_at),
            "opened_at": when(view.opened_at),
            "now_ms": int(now.timestamp() * 1000),
            "as_of": when(now),
        }

    async def _reveal(self, request: Request) -> Response:
        actor = await self._desk.writer(request, reads_only=True)
        case = request.path_params["id"]
        try:
            view = await self._desk.case(case, actor, reveal=True)
        except AccessDenied:
            return _to_prove(case)
        measures = [(one, words.account_groups(one.account)) for one in view.measures]
        return self._desk.draw(
            request,
            "revealed",
            actor,
            case=view,
            measures=measures,
            until=when(self._desk.clock.now()),
        )

    async def _paper(self, request: Request) -> Response:
        actor = await self._desk.writer(request, reads_only=True)
        form = await read_form(request)
        case, kind = request.path_params["id"], form.first("paper", "instruction")
        if kind not in {name for name, _, _ in _PAPERS}:
            raise ProblemError(422, "invalid", "没有这种文书。There is no such paper.")
        view = await self._desk.case(case, actor)
        wanted = request.path_params["measure"]
        if all(one.id != wanted for one in view.measures):
            raise ProblemError(404, "no-such-measure", "没有这个措施。There is no such measure.")
        ask = asks.PaperAsk.model_validate({"case": case, "measure": wanted, "paper": kind})
        return await self._taken(ask, actor, "application/pdf")

    async def _bundle(self, request: Request) -> Response:
        actor = await self._desk.writer(request, reads_only=True)
        case = (await self._desk.case(request.path_params["id"], actor)).id
        return await self._taken(asks.BundleAsk(case=case), actor, "application/zip")

    async def _taken(
        self, ask: asks.PaperAsk | asks.BundleAsk, actor: Actor, media_type: str
    ) -> Response:
        try:
            (file,) = (await self._desk.ask(ask, actor)).files
        except AccessDenied:
            return _to_prove(ask.case)
        headers = {"content-disposition": f'attachment; filename="{file.name}"'}
        return Response(base64.b64decode(file.data), headers=headers, media_type=media_type)


def _to_prove(case: str) -> Response:
    """The way to prove the identity anew, and back to the case."""
    return RedirectResponse(f"/prove?next={case_path(case)}", status_code=303)


def _ready(cards: Sequence[Card]) -> list[tuple[Act, int]]:
    """Acts that may be done to several measures at once, and to how many."""
    counts: dict[str, tuple[Act, int]] = {}
    for card in cards:
        if card.main is not None and card.main.several:
            known = counts.get(card.main.name, (card.main, 0))[1]
            counts[card.main.name] = (card.main, known + 1)
    return [found for found in counts.values() if found[1] > 1]


def _tree(cards: Sequence[Card]) -> list[Card]:
    """The measures as a tree: each under the one that its money came from."""
    by_id = {card.view.id: card for card in cards}
    roots: list[Card] = []
    for card in cards:
        parent = by_id.get(card.view.parent)
        (roots if parent is None else parent.children).append(card)
    return roots


def _estimate(measure: MeasureView, case: CaseView, trace: Sequence[TraceView]) -> Decimal | None:
    """What came to an account of the case's money by the trace; None where two look alike."""
    if sum(one.account == measure.account for one in case.measures) > 1:
        return None
    parts = [edge.estimate for edge in trace if edge.target == measure.account]
    return sum(parts, Decimal(0)) if parts else None


def _last(measure: MeasureView, history: Sequence[EventView]) -> Happening | None:
    """The last event that moved a measure: who says that it stands where it stands."""
    for event in reversed(history):
        if event.measure == measure.id and event.event.startswith(("instruction.", "measure.")):
            return _happening(event)
    return None


def _happening(event: EventView) -> Happening:
    zh, en = words.event_words(event.event)
    kind, _, name = event.by.partition(":")
    tone = {
        "case.refused": "bad",
        "instruction.rejected": "bad",
        "deadline.escalated": "warn",
        "deadline.reminded": "warn",
        "instruction.answered": "ok",
        "instruction.approved": "ok",
    }.get(event.event, "")
    return Happening(
        event.version,
        when(event.at),
        name if kind == "user" else f"系统 {name}".strip() if kind == "machine" else event.by,
        event.measure,
        zh,
        en,
        words.fact_words(event, when),
        tone,
    )
