"""What a gateway's answers mean: a table a protocol, from its code to our six receipts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from fzalert.messages import Receipt, ReceiptKind, Scope

__all__ = [
    "THROTTLE_PAUSE",
    "UNMAPPED",
    "URGENT_PAUSE",
    "VENDOR",
    "Meaning",
    "ResultWord",
    "Results",
    "Table",
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
        pause: Seconds to wait where the gateway is to be left alone for a while; 0 takes the
            usual pause.
    """

    kind: ReceiptKind
    scope: Scope
    words: str
    alarms: bool = False
    suppresses: bool = False
    pause: float = 0.0


ResultWord = Literal[
    "temporary", "permanent", "recipient", "opt_out", "binding", "channel", "throttled", "down",
    "unknown",
]  # fmt: skip
"""What a setting may say of a result."""
_P = ReceiptKind.PERMANENT
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
VENDOR: Final = Meaning(ReceiptKind.TEMPORARY, Scope.MESSAGE, "网关自定义错误 · vendor's own code")
UNMAPPED: Final = Meaning(_P, Scope.MESSAGE, "未知错误码 · unmapped code: ask the gateway", True)


class Table(NamedTuple):
    """The answers of one protocol.

    Attributes:
        results: What each result over 0 says.
        vendor: Results that are a vendor's own.
        login: What each refusal of a login says to people.
        is_final: Refusals of a login that stay until somebody changes a setting.
    """

    results: Mapping[int, Meaning]
    vendor: range
    login: Mapping[int, str]
    is_final: frozenset[int]

    def meaning(self, result: int) -> Meaning:
        """What a result says by the protocol; 0 is not in the table."""
        if result in self.vendor:
            return self.results.get(result, VENDOR)
        return self.results.get(result, UNMAPPED)

    def login_words(self, status: int) -> str:
        """What a refused login says."""
        other = "其他错误 · other error, such as too many connections"
        return self.login.get(status, other)


class Results:
    """The table of one channel: that of the protocol, and what the settings say otherwise.

    Args:
        table: Of the protocol.
        own: What the settings say of a result, by its number.
        code: How a result is written.
    """

    def __init__(
        self, table: Table, own: Mapping[str, ResultWord] | None = None, code: str = "d"
    ) -> None:
        self._table = table
        self._own = {int(result, 0): _WORDS[word] for result, word in (own or {}).items()}
        self._code = code
        self._refusals: dict[int, Receipt] = {}

    def meaning(self, result: int) -> Meaning:
        """What an answer with this result says; 0 is not in the table."""
        own = self._own.get(result)
        return self._table.meaning(result) if own is None else own

    def shown(self, result: int) -> str:
        """How a result, or the status of a login, is written for people."""
        return format(result, self._code)

    def receipt(self, result: int, carrier_id: bytes) -> Receipt:
        """The receipt for an answer.

        Taken without an id is unknown: no report can ever match.
        """
        if result == 0:
            if carrier_id.strip(b"\0"):
                return Receipt(_SENT, _MESSAGE, carrier_id)
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
            code=self.shown(result),
            detail=meaning.words,
            retry_after=meaning.pause or (THROTTLE_PAUSE if waits else 0.0),
            suppress=meaning.suppresses,
        )


# Read once: in Python 3.11 a member costs as much as a call each time it is named.
_SENT, _MESSAGE = ReceiptKind.SENT, Scope.MESSAGE
_REMEMBERED = 512
_NO_ID = Receipt(
    ReceiptKind.UNKNOWN, code="0", detail="网关已收，但未给消息号 · taken, but without an id"
)
