"""What the bank's people see of an item: masked in lists, in plain where it is opened by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from fzalert.freeze.package import mask_name, mask_number, result_of

if TYPE_CHECKING:
    from fzalert.desk.inbox import InboxItem

__all__ = ["ItemDetail", "ItemView", "detail_of", "view_of"]


class ItemView(BaseModel):
    """One item as a list shows it; no personal value is whole.

    Attributes:
        application_id: Under which it is answered.
        document: `instruction` binds; `pre_alert` asks to look, and takes no answer.
        drill: A rehearsal: nothing is to be stopped.
        asked: What is asked: stop, extend, freeze, renew, release, return.
        account: Masked.
        holder: Masked.
        amount: In yuan: what is to be frozen, or what was paid in.
        hours: How long a stop is to last; 0 where it is no stop.
        sender: Who signed it.
        received_at: When it was on the desk's disk.
        waits: Seconds since then, while nobody has answered; 0 after.
        state: open or answered.
        code: Result code of the answer, or empty.
        result: What the code means, or empty.
        answered_by: Who answered, or empty.
    """

    model_config = ConfigDict(extra="forbid")

    application_id: str
    document: str
    drill: bool
    asked: str
    account: str
    holder: str
    amount: str
    hours: int
    sender: str
    received_at: str
    waits: int
    state: str
    code: str
    result: str
    answered_by: str


class ItemDetail(ItemView):
    """One item in plain; whoever gets it is on record.

    Attributes:
        account_number: Whole.
        holder_name: Whole.
        duty_phone: Of the unit that asks, day and night.
        inflow: What was paid in: time, amount, from which account.
    """

    account_number: str
    holder_name: str
    duty_phone: str
    inflow: tuple[str, ...]


def view_of(item: InboxItem, now_ms: int) -> ItemView:
    """An item as a list shows it."""
    return ItemView(**_facts(item, now_ms))  # type: ignore[arg-type]


def detail_of(item: InboxItem, now_ms: int) -> ItemDetail:
    """An item in plain."""
    package = item.package
    return ItemDetail(
        **_facts(item, now_ms),  # type: ignore[arg-type]
        account_number=package.account.number,
        holder_name=package.account.name,
        duty_phone=package.sender.duty_phone,
        inflow=tuple(
            f"{one.at.isoformat(timespec='seconds')} {one.amount} {one.from_account}"
            for one in package.inflow
        ),
    )


def _facts(item: InboxItem, now_ms: int) -> dict[str, object]:
    package, receipt = item.package, item.receipt
    measure = package.measure
    paid = sum(one.amount for one in package.inflow)
    result = None if receipt is None else result_of(receipt.code)
    age = max(0, now_ms // 1000 - int(item.received_at.timestamp()))
    return {
        "application_id": package.application_id,
        "document": str(package.document),
        "drill": package.drill,
        "asked": str(measure.kind),
        "account": mask_number(package.account.number),
        "holder": mask_name(package.account.name),
        "amount": str(paid if measure.amount is None else measure.amount),
        "hours": measure.duration_hours or 0,
        "sender": item.sender,
        "received_at": item.received_at.isoformat(timespec="seconds"),
        "waits": age if item.waiting else 0,
        "state": str(item.state),
        "code": "" if receipt is None else receipt.code,
        "result": "" if result is None else f"{result.zh} {result.en}",
        "answered_by": item.answered_by,
    }
