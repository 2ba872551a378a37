"""What the gateway's numbers mean: one table each, from its code to ours.

Source: CMPP V3.0.0, 8.4.1.2 (login), 8.4.3.2 (Result).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from fzalert.messages import Receipt, ReceiptKind, Scope
from fzalert_sms.cmpp.reports import report_kind_of

__all__ = [
    "LOGIN",
    "RESULTS",
    "THROTTLE_PAUSE",
    "URGENT_PAUSE",
    "Meaning",
    "ResultWord",
    "Results",
    "login_words",
    "meaning_of",
    "needs_a_person",
    "receipt_of",
    "report_kind_of",
]

THROTTLE_PAUSE: Final = 1.0
"""Seconds to wait after flow control; the gateway names none."""
URGENT_PAUSE: Final = 0.2
"""The same for an urgent warning: they are few, and bulk is slowed down meanwhile."""


class Meaning(NamedTuple):
    """What a code says.

    Attributes:
        kind: Which of the six receipts.
        scope: What it speaks about.
        words: For people, Chinese first.
        alarms: Whether a person must look: a fault of ours or of the contract.
        suppresses: Whether the person must not be written to again.
    """

    kind: ReceiptKind
    scope: Scope
    words: str
    alarms: bool = False
    suppresses: bool = False


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
    3: "认证错，或双方时钟相差太大 · wrong account or secret, or clocks too far apart",
    4: "版本太高 · version too high",
}


ResultWord = Literal[
    "temporary", "permanent", "recipient", "opt_out", "binding", "channel", "throttled", "down",
    "unknown",
]  # fmt: skip
"""What a setting may say of a result."""
_OWN = "合同约定的错误码 · as this channel's settings say"
_WORDS: Final[dict[ResultWord, Meaning]] = {
    "temporary": Meaning(ReceiptKind.TEMPORARY, Scope.MESSAGE, _OWN),
    "permanent": Meaning(_P, Scope.MESSAGE, _OWN),
    "recipient": Meaning(_P, Scope.RECIPIENT, _OWN),
    "opt_out": Meaning(_P, Scope.RECIPIENT, _OWN, suppresses=True),
    "binding": Meaning(_P, Scope.BINDING, _OWN, alarms=True),
    "channel": Meaning(_P, Scope.CHANNEL, _OWN, alarms=True),
    "throttled": Meaning(ReceiptKind.THROTTLED, Scope.CHANNEL, _OWN),
    "down": Meaning(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, _OWN),
    "unknown": Meaning(ReceiptKind.UNKNOWN, Scope.MESSAGE, _OWN),
}


class Results:
    """The table of one channel: that of the protocol, and what the settings say otherwise."""

    def __init__(self, own: Mapping[str, ResultWord] | None = None) -> None:
        self._own = {int(result): _WORDS[word] for result, word in (own or {}).items()}
        self._refusals: dict[int, Receipt] = {}

    def meaning(self, result: int) -> Meaning:
        """What a SUBMIT_RESP with this result says; 0 is not in the table."""
        own = self._own.get(result)
        if own is not None:
            return own
        if 100 <= result <= 199:
            return _VENDOR
        return RESULTS.get(result, _UNMAPPED)

    def receipt(self, result: int, msg_id: bytes) -> Receipt:
        """The receipt for a SUBMIT_RESP.

        Taken without an id is unknown: no report can ever match.
        """
        if result == 0:
            if msg_id.strip(b"\0"):
                return Receipt(_SENT, _MESSAGE, msg_id)
            return _NO_ID
        found = self._refusals.get(result)
        if found is None:
            found = self._refusal(result)
            if len(self._refusals) < _REMEMBERED:
                self._refusals[result] = found
        return found

    def _refusal(self, result: int) -> Receipt:
        meaning = self.meaning(result)
        waits = meaning.kind in {ReceiptKind.THROTTLED, ReceiptKind.CHANNEL_DOWN}
        return Receipt(
            meaning.kind,
            meaning.scope,
            code=str(result),
            detail=meaning.words,
            retry_after=THROTTLE_PAUSE if waits else 0.0,
            suppress=meaning.suppresses,
        )


# Read once: in Python 3.11 a member costs as much as a call each time it is named.
_SENT, _MESSAGE = ReceiptKind.SENT, Scope.MESSAGE
_REMEMBERED = 512
_NO_ID = Receipt(
    ReceiptKind.UNKNOWN, code="0", detail="网关已收，但未给消息号 · taken, but without an id"
)
_STANDARD = Results()


def meaning_of(result: int) -> Meaning:
    """What a result says by the protocol."""
    return _STANDARD.meaning(result)


def receipt_of(result: int, msg_id: bytes) -> Receipt:
    """The receipt for a SUBMIT_RESP by the protocol."""
    return _STANDARD.receipt(result, msg_id)


def login_words(status: int) -> str:
    """What a refused login says."""
    return LOGIN.get(status, "其他错误 · other error, such as too many connections")


def needs_a_person(status: int) -> bool:
    """Whether a refused login will be refused again until somebody changes a setting."""
    return status in LOGIN
