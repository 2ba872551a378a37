"""The words and signs of states on staff pages: Chinese first, English beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "CAMPAIGNS",
    "CHANNELS",
    "FATES",
    "FIGURES",
    "KINDS",
    "LANES",
    "LAST_WORDS",
    "PROOFS",
    "Badge",
]


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in words.

    Attributes:
        tone: ok, warn, bad or quiet; the style sheet's word.
        sign: ● ▲ ■ or ○, so that no state is told by colour alone.
        zh: Chinese.
        en: English.
    """

    tone: str
    sign: str
    zh: str
    en: str


CHANNELS: Mapping[str, tuple[Badge, str, str]] = {
    "up": (Badge("ok", "●", "正常", "up"), "有消息就发", "Sends what comes."),
    "slow": (
        Badge("warn", "▲", "变慢", "slow"),
        "按对方的节奏发送，紧急优先",
        "Keeping the far side's pace, urgent first.",
    ),
    "down": (
        Badge("bad", "■", "断开", "down"),
        "自动重连；消息在有效期内排队等候",
        "Reconnecting by itself; messages wait in the queue until they expire.",
    ),
    "unknown": (
        Badge("warn", "▲", "未知", "unknown"),
        "还没有得到对方的回应",
        "The far side has not answered yet.",
    ),
}
FATES: Mapping[str, Badge] = {
    "open": Badge("quiet", "○", "进行中", "open"),
    "delivered": Badge("ok", "●", "已送达", "delivered"),
    "partly": Badge("warn", "▲", "部分送达", "partly delivered"),
    "failed": Badge("bad", "■", "失败", "failed"),
    "expired": Badge("bad", "■", "过期未发", "expired, not sent"),
    "unknown": Badge("warn", "▲", "结果未知", "unknown"),
    "suppressed": Badge("quiet", "○", "按规则未发", "held back by rule"),
    "withdrawn": Badge("quiet", "○", "已撤回", "withdrawn"),
}
CAMPAIGNS: Mapping[str, Badge] = {
    "importing": Badge("quiet", "○", "导入名单", "importing"),
    "ready": Badge("quiet", "○", "待开始", "ready"),
    "running": Badge("ok", "●", "进行中", "running"),
    "paused": Badge("warn", "▲", "已暂停", "paused"),
    "done": Badge("ok", "●", "已完成", "done"),
    "expired": Badge("bad", "■", "过期停止", "expired"),
    "cancelled": Badge("quiet", "○", "已取消", "cancelled"),
}
LAST_WORDS: Mapping[str, str] = {
    "sent": "对方已受理",
    "throttled": "对方限速",
    "temporary": "暂时失败，会再试",
    "permanent": "对方拒绝",
    "channel_down": "通道断开",
    "unknown": "没有回应",
    "delivered": "已到手机",
    "undelivered": "未送达",
    "expired": "已过期",
    "shown": "已显示",
    "hidden": "已停止显示",
    "played": "已播放",
    "interrupted": "播放被打断",
    "acknowledged": "有人确认",
    "withdrawn": "已撤回",
    "no_report": "没有状态报告",
    "settled": "人工认定",
    "suppressed": "按规则未发",
    "requeued": "回到队列",
    "queued": "排队中",
}
PROOFS: Mapping[str, str] = {
    "none": "无",
    "taken": "对方受理",
    "device": "设备自报",
    "observed": "第三方看到",
    "person": "有人确认",
}
FIGURES: Mapping[str, str] = {
    "sent": "已提交",
    "refused": "对方拒绝",
    "throttled": "对方限速",
    "unknown": "没有回应",
    "late": "迟到的回应",
    "reconnects": "重连",
    "screens": "屏幕",
    "screens_live": "在线屏幕",
    "screens_stale": "失联屏幕",
    "warnings_held": "正在显示",
    "last_paint_ms": "最近上屏毫秒",
    "speakers": "喇叭",
    "played": "已播放",
    "interrupted": "被打断",
    "handed_over": "已转交",
    "fates": "已回的结果",
}
LANES: Mapping[str, str] = {"urgent": "紧急", "bulk": "普通"}
KINDS: Mapping[str, str] = {
    "phone": "手机",
    "display": "屏幕",
    "speaker": "喇叭",
    "counter": "柜台",
    "mailbox": "邮箱",
    "group": "群",
    "bank_desk": "银行专岗",
}
