"""Writing a mail: plain text, one recipient, headers that nothing can be smuggled into.

Source: RFC 5322; RFC 2045 to 2047; RFC 3834, 5 (Auto-Submitted).
"""

from __future__ import annotations

import re
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from fzalert.messages import Mail

__all__ = ["compose", "message_id"]

DRILL = "演练"
_BREAKS = re.compile("[\x00-\x1f\x7f\x80-\x9f\u2028\u2029\ud800-\udfff]")
_BODY = re.compile("[\x00\ud800-\udfff]")


def message_id(id: int, part: int, domain: str) -> str:
    """Name a mail: the same in every attempt, so that a doubled one can be seen as such."""
    return f"<{id}.{part}@{domain}>"


def compose(
    mail: Mail, *, id: int, part: int, sender: str, sender_name: str, address: str, at: datetime
) -> bytes:
    """Write a mail as 7-bit lines ended by CRLF.

    Args:
        mail: Subject and text; a drill is marked in the subject.
        id: The message.
        part: Its part.
        sender: Our address.
        sender_name: The name beside it, or empty.
        address: The recipient.
        at: When, aware.

    Raises:
        ValueError: The mail cannot be written; the text says why and repeats nothing of it.
    """
    if not address.isascii():
        raise ValueError("The address has characters that most mail servers do not take.")
    if _BREAKS.search(mail.subject):
        raise ValueError("The subject holds a line break or a control character.")
    if _BODY.search(mail.body):
        raise ValueError("The text holds a character that no mail can carry.")
    try:
        recipient = Address(addr_spec=address)
    except (ValueError, IndexError, MessageError):
        raise ValueError("The address is none that a mail can carry.") from None
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(sender_name, addr_spec=sender)
    message["To"] = recipient
    message["Subject"] = _subject(mail)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id(id, part, sender.partition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body, charset="utf-8", cte="base64")
    return message.as_bytes()


def _subject(mail: Mail) -> str:
    if mail.drill and DRILL not in mail.subject:
        return f"【{DRILL}】{mail.subject}"
    return mail.subject
