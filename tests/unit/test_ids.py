"""Ids grow, whatever the wall clock does."""

from fzalert.delivery import IdMaker
from fzalert.testing import FakeClock


def test_ids_grow_and_never_repeat() -> None:
    ids = IdMaker(FakeClock())
    taken = [*ids.take(3), ids.one(), *ids.take(1000)]
    assert taken == sorted(set(taken))


def test_ids_grow_when_the_wall_clock_steps_back() -> None:
    clock = FakeClock()
    ids = IdMaker(clock)
    before = ids.one()
    clock.jump(-3600)
    assert ids.one() > before


def test_ids_are_ordered_by_time_and_fit_sixty_three_bits() -> None:
    clock = FakeClock()
    ids = IdMaker(clock)
    before = ids.take(1000)[-1]
    clock.advance(0.001)
    assert ids.one() > before
    clock.advance(50 * 366 * 86_400)
    assert ids.one() < 2**63


def test_a_clock_before_the_first_day_still_gives_ids() -> None:
    clock = FakeClock()
    clock.jump(-20 * 365 * 86_400)
    assert list(IdMaker(clock).take(2)) == [1, 2]
