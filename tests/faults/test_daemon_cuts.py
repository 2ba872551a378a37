"""The carrier cuts the line fifty times, by RST and by FIN, with the window full.

Nobody is lost, nobody gets a text twice, and the line works again within a second of the moment
from which the carrier accepts connections.
"""

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Iterable
from random import Random

import pytest

from fzalert.testing.processes import ask_until
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.soak import rounds
from fzalert.testing.tap import Tap
from fzalert.testing.teller import Teller
from fzalert.testing.textsite import SECRET, URGENT, TextSite
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import Recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]

CUTS = 50
"""Cuts of one campaign; a soak runs twenty campaigns."""
HALF = TextSite.WINDOW // 2
BACK_WITHIN = 1.0
PATIENCE = 60.0
SETTLES_WITHIN = 180.0
WATCH_EVERY = 0.01


def _gateway(site: TextSite, seed: int) -> CmppSimulator:
    knobs = Knobs(
        accounts={site.ACCOUNT: SECRET},
        window=site.WINDOW,
        response_delay_ms=20,
        report_delay_ms=30,
    )
    return CmppSimulator(knobs, log=site.log, seed=seed, keeps_submits=False)


async def _half_full(carrier: CmppSimulator, tap: Tap, chance: Random) -> int:
    """Wait for some more submissions, and for half a window without an answer; how many it is."""
    tap.look()
    wanted = tap.submits + chance.randrange(50, 250)

    def is_moment() -> bool:
        tap.look()
        return tap.submits >= wanted and tap.unanswered >= HALF

    await carrier.until(is_moment, timeout=PATIENCE)
    return tap.unanswered


async def _is_down(site: TextSite) -> None:
    async with site.client() as client:

        async def down() -> bool:
            (channel,) = (await client.status()).channels
            return channel.state == "down"

        await ask_until(down, "the daemon says that the line is down")


async def _first_after(carrier: CmppSimulator, tap: Tap, moment: float) -> tuple[float, float]:
    """Wait for the first submission on a connection that was opened after a moment.

    Returns:
        Seconds from the moment to it, and how many seconds this very test was kept waiting for the
        processor meanwhile: then the daemon was, too.
    """
    loop = asyncio.get_running_loop()
    late = 0.0

    async def watch() -> None:
        nonlocal late
        while True:
            begun = loop.time()
            await asyncio.sleep(WATCH_EVERY)
            late = max(late, loop.time() - begun - WATCH_EVERY)

    def found() -> list[float]:
        tap.look()
        return [at for n, at in tap.first_submit.items() if tap.opened[n] >= moment]

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        await carrier.until(lambda: bool(found()), timeout=PATIENCE)
        watching.cancel()
    return min(found()) - moment, late


@pytest.mark.parametrize("run", range(rounds(1, 20)))
async def test_fifty_cuts_lose_nobody_and_the_line_is_back_within_a_second(
    site: TextSite, seed: int, reckoned: Reckoner, run: int
) -> None:
    loop = asyncio.get_running_loop()
    chance = Random(f"{seed}/{run}")
    numbers = [f"138{n:08d}" for n in range(CUTS * 350)]
    teller = Teller(site, URGENT, (f"139{n:08d}" for n in range(CUTS * 10)))
    back: list[float] = []
    slow: list[str] = []
    async with _gateway(site, seed) as carrier:
        site.configure(carrier.port)
        await site.approve()
        stretch = await site.stretch()
        async with site.daemon() as daemon:
            tap = site.tap()
            tap.look()
            logins = len(tap.logins)
            await site.start_campaign(numbers)
            async with asyncio.TaskGroup() as group:
                group.create_task(teller.work())
                for number in range(CUTS):
                    unanswered = await _half_full(carrier, tap, chance)
                    assert unanswered >= HALF
                    if deaf := chance.random() < 0.2:
                        await carrier.deafen()
                    carrier.cut(reset=number % 2 == 0)
                    if deaf:
                        await _is_down(site)
                        await carrier.listen()
                    first, late = await _first_after(carrier, tap, loop.time())
                    back.append(first)
                    text = (
                        f"cut {number + 1} by {'FIN' if number % 2 else 'RST'}: {unanswered} of"
                        f" {site.WINDOW} unanswered, {'deaf, ' if deaf else ''}first new PDU"
                        f" {first * 1000:.0f} ms after it accepts, {late * 1000:.0f} ms late itself"
                    )
                    sys.stdout.write(text + "\n")
                    if first - 2 * late > BACK_WITHIN:
                        slow.append(text)
            status = await site.settled(lambda: carrier.unacknowledged == 0, SETTLES_WITHIN)
            assert (await daemon.stop()).code == 0
        stretch = max(stretch, await site.stretch())
    log, found = await reckoned(site, numbers, teller.ids)
    sys.stdout.write(
        f"first new PDU: median {statistics.median(back) * 1000:.0f} ms, worst"
        f" {max(back) * 1000:.0f} ms; all stretched {stretch:.2f} times\n"
    )
    assert found.lost == found.twice == found.foreign == found.open == log.duplicates == 0
    assert found.wrong == []
    assert found.unknown <= site.WINDOW * CUTS
    assert status.totals.unknown == found.unknown
    assert status.totals.delivered + status.totals.unknown == found.recipients
    assert log.logins == logins + CUTS
    assert not slow or max(back) < BACK_WITHIN * stretch, slow
    assert statistics.median(back) < BACK_WITHIN * stretch / 2
