"""Daily limits of people and units: exact under haste, kept over a restart, an alarm before."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fzalert.access.vault import KeyRow, Vault
from fzalert.errors import GuardsUnmet
from fzalert.freeze import commands as c
from fzalert.freeze.book import CaseBook
from fzalert.freeze.daily import alarms_of_day
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.policy import Policy, load_policy
from fzalert.freeze.values import AttachmentType
from fzalert.store import SqliteStore
from fzalert.testing import FakeClock
from tests.unit.freezing import (
    BANK,
    DUTY,
    OFFICERS,
    REPORT,
    SHA,
    VICTIM,
    World,
    account,
    attachment,
    transfer,
)

KIND = InstructionKind
FACTS = c.Facts(desks=frozenset({BANK}), package_sha256=SHA)
CARDS = tuple(f"62220212345678{number:04d}" for number in range(60))


def policy(**limits: int) -> Policy:
    shipped = load_policy()
    changed = {
        name: one.model_copy(update={"value": limits[name]}) if name in limits else one
        for name, one in shipped.limits.items()
    }
    guards = {name: one for name, one in shipped.guards.items() if name != "clean"}
    return shipped.model_copy(update={"limits": changed, "guards": guards})


class Office:
    """A store and its book; opened again it is a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.master = os.urandom(32)

    @asynccontextmanager
    async def open(self, rules: Policy) -> AsyncIterator[CaseBook]:
        vaults: list[Vault] = []

        def make(keys: list[tuple[int, str, bytes, int]], keep: object) -> Vault:
            vault = Vault(self.master, [KeyRow(*key) for key in keys])
            if not vault.has_active_key:
                for row in vault.new_key(self.clock.millis()):
                    keep(*row)  # type: ignore[operator]
            vaults.append(vault)
            return vault

        self.store = SqliteStore(self.folder / "fz.db", self.clock, make)
        await self.store.open()
        try:
            self.book = CaseBook(self.store, vaults[0], rules, self.clock)
            yield self.book
        finally:
            await self.store.close()

    @property
    def people(self) -> World:
        return World(now=self.book.now())

    async def entered(self, case_id: str, number: int = 0) -> None:
        people = self.people
        report = REPORT.model_copy(update={"at": people.now - timedelta(minutes=5)})
        paid = (transfer(at=people.now - timedelta(minutes=20)),)
        steps: list[c.Command] = [
            c.OpenCase(people.author, report, VICTIM, DUTY),
            c.NameOfficers(people.author, OFFICERS),
            *(
                c.AttachDocument(people.author, attachment(kind))
                for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM)
            ),
            c.AddAccount(people.author, "m1", account(CARDS[number]), paid),
        ]
        for command in steps:
            await self.book.do(case_id, command)

    async def prepare(self, case_id: str, by: c.Authority | None = None) -> None:
        command = c.Prepare(by or self.people.author, "m1", f"app-{case_id}", KIND.STOP)
        await self.book.do(case_id, command, FACTS)

    async def approve(self, case_id: str, by: c.Authority | None = None) -> None:
        await self.book.do(case_id, c.Approve(by or self.people.second, "m1"), FACTS)

    async def acts(self) -> list[tuple[str, str, str, int]]:
        chains = [name for name, *_ in await self.store.chains()]
        found = [row for name in chains for row in await self.store.evidence(name)]
        rows = [json.loads(row.body) for row in found]
        return [
            (row["what"], row["of"], row["kind"], row["count"])
            for row in rows
            if row["what"].startswith("limit.")
        ]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


async def test_the_limit_is_exact_where_many_cases_are_prepared_at_once(office: Office) -> None:
    async with office.open(policy(officer_daily=5)) as book:
        for number in range(12):
            await office.entered(f"c{number}", number)
        tried = await asyncio.gather(
            *(office.prepare(f"c{number}") for number in range(12)), return_exceptions=True
        )
        refused = [one for one in tried if isinstance(one, GuardsUnmet)]
        assert [one.guards for one in refused] == [("daily-limit",)] * 7
        assert len(tried) - len(refused) == 5
        assert await book.counted("author") == 5
        assert "上限" in refused[0].reasons[0][0]


async def test_the_count_outlives_a_restart_and_ends_with_the_day(office: Office) -> None:
    rules = policy(officer_daily=2)
    async with office.open(rules):
        for number in range(4):
            await office.entered(f"c{number}", number)
        await office.prepare("c0")
        await office.prepare("c1")
    async with office.open(rules):
        with pytest.raises(GuardsUnmet):
            await office.prepare("c2")
        other = replace(office.people.author, actor="somebody-else")
        await office.prepare("c2", other)
        office.clock.advance(86_400)
        await office.prepare("c3")


async def test_a_unit_has_a_limit_of_its_own(office: Office) -> None:
    async with office.open(policy(unit_daily=2)):
        for number in range(3):
            await office.entered(f"c{number}", number)
        people = [replace(office.people.author, actor=f"officer-{n}") for n in range(3)]
        await office.prepare("c0", people[0])
        await office.prepare("c1", people[1])
        with pytest.raises(GuardsUnmet) as caught:
            await office.prepare("c2", people[2])
        assert caught.value.guards == ("daily-limit",)
        await office.prepare("c2", replace(people[2], unit="110101000000"))


async def test_sends_of_people_are_limited_and_those_of_the_program_never(office: Office) -> None:
    async with office.open(policy(officer_sends_daily=2)) as book:
        for number in range(3):
            await office.entered(f"c{number}", number)
            await office.prepare(f"c{number}")
            await office.approve(f"c{number}")
        people = office.people
        for case in ("c0", "c1"):
            await book.do(case, c.MarkSent(people.second, "m1", "bank-https", 1), FACTS)
        with pytest.raises(GuardsUnmet) as caught:
            await book.do("c2", c.MarkSent(people.second, "m1", "bank-https", 1), FACTS)
        assert caught.value.guards == ("daily-sends",)
        for step in (1, 2, 3):
            await book.do("c2", c.MarkSent(people.system, "m1", "bank-https", step), FACTS)
        assert await book.counted("second") == 3, "approvals are counted apart from sends"


async def test_somebody_near_the_limit_and_at_it_is_told_of_once_each(office: Office) -> None:
    rules = policy(officer_daily=10, daily_alarm_percent=80)
    async with office.open(rules):
        for number in range(12):
            await office.entered(f"c{number}", number)
        with capture_logs() as logs:
            for number in range(10):
                await office.prepare(f"c{number}")
            for number in (10, 11):
                with pytest.raises(GuardsUnmet):
                    await office.prepare(f"c{number}")
        told = [(one["of"], one["count"], one["limit"]) for one in logs if "limit" in one]
        assert told == [("author", 8, 10), ("author", 10, 10)]
        assert await office.acts() == [
            ("limit.near", "author", "measures", 8),
            ("limit.reached", "author", "measures", 10),
        ]
    async with office.open(rules) as book:
        (alarm,) = await alarms_of_day(office.store, book.now())
        assert (alarm.of, alarm.count, alarm.limit, alarm.reached) == ("author", 10, 10, True)
        tomorrow = book.now() + timedelta(days=1)
        assert await alarms_of_day(office.store, tomorrow) == []


async def test_an_alarm_of_yesterday_makes_room_for_one_of_today(office: Office) -> None:
    async with office.open(policy(officer_daily=1)) as book:
        for number in range(2):
            await office.entered(f"c{number}", number)
        await office.prepare("c0")
        office.clock.advance(86_400)
        await office.prepare("c1")
        rows = await office.store.state("freeze-limit")
        assert len(rows) == 1
        assert len(await alarms_of_day(office.store, book.now())) == 1
