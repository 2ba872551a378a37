"""The daemon is killed ten times in mid-flight: nobody lost, nobody twice, nobody stranded.

What was received is recounted from the gateway's raw log, by a reader that shares no code with
ours. Then the same is done to copies of fzalert with one planted bug each: the recount finds it.
"""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

import fzalert
import fzalert_sms
from fzalert.service.models import StatusView
from fzalert.testing.processes import poll
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.tap import Tap
from fzalert.testing.teller import Teller
from fzalert.testing.textsite import URGENT, TextSite
from fzalert_sms.recount import Recount, recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
Maker = Callable[[Sequence[Path]], TextSite]

HALF = TextSite.WINDOW // 2
MOMENT_WITHIN = 10.0
JUST_NOW = 0.0015

# Each planted bug: the file, and (what stands there, what stands there instead).
REQUEUED = (
    "fzalert/delivery/policy.py",
    (("UnknownPolicy.RESEND_ONCE if lane is Lane.URGENT else UnknownPolicy.HOLD",
      "UnknownPolicy.SAME_KEY"),),
)  # fmt: skip
NOT_RECORDED = (
    "fzalert/delivery/wire.py",
    (("self._slot.recorder.writing(id, part, key)", "pass"),),
)
ANSWERED_EARLY = (
    "fzalert/delivery/slot.py",
    (("self._gathered.add_inbound(batch)",
      "self._gathered.add_inbound(batch); batch.acknowledge()"),
     ("inbound.acknowledge()", "pass")),
)  # fmt: skip
Bug = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Endured:
    """A run that was killed again and again, and then left alone until it had settled.

    Attributes:
        kills: Those with half a window unanswered.
        others: Those that came too late for half a window, or while the daemon still recovered
            from the one before.
        status: Our own figures at the end.
        log: The gateway's.
        reckoning: The list against the log.
        teller: Who warned meanwhile.
    """

    kills: int
    others: int
    status: StatusView
    log: Recount
    reckoning: Reckoning
    teller: Teller


async def _endure(
    site: TextSite,
    chance: Random,
    reckoned: Reckoner,
    *,
    people: int,
    kills: int,
    after_ack: bool = False,
) -> Endured:
    numbers = [f"138{n:08d}" for n in range(people)]
    teller = Teller(site, URGENT, (f"139{n:08d}" for n in range(kills * 20)))
    async with site.gateway() as tap:
        await site.approve()
        await site.start_campaign(numbers)
        done = others = 0
        for attempt in range(2 * kills):
            full = await _kill(site, tap, chance, teller, attempt + 1, after_ack=after_ack)
            done += full
            others += not full
            if done == kills:
                break
            if attempt % 4 == 3:
                await _kill_recovering(site)
                others += 1
        assert done == kills, "the window was too rarely half full"
        async with site.daemon() as daemon:
            await teller.work()
            status = await site.settled(lambda: _quiet(site))
            assert (await daemon.stop()).code == 0
    log, found = await reckoned(site, numbers, teller.ids)
    return Endured(done, others, status, log, found, teller)


def _quiet(site: TextSite) -> bool:
    """Whether the gateway has told of every text, and was answered."""
    found = recount(site.log)
    return found.reports_acknowledged == found.accepted + found.unanswered


async def _kill(
    site: TextSite, tap: Tap, chance: Random, teller: Teller, attempt: int, *, after_ack: bool
) -> bool:
    """One life of the daemon; whether half a window was unanswered when it was killed."""
    loop = asyncio.get_running_loop()
    begun, after, pause = loop.time(), chance.randrange(50, 220), chance.uniform(0, 0.03)
    async with site.daemon() as daemon:
        ready = loop.time() - begun
        tap.look()
        before, due = tap.submits, float("inf")

        def is_moment() -> bool:
            nonlocal due
            tap.look()
            now = loop.time()
            if tap.submits - before >= after:
                due = min(due, now + pause)
            acked = not after_ack or now - tap.acknowledged < JUST_NOW
            return now >= due and acked and tap.unanswered_at(now) >= HALF

        async with asyncio.TaskGroup() as group:
            group.create_task(teller.work())
            what = f"{after} submissions, {pause:.3f} s more, and half a window unanswered"
            await poll(is_moment, what, within=MOMENT_WITHIN, every=0.0005)
            moment = loop.time()
            await daemon.kill()
        tap.look()
    unanswered = tap.unanswered_at(moment)
    sys.stdout.write(
        f"kill {attempt}: ready after {ready:.2f} s, {tap.submits - before} submissions,"
        f" {unanswered} of {site.WINDOW} unanswered, {len(teller.ids)} urgent so far\n"
    )
    return unanswered >= HALF


async def _kill_recovering(site: TextSite) -> None:
    """Kill it again in the middle of what it does after a kill."""
    async with site.program("fzalert.cli", ["run", "--ready-json"]) as daemon:
        what = "it has written what the flight recorder said"
        await poll(lambda: "engine.recovered" in daemon.errors, what, every=0.0005)
        await daemon.kill()
    sys.stdout.write("killed again while it recovered\n")


async def test_ten_kills_lose_nobody_and_reach_nobody_twice(
    site: TextSite, chance: Random, reckoned: Reckoner
) -> None:
    run = await _endure(site, chance, reckoned, people=3000, kills=10)
    found, totals = run.reckoning, run.status.totals
    sys.stdout.write(f"calls without an answer: {run.teller.interrupted} {totals!r}\n")
    assert found.lost == 0
    assert found.twice == 0
    assert run.log.duplicates == 0
    assert found.foreign == 0
    assert found.wrong == []
    assert run.others >= 2
    assert found.unknown <= site.WINDOW * (run.kills + run.others)
    assert found.open == 0
    assert (totals.queued, totals.open) == (0, 0)
    assert run.teller.doubted == []
    assert len(run.teller.ids) > run.kills, "urgent warnings were mixed in"
    # Our counters, the store's rows and the far side's log tell the same story.
    assert totals.accepted == found.recipients == totals.delivered + totals.unknown
    assert totals.unknown == found.unknown
    assert run.log.undecodable == run.log.rejected == run.log.throttled == 0
    assert totals.delivered <= run.log.distinct
    assert run.log.distinct == found.received <= found.recipients


@pytest.mark.parametrize("bug", [REQUEUED, NOT_RECORDED], ids=["requeued", "not-recorded"])
async def test_a_bug_that_sends_twice_is_counted(
    tmp_path: Path, make_site: Maker, chance: Random, reckoned: Reckoner, bug: Bug
) -> None:
    site = make_site(_planted(tmp_path, bug))
    run = await _endure(site, chance, reckoned, people=400, kills=1)
    assert run.reckoning.twice > 0
    assert run.log.duplicates > 0


async def test_a_bug_that_loses_reports_is_counted(
    tmp_path: Path, make_site: Maker, chance: Random, reckoned: Reckoner
) -> None:
    site = make_site(_planted(tmp_path, ANSWERED_EARLY))
    run = await _endure(site, chance, reckoned, people=600, kills=2, after_ack=True)
    # The gateway was answered for every report, and of some we know nothing.
    assert run.reckoning.twice == 0
    assert run.reckoning.open > 0
    assert run.status.totals.sent == run.reckoning.open


def _planted(folder: Path, bug: Bug) -> list[Path]:
    """Copy the packages that the daemon needs, and change one of them."""
    name, changes = bug
    for package in (fzalert, fzalert_sms):
        (origin,) = package.__path__
        shutil.copytree(origin, folder / package.__name__)
    file = folder / name
    text = file.read_text(encoding="utf-8")
    for right, wrong in changes:
        assert text.count(right) == 1, f"{name} has changed: {right!r} stands there no more"
        text = text.replace(right, wrong)
    file.write_text(text, encoding="utf-8")
    return [folder]
