"""The losses that `fzalert freeze return` is told, the method that they allow, and the shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple

from fzalert.cli.session import current
from fzalert.errors import InputError

__all__ = ["Loss", "Method", "method_for", "read_loss", "share_values", "show_shares"]

Method = Literal["direct", "timestamp", "proportional"]
_WORDS = {
    "direct": "直接返还 direct: one deposit record",
    "timestamp": "按时间戳返还 by time stamp: what came in last still lies there",
    "proportional": "按比例返还 in proportion to each loss",
}


class Loss(NamedTuple):
    """One transfer of one victim's into the account.

    Attributes:
        name: The victim.
        amount: In yuan.
        at: When, or None where it is not told.
    """

    name: str
    amount: Decimal
    at: datetime | None


def read_loss(text: str) -> Loss:
    """Read NAME=YUAN or NAME=YUAN@TIME.

    Raises:
        InputError: It is written otherwise, or the time has no zone.
    """
    name, _, rest = text.partition("=")
    figure, _, moment = rest.partition("@")
    if not name.strip() or not figure:
        raise InputError("--loss is written NAME=YUAN or NAME=YUAN@TIME.", field="loss")
    try:
        amount = Decimal(figure)
    except InvalidOperation:
        raise InputError("An amount is written 1234.56.", field="loss") from None
    if not moment:
        return Loss(name.strip(), amount, None)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise InputError("A time is written 2026-11-24T16:40:00+08:00.", field="loss") from None
    if at.tzinfo is None:
        raise InputError("A time has a zone: end it in +08:00.", field="loss")
    return Loss(name.strip(), amount, at)


def method_for(losses: Sequence[Loss]) -> Method:
    """The first method that the losses allow: direct, by time stamp, in proportion.

    Source: 银监发〔2016〕41号.
    """
    if len(losses) == 1:
        return "direct"
    return "timestamp" if all(one.at is not None for one in losses) else "proportional"


def share_values(losses: Sequence[Loss], method: Method) -> dict[str, Any]:
    """What a `ShareAsk` takes of the losses.

    Raises:
        InputError: A return by time stamp, and a loss without a time; or a direct one of several
            transfers.
    """
    if method == "timestamp":
        if any(one.at is None for one in losses):
            raise InputError(
                "By time stamp every loss has its time.", hint="NAME=YUAN@TIME.", field="loss"
            )
        deposits = [{"claimant": one.name, "amount": one.amount, "at": one.at} for one in losses]
        return {"method": method, "deposits": deposits}
    if method == "direct" and len(losses) != 1:
        raise InputError(
            f"A direct return has one deposit record; there are {len(losses)}.",
            hint="With times, return by time stamp; else in proportion.",
            field="loss",
        )
    sums: dict[str, Decimal] = {}
    for one in losses:
        sums[one.name] = sums.get(one.name, Decimal(0)) + one.amount
    return {"method": method, "losses": sums}


def show_shares(
    shares: Mapping[str, Decimal],
    method: Method,
    frozen: Decimal | None,
    notice_from: datetime | None,
) -> None:
    """Show who gets what, what stays frozen, and what a proportional return waits for."""
    output = current().output
    total = sum(shares.values(), Decimal(0))
    left = Decimal(0) if frozen is None else frozen - total
    output.data(
        {
            "method": method,
            "shares": {name: str(amount) for name, amount in shares.items()},
            "total": str(total),
            "left": str(left),
        }
    )
    rows = [[name, f"{amount:,.2f}"] for name, amount in shares.items()]
    output.table(["受害人", "返还"], [*rows, ["合计 total", f"{total:,.2f}"]])
    output.line(f"{_WORDS[method]}；余额继续冻结 stays frozen: {left:,.2f}")
    if method == "proportional" and notice_from is None:
        output.note(
            "▲ 按比例返还须先公告三十日 A proportional return needs a notice: --notice-from"
        )
