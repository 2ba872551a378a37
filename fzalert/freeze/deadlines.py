"""What falls due when, computed from a case alone: so it can be stored, compared and recovered.

`due` gives every deadline that a case has now. The store keeps them; whoever runs them compares the
stored ones with these after each change, and asks `command_for` what a fired one leads to. Hours
run through weekends and holidays; only a bank's time to pay back counts working days.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from fzalert.freeze.commands import Authority, Command, Escalate, Expire, Remind
from fzalert.freeze.ladder import LadderName, next_step, next_time
from fzalert.freeze.model import (
    FreezeCase,
    FreezeMode,
    Instruction,
    InstructionKind,
    Measure,
    MeasureState,
    Stage,
)
from fzalert.freeze.policy import Policy
from fzalert.freeze.values import AttachmentType, legal_day

__all__ = ["Due", "DueKind", "command_for", "due", "working_days_after"]


class DueKind(enum.StrEnum):
    """What a deadline is about."""

    ENTRY = "entry"
    FIRST_DISPATCH = "first-dispatch"
    ACKNOWLEDGE = "acknowledge"
    RESULT = "result"
    STOP_EXPIRY = "stop-expiry"
    FREEZE_EXPIRY = "freeze-expiry"
    RENEWAL = "renewal"
    UNVERIFIED = "unverified"
    SORT_WHOLE = "sort-whole"
    SORT_WHOLE_LAST = "sort-whole-last"
    IRRELEVANT = "irrelevant"
    OTHER_PREFECTURE = "other-prefecture"
    RETURN = "return"


class Due(NamedTuple):
    """One deadline.

    Attributes:
        measure: Which measure.
        kind: What it is about.
        name: Unique in the measure: kind, and for a reminder or rung which one.
        due_at: When it fires.
        base_at: The deadline itself, where this is a reminder of it.
        application_id: The instruction that it is about, or empty.
        step: Rung of the ladder, 1 for the first; 0 elsewhere.
        reminder: Whether it reminds only.
    """

    measure: str
    kind: DueKind
    name: str
    due_at: datetime
    base_at: datetime
    application_id: str = ""
    step: int = 0
    reminder: bool = False


def due(case: FreezeCase, policy: Policy) -> tuple[Due, ...]:
    """Every deadline of a case, soonest first; those of ended measures are gone."""
    found: list[Due] = []
    for measure in case.measures.values():
        if not measure.is_final:
            found.extend(_of_measure(case, measure, policy))
    found.extend(_of_prefectures(case, policy))
    return tuple(sorted(found, key=lambda one: (one.due_at, one.measure, one.name)))


def command_for(one: Due, by: Authority) -> Command:
    """What a fired deadline asks of its case."""
    if one.kind in {DueKind.ACKNOWLEDGE, DueKind.RESULT} and not one.reminder:
        ladder: LadderName = "acknowledge" if one.kind is DueKind.ACKNOWLEDGE else "result"
        return Escalate(by, one.measure, one.application_id, one.step, one.due_at, ladder)
    if one.kind in {DueKind.STOP_EXPIRY, DueKind.FREEZE_EXPIRY} and not one.reminder:
        return Expire(by, one.measure, one.due_at)
    return Remind(by, one.measure, one.name, one.due_at)


def working_days_after(start: date, days: int) -> date:
    """The day that lies a number of working days after another, by the official calendar.

    Beyond the years that the calendar knows, Monday to Friday count.
    """
    import chinese_calendar

    day = start
    left = days
    while left > 0:
        day += timedelta(days=1)
        try:
            working = chinese_calendar.is_workday(day)
        except NotImplementedError:
            working = day.weekday() < 5
        left -= working
    return day


def _of_measure(case: FreezeCase, measure: Measure, policy: Policy) -> Iterator[Due]:
    current = measure.current
    if measure.state is MeasureState.DRAFT and measure.stop_no == 0:
        entry = case.report.at + timedelta(minutes=policy.limit("entry_minutes"))
        yield from _with_reminders(measure, DueKind.ENTRY, entry, policy)
    if current is not None:
        yield from _of_instruction(measure, current, policy)
    if measure.expires_at is not None:
        frozen = measure.frozen is not None and measure.state is not MeasureState.STOPPED
        kind = DueKind.FREEZE_EXPIRY if frozen else DueKind.STOP_EXPIRY
        yield from _with_reminders(measure, kind, measure.expires_at, policy)
        if frozen:
            yield from _of_freeze(measure, measure.expires_at, policy)
    if measure.irrelevant_at is not None:
        lift = measure.irrelevant_at + timedelta(days=policy.limit("irrelevant_days"))
        yield from _with_reminders(measure, DueKind.IRRELEVANT, lift, policy)
    if measure.mode is FreezeMode.WHOLE and measure.started_at is not None:
        sort = measure.started_at + relativedelta(months=policy.limit("whole_sort_months"))
        yield from _with_reminders(measure, DueKind.SORT_WHOLE, sort, policy)
        last = measure.started_at + relativedelta(months=policy.limit("whole_sort_months_max"))
        yield from _with_reminders(measure, DueKind.SORT_WHOLE_LAST, last, policy)


def _of_freeze(measure: Measure, ends: datetime, policy: Policy) -> Iterator[Due]:
    """Two days that a person is told of; neither ends anything by itself."""
    last = ends - timedelta(days=policy.limit("renew_days_before"))
    yield Due(measure.id, DueKind.RENEWAL, DueKind.RENEWAL, last, ends, reminder=True)
    if measure.state is not MeasureState.QUEUED and measure.started_at is not None:
        at = measure.started_at + relativedelta(months=policy.limit("unverified_months"))
        yield Due(measure.id, DueKind.UNVERIFIED, DueKind.UNVERIFIED, at, at, reminder=True)


def _of_prefectures(case: FreezeCase, policy: Policy) -> Iterator[Due]:
    """The written notice that the police of another prefecture is owed.

    It is owed once more than so many accounts, or more than so much money, are frozen there; the
    days count from the freeze with which that came about. Each notice that lies among the
    documents of the case is that of the prefecture which was owed one first.
    """
    ours = "" if case.duty is None else case.duty.prefecture
    held: dict[str, list[tuple[datetime, Measure]]] = {}
    for measure in case.measures.values():
        away = measure.prefecture and measure.prefecture != ours
        frozen = measure.frozen is not None and not measure.is_final
        if ours and away and frozen and measure.started_at is not None:
            held.setdefault(measure.prefecture, []).append((measure.started_at, measure))
    owed: list[tuple[datetime, str, Measure]] = []
    for prefecture, some in sorted(held.items()):
        money = Decimal(0)
        for count, (at, measure) in enumerate(sorted(some, key=lambda one: one[0]), 1):
            money += measure.frozen or Decimal(0)
            many = count > policy.limit("other_prefecture_accounts")
            if many or money * 100 > policy.limit("other_prefecture_fen"):
                told = at + timedelta(days=policy.limit("other_prefecture_days"))
                owed.append((told, prefecture, measure))
                break
    notice = AttachmentType.PREFECTURE_NOTICE
    given = sum(one.type is notice for one in case.attachments)
    for told, prefecture, measure in sorted(owed, key=lambda one: one[:2])[given:]:
        for one in _with_reminders(measure, DueKind.OTHER_PREFECTURE, told, policy):
            yield one._replace(name=f"{one.name}-{prefecture}")


def _of_instruction(measure: Measure, current: Instruction, policy: Policy) -> Iterator[Due]:
    if current.stage is Stage.APPROVED and current.approved_at is not None:
        first = current.approved_at + timedelta(seconds=policy.limit("first_dispatch_seconds"))
        yield Due(measure.id, DueKind.FIRST_DISPATCH, "first-dispatch", first, first, current.id)
    if current.sent_at is None:
        return
    ladders: tuple[tuple[LadderName, DueKind], ...] = (
        ("acknowledge", DueKind.ACKNOWLEDGE),
        ("result", DueKind.RESULT),
    )
    for ladder, kind in ladders:
        at = next_time(current, ladder, policy)
        step = next_step(current, ladder)
        if at is not None:
            yield Due(measure.id, kind, f"{kind}-{step}", at, at, current.id, step)
    if current.kind is InstructionKind.RETURN:
        day = working_days_after(legal_day(current.sent_at), policy.limit("return_working_days"))
        left = timedelta(days=(day - legal_day(current.sent_at)).days)
        back = current.sent_at + left
        yield Due(measure.id, DueKind.RETURN, "return", back, back, current.id)


def _with_reminders(measure: Measure, kind: DueKind, at: datetime, policy: Policy) -> Iterator[Due]:
    for minutes in policy.reminders.get(kind, ()):
        name = f"{kind}-{minutes}m"
        early = at - timedelta(minutes=minutes)
        yield Due(measure.id, kind, name, early, at, reminder=True)
    yield Due(measure.id, kind, str(kind), at, at)
