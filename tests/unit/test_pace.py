"""The token bucket: never more than the rate, a reserve for the urgent, slower when asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.delivery.pace import Pace
from fzalert.messages import Lane


def test_without_a_rate_everything_goes() -> None:
    pace = Pace(None, 0.0)
    assert pace.take(10_000, Lane.BULK, 0.0) == 10_000
    assert pace.pause() == 0.0
    pace.throttled(0.0)
    pace.give_back(5)
    assert pace.rate is None


@given(
    st.floats(0.2, 2000),
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 300), st.sampled_from(Lane)), max_size=60),
)
def test_no_more_than_the_rate_goes_and_one_second_of_it_is_borrowed_at_most(
    rate: float, steps: list[tuple[float, int, Lane]]
) -> None:
    pace = Pace(rate, 0.0)
    now, bulk, both = 0.0, 0, 0
    for pause, number, lane in steps:
        now += pause
        taken = pace.take(number, lane, now)
        assert 0 <= taken <= number
        both += taken
        bulk += taken if lane is Lane.BULK else 0
        burst = max(1.0, rate / 10)
        assert bulk <= burst + rate * now + 1
        assert both <= burst + rate * now + rate + 1


def test_bulk_leaves_a_fifth_of_the_burst_to_the_urgent() -> None:
    pace = Pace(1000.0, 0.0)
    assert pace.take(500, Lane.BULK, 0.0) == 81
    assert pace.take(500, Lane.BULK, 0.0) == 0
    assert pace.take(500, Lane.URGENT, 0.0) == 500


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize("rate", [0.5, 1.0, 7.0, 50.0, 1000.0])
def test_after_the_pause_one_may_go(lane: Lane, rate: float) -> None:
    pace = Pace(rate, 0.0)
    now = 0.0
    while pace.take(10_000, lane, now):
        pass
    pause = pace.pause(lane)
    assert pace.take(1, lane, now + pause / 2) == 0
    assert pace.take(1, lane, now + pause + 1e-6) == 1


@pytest.mark.parametrize("rate", [1.0, 10.0, 500.0])
def test_the_rate_is_reached(rate: float) -> None:
    pace = Pace(rate, 0.0)
    sent, now = 0, 0.0
    while now < 60:
        sent += pace.take(10_000, Lane.BULK, now)
        now += max(0.005, pace.pause())
    assert 0.9 * rate * 60 <= sent <= rate * 60 + max(1, rate / 10) + 1


def test_a_throttled_answer_slows_once_a_second_and_it_comes_back() -> None:
    pace = Pace(100.0, 0.0)
    for _ in range(50):
        pace.throttled(0.5)
    assert pace.rate == 70.0
    pace.throttled(1.6)
    assert pace.rate == pytest.approx(49.0)
    now = 1.6
    for _ in range(60):
        now += 1
        pace.take(0, Lane.BULK, now)
    assert pace.rate == 100.0


def test_the_rate_never_falls_below_one_a_second() -> None:
    pace = Pace(100.0, 0.0)
    for second in range(100):
        pace.throttled(2.0 * second)
    assert pace.rate == 1.0


def test_what_was_not_used_is_given_back() -> None:
    pace = Pace(100.0, 0.0)
    taken = pace.take(5, Lane.BULK, 0.0)
    pace.give_back(taken)
    assert pace.take(9, Lane.BULK, 0.0) == 9
