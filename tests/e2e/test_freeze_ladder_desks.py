"""The ladder with a bank's desk as a real process: a way that hangs or refuses is passed over."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fzalert.access.keys import FileSigner
from fzalert.config.load import parse_settings
from fzalert.registry import Registry
from fzalert.service import Service
from fzalert.service import contact_models as contacts
from fzalert.service import freeze_models as asks
from fzalert.service.building import SIGNING_KEY
from fzalert.testing.house import House, ShiftedClock
from fzalert.testing.pki import Issued
from fzalert.testing.processes import ask_until
from tests.e2e.test_desk import COUNTY, Bank
from tests.e2e.test_freeze_service import UNIT, Station
from tests.unit.freezing import BANK


@asynccontextmanager
async def mute(issued: Issued) -> AsyncIterator[int]:
    """A desk that takes the connection, and never says a word."""
    links: list[asyncio.StreamWriter] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links.append(writer)
        await reader.read()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for link in links:
            link.close()
        server.close()


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_real_desk_gets_by_its_second_way_what_the_first_could_not_carry(
    tmp_path: Path, hangs: bool
) -> None:
    bank = Bank(tmp_path)
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    text = UNIT + "[web]\nport = 0\n"
    for name in ("first", "second"):
        text += f"""
            [[channel]]
            name = "{name}"
            adapter = "bank.https"
            certificate = "{bank.county.certificate}"
            key = "{bank.county.key}"
            answer_timeout = {3 if name == "first" else 60}
        """
    settings = parse_settings(text, tmp_path / "fzalert.toml", registry=Registry.installed())
    signer = FileSigner.load_or_create(settings.data_directory / SIGNING_KEY)
    ours = bank.text.replace(COUNTY.public_key.hex(), signer.public_key.hex())
    bank.config.write_text(ours, encoding="utf-8")
    token = bank.add_user("chen")
    clock = ShiftedClock(timedelta(hours=-25))
    house = House(tmp_path / "unused", clock=clock)
    shown = bank.authority.issue("mute", addresses=["127.0.0.1"])
    async with mute(shown) as port, bank.running() as (_, url):
        first = f"https://127.0.0.1:{port if hangs else 1}"
        async with Service(settings, clock=clock) as service:
            station = Station(house, service)
            await station.hire()
            await listed(station, [("first", first), ("second", url)], bank)
            clock.shift = timedelta(0)  # a day later
            case = await station.opened()
            answer = await station.sent(case)
            assert answer.note == "m1: desk"

            async def acked() -> bool:
                told = await station.ask("ma", asks.ShowAsk(case=case))
                return told.case is not None and told.case.measures[0].state == "acked"

            await ask_until(acked, "the desk acknowledged what came by its second way")
            events = (await station.ask("ma", asks.HistoryAsk(case=case))).events
            (step,) = [one for one in events if one.event == "deadline.escalated"]
            assert (step.facts["to"], step.facts["channel"]) == ("next-channel", "second")
            assert step.facts["why"] == "refused"
            # The desk counts one, and it is the very instruction.
            (item,) = await bank.items(token)
            assert item["application_id"] == f"{case}-m1-1"


async def listed(station: Station, ways: list[tuple[str, str]], bank: Bank) -> None:
    entry: dict[str, Any] = {
        "code": BANK,
        "name": "中国工商银行",
        "phone": "010-66660000",
        "person_a": {"name": "陈一", "phone": "13900139001"},
        "person_b": {"name": "刘二", "phone": "13900139002"},
        "valid_from": "2026-01-01T00:00:00+08:00",
        "ways": [
            {
                "kind": "https",
                "channel": channel,
                "address": address,
                "certificate": bank.authority.certificate.read_text(encoding="ascii"),
                "public_keys": [bank.public_key],
            }
            for channel, address in ways
        ],
    }
    asked = contacts.ProposeAsk(code=BANK, desk=entry, reason="首次登记")
    (change,) = (await station.api.contacts(asked, await station.by("ma"))).changes
    approve = contacts.ApproveAsk(change=change.id)
    await station.api.contacts(approve, await station.by("zhao"))
