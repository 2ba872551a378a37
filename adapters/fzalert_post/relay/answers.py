"""What a county answers, as receipts and reports: pure tables.

A refusal is a problem document (RFC 9457) whose `code` decides. What is the branch's own trouble
(a credential, a clock) is no fault of the message: it waits. Only a whole answer is read here; the
same key is asked again for anything else.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fzalert.http import HttpAnswer
from fzalert.messages import DeliveryReport, Proof, Receipt, ReceiptKind, ReportKind, Scope

__all__ = ["FatePage", "problem_of", "read_answer", "read_page", "report_of"]

FINAL = frozenset(
    {
        "unknown-script",
        "script-differs",
        "script-not-approved",
        "window-over",
        "not-for-branch",
        "drill-differs",
        "relay-refused",
        "input",
        "invalid",
        "text-too-long",
        "unknown-target",
        "duplicate-key",
    }
)
"""Never taken as it is; the county has put the refusal of a known branch on record."""
WAITS = frozenset(
    {
        "unauthorised",
        "credential-expired",
        "credential-revoked",
        "certificate-unknown",
        "access-denied",
        "clock-differs",
    }
)
"""Nothing was taken, and the message is not to blame."""
_LONGEST = 200
_LONGEST_WAIT = 3600.0


class FatePage(NamedTuple):
    """One answer to a question for fates.

    Attributes:
        store: Names the county's store.
        items: As they came; each has a position `seq`.
    """

    store: str
    items: tuple[dict[str, Any], ...]

    @property
    def last(self) -> int:
        """The position up to which this page goes."""
        return max((int(item["seq"]) for item in self.items), default=0)


def problem_of(answer: HttpAnswer) -> tuple[str, str]:
    """Read code and words of a problem document; the status where there is none."""
    try:
        problem = json.loads(answer.body)
        code, detail = problem["code"], problem.get("detail") or problem.get("title") or ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", f"HTTP {answer.status}"
    if not isinstance(code, str) or not isinstance(detail, str):
        return "", f"HTTP {answer.status}"
    return code[:64], " ".join(detail.split())[:_LONGEST]


def read_answer(answer: HttpAnswer) -> tuple[Receipt, bool]:
    """Read a whole answer to a warning; also whether it is one that the table knows."""
    if answer.status == 202:
        message = _message(answer.body)
        if message:
            return Receipt(
                ReceiptKind.SENT, carrier_id=message, code="202", proof=Proof.TAKEN
            ), True
        return Receipt(ReceiptKind.UNKNOWN, code="202", detail="202 without an id"), False
    code, detail = problem_of(answer)
    named = code or str(answer.status)
    if code in FINAL:
        return Receipt(ReceiptKind.PERMANENT, code=named, detail=detail), True
    if code in WAITS or (code and code != "fate-unknown" and answer.status == 503):
        return Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, code=named, detail=detail), True
    if answer.status == 429:
        pause = _pause(answer.headers.get("retry-after", ""))
        kind = ReceiptKind.THROTTLED
        return Receipt(kind, Scope.CHANNEL, code=named, detail=detail, retry_after=pause), True
    if answer.status == 408:
        return Receipt(ReceiptKind.TEMPORARY, code=named, detail=detail), True
    if 300 <= answer.status < 500:
        return Receipt(ReceiptKind.PERMANENT, Scope.CHANNEL, code=named, detail=detail), False
    known = answer.status in {500, 502, 503, 504}
    return Receipt(ReceiptKind.UNKNOWN, code=named, detail=detail), known


def read_page(body: bytes) -> FatePage:
    """Read a page of fates.

    Raises:
        ValueError: It is none.
    """
    try:
        page = json.loads(body)
        items = tuple(page["items"])
        if not all(isinstance(item["seq"], int) for item in items):
            raise ValueError("a fate without a position")
        return FatePage(str(page["store"]), items)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no page of fates") from error


def report_of(item: dict[str, Any]) -> DeliveryReport | None:
    """A fate as a report; None for a word that a newer county may have."""
    try:
        return DeliveryReport(
            kind=ReportKind(item["word"]),
            carrier_id=str(item["message"]).encode(),
            code=str(item.get("code", ""))[:64],
            at=int(item.get("at", 0)),
            proof=Proof[str(item["proof"]).upper()],
            duration_ms=int(item.get("duration_ms", 0)),
            detail=str(item.get("detail", ""))[:_LONGEST],
        )
    except (KeyError, ValueError, TypeError):
        return None


def _message(body: bytes) -> bytes:
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return b""
    return message.encode() if isinstance(message, str) and 0 < len(message) <= 48 else b""


def _pause(text: str) -> float:
    return min(float(text[:9]), _LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
