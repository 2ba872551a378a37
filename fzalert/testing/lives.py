"""One campaign whose daemon dies again and again, and is started again each time.

The dead daemon's lock file and socket stay where they are: the next life has to cope. At each
death stands, from the far side's log, what had no answer, and from the daemon's own file, at which
step it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from typing_extensions import override

from fzalert.errors import NotConnected
from fzalert.service.models import StatusView
from fzalert.service.sockets import socket_path
from fzalert.testing.processes import Program, poll
from fzalert.testing.steps import Place, environment
from fzalert.testing.tap import Left, Tap
from fzalert.testing.teller import Teller
from fzalert.testing.textsite import URGENT, TextSite
from fzalert.testing.warm import Warm

__all__ = ["Death", "Lives"]

_RUN = ("run", "--ready-json")
_MOMENT_WITHIN = 15.0
_JUST_NOW = 0.0015
_KILLED = -9
_COLD_EVERY = 5


@dataclass(frozen=True, slots=True)
class Death:
    """How one life ended.

    Attributes:
        place: Where the daemon was.
        left: What had no answer, by the far side's log; nothing where it had no line.
        submits: Submissions of this life.
        ready: Seconds until it served; 0.0 where it died before.
        first: Seconds from the far side's accept to the first submission; None where none came.
        stretch: How many times longer than its work its start took: 1.0 on a machine that is idle;
            None where nobody was there to measure it.
    """

    place: Place
    left: Left
    submits: int
    ready: float
    first: float | None
    stretch: float | None

    @property
    def has_half_window(self) -> bool:
        """Whether at least half of the window had no answer."""
        return self.left.submits >= TextSite.WINDOW // 2

    @property
    def is_midway(self) -> bool:
        """Whether half a window had no answer, or a tick was open, or reports waited."""
        return self.has_half_window or self.place.in_tick or self.left.reports > 0

    def was_late(self, within: float) -> bool:
        """Whether its first submission came later than so many seconds, as stretched as its start.

        False where either was not measured.
        """
        if self.first is None or self.stretch is None:
            return False
        return self.first > within * self.stretch

    @override
    def __str__(self) -> str:
        first = "no line" if self.first is None else f"first PDU {self.first * 1000:.0f} ms"
        return (
            f"died at {self.place.loop or '-'} / {self.place.store or '-'}: {self.left.submits} of"
            f" {TextSite.WINDOW} unanswered, {self.left.reports} reports wait, {self.submits}"
            f" submissions, ready after {self.ready:.2f} s, {first}"
        )


class Lives:
    """The campaign and its daemon.

    Args:
        site: Where it runs; its daemon has the hook of `fzalert.testing.steps`.
        tap: Of the far side's log.
        chance: Source of everything left to chance.
        people: How many are on the list.
        urgent: How many a teller may warn at most.
        warm: Forks most of the lives; every fifth one starts from nothing all the same.

    Attributes:
        numbers: The list.
        teller: Who warns meanwhile.
        deaths: Every death so far.
        leftovers: How many lives began beside a dead owner's lock file and socket.
    """

    def __init__(
        self,
        site: TextSite,
        tap: Tap,
        chance: Random,
        *,
        people: int,
        urgent: int,
        warm: Warm | None = None,
    ) -> None:
        self.numbers = [f"138{n:08d}" for n in range(people)]
        self.teller = Teller(site, URGENT, (f"139{n:08d}" for n in range(urgent)))
        self.deaths: list[Death] = []
        self.leftovers = 0
        self._site = site
        self._tap = tap
        self._chance = chance
        self._steps = site.folder / "steps"
        self._last_line = 0
        self._warm = warm

    async def begin(self) -> None:
        """Approve the scripts and start the campaign; no daemon runs yet."""
        await self._site.approve()
        await self._site.start_campaign(self.numbers)

    async def kill(self, *, after_ack: bool = False) -> Death:
        """Live, and be killed at a random moment with half a window unanswered.

        Args:
            after_ack: Kill it in the very moment after it acknowledged a report.
        """
        loop, tap = asyncio.get_running_loop(), self._tap
        after, pause = self._chance.randrange(50, 220), self._chance.uniform(0, 0.03)
        begun, due = loop.time(), float("inf")
        async with self._life(environment(self._steps)) as daemon:
            await daemon.ready()
            ready, worked = loop.time() - begun, daemon.worked
            tap.look()
            before = tap.submits

            def is_moment() -> bool:
                nonlocal due
                tap.look()
                now = loop.time()
                if tap.submits - before >= after:
                    due = min(due, now + pause)
                acked = not after_ack or now - tap.acknowledged < _JUST_NOW
                return now >= due and acked and tap.unanswered >= self._site.WINDOW // 2

            async with asyncio.TaskGroup() as group:
                group.create_task(self._warn())
                what = f"{after} submissions, {pause:.3f} s more, and half a window unanswered"
                await poll(is_moment, what, within=_MOMENT_WITHIN, every=0.0005)
                moment = loop.time()
                await daemon.kill()
        return await self._note(before, moment, ready, max(1.0, ready / max(worked, 0.01)))

    async def die_at(self, step: str, *, count: int = 1, after: int = 0) -> Death:
        """Live until the daemon kills itself at a step; see `fzalert.testing.steps`."""
        loop = asyncio.get_running_loop()
        self._tap.look()
        before, begun, ready = self._tap.submits, loop.time(), 0.0
        chosen = environment(self._steps, step, count=count, after=after)
        async with self._life(chosen) as daemon:
            if await daemon.came_up():
                ready = loop.time() - begun
                await self._warn()
            ended = await daemon.ended()
        if ended.code != _KILLED:
            raise AssertionError(f"not killed at {step!r} but {ended}")
        return await self._note(before, None, ready)

    async def die_recovering(self) -> Death:
        """Be killed as soon as what the flight recorder said is on disk."""
        self._tap.look()
        before = self._tap.submits
        async with self._life(environment(self._steps)) as daemon:
            what = "it has written what the flight recorder said"
            await poll(lambda: "engine.recovered" in daemon.errors, what, every=0.0005)
            await daemon.kill()
        return await self._note(before, None)

    async def settle(self, quiet: Callable[[], bool], within: float) -> StatusView:
        """Live once more, until everything has its fate, and end in order.

        Args:
            quiet: Whether the far side waits for nothing; asked when its log has come to rest.
            within: Seconds to wait at most.
        """

        def at_rest() -> bool:
            size = self._tap.size
            self._tap.look()
            return size == self._tap.size and quiet()

        async with self._life({}) as daemon:
            await daemon.ready()
            await self.teller.work()
            status = await self._site.settled(at_rest, within)
            ended = await daemon.stop()
        if ended.code:
            raise AssertionError(f"no orderly end: {ended}")
        return status

    async def _warn(self) -> None:
        with contextlib.suppress(NotConnected):  # it may die before anybody reaches it
            await self.teller.work()

    @asynccontextmanager
    async def _life(self, variables: dict[str, str]) -> AsyncIterator[Program]:
        self.leftovers += all(file.exists() for file in _leftovers(self._site.folder))
        if self._warm is None or len(self.deaths) % _COLD_EVERY == 0:
            starting = self._site.program("fzalert.cli", _RUN, variables)
        else:
            starting = self._warm.program(_RUN, variables)
        async with starting as daemon:
            yield daemon

    async def _note(
        self, before: int, moment: float | None, ready: float = 0.0, stretch: float | None = None
    ) -> Death:
        tap = self._tap

        def is_over() -> bool:
            tap.look()
            return tap.opened.keys() == tap.closed.keys()

        await poll(is_over, "the far side has seen the line end")
        lines = [number for number in tap.opened if number > self._last_line]
        self._last_line = max(lines, default=self._last_line)
        firsts = [tap.first_submit[n] - tap.opened[n] for n in lines if n in tap.first_submit]
        place = Place.of(self._steps)
        death = Death(
            place,
            tap.left_at(place.died_at if moment is None else moment),
            tap.submits - before,
            ready,
            min(firsts, default=None),
            stretch,
        )
        self.deaths.append(death)
        sys.stdout.write(f"{len(self.deaths)}: {death}\n")
        return death


def _leftovers(folder: Path) -> Sequence[Path]:
    """What a dead owner leaves beside its store, and an orderly one only in part."""
    store = folder / "data" / "fz.db"
    return store.with_name("fz.db.lock"), socket_path(store)
