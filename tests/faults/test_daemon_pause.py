"""A person pauses a campaign at full rate: the line stops, and goes on at the exact next row.

What was received is counted in the gateway's raw log. No limit is one of wall time: what may still
come after the answer to a pause is what waits for the line, a second of its rate, and its window.
"""

from collections.abc import Awaitable, Callable, Iterable

from fzalert.access import Directory
from fzalert.client import Client
from fzalert.service.models import CampaignView, WarnRequest
from fzalert.testing.processes import poll
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.soak import rounds
from fzalert.testing.tap import Tap
from fzalert.testing.textsite import BULK, URGENT, TextSite
from fzalert_sms.recount import Recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
Quiet = Callable[[TextSite], bool]

RATE = 300
PAUSES = rounds(3, 40)
BETWEEN = 150
"""Submissions between a resume and the next pause."""
SETTLES_WITHIN = 180.0


class _Person:
    """Who steers the campaign, and warns in between."""

    def __init__(self, site: TextSite, tap: Tap, campaign: CampaignView) -> None:
        self._actor = Directory().local_actor()
        self._tap = tap
        self._campaign = campaign
        self._parts = len(site.parts_of(BULK))
        self._urgent = len(site.parts_of(URGENT))
        self.warned: list[str] = []

    async def until_more(self, number: int) -> None:
        """Wait for so many more submissions."""
        self._tap.look()
        wanted = self._tap.submits + number
        await poll(lambda: self._submits() >= wanted, f"{number} more submissions", within=120)

    async def pause(self, client: Client) -> tuple[CampaignView, int]:
        """Pause, and wait for the line to stop; returns what came after the answer."""
        paused = await client.steer_campaign(self._campaign.id, "pause", self._actor)
        at_answer = self._submits()
        fed = self._fed(paused)
        await poll(lambda: self._submits() >= fed, f"all of the {fed} that were fed", within=120)
        return paused, self._submits() - at_answer

    async def resume(self, client: Client) -> None:
        """Let it go on."""
        await client.steer_campaign(self._campaign.id, "resume", self._actor)

    async def warn(self, client: Client, paused: CampaignView) -> None:
        """Warn somebody: the line lives, and nothing but that comes over it."""
        number = f"139{len(self.warned):08d}"
        request = WarnRequest(script=URGENT, to=[f"phone:{number}"], lane="urgent")
        await client.warn_request(request, self._actor)
        self.warned.append(number)
        wanted = self._fed(paused)
        await poll(lambda: self._submits() >= wanted, "the urgent text", within=120)
        assert self._submits() == wanted
        (found,) = await client.campaigns()
        assert (found.state, found.fed) == ("paused", paused.fed)

    def _fed(self, view: CampaignView) -> int:
        return view.fed * self._parts + len(self.warned) * self._urgent

    def _submits(self) -> int:
        self._tap.look()
        return self._tap.submits


async def test_a_pause_stops_the_line_and_resumes_at_the_exact_row_over_a_kill(
    site: TextSite, reckoned: Reckoner, quiet: Quiet
) -> None:
    numbers = [f"138{n:08d}" for n in range(RATE * (PAUSES + 3))]
    async with site.gateway() as tap:
        text = site.config.read_text(encoding="utf-8")
        window = f"window = {site.WINDOW}"
        site.config.write_text(text.replace(window, f"{window}\nrate = {RATE}"), encoding="utf-8")
        await site.approve()
        async with site.daemon() as daemon, site.client() as client:
            person = _Person(site, tap, await site.start_campaign(numbers))
            for _ in range(PAUSES):
                await person.until_more(BETWEEN)
                paused, late = await person.pause(client)
                assert late <= RATE + site.WINDOW
                assert paused.fed < len(numbers), "it was paused on its way"
                await person.warn(client, paused)
                await person.resume(client)
            await person.until_more(BETWEEN)
            paused, _ = await person.pause(client)
            await daemon.kill()
        async with site.daemon() as daemon, site.client() as client:
            # It is paused as it was, and the next row is the exact one.
            await person.warn(client, paused)
            await person.resume(client)
            await site.settled(lambda: quiet(site), SETTLES_WITHIN)
            assert (await daemon.stop()).code == 0
    log, found = await reckoned(site, numbers, person.warned)
    assert found.lost == found.twice == found.foreign == found.open == log.duplicates == 0
    assert found.received == found.recipients, "everybody of the list, and whoever was warned"
    assert found.unknown <= site.WINDOW, "what the kill left without an answer"
    assert found.wrong == []
