"""SIGTERM at random moments, once and twice: the daemon drains, loses nobody, repeats nothing.

Intake stops, what is on the line is waited for, and the exit code is 0. A second signal ends the
process at once, which is as safe as a kill.
"""

import asyncio
import contextlib
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from random import Random

import pytest

from fzalert.errors import NotConnected
from fzalert.testing.lives import Lives
from fzalert.testing.processes import Program, poll
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.soak import rounds
from fzalert.testing.tap import Tap
from fzalert.testing.textsite import TextSite
from fzalert_sms.recount import Recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
Quiet = Callable[[TextSite], bool]

RUN = ("run", "--ready-json")
STOPS = rounds(8, 100)
LOADS_IN, OPENS_IN = 0.6, 0.2
"""Seconds over which the signals to a daemon are spread that loads, or opens its store and line."""
AT_ONCE = 130
BEFORE_IT_LISTENS = -signal.SIGTERM
SETTLES_WITHIN = 180.0


async def _stop(site: TextSite, tap: Tap, lives: Lives, chance: Random, *, twice: bool) -> int:
    """One life and its end by signal; the exit code."""
    tap.look()
    lines, before = len(tap.opened), tap.submits
    when = chance.choice(("loads", "opens", "opens", "works", "works", "works"))
    async with site.program("fzalert.cli", RUN) as daemon, asyncio.TaskGroup() as group:
        if when == "works":
            await daemon.ready()
            group.create_task(_warn(lives))
            await _received(tap, before + chance.randrange(1, 300))
        elif when == "opens":
            await poll(lambda: _owner(site) == daemon.pid, "it owns the store", every=0.0005)
            await asyncio.sleep(chance.uniform(0, OPENS_IN))
        else:
            await asyncio.sleep(chance.uniform(0, LOADS_IN))
        code = await _signal(daemon, chance, twice=twice)

    def is_over() -> bool:
        tap.look()
        return tap.opened.keys() == tap.closed.keys()

    await poll(is_over, "the far side has seen the line end")
    sys.stdout.write(
        f"{'two signals' if twice else 'one signal'} while it {when}: ended with {code} after"
        f" {tap.submits - before} submissions\n"
    )
    if code == BEFORE_IT_LISTENS and not twice:
        assert when == "loads"
        assert len(tap.opened) == lines, "it had begun to work and did not listen to a signal"
    return code


def _owner(site: TextSite) -> int:
    """The process that the lock file names."""
    text = (site.folder / "data" / "fz.db.lock").read_text(encoding="ascii")
    return int(text or 0)


async def _received(tap: Tap, wanted: int) -> None:
    def is_moment() -> bool:
        tap.look()
        return tap.submits >= wanted

    await poll(is_moment, f"{wanted} submissions", every=0.0005)


async def _warn(lives: Lives) -> None:
    with contextlib.suppress(NotConnected):  # it may stop before anybody reaches it
        await lives.teller.work()


async def _signal(daemon: Program, chance: Random, *, twice: bool) -> int:
    daemon.signal(signal.SIGTERM)
    if twice:
        await asyncio.sleep(chance.uniform(0, 0.02))
        if daemon.is_running:
            daemon.signal(signal.SIGTERM)
    return (await daemon.ended(SETTLES_WITHIN)).code


@pytest.mark.parametrize("twice", [False, True], ids=["one signal", "two signals"])
async def test_a_stop_at_any_moment_loses_nobody_and_reaches_nobody_twice(
    site: TextSite, chance: Random, reckoned: Reckoner, quiet: Quiet, *, twice: bool
) -> None:
    async with site.gateway() as tap:
        lives = Lives(site, tap, chance, people=STOPS * 500, urgent=STOPS * 20)
        await lives.begin()
        codes = Counter([await _stop(site, tap, lives, chance, twice=twice) for _ in range(STOPS)])
        _ = await lives.settle(lambda: quiet(site), SETTLES_WITHIN)
    log, found = await reckoned(site, lives.numbers, lives.teller.ids)
    sys.stdout.write(f"exit codes: {dict(codes)}\n")
    assert found.lost == found.twice == found.foreign == found.open == log.duplicates == 0
    assert found.wrong == []
    if twice:
        assert codes.keys() <= {0, AT_ONCE, BEFORE_IT_LISTENS}
        assert codes[AT_ONCE] > 0
        assert found.unknown <= site.WINDOW * STOPS
    else:
        assert codes.keys() <= {0, BEFORE_IT_LISTENS}
        assert codes[0] > 0
        assert found.unknown == 0
        assert log.unanswered == 0, "what was on the line was waited for"
