"""The second person's yes or no, and what only a head of the right rank may say yes to."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from dateutil.relativedelta import relativedelta

from fzalert.access import Role
from fzalert.freeze import commands, events
from fzalert.freeze.decide.core import Asking, Decision, Guarded, Refusals, handle, on_measure
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
from fzalert.freeze.values import AttachmentType, Rank

_KIND = InstructionKind
_STOPPING = frozenset({_KIND.STOP, _KIND.EXTEND})
_HOLDING = frozenset({_KIND.EXTEND, _KIND.FREEZE, _KIND.RENEW})


@handle.register
def _reject(command: commands.Reject, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, _, measure = opened
    current = measure.current
    if current is None or current.stage not in {Stage.REVIEW, Stage.APPROVED}:
        return guards.wrong_state(measure)
    guards.person(command.by, Role.DUTY_OFFICER, Role.APPROVER, Role.DETECTIVE)
    guards.need("second-person", command.by.actor != current.prepared_by)
    guards.need("reason", bool(command.reason.strip()), field="reason")
    return guards.answer(
        events.InstructionRejected(
            at=asking.now,
            by=command.by.actor,
            measure=measure.id,
            id=current.id,
            reason=command.reason,
        )
    )


@handle.register
def _approve(command: commands.Approve, asking: Asking) -> Decision:
    opened = on_measure(asking, command)
    if isinstance(opened, Refusals):
        return opened
    guards, case, measure = opened
    current = measure.current
    if current is None or current.stage is not Stage.REVIEW:
        return guards.wrong_state(measure)
    _person(command.by, current, asking, guards)
    _papers(case, guards)
    _of_its_kind(command.by, case, measure, current, asking, guards)
    package = asking.facts.package_sha256
    guards.need("package", bool(package), "no package was built")
    if not package:
        return guards.refusals()
    return guards.answer(
        events.InstructionApproved(
            at=asking.now,
            by=command.by.actor,
            measure=measure.id,
            id=current.id,
            rank=command.by.rank,
            package_sha256=package,
            prefecture=asking.facts.prefectures.get(measure.account.desk, ""),
        )
    )


def _of_its_kind(
    by: commands.Authority,
    case: FreezeCase,
    measure: Measure,
    current: Instruction,
    asking: Asking,
    guards: Guarded,
) -> None:
    if current.kind in _HOLDING:
        # None of it is the case's: what was found irrelevant is lifted, and not held any longer.
        guards.need("amount", measure.irrelevant_at is None, "the money was found irrelevant")
    if current.kind in _STOPPING:
        guards.need("stop-count", measure.stop_no < asking.policy.limit("max_stops"))
    if current.kind is _KIND.EXTEND:
        guards.need("in-force", measure.expires_at is not None and asking.now < measure.expires_at)
    elif current.kind is _KIND.FREEZE:
        _freeze(by, case, measure, current, asking, guards)
    elif current.kind is _KIND.RENEW:
        _renew(by, measure, current, asking, guards)
    elif current.kind is _KIND.RELEASE:
        stopped = measure.state is MeasureState.STOPPED
        guards.need("same-rank", stopped or by.rank >= measure.freeze_rank)
    elif current.kind is _KIND.RETURN:
        _return(by, current, asking, guards)


def _person(by: commands.Authority, current: Instruction, asking: Asking, guards: Guarded) -> None:
    roles = [Role.DUTY_OFFICER, Role.APPROVER]
    if current.kind in _STOPPING:
        roles.append(Role.DETECTIVE)
    guards.person(by, *roles)
    guards.proved(by, asking.now)
    guards.need("second-person", by.actor != current.prepared_by)
    limit = asking.policy.limit
    within = by.today < limit("officer_daily") and by.unit_today < limit("unit_daily")
    guards.need("daily-limit", within, f"{by.today} today, {by.unit_today} in the unit")
    if current.kind not in _STOPPING:
        guards.need("rank", by.rank >= Rank.COUNTY, f"rank {by.rank.name.lower()}")


def _papers(case: FreezeCase, guards: Guarded) -> None:
    certificates = {officer.certificate for officer in case.officers}
    guards.need("two-officers", len(certificates) >= 2)
    types = {attachment.type for attachment in case.attachments}
    guards.need(
        "documents", {AttachmentType.IDENTITY, AttachmentType.STOP_FORM} <= types, "attachments"
    )


def _freeze(
    by: commands.Authority,
    case: FreezeCase,
    measure: Measure,
    current: Instruction,
    asking: Asking,
    guards: Guarded,
) -> None:
    terms = current.terms
    filing = case.filing
    guards.need("filed", filing is not None)
    guards.need("legal-basis", filing is None or bool(filing.legal_basis))
    guards.need("duty-phone", case.duty is not None)
    _amount(case, measure, current, guards)
    _period(by, current, asking, guards)
    if terms.mode is FreezeMode.WHOLE:
        guards.need("whole-reason", bool(terms.necessity.strip()), field="terms.necessity")
    guards.need(
        "mass", by.rank >= Rank.PREFECTURE or not _is_mass(case, measure, current, asking.policy)
    )
    queued = "held-elsewhere" in measure.flags
    if case.report.telecom_fraud and terms.offline:
        guards.need("online", queued or len(terms.offline.strip()) >= 4, field="terms.offline")
    if terms.offline and case.duty is not None and case.duty.prefecture:
        there = asking.facts.prefectures.get(measure.account.desk, "")
        away = bool(there) and there != case.duty.prefecture
        guards.need(
            "local-police", not away or bool(terms.local_police), field="terms.local_police"
        )


def _amount(case: FreezeCase, measure: Measure, current: Instruction, guards: Guarded) -> None:
    terms = current.terms
    if terms.mode is FreezeMode.WHOLE:
        return
    if terms.amount is None or terms.amount <= 0:
        guards.need("amount", False, "no amount", "terms.amount")
        return
    guards.need("amount", terms.amount <= measure.amount, "more than flowed in", "terms.amount")
    money = None if case.filing is None else case.filing.case_money
    if money is not None:
        total = case.frozen_total(besides=measure.id) + terms.amount
        guards.need("amount", total <= money, "more than the money of the case", "terms.amount")


def _period(by: commands.Authority, current: Instruction, asking: Asking, guards: Guarded) -> None:
    terms = current.terms
    start = terms.start or current.prepared_at
    end = terms.end
    if end is None or end <= asking.now:
        guards.need("period", False, "no end, or one that is past", "terms.end")
        return
    longest = _months(start, asking.policy.limit("freeze_months"))
    if terms.major and by.rank >= Rank.PREFECTURE:
        longest = _months(start, asking.policy.limit("freeze_months_major"))
    guards.need("period", end <= longest, f"at most until {longest.date()}", "terms.end")


def _renew(
    by: commands.Authority,
    measure: Measure,
    current: Instruction,
    asking: Asking,
    guards: Guarded,
) -> None:
    guards.need("legal-review", bool(current.terms.legal_review), field="terms.legal_review")
    guards.need("same-rank", by.rank >= measure.freeze_rank)
    guards.need("in-force", measure.expires_at is not None and asking.now < measure.expires_at)
    end = current.terms.end
    base = measure.expires_at or asking.now
    months = "freeze_months"
    if current.terms.major and by.rank >= Rank.PREFECTURE:
        months = "freeze_months_major"
    longest = _months(base, asking.policy.limit(months))
    right = end is not None and base < end <= longest
    guards.need("period", right, f"until {longest.date()} at the latest", "terms.end")


def _return(by: commands.Authority, current: Instruction, asking: Asking, guards: Guarded) -> None:
    guards.need("rank", by.rank >= Rank.PREFECTURE, "a return needs a prefecture-level head")
    if current.terms.method == "proportional":
        days = timedelta(days=asking.policy.limit("return_notice_days"))
        begun = current.terms.notice_from
        guards.need("notice", begun is not None and begun + days <= asking.now)


def _is_mass(case: FreezeCase, measure: Measure, current: Instruction, policy: Policy) -> bool:
    """Whether this freeze reaches one of the figures of the 2024 rules (G5)."""
    amount = current.terms.amount or Decimal(0)
    if current.terms.mode is FreezeMode.WHOLE:  # it takes everything that is known to be there
        amount = max(amount, measure.amount, measure.balance or Decimal(0))
    if case.report.telecom_fraud and amount * 100 > policy.limit("mass_account_fen"):
        return True
    freezes = [
        (measure, instruction)
        for measure in case.measures.values()
        for instruction in (*measure.past, *([measure.current] if measure.current else []))
        if instruction.kind is _KIND.FREEZE and instruction.stage is not Stage.WITHDRAWN
    ]
    day = current.prepared_at.date()
    at_once = [one for one in freezes if one[1].prepared_at.date() == day]
    whole = [one for one in freezes if one[1].terms.mode is FreezeMode.WHOLE]
    whole_at_once = [one for one in whole if one[1].prepared_at.date() == day]
    return (
        len(at_once) >= policy.limit("mass_accounts_once")
        or len(freezes) >= policy.limit("mass_accounts_case")
        or len(whole_at_once) >= policy.limit("mass_whole_once")
        or len(whole) >= policy.limit("mass_whole_case")
    )


def _months(start: datetime, months: int) -> datetime:
    return start + relativedelta(months=months)
