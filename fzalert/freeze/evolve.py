"""How a case stands after one more event: total, pure, and the only way that state changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import singledispatch

from fzalert.freeze import events as e
from fzalert.freeze.model import (
    Allocation,
    FreezeCase,
    Instruction,
    InstructionKind,
    Measure,
    MeasureState,
    Rung,
    Stage,
    Task,
    Terms,
)
from fzalert.freeze.results import Outcome, Receipt, result_of

__all__ = ["evolve", "replay"]

_STOP_KINDS = frozenset({InstructionKind.STOP, InstructionKind.EXTEND})
_GOOD = frozenset({Outcome.DONE, Outcome.PARTIAL})
_SETTLED = frozenset({MeasureState.RELEASED, MeasureState.RETURNED})
"""Ended by an institution's own answer: an older answer opens nothing again."""
_BEYOND_STOP = frozenset(
    {
        MeasureState.FREEZE_DRAFT,
        MeasureState.FREEZE_APPROVED,
        MeasureState.FREEZE_SENT,
        MeasureState.FROZEN,
        MeasureState.QUEUED,
        MeasureState.RELEASE_SENT,
        MeasureState.RETURNING,
    }
)
_REMINDED = {"renewal": "renewal-due", "unverified": "unverified"}
"""Deadlines that passed, and the flag that stays until the freeze is renewed."""
_OVER = "period over, deemed released until the institution confirms"
_PREPARED = {
    InstructionKind.STOP: MeasureState.REVIEW,
    InstructionKind.FREEZE: MeasureState.FREEZE_DRAFT,
}
_APPROVED = {
    InstructionKind.STOP: MeasureState.APPROVED,
    InstructionKind.FREEZE: MeasureState.FREEZE_APPROVED,
}
_SENT = {
    InstructionKind.STOP: MeasureState.SENT,
    InstructionKind.FREEZE: MeasureState.FREEZE_SENT,
    InstructionKind.RELEASE: MeasureState.RELEASE_SENT,
    InstructionKind.RETURN: MeasureState.RETURNING,
}


def replay(events: Iterable[e.Event], case_id: str, stop: timedelta) -> FreezeCase | None:
    """The case that a stream of events tells, or None for an empty one.

    Args:
        events: In order.
        case_id: The case's id.
        stop: How long a stop holds, from the policy in force.
    """
    case: FreezeCase | None = None
    for event in events:
        case = evolve(case, event, case_id, stop)
    return case


def evolve(case: FreezeCase | None, event: e.Event, case_id: str, stop: timedelta) -> FreezeCase:
    """The case after one more event.

    Raises:
        ValueError: The stream begins with something else than the opening of a case.
    """
    if isinstance(event, e.CaseOpened):
        return FreezeCase(case_id, event.report, event.victim, event.duty, event.by, event.at)
    if case is None:
        raise ValueError(f"a case begins with case.opened, not with {event.type}")
    after = _apply(event, case, stop)
    return replace(after, version=case.version + 1)


@singledispatch
def _apply(event: object, case: FreezeCase, stop: timedelta) -> FreezeCase:
    """What changes nothing but the record: refusals, repeated answers."""
    del event, stop
    return case


@_apply.register
def _officers(event: e.OfficersNamed, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    return replace(case, officers=event.officers)


@_apply.register
def _duty(event: e.DutySet, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    return replace(case, duty=event.duty)


@_apply.register
def _document(event: e.DocumentAttached, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    return replace(case, attachments=(*case.attachments, event.attachment))


@_apply.register
def _filed(event: e.CaseFiled, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    return replace(case, filing=event.filing)


@_apply.register
def _complaint(event: e.ComplaintRecorded, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    changed = replace(case, complaints=(*case.complaints, event.number))
    return _flag(changed, event.measure, "appeal")


@_apply.register
def _opened(event: e.MeasureOpened, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = Measure(
        event.measure, event.account, event.inflow, event.by, event.at, event.parent, event.level
    )
    return _with(case, measure)


@_apply.register
def _prepared(event: e.InstructionPrepared, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    instruction = Instruction(
        event.id,
        event.kind,
        Stage.REVIEW,
        event.by,
        event.at,
        event.reason,
        _terms(event.terms),
        event.waived,
    )
    state = _PREPARED.get(event.kind, measure.state)
    # What a freeze goes back to where it is rejected or refused.
    held = measure.state if event.kind is InstructionKind.FREEZE else measure.held_from
    return _with(case, replace(measure, current=instruction, state=state, held_from=held))


@_apply.register
def _rejected(event: e.InstructionRejected, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    return _with(case, _put_back(measure, Stage.WITHDRAWN))


@_apply.register
def _approved(event: e.InstructionApproved, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    current = _current(measure)
    approved = replace(
        current,
        stage=Stage.APPROVED,
        approved_by=event.by,
        approved_rank=event.rank,
        approved_at=event.at,
        package_sha256=event.package_sha256,
    )
    state = _APPROVED.get(current.kind, measure.state)
    where = event.prefecture or measure.prefecture
    return _with(case, replace(measure, current=approved, state=state, prefecture=where))


@_apply.register
def _sent(event: e.InstructionSent, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    current = _current(measure)
    over = (*current.sent_over, event.channel)
    if current.sent_at is not None:  # another channel: the clocks run from the first
        return _with(case, replace(measure, current=replace(current, sent_over=over)))
    state = _SENT.get(current.kind, measure.state)
    held = measure.held_from
    if current.kind in {InstructionKind.RELEASE, InstructionKind.RETURN}:
        held = measure.state
    sent = replace(current, stage=Stage.SENT, sent_at=event.at, sent_over=over)
    return _with(case, replace(measure, current=sent, state=state, held_from=held))


@_apply.register
def _acked(event: e.InstructionAcked, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    current = _current(measure)
    state = MeasureState.ACKED if measure.state is MeasureState.SENT else measure.state
    acked = replace(current, stage=Stage.ACKED, acked_at=event.at)
    measure = _relieved(measure, event.id, event.by, event.at, "acknowledged")
    return _with(case, replace(measure, current=acked, state=state))


@_apply.register
def _answered(event: e.Answered, case: FreezeCase, stop: timedelta) -> FreezeCase:
    receipt = event.receipt
    open_ = case.measures[event.measure]
    measure = _relieved(open_, receipt.application_id, event.by, event.at, "answered")
    instruction = measure.instruction(receipt.application_id)
    if instruction is None:
        return case
    noted = replace(
        measure,
        receipts=(*measure.receipts, (receipt.application_id, receipt.code, str(receipt.grade))),
        balance=measure.balance if receipt.balance is None else receipt.balance,
        outflow=_outflow(measure, receipt),
    )
    outcome = result_of(receipt.code).outcome
    good = outcome in _GOOD
    if instruction.stage is Stage.ANSWERED:
        before = result_of(instruction.result).outcome in _GOOD
        if before and not good:
            # In force, says the first answer, and not, says the second: a person has to ask.
            return _with(case, replace(noted, flags=noted.flags | {"contradiction"}))
        if before or not good or noted.state in _SETTLED:
            partial = {"partial"} if outcome is Outcome.PARTIAL else set()
            return _with(case, replace(noted, flags=noted.flags | partial))
    answered = replace(instruction, stage=Stage.ANSWERED, result=receipt.code)
    late = measure.current is None or measure.current.id != instruction.id
    if late:
        past = tuple(answered if one.id == answered.id else one for one in noted.past)
        noted = replace(noted, past=past)
    else:
        noted = replace(noted, current=None, past=(*noted.past, answered))
    if not good:
        return _with(case, noted if late else _failed(noted, instruction, outcome))
    if late:
        noted = _reopened(noted)
    if outcome is Outcome.PARTIAL:
        noted = replace(noted, flags=noted.flags | {"partial"})
    return _with(case, _took_effect(noted, instruction, receipt, event.at, stop))


@_apply.register
def _corrected(event: e.AccountCorrected, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    return _with(
        case,
        replace(
            measure,
            account=event.account,
            inflow=event.inflow,
            state=MeasureState.DRAFT,
            author=event.by,
        ),
    )


@_apply.register
def _irrelevant(event: e.FoundIrrelevant, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    return _with(case, replace(measure, irrelevant_at=measure.irrelevant_at or event.at))


@_apply.register
def _expired(event: e.MeasureExpired, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    measure = _relieved(measure, "", event.by, event.at, "ended")
    past = measure.past
    if measure.current is not None:
        past = (*past, replace(measure.current, stage=_ended_stage(measure.current)))
    return _with(
        case,
        replace(
            measure,
            state=MeasureState.EXPIRED,
            current=None,
            past=past,
            ended=_OVER,
        ),
    )


@_apply.register
def _lapsed(event: e.StopLapsed, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    return _with(case, replace(measure, expires_at=None, flags=measure.flags | {"stop-lapsed"}))


@_apply.register
def _cancelled(event: e.MeasureCancelled, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = _put_back(case.measures[event.measure], Stage.WITHDRAWN)
    measure = _relieved(measure, "", event.by, event.at, "ended")
    return _with(case, replace(measure, state=MeasureState.CANCELLED, ended=event.reason))


@_apply.register
def _escalated(event: e.Escalated, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures.get(event.measure)
    current = None if measure is None else measure.current
    if measure is None or current is None or current.id != event.id:
        return _flag(case, event.measure, "escalated")
    due_at = event.due_at or event.at
    rung = Rung(event.ladder, event.step, event.to, due_at, event.at, event.channel, event.why)
    tasks = measure.tasks
    if event.task:
        calls = tuple((one.role, one.name, one.phone) for one in event.calls)
        tasks = (*tasks, Task(event.task, event.to, event.id, event.ladder, event.at, calls))
    current = replace(current, rungs=(*current.rungs, rung))
    flags = measure.flags | {"escalated"}
    return _with(case, replace(measure, current=current, tasks=tasks, flags=flags))


@_apply.register
def _reminded(event: e.Reminded, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    flag = _REMINDED.get(event.deadline)
    return case if flag is None else _flag(case, event.measure, flag)


@_apply.register
def _task_done(event: e.TaskDone, case: FreezeCase, stop: timedelta) -> FreezeCase:
    del stop
    measure = case.measures[event.measure]
    tasks = tuple(
        replace(one, done_at=event.at, done_by=event.by, result=event.result, note=event.note)
        if one.id == event.task and one.is_open
        else one
        for one in measure.tasks
    )
    return _with(case, replace(measure, tasks=tasks))


def _relieved(measure: Measure, application: str, by: str, at: datetime, result: str) -> Measure:
    """Nobody has to call any more: what was waited for came, or the measure ended."""

    def over(task: Task) -> bool:
        ours = application in {"", task.application_id}
        return task.is_open and ours and (result != "acknowledged" or task.ladder == "acknowledge")

    if not any(map(over, measure.tasks)):
        return measure
    tasks = tuple(
        replace(one, done_at=at, done_by=by, result=result) if over(one) else one
        for one in measure.tasks
    )
    return replace(measure, tasks=tasks)


def _outflow(measure: Measure, receipt: Receipt) -> Decimal | None:
    """What is known to have gone on; a later answer may list the same transfers again."""
    told = sum((one.transfer.amount for one in receipt.outflows), Decimal(0))
    return max(told, measure.outflow or told) if receipt.outflows else measure.outflow


def _reopened(measure: Measure) -> Measure:
    """A late good answer: the truth wins over what was deemed, and over what was only drafted."""
    current = measure.current
    past = measure.past
    if current is not None and current.sent_at is None:
        past = (*past, replace(current, stage=Stage.WITHDRAWN))
        current = None
    flags = measure.flags | {"late-receipt"}
    return replace(measure, current=current, past=past, flags=flags, ended="", held_from=None)


def _took_effect(
    measure: Measure,
    instruction: Instruction,
    receipt: Receipt,
    at: datetime,
    stop: timedelta,
) -> Measure:
    """What a good answer changes."""
    kind = instruction.kind
    # Without the institution's own time the earlier, safe reading counts: when we sent.
    began = receipt.started_at or instruction.sent_at or at
    if kind in _STOP_KINDS:
        return _stopped(measure, kind, receipt, began, stop)
    if kind is InstructionKind.FREEZE:
        return _frozen(measure, instruction, receipt, began)
    if kind is InstructionKind.RENEW:
        ends = _earlier(receipt.expires_at, instruction.terms.end)
        state = MeasureState.FROZEN if measure.is_final else measure.state
        flags = measure.flags - set(_REMINDED.values())
        return replace(measure, state=state, expires_at=ends, flags=flags)
    if kind is InstructionKind.RELEASE:
        return replace(
            measure, state=MeasureState.RELEASED, expires_at=None, ended=instruction.reason
        )
    return replace(measure, state=MeasureState.RETURNED, expires_at=None, ended="returned")


def _stopped(
    measure: Measure, kind: InstructionKind, receipt: Receipt, began: datetime, stop: timedelta
) -> Measure:
    latest = began + stop
    if kind is InstructionKind.EXTEND and receipt.expires_at is not None:
        latest = (measure.expires_at or began) + stop
    expires = _earlier(receipt.expires_at, latest)
    if measure.state in _BEYOND_STOP:
        # A freeze that is under way or in force goes on; only a stop's own clock moves.
        clock = measure.expires_at if measure.frozen is not None else expires
        return replace(measure, stop_no=measure.stop_no + 1, expires_at=clock)
    return replace(
        measure,
        state=MeasureState.STOPPED,
        stop_no=measure.stop_no + 1,
        started_at=began,
        expires_at=expires,
    )


def _frozen(
    measure: Measure, instruction: Instruction, receipt: Receipt, began: datetime
) -> Measure:
    queued = bool(receipt.earlier_authority)
    flags = measure.flags - {"stop-lapsed"}
    if instruction.terms.mode.value == "02":
        flags |= {"whole-account"}
    frozen = receipt.frozen if receipt.frozen is not None else instruction.terms.amount
    return replace(
        measure,
        state=MeasureState.QUEUED if queued else MeasureState.FROZEN,
        started_at=began,
        expires_at=_earlier(receipt.expires_at, instruction.terms.end),
        frozen=frozen,
        mode=instruction.terms.mode,
        freeze_rank=instruction.approved_rank,
        held_from=None,
        flags=flags,
    )


def _failed(measure: Measure, instruction: Instruction, outcome: Outcome) -> Measure:
    kind = instruction.kind
    if kind is InstructionKind.STOP and measure.state in {MeasureState.SENT, MeasureState.ACKED}:
        state = MeasureState.MISMATCH if outcome is Outcome.MISMATCH else MeasureState.REFUSED
        flags = measure.flags | ({"held-elsewhere"} if outcome is Outcome.HELD else frozenset())
        return replace(measure, state=state, flags=flags)
    if kind is InstructionKind.FREEZE and measure.state is MeasureState.FREEZE_SENT:
        return _fallen_back(measure)
    if kind in {InstructionKind.RELEASE, InstructionKind.RETURN} and measure.held_from is not None:
        return replace(measure, state=measure.held_from, held_from=None)
    return measure


def _fallen_back(measure: Measure) -> Measure:
    """Where a freeze that did not come about leaves its measure."""
    if "stop-lapsed" in measure.flags:
        return replace(measure, state=MeasureState.EXPIRED, held_from=None, ended=_OVER)
    return replace(measure, state=measure.held_from or MeasureState.DRAFT, held_from=None)


def _put_back(measure: Measure, stage: Stage) -> Measure:
    current = measure.current
    if current is None:
        return measure
    past = (*measure.past, replace(current, stage=stage))
    measure = replace(measure, current=None, past=past)
    if current.kind is InstructionKind.STOP:
        return replace(measure, state=MeasureState.DRAFT)
    return _fallen_back(measure) if current.kind is InstructionKind.FREEZE else measure


def _ended_stage(instruction: Instruction) -> Stage:
    """What was sent may still be answered; what was not is withdrawn."""
    return instruction.stage if instruction.sent_at is not None else Stage.WITHDRAWN


def _current(measure: Measure) -> Instruction:
    if measure.current is None:
        raise ValueError(f"measure {measure.id} has no instruction in progress")
    return measure.current


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [moment for moment in (one, other) if moment is not None]
    return min(known, default=None)


def _terms(data: e.TermsData) -> Terms:
    return Terms(
        data.mode,
        data.amount,
        data.start,
        data.end,
        data.includes_interest,
        data.necessity,
        data.legal_review,
        data.major,
        data.offline,
        data.local_police,
        data.method,
        tuple(Allocation(one.claimant, one.amount) for one in data.allocation),
        data.notice_from,
    )


def _flag(case: FreezeCase, measure_id: str, flag: str) -> FreezeCase:
    measure = case.measures.get(measure_id)
    if measure is None:
        return case
    return _with(case, replace(measure, flags=measure.flags | {flag}))


def _with(case: FreezeCase, measure: Measure) -> FreezeCase:
    return replace(case, measures={**case.measures, measure.id: measure})
