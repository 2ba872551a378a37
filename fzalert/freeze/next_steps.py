"""What to do about a rule that is not met, in one line, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["NEXT_STEPS", "next_steps"]

NEXT_STEPS: Mapping[str, tuple[str, str]] = {
    "role": ("请有权限的人员办理", "Let somebody with the role do it."),
    "step-up": ("重新验证身份后再试", "Prove who you are again, then repeat it."),
    "daily-limit": (
        "由他人办理，或由负责人在本单位规则中提高上限",
        "Somebody else does it, or a head raises the figure in the unit's policy.",
    ),
    "daily-sends": (
        "由他人发送，或由负责人在本单位规则中提高上限",
        "Somebody else sends it, or a head raises the figure in the unit's policy.",
    ),
    "clean": (
        "更正资料；仅为提示的，逐条写明理由（--waive 代码=理由）",
        "Correct it; a mere warning is waived with a reason (--waive CODE=REASON).",
    ),
    "duplicate": (
        "查看已有措施；他案在先的写明理由（--waive duplicate=理由）",
        "Look at the open measure; one of another case is waived (--waive duplicate=REASON).",
    ),
    "protected": ("不得办理；账户类别有误的先更正", "It cannot be; correct a wrong class first."),
    "protected-whole": ("改为限额冻结", "Freeze a limited amount instead."),
    "two-officers": ("指定两名民警（freeze officers）", "Name two officers (freeze officers)."),
    "second-person": ("请另一名人员批准", "Let another person do it."),
    "documents": ("上传缺少的文书（freeze attach）", "Attach what is missing (freeze attach)."),
    "reason": ("写明理由后重试", "Write the reason and try again."),
    "stop-count": ("及时立案并转为冻结", "File the case and turn it into a freeze."),
    "in-force": ("重新提交止付或冻结", "Submit a new stop or freeze."),
    "filed": ("先登记立案并附决定书（freeze file）", "File the case first (freeze file)."),
    "legal-basis": ("登记立案时写明法律依据", "Give the legal basis with the filing."),
    "amount": ("把金额改为不超过涉案金额", "Ask for no more than the money of the case."),
    "period": ("缩短期限，或报设区的市级批准", "Shorten it, or let a prefecture approve."),
    "rank": ("报有权级别的负责人批准", "Let a head of the needed rank approve."),
    "whole-reason": ("写明理由和必要性，或改为限额", "Write why, or freeze a limited amount."),
    "mass": ("报设区的市级以上负责人批准", "Let a prefecture-level head approve."),
    "online": ("在平台办理，或写明线下原因", "Use the platform, or write why not."),
    "duty-phone": ("登记值班电话（freeze duty）", "Set the duty telephone (freeze duty)."),
    "legal-review": ("取得法制审核编号（--review）", "Get the review's number (--review)."),
    "local-police": ("写明协助的当地公安机关", "Name the police of the other place."),
    "same-rank": ("报不低于原级别的负责人批准", "Let a head of at least the first rank approve."),
    "package": ("退回并重新提交、批准", "Reject it, submit and approve it again."),
    "recipient": ("补登机构专岗，或打印送达", "List the desk (contacts), or send it on paper."),
    "receipt-account": ("核对回执的账号和申请编号", "Compare the receipt's account and id."),
    "receipt-proof": (
        "索取签名或书面回执，或录音编号",
        "Get a signed or written answer, or a call's.",
    ),
    "receipt-time": ("核对生效时间和时区", "Check its start and zone."),
    "not-sent": ("改为申请解除（freeze release）", "Ask for the release (freeze release)."),
    "allocation": ("使分配合计不超过冻结金额", "Let the shares sum to what is frozen at most."),
    "notice": ("公告满三十日后再批准", "Approve it once the notice has run thirty days."),
    "state": ("查看当前状态（freeze status）", "Look at its state (freeze status)."),
    "unknown": ("核对编号", "Check the id."),
}
"""For each guard, and for `state` and `unknown` of the graph."""


def next_steps(guards: Iterable[str]) -> str:
    """What to do about some guards, each once."""
    found = dict.fromkeys(guards)
    told = [NEXT_STEPS[guard] for guard in found if guard in NEXT_STEPS]
    return " ".join(f"{zh}。{en}" for zh, en in told)
