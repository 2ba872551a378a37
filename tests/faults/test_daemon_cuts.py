"""The carrier cuts the line ten times, by RST and by FIN, with the window full.

Nobody is lost, nobody gets a text twice, and the line works again within a second of the moment
from which the carrier accepts connections.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from random import Random

from fzalert.testing.processes import ask_until
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.tap import Tap
from fzalert.testing.teller import Teller
from fzalert.testing.textsite import SECRET, URGENT, TextSite
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import Recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
CUTS = 10
HALF = TextSite.WINDOW // 2
BACK_WITHIN = 1.0


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
    loop = asyncio.get_running_loop()
    tap.look()
    wanted = tap.submits + chance.randrange(50, 250)
    unanswered = 0

    def is_moment() -> bool:
        nonlocal unanswered
        tap.look()
        unanswered = tap.unanswered_at(loop.time())
        return tap.submits >= wanted and unanswered >= HALF

    await carrier.until(is_moment, timeout=30)
    assert unanswered >= HALF
    return unanswered


async def _is_down(site: TextSite) -> None:
    async with site.client() as client:

        async def down() -> bool:
            (channel,) = (await client.status()).channels
            return channel.state == "down"

        await ask_until(down, "the daemon says that the line is down")


async def _first_after(carrier: CmppSimulator, tap: Tap, moment: float) -> float:
    """The time of the first submission on a connection that was opened after a moment."""

    def found() -> list[float]:
        tap.look()
        return [at for n, at in tap.first_submit.items() if tap.opened[n] >= moment]

    await carrier.until(lambda: bool(found()), timeout=30)
    return min(found())


async def test_ten_cuts_lose_nobody_and_the_line_is_back_within_a_second(
    site: TextSite, seed: int, chance: Random, reckoned: Reckoner
) -> None:
    loop = asyncio.get_running_loop()
    numbers = [f"138{n:08d}" for n in range(4000)]
    teller = Teller(site, URGENT, (f"139{n:08d}" for n in range(200)))
    back: list[float] = []
    async with _gateway(site, seed) as carrier:
        site.configure(carrier.port)
        await site.approve()
        async with site.daemon() as daemon:
            tap = site.tap()
            tap.look()
            logins = len(tap.logins)
            await site.start_campaign(numbers)
            async with asyncio.TaskGroup() as group:
                group.create_task(teller.work())
                for number in range(CUTS):
                    unanswered = await _half_full(carrier, tap, chance)
                    if deaf := chance.random() < 0.5:
                        await carrier.deafen()
                    carrier.cut(reset=number % 2 == 0)
                    if deaf:
                        await _is_down(site)
                        await carrier.listen()
                    accepts = loop.time()
                    back.append(await _first_after(carrier, tap, accepts) - accepts)
                    sys.stdout.write(
                        f"cut {number + 1} by {'FIN' if number % 2 else 'RST'}: {unanswered} of"
                        f" {site.WINDOW} unanswered, {'deaf, ' if deaf else ''}first new PDU"
                        f" {back[-1] * 1000:.0f} ms after it accepts\n"
                    )
            status = await site.settled(lambda: carrier.unacknowledged == 0)
            assert (await daemon.stop()).code == 0
    log, found = await reckoned(site, numbers, teller.ids)
    assert found.lost == found.twice == found.foreign == found.open == log.duplicates == 0
    assert found.wrong == []
    assert found.unknown <= site.WINDOW * CUTS
    assert status.totals.unknown == found.unknown
    assert status.totals.delivered + status.totals.unknown == found.recipients
    assert log.logins == logins + CUTS
    assert max(back) < BACK_WITHIN
