"""What the gateway's numbers mean: one table each, from its code to ours.

Source: CMPP V3.0.0, 8.4.1.2 (login), 8.4.3.2 (Result).
"""

from __future__ import annotations

from typing import Final

from fzalert.messages import Receipt, ReceiptKind, Scope
from fzalert_sms.carrier.results import Meaning, Results, Table

__all__ = ["LOGIN", "RESULTS", "TABLE", "receipt_of"]

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
LOGIN: Final[dict[int, str]] = {
    1: "消息结构错 · malformed login",
    2: "非法源地址 · unknown account or address not allowed",
    3: "认证错，或双方时钟相差太大 · wrong account or secret, or clocks too far apart",
    4: "版本太高 · version too high",
}
TABLE: Final = Table(RESULTS, range(100, 200), LOGIN, frozenset(LOGIN))
_STANDARD = Results(TABLE)


def receipt_of(result: int, msg_id: bytes) -> Receipt:
    """The receipt for a SUBMIT_RESP by the protocol."""
    return _STANDARD.receipt(result, msg_id)
