"""Following the money: what an institution says of transfers onward opens the next level's drafts.

Nothing is stopped by it. A draft is prefilled for a person, who looks at it and submits it.

Source: 银发〔2016〕86号 (the same procedure for accounts that the money went on to).
"""

from __future__ import annotations

from fzalert.freeze import events
from fzalert.freeze.decide.core import Asking
from fzalert.freeze.model import FreezeCase, Measure
from fzalert.freeze.results import Receipt
from fzalert.freeze.values import Account, Transfer

__all__ = ["followed"]


def followed(
    case: FreezeCase, measure: Measure, receipt: Receipt, by: str, asking: Asking
) -> tuple[events.MeasureOpened, ...]:
    """One draft for each account that a receipt names and the case does not have yet.

    Several transfers to one account are one draft. Money that comes back to an account of the case
    opens nothing: money may run in circles.
    """
    known = {one.account.key for one in case.measures.values()}
    onward: dict[str, tuple[Account, list[Transfer]]] = {}
    for outflow in receipt.outflows:
        if outflow.account.key not in known:
            onward.setdefault(outflow.account.key, (outflow.account, []))[1].append(
                outflow.transfer
            )
    first = len(case.measures) + 1
    return tuple(
        events.MeasureOpened(
            at=asking.now,
            by=by,
            measure=f"m{first + place}",
            account=account,
            inflow=tuple(sorted(transfers, key=lambda one: one.at)),
            parent=measure.id,
            level=measure.level + 1,
        )
        for place, (account, transfers) in enumerate(onward.values())
    )
