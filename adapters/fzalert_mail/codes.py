"""What a mail server's reply codes mean, as one table.

Every code of the standards that can follow MAIL, RCPT or DATA maps to one of the six receipts.
An unmapped 4yz is temporary, an unmapped 5yz permanent, and anything else unknown. The server's own
text is never passed on: it repeats addresses.

Source: RFC 5321, 4.2.3, 4.3.2 and 4.5.3.1.10; RFC 3463 (enhanced codes); RFC 4954, 6; RFC 7504.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from fzalert.messages import Receipt, ReceiptKind, Scope

__all__ = ["Stage", "classify", "is_mapped"]

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?!\S)")


class Stage(enum.StrEnum):
    """After which command the code came."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"


class _Meaning(NamedTuple):
    kind: ReceiptKind
    scope: Scope
    detail: str


_T, _P, _D = ReceiptKind.TEMPORARY, ReceiptKind.PERMANENT, ReceiptKind.CHANNEL_DOWN
_MESSAGE, _RECIPIENT, _BINDING, _CHANNEL = (
    Scope.MESSAGE,
    Scope.RECIPIENT,
    Scope.BINDING,
    Scope.CHANNEL,
)

_ANYWHERE: dict[int, _Meaning] = {
    421: _Meaning(_D, _CHANNEL, "The server is closing; it comes back later."),
    432: _Meaning(_D, _CHANNEL, "The server wants another password."),
    450: _Meaning(_T, _RECIPIENT, "The mailbox is busy, or the server asks to come again."),
    451: _Meaning(_T, _MESSAGE, "The server had an error of its own, or asks to come again."),
    452: _Meaning(_T, _MESSAGE, "The server has no room now."),
    454: _Meaning(_D, _CHANNEL, "The server cannot check the login now."),
    455: _Meaning(_T, _MESSAGE, "The server cannot take these parameters now."),
    500: _Meaning(_P, _MESSAGE, "The server did not understand the command."),
    501: _Meaning(_P, _MESSAGE, "The server did not understand an address."),
    502: _Meaning(_P, _CHANNEL, "The server does not know the command."),
    503: _Meaning(_T, _MESSAGE, "The server lost the thread of the session."),
    504: _Meaning(_P, _CHANNEL, "The server does not know a parameter."),
    521: _Meaning(_P, _RECIPIENT, "The recipient's host takes no mail."),
    530: _Meaning(_D, _CHANNEL, "The server wants a login."),
    534: _Meaning(_D, _CHANNEL, "The server wants a stronger login."),
    535: _Meaning(_D, _CHANNEL, "The login is not valid."),
    538: _Meaning(_D, _CHANNEL, "The server wants TLS before the login."),
    550: _Meaning(_P, _RECIPIENT, "The mailbox does not exist, or may not be written to."),
    551: _Meaning(_P, _RECIPIENT, "The mailbox is elsewhere."),
    552: _Meaning(_P, _MESSAGE, "The mail is larger than the server takes."),
    553: _Meaning(_P, _RECIPIENT, "The name of the mailbox is not allowed."),
    554: _Meaning(_P, _MESSAGE, "The server refuses the mail."),
    555: _Meaning(_P, _MESSAGE, "The server does not take these parameters."),
    556: _Meaning(_P, _RECIPIENT, "The recipient's domain takes no mail."),
}
_AT_A_STAGE: dict[tuple[Stage, int], _Meaning] = {
    (Stage.MAIL, 450): _Meaning(_T, _CHANNEL, "The server does not take mail from us now."),
    (Stage.MAIL, 550): _Meaning(_P, _BINDING, "The server refuses our sender address."),
    (Stage.MAIL, 551): _Meaning(_P, _BINDING, "The server refuses our sender address."),
    (Stage.MAIL, 553): _Meaning(_P, _BINDING, "The server refuses our sender address."),
    (Stage.MAIL, 554): _Meaning(_P, _BINDING, "The server refuses our sender address."),
    # A full mailbox is no reason to give it up: 5321 asks clients to read this 552 as 452.
    (Stage.RCPT, 552): _Meaning(_T, _RECIPIENT, "The mailbox is full."),
    (Stage.RCPT, 452): _Meaning(_T, _RECIPIENT, "The mailbox is full, or the server has no room."),
    (Stage.RCPT, 554): _Meaning(_P, _RECIPIENT, "The server does not deliver to this mailbox."),
    (Stage.DATA, 450): _Meaning(_T, _MESSAGE, "The server asks to come again."),
    (Stage.DATA, 550): _Meaning(_P, _MESSAGE, "The server refuses the mail by its policy."),
    (Stage.DATA, 553): _Meaning(_P, _MESSAGE, "The server refuses an address in the mail."),
}


def classify(stage: Stage, code: int, text: str = "") -> Receipt:
    """Read a reply that refuses something.

    Args:
        stage: The command that was refused.
        code: Three digits.
        text: The reply's text; only an enhanced code at its beginning is used.
    """
    found = _ENHANCED.match(text)
    shown = f"{code} {found[1]}" if found else str(code)
    meaning = _AT_A_STAGE.get((stage, code)) or _ANYWHERE.get(code)
    if meaning is None:
        meaning = _unmapped(code)
    return Receipt(meaning.kind, meaning.scope, code=shown, detail=meaning.detail)


def is_mapped(code: int) -> bool:
    """Whether the code stands in the table; the others raise an alarm once."""
    return code in _ANYWHERE


def _unmapped(code: int) -> _Meaning:
    match code // 100:
        case 4:
            return _Meaning(_T, _MESSAGE, "The server asks to come again, for a reason unknown.")
        case 5:
            return _Meaning(_P, _MESSAGE, "The server refuses the mail, for a reason unknown.")
        case _:
            return _Meaning(ReceiptKind.UNKNOWN, _MESSAGE, "The server's answer makes no sense.")
