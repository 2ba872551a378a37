"""Following the money, and giving it back: trees of transfers, estimates, shares to the cent.

A trace is an estimate: money has no marks. The order in which an account's inflows are matched to
its outflows is a choice (first in first out by time, last in first out, in proportion), and every
figure made here says which one was taken.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from fzalert.errors import InputError

__all__ = [
    "Edge",
    "Leaf",
    "Share",
    "TraceOrder",
    "Traced",
    "levels",
    "share_by_time",
    "share_direct",
    "share_in_proportion",
    "trace",
]

_CENT = Decimal("0.01")


class TraceOrder(enum.StrEnum):
    """Which money leaves an account first."""

    FIRST_IN = "fifo"
    LAST_IN = "lifo"
    PROPORTIONAL = "proportional"


class Leaf(enum.StrEnum):
    """Where a trail ends."""

    ACCOUNT = "account"
    CASH = "cash"
    MERCHANT = "merchant"
    CRYPTO = "crypto"


class Edge(NamedTuple):
    """One transfer between two accounts, by their keys.

    Attributes:
        source: Key of the paying account.
        target: Key of the receiving one, or a word of `Leaf`.
        amount: In yuan.
        at: When.
    """

    source: str
    target: str
    amount: Decimal
    at: datetime


class Traced(NamedTuple):
    """How much of the case's money is estimated to have come along an edge."""

    edge: Edge
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """What one claimant gets back."""

    claimant: str
    amount: Decimal


def levels(roots: Sequence[str], edges: Sequence[Edge]) -> Mapping[str, int]:
    """The level of every account: 1 for a root, one more than its lowest source elsewhere.

    Money may meet again and run in circles; each account has one level all the same.
    """
    level = dict.fromkeys(roots, 1)
    border = list(roots)
    following: dict[str, list[str]] = {}
    for edge in edges:
        following.setdefault(edge.source, []).append(edge.target)
    while border:
        nearer = border
        border = []
        for account in nearer:
            for target in following.get(account, ()):
                if target not in level:
                    level[target] = level[account] + 1
                    border.append(target)
    return level


@dataclass(slots=True)
class _Lot:
    amount: Decimal
    dirty: Decimal


def trace(
    inflows: Sequence[Edge],
    edges: Sequence[Edge],
    order: TraceOrder = TraceOrder.FIRST_IN,
    *,
    before: Mapping[str, Decimal] | None = None,
) -> tuple[Traced, ...]:
    """Estimate how the case's money went on.

    Args:
        inflows: The victim's transfers; all of their amounts are case money.
        edges: Every transfer after them that the institutions told, in any order.
        order: Which money leaves an account first.
        before: What lay on an account already, clean, by its key; it came in first.

    Returns:
        Each edge in the order of time with its estimated part; never more than the edge itself,
        nor in all more than flowed in.

    Raises:
        InputError: An amount is not positive.
    """
    lots: dict[str, list[_Lot]] = {
        account: [_Lot(amount, Decimal(0))] for account, amount in (before or {}).items() if amount
    }
    happened = sorted(
        [(edge, True) for edge in inflows] + [(edge, False) for edge in edges],
        key=lambda one: (one[0].at, not one[1]),
    )
    found: list[Traced] = []
    for edge, is_victim in happened:
        if edge.amount <= 0:
            raise InputError("An amount in the trail is not more than zero.", field="amount")
        dirty = edge.amount if is_victim else _take(lots.get(edge.source, []), edge.amount, order)
        if not is_victim:
            found.append(Traced(edge, dirty))
        lots.setdefault(edge.target, []).append(_Lot(edge.amount, dirty))
    return tuple(found)


def _take(lots: list[_Lot], amount: Decimal, order: TraceOrder) -> Decimal:
    if order is TraceOrder.PROPORTIONAL:
        return _take_in_proportion(lots, amount)
    dirty = Decimal(0)
    left = amount
    while lots and left > 0:
        lot = lots[-1 if order is TraceOrder.LAST_IN else 0]
        part = min(lot.amount, left)
        # Within one lot the clean part leaves with the dirty in proportion, rounded down.
        moved = lot.dirty if part == lot.amount else _down(lot.dirty * part / lot.amount)
        dirty += moved
        left -= part
        if part == lot.amount:
            lots.remove(lot)
        else:
            lot.amount -= part
            lot.dirty -= moved
    return dirty


def _take_in_proportion(lots: list[_Lot], amount: Decimal) -> Decimal:
    total = sum((lot.amount for lot in lots), Decimal(0))
    dirty = sum((lot.dirty for lot in lots), Decimal(0))
    if total <= 0:
        return Decimal(0)
    moved = dirty if amount >= total else _down(dirty * amount / total)
    lots[:] = [] if amount >= total else [_Lot(total - amount, dirty - moved)]
    return moved


def share_in_proportion(frozen: Decimal, losses: Mapping[str, Decimal]) -> tuple[Share, ...]:
    """Divide what is frozen in proportion to each victim's loss, to the cent (银监发〔2016〕41号).

    The cents that rounding down leaves go one each to the largest remainders, then by name, so
    that the shares sum exactly, nobody gets more than the loss, and the order of input is nothing.

    Raises:
        InputError: Nothing is frozen, or a loss is not more than zero.
    """
    if frozen <= 0 or not losses or any(loss <= 0 for loss in losses.values()):
        raise InputError("Frozen money and every loss have to be more than zero.", field="losses")
    total = sum(losses.values(), Decimal(0))
    if frozen >= total:
        return tuple(Share(name, losses[name].quantize(_CENT)) for name in sorted(losses))
    exact = {name: loss * frozen / total for name, loss in losses.items()}
    shares = {name: _down(amount) for name, amount in exact.items()}
    cents = int((frozen - sum(shares.values(), Decimal(0))) / _CENT)
    by_remainder = sorted(losses, key=lambda name: (shares[name] - exact[name], name))
    for name in by_remainder[:cents]:
        shares[name] += _CENT
    return tuple(Share(name, shares[name]) for name in sorted(shares))


def share_direct(frozen: Decimal, losses: Mapping[str, Decimal]) -> tuple[Share, ...]:
    """Give back directly: one deposit record into the account, so nothing has to be divided.

    Raises:
        InputError: There are several, or none; nothing is frozen, or the loss is not positive.
    """
    if len(losses) != 1:
        raise InputError(
            f"A direct return has one deposit record; there are {len(losses)}.",
            hint="With times, return by time stamp; else in proportion, after a public notice.",
            field="losses",
        )
    return share_in_proportion(frozen, losses)


def share_by_time(frozen: Decimal, inflows: Sequence[tuple[str, Edge]]) -> tuple[Share, ...]:
    """Give back by time stamps: what came in last is what still lies there.

    Args:
        frozen: What is frozen.
        inflows: Each claimant's transfers into the account.

    Raises:
        InputError: Nothing is frozen, there is no transfer, or one is not more than zero.
    """
    if frozen <= 0:
        raise InputError("Nothing is frozen.", field="frozen")
    if not inflows or any(edge.amount <= 0 for _, edge in inflows):
        raise InputError("Every transfer has to be more than zero.", field="deposits")
    left = frozen
    shares: dict[str, Decimal] = {}
    for claimant, edge in sorted(inflows, key=lambda one: (one[1].at, one[0]), reverse=True):
        part = min(left, edge.amount)
        if part <= 0:
            break
        shares[claimant] = shares.get(claimant, Decimal(0)) + part
        left -= part
    return tuple(Share(name, shares[name]) for name in sorted(shares))


def _down(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, rounding="ROUND_FLOOR")
