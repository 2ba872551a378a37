"""An urgent warning overtakes a full backlog: judged by the order in the carrier's log alone."""

import sys

from fzalert.access import Directory
from fzalert.service.models import WarnRequest
from fzalert.testing.processes import poll
from fzalert.testing.textsite import BULK, URGENT, TextSite
from fzalert_sms.recount import recount_with_texts

BACKLOG = 3000
WARNINGS = 8


async def test_an_urgent_warning_leaves_within_the_next_window_of_a_full_backlog(
    site: TextSite,
) -> None:
    actor = Directory().local_actor()
    seen: dict[str, int] = {}
    async with site.gateway(delay=100) as tap:
        await site.approve()
        async with site.daemon(), site.client() as client:
            for start in range(0, BACKLOG, 1000):
                numbers = [f"phone:138{n:08d}" for n in range(start, start + 1000)]
                await client.warn_request(WarnRequest(script=BULK, to=numbers, lane="bulk"), actor)

            def are_out(number: int) -> bool:
                tap.look()
                return tap.submits >= number

            await poll(lambda: are_out(2 * site.WINDOW), "two windows of bulk")
            for n in range(WARNINGS):
                number = f"139{n:08d}"
                await client.warn_request(
                    WarnRequest(script=URGENT, to=[f"phone:{number}"], key=f"U{n}"), actor
                )
                tap.look()
                seen[number] = tap.submits  # what the carrier had by then, or a little less
                await poll(
                    lambda wanted=tap.submits + site.WINDOW // 4: are_out(wanted),  # type: ignore[misc]
                    "a part of a window",
                )
            waiting = (await client.status()).totals.queued
            _, sightings = recount_with_texts(site.log)
    order = [sighting.text.number for sighting in sightings]
    assert waiting > BACKLOG // 4, "the backlog was there to the end"
    parts = len(site.parts_of(URGENT))
    ahead: list[int] = []
    for number, at in seen.items():
        places = [place for place, each in enumerate(order) if each == number]
        assert len(places) == parts
        ahead.append(sum(each.startswith("138") for each in order[at : places[-1]]))
    sys.stdout.write(f"bulk between acceptance and urgent: {sorted(ahead)}\n")
    # Up to one window may be on its way to the carrier unseen, and one may be let out beside it.
    assert max(ahead) <= 2 * site.WINDOW
