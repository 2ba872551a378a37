"""Commands about the case itself: the report, officers, papers, the filing, accounts."""

from __future__ import annotations

from fzalert.access import Role
from fzalert.freeze import checks, commands, events
from fzalert.freeze.decide.core import Asking, Decision, Guarded, Refusals, handle, on_case

_ENTER = (Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER, Role.TELLER, Role.BRANCH_MANAGER)
_POLICE = (Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER)


@handle.register
def _open(command: commands.OpenCase, asking: Asking) -> Decision:
    guards = Guarded(asking, command)
    if asking.case is not None:
        return guards.stop("state", "案件已存在", "The case is open already.")
    guards.person(command.by, *_ENTER)
    guards.need(
        "clean", command.report.at <= asking.now, "the report lies in the future", "report.at"
    )
    return guards.answer(
        events.CaseOpened(
            at=asking.now,
            by=command.by.actor,
            report=command.report,
            victim=command.victim,
            duty=command.duty,
        )
    )


@handle.register
def _officers(command: commands.NameOfficers, asking: Asking) -> Decision:
    opened = on_case(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _ = opened
    guards.person(command.by, *_POLICE)
    certificates = {officer.certificate for officer in command.officers}
    guards.need("two-officers", len(certificates) >= 2, field="officers")
    return guards.answer(
        events.OfficersNamed(at=asking.now, by=command.by.actor, officers=command.officers)
    )


@handle.register
def _duty(command: commands.SetDuty, asking: Asking) -> Decision:
    opened = on_case(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _ = opened
    guards.person(command.by, *_POLICE)
    return guards.answer(events.DutySet(at=asking.now, by=command.by.actor, duty=command.duty))


@handle.register
def _attach(command: commands.AttachDocument, asking: Asking) -> Decision:
    opened = on_case(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _ = opened
    guards.person(command.by, *_ENTER)
    return guards.answer(
        events.DocumentAttached(at=asking.now, by=command.by.actor, attachment=command.attachment)
    )


@handle.register
def _file(command: commands.FileCase, asking: Asking) -> Decision:
    opened = on_case(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, case = opened
    guards.person(command.by, *_POLICE)
    guards.need(
        "filed",
        case.report.at <= command.filing.at <= asking.now,
        "the filing lies before the report or in the future",
        "filing.at",
    )
    return guards.answer(
        events.CaseFiled(at=asking.now, by=command.by.actor, filing=command.filing)
    )


@handle.register
def _complain(command: commands.RecordComplaint, asking: Asking) -> Decision:
    guards = Guarded(asking, command, command.measure)
    if asking.case is None:
        return guards.missing_case()
    if command.measure not in asking.case.measures:
        return guards.missing_measure()
    guards.person(command.by, *_POLICE, Role.BANK_DESK)
    return guards.answer(
        events.ComplaintRecorded(
            at=asking.now, by=command.by.actor, measure=command.measure, number=command.number
        )
    )


@handle.register
def _add(command: commands.AddAccount, asking: Asking) -> Decision:
    guards = Guarded(asking, command, command.measure)
    case = asking.case
    if case is None:
        return guards.missing_case()
    if command.measure in case.measures:
        return guards.stop("state", "该措施已存在", "The case has this measure already.")
    parent = case.measures.get(command.parent)
    if command.parent and parent is None:
        return guards.stop("unknown", "没有上一级措施", "The case has no such parent measure.")
    guards.person(command.by, *_ENTER)
    guards.need("clean", bool(command.inflow), "no transfer into the account", "inflow")
    errors = [
        finding
        for transfer in command.inflow
        for finding in checks.check_transfer(transfer, asking.now, "inflow")
        if finding.severity is checks.Severity.ERROR
    ]
    for finding in errors:
        guards.need("clean", False, finding.code, finding.field)
    return guards.answer(
        events.MeasureOpened(
            at=asking.now,
            by=command.by.actor,
            measure=command.measure,
            account=command.account,
            inflow=command.inflow,
            parent=command.parent,
            level=1 if parent is None else parent.level + 1,
        )
    )
