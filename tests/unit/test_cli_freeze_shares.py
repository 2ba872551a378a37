"""Losses as they are typed, the method that they allow, and shares that sum to the cent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fzalert
from fzalert.cli.freeze.shares import Loss, method_for, read_loss, share_values
from fzalert.freeze.money import share_direct
from fzalert.service.freeze_models import ShareAsk
from fzalert.service.freeze_shares import shares_of

START = datetime(2026, 11, 24, tzinfo=UTC)
amounts = st.integers(1, 10**11).map(lambda cents: Decimal(cents) / 100)
paid_in = st.tuples(st.sampled_from("甲乙丙丁"), amounts, st.integers(0, 90))


def ask(losses: list[Loss], method: str = "") -> ShareAsk:
    chosen = method or method_for(losses)
    values = share_values(losses, chosen)  # type: ignore[arg-type]
    return ShareAsk.model_validate({"case": "c", "measure": "m1", **values})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("张三", "NAME=YUAN"),
        ("=1", "NAME=YUAN"),
        ("张三=", "NAME=YUAN"),
        ("张三=一万", "1234.56"),
        ("张三=1@昨天", "A time is written"),
        ("张三=1@2026-11-24T16:40:00", "zone"),
    ],
)
def test_a_loss_that_is_written_wrong_is_refused(text: str, words: str) -> None:
    with pytest.raises(fzalert.InputError, match=words):
        read_loss(text)


def test_the_losses_choose_the_method() -> None:
    timed = [
        read_loss("甲=1@2026-11-24T16:40:00+08:00"),
        read_loss("乙=2@2026-11-24T16:41:00+08:00"),
    ]
    plain = [read_loss("甲=1"), read_loss("乙=2")]
    assert method_for(timed[:1]) == method_for(plain[:1]) == "direct"
    assert method_for(timed) == "timestamp"
    assert method_for(plain) == method_for([timed[0], plain[1]]) == "proportional"
    with pytest.raises(fzalert.InputError, match="has its time"):
        share_values(plain, "timestamp")
    with pytest.raises(fzalert.InputError, match="there are 2"):
        share_values(plain, "direct")
    with pytest.raises(fzalert.InputError, match="there are 2"):
        share_direct(Decimal(1), {"甲": Decimal(1), "乙": Decimal(1)})


def test_several_losses_of_one_victim_are_summed() -> None:
    twice = [read_loss("甲=1.10"), read_loss("乙=5"), read_loss("甲=2.20")]
    assert share_values(twice, "proportional")["losses"] == {
        "甲": Decimal("3.30"),
        "乙": Decimal(5),
    }


def test_what_a_method_does_not_use_is_refused() -> None:
    deposit = {"claimant": "甲", "amount": "1", "at": START}
    base = {"case": "c", "measure": "m1"}
    wrong: list[tuple[dict[str, object], str]] = [
        ({"method": "timestamp", "losses": {"甲": "1"}}, "each transfer"),
        ({"method": "timestamp"}, "more than zero"),
        ({"method": "proportional", "deposits": [deposit]}, "by time stamp alone"),
        ({"method": "proportional"}, "more than zero"),
        ({"method": "direct"}, "there are 0"),
    ]
    for values, words in wrong:
        with pytest.raises(fzalert.InputError, match=words):
            shares_of(ShareAsk.model_validate({**base, **values}), Decimal(10))


@given(
    st.lists(
        st.tuples(st.sampled_from("甲乙丙丁"), amounts, st.integers(0, 90)), min_size=1, max_size=12
    ),
    amounts,
    st.sampled_from(["timestamp", "proportional"]),
)
def test_shares_never_exceed_what_is_there_nor_anybody_s_loss(
    paid: list[tuple[str, Decimal, int]], frozen: Decimal, method: str
) -> None:
    losses = [Loss(name, amount, START + timedelta(minutes=at)) for name, amount, at in paid]
    shares = {one.claimant: one.amount for one in shares_of(ask(losses, method), frozen)}
    total = sum((amount for _, amount, _ in paid), Decimal(0))
    assert sum(shares.values(), Decimal(0)) == min(frozen, total)
    for name, amount in shares.items():
        assert amount == amount.quantize(Decimal("0.01"))
        assert amount <= sum((a for n, a, _ in paid if n == name), Decimal(0))
