"""The monthly test of a desk: a package that says of itself that it is a drill, about nobody.

It goes the way that a real one goes, so that a full mailbox, a changed key or a night without
anybody at the desk is found on a quiet day. Account, transfer and case are made up and belong to no
one; it is a pre-alert, which binds nobody, and its drill flag is signed with it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from fzalert.freeze.directory import Desk
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import (
    CaseBlock,
    DocumentKind,
    MeasureBlock,
    Package,
    SenderBlock,
    package_hashes,
    write_package,
)
from fzalert.freeze.values import Account, AccountKind, Transfer, TransferChannel
from fzalert.messages import BankPackage

__all__ = ["TEST_ACCOUNT", "drill_package", "notice_package"]

TEST_ACCOUNT = "00000000DRILL"
"""The account of every test; no institution has one of this shape."""


def drill_package(
    desk: Desk, sender: SenderBlock, application_id: str, now: datetime
) -> BankPackage:
    """Make the test package for one desk.

    Args:
        desk: The desk.
        sender: Our unit and its telephone, which the desk may ask.
        application_id: Under which the desk acknowledges.
        now: The present, with a zone.
    """
    return _made(desk, sender, application_id, now, kind="演练", reason="", drill=True)


def notice_package(
    desk: Desk, sender: SenderBlock, application_id: str, now: datetime, text: str, *, drill: bool
) -> BankPackage:
    """Make what tells a desk, at its old address, that its entry was changed.

    It is a pre-alert too: it binds nobody, and its account is nobody's.

    Args:
        desk: The entry as it was.
        sender: Our unit and its telephone, which the desk is to ask.
        application_id: Under which it goes.
        now: The present, with a zone.
        text: What was changed, and what to do; no names or numbers.
        drill: Whether everything is a rehearsal.
    """
    kind = "通讯录变更告知"
    return _made(desk, sender, application_id, now, kind=kind, reason=text, drill=drill)


def _made(
    desk: Desk,
    sender: SenderBlock,
    application_id: str,
    now: datetime,
    *,
    kind: str,
    reason: str,
    drill: bool,
) -> BankPackage:
    is_bank = desk.code.isdigit()
    made = Package(
        document=DocumentKind.PRE_ALERT,
        application_id=application_id,
        message_code="",
        urgency="01",
        created_at=now,
        policy="drill",
        drill=drill,
        sender=sender,
        case=CaseBlock(report_number="DRILL", report_at=now, kind=kind),
        account=Account(
            kind=AccountKind.PASSBOOK if is_bank else AccountKind.PAYMENT,
            number=TEST_ACCOUNT,
            name=kind,
            bank_code=desk.code if is_bank else "",
            bank_name=desk.name if is_bank else "",
            institution="" if is_bank else desk.code,
        ),
        inflow=(
            Transfer(
                from_account=TEST_ACCOUNT,
                from_bank="演练",
                from_name="演练",
                amount=Decimal("0.01"),
                at=now - timedelta(minutes=1),
                channel=TransferChannel.OTHER,
            ),
        ),
        measure=MeasureBlock(kind=InstructionKind.STOP, reason=reason),
        officers=(),
    )
    body = write_package(made)
    return BankPackage(
        application_id=application_id,
        institution=desk.code,
        binding=False,
        body=body.decode(),
        sha256=package_hashes(body)[0],
        drill=drill,
    )
