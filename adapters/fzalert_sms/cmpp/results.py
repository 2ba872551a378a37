"""What the gateway's numbers and words mean: one table each, from its code to ours.

Source: CMPP V3.0.0, 8.4.1.2 (login), 8.4.3.2 (Result), 8.4.5.1 and annex (Stat).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from fzalert.messages import Receipt, ReceiptKind, ReportKind, Scope

THROTTLE_PAUSE: Final = 1.0
"""Seconds to wait after flow control, where the gateway names none."""


class Meaning(NamedTuple):
    """What a code says.

    Attributes:
        kind: Which of the six receipts.
        scope: What it speaks about.
        words: For people, Chinese first.
        alarms: Whether a person must look: a fault of ours or of the contract.
    """

    kind: ReceiptKind
    scope: Scope
    words: str
    alarms: bool = False


_P = ReceiptKind.PERMANENT
RESULTS: Final[dict[int, Meaning]] = {
    1: Meaning(_P, Scope.MESSAGE, "消息结构错 · malformed frame", True),
    2: Meaning(_P, Scope.MESSAGE, "命令字错 · wrong command", True),
    # We never send a sequence twice, so the first one with this number may have been taken.
    3: Meaning(ReceiptKind.UNKNOWN, Scope.MESSAGE, "消息序号重复 · repeated sequence", True),
    4: Meaning(_P, Scope.MESSAGE, "消息长度错 · wrong length", True),
    5: Meaning(_P, Scope.CHANNEL, "资费代码错 · wrong fee code: check the contract", True),
    6: Meaning(_P, Scope.MESSAGE, "超过最大信息长 · text too long", True),
    7: Meaning(_P, Scope.CHANNEL, "业务代码错 · wrong service_id: check the setting", True),
    8: Meaning(ReceiptKind.THROTTLED, Scope.CHANNEL, "流量控制 · too fast"),
    9: Meaning(_P, Scope.RECIPIENT, "本网关不负责此号码 · number of another gateway"),
    10: Meaning(_P, Scope.CHANNEL, "Src_Id 错误 · wrong src_id: check the setting", True),
    11: Meaning(_P, Scope.CHANNEL, "Msg_src 错误 · wrong account in Msg_src", True),
    12: Meaning(_P, Scope.CHANNEL, "Fee_terminal_Id 错误 · wrong fee number", True),
    13: Meaning(_P, Scope.RECIPIENT, "目的号码错误 · wrong destination number"),
}
_VENDOR = Meaning(ReceiptKind.TEMPORARY, Scope.MESSAGE, "网关自定义错误 · vendor's own code")
_UNMAPPED = Meaning(_P, Scope.MESSAGE, "未知错误码 · unmapped code: ask the gateway", True)

LOGIN: Final[dict[int, str]] = {
    1: "消息结构错 · malformed login",
    2: "非法源地址 · unknown account or address not allowed",
    3: "认证错 · wrong account or secret",
    4: "版本太高 · version too high",
}


def meaning_of(result: int) -> Meaning:
    """What a SUBMIT_RESP with this result says; 0 is not in the table."""
    if 100 <= result <= 199:
        return _VENDOR
    return RESULTS.get(result, _UNMAPPED)


def receipt_of(result: int, msg_id: bytes) -> Receipt:
    """The receipt for a SUBMIT_RESP. Taken without an id is unknown: no report can ever match."""
    if result == 0:
        if any(msg_id):
            return Receipt(ReceiptKind.SENT, Scope.MESSAGE, msg_id)
        return _NO_ID
    return _refusal(result)


_NO_ID = Receipt(
    ReceiptKind.UNKNOWN, code="0", detail="网关已收，但未给消息号 · taken, but without an id"
)


@lru_cache(maxsize=512)
def _refusal(result: int) -> Receipt:
    meaning = meaning_of(result)
    return Receipt(
        meaning.kind,
        meaning.scope,
        code=str(result),
        detail=meaning.words,
        retry_after=THROTTLE_PAUSE if meaning.kind is ReceiptKind.THROTTLED else 0.0,
    )


def login_words(status: int) -> str:
    """What a refused login says."""
    return LOGIN.get(status, "其他错误 · other error, such as too many connections")


def needs_a_person(status: int) -> bool:
    """Whether a refused login will be refused again until somebody changes a setting."""
    return status in LOGIN


_STATS: Final[dict[str, ReportKind | None]] = {
    "DELIVRD": ReportKind.DELIVERED,
    "EXPIRED": ReportKind.EXPIRED,
    "UNDELIV": ReportKind.UNDELIVERED,
    "REJECTD": ReportKind.UNDELIVERED,
    "DELETED": ReportKind.UNDELIVERED,
    "UNKNOWN": ReportKind.NO_REPORT,
    "ACCEPTD": None,
}


@lru_cache(maxsize=1024)
def report_kind_of(stat: str) -> ReportKind | None:
    """What a Stat says; None is an intermediate word that changes nothing.

    The families `XA:nnnn` (no response from the next system) and `XC:nnnn` (no report from it) say
    that the fate is not known; every other code is a failure.
    """
    known = stat.upper()
    if known in _STATS:
        return _STATS[known]
    if len(known) > 2 and known[2] == ":" and known[1] in "AC":
        return ReportKind.NO_REPORT
    return ReportKind.UNDELIVERED
