"""How what is frozen is given back: directly, by time stamps, or in proportion.

Source: 银监发〔2016〕41号. One deposit record, or several that time stamps tell apart: directly;
else in proportion to each loss, after a public notice.
"""

from __future__ import annotations

from decimal import Decimal

from fzalert.errors import InputError
from fzalert.freeze.money import Edge, Share, share_by_time, share_direct, share_in_proportion
from fzalert.service.freeze_models import ShareAsk

__all__ = ["shares_of"]


def shares_of(ask: ShareAsk, frozen: Decimal) -> tuple[Share, ...]:
    """Divide what is frozen on an account.

    Args:
        ask: How, and among whom.
        frozen: In yuan.

    Returns:
        The shares: to the cent, never more than is frozen, to nobody more than the loss.

    Raises:
        InputError: What the method needs is not there, or what it does not use is.
    """
    if ask.method == "timestamp":
        if ask.losses:
            raise InputError(
                "By time stamp each transfer counts with its time, not a sum.",
                hint="Give deposits.",
                field="losses",
            )
        paid = [(one.claimant, Edge(one.claimant, "", one.amount, one.at)) for one in ask.deposits]
        return share_by_time(frozen, paid)
    if ask.deposits:
        raise InputError("Times count for a return by time stamp alone.", field="deposits")
    if ask.method == "direct":
        return share_direct(frozen, ask.losses)
    return share_in_proportion(frozen, ask.losses)
