"""What the gateway's statuses mean.

Source: SMGP V3.0.3, annex A (Status).
"""

from __future__ import annotations

from typing import Final

from fzalert.messages import ReceiptKind, Scope
from fzalert_sms.carrier.results import Meaning, Table

__all__ = ["LOGIN", "RESULTS", "TABLE"]

_P = ReceiptKind.PERMANENT


def _contract(chinese: str, english: str) -> Meaning:
    return Meaning(_P, Scope.CHANNEL, f"{chinese} · {english}: check the contract", True)


def _fault(chinese: str, english: str) -> Meaning:
    return Meaning(_P, Scope.MESSAGE, f"{chinese} · {english}", True)


RESULTS: Final[dict[int, Meaning]] = {
    1: Meaning(ReceiptKind.THROTTLED, Scope.CHANNEL, "系统忙 · the gateway is busy"),
    2: Meaning(
        ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, "超过最大连接数 · too many connections", pause=30.0
    ),
    10: _fault("消息结构错", "malformed frame"),
    11: _fault("命令字错", "wrong command"),
    # We never send a sequence twice, so the first one with this number may have been taken.
    12: Meaning(ReceiptKind.UNKNOWN, Scope.MESSAGE, "序列号重复 · repeated sequence", True),
    20: _contract("IP 地址错", "this address may not connect"),
    21: _contract("认证错", "wrong account or secret"),
    22: _contract("版本太高", "version too high"),
    30: _fault("非法消息类型", "wrong MsgType"),
    31: _fault("非法优先级", "wrong Priority"),
    32: _contract("非法资费类型", "wrong fee_type"),
    33: _contract("非法资费代码", "wrong fee_code"),
    34: _fault("非法短消息格式", "wrong coding"),
    35: _fault("非法时间格式", "wrong time"),
    36: _fault("非法短消息长度", "wrong length"),
    37: Meaning(_P, Scope.MESSAGE, "有效期已过 · worthless by now, says the gateway"),
    38: _fault("非法查询类别", "wrong query"),
    39: Meaning(_P, Scope.RECIPIENT, "路由错误 · no route to this number"),
    40: _contract("非法包月费", "wrong fixed fee"),
    43: _contract("非法业务代码", "wrong service_id"),
    44: _fault("非法有效期", "wrong ValidTime"),
    45: _fault("非法定时发送时间", "wrong AtTime"),
    46: _contract("非法发送号码", "wrong src_term_id"),
    47: Meaning(_P, Scope.RECIPIENT, "非法接收号码 · wrong destination number"),
    48: _contract("非法计费号码", "wrong charge number"),
    49: _contract("非法 SP 代码", "wrong company code"),
    58: Meaning(_P, Scope.RECIPIENT, "无此号段路由 · no route to this number"),
    69: _contract("非法企业代码", "wrong enterprise code"),
    73: _contract("非法产品代码", "wrong MServiceID"),
    74: Meaning(
        ReceiptKind.CHANNEL_DOWN,
        Scope.CHANNEL,
        "此时段不许下发 · not allowed at this time of day",
        True,
        pause=600.0,
    ),
    75: Meaning(
        ReceiptKind.CHANNEL_DOWN,
        Scope.CHANNEL,
        "超过当日流量 · more than the day allows",
        True,
        pause=1800.0,
    ),
    76: _contract("账号过期", "the account has expired"),
}
LOGIN: Final[dict[int, str]] = {
    1: "网关忙 · the gateway is busy",
    2: "超过最大连接数 · too many connections",
    10: "消息结构错 · malformed login",
    20: "IP 地址错 · this address may not connect",
    21: "认证错，或双方时钟相差太大 · wrong account or secret, or clocks too far apart",
    22: "版本太高 · version too high",
    76: "账号过期 · the account has expired",
}
TABLE: Final = Table(RESULTS, range(128, 256), LOGIN, frozenset({10, 20, 21, 22, 76}))
