"""What persons have to do because a desk is silent, as it is shown: whom to call, what to say.

What is said names no account and no person, so that it may be read out to whoever answers; the
desk finds the rest under the application id.
"""

from __future__ import annotations

from datetime import timedelta, timezone

from fzalert.freeze.model import FreezeCase, InstructionKind, Measure, Task
from fzalert.freeze.values import mask_name, mask_number
from fzalert.service.freeze_models import CallView, EscalationView, TaskRow, TaskView

__all__ = ["escalation_view", "task_rows", "task_view", "words_of"]

_CHINA = timezone(timedelta(hours=8))
_KINDS = {
    InstructionKind.STOP: ("紧急止付指令", "stop-payment instruction"),
    InstructionKind.EXTEND: ("止付延期指令", "extension of a stop"),
    InstructionKind.FREEZE: ("协助冻结财产通知书", "freeze notice"),
    InstructionKind.RENEW: ("继续冻结通知书", "renewal of a freeze"),
    InstructionKind.RELEASE: ("协助解除冻结通知书", "release"),
    InstructionKind.RETURN: ("协助返还通知书", "return notice"),
}
_PERSONS = frozenset({"person-a", "person-b"})


def words_of(
    case: FreezeCase, measure: Measure, application_id: str, ladder: str, kind: str, *, drill: bool
) -> tuple[str, str]:
    """What is to be said about an instruction: in Chinese and in English.

    Args:
        case: The case.
        measure: Its measure.
        application_id: The instruction.
        ladder: acknowledge or result: what is waited for.
        kind: phone, supervisor or centre: who is spoken to.
        drill: Whether it is a rehearsal.
    """
    current = measure.instruction(application_id)
    account = measure.account
    bank = account.bank_name or account.institution or account.bank_code
    what_zh, what_en = _KINDS[InstructionKind.STOP if current is None else current.kind]
    sent = None if current is None or current.sent_at is None else current.sent_at
    at = "" if sent is None else sent.astimezone(_CHINA).strftime("%m-%d %H:%M")
    unit = "" if case.duty is None else case.duty.unit_name
    phone = "" if case.duty is None else case.duty.phone
    waits_zh, waits_en = (
        ("尚未确认收到", "has not acknowledged it")
        if ladder == "acknowledge"
        else ("尚未反馈结果", "has not told the result")
    )
    if kind == "phone":
        zh = (
            f"这里是{unit}。我们于 {at} 向贵机构发送了{what_zh}，申请编号 {application_id}，"
            f"贵机构{waits_zh}。请立即查收并办理；如需核实，请按贵方登记的号码回拨 {phone}。"
        )
        en = (
            f"This is {unit}. At {at} (Beijing) we sent you a {what_en}, application"
            f" {application_id}, and your desk {waits_en}. Please look now; to check who we are,"
            f" call back the number that you have of us: {phone}."
        )
    else:
        zh = (
            f"{bank}：{at} 发送的{what_zh}（申请编号 {application_id}）{waits_zh}，"
            "各通道和电话均已催办。请协调该机构立即办理。"
        )
        en = (
            f"{bank} {waits_en}: the {what_en} of {at} (Beijing), application {application_id},"
            " over every channel and by telephone. Please see to it that the bank acts now."
        )
    return (f"【演练】{zh}", f"[DRILL] {en}") if drill else (zh, en)


def task_view(
    case: FreezeCase, measure: Measure, task: Task, *, reveal: bool = False, drill: bool = False
) -> TaskView:
    """One task; persons are masked unless they are revealed, a desk's own telephone is not."""
    zh, en = words_of(case, measure, task.application_id, task.ladder, task.kind, drill=drill)
    return TaskView(
        id=task.id,
        kind=task.kind,
        waits_for=task.ladder,
        application_id=task.application_id,
        opened_at=task.opened_at,
        calls=[
            CallView(
                role=role,
                name=name if reveal or role not in _PERSONS else mask_name(name),
                phone=phone if reveal or role not in _PERSONS else mask_number(phone),
            )
            for role, name, phone in task.calls
        ],
        zh=zh,
        en=en,
        done_at=task.done_at,
        done_by=task.done_by,
        result=task.result,
    )


def task_rows(case: FreezeCase, *, reveal: bool = False, drill: bool = False) -> list[TaskRow]:
    """The open tasks of a case."""
    return [
        TaskRow(
            case=case.id,
            measure=measure.id,
            institution=measure.account.bank_name
            or measure.account.institution
            or measure.account.bank_code,
            task=task_view(case, measure, task, reveal=reveal, drill=drill),
        )
        for measure in case.measures.values()
        for task in measure.tasks
        if task.is_open
    ]


def escalation_view(measure: Measure) -> EscalationView | None:
    """The last step that was climbed for the instruction in progress, or None."""
    current = measure.current
    if current is None or not current.rungs:
        return None
    last = current.rungs[-1]
    return EscalationView(
        waits_for=last.ladder,
        step=last.step,
        to=last.to,
        channel=last.channel,
        at=last.at,
        why=last.why,
    )
