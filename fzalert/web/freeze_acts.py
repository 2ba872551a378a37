"""Which acts a measure allows, in words: a table of forms, the most pressing act first.

The table mirrors the legal graph so that a page offers what fits; the service alone decides, and a
refusal is shown with every unmet guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fzalert.service.freeze_models import MeasureView
from fzalert.web.freeze_fields import ACCOUNT, OFFICERS, RESULTS, TRANSFER, Field
from fzalert.web.freeze_words import DOCUMENTS, KINDS, TASK_RESULTS

__all__ = ["ACTS", "Act", "acts_of", "case_acts", "primary_act"]

_IN_FORCE = frozenset(
    {
        *("stopped", "freeze_draft", "freeze_approved", "freeze_sent"),
        *("frozen", "queued", "release_sent", "returning"),
    }
)
_FINAL = frozenset({"released", "expired", "returned", "cancelled"})
_RENEW_WITHIN = 30 * 86_400
"""Seconds before the end of a freeze from which its renewal is the act to do next."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act of a case or measure.

    Attributes:
        name: As in its address.
        zh: Verb and object; {kind} is the instruction's.
        en: The same in English.
        fields: What it asks for.
        tone: go for what moves on, bad for what ends something, empty else.
        several: Whether it may be done to all measures of a case at once.
        help: What it does, Chinese and English.
    """

    name: str
    zh: str
    en: str
    fields: tuple[Field, ...] = ()
    tone: str = ""
    several: bool = False
    help: tuple[str, str] = field(default=("", ""))

    def label(self, kind: str = "") -> tuple[str, str]:
        """The words of its button for an instruction of a kind."""
        zh, en = KINDS.get(kind, ("文书", "instruction"))
        return self.zh.format(kind=zh), self.en.format(kind=en)

    @property
    def has_files(self) -> bool:
        """Whether a file belongs to it."""
        return any(one.kind == "file" for one in self.fields)


def _reason(zh: str = "理由", en: str = "Reason", help: str = "") -> Field:
    return Field("reason", zh, en, "area", required=True, help=help)


_TERMS = (
    Field("major", "重大复杂案件（最长一年，须设区的市级批准）", "Major case: one year", "check"),
)
ACTS: Mapping[str, Act] = {
    act.name: act
    for act in (
        Act(
            "submit",
            "提交止付申请",
            "Submit the stop",
            (Field("reason", "说明", "Remark", "area"),),
            "go",
            several=True,
            help=("提交后由另一名民警审批", "Another officer approves it."),
        ),
        Act(
            "approve",
            "批准{kind}",
            "Approve the {kind}",
            tone="go",
            several=True,
            help=(
                "批准后文书包即固定；提出人不能批准自己的申请",
                "The package is fixed from then on. Nobody approves what he prepared.",
            ),
        ),
        Act("reject", "退回{kind}", "Send the {kind} back", (_reason("退回理由"),), "bad"),
        Act(
            "send",
            "发送{kind}",
            "Send the {kind}",
            tone="go",
            several=True,
            help=(
                "按机构通讯录的通道发送；没有通道的打印纸质文书",
                "Over the desk's channel; where there is none it is printed.",
            ),
        ),
        Act(
            "send-paper",
            "改用纸质送达{kind}",
            "Send the {kind} on paper",
            help=(
                "登记为纸质送达；随后下载打印、盖章、传真，收到回执后录入",
                "It is recorded as sent on paper: print, seal and fax it, enter the answer later.",
            ),
        ),
        Act(
            "acknowledge",
            "登记银行受理",
            "Record the acknowledgement",
            (
                Field(
                    "desk",
                    "受理人或录音编号",
                    "Who took it, or the call's number",
                    help="如 专岗王 电话录音 8812",
                ),
            ),
            "go",
        ),
        Act(
            "receipt",
            "录入银行回执",
            "Enter the bank's answer",
            (
                Field("code", "结果", "Result", "choice", required=True, choices=RESULTS),
                Field(
                    "account_number",
                    "回执上的账号",
                    "Account on the answer",
                    "number",
                    required=True,
                    help="逐位照回执录入，与请求不一致的不予接受 copy it from the answer",
                ),
                Field("started_at", "生效时间", "In force from", "moment"),
                Field("expires_at", "届满时间", "In force until", "moment"),
                Field("balance", "账户余额（元）", "Balance", "money"),
                Field("frozen", "已冻结金额（元）", "Frozen", "money"),
                Field("earlier_authority", "在先机关", "Earlier authority", help="轮候时填写"),
                Field("earlier_expires_at", "在先措施届满", "Earlier measure ends", "moment"),
                Field("cause", "未执行原因", "Why not"),
                Field("operator", "银行经办人", "Operator"),
                Field("phone", "银行电话", "Telephone"),
                Field(
                    "grade",
                    "证据等级",
                    "Grade",
                    "choice",
                    choices=(
                        ("B", "B 见到书面或系统回执 seen on paper or in the bank's system"),
                        ("C", "C 电话告知 told by telephone"),
                    ),
                ),
                Field("proof", "凭证", "Proof", help="回执编号或电话录音编号；等级 C 必填"),
            ),
            "go",
        ),
        Act(
            "task",
            "登记催办结果",
            "Record the call",
            (
                Field(
                    "result",
                    "结果",
                    "What came of it",
                    "choice",
                    choices=tuple(TASK_RESULTS.items()),
                ),
                Field("note", "备注", "Note", help="如 受理人、录音编号；号码会被遮盖"),
            ),
            "go",
            help=(
                "“银行已受理”即算银行受理",
                "Taken counts as the desk's acknowledgement.",
            ),
        ),
        Act(
            "correct",
            "更正账户信息",
            "Correct the account",
            (*ACCOUNT, *TRANSFER, _reason("更正理由")),
            "go",
        ),
        Act(
            "extend",
            "申请止付延期",
            "Ask for the extension",
            (_reason(),),
            help=("同一账户最多止付两次", "An account is stopped twice at most."),
        ),
        Act(
            "freeze",
            "转为冻结",
            "Turn it into a freeze",
            (
                Field(
                    "mode",
                    "冻结方式",
                    "How much",
                    "choice",
                    choices=(("01", "限额冻结 limited"), ("02", "整户冻结 whole account")),
                ),
                Field("amount", "冻结金额（元）", "Amount", "money", help="整户冻结不填"),
                Field("end", "冻结至", "Until", "date", required=True),
                Field("necessity", "整户冻结的理由和必要性", "Necessity of the whole", "area"),
                *_TERMS,
                Field("offline", "不经平台的原因", "Why not over the platform"),
                Field("local_police", "协助的当地公安机关", "Police of the other place"),
                _reason(),
            ),
            "go",
            help=(
                "须先立案，由县级以上公安机关负责人批准",
                "The case has to be filed; a head of county rank approves it.",
            ),
        ),
        Act(
            "renew",
            "申请继续冻结",
            "Renew the freeze",
            (
                Field("end", "继续冻结至", "Until", "date", required=True),
                Field("legal_review", "法制审核编号", "Number of the legal review", required=True),
                *_TERMS,
                _reason(),
            ),
            "go",
        ),
        Act(
            "release",
            "申请解除",
            "Ask for the release",
            (_reason("解除理由", help="如：与案件无关、资金已厘清、申诉成立、撤回"),),
            "bad",
        ),
        Act(
            "return",
            "申请返还资金",
            "Return the money",
            (
                Field(
                    "method",
                    "返还方式",
                    "Method",
                    "choice",
                    choices=(
                        ("direct", "直接返还 direct"),
                        ("timestamp", "按时间戳 by time stamp"),
                        ("proportional", "按比例 proportional"),
                    ),
                ),
                Field(
                    "losses",
                    "各受害人损失",
                    "Losses, to divide in proportion",
                    "area",
                    help="每行：代号 金额，如 受害人1 386000；按“按比例计算”填入下面的分配",
                ),
                Field(
                    "allocation",
                    "分配",
                    "Allocation",
                    "area",
                    required=True,
                    help="每行：代号 金额，合计不超过已冻结金额",
                ),
                Field("notice_from", "公告起始日", "Public notice from", "moment"),
                _reason(),
            ),
        ),
        Act(
            "irrelevant",
            "认定与案件无关",
            "Find the money irrelevant",
            (_reason(),),
            "bad",
            help=("认定后须在三日内解除", "It has to be lifted within three days."),
        ),
        Act(
            "complaint",
            "登记投诉申诉",
            "Record a complaint",
            (Field("number", "投诉或申诉编号", "Its number", required=True),),
        ),
        Act(
            "cancel",
            "撤销措施",
            "Cancel the measure",
            (_reason("撤销理由"),),
            "bad",
            help=(
                "只限没有发送的措施，由提出人以外的人撤销",
                "Only what was not sent, and by another person than the author.",
            ),
        ),
        Act(
            "follow",
            "追踪下一级账户",
            "Follow the money to the next account",
            (*ACCOUNT, *TRANSFER),
            help=("付款账号即本账户", "The payer's account is this one."),
        ),
        Act(
            "officers",
            "指定两名办案民警",
            "Name the two officers",
            OFFICERS,
        ),
        Act(
            "duty",
            "登记单位与值班电话",
            "Set unit and duty telephone",
            (
                Field("unit_name", "办案单位", "Unit", required=True),
                Field("unit_code", "单位代码（12 位）", "Unit code", "number", required=True),
                Field("prefecture", "地区代码前四位", "First four digits of the area"),
                Field("phone", "24 小时值班电话", "24-hour telephone", required=True),
            ),
        ),
        Act(
            "attach",
            "上传文书",
            "Add a document",
            (
                Field(
                    "type",
                    "文书种类",
                    "Kind",
                    "choice",
                    choices=tuple((code, " ".join(words)) for code, words in DOCUMENTS.items()),
                ),
                Field(
                    "document",
                    "文件",
                    "File",
                    "file",
                    required=True,
                    help="PDF、PNG 或 JPEG，不超过 20 MiB",
                ),
            ),
        ),
        Act(
            "file",
            "登记立案",
            "File the case",
            (
                Field("case_number", "案件编号", "Case number", required=True),
                Field("at", "立案时间", "Filed at", "moment", required=True),
                Field(
                    "legal_basis",
                    "法律依据",
                    "Legal basis",
                    "area",
                    required=True,
                    help="每行一条 one a line",
                    value="中华人民共和国反电信网络诈骗法第二十条",
                ),
                Field("case_money", "涉案金额（元）", "Money of the case", "money"),
                Field(
                    "document",
                    "立案决定书",
                    "Filing decision",
                    "file",
                    required=True,
                    help="PDF、PNG 或 JPEG",
                ),
            ),
        ),
        Act("add", "添加账户", "Add an account", (*ACCOUNT, *TRANSFER)),
    )
}


def acts_of(measure: MeasureView) -> list[Act]:
    """The acts that a measure allows; what moves it on stands first."""
    return [ACTS[name] for name in (*_main(measure), *_besides(measure))]


def primary_act(measure: MeasureView) -> Act | None:
    """The one act to do next; None where there is only to wait, or nothing left."""
    if measure.state == "frozen" and measure.stage not in {"review", "approved", "sent", "acked"}:
        left = measure.next.seconds
        return ACTS["renew"] if left is not None and left < _RENEW_WITHIN else None
    found = _main(measure)
    return ACTS[found[0]] if found and ACTS[found[0]].tone == "go" else None


def case_acts() -> list[Act]:
    """The acts about a case as a whole."""
    return [ACTS[name] for name in ("add", "attach", "officers", "duty", "file")]


def _main(measure: MeasureView) -> tuple[str, ...]:
    called = ("task",) if any(task.is_open for task in measure.tasks) else ()
    match measure.stage:
        case "review":
            return ("approve", "reject")
        case "approved":
            return ("send", "send-paper", "reject")
        case "sent":
            return (*called, "acknowledge", "receipt", "send", "send-paper")
        case "acked":
            return (*called, "receipt", "send", "send-paper")
    return {
        "draft": ("submit", "correct"),
        "mismatch": ("correct",),
        "refused": ("correct", "freeze"),
        "stopped": ("freeze", "extend", "release"),
        "frozen": ("renew", "release", "return"),
        "queued": ("renew", "release"),
    }.get(measure.state, ())


def _besides(measure: MeasureView) -> tuple[str, ...]:
    if measure.state in _FINAL:
        return ()
    found = ["follow", "complaint"]
    if measure.state in _IN_FORCE:
        found.append("irrelevant")
    elif measure.stage not in {"sent", "acked"}:
        found.append("cancel")
    return tuple(found)
