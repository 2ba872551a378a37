"""What stands against the next act of a measure: the guards are asked, and nothing is done.

A page shows this before somebody presses a button, so that what the law still needs is seen early:
what stands against whoever asks now, and what the second person's approval will need of the case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from dateutil.relativedelta import relativedelta

from fzalert.access.actors import Role
from fzalert.freeze import checks
from fzalert.freeze import commands as c
from fzalert.freeze.book import CaseBook
from fzalert.freeze.decide import Refusal
from fzalert.freeze.events import AllocationData, TermsData
from fzalert.freeze.model import FreezeCase, InstructionKind, Measure, MeasureState, Stage
from fzalert.freeze.values import Rank
from fzalert.service.freeze_models import CheckView, FindingView, GuardView

__all__ = ["check_next"]

_NEXT: Mapping[MeasureState, InstructionKind] = {
    MeasureState.DRAFT: InstructionKind.STOP,
    MeasureState.REFUSED: InstructionKind.FREEZE,
    MeasureState.STOPPED: InstructionKind.FREEZE,
    MeasureState.FROZEN: InstructionKind.RENEW,
    MeasureState.QUEUED: InstructionKind.RENEW,
}
_TYPED = frozenset({"reason", "legal-review", "allocation"})
"""Guards about what a person still writes into the form of the act."""
_PERSONAL = frozenset({"role", "step-up", "second-person", "rank", "same-rank", "daily-limit"})
"""Guards about who acts, not about the case."""
_HASH = "0" * 64


async def check_next(
    book: CaseBook,
    case: FreezeCase,
    measure: Measure,
    who: c.Authority,
    kind: InstructionKind | None,
    facts: c.Facts,
) -> CheckView:
    """Ask the guards about the next act of a measure.

    Args:
        book: The cases.
        case: The case as it stands.
        measure: The measure.
        who: Who would act.
        kind: The instruction that would be prepared; what follows the state unless given.
        facts: Where institutions are, and which have a desk.
    """
    now = book.now()
    current = measure.current
    if current is not None and current.stage is Stage.REVIEW:
        sure = replace(facts, package_sha256=_HASH)
        unmet = await book.unmet(case.id, c.Approve(who, measure.id), facts=sure)
        return CheckView(act="approve", unmet=_views(unmet[-1]))
    if current is not None and current.stage is Stage.APPROVED:
        # What was approved is compared with the case at the sending itself.
        sure = replace(facts, package_sha256=current.package_sha256)
        channel = "desk" if measure.account.desk in facts.desks else "paper"
        unmet = await book.unmet(case.id, c.MarkSent(who, measure.id, channel), facts=sure)
        return CheckView(act="send", unmet=_views(unmet[-1]))
    if current is not None and current.stage in {Stage.SENT, Stage.ACKED}:
        return CheckView(act="answer")
    wanted = kind or _NEXT.get(measure.state)
    if wanted is None:
        return CheckView()
    return await _prepared(book, case, measure, who, wanted, facts, now)


async def _prepared(
    book: CaseBook,
    case: FreezeCase,
    measure: Measure,
    who: c.Authority,
    kind: InstructionKind,
    facts: c.Facts,
    now: datetime,
) -> CheckView:
    findings: list[checks.Finding] = []
    if kind in {InstructionKind.STOP, InstructionKind.FREEZE}:
        findings = [
            *checks.check_victim(case.victim),
            *checks.check_account(measure.account),
            *(f for t in measure.inflow for f in checks.check_transfer(t, now, "inflow")),
        ]
    command = c.Prepare(who, measure.id, "check", kind)
    ((*unmet,), *_) = await book.unmet(case.id, command, facts=facts)
    named = {finding.code for finding in findings}
    now_unmet = [
        one
        for one in unmet
        if one.guard not in _TYPED and not (one.guard == "clean" and one.detail in named)
    ]
    head = c.Authority(
        "", frozenset({Role.APPROVER, Role.DETECTIVE}), Rank.PREFECTURE, proved_at=now
    )
    waived = tuple((finding.code, "check") for finding in findings)
    whole = replace(
        command,
        by=replace(head, actor="-"),
        reason="check",
        waived=(*waived, ("duplicate", "check")),
        terms=_plain_terms(measure, kind, now),
    )
    sure = replace(facts, package_sha256=_HASH)
    after = await book.unmet(case.id, whole, c.Approve(head, measure.id), facts=sure)
    later = after[1] if len(after) > 1 else ()
    return CheckView(
        act="prepare",
        kind=kind,
        unmet=_views(now_unmet),
        later=_views(one for one in later if one.guard not in _PERSONAL),
        findings=[
            FindingView(code=one.code, severity=one.severity, field=one.field, zh=one.zh, en=one.en)
            for one in findings
        ],
    )


def _plain_terms(measure: Measure, kind: InstructionKind, now: datetime) -> TermsData:
    """Terms that stand against nothing, so that only the case is judged."""
    if kind is InstructionKind.FREEZE:
        return TermsData(amount=measure.amount, end=now + timedelta(days=30))
    if kind is InstructionKind.RENEW:
        base = measure.expires_at or now
        return TermsData(legal_review="check", end=base + relativedelta(months=1))
    if kind is InstructionKind.RETURN and measure.frozen:
        share = AllocationData(claimant="check", amount=measure.frozen)
        return TermsData(method="direct", allocation=(share,))
    return TermsData()


def _views(refusals: Iterable[Refusal]) -> list[GuardView]:
    return [
        GuardView(
            id=one.guard,
            zh=one.zh,
            en=one.en,
            source=one.source,
            detail=one.detail,
            field=one.field,
            personal=one.guard in _PERSONAL,
        )
        for one in refusals
    ]
