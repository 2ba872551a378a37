"""The configuration is changed in the middle of a campaign: nobody lost, nobody twice.

A reload that leaves the line as it is does not touch it: the carrier sees no second login.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from fzalert.access import Directory
from fzalert.client import Client
from fzalert.service.models import ReloadView, StatusView
from fzalert.testing.processes import Program, ask_until
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.soak import rounds
from fzalert.testing.tap import Tap
from fzalert.testing.teller import Teller
from fzalert.testing.textsite import SECRET, URGENT, TextSite
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import Recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
PEOPLE = 5000
SETTLES_WITHIN = 180.0


def _gateway(log: Path, seed: int, account: str = TextSite.ACCOUNT) -> CmppSimulator:
    knobs = Knobs(
        accounts={account: SECRET},
        window=TextSite.WINDOW,
        response_delay_ms=40,
        report_delay_ms=30,
    )
    return CmppSimulator(knobs, log=log, seed=seed, keeps_submits=False)


async def _more(carrier: CmppSimulator, tap: Tap, number: int) -> None:
    """Wait until the carrier has that many more submissions: the campaign is on its way."""
    tap.look()
    wanted = tap.submits + number

    def is_there() -> bool:
        tap.look()
        return tap.submits >= wanted

    await carrier.until(is_there, timeout=60)


async def _reload(client: Client) -> ReloadView:
    return await client.reload(Directory().local_actor())


async def _hang_up(client: Client, daemon: Program) -> StatusView:
    """Send SIGHUP and wait until the daemon says what became of it."""
    before = (await client.status()).config
    daemon.signal(signal.SIGHUP)

    async def changed() -> StatusView | None:
        status = await client.status()
        return status if status.config != before else None

    return await ask_until(changed, "the daemon has read its configuration again", within=60)


async def test_reloads_amid_a_campaign_lose_nobody_and_reach_nobody_twice(
    site: TextSite, seed: int, reckoned: Reckoner, tmp_path: Path
) -> None:
    numbers = [f"138{n:08d}" for n in range(PEOPLE * rounds(1, 10))]
    teller = Teller(site, URGENT, (f"139{n:08d}" for n in range(100)))
    async with (
        _gateway(site.log, seed) as carrier,
        _gateway(tmp_path / "other.log", seed, "901235") as other,
    ):
        site.configure(carrier.port)
        first = site.config.read_text(encoding="utf-8")
        await site.approve()
        async with site.daemon() as daemon, site.client() as client:
            tap = site.tap()
            tap.look()
            logins = len(tap.logins)
            await site.start_campaign(numbers)
            async with asyncio.TaskGroup() as group:
                group.create_task(teller.work())
                await _more(carrier, tap, 100)

                # Another limit: the line is not touched.
                limited = first.replace("unknown_wait = 600", "unknown_wait = 601")
                site.config.write_text(limited, encoding="utf-8")
                view = await _reload(client)
                assert [(c.kind, c.name) for c in view.changes] == [("section", "limits")]
                await _more(carrier, tap, 100)

                # A second channel, from a file of its own: it logs in, the first one does not.
                more = site.folder / "conf.d" / "second.toml"
                more.parent.mkdir()
                table = first[first.index("[[channel]]") :]
                table = table.replace("cmpp-1", "cmpp-2").replace("901234", "901235")
                table = table.replace(f"port = {carrier.port}", f"port = {other.port}")
                more.write_text(table, encoding="utf-8")
                status = await _hang_up(client, daemon)
                assert [one.name for one in status.channels] == ["cmpp-1", "cmpp-2"], status.config
                assert status.config.refused == ""
                await _more(carrier, tap, 100)

                # Nonsense: everything goes on as it was.
                more.write_text("[[channel]\n", encoding="utf-8")
                status = await _hang_up(client, daemon)
                assert "conf.d/second.toml:1" in status.config.refused
                assert status.config.refused_digest not in {"", status.config.digest}
                assert [one.state for one in status.channels] == ["up", "up"]
                await _more(carrier, tap, 100)

                # The second one goes again.
                more.unlink()
                view = await _reload(client)
                assert [(c.name, c.action) for c in view.changes] == [("cmpp-2", "removed")]
                tap.look()
                assert len(tap.logins) == logins, "the first line was never touched"

                # The line itself by another window: it is drained, closed, and logs in again.
                window = limited.replace(f"window = {site.WINDOW}", "window = 24")
                site.config.write_text(window, encoding="utf-8")
                view = await _reload(client)
                assert [(c.name, c.detail) for c in view.changes] == [("cmpp-1", "window")]
                await _more(carrier, tap, 100)
                assert len(tap.logins) == logins + 1
            status = await site.settled(lambda: carrier.unacknowledged == 0, SETTLES_WITHIN)
            assert status.config.refused == ""
            assert (await daemon.stop()).code == 0
    log, found = await reckoned(site, numbers, teller.ids)
    assert found.lost == found.twice == found.foreign == found.open == log.duplicates == 0
    assert found.wrong == []
    assert found.unknown == 0, "a drained line leaves nothing unanswered"
    assert status.totals.delivered == found.recipients == len(numbers) + len(teller.ids)
