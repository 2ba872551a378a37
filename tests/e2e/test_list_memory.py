"""The daemon's memory is that of a batch, whatever the length of the list that it takes in."""

import asyncio
import tracemalloc
from pathlib import Path

from fzalert.access import Directory
from fzalert.service.models import CampaignRequest, CampaignView, WarnRequest
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.testing.lists import write_list
from fzalert.testing.processes import ask_until
from fzalert.testing.soak import rounds
from fzalert.testing.textsite import BULK, URGENT, TextSite

SHORT, LONG = 5_000, rounds(25_000, 500_000)
WITHIN = 600.0


async def test_a_list_five_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    """All of Python's own memory is counted; the page cache of SQLite has a size of its own.

    `bench/list_memory.py` measures the whole daemon with half a million people.
    """
    house = House(tmp_path, {"sms": FarSide(capabilities=sms(16, reports=False)).make})
    peaks: dict[int, int] = {}
    async with house.service() as service:
        await house.approve(service)
        for people in (SHORT, SHORT, LONG):  # the first import of a process loads what it needs
            path = write_list(tmp_path / f"{people}.csv", people)
            plan = CampaignRequest(name=str(people), file=str(path), script="generic")
            tracemalloc.start()
            try:
                view = await service.plan_campaign(plan, house.local)
                peaks[people] = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert (view.state, view.total) == ("ready", people)
    # The pipe's buffers may fill up or not, so the bound is theirs and not the list's.
    assert peaks[LONG] < max(1.5 * peaks[SHORT], 6_000_000), peaks


async def test_how_far_an_import_is_can_be_seen_and_urgent_texts_pass_it(tmp_path: Path) -> None:
    site = TextSite(tmp_path, lambda _: iter(()), 1)
    async with site.gateway(), site.daemon(), site.client() as client:
        await site.approve()
        path = write_list(tmp_path / "list.csv", 30_000)
        plan = CampaignRequest(name="list", file=str(path), script=BULK)
        seen: list[CampaignView] = []
        async with asyncio.TaskGroup() as group:
            planning = group.create_task(client.plan_campaign(plan, Directory().local_actor()))

            async def begun() -> bool:
                seen.extend(one for one in await client.campaigns() if one.state == "importing")
                return bool(seen) or planning.done()

            await ask_until(begun, "the import has begun", within=WITHIN, every=0.01)
            urgent = WarnRequest(script=URGENT, to=["phone:13900139000"])
            warned = await client.warn_request(urgent, Directory().local_actor())
            still = {one.state for one in await client.campaigns()}
        assert seen[0].total < 30_000
        assert seen[0].rows >= seen[0].total
        assert warned.id
        assert still == {"importing"}, "the warning was accepted before the list was through"
        assert planning.result().total == 30_000
