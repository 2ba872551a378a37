"""What a receiver's HTTP status means, as one table.

Source: RFC 9110, 15; RFC 6585, 4 (429); RFC 8470, 5.2 (425). 520 to 524 are those of a large
proxy service: like 502 and 504 they say that somebody in between got no whole answer.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from fzalert.http import HttpAnswer
from fzalert.messages import Proof, Receipt, ReceiptKind, Scope

__all__ = ["classify", "is_mapped", "retry_after"]


class _Meaning(NamedTuple):
    kind: ReceiptKind
    scope: Scope
    detail: str


_T, _P, _U = ReceiptKind.TEMPORARY, ReceiptKind.PERMANENT, ReceiptKind.UNKNOWN
_LONGEST = 86_400.0

_TABLE: dict[int, _Meaning] = {
    400: _Meaning(_P, Scope.MESSAGE, "The receiver does not understand the post."),
    401: _Meaning(_P, Scope.BINDING, "The receiver does not accept our signature."),
    403: _Meaning(_P, Scope.BINDING, "The receiver does not let us post here."),
    404: _Meaning(_P, Scope.RECIPIENT, "The receiver knows no such address."),
    405: _Meaning(_P, Scope.BINDING, "The address takes no posts."),
    406: _Meaning(_P, Scope.MESSAGE, "The receiver cannot answer in JSON."),
    407: _Meaning(_P, Scope.BINDING, "Something in between wants a login."),
    408: _Meaning(_T, Scope.MESSAGE, "The receiver got the post too slowly."),
    409: _Meaning(_P, Scope.MESSAGE, "The receiver says that the post contradicts another."),
    410: _Meaning(_P, Scope.RECIPIENT, "The address was given up."),
    411: _Meaning(_P, Scope.BINDING, "The receiver wants a length that is there."),
    413: _Meaning(_P, Scope.MESSAGE, "The post is longer than the receiver takes."),
    414: _Meaning(_P, Scope.BINDING, "The address is longer than the receiver takes."),
    415: _Meaning(_P, Scope.BINDING, "The receiver takes no JSON."),
    421: _Meaning(_P, Scope.BINDING, "The host does not serve this address."),
    422: _Meaning(_P, Scope.MESSAGE, "The receiver does not accept what the post says."),
    423: _Meaning(_T, Scope.RECIPIENT, "The receiver is locked now."),
    425: _Meaning(_T, Scope.MESSAGE, "The receiver wants it a little later."),
    429: _Meaning(ReceiptKind.THROTTLED, Scope.CHANNEL, "The receiver asks for a slower pace."),
    451: _Meaning(_P, Scope.RECIPIENT, "The address is closed for reasons of law."),
    500: _Meaning(_T, Scope.MESSAGE, "The receiver had an error of its own."),
    501: _Meaning(_P, Scope.BINDING, "The receiver cannot take posts."),
    502: _Meaning(_U, Scope.MESSAGE, "Something in between got no whole answer."),
    503: _Meaning(_T, Scope.RECIPIENT, "The receiver is out of service now."),
    504: _Meaning(_U, Scope.MESSAGE, "Something in between got no answer in time."),
    505: _Meaning(_P, Scope.BINDING, "The receiver speaks another HTTP."),
    507: _Meaning(_T, Scope.RECIPIENT, "The receiver has no room now."),
    508: _Meaning(_P, Scope.BINDING, "The receiver goes round in circles."),
    511: _Meaning(_P, Scope.BINDING, "Something in between wants a login."),
    **{
        status: _Meaning(_U, Scope.MESSAGE, "A proxy got no whole answer.")
        for status in range(520, 525)
    },
}
_MOVED = _Meaning(_P, Scope.BINDING, "The address moved; redirects are not followed.")
_REFUSED = _Meaning(_P, Scope.MESSAGE, "The receiver refuses the post, for a reason unknown.")
_NONSENSE = _Meaning(_U, Scope.MESSAGE, "The receiver's answer makes no sense.")


def classify(answer: HttpAnswer, *, deduplicates: bool, now: datetime) -> Receipt:
    """Read a whole answer; its body does not count.

    Args:
        answer: Status and headers.
        deduplicates: The receiver promised to act once for one `Idempotency-Key`, so that 409
            says that it has the post already.
        now: For a `Retry-After` that names a date.
    """
    code = str(answer.status)
    if 200 <= answer.status < 300 or (answer.status == 409 and deduplicates):
        return Receipt(ReceiptKind.SENT, code=code, proof=Proof.TAKEN)
    meaning = _TABLE.get(answer.status)
    if meaning is None:
        meaning = {3: _MOVED, 4: _REFUSED, 5: _REFUSED}.get(answer.status // 100, _NONSENSE)
    pause = retry_after(answer.headers.get("retry-after", ""), now)
    return Receipt(meaning.kind, meaning.scope, code=code, detail=meaning.detail, retry_after=pause)


def is_mapped(status: int) -> bool:
    """Whether the status is a documented one; the others raise an alarm once."""
    return status in _TABLE or 200 <= status < 400


def retry_after(text: str, now: datetime) -> float:
    """Read a `Retry-After`: seconds or a date; 0 where it says nothing, at most a day."""
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST)
    try:
        at = parsedate_to_datetime(text)
        pause = (at - now).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0
    return min(max(pause, 0.0), _LONGEST)
