"""Quiet hours, to the second, across midnight and across a change of the clocks."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.delivery.quiet import quiet_until

BEIJING = ZoneInfo("Asia/Shanghai")
EVENING, MORNING = time(21), time(8)


def until(text: str, start: time = EVENING, end: time = MORNING) -> str | None:
    found = quiet_until(datetime.fromisoformat(text).replace(tzinfo=BEIJING), start, end, BEIJING)
    return None if found is None else found.astimezone(BEIJING).isoformat()


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-11-24 20:59:59", None),
        ("2026-11-24 21:00:00", "2026-11-25T08:00:00+08:00"),
        ("2026-11-24 23:59:59", "2026-11-25T08:00:00+08:00"),
        ("2026-11-25 00:00:00", "2026-11-25T08:00:00+08:00"),
        ("2026-11-25 07:59:59", "2026-11-25T08:00:00+08:00"),
        ("2026-11-25 08:00:00", None),
        ("2026-12-31 22:00:00", "2027-01-01T08:00:00+08:00"),
        ("2028-02-28 22:00:00", "2028-02-29T08:00:00+08:00"),
    ],
)
def test_the_night_is_quiet(now: str, over: str | None) -> None:
    assert until(now) == over


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-11-24 11:59:59", None),
        ("2026-11-24 12:00:00", "2026-11-24T14:00:00+08:00"),
        ("2026-11-24 14:00:00", None),
    ],
)
def test_a_rest_at_noon_is_quiet(now: str, over: str | None) -> None:
    assert until(now, time(12), time(14)) == over


def test_equal_ends_leave_no_quiet() -> None:
    assert until("2026-11-24 03:00:00", time(0), time(0)) is None


def test_the_answer_is_in_utc() -> None:
    found = quiet_until(datetime(2026, 11, 24, 14, tzinfo=UTC), EVENING, MORNING, BEIJING)
    assert found == datetime(2026, 11, 25, 0, tzinfo=UTC)
    assert found.tzinfo is UTC


def test_a_night_of_changing_clocks_ends_at_the_local_morning() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    found = quiet_until(datetime(2026, 3, 28, 22, tzinfo=berlin), EVENING, MORNING, berlin)
    assert found == datetime(2026, 3, 29, 6, tzinfo=UTC)


@given(
    st.integers(0, 365 * 86_400),
    st.times(),
    st.times(),
)
def test_the_quiet_ends_later_today_or_tomorrow_and_not_in_quiet(
    second: int, start: time, end: time
) -> None:
    aware = datetime(2026, 1, 1, tzinfo=BEIJING) + timedelta(seconds=second)
    found = quiet_until(aware, start, end, BEIJING)
    if found is not None:
        assert aware < found <= aware + timedelta(days=1)
        assert quiet_until(found, start, end, BEIJING) is None
