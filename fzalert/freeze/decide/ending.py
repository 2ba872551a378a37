"""Corrections, findings, giving up, and what the clock does."""

from __future__ import annotations

from fzalert.access import Role
from fzalert.freeze import commands, events
from fzalert.freeze.decide.core import Asking, Decision, Refusals, handle, on_measure
from fzalert.freeze.ladder import next_rung, next_step
from fzalert.freeze.model import IN_FORCE, MeasureState, Stage

_POLICE = (Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER)
_MAY_CALL = _POLICE
_UNDER_WAY = frozenset(
    {MeasureState.FREEZE_DRAFT, MeasureState.FREEZE_APPROVED, MeasureState.FREEZE_SENT}
)


@handle.register
def _correct(command: commands.Correct, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    if measure.state not in {MeasureState.MISMATCH, MeasureState.REFUSED, MeasureState.DRAFT}:
        return guards.wrong_state(measure)
    guards.person(command.by, *_POLICE)
    guards.need("reason", bool(command.reason.strip()), field="reason")
    guards.need("clean", bool(command.inflow), "no transfer into the account", "inflow")
    return guards.answer(
        events.AccountCorrected(
            at=asking.now,
            by=command.by.actor,
            measure=measure.id,
            account=command.account,
            inflow=command.inflow,
            reason=command.reason,
        )
    )


@handle.register
def _irrelevant(command: commands.FindIrrelevant, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    if measure.state not in IN_FORCE:
        return guards.wrong_state(measure)
    guards.person(command.by, *_POLICE)
    guards.need("reason", bool(command.reason.strip()), field="reason")
    return guards.answer(
        events.FoundIrrelevant(
            at=asking.now, by=command.by.actor, measure=measure.id, reason=command.reason
        )
    )


@handle.register
def _cancel(command: commands.Cancel, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    if measure.is_final:
        return guards.wrong_state(measure)
    current = measure.current
    away = current is not None and current.stage in {Stage.SENT, Stage.ACKED}
    guards.person(command.by, *_POLICE)
    guards.need("second-person", command.by.actor != command.author)
    guards.need("reason", bool(command.reason.strip()), field="reason")
    # A freeze that was only drafted on an account without a stop holds nothing either.
    holds = measure.state in IN_FORCE and measure.stop_no + (measure.frozen is not None) > 0
    guards.need("not-sent", not away and not holds)
    return guards.answer(
        events.MeasureCancelled(
            at=asking.now,
            by=command.by.actor,
            measure=measure.id,
            reason=command.reason,
            author=command.author,
        )
    )


@handle.register
def _expire(command: commands.Expire, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    # The deadline may be an old one: a renewal or receipt moved the end since it was set.
    if measure.state not in IN_FORCE or measure.expires_at != command.due_at:
        return guards.answer()
    if asking.now < command.due_at:
        return guards.answer()
    if measure.state in _UNDER_WAY:
        return guards.answer(
            events.StopLapsed(
                at=asking.now,
                by=command.by.actor,
                measure=measure.id,
                expired_at=command.due_at,
            )
        )
    return guards.answer(
        events.MeasureExpired(
            at=asking.now, by=command.by.actor, measure=measure.id, expired_at=command.due_at
        )
    )


@handle.register
def _remind(command: commands.Remind, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    if measure.is_final:
        return guards.answer()
    late = max(0, int((asking.now - command.due_at).total_seconds()))
    return guards.answer(
        events.Reminded(
            at=asking.now,
            by=command.by.actor,
            measure=measure.id,
            deadline=command.deadline,
            due_at=command.due_at,
            late_seconds=late,
        )
    )


@handle.register
def _escalate(command: commands.Escalate, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    current = measure.current
    if current is None or current.id != command.application_id:
        return guards.answer()
    way = asking.facts.way
    to = next_rung(current, command.ladder, way)
    if to is None or command.step != next_step(current, command.ladder):
        return guards.answer()  # acknowledged, answered, or climbed already
    channel = way if to == "next-channel" else ""
    task = "" if channel else f"{measure.id}-t{len(measure.tasks) + 1}"
    late = max(0, int((asking.now - command.due_at).total_seconds()))
    climbed = events.Escalated(
        at=asking.now,
        by=command.by.actor,
        measure=measure.id,
        id=current.id,
        step=command.step,
        to=to,
        late_seconds=late,
        ladder=command.ladder,
        channel=channel,
        due_at=command.due_at,
        why=command.why,
        task=task,
        calls=() if channel else asking.facts.calls.get(to, ()),
    )
    if not channel:
        return guards.answer(climbed)
    again = events.InstructionSent(
        at=asking.now,
        by=command.by.actor,
        measure=measure.id,
        id=current.id,
        channel=channel,
        step=len(current.sent_over) + 1,
    )
    return guards.answer(climbed, again)


@handle.register
def _finish_task(command: commands.FinishTask, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    guards.person(command.by, *_MAY_CALL)
    task = next((one for one in measure.tasks if one.id == command.task), None)
    if task is None:
        return guards.stop("unknown", "没有该待办事项", "There is no such task.")
    if not task.is_open:
        # Two persons may have called; the second call changes nothing.
        return guards.answer()
    done = events.TaskDone(
        at=asking.now,
        by=command.by.actor,
        measure=measure.id,
        id=task.application_id,
        task=task.id,
        result=command.result,
        note=command.note,
    )
    current = measure.current
    waits = current is not None and current.stage is Stage.SENT
    if command.result != "taken" or current is None or not waits or current.id != done.id:
        return guards.answer(done)
    told = events.InstructionAcked(
        at=asking.now,
        by=command.by.actor,
        measure=measure.id,
        id=current.id,
        desk="telephone",
    )
    return guards.answer(done, told)
