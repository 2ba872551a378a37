"""What a desk answers, believed only as far as its signature goes: pure.

`sent` needs an acknowledgement that names exactly this application and the hash of exactly these
bytes, signed with a key that the settings give for this desk. A status alone proves nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from fzalert.http import HttpAnswer
from fzalert.messages import BankPackage, Proof, Receipt, ReceiptKind, Scope

__all__ = [
    "RECEIPT_DOMAIN",
    "AnswerPage",
    "application_of",
    "open_signed",
    "read_page",
    "read_taken",
]

RECEIPT_DOMAIN = "fz-receipt-v1"
"""Domain under which a desk signs acknowledgements and receipts."""
FINAL = frozenset({"input", "duplicate-key", "too-large", "media-type"})
"""The desk does not take this package as it is."""
NOT_LET_IN = frozenset({"access-denied"})
"""The desk does not believe who we are; the package is not to blame."""
_LONGEST = 200
_LONGEST_WAIT = 3600.0


class AnswerPage(NamedTuple):
    """One reply to a question for answers.

    Attributes:
        store: Names the desk's store; positions of another one mean nothing.
        last: Position up to which this page goes.
        items: Signed answers in their wire form, in order.
    """

    store: str
    last: int
    items: tuple[bytes, ...]


def read_taken(answer: HttpAnswer, package: BankPackage, keys: Sequence[str]) -> Receipt:
    """Read a whole reply to a package.

    Args:
        answer: The reply.
        package: What was posted.
        keys: The desk's public keys, hex.
    """
    if answer.status in {200, 201, 202}:
        return _acknowledged(answer.body, package, keys)
    code, detail = _problem(answer)
    named = code or str(answer.status)
    if code in FINAL:
        return Receipt(ReceiptKind.PERMANENT, code=named, detail=detail)
    if code in NOT_LET_IN or (code and answer.status == 503):
        return Receipt(ReceiptKind.CHANNEL_DOWN, Scope.RECIPIENT, code=named, detail=detail)
    if answer.status == 429:
        text = answer.headers.get("retry-after", "")[:9]
        pause = min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
        kind = ReceiptKind.THROTTLED
        return Receipt(kind, Scope.RECIPIENT, code=named, detail=detail, retry_after=pause)
    if answer.status == 408:
        return Receipt(ReceiptKind.TEMPORARY, Scope.RECIPIENT, code=named, detail=detail)
    if 300 <= answer.status < 500:
        return Receipt(ReceiptKind.PERMANENT, Scope.RECIPIENT, code=named, detail=detail)
    return Receipt(ReceiptKind.UNKNOWN, code=named, detail=detail)


def open_signed(wire: bytes, keys: Sequence[str]) -> dict[str, Any]:
    """The document in a signed reply.

    Raises:
        ValueError: It is none, the key is not the desk's, or the signature does not fit.
    """
    try:
        said = json.loads(wire)
        document, signature = said["document"].encode(), bytes.fromhex(said["signature"])
        key_id = said["key_id"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is no signed document") from error
    for text in keys:
        public = bytes.fromhex(text)
        if key_id == hashlib.sha256(public).hexdigest()[:16] and _fits(public, document, signature):
            break
    else:
        raise ValueError("it is not signed with a key of this desk")
    try:
        found = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ValueError("the signed document is no JSON") from error
    if not isinstance(found, dict):
        raise ValueError("the signed document is no object")  # noqa: TRY004  one kind of refusal
    return found


def application_of(wire: bytes, keys: Sequence[str]) -> str:
    """Which application a signed answer is about.

    Raises:
        ValueError: As `open_signed`, or it is an acknowledgement or something else.
    """
    found = open_signed(wire, keys)
    application = found.get("application_id")
    if not isinstance(application, str) or not isinstance(found.get("code"), str):
        raise ValueError("the signed document is no receipt")  # noqa: TRY004  one kind of refusal
    return application


def read_page(body: bytes) -> AnswerPage:
    """Read a page of answers; none of them is believed yet.

    Raises:
        ValueError: It is none.
    """
    try:
        page = json.loads(body)
        items = tuple(str(item).encode() for item in page["items"])
        last = page["last"]
        if type(last) is not int or last < 0:
            raise ValueError("a page without a position")
        return AnswerPage(str(page["store"])[:64], last, items)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no page of answers") from error


def _acknowledged(body: bytes, package: BankPackage, keys: Sequence[str]) -> Receipt:
    try:
        said = open_signed(body, keys)
    except ValueError as error:
        return _not_proved(f"The desk's acknowledgement proves nothing: {error}.")
    if (said.get("acknowledges"), said.get("sha256")) != (package.application_id, package.sha256):
        return _not_proved("The desk acknowledged something else than what was sent.")
    at = str(said.get("at", ""))[:40]
    return Receipt(
        ReceiptKind.SENT,
        carrier_id=package.application_id.encode()[:48],
        code="acknowledged",
        detail=f"On the desk's disk at {at}." if at else "",
        proof=Proof.DEVICE,
    )


def _not_proved(detail: str) -> Receipt:
    return Receipt(ReceiptKind.UNKNOWN, Scope.RECIPIENT, code="bad-acknowledgement", detail=detail)


def _fits(public: bytes, document: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signed = RECEIPT_DOMAIN.encode() + b"\0" + hashlib.sha256(document).digest()
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _problem(answer: HttpAnswer) -> tuple[str, str]:
    """Code and words of a problem document; the status where there is none."""
    try:
        problem = json.loads(answer.body)
        code, detail = problem["code"], problem.get("detail") or problem.get("title") or ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", f"HTTP {answer.status}"
    if not isinstance(code, str) or not isinstance(detail, str):
        return "", f"HTTP {answer.status}"
    return code[:64], " ".join(detail.split())[:_LONGEST]
