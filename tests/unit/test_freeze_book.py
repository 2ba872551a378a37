"""The book of cases on a real store: sealed, counted, on record, and the same after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import fzalert
from fzalert.access.vault import KeyRow, Vault
from fzalert.evidence import verify
from fzalert.evidence.chain import Link
from fzalert.freeze import commands as c
from fzalert.freeze.book import DOCUMENTS, Around, CaseBook, stream_of
from fzalert.freeze.evolve import replay
from fzalert.freeze.keys import KEYS
from fzalert.freeze.model import FreezeCase, InstructionKind, Measure, MeasureState
from fzalert.freeze.policy import load_policy
from fzalert.freeze.results import Grade, Receipt
from fzalert.freeze.values import AttachmentType
from fzalert.store import ChangeSet, SqliteStore, StateRow
from fzalert.testing import FakeClock
from tests.unit.freezing import (
    BANK,
    CARD,
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
SECRETS = (CARD, VICTIM.id_number, VICTIM.phone, "张三", "李四", "6228480402564890018", "P0001")


@dataclass
class Office:
    """A store, its book, and people whose times fit the clock."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    master: bytes = field(default_factory=lambda: os.urandom(32))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CaseBook]:
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
            self.book = CaseBook(self.store, vaults[0], load_policy(), self.clock)
            yield self.book
        finally:
            await self.store.close()

    def people(self) -> World:
        return World(now=self.book.now())

    async def entered(self, case_id: str = "c1") -> FreezeCase:
        """A case with one account, ready to be prepared."""
        people = self.people()
        report = REPORT.model_copy(update={"at": people.now - timedelta(minutes=5)})
        await self.book.do(case_id, c.OpenCase(people.author, report, VICTIM, DUTY))
        await self.book.do(case_id, c.NameOfficers(people.author, OFFICERS))
        for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
            await self.book.do(case_id, c.AttachDocument(people.author, attachment(kind)))
        paid = (transfer(at=people.now - timedelta(minutes=20)),)
        done = await self.book.do(case_id, c.AddAccount(people.author, "m1", account(), paid))
        return done.case

    async def stopped(self, case_id: str = "c1", application: str = "app-1") -> Measure:
        people = self.people()
        await self.book.do(case_id, c.Prepare(people.author, "m1", application, KIND.STOP), FACTS)
        await self.book.do(case_id, c.Approve(people.second, "m1"), FACTS)
        await self.book.do(case_id, c.MarkSent(people.system, "m1", "bank-https"), FACTS)
        receipt = Receipt(
            application_id=application,
            code="0000",
            account_number=CARD,
            started_at=people.now,
            grade=Grade.SIGNED,
            proof="sha256:00",
        )
        done = await self.book.do(case_id, c.RecordReceipt(people.system, receipt))
        return done.case.measures["m1"]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


async def test_a_case_is_the_same_after_a_restart(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        stopped = await office.stopped()
        case = await book.case("c1")
        history = await book.history("c1")
        assert case.version == len(history)
        assert replay((e.event for e in history), "c1", timedelta(hours=48)) == case
    async with office.open() as book:
        again = await book.case("c1")
        assert again == case
        assert again.measures["m1"] == stopped
        assert await book.cases() == ["c1"]


async def test_nobody_reads_a_case_in_the_file(office: Office) -> None:
    async with office.open():
        await office.entered()
        await office.stopped()
    found = b"".join(path.read_bytes() for path in office.folder.iterdir() if path.is_file())
    for secret in SECRETS:
        assert secret.encode() not in found


async def test_an_event_that_is_altered_or_moved_is_found(office: Office) -> None:
    async with office.open():
        await office.entered()
    database = sqlite3.connect(office.folder / "fz.db")
    database.execute(
        "UPDATE event SET body = (SELECT body FROM event WHERE version = 3) WHERE version = 4"
    )
    database.commit()
    database.close()
    async with office.open() as book:
        with pytest.raises(fzalert.IntegrityError, match="Event 4"):
            await book.case("c1")


async def test_a_destroyed_key_destroys_the_case_and_not_its_chain(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        await office.store.commit(ChangeSet(state=(StateRow(KEYS, "c1", None),)))
    async with office.open() as book:
        with pytest.raises(fzalert.InputError, match="key was destroyed"):
            await book.case("c1")
        rows = await office.store.evidence(stream_of("c1"))
        assert len(rows) == 5
        assert verify([Link(row.seq, row.body, row.hash) for row in rows]).is_intact


async def test_a_refusal_is_on_record_and_changes_nothing(office: Office) -> None:
    async with office.open() as book:
        before = await office.entered()
        people = office.people()
        await book.do("c1", c.Prepare(people.author, "m1", "app-1", KIND.STOP), FACTS)
        stale = replace(people.author, proved_at=None)
        with pytest.raises(fzalert.GuardsUnmet) as caught:
            await book.do("c1", c.Approve(stale, "m1"), FACTS)
        assert {"step-up", "second-person"} <= set(caught.value.guards)
        assert all(zh and en and source for zh, en, source in caught.value.reasons)
        assert CARD not in str(caught.value)
        with pytest.raises(fzalert.GuardsUnmet) as exact:
            await book.do("c1", c.Approve(replace(people.author, roles=frozenset()), "m1"), FACTS)
        said = dict(zip(exact.value.guards, exact.value.details, strict=True))
        assert said["role"] == "needs duty_officer, approver, detective"
        after = await book.case("c1")
        assert after.measures["m1"].state is MeasureState.REVIEW
        assert after.version == before.version + 3
        rows = await office.store.evidence(stream_of("c1"))
        assert b"case.refused" in rows[-1].body
        assert b"second-person" in rows[-1].body
        # Before there is a case its refusal stands on the store's own chain.
        nobody = replace(people.author, roles=frozenset())
        with pytest.raises(fzalert.GuardsUnmet):
            await book.do("c2", c.OpenCase(nobody, REPORT, VICTIM))
        chains = [name for name, _, _ in await office.store.chains()]
        store_rows = await office.store.evidence(next(n for n in chains if n.startswith("store/")))
        assert b"case.refused" in store_rows[-1].body


async def test_the_same_account_of_another_case_is_found_without_reading(office: Office) -> None:
    async with office.open() as book:
        await office.entered("c1")
        await office.entered("c2")
        people = office.people()
        with pytest.raises(fzalert.GuardsUnmet) as caught:
            await book.do("c2", c.Prepare(people.author, "m1", "app-9", KIND.STOP), FACTS)
        assert caught.value.guards == ("duplicate",)
        assert sorted(await book.find_account(account().key)) == [("c1", "m1"), ("c2", "m1")]
        await book.do("c1", c.Cancel(people.second, "m1", "author", "并案"))
        assert await book.find_account(account().key) == [("c2", "m1")]
        assert await book.cases() == ["c2"]
        assert sorted(await book.cases(ended=True)) == ["c1", "c2"]
        await book.do("c2", c.Prepare(people.author, "m1", "app-9", KIND.STOP), FACTS)


async def test_many_at_once_lose_nothing(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        people = office.people()

        async def add(number: int) -> None:
            other = account(f"62220212345678{number:05d}")
            paid = (transfer(at=people.now - timedelta(minutes=20)),)
            await book.do("c1", c.AddAccount(people.author, f"n{number}", other, paid))

        await asyncio.gather(*(add(number) for number in range(20)))
        case = await book.case("c1")
        assert len(case.measures) == 21
        # A second book on the same store reads what the first wrote, and decides anew.
        other = CaseBook(office.store, office.store.vault, load_policy(), office.clock)
        await other.case("c1")
        await add(99)
        await other.do("c1", c.NameOfficers(people.author, OFFICERS))
        assert len((await other.case("c1")).measures) == 22


async def test_deadlines_fire_once_in_order_and_late_after_a_restart(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        stopped = await office.stopped()
        assert stopped.expires_at is not None
        soon = await book.next_due()
        assert soon is not None
        assert soon <= stopped.expires_at
        system = office.people().system
        office.clock.advance(24 * 3600)
        fired = await book.run_due(system)
        assert fired >= 1
        assert await book.run_due(system) == 0
    office.clock.advance(30 * 3600)
    async with office.open() as book:
        assert await book.run_due(system) >= 4
        assert await book.run_due(system) == 0
        measure = (await book.case("c1")).measures["m1"]
        assert measure.state is MeasureState.EXPIRED
        names = [e.event for e in await book.history("c1") if e.event.type == "deadline.reminded"]
        deadlines = [event.deadline for event in names if event.deadline.startswith("stop")]
        assert deadlines == [f"stop-expiry-{m}m" for m in (1440, 720, 360, 120, 30)]
        late = [event.late_seconds for event in names]
        assert late[-1] > 5 * 3600
        assert await office.store.deadlines(2**62, 10) == []


async def test_nothing_fires_before_its_time(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        await office.stopped()
        system = office.people().system
        rows = await office.store.deadlines(2**62, 1000)
        last = max(row.due_at for row in rows if row.due_at is not None)
        while (rows := await office.store.deadlines(2**62, 1)) and rows[0].due_at is not None:
            ahead = rows[0].due_at - office.clock.millis()
            if ahead > 1:
                office.clock.advance((ahead - 1) / 1000)
                assert await book.run_due(system) == 0
            office.clock.advance(0.001)
            assert await book.run_due(system) >= 1
        assert office.clock.millis() >= last - 1
        measure = (await book.case("c1")).measures["m1"]
        assert measure.state is MeasureState.EXPIRED


async def test_instructions_of_a_day_are_counted_for_person_and_unit(office: Office) -> None:
    async with office.open() as book:
        await office.entered()
        await office.stopped()
        people = office.people()
        assert await book.counted(people.author.actor) == 1
        assert await book.counted(people.second.actor) == 1
        assert await book.counted(people.author.unit) == 2
        assert await book.counted("nobody") == 0
    async with office.open() as book:
        assert await book.counted("author") == 1
        office.clock.advance(86_400)
        assert await book.counted("author") == 0


async def test_a_document_is_kept_with_its_event_and_read_by_nobody_else(office: Office) -> None:
    secret = "%PDF-1.7 张三的身份证".encode()
    paper = attachment(AttachmentType.IDENTITY)
    async with office.open() as book:
        await office.entered()
        row = await book.sealed_document("c1", SHA, secret)

        async def look(case: FreezeCase, now: datetime) -> Around:
            assert (case.id, now) == ("c1", book.now())
            return Around(state=(row,))

        by = office.people().author
        await book.do("c1", c.AttachDocument(by, paper), look=look)
        assert await book.documents("c1") == {SHA: secret}
        # What is refused keeps nothing.
        other = await book.sealed_document("c1", "cd" * 32, secret)

        async def look_again(case: FreezeCase, now: datetime) -> Around:
            return Around(state=(other,))

        with pytest.raises(fzalert.GuardsUnmet):
            await book.do(
                "c1", c.AttachDocument(replace(by, roles=frozenset()), paper), look=look_again
            )
        assert set(await book.documents("c1")) == {SHA}
        await office.store.commit(
            ChangeSet(state=(StateRow(DOCUMENTS, f"c1/{'cd' * 32}", row.value),))
        )
        with pytest.raises(fzalert.IntegrityError, match="A document"):
            await book.documents("c1")
    found = b"".join(path.read_bytes() for path in office.folder.iterdir() if path.is_file())
    assert secret not in found


async def test_whoever_comes_while_others_wait_waits_too_and_nothing_is_decided_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = 0
    real = SqliteStore.commit

    async def commit(store: SqliteStore, changes: ChangeSet) -> object:
        nonlocal stale
        try:
            return await real(store, changes)
        except fzalert.errors.StaleVersion:
            stale += 1
            raise

    async with office.open() as book:
        case = await office.entered()
        monkeypatch.setattr(SqliteStore, "commit", commit)
        people, works = office.people(), []
        for number in range(40):
            officers = (OFFICERS[0].model_copy(update={"certificate": f"P{number}"}), OFFICERS[1])
            command = c.NameOfficers(people.author, officers)
            works.append(asyncio.ensure_future(book.do("c1", command)))
            await office.store.state("nothing")  # the disk works on meanwhile
        await asyncio.gather(*works)
        assert stale == 0
        assert (await book.case("c1")).version == case.version + 40


async def test_deadlines_that_fail_do_not_keep_the_others_from_their_turn(office: Office) -> None:
    async with office.open() as book:
        for case_id in ("a1", "a2", "a3", "z1"):
            await office.entered(case_id)
        await book.run_due(c.Authority("machine:deadlines", machine=True))
    async with office.open() as book:
        # The keys of three are gone: nobody can read what their deadlines are about.
        gone = tuple(StateRow(KEYS, case_id, None) for case_id in ("a1", "a2", "a3"))
        await office.store.commit(ChangeSet(state=gone))
        office.clock.advance(24 * 3600)
        for _ in range(4):
            with contextlib.suppress(fzalert.InputError):
                await book.run_due(c.Authority("machine:deadlines", machine=True), 2)
        events = [entry.event.type for entry in await book.history("z1")]
        assert "deadline.reminded" in events
