"""Preparing an instruction: everything that its author can be told before a second person looks."""

from __future__ import annotations

from decimal import Decimal

from fzalert.access import Role
from fzalert.freeze import checks, commands, events
from fzalert.freeze.decide.core import Asking, Decision, Guarded, Refusals, handle, on_measure
from fzalert.freeze.decide.graph import allowed_kinds
from fzalert.freeze.model import FreezeCase, FreezeMode, InstructionKind, Measure, MeasureState

_POLICE = (Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER)
_KIND = InstructionKind


@handle.register
def _prepare(command: commands.Prepare, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, case, measure = opened
    if case.of_application(command.id) is not None:
        return guards.stop("state", "申请编号已使用", "The application id is used already.")
    if command.kind not in allowed_kinds(measure):
        return guards.wrong_state(measure)
    guards.person(command.by, *_POLICE)
    _daily(command.by, asking, guards)
    if command.kind in {_KIND.STOP, _KIND.FREEZE}:
        _account(command, case, measure, asking, guards)
    if command.kind is not _KIND.STOP:
        guards.need("reason", bool(command.reason.strip()), field="reason")
    if command.kind is _KIND.EXTEND:
        _extension(measure, asking, guards)
    if command.kind is _KIND.RETURN:
        _allocation(command, measure, guards)
    if command.kind is _KIND.RENEW:
        guards.need("legal-review", bool(command.terms.legal_review), field="terms.legal_review")
    return guards.answer(
        events.InstructionPrepared(
            at=asking.now,
            by=command.by.actor,
            measure=command.measure,
            id=command.id,
            kind=command.kind,
            reason=command.reason,
            terms=command.terms,
            waived=command.waived,
        )
    )


def _daily(by: commands.Authority, asking: Asking, guards: Guarded) -> None:
    limit = asking.policy.limit
    within = by.today < limit("officer_daily") and by.unit_today < limit("unit_daily")
    guards.need("daily-limit", within, f"{by.today} today, {by.unit_today} in the unit")


def _account(
    command: commands.Prepare,
    case: FreezeCase,
    measure: Measure,
    asking: Asking,
    guards: Guarded,
) -> None:
    waived = {code for code, reason in command.waived if reason.strip()}
    seen = waived | _waived_at_the_stop(measure)
    findings = [
        *checks.check_victim(case.victim),
        *checks.check_account(measure.account),
        *(f for t in measure.inflow for f in checks.check_transfer(t, asking.now, "inflow")),
        *_traced(case, measure),
    ]
    for finding in findings:
        if finding.severity is checks.Severity.ERROR or finding.code not in seen:
            guards.need("clean", False, finding.code, finding.field)
    others = [
        other
        for other in case.measures.values()
        if other.id != measure.id
        and not other.is_final
        and other.account.key == measure.account.key
    ]
    elsewhere = measure.account.key in asking.facts.open_elsewhere
    queued = command.kind is InstructionKind.FREEZE and "held-elsewhere" in measure.flags
    # An account of another case may be asked for once more where a person says why.
    held = bool(others) or (elsewhere and not queued and "duplicate" not in waived)
    guards.need("duplicate", not held)
    guards.need("protected", measure.account.protected != "never")
    whole = command.kind is InstructionKind.FREEZE and command.terms.mode is FreezeMode.WHOLE
    guards.need("protected-whole", not (whole and measure.account.protected == "not_whole"))


def _traced(case: FreezeCase, measure: Measure) -> tuple[checks.Finding, ...]:
    """Whether more is traced into this level than went on from the account above it."""
    parent = case.measures.get(measure.parent)
    if parent is None:
        return ()
    traced = sum(
        (
            transfer.amount
            for one in case.measures.values()
            if one.parent == parent.id and one.state is not MeasureState.CANCELLED
            for transfer in one.inflow
            if transfer.from_account == parent.account.number
        ),
        Decimal(0),
    )
    return checks.check_traced(parent.outflow, traced)


def _waived_at_the_stop(measure: Measure) -> set[str]:
    """Warnings that were waived with a reason when the stop that took effect was submitted.

    Its freeze need not waive them again.
    """
    known = (*measure.past, *([measure.current] if measure.current else []))
    stops = [one for one in known if one.kind is _KIND.STOP]
    if not stops or measure.stop_no == 0:
        return set()
    return {code for code, reason in stops[-1].waived if reason.strip()}


def _extension(measure: Measure, asking: Asking, guards: Guarded) -> None:
    guards.need(
        "stop-count",
        measure.stop_no < asking.policy.limit("max_stops"),
        f"stopped {measure.stop_no} times",
    )
    guards.need("in-force", measure.expires_at is not None and asking.now < measure.expires_at)


def _allocation(command: commands.Prepare, measure: Measure, guards: Guarded) -> None:
    shares = command.terms.allocation
    total = sum(share.amount for share in shares)
    right = (
        bool(shares)
        and bool(command.terms.method)
        and all(share.amount > 0 for share in shares)
        and measure.frozen is not None
        and total <= measure.frozen
    )
    guards.need("allocation", right, field="terms.allocation")
