"""The daemon is killed fifty times in mid-flight: nobody lost, nobody twice, nobody stranded.

At least once it dies at every step of a tick; the rest of the kills come at random moments. What
was received is recounted from the gateway's raw log, by a reader that shares no code with ours.
"""

import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import cycle
from pathlib import Path
from random import Random

import pytest

from fzalert.testing.lives import Death, Lives
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.soak import rounds
from fzalert.testing.steps import LOOP, RECOVERY, STORE, histogram
from fzalert.testing.textsite import TextSite
from fzalert.testing.warm import warm
from fzalert_sms.recount import Recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
Maker = Callable[[Sequence[Path]], TextSite]
Quiet = Callable[[TextSite], bool]

KILLS = 50
"""Kills of one campaign; a soak runs twenty campaigns."""
BACK_WITHIN = 1.0
WRITTEN_BEFORE = 80
RECOVERING_EVERY = 7
TRIES = 6
SETTLES_WITHIN = 180.0
OFTEN = {
    "before recorder",
    "recorder set",
    "response read",
    "response recorded",
    "recorder cleared",
}
"""Steps that every part passes; the others come once a batch, a tick, an acceptance."""


@pytest.mark.parametrize("run", range(rounds(1, 20)))
async def test_fifty_kills_lose_nobody_and_reach_nobody_twice(
    make_site: Maker, hooked: Path, seed: int, reckoned: Reckoner, quiet: Quiet, run: int
) -> None:
    chance = Random(f"{seed}/{run}")
    site = make_site([hooked])
    async with site.gateway() as tap, warm(site) as starter:
        lives = Lives(site, tap, chance, people=KILLS * 400, urgent=KILLS * 20, warm=starter)
        await lives.begin()
        kills = await _kills(lives, chance)
        status = await lives.settle(lambda: quiet(site), SETTLES_WITHIN)
    log, found = await reckoned(site, lives.numbers, lives.teller.ids)
    totals = status.totals
    sys.stdout.write(f"{histogram(death.place for death in lives.deaths)}{totals!r}\n")

    # Every kill counts that came in mid-flight, and every step of a tick was one's place.
    assert len(kills) == KILLS
    assert all(death.is_midway for death in kills)
    assert {*LOOP, *STORE} <= {step for death in kills for step in death.place}
    assert set(RECOVERY) <= {death.place.loop for death in lives.deaths}
    # No dead owner's lock file or socket kept anybody from starting, and nobody took them away.
    assert lives.leftovers == len(lives.deaths)
    assert sum(death.stretch is not None and death.first is not None for death in kills) > 20
    late = [str(death) for death in kills if death.was_late(BACK_WITHIN)]
    assert late == [], "the first new PDU comes within a second of the carrier's accept"

    assert found.lost == 0
    assert found.twice == 0
    assert log.duplicates == 0
    assert found.foreign == 0
    assert found.wrong == []
    assert found.unknown <= site.WINDOW * len(lives.deaths)
    assert found.open == 0
    assert (totals.queued, totals.open) == (0, 0)
    assert lives.teller.doubted == []
    assert len(lives.teller.ids) > KILLS // 2, "urgent warnings were mixed in"
    # Our counters, the store's rows and the far side's log tell the same story.
    assert totals.accepted == found.recipients == totals.delivered + totals.unknown
    assert totals.unknown == found.unknown
    assert log.undecodable == log.rejected == log.throttled == 0
    assert totals.delivered <= log.distinct
    assert log.distinct == found.received <= found.recipients


async def _kills(lives: Lives, chance: Random) -> list[Death]:
    """Kill it at each step and at random moments, in a random order; what came in mid-flight."""
    named: list[str] = [*LOOP, *STORE]
    plan = [*named, *[""] * (KILLS - len(named))]
    chance.shuffle(plan)
    recovering = cycle([*RECOVERY, ""])
    kills: list[Death] = []
    for number, step in enumerate(plan, start=1):
        kills.append(await _one(lives, chance, step))
        if number % RECOVERING_EVERY == 0:
            again = next(recovering)
            await (lives.die_at(again) if again else lives.die_recovering())
    return kills


async def _one(lives: Lives, chance: Random, step: str) -> Death:
    """One kill in mid-flight; on a machine that is too busy for that it is tried again."""
    for _ in range(TRIES):
        if step:
            count = chance.randint(1, 40 if step in OFTEN else 3)
            death = await lives.die_at(step, count=count, after=WRITTEN_BEFORE)
            assert step in death.place
            if death.is_midway:
                return death
        else:
            death = await lives.kill()
            if death.has_half_window:
                return death
    raise AssertionError(f"never in mid-flight, {TRIES} times: {step or 'half a window'}")
