"""The runner of deadlines on a real store, with a clock that the test moves."""

import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from typing_extensions import override

from fzalert.errors import StoreFull
from fzalert.freeze.book import CaseBook
from fzalert.freeze.model import MeasureState
from fzalert.service.freeze_clock import STALLED_AFTER, DeadlineRunner
from fzalert.testing.processes import poll
from tests.unit.test_freeze_book import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


class Running:
    """A runner at work, for as long as the block lasts."""

    def __init__(self, runner: DeadlineRunner) -> None:
        self.runner = runner

    async def __aenter__(self) -> DeadlineRunner:
        self._task = asyncio.ensure_future(self.runner.run())
        return self.runner

    async def __aexit__(self, *ended: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def settled(office: Office, hours: float) -> None:
    """Move the clock in steps that the runner sleeps through, and let it look after each."""
    for _ in range(int(hours * 120)):
        await office.clock.until_sleeping(timeout=60)
        office.clock.advance(30)
    await office.clock.until_sleeping(timeout=60)


async def test_a_stop_expires_when_its_time_is_over_and_not_before(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        await office.stopped()
        office.clock.advance(47.9 * 3600)
        async with Running(DeadlineRunner(lambda: book, office.clock)) as runner:
            await office.clock.until_sleeping(timeout=60)
            assert (await book.case("c1")).measures["m1"].state is MeasureState.STOPPED
            fired = runner.fired
            assert fired > 0, "the reminders that were missed"
            assert runner.late == fired
            await settled(office, 0.2)
            assert (await book.case("c1")).measures["m1"].state is MeasureState.EXPIRED
            assert runner.fired == fired + 1
            assert runner.late == fired, "the one that came while it ran was not late"
            assert runner.failed == ""


async def test_a_nearer_deadline_wakes_it(office: Office) -> None:
    async with (
        office.open() as book,
        Running(DeadlineRunner(lambda: book, office.clock)) as runner,
    ):
        await office.clock.until_sleeping(timeout=60)
        assert runner.next_due is None
        await office.entered()
        runner.wake()
        due = await poll(lambda: runner.next_due, "the runner has seen the deadline")
        assert due > book.now()


class Hanging(CaseBook):
    """A book whose store hangs when it is told to."""

    gate = asyncio.Event()

    @override
    async def next_due(self) -> datetime | None:
        await self.gate.wait()
        return await super().next_due()


class Full(CaseBook):
    """A book whose disk is full for a while."""

    full = True

    @override
    async def next_due(self) -> datetime | None:
        if self.full:
            raise StoreFull("The disk is full.")
        return await super().next_due()


async def test_a_runner_that_hangs_is_told_of_after_two_minutes(office: Office) -> None:
    async with office.open() as book:
        hanging = Hanging(office.store, book._sealer, book.policy, office.clock)
        hanging.gate = asyncio.Event()
        async with Running(DeadlineRunner(lambda: hanging, office.clock)) as runner:
            await asyncio.sleep(0)
            office.clock.advance(STALLED_AFTER - 1)
            assert runner.stalled == 0
            office.clock.advance(2)
            assert runner.stalled > STALLED_AFTER
            hanging.gate.set()
            await office.clock.until_sleeping(timeout=60)
            assert runner.stalled == 0


async def test_a_full_disk_is_told_of_and_tried_again(office: Office) -> None:
    async with office.open() as book:
        full = Full(office.store, book._sealer, book.policy, office.clock)
        async with Running(DeadlineRunner(lambda: full, office.clock)) as runner:
            await office.clock.until_sleeping(timeout=60)
            assert runner.failed == "store-full"
            full.full = False
            office.clock.advance(6)
            await poll(lambda: not runner.failed, "the disk has room, and deadlines are kept")
