"""What the gateway's results and the error codes of its reports mean.

Source: SGIP V1.2 (2001-10), annex (error codes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fzalert.messages import ReceiptKind, ReportKind, Scope
from fzalert_sms.carrier.reports import Effect, Reading, ReportWord, reading_of
from fzalert_sms.carrier.results import Meaning, Table

__all__ = ["DELIVERED", "LOGIN", "RESULTS", "TABLE", "WAITING", "reader_of"]

_P = ReceiptKind.PERMANENT
_T = ReceiptKind.TEMPORARY


def _contract(chinese: str, english: str) -> Meaning:
    return Meaning(_P, Scope.CHANNEL, f"{chinese} · {english}: check the contract", True)


def _fault(chinese: str, english: str) -> Meaning:
    return Meaning(_P, Scope.MESSAGE, f"{chinese} · {english}", True)


def _person(chinese: str, english: str) -> Meaning:
    return Meaning(_P, Scope.RECIPIENT, f"{chinese} · {english}")


def _later(chinese: str, english: str) -> Meaning:
    return Meaning(_T, Scope.MESSAGE, f"{chinese} · {english}")


def _busy(chinese: str, english: str) -> Meaning:
    return Meaning(ReceiptKind.THROTTLED, Scope.CHANNEL, f"{chinese} · {english}")


RESULTS: Final[dict[int, Meaning]] = {
    1: _contract("非法登录", "wrong login"),
    2: _fault("重复登录", "logged in already"),
    3: Meaning(
        ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, "连接过多 · too many connections", pause=30.0
    ),
    4: _contract("登录类型错", "wrong login type"),
    5: _fault("参数格式错", "malformed field"),
    6: _person("非法手机号，或非联通号码", "wrong number, or not of this carrier"),
    7: _fault("消息 ID 错", "wrong command"),
    8: _fault("信息长度错", "wrong length"),
    # Answered to a part that we sent again, it is read as taken before it comes here.
    9: Meaning(ReceiptKind.UNKNOWN, Scope.MESSAGE, "序列号重复 · repeated sequence", True),
    10: _fault("非法操作 GNS", "not allowed"),
    11: _busy("节点忙", "the gateway is busy"),
    21: _later("目的地址不可达", "the destination cannot be reached now"),
    22: _person("路由错", "wrong route to this number"),
    23: _person("路由不存在", "no route to this number"),
    24: _contract("计费号码无效", "wrong charge number"),
    25: _later("用户不能通信（关机、不在服务区）", "the phone is off or out of reach"),
    26: _later("手机内存不足", "the phone's memory is full"),
    27: _person("手机不支持短消息", "the phone takes no text messages"),
    28: _later("手机接收出错", "the phone received it wrongly"),
    29: _person("不知道的用户", "unknown user"),
    30: _person("不提供此功能", "the user has no such service"),
    31: _person("非法设备", "illegal device"),
    32: _later("系统失败", "the system failed"),
    33: _busy("短信中心队列满", "the message centre's queue is full"),
}
LOGIN: Final[dict[int, str]] = {
    1: "登录名或口令错 · wrong login name or password",
    2: "重复登录 · logged in already",
    3: "连接过多 · too many connections",
    4: "登录类型错 · wrong login type",
    5: "参数格式错 · malformed login",
    11: "网关忙 · the gateway is busy",
}
TABLE: Final = Table(RESULTS, range(34, 256), LOGIN, frozenset({1, 4, 5}))

DELIVERED: Final = "0"
"""Stands for State 0 where a word is needed."""
WAITING: Final = "waiting"
"""The same for State 1, which says nothing final."""
_EXPIRED: Final = frozenset({25, 26})
"""The message centre tried until the time ran out: another day it may succeed."""


def reader_of(own: Mapping[str, ReportWord]) -> Callable[[str], Reading]:
    """Return a function that reads the ErrorCode of a report, given as digits.

    Args:
        own: What the settings say of a code.
    """
    table = {
        DELIVERED: Reading(ReportKind.DELIVERED),
        WAITING: Reading(None),
        **{str(code): _failed(code) for code in range(1, 256)},
        **{code: reading_of(word) for code, word in own.items()},
    }
    other = Reading(ReportKind.UNDELIVERED)

    def read(stat: str) -> Reading:
        return table.get(stat, other)

    return read


def _failed(code: int) -> Reading:
    kind = ReportKind.EXPIRED if code in _EXPIRED else ReportKind.UNDELIVERED
    effect = Effect.OVERFLOW if code in (11, 33) else Effect.NONE
    meaning = RESULTS.get(code)
    return Reading(kind, effect, meaning.words if meaning is not None else "")
