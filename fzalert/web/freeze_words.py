"""The words of the freeze desk: states, clocks, what happened; Chinese first, English beside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fzalert.service.freeze_models import EventView, MeasureView
from fzalert.web.words import Badge

__all__ = [
    "CALLS",
    "DEADLINES",
    "DOCUMENTS",
    "KINDS",
    "STATES",
    "TASK_RESULTS",
    "account_groups",
    "clock_text",
    "deadline_words",
    "event_words",
    "fact_words",
    "flag_words",
    "tone_of",
]

STATES: Mapping[str, Badge] = {
    "draft": Badge("quiet", "○", "草稿，未提交", "draft"),
    "review": Badge("warn", "▲", "待审批", "waits for approval"),
    "approved": Badge("warn", "▲", "已批准，未发送", "approved, not sent"),
    "sent": Badge("warn", "▲", "已发送，银行未受理", "sent, not taken yet"),
    "acked": Badge("warn", "▲", "银行已受理，未回执", "taken, no answer yet"),
    "stopped": Badge("ok", "●", "已止付", "stopped"),
    "mismatch": Badge("bad", "■", "信息不符，未止付", "mismatch, not stopped"),
    "refused": Badge("bad", "■", "银行拒绝", "refused"),
    "freeze_draft": Badge("warn", "▲", "冻结待审批", "freeze waits for approval"),
    "freeze_approved": Badge("warn", "▲", "冻结已批准，未发送", "freeze approved, not sent"),
    "freeze_sent": Badge("warn", "▲", "冻结已发送，未回执", "freeze sent, no answer yet"),
    "frozen": Badge("ok", "●", "已冻结", "frozen"),
    "queued": Badge("warn", "▲", "轮候冻结", "queued freeze"),
    "release_sent": Badge("warn", "▲", "解除已发送，未回执", "release sent, no answer yet"),
    "returning": Badge("warn", "▲", "返还已发送，未回执", "return sent, no answer yet"),
    "released": Badge("quiet", "○", "已解除", "released"),
    "expired": Badge("quiet", "○", "已届满，视为解除", "ended, deemed released"),
    "returned": Badge("quiet", "○", "已返还", "returned"),
    "cancelled": Badge("quiet", "○", "已撤销", "cancelled"),
}
KINDS: Mapping[str, tuple[str, str]] = {
    "stop": ("紧急止付", "stop"),
    "extend": ("止付延期", "extension"),
    "freeze": ("冻结", "freeze"),
    "renew": ("继续冻结", "renewal"),
    "release": ("解除", "release"),
    "return": ("返还", "return"),
}
DEADLINES: Mapping[str, tuple[str, str]] = {
    "entry": ("30 分钟录入", "entry"),
    "first-dispatch": ("批准后发送", "first dispatch"),
    "acknowledge": ("银行受理", "acknowledgement"),
    "result": ("银行回执", "result"),
    "stop-expiry": ("止付届满", "stop ends"),
    "freeze-expiry": ("冻结届满", "freeze ends"),
    "renewal": ("续冻最迟办理日", "last day to renew"),
    "unverified": ("三个月未查证", "three months unverified"),
    "sort-whole-last": ("整户冻结厘清（最迟）", "sort the account at the latest"),
    "sort-whole": ("整户冻结厘清", "sort the account"),
    "irrelevant": ("三日内解除", "lift within three days"),
    "other-prefecture": ("通知异地公安", "notify the other prefecture"),
    "return": ("银行返还", "bank pays back"),
}
DOCUMENTS: Mapping[str, tuple[str, str]] = {
    "04": ("受害人身份证件", "victim's identity document"),
    "03": ("签名的紧急止付申请表", "signed application form"),
    "06": ("立案决定书", "filing decision"),
    "01": ("民警证件", "police card"),
    "02": ("冻结法律文书", "freeze document"),
    "05": ("查询法律文书", "query document"),
    "07": ("必要性说明", "statement of necessity"),
    "08": ("异地公安书面通报", "notice to another prefecture's police"),
}
_FLAGS: Mapping[str, tuple[str, str]] = {
    "partial": ("少于请求额", "less than asked"),
    "late-receipt": ("回执迟到", "late receipt"),
    "stop-lapsed": ("止付已届满", "the stop has lapsed"),
    "escalated": ("已催办", "escalated"),
    "appeal": ("有投诉申诉", "complaint"),
    "held-elsewhere": ("他案在先", "held by another case"),
    "renewal-due": ("应续冻", "renewal due"),
    "unverified": ("满三个月未查证，无关联须解除", "unverified for three months: lift or link it"),
}
_EVENTS: Mapping[str, tuple[str, str]] = {
    "case.opened": ("录入接报", "entered the report"),
    "case.officers": ("指定办案民警", "named the officers"),
    "case.duty": ("登记单位与值班电话", "set unit and duty telephone"),
    "case.document": ("上传文书", "added a document"),
    "case.filed": ("登记立案", "filed the case"),
    "case.complaint": ("登记投诉申诉", "recorded a complaint"),
    "case.refused": ("请求被规则拒绝", "was refused by the rules"),
    "measure.opened": ("添加账户", "added the account"),
    "measure.corrected": ("更正账户信息", "corrected the account"),
    "measure.irrelevant": ("认定与案件无关", "found the money irrelevant"),
    "measure.expired": ("期限届满，视为解除", "period ended, deemed released"),
    "measure.stop-lapsed": ("冻结办理中止付届满", "the stop lapsed while a freeze was under way"),
    "measure.cancelled": ("撤销措施", "cancelled the measure"),
    "instruction.prepared": ("提交文书待审批", "submitted for approval"),
    "instruction.rejected": ("退回", "sent back"),
    "instruction.approved": ("批准", "approved"),
    "instruction.sent": ("发送", "sent"),
    "instruction.acked": ("银行受理", "the desk took it"),
    "instruction.answered": ("银行回执", "the institution answered"),
    "instruction.answer-repeated": ("银行重复回执", "the same answer once more"),
    "task.done": ("登记催办结果", "said what came of a call"),
    "deadline.reminded": ("期限提醒", "reminder of a deadline"),
    "deadline.escalated": ("逾时催办", "escalated: no acknowledgement"),
}
_FACTS: Mapping[str, str] = {
    "id": "申请编号 application",
    "application_id": "申请编号 application",
    "kind": "文书 instruction",
    "channel": "渠道 channel",
    "step": "次序 step",
    "rank": "批准级别 rank",
    "package_sha256": "文书包 SHA-256",
    "code": "结果代码 code",
    "grade": "证据等级 grade",
    "guards": "未满足 unmet",
    "command": "请求 asked",
    "deadline": "期限 deadline",
    "to": "催办对象 to",
    "late_seconds": "晚 late (s)",
    "level": "级 level",
    "parent": "上级 parent",
    "ladder": "等待 waits for",
    "why": "原因 why",
    "task": "任务 task",
    "result": "结果 result",
    "due_at": "到期 due",
    "expired_at": "届满 ended",
}
_CHANNELS: Mapping[str, str] = {"desk": "银行专岗通道 desk", "paper": "纸质 paper"}
TASK_RESULTS: Mapping[str, str] = {
    "taken": "银行已受理 taken",
    "told": "已告知 told",
    "no-answer": "无人接听 no answer",
}
CALLS: Mapping[str, str] = {
    "desk": "24 小时专岗 desk",
    "person-a": "联系人 A",
    "person-b": "联系人 B",
    "supervisor": "银行主管 supervisor",
    "centre": "反诈中心 centre",
}
_RUNGS: Mapping[str, str] = {
    "next-channel": "下一通道 next channel",
    "phone": "电话 telephone",
    "supervisor": "银行主管 supervisor",
    "centre": "反诈中心 centre",
}
_SOON = 3600
"""Seconds left below which a clock turns to the tone of a warning."""


def tone_of(measure: MeasureView) -> str:
    """The tone of a clock: bad once it is over, warn in its last hour, else that of the state."""
    left = measure.next.seconds
    if left is None:
        return STATES[measure.state].tone
    if left < 0:
        return "bad"
    return "warn" if left < _SOON else STATES[measure.state].tone


def clock_text(seconds: int | None) -> str:
    """Write what is left, or how long it is over: 47:59:30, 12:04, 超时 00:47, 181 天."""
    if seconds is None:
        return "–"
    past, left = seconds < 0, abs(seconds)
    if left >= 4 * 86400:
        text = f"{left // 86400} 天"
    elif left >= 3600:
        text = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
    else:
        text = f"{left // 60:02}:{left % 60:02}"
    return f"超时 {text}" if past else text


def deadline_words(name: str) -> tuple[str, str]:
    """The words of a deadline, whose name may go on with a rung or a reminder's minutes."""
    return next((words for kind, words in DEADLINES.items() if name.startswith(kind)), (name, ""))


def flag_words(flag: str) -> str:
    """A measure's flag in words."""
    zh, en = _FLAGS.get(flag, (flag, ""))
    return f"{zh} {en}".strip()


def event_words(name: str) -> tuple[str, str]:
    """What happened, in words."""
    return _EVENTS.get(name, (name, ""))


_GRADES: Mapping[str, str] = {"A": "A 银行签名", "B": "B 见到回执", "C": "▲ C 电话告知"}
"""How much an answer proves; what was only told by telephone stands out."""


def fact_words(event: EventView, when: object) -> list[tuple[str, str]]:
    """What belongs to an event: which instruction, by which channel, with which evidence.

    Args:
        event: The event.
        when: Writes a moment for people.
    """
    told = []
    for name, value in event.facts.items():
        shown = value
        if name == "kind":
            shown = " ".join(KINDS.get(value, (value,)))
        elif name == "channel":
            shown = _CHANNELS.get(value, value)
        elif name == "result":
            shown = TASK_RESULTS.get(value, value)
        elif name == "ladder":
            shown = deadline_words(value)[0]
        elif name == "to":
            shown = _RUNGS.get(value, value)
        elif name == "deadline":
            shown = deadline_words(value)[0]
        elif name == "grade":
            shown = _GRADES.get(value, value)
        elif name in {"due_at", "expired_at"} and callable(when):
            shown = str(when(datetime.fromisoformat(value)))
        told.append((_FACTS.get(name, name), shown))
    return told


def account_groups(number: str) -> str:
    """An account in groups of four, as people read it aloud; masked ones too."""
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))
