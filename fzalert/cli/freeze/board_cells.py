"""The board as short texts that fit into 80 columns; clocks run by the due time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from fzalert.cli.top.cells import Cell, Column, Row
from fzalert.service.freeze_models import BoardRow, CaseView, MeasureView
from fzalert.web.freeze_words import STATES, deadline_words
from fzalert.web.words import Badge
from fzalert.web.writing import when

__all__ = ["COLUMNS", "case_lines", "clock_of", "detail_of", "head_of", "rows_of"]

COLUMNS = (
    Column("倒计时", 12, right=True),
    Column("状态", 14),
    Column("机构", 12),
    Column("账号", 9),
    Column("金额", 12, right=True),
    Column("下一步", 14),
)
_UNKNOWN = Badge("quiet", "○", "–", "")
_SOON = 3600
_FINAL = {"released", "expired", "returned", "cancelled"}


def clock_of(measure: MeasureView, now: datetime) -> Cell:
    """What is left until the next deadline, or how long it is over; a final one has no clock."""
    due = measure.next.due_at
    if due is None or measure.state in _FINAL:
        return Cell("–", "quiet")
    seconds = int((due - now).total_seconds())
    size = abs(seconds)
    hours, rest = divmod(size, 3600)
    text = f"{rest // 60:02}:{rest % 60:02}"
    if hours:
        text = f"{hours}:{text}"
    if hours >= 96:
        text = f"{hours // 24} 天"
    if seconds < 0:
        return Cell(f"▲逾{text}", "bad")
    return Cell(text, "warn" if seconds < _SOON else "ok")


def rows_of(board: Sequence[BoardRow], now: datetime) -> tuple[Row, ...]:
    """Every measure, the most urgent first as the service sorts them."""
    return tuple(_row(one, now) for one in board)


def _row(one: BoardRow, now: datetime) -> Row:
    measure = one.measure
    badge = STATES.get(measure.state, _UNKNOWN)
    number = measure.account
    short = f"{number[:4]}…{number[-4:]}" if len(number) > 9 else number
    return Row(
        f"{one.case}/{measure.id}",
        (
            clock_of(measure, now),
            Cell(f"{badge.sign} {badge.zh}", badge.tone),
            Cell(measure.institution),
            Cell(short),
            Cell(f"{measure.amount:,.2f}"),
            Cell(measure.next.zh or "–"),
        ),
    )


def head_of(board: Sequence[BoardRow], now: datetime, at: str) -> Cell:
    """One line: how many, how many are late."""
    clocks = [clock_of(one.measure, now) for one in board]
    late = sum(clock.tone == "bad" for clock in clocks)
    if not board:
        return Cell(f"● 没有进行中的措施 nothing open  {at}", "ok")
    if late:
        return Cell(f"■ {late} 项逾时 overdue，共 {len(board)} 项 open  {at}", "bad")
    return Cell(f"● 共 {len(board)} 项 open，没有逾时  {at}", "ok")


def detail_of(one: BoardRow) -> tuple[Cell, Cell]:
    """Two lines about the chosen measure: what it is, and what to do until when."""
    measure = one.measure
    badge = STATES.get(measure.state, _UNKNOWN)
    first = f"{badge.sign} {one.report} {measure.account} {measure.holder} {badge.zh} {badge.en}"
    zh, en = deadline_words(measure.next.deadline)
    due = f"{zh} {en} {when(measure.next.due_at)}：" if measure.next.due_at is not None else ""
    return Cell(first, badge.tone), Cell(f"{due}{measure.next.zh} {measure.next.en}".strip())


def case_lines(case: CaseView, now: datetime) -> Iterator[Cell]:
    """A whole case, masked."""
    yield Cell(f"案件 {case.id}  警情 {case.report}  {when(case.reported_at)}")
    filed = f"立案 {case.case_number}" if case.case_number else "▲ 未立案 not filed"
    yield Cell(f"受害人 {case.victim}  {case.unit}  {filed}")
    for measure in case.measures:
        badge = STATES.get(measure.state, _UNKNOWN)
        yield Cell("")
        yield Cell(
            f"{badge.sign} {measure.institution} {measure.account} {measure.holder}"
            f" {measure.amount:,.2f}",
            badge.tone,
        )
        clock = clock_of(measure, now)
        yield Cell(f"  {badge.zh} {badge.en} · {clock.text} · {measure.next.zh}", clock.tone)
        if measure.frozen is not None:
            yield Cell(f"  冻结 frozen {measure.frozen:,.2f}")
