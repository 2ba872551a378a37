"""A thousand deadlines fell due while nothing ran: they fire in order, each once, whoever dies.

The daemon dies in the middle of it, before a deadline is on disk and right after one is. What fired
is counted with plain SQL.
"""

import itertools
import signal
import sqlite3
from collections import Counter
from datetime import timedelta
from pathlib import Path

from fzalert.clock import SystemClock
from fzalert.config import read_settings
from fzalert.freeze.book import CaseBook
from fzalert.freeze.policy import load_policy
from fzalert.service import Service, open_or_connect
from fzalert.service import freeze_models as asks
from fzalert.service.models import UserChange
from fzalert.testing.cases import CaseWriter, fill
from fzalert.testing.freeze_steps import HOOK, RUNNER, environment
from fzalert.testing.processes import Site, ask_until

MEASURES = 1000
WITHIN = 400.0
FIRED = 250
"""Deadlines that have fired when a daemon dies."""
CONFIG = """
[store]
url = "sqlite:///data/fz.db"
[web]
port = 0
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
duty_phone = "010-12345678"
"""


async def _filled(site: Site) -> tuple[list[str], str]:
    """A thousand stops, a second after each other, whose first reminder is an hour late."""
    policy, now = load_policy(), SystemClock().now()
    cases = [
        CaseWriter(policy, now - timedelta(hours=25) + timedelta(seconds=number)).stopped()
        for number in range(MEASURES)
    ]
    async with open_or_connect(read_settings(site.config), delivers=False) as api:
        assert isinstance(api, Service)
        assert api._rooms is not None
        store = api._rooms.building.store
        ids = await fill(CaseBook(store, store.vault, policy, SystemClock()), cases)
        change = UserChange(action="add", name="ma", roles=["detective"], rank="station")
        return ids, await api.change_user(change)


def _fired(site: Site) -> list[tuple[int, str]]:
    """When each reminder was written, and of which case."""
    with sqlite3.connect(site.folder / "data" / "fz.db") as db:
        rows = db.execute("SELECT at, stream FROM event WHERE name = 'deadline.reminded'")
        found = [(at, stream.removeprefix("case/")) for at, stream in rows]
    db.close()
    return found


async def _until_fired(site: Site, many: int) -> None:
    async with site.client() as client:

        async def look() -> bool:
            return (await client.status()).deadlines.fired >= many

        await ask_until(look, f"{many} deadlines have fired", within=WITHIN, every=0.1)


async def test_what_fell_due_meanwhile_fires_in_order_and_once_whoever_dies(tmp_path: Path) -> None:
    hooked = tmp_path / "hooked"
    hooked.mkdir()
    (hooked / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    site = Site(tmp_path, (hooked,))
    site.config.write_text(CONFIG, encoding="utf-8")
    ids, token = await _filled(site)
    left = MEASURES
    for step, fired in zip(RUNNER, (FIRED - 1, FIRED), strict=True):
        dying = environment(tmp_path / "died", step, count=FIRED)
        async with site.program("fzalert.cli", ["run", "--ready-json"], dying) as daemon:
            assert (await daemon.ended(WITHIN)).code == -signal.SIGKILL
        left -= fired
        assert len(_fired(site)) == MEASURES - left
    async with site.daemon() as daemon:
        await _until_fired(site, left)
        async with site.client() as client:
            ma = await client.authenticate(token)
            told = await client.freeze(asks.HistoryAsk(case=ids[-1]), ma)
            rows = (await client.freeze(asks.BoardAsk(), ma)).board
        assert (await daemon.stop()).code == 0
    assert len(rows) == MEASURES
    assert int(told.events[-1].facts["late_seconds"]) > 0
    fired_at = _fired(site)
    assert Counter(case for _, case in fired_at) == dict.fromkeys(ids, 1)
    place = {case: number for number, case in enumerate(ids)}
    places = [place[case] for _, case in sorted((at, case) for at, case in fired_at)]
    assert all(one < other for one, other in itertools.pairwise(places)), "soonest first"
