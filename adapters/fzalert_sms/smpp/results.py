"""What the message centre's statuses mean.

Source: SMPP v3.4 issue 1.2, 5.1.3 (command_status); v5.0, 4.7.6 for 0x0100 and up.
"""

from __future__ import annotations

from typing import Final

from fzalert.messages import ReceiptKind, Scope
from fzalert_sms.carrier.results import VENDOR, Meaning, Table

__all__ = ["LOGIN", "RESULTS", "TABLE"]

_P = ReceiptKind.PERMANENT


def _contract(chinese: str, english: str) -> Meaning:
    return Meaning(_P, Scope.CHANNEL, f"{chinese} · {english}: check the contract", True)


def _fault(chinese: str, english: str) -> Meaning:
    return Meaning(_P, Scope.MESSAGE, f"{chinese} · {english}", True)


def _person(chinese: str, english: str) -> Meaning:
    return Meaning(_P, Scope.RECIPIENT, f"{chinese} · {english}")


def _busy(chinese: str, english: str) -> Meaning:
    return Meaning(ReceiptKind.TEMPORARY, Scope.MESSAGE, f"{chinese} · {english}")


def _down(chinese: str, english: str, pause: float) -> Meaning:
    words = f"{chinese} · {english}"
    return Meaning(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, words, pause=pause)


def _throttled(chinese: str, english: str, pause: float = 0.0) -> Meaning:
    words = f"{chinese} · {english}"
    return Meaning(ReceiptKind.THROTTLED, Scope.CHANNEL, words, pause=pause)


RESULTS: Final[dict[int, Meaning]] = {
    0x01: _fault("消息长度错", "wrong length of the message"),
    0x02: _fault("命令长度错", "wrong command_length"),
    0x03: _fault("命令字错", "wrong command"),
    0x04: _down("此连接未绑定，重新登录", "not bound for this: bound anew", 1.0),
    0x05: _down("已绑定", "bound already", 30.0),
    0x06: _fault("非法优先级", "wrong priority_flag"),
    0x07: _fault("非法状态报告标志", "wrong registered_delivery"),
    # Some centres say so of a text without a route or of an account without money: after a few
    # tries it counts as failed.
    0x08: _busy("系统错误", "the centre has a fault"),
    0x0A: _contract("非法源号码", "wrong source_addr"),
    0x0B: _person("非法目的号码", "wrong destination number"),
    0x0C: _fault("非法消息号", "wrong message_id"),
    0x0D: _contract("绑定失败", "bind failed"),
    0x0E: _contract("密码错", "wrong secret"),
    0x0F: _contract("账号错", "wrong account"),
    0x14: _throttled("消息队列满", "the centre's queue is full", 5.0),
    0x15: _contract("非法业务类型", "wrong service_type"),
    0x33: _fault("目的地址个数错", "wrong number of destinations"),
    0x34: _fault("分发列表错", "wrong distribution list"),
    0x40: _fault("非法目的标志", "wrong destination flag"),
    0x42: _fault("非法 submit_with_replace", "submit with replace is refused"),
    0x43: _fault("非法 esm_class", "wrong esm_class"),
    0x44: _fault("不能发往分发列表", "not to a distribution list"),
    0x45: _busy("提交失败", "submission failed"),
    0x48: _contract("非法源地址 TON", "wrong source_ton"),
    0x49: _contract("非法源地址 NPI", "wrong source_npi"),
    0x50: _contract("非法目的地址 TON", "wrong dest_ton"),
    0x51: _contract("非法目的地址 NPI", "wrong dest_npi"),
    0x53: _contract("非法 system_type", "wrong system_type"),
    0x54: _fault("非法替换标志", "wrong replace_if_present_flag"),
    0x55: _fault("非法消息个数", "wrong number of messages"),
    0x58: _throttled("超过流量", "over the flow limit"),
    0x61: _fault("非法定时发送时间", "wrong schedule_delivery_time"),
    0x62: _fault("非法有效期", "wrong validity_period"),
    0x63: _fault("预定义消息错", "wrong predefined message"),
    0x64: _busy("接收方暂时出错", "temporary fault of a receiver"),
    0x65: _fault("接收方永久出错", "permanent fault of a receiver"),
    0x66: _fault("接收方拒绝", "refused by a receiver"),
    0x67: _fault("查询失败", "query failed"),
    0xC0: _fault("可选参数错", "wrong optional fields"),
    0xC1: _fault("不允许的可选参数", "an optional field is not allowed"),
    0xC2: _fault("参数长度错", "wrong length of a field"),
    0xC3: _fault("缺可选参数", "an optional field is missing"),
    0xC4: _fault("参数值错", "wrong value of a field"),
    0xFE: _busy("下发失败", "delivery failed"),
    0xFF: VENDOR,
    0x100: _contract("业务类型未授权", "service_type is not authorised"),
    0x101: _contract("禁止此操作", "not allowed for this account"),
    0x102: _contract("业务类型不可用", "service_type is not available"),
    0x103: _contract("业务类型被拒", "service_type is denied"),
    0x104: _contract("非法 data_coding", "wrong data_coding: set coding"),
    0x105: _contract("源地址子单元错", "wrong source subunit"),
    0x106: _person("目的地址子单元错", "wrong destination subunit"),
    0x107: _fault("广播频率错", "wrong broadcast frequency"),
    0x108: _fault("广播别名错", "wrong broadcast alias"),
    0x109: _fault("广播区域格式错", "wrong broadcast area"),
    0x10A: _fault("广播区域过多", "too many broadcast areas"),
    0x10B: _fault("广播内容类型错", "wrong broadcast content"),
    0x10C: _fault("广播消息类别错", "wrong broadcast class"),
    0x10D: _fault("广播失败", "broadcast failed"),
    0x10E: _fault("广播查询失败", "broadcast query failed"),
    0x10F: _fault("广播取消失败", "broadcast cancel failed"),
    0x110: _fault("广播重复次数错", "wrong broadcast repeat"),
    0x111: _fault("广播服务组错", "wrong broadcast group"),
    0x112: _fault("广播信道错", "wrong broadcast channel"),
}
LOGIN: Final[dict[int, str]] = {
    0x02: "命令长度错 · malformed bind",
    0x03: "网关不识别绑定命令 · the centre does not know this kind of bind",
    0x04: "此账号不许这样绑定，或状态不对 · this account may not bind so, or not now",
    0x05: "已绑定：旧连接尚在 · bound already: an old connection still holds the place",
    0x08: "系统错误 · the centre has a fault",
    0x0D: "绑定失败 · bind failed: account, secret or address",
    0x0E: "密码错 · wrong secret",
    0x0F: "账号错 · wrong account",
    0x14: "消息队列满 · the centre's queue is full",
    0x53: "非法 system_type · wrong system_type",
    0x58: "超过流量或连接数 · too many requests or connections",
    0x100: "业务类型未授权 · not authorised",
    0x101: "禁止此操作 · not allowed for this account",
}
TABLE: Final = Table(
    RESULTS, range(0x400, 1 << 32), LOGIN, frozenset({0x0D, 0x0E, 0x0F, 0x53, 0x100, 0x101})
)
