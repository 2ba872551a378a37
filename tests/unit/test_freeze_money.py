"""Following and giving back money: nothing is made, nothing is lost, the cent is exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fzalert
from fzalert.freeze.money import (
    Edge,
    Share,
    TraceOrder,
    levels,
    share_by_time,
    share_in_proportion,
    trace,
)

START = datetime(2026, 11, 24, tzinfo=UTC)
CENT = Decimal("0.01")


def edge(source: str, target: str, amount: str, minute: int) -> Edge:
    return Edge(source, target, Decimal(amount), START + timedelta(minutes=minute))


def test_first_in_first_out() -> None:
    victim = [edge("victim", "a", "50000", 0)]
    on = [edge("a", "b", "30000", 5), edge("a", "c", "40000", 6), edge("b", "cash", "10000", 9)]
    clean = {"a": Decimal(20000)}
    traced = trace(victim, on, before=clean)
    # The clean 20,000 leave first.
    assert [one.amount for one in traced] == [Decimal(10000), Decimal(40000), Decimal("3333.33")]
    last = trace(victim, on, TraceOrder.LAST_IN, before=clean)
    assert [one.amount for one in last] == [Decimal(30000), Decimal(20000), Decimal(10000)]
    even = trace(victim, on, TraceOrder.PROPORTIONAL, before=clean)
    assert [one.amount for one in even[:2]] == [Decimal("21428.57"), Decimal("28571.43")]


def test_levels_of_money_that_meets_and_runs_in_circles() -> None:
    edges = [
        edge("a", "b", "1", 1),
        edge("a", "c", "1", 1),
        edge("b", "d", "1", 2),
        edge("c", "d", "1", 2),
        edge("d", "a", "1", 3),
        edge("d", "e", "1", 3),
    ]
    assert levels(["a"], edges) == {"a": 1, "b": 2, "c": 2, "d": 3, "e": 4}


amounts = st.integers(1, 10**9).map(lambda cents: Decimal(cents) / 100)
names = st.sampled_from("abcdef")
edges = st.lists(
    st.builds(
        lambda s, t, amount, minute: Edge(s, t, amount, START + timedelta(minutes=minute)),
        names,
        names,
        amounts,
        st.integers(0, 60),
    ),
    max_size=20,
)


@given(
    inflow=st.lists(amounts, min_size=1, max_size=4), on=edges, order=st.sampled_from(TraceOrder)
)
def test_a_trace_makes_no_money(inflow: list[Decimal], on: list[Edge], order: TraceOrder) -> None:
    victim = [Edge("victim", "a", amount, START) for amount in inflow]
    traced = trace(victim, on, order)
    assert len(traced) == len(on)
    for one in traced:
        assert Decimal(0) <= one.amount <= one.edge.amount
    received: dict[str, Decimal] = {"a": sum(inflow, Decimal(0))}
    for one in traced:
        assert one.amount <= received.get(one.edge.source, Decimal(0))
        received[one.edge.source] = received.get(one.edge.source, Decimal(0)) - one.amount
        received[one.edge.target] = received.get(one.edge.target, Decimal(0)) + one.amount
    assert sum(received.values(), Decimal(0)) == sum(inflow, Decimal(0))


@given(
    losses=st.dictionaries(st.text(min_size=1, max_size=4), amounts, min_size=1, max_size=9),
    frozen=amounts,
)
def test_shares_in_proportion_sum_exactly(losses: dict[str, Decimal], frozen: Decimal) -> None:
    shares = share_in_proportion(frozen, losses)
    total = sum(losses.values(), Decimal(0))
    assert sum((share.amount for share in shares), Decimal(0)) == min(frozen, total)
    for share in shares:
        exact = losses[share.claimant] * min(frozen, total) / total
        assert abs(share.amount - exact) < CENT
        assert share.amount <= losses[share.claimant]
    backwards = dict(reversed(losses.items()))
    assert share_in_proportion(frozen, backwards) == shares


def test_shares_by_time() -> None:
    inflows = [
        ("first", edge("v", "a", "100.00", 0)),
        ("second", edge("v", "a", "50.00", 5)),
        ("third", edge("v", "a", "30.00", 9)),
    ]
    assert share_by_time(Decimal("60.00"), inflows) == (
        Share("second", Decimal("30.00")),
        Share("third", Decimal("30.00")),
    )
    everything = share_by_time(Decimal("1000.00"), inflows)
    assert sum((share.amount for share in everything), Decimal(0)) == Decimal("180.00")


def test_nothing_is_divided_among_nobody() -> None:
    for frozen, losses in [("0", {"a": "1"}), ("1", {}), ("1", {"a": "0"})]:
        with pytest.raises(fzalert.InputError):
            share_in_proportion(Decimal(frozen), {k: Decimal(v) for k, v in losses.items()})
    with pytest.raises(fzalert.InputError):
        share_by_time(Decimal(0), [])
    with pytest.raises(fzalert.InputError):
        trace([edge("v", "a", "0", 0)], [])
