"""The board: every open measure with its clock, the most urgent first, and what to decide next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fzalert.access import Actor
from fzalert.service.freeze_models import BoardAsk, BoardRow, MeasureView
from fzalert.web import freeze_words as words
from fzalert.web.freeze_acts import Act, primary_act
from fzalert.web.freeze_desk import BOARD, Desk, Live, Shared, case_path
from fzalert.web.words import Badge
from fzalert.web.writing import clock_of, when

__all__ = ["BoardPages", "Clock", "Row", "Totals", "clock_of_measure"]

MOST_ROWS = 200
"""Rows of a page; the most urgent stand on it, and the search finds the others."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_HELD = frozenset(
    {
        *("stopped", "freeze_draft", "freeze_approved", "freeze_sent"),
        *("frozen", "release_sent", "returning"),
    }
)
"""States in which money is held."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a measure.

    Attributes:
        due: Milliseconds since 1970 at which it ends, or None: it has none.
        text: What is left, written by the server.
        zh: What ends, in Chinese.
        en: The same in English.
        at: When.
        tone: ok, warn, bad or quiet.
    """

    due: int | None
    text: str
    zh: str
    en: str
    at: str
    tone: str


@dataclass(frozen=True, slots=True)
class Row:
    """One measure on the board."""

    view: BoardRow
    badge: Badge
    clock: Clock
    account: str
    flags: Sequence[str]
    act: Act | None
    label: tuple[str, str]
    href: str
    case_href: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Money over all open measures.

    Attributes:
        asked: What flowed into their accounts.
        held: Of it, what is stopped or frozen, never more than the account had.
        late: Measures whose clock is over.
        measures: How many measures.
    """

    asked: Decimal
    held: Decimal
    late: int
    measures: int

    @property
    def share(self) -> str:
        """What part of the asked money is held."""
        return f"{self.held / self.asked:.0%}" if self.asked else "–"


def clock_of_measure(measure: MeasureView, now: datetime) -> Clock:
    """The clock of a measure as the server sees it."""
    due = measure.next.due_at
    if due is None:
        waits = primary_act(measure) is not None
        text, zh, en = ("待办", "等人处理", "waits for a person") if waits else ("–", "", "")
        return Clock(None, text, zh, en, "", words.STATES[measure.state].tone)
    zh, en = words.deadline_words(measure.next.deadline)
    return Clock(
        int(due.timestamp() * 1000),
        words.clock_text(int((due - now).total_seconds())),
        zh,
        en,
        clock_of(due, now),
        words.tone_of(measure),
    )


def held_of(measure: MeasureView) -> Decimal:
    """What is held of a measure's money: the frozen sum, or what flowed in and is still there."""
    if measure.state not in _HELD:
        return Decimal(0)
    if measure.frozen is not None:
        return measure.frozen
    return measure.amount if measure.balance is None else min(measure.amount, measure.balance)


def totals(measures: Sequence[MeasureView]) -> Totals:
    """Add measures up; an account of a further level holds money that was counted above it."""
    first = [one for one in measures if one.level == 1]
    return Totals(
        sum((one.amount for one in first), Decimal(0)),
        sum((held_of(one) for one in measures), Decimal(0)),
        sum((one.next.seconds or 0) < 0 for one in measures),
        len(measures),
    )


class BoardPages:
    """The board and its stream.

    Args:
        desk: The door.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shared = Shared(desk.service, desk.clock)

    def routes(self) -> Sequence[Route]:
        """The routes of the board."""
        return [
            Route(BOARD, self._board, methods=["GET"]),
            Route(f"{BOARD}/events", self._events, methods=["GET"]),
        ]

    async def _board(self, request: Request) -> Response:
        actor = await self._desk.reader(request)
        if isinstance(actor, Response):
            return actor
        search = _search(request)
        rows = await self._rows(actor, search)
        return self._desk.draw(request, "board", actor, **self._values(rows, search))

    async def _events(self, request: Request) -> Response:
        actor = await self._desk.reader(request)
        if isinstance(actor, Response):
            return actor
        search = _search(request)

        async def look() -> Live:
            rows = await self._rows(actor, search)
            return Live(
                _key(rows),
                lambda: self._desk.render("freeze/board_live.html", **self._values(rows, search)),
            )

        return self._desk.stream(request, look)

    async def _rows(self, actor: Actor, search: str) -> list[BoardRow]:
        """The rows that a search finds; the same reading serves all who look at the same time."""
        found = await self._shared.read(lambda: self._desk.ask(BoardAsk(), actor))
        return [row for row in found.board if _matches(row, search)]

    def _values(self, rows: Sequence[BoardRow], search: str) -> dict[str, Any]:
        now = self._desk.clock.now()
        # What waits for one of us has no clock of the law, and is not left at the end for that.
        first = sorted(rows, key=lambda row: _urgency(row.measure, now))
        return {
            "rows": [_row(row, now) for row in first[:MOST_ROWS]],
            "more": max(0, len(rows) - MOST_ROWS),
            "totals": totals([row.measure for row in rows]),
            "search": search,
            "now_ms": int(now.timestamp() * 1000),
            "as_of": when(now)[6:],
        }


def _row(row: BoardRow, now: datetime) -> Row:
    measure = row.measure
    act = primary_act(measure)
    return Row(
        view=row,
        badge=words.STATES[measure.state],
        clock=clock_of_measure(measure, now),
        account=words.account_groups(measure.account),
        flags=[words.flag_words(flag) for flag in measure.flags],
        act=act,
        label=("查看", "look at it") if act is None else act.label(measure.kind),
        href=case_path(row.case, measure.id, act.name)
        if act is not None
        else f"{case_path(row.case)}#{measure.id}",
        case_href=case_path(row.case),
    )


def _urgency(measure: MeasureView, now: datetime) -> datetime:
    """When a measure has to be looked at: its deadline, or now where it waits for a person."""
    if measure.next.due_at is not None:
        return measure.next.due_at
    return _NEVER if primary_act(measure) is None else now


def _key(rows: Sequence[BoardRow]) -> object:
    """Equal for equal rows, however late it is: a clock that runs is no news."""
    return tuple(
        (
            row.case,
            measure.id,
            measure.state,
            measure.stage,
            measure.next.deadline,
            measure.next.due_at,
            words.tone_of(measure),
            measure.amount,
            measure.frozen,
            measure.balance,
            tuple(measure.flags),
            sum(task.is_open for task in measure.tasks),
        )
        for row in rows
        for measure in [row.measure]
    )


def _search(request: Request) -> str:
    return request.query_params.get("q", "").strip()[:40]


def _matches(row: BoardRow, search: str) -> bool:
    """Whether a row is meant: by report, case, institution, or the end of its account."""
    if not search:
        return True
    wanted = search.casefold()
    measure = row.measure
    texts = (row.report, row.case, measure.institution, words.STATES[measure.state].zh)
    return any(wanted in text.casefold() for text in texts) or (
        len(search) >= 2 and measure.account.endswith(search[-4:])
    )
