"""Two owners never send together: a stopped one, several that start at once, an heir.

By the gateway's log, whoever began to send had the last word from then on.
"""

import asyncio
import itertools
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from random import Random

from fzalert.testing.lives import Lives
from fzalert.testing.processes import Program, poll
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.tap import Tap
from fzalert.testing.textsite import TextSite
from fzalert_sms.recount import Recount, recount_with_texts

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
Quiet = Callable[[TextSite], bool]

RUN = ("run", "--ready-json")
IN_USE = 8
AT_ONCE = 3
OWNERS = 2
PEOPLE = 6000
HALF = TextSite.WINDOW // 2
SETTLES_WITHIN = 120.0


def _assert_one_sends_at_a_time(site: TextSite) -> None:
    _, sightings = recount_with_texts(site.log)
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for sight in sightings:
        first.setdefault(sight.connection, sight.at)
        last[sight.connection] = sight.at
    sys.stdout.write(f"{len(first)} lines brought submissions\n")
    assert len(first) > 1
    for former, later in itertools.pairwise(sorted(first)):
        assert last[former] < first[later], "two owners sent at the same time"


def _assert_nobody_suffered(found: Reckoning, log: Recount, most_unknown: int) -> None:
    assert found.lost == found.twice == found.foreign == found.open == log.duplicates == 0
    assert found.wrong == []
    assert found.unknown <= most_unknown


async def _until_half_full(tap: Tap, more: int) -> None:
    tap.look()
    wanted = tap.submits + more

    def is_moment() -> bool:
        tap.look()
        # Or most of it is over: then this very test was kept from looking.
        return tap.submits >= wanted and (
            tap.unanswered >= HALF or tap.submits >= wanted + 15 * more
        )

    await poll(is_moment, f"{more} more submissions and half a window unanswered", every=0.0005)


async def test_a_stopped_owner_keeps_its_store_and_its_heir_repeats_nothing(
    site: TextSite, chance: Random, reckoned: Reckoner, quiet: Quiet
) -> None:
    async with site.gateway() as tap:
        lives = Lives(site, tap, chance, people=PEOPLE, urgent=20)
        await lives.begin()
        async with site.daemon() as owner:
            await _until_half_full(tap, 100)
            owner.signal(signal.SIGSTOP)
            second = await site.fzalert("run")
            assert second.code == IN_USE
            assert f"Process {owner.pid} " in second.err
            tap.look()
            lines, before = len(tap.opened), tap.submits
            owner.signal(signal.SIGCONT)
            await _until_half_full(tap, 100)
            assert tap.submits > before
            assert len(tap.opened) == lines, "it went on over the line that it had"

            # Stopped and killed: its lock is free only once it is really gone.
            owner.signal(signal.SIGSTOP)
            assert (await site.fzalert("run")).code == IN_USE
            await owner.kill()
        status = await lives.settle(lambda: quiet(site), SETTLES_WITHIN)
    log, found = await reckoned(site, lives.numbers, lives.teller.ids)
    _assert_nobody_suffered(found, log, site.WINDOW)
    _assert_one_sends_at_a_time(site)
    assert status.totals.delivered + status.totals.unknown == found.recipients


async def test_of_several_that_start_at_once_one_sends_and_then_one_inherits(
    site: TextSite, chance: Random, reckoned: Reckoner, quiet: Quiet
) -> None:
    async with site.gateway() as tap:
        lives = Lives(site, tap, chance, people=0, urgent=20)
        await site.approve()
        for number in range(OWNERS):
            async with AsyncExitStack() as stack:
                started = [
                    await stack.enter_async_context(site.program("fzalert.cli", RUN))
                    for _ in range(AT_ONCE)
                ]
                owner = await _the_one_that_serves(started)
                people = [f"137{number}{n:07d}" for n in range(PEOPLE // OWNERS)]
                lives.numbers += people
                await site.start_campaign(people)
                await _until_half_full(tap, 100)
                await owner.kill()
        _ = await lives.settle(lambda: quiet(site), SETTLES_WITHIN)
    log, found = await reckoned(site, lives.numbers, lives.teller.ids)
    _assert_nobody_suffered(found, log, site.WINDOW * OWNERS)
    _assert_one_sends_at_a_time(site)


async def _the_one_that_serves(started: list[Program]) -> Program:
    """The owner, once every other one has ended and said why."""
    serves = await asyncio.gather(*(program.came_up() for program in started))
    assert sum(serves) == 1
    for program, is_owner in zip(started, serves, strict=True):
        if not is_owner:
            ended = await program.ended()
            assert ended.code == IN_USE
            assert "[store-in-use]" in ended.err
    return started[serves.index(True)]
