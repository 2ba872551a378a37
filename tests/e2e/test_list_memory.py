"""The daemon's memory is that of a batch, whatever the length of the list that it takes in."""

import asyncio
from pathlib import Path

from fzalert.access import Directory
from fzalert.service.models import CampaignRequest, CampaignView, WarnRequest
from fzalert.testing.lists import peak_mb, reset_peak, write_list
from fzalert.testing.processes import ask_until
from fzalert.testing.soak import rounds
from fzalert.testing.textsite import BULK, URGENT, TextSite

SHORT = 10_000
LONG = rounds(60_000, 500_000)
BATCH_MB = 8.0
"""What a longer list may take beyond a shorter one: noise of an allocator, and no list."""
WITHIN = 600.0


async def test_a_list_six_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    """The store's page cache has a size of its own, and is filled before anything is measured."""
    site = TextSite(tmp_path, lambda _: iter(()), 1)
    async with site.gateway(), site.daemon() as daemon, site.client() as client:
        await site.approve()
        lists = {n: write_list(tmp_path / f"{n}.csv", n) for n in (LONG, SHORT)}

        async def imported(people: int) -> CampaignView:
            plan = CampaignRequest(name=str(people), file=str(lists[people]), script=BULK)
            return await client.plan_campaign(plan, Directory().local_actor())

        await imported(LONG)
        growth: dict[int, float] = {}
        for people in (SHORT, LONG):
            reset_peak(daemon.pid)
            before = peak_mb(daemon.pid)
            view = await imported(people)
            growth[people] = peak_mb(daemon.pid) - before
            assert (view.state, view.total) == ("ready", people)
        assert growth[LONG] < growth[SHORT] + BATCH_MB, growth


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
