"""How a case looks from outside: masked, with its clocks and with what has to be decided next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fzalert.freeze.deadlines import Due, DueKind, due
from fzalert.freeze.events import Event, dump_event
from fzalert.freeze.model import FreezeCase, Instruction, Measure, MeasureState, Stage
from fzalert.freeze.policy import Policy
from fzalert.freeze.values import mask_name, mask_number
from fzalert.service.freeze_models import (
    BoardRow,
    CaseView,
    DocumentView,
    EventView,
    MeasureView,
    NextView,
)
from fzalert.service.freeze_tasks import escalation_view, task_view

__all__ = ["board_rows", "case_view", "event_view"]

_S = MeasureState
_TODO: Mapping[MeasureState, tuple[str, str]] = {
    _S.DRAFT: ("提交止付申请", "submit the stop"),
    _S.REVIEW: ("第二名民警审批", "a second officer approves or rejects"),
    _S.APPROVED: ("发送", "send it"),
    _S.SENT: ("等待银行受理，逾时电话催办", "wait for the desk; telephone when it is late"),
    _S.ACKED: ("等待银行结果", "wait for the result"),
    _S.STOPPED: ("决定：冻结、延期或解除", "decide: freeze, extend, or let go"),
    _S.MISMATCH: ("核对并更正账户信息，重新提交", "correct the account and submit it again"),
    _S.REFUSED: ("查明原因：更正，或申请轮候冻结", "find out why: correct it, or queue a freeze"),
    _S.FREEZE_DRAFT: (
        "县级以上公安机关负责人审批冻结",
        "a head of county rank approves the freeze",
    ),
    _S.FREEZE_APPROVED: ("发送冻结通知书", "send the freeze"),
    _S.FREEZE_SENT: ("等待冻结回执", "wait for the receipt of the freeze"),
    _S.FROZEN: ("期限前决定：续冻、返还或解除", "before it ends: renew, return, or release"),
    _S.QUEUED: ("轮候：关注在先冻结的届满", "queued: watch the earlier freeze"),
    _S.RELEASE_SENT: ("等待解除回执", "wait for the receipt of the release"),
    _S.RETURNING: ("等待返还回执", "wait for the receipt of the return"),
}
_CALL: Mapping[str, tuple[str, str]] = {
    "phone": ("银行专岗未响应：按通讯录电话催办", "the desk is silent: telephone it"),
    "supervisor": ("银行专岗未响应：报告负责人协调", "the desk is silent: ask the supervisor"),
    "centre": ("银行专岗未响应：联系反诈中心", "the desk is silent: ask the anti-fraud centre"),
}
_OWED = frozenset({DueKind.IRRELEVANT, DueKind.RETURN})
_HIDDEN = frozenset({"at", "by", "type", "measure"})
_TOLD = frozenset(
    {
        *("id", "kind", "channel", "step", "rank", "package_sha256", "command", "deadline", "to"),
        *("late_seconds", "level", "parent", "due_at", "expired_at"),
        *("ladder", "why", "task", "result"),
    }
)
"""Fields of events that name nobody."""


def case_view(
    case: FreezeCase, policy: Policy, now: datetime, *, reveal: bool = False, drill: bool = False
) -> CaseView:
    """A case as it stands; names and numbers are masked unless they are revealed."""
    standing = due(case, policy)
    number, name = (_plain, _plain) if reveal else (mask_number, mask_name)
    return CaseView(
        id=case.id,
        version=case.version,
        report=case.report.number,
        reported_at=case.report.at,
        kind=case.report.kind,
        victim=name(case.victim.name),
        victim_id=number(case.victim.id_number),
        victim_phone=number(case.victim.phone),
        opened_by=case.opened_by,
        opened_at=case.opened_at,
        unit="" if case.duty is None else case.duty.unit_name,
        duty_phone="" if case.duty is None else case.duty.phone,
        officers=[name(officer.name) for officer in case.officers],
        case_number="" if case.filing is None else case.filing.case_number,
        documents=[
            DocumentView(type=one.type, format=one.format, sha256=one.sha256, size=one.size)
            for one in case.attachments
        ],
        measures=[
            _measure_view(
                case,
                one,
                [d for d in standing if d.measure == one.id],
                now,
                reveal=reveal,
                drill=drill,
            )
            for one in case.measures.values()
        ],
    )


def board_rows(
    case: FreezeCase,
    policy: Policy,
    now: datetime,
    *,
    ended: bool = False,
    drill: bool = False,
) -> list[BoardRow]:
    """The measures of a case for the board, masked."""
    view = case_view(case, policy, now, drill=drill)
    return [
        BoardRow(case=case.id, report=case.report.number, measure=one)
        for one in view.measures
        if ended or not case.measures[one.id].is_final
    ]


def event_view(version: int, event: Event) -> EventView:
    """One event without the names, numbers and texts in it."""
    import json

    told = {}
    for name, value in json.loads(dump_event(event)).items():
        if name == "receipt":
            told["application_id"] = str(value["application_id"])
            told["code"] = str(value["code"])
            told["grade"] = str(value["grade"])
        elif name == "guards":
            told[name] = ", ".join(value)
        elif name in _TOLD and name not in _HIDDEN and value not in ("", None):
            told[name] = str(value)
    return EventView(
        version=version,
        at=event.at,
        by=event.by,
        event=event.type,
        measure=getattr(event, "measure", ""),
        facts=told,
    )


def _plain(text: str) -> str:
    return text


def _measure_view(
    case: FreezeCase,
    measure: Measure,
    standing: list[Due],
    now: datetime,
    *,
    reveal: bool,
    drill: bool,
) -> MeasureView:
    account = measure.account
    number, name = (_plain, _plain) if reveal else (mask_number, mask_name)
    shown = measure.current or (measure.past[-1] if measure.past else None)
    view = MeasureView(
        id=measure.id,
        state=measure.state,
        institution=account.bank_name or account.institution or account.bank_code,
        account=number(account.number),
        holder=name(account.name),
        amount=measure.amount,
        level=measure.level,
        parent=measure.parent,
        stop_no=measure.stop_no,
        started_at=measure.started_at,
        expires_at=measure.expires_at,
        frozen=measure.frozen,
        balance=measure.balance,
        flags=sorted(measure.flags),
        receipts=[f"{id_} {code} {grade}" for id_, code, grade in measure.receipts],
        ended=measure.ended,
        sent_over=[] if shown is None else list(shown.sent_over),
        escalation=escalation_view(measure),
        tasks=[task_view(case, measure, one, reveal=reveal, drill=drill) for one in measure.tasks],
        next=_next(measure, standing, now),
    )
    return view if shown is None else view.model_copy(update=_instruction(shown))


def _instruction(shown: Instruction) -> dict[str, object]:
    return {
        "application_id": shown.id,
        "kind": str(shown.kind),
        "stage": str(shown.stage),
        "prepared_by": shown.prepared_by,
        "approved_by": shown.approved_by,
        "package_sha256": shown.package_sha256,
        "sent_at": shown.sent_at,
        "acked_at": shown.acked_at,
    }


def _next(measure: Measure, standing: list[Due], now: datetime) -> NextView:
    zh, en = _TODO.get(measure.state, ("无", "nothing"))
    current = measure.current
    if current is not None and measure.state in {_S.STOPPED, _S.FROZEN, _S.QUEUED}:
        # An extension, renewal, release or return is under way; the state stays what it is.
        zh, en = {
            Stage.REVIEW: ("审批待办文书", f"approve or reject the {current.kind}"),
            Stage.APPROVED: ("发送待发文书", f"send the {current.kind}"),
        }.get(current.stage, ("等待银行回执", f"wait for the receipt of the {current.kind}"))
    if measure.irrelevant_at is not None and current is None and not measure.is_final:
        zh, en = ("已认定与案件无关：申请解除", "found irrelevant: ask for the release")
    waiting = [task for task in measure.tasks if task.is_open]
    if waiting:
        zh, en = _CALL[waiting[-1].kind]
    clocks = [one for one in standing if not one.reminder]
    # What lies ahead is nearer than what was missed; where all is missed, the last one is told.
    # A duty that only an act ends stays until it is done: nobody's freeze outlasts it unseen.
    owed = [one for one in clocks if one.kind in _OWED and one.due_at <= now]
    ahead = owed or [one for one in clocks if one.due_at > now]
    one = ahead[0] if ahead else (clocks[-1] if clocks else None)
    if one is None:
        return NextView(zh=zh, en=en)
    return NextView(
        zh=zh,
        en=en,
        deadline=one.name,
        due_at=one.due_at,
        seconds=int((one.due_at - now).total_seconds()),
    )
