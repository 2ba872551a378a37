"""What a desk reads: a cover text that says what it is, the package, and the paper.

The outer headers are all that a mail server sees: no name, no account, no bank; the subject is
plain ASCII and says pre-alert or binding instruction and the application id. The same stands again
in the signed text, where nobody can change it.

Source: RFC 5322; RFC 2045 and 2183; RFC 8551, 3.3.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import NamedTuple

from fzalert.messages import BankPackage
from fzalert_mail.bank.smime import in_lines

__all__ = ["Fault", "contents", "envelope", "fault_in", "subject"]

_MIXED = "=_fzalert-content"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,35}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_PDF = b"%PDF-"

PRE_ALERT = (
    "【预警通知 · 不是指令】",
    "本邮件请贵行立即核查附件所列账户。它不是止付或冻结指令，本身不产生任何止付效力。",
    "PRE-ALERT, NOT BINDING. It asks your desk to look at the account now. It is no instruction"
    " and stops nothing by itself.",
)
BINDING = (
    "【指令】",
    "附件是经批准的指令，请核验签名后按附件办理。事项、账户和期限以附件为准。",
    "BINDING INSTRUCTION. It was approved. Verify the signature, then act as the attached package"
    " says; account, scope and time stand there.",
)
DRILL = (
    "【演练】本邮件用于演练，请只确认收到，不得对任何账户采取措施。",
    "DRILL. Acknowledge it only; nothing is to be stopped.",
)


class Fault(NamedTuple):
    """Why a package is not sent."""

    code: str
    detail: str


def fault_in(package: BankPackage) -> Fault | None:
    """Look at a package before it is signed: what contradicts itself never leaves."""
    if not _ID.fullmatch(package.application_id) or not _CODE.fullmatch(package.institution):
        return Fault(
            code="package-id", detail="The application id or the institution's code is malformed."
        )
    if hashlib.sha256(package.body.encode()).hexdigest() != package.sha256:
        return Fault(
            code="package-altered", detail="The package does not have the hash that was approved."
        )
    try:
        inside = json.loads(package.body)
    except ValueError:
        inside = None
    if not isinstance(inside, dict):
        return Fault(code="package-altered", detail="The package is no JSON object.")
    told = {
        "document": "instruction" if package.binding else "pre_alert",
        "application_id": package.application_id,
        "drill": package.drill,
    }
    for name, value in told.items():
        if inside.get(name, value) != value:
            return Fault(
                code="package-label", detail=f"The package and its cover differ in {name}."
            )
    if package.paper and _paper(package) is None:
        return Fault(code="package-paper", detail="The paper is no PDF in base64.")
    return None


def subject(package: BankPackage) -> str:
    """Say what it is, in ASCII and without personal data."""
    kind = "BINDING INSTRUCTION" if package.binding else "PRE-ALERT (not binding)"
    mark = "[DRILL] " if package.drill else ""
    return f"{mark}{kind} {package.application_id}"


def contents(package: BankPackage) -> bytes:
    """The entity that is signed: cover text, package, paper; lines ended by CRLF."""
    name = package.application_id
    parts = [
        _part('text/plain; charset="utf-8"', "inline", _cover(package).encode()),
        _part(
            f'application/json; name="{name}.json"',
            f'attachment; filename="{name}.json"',
            package.body.encode(),
        ),
    ]
    paper = _paper(package)
    if paper is not None:
        parts.append(
            _part(
                f'application/pdf; name="{name}.pdf"',
                f'attachment; filename="{name}.pdf"',
                paper,
            )
        )
    head = f'Content-Type: multipart/mixed; boundary="{_MIXED}"\r\n\r\n'.encode()
    line = f"--{_MIXED}".encode()
    body = b"".join(line + b"\r\n" + part for part in parts)
    return head + body + line + b"--\r\n"


def envelope(
    sealed: bytes,
    package: BankPackage,
    *,
    message_id: str,
    sender: str,
    sender_name: str,
    address: str,
    at: datetime,
) -> bytes:
    """The mail as it travels: headers in front of the encrypted form.

    Args:
        sealed: The enveloped data in DER.
        package: What it holds; the subject is made from it.
        message_id: The same in every attempt.
        sender: Our address.
        sender_name: The name beside it, or empty.
        address: The desk's mailbox.
        at: When, aware.

    Raises:
        ValueError: An address is none that a header can carry.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(sender_name, addr_spec=sender)
    message["To"] = Address(addr_spec=address)
    message["Subject"] = subject(package)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = (
        'application/pkcs7-mime; smime-type="enveloped-data"; name="smime.p7m"'
    )
    message["Content-Transfer-Encoding"] = "base64"
    message["Content-Disposition"] = 'attachment; filename="smime.p7m"'
    return message.as_bytes() + in_lines(sealed)


def _cover(package: BankPackage) -> str:
    title, *words = BINDING if package.binding else PRE_ALERT
    files = f"{package.application_id}.json"
    if package.paper:
        files += f", {package.application_id}.pdf"
    lines = [
        *(DRILL if package.drill else ()),
        title,
        *words,
        "",
        f"申请编号 Application id: {package.application_id}",
        f"机构代码 Institution: {package.institution}",
        f"附件 Attachments: {files}",
        f"{package.application_id}.json SHA-256: {package.sha256}",
        "",
        "机构代码不是贵行的，请勿处理，并电话告知发送单位。",
        "If that is not your institution, do not act, and phone the sender.",
        "",
    ]
    return "\r\n".join(lines)


def _part(content_type: str, disposition: str, data: bytes) -> bytes:
    head = (
        f"Content-Type: {content_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: {disposition}\r\n\r\n"
    )
    return head.encode() + in_lines(data)


def _paper(package: BankPackage) -> bytes | None:
    if not package.paper:
        return None
    try:
        found = base64.b64decode(package.paper, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if found.startswith(_PDF) else None
