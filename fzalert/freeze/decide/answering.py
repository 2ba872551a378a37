"""Sending, acknowledging, receipts: what the program and the institutions do."""

from __future__ import annotations

from datetime import timedelta

from fzalert.access import Role
from fzalert.freeze import commands, events
from fzalert.freeze.decide.core import (
    Asking,
    Decision,
    Guarded,
    Refusals,
    find_instruction,
    handle,
    on_case,
    on_measure,
)
from fzalert.freeze.decide.following import followed
from fzalert.freeze.model import FreezeMode, Instruction, InstructionKind, Measure, Stage
from fzalert.freeze.results import Grade, Outcome, Receipt, result_of

_DESK = (Role.BANK_DESK, Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER)
_SENDING = (Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER)


@handle.register
def _sent(command: commands.MarkSent, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    current = measure.current
    if current is None or current.stage not in {Stage.APPROVED, Stage.SENT, Stage.ACKED}:
        return guards.wrong_state(measure)
    if not command.by.machine:
        guards.person(command.by, *_SENDING)
        _daily(command.by, asking, guards)
    guards.need("package", asking.facts.package_sha256 == current.package_sha256)
    if command.channel != "paper":
        guards.need("recipient", measure.account.desk in asking.facts.desks)
    return guards.answer(
        events.InstructionSent(
            at=asking.now,
            by=command.by.actor,
            measure=measure.id,
            id=current.id,
            channel=command.channel,
            step=command.step,
        )
    )


def _daily(by: commands.Authority, asking: Asking, guards: Guarded) -> None:
    """A person sends so much a day; what the program sends again by itself never counts."""
    limit = asking.policy.limit
    mine = by.sent_today < limit("officer_sends_daily")
    within = mine and by.unit_sent_today < limit("unit_sends_daily")
    told = f"{by.sent_today} sent today, {by.unit_sent_today} in the unit"
    guards.need("daily-sends", within, told)


@handle.register
def _acknowledge(command: commands.Acknowledge, asking: Asking) -> Decision:
    opened = on_case(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, case = opened
    found = find_instruction(case, command.application_id)
    if found is None:
        return guards.stop("unknown", "没有该申请编号", "There is no such application id.")
    measure, instruction = found
    if not command.by.machine:
        guards.person(command.by, *_DESK)
    if instruction.stage in {Stage.ACKED, Stage.ANSWERED}:
        return guards.answer()
    if instruction.stage is not Stage.SENT or measure.current is None:
        return guards.wrong_state(measure)
    return guards.answer(
        events.InstructionAcked(
            at=asking.now,
            by=command.by.actor,
            measure=measure.id,
            id=instruction.id,
            desk=command.desk,
        )
    )


@handle.register
def _receipt(command: commands.RecordReceipt, asking: Asking) -> Decision:
    opened = on_case(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, case = opened
    receipt = command.receipt
    found = find_instruction(case, receipt.application_id)
    if found is None:
        return guards.stop("unknown", "没有该申请编号", "There is no such application id.")
    measure, instruction = found
    if not command.by.machine:
        guards.person(command.by, *_DESK)
    if instruction.sent_at is None:
        return guards.wrong_state(measure)
    check_receipt(receipt, measure, instruction, asking, guards)
    same = (receipt.application_id, receipt.code)
    if any((id_, code) == same for id_, code, _ in measure.receipts):
        return guards.answer(
            events.AnswerRepeated(
                at=asking.now, by=command.by.actor, measure=measure.id, receipt=receipt
            )
        )
    return guards.answer(
        events.Answered(at=asking.now, by=command.by.actor, measure=measure.id, receipt=receipt),
        *followed(case, measure, receipt, command.by.actor, asking),
    )


def check_receipt(
    receipt: Receipt, measure: Measure, instruction: Instruction, asking: Asking, guards: Guarded
) -> None:
    """What a receipt has to fulfil before it changes anything."""
    guards.need(
        "receipt-account",
        receipt.account_number.upper() == measure.account.number.upper(),
        field="receipt.account_number",
    )
    guards.need(
        "receipt-proof",
        bool(receipt.proof),
        "a signature, a user, or the number of a recorded call is needed",
        "receipt.proof",
    )
    ending = instruction.kind in {InstructionKind.RELEASE, InstructionKind.RETURN}
    guards.need("receipt-proof", not (ending and receipt.grade is Grade.TELEPHONE), "grade C")
    ahead = timedelta(seconds=asking.policy.limit("receipt_ahead_seconds"))
    began = receipt.started_at
    guards.need("receipt-time", began is None or began <= asking.now + ahead)
    asked = instruction.terms.amount
    good = result_of(receipt.code).outcome in {Outcome.DONE, Outcome.PARTIAL}
    limited = instruction.terms.mode is FreezeMode.LIMITED
    if instruction.kind is InstructionKind.FREEZE and good and limited:
        within = receipt.frozen is None or asked is None or receipt.frozen <= asked
        guards.need("amount", within, "more was frozen than was asked", "receipt.frozen")
