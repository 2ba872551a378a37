"""Another master key while the daemon runs, cut short at any moment, and the old one gone."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sqlite3
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

import fzalert
from fzalert.access.vault import former_keys
from fzalert.messages import phone
from fzalert.service import custody_models as custody
from fzalert.service import freeze_models as asks
from fzalert.service.api import ServiceApi
from fzalert.service.contact_models import ListAsk, ProposeAsk
from fzalert.service.models import OptOutQuery, OptOutRequest
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.testing.processes import Site, ask_until
from tests.e2e.test_contacts import entry
from tests.e2e.test_freeze_service import UNIT, Station
from tests.unit.freezing import BANK, OFFICERS, account, transfer

CONFIG = UNIT + "[store]\n[web]\nport = 0\n"
PEOPLE = 20_000


async def keys(api: ServiceApi, house: House, *, rotate: bool = False) -> custody.KeysView:
    ask = custody.RotateAsk() if rotate else custody.KeysAsk()
    answer = await api.custody(ask, house.local)
    assert answer.keys is not None
    return answer.keys


async def over(api: ServiceApi, house: House) -> custody.KeysView:
    """The keys, once nothing needs an old one."""

    async def ask() -> custody.KeysView | None:
        found = await keys(api, house)
        return found if all(one.state != "old" for one in found.keys) else None

    return await ask_until(ask, "everything is sealed anew")


def sealed_by(store: Path, key: int) -> int:
    """How many opt-outs a data key has sealed."""
    db = sqlite3.connect(store)
    try:
        head = b"\x01" + key.to_bytes(2, "big")
        query = "SELECT count(*) FROM suppression WHERE substr(target, 1, 3) = ?"
        return int(db.execute(query, (head,)).fetchone()[0])
    finally:
        db.close()


async def busy(station: Station, case: str, added: list[str]) -> None:
    """A detective who adds accounts all the while."""
    while True:
        number = f"62220212345{len(added):08d}"
        at = station.house.clock.now() - timedelta(minutes=20)
        inflow = (transfer(at=at),)
        await station.change(
            "ma", asks.AddAccountAsk(case=case, account=account(number), inflow=inflow)
        )
        added.append(number)


async def test_a_daemon_that_is_killed_meanwhile_goes_on_with_the_new_key(tmp_path: Path) -> None:
    site, house = Site(tmp_path), House(tmp_path, toml=UNIT)
    site.config.write_text(CONFIG, encoding="utf-8")
    added: list[str] = []
    async with site.daemon() as daemon, site.client() as client:
        for start in range(0, PEOPLE, 1000):
            numbers = [f"phone:139{n:08d}" for n in range(start, start + 1000)]
            await client.opt_out(OptOutRequest(to=numbers, reason="asked"), house.local)
        station = Station(house, client)
        await station.hire()
        case = await station.opened()
        working = asyncio.ensure_future(busy(station, case, added))
        await ask_until(lambda: _some(added), "an account was added")
        before = await keys(client, house)
        after = await keys(client, house, rotate=True)
        assert after.master != before.master
        await daemon.kill()
        with suppress(fzalert.FzalertError):
            await working
    assert sealed_by(tmp_path / "fzalert.db", 1) > 0
    # The old key goes into a safe: whoever has the new one alone has everything.
    (former,) = former_keys(tmp_path / "master.key")
    assert former.name == f"master.key.old-{before.master}"
    former.unlink()
    async with site.daemon(), site.client() as client:
        done = await over(client, house)
        states = [(one.id, one.state) for one in done.keys]
        assert states == [(0, "index"), (1, "destroyed"), (2, "active")]
        assert done.waiting == 0
        station = Station(house, client, station.tokens)
        view = (await station.ask("ma", asks.ShowAsk(case=case, reveal=True))).case
        assert view is not None
        # What was answered for is there; of the last one the answer may have been lost.
        assert len(view.measures) - 1 - len(added) in {0, 1}
        page = await client.opt_outs(OptOutQuery(limit=1000), house.local)
        assert len(page.items) == 1000
        await client.opt_in(OptOutRequest(to=["phone:13900000000"], reason="back"), house.local)
    assert sealed_by(tmp_path / "fzalert.db", 1) == 0
    assert sealed_by(tmp_path / "fzalert.db", 2) == PEOPLE - 1
    verdict = await site.fzalert("evidence", "verify")
    assert verdict.code == 0, verdict
    events = await site.fzalert("evidence", "export", "--json")
    whats = [json.loads(json.loads(line)["event"])["what"] for line in events.out.splitlines()]
    assert whats.count("key.rotate") == whats.count("key.destroy") == 1


async def _some(added: list[str]) -> bool:
    return bool(added)


async def test_every_kind_of_sealed_value_is_read_under_the_new_key(tmp_path: Path) -> None:
    far = FarSide(capabilities=sms(reports=False))
    house = House(tmp_path, {"sms": far.make}, toml=UNIT)
    async with house.service() as service:
        await house.approve(service)
        door = house.door(service)
        warning = await door.warn("generic", to=phone("13800138000"), key="K")
        assert (await warning.outcome(timeout=30)).state == "delivered"
        await service.opt_out(OptOutRequest(to=["phone:13900139000"], reason="asked"), house.local)
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        fax = [{"kind": "paper", "address": "010-66660001"}]
        proposed = ProposeAsk(code=BANK, desk=entry("PEM", ways=fax), reason="new")
        await service.contacts(proposed, await station.by("ma"))
        await keys(service, house, rotate=True)
        with pytest.raises(fzalert.InputError, match="still being sealed"):
            await keys(service, house, rotate=True)
    # At the next start nothing is on its way any more, so the old data key goes at once.
    async with house.service() as service:
        await over(service, house)
        station = Station(house, service, station.tokens)
        again = await house.door(service).warn("generic", to=phone("13800138000"), key="K")
        assert (await again.outcome(timeout=30)).state == "delivered"
        assert len(far.written) == 1
        assert (await service.opt_outs(OptOutQuery(), house.local)).items[0].target
        assert (await station.ask("ma", asks.ShowAsk(case=case))).case
        answer = await service.contacts(ListAsk(), await station.by("zhao"))
        assert answer.changes
        # The index is what it was: nobody who opted out is found twice, or not at all.
        change = OptOutRequest(to=["phone:13900139000"], reason="again")
        assert (await service.opt_out(change, house.local)).changed == 0
        rows = await service._open.building.store.evidence(f"store/{_day(house)}")
        told = [json.loads(row.body) for row in rows if b"key.reseal" in row.body]
        assert [one["stream"] for one in told] == ["desks"]


def _day(house: House) -> str:
    return (house.clock.now() + timedelta(hours=8)).date().isoformat()


async def test_a_service_that_goes_on_destroys_the_old_key_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Half a minute is waited for what was sealed before and is on its way; here a moment will do.
    monkeypatch.setattr("fzalert.service.custody.SETTLED_AFTER", 0.3)
    house = House(tmp_path, toml=UNIT)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        for last in (2, 3):
            await keys(service, house, rotate=True)
            await station.change("ma", asks.OfficersAsk(case=case, officers=OFFICERS[::-1]))
            done = await over(service, house)
            active = [one.id for one in done.keys if one.state == "active"]
            assert active == [last]
            assert len(former_keys(tmp_path / "master.key")) == last - 1
        assert (await station.ask("ma", asks.BundleAsk(case=case))).files


async def test_a_key_by_reference_is_changed_at_a_start(tmp_path: Path) -> None:
    house = House(tmp_path, toml=UNIT)

    def under(master: str, former: str | None = None) -> None:
        store = house.settings.store.model_copy(
            update={
                "master_key": SecretStr(master),
                "former_master_key": None if former is None else SecretStr(former),
            }
        )
        house.settings = dataclasses.replace(house.settings, store=store)

    under("1f" * 32)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await station.opened()
        with pytest.raises(fzalert.InputError, match="configuration names"):
            await keys(service, house, rotate=True)
    under("2e" * 32)
    with pytest.raises(fzalert.IntegrityError):
        async with house.service():
            pass
    under("2e" * 32, former="1f" * 32)
    async with house.service() as service:
        await over(service, house)
    under("2e" * 32)
    async with house.service() as service:
        station = Station(house, service, station.tokens)
        assert (await station.ask("ma", asks.ShowAsk(case=case))).case
        assert (await keys(service, house)).kept_in == "reference"


async def test_the_terminal_changes_the_key_without_a_daemon_too(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.config.write_text(CONFIG, encoding="utf-8")
    assert (await site.fzalert("user", "list")).code == 0
    before = custody.KeysView.model_validate_json(
        (await site.fzalert("--json", "keys", "status")).out
    )
    after = custody.KeysView.model_validate_json(
        (await site.fzalert("--json", "keys", "rotate")).out
    )
    assert after.master != before.master
    assert after.former == [f"master.key.old-{before.master}"]
    shown = await site.fzalert("keys", "status")
    assert after.master in shown.out
    assert "▲ 旧 old" in shown.out
