"""The directory of desks on a real store: two persons, a day of waiting, tests, alarms."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fzalert.access import Actor, Directory, Role
from fzalert.access.vault import KeyRow, Vault
from fzalert.clock import SystemClock
from fzalert.errors import AccessDenied, InputError, IntegrityError
from fzalert.freeze.contacts import ContactBook
from fzalert.freeze.directory import Desk, facts_of
from fzalert.freeze.directory_alarms import desk_alarms
from fzalert.freeze.drill import TEST_ACCOUNT, drill_package
from fzalert.freeze.package import DocumentKind, SenderBlock, read_package
from fzalert.messages import BankPackage, ReceiptKind, bank_desk
from fzalert.ports import DESK_ROWS, DeskRow
from fzalert.store import SqliteStore
from fzalert.testing import FakeClock, MemoryState, RecordingWire, make_context, submission
from fzalert_mail.bank import BankMail, BankMailConfig
from tests.contract.bank_mail_peer import SENDER, MailServer, Pair, issue
from tests.unit.freezing import BANK, OTHER_BANK

CHANNEL = "channel:bank-mail"
DAY = 86_400
SENDING = SenderBlock(unit_name="青山县公安局", unit_code="110105000000", duty_phone="96110")
SECRETS = ("陈一", "刘二", "010-66660000", "13900139001", "13900139002", "desk@icbc.example")


@dataclass
class Office:
    """A store, its directory, and people."""

    folder: Path
    clock: FakeClock = field(default_factory=lambda: FakeClock(SystemClock().now()))
    master: bytes = field(default_factory=lambda: os.urandom(32))
    people: Directory = field(default_factory=Directory)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ContactBook]:
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
            yield ContactBook(self.store, vaults[0], self.clock)
        finally:
            await self.store.close()

    def person(self, name: str, *roles: Role) -> Actor:
        """Somebody who shows a token now."""
        if name not in self.tokens:
            _, self.tokens[name] = self.people.add_user(name, roles)
        return self.people.authenticate(self.tokens[name], self.clock.millis())

    @property
    def li(self) -> Actor:
        return self.person("li", Role.DUTY_OFFICER, Role.APPROVER)

    @property
    def wang(self) -> Actor:
        return self.person("wang", Role.APPROVER)

    async def in_use(self, book: ContactBook, desk: Desk) -> None:
        change = await book.propose(desk.code, desk, "首次登记", self.li)
        await book.approve(change.id, self.wang)
        self.clock.advance(DAY)

    async def row(self, code: str = BANK) -> DeskRow | None:
        rows = await self.store.state(CHANNEL, f"{DESK_ROWS}{code}/")
        return DeskRow.current(rows, self.clock.millis())


def desk(now: datetime, pem: str = "PEM", **more: Any) -> Desk:
    values: dict[str, Any] = {
        "code": BANK,
        "name": "中国工商银行",
        "prefecture": "5401",
        "phone": "010-66660000",
        "person_a": {"name": "陈一", "phone": "13900139001"},
        "person_b": {"name": "刘二", "phone": "13900139002"},
        "ways": [
            {
                "kind": "mail",
                "channel": "bank-mail",
                "address": "desk@icbc.example",
                "certificate": pem,
            },
            {"kind": "paper", "address": "010-66660001"},
        ],
        "valid_from": now - timedelta(days=1),
        **more,
    }
    return Desk.model_validate(values)


def moved(now: datetime, **more: Any) -> Desk:
    way = {"kind": "mail", "channel": "bank-mail", "address": "new@icbc.example"}
    return desk(now, ways=[{**way, "certificate": "PEM"}], **more)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


# -- two persons, one day ---------------------------------------------------------------------


async def test_a_change_needs_two_persons(office: Office) -> None:
    async with office.open() as book:
        change = await book.propose(BANK, desk(book.now()), "首次登记", office.li)
        with pytest.raises(AccessDenied, match="cannot approve"):
            await book.approve(change.id, office.li)
        with pytest.raises(AccessDenied):
            await book.approve(change.id, office.person("zhao", Role.DETECTIVE))
        with pytest.raises(AccessDenied):
            await book.propose(BANK, None, "x", office.person("teller", Role.TELLER))
        earlier = office.wang
        office.clock.advance(5 * 60 + 1)
        with pytest.raises(AccessDenied, match="last five minutes"):
            await book.approve(change.id, earlier)
        assert await office.row() is None
        office.clock.advance(30 * DAY)
        assert (await book.directory()).desks(book.now()) == {}
        assert await office.row() is None


async def test_a_new_address_is_used_a_day_later_and_the_old_one_until_then(
    office: Office,
) -> None:
    async with office.open() as book:
        await office.in_use(book, desk(book.now()))
        change = await book.propose(BANK, moved(book.now()), "换邮箱", office.li)
        approval = await book.approve(change.id, office.wang)
        assert approval.change.use_from == book.now() + timedelta(hours=24)
        assert approval.notice.phones == ("010-66660000", "13900139001", "13900139002")
        assert "可以撤回" in approval.notice.zh
        office.clock.advance(DAY - 1)
        row = await office.row()
        assert row is not None
        assert row.address == "desk@icbc.example"
        used = (await book.directory()).desks(book.now())[BANK]
        assert used.ways[0].address == "desk@icbc.example"
        office.clock.advance(1)
        row = await office.row()
        assert row is not None
        assert row.address == "new@icbc.example"
        used = (await book.directory()).desks(book.now())[BANK]
        assert used.ways[0].address == "new@icbc.example"


@pytest.mark.parametrize(
    "changed",
    [
        {"phone": "010-99990000"},
        {"person_a": {"name": "陈一", "phone": "13900139009"}},
        {"person_b": {"name": "刘二", "phone": "13900139009"}},
    ],
)
async def test_a_new_telephone_waits_too(office: Office, changed: dict[str, Any]) -> None:
    async with office.open() as book:
        await office.in_use(book, desk(book.now()))
        change = await book.propose(BANK, desk(book.now(), **changed), "换电话", office.li)
        approval = await book.approve(change.id, office.wang)
        assert approval.change.use_from == book.now() + timedelta(hours=24)


async def test_what_takes_a_way_out_counts_at_once(office: Office) -> None:
    async with office.open() as book:
        await office.in_use(book, desk(book.now()))
        paper = desk(book.now(), ways=[{"kind": "paper", "address": "010-66660001"}])
        change = await book.propose(BANK, paper, "邮箱被盗", office.li)
        await book.approve(change.id, office.wang)
        assert await office.row() is None
        assert BANK in facts_of(await book.directory(), book.now()).desks
        change = await book.propose(BANK, None, "机构撤销", office.li)
        await book.approve(change.id, office.wang)
        assert facts_of(await book.directory(), book.now()).desks == frozenset()


async def test_a_way_that_is_left_out_ends_when_the_new_entry_begins(office: Office) -> None:
    async with office.open() as book:
        await office.in_use(book, desk(book.now()))
        paper = desk(book.now(), ways=[{"kind": "paper", "address": "010-77770001"}])
        change = await book.propose(BANK, paper, "改用传真", office.li)
        await book.approve(change.id, office.wang)
        assert await office.row() is not None
        office.clock.advance(DAY)
        assert await office.row() is None


async def test_a_change_can_be_taken_back_before_it_is_used(office: Office) -> None:
    async with office.open() as book:
        await office.in_use(book, desk(book.now()))
        change = await book.propose(BANK, moved(book.now()), "换邮箱", office.li)
        await book.approve(change.id, office.wang)
        await book.drop(change.id, office.wang)
        office.clock.advance(2 * DAY)
        row = await office.row()
        assert row is not None
        assert row.address == "desk@icbc.example"
        with pytest.raises(InputError, match="no such open change"):
            await book.drop(change.id, office.wang)


async def test_a_later_decision_supersedes_what_waits(office: Office) -> None:
    async with office.open() as book:
        await office.in_use(book, desk(book.now()))
        for entry in (moved(book.now()), desk(book.now(), name="工行")):
            change = await book.propose(BANK, entry, "更正", office.li)
            await book.approve(change.id, office.wang)
        office.clock.advance(2 * DAY)
        row = await office.row()
        assert row is not None
        assert row.address == "desk@icbc.example"


async def test_two_decisions_at_once_are_both_kept(office: Office) -> None:
    async with office.open() as book:
        other = desk(book.now(), code=OTHER_BANK, name="中国农业银行")
        await asyncio.gather(
            book.propose(BANK, desk(book.now()), "登记", office.li),
            book.propose(OTHER_BANK, other, "登记", office.li),
        )
        directory = await book.directory()
        assert {one.code for one in directory.changes.values()} == {BANK, OTHER_BANK}
        assert directory.version == 2


# -- facts, validity, secrecy -----------------------------------------------------------------


async def test_a_decision_rests_on_the_entries_in_use(office: Office) -> None:
    async with office.open() as book:
        ends = book.now() + timedelta(days=10)
        await office.in_use(book, desk(book.now(), valid_to=ends))
        facts = facts_of(await book.directory(), book.now())
        assert facts.desks == {BANK}
        assert facts.prefectures == {BANK: "5401"}
        office.clock.advance(10 * DAY)
        assert facts_of(await book.directory(), book.now()).desks == frozenset()
        assert await office.row() is None
        kinds = [one.kind for one in desk_alarms(await book.directory(), book.now())]
        assert kinds == ["entry-ended"]


async def test_the_directory_is_the_same_after_a_restart_and_names_nobody_in_clear(
    office: Office,
) -> None:
    async with office.open() as book:
        await office.in_use(book, desk(book.now()))
        before = await book.directory()
        chains = [name for name, _, _ in await office.store.chains()]
        told = b""
        for name in chains:
            told += b"".join([row.body for row in await office.store.evidence(name)])
        assert b"desk.approve" in told
    async with office.open() as book:
        assert await book.directory() == before
    everything = b"".join(path.read_bytes() for path in office.folder.iterdir())
    for secret in SECRETS[:-1]:
        assert secret.encode() not in everything
        assert secret.encode() not in told
        assert secret not in repr(before)


async def test_an_altered_event_is_found(office: Office) -> None:
    async with office.open() as book:
        await book.propose(BANK, desk(book.now()), "登记", office.li)
    with sqlite3.connect(office.folder / "fz.db") as db:
        db.execute(
            "UPDATE event SET body = CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB)"
        )
    async with office.open() as book:
        with pytest.raises(IntegrityError):
            await book.directory()


@pytest.mark.parametrize(
    "changed",
    [
        {"code": "102100099997"},
        {"person_b": {"name": "刘二", "phone": "13900139001"}},
        {"ways": []},
        {"ways": [{"kind": "mail", "channel": "bank-mail", "address": "a@b.example"}]},
        {"ways": [{"kind": "https", "address": "https://a.example/"}]},
        {"prefecture": "54"},
        {"phone": "call me"},
    ],
)
def test_a_wrong_entry_is_refused(changed: dict[str, Any]) -> None:
    now = FakeClock().now()
    desk(now)
    with pytest.raises(ValidationError):
        desk(now, **changed)


# -- drills and alarms ------------------------------------------------------------------------


async def test_a_drill_measures_how_long_the_desk_took(office: Office) -> None:
    async with office.open() as book:
        await office.in_use(book, desk(book.now()))
        await book.tested(BANK, "drill-1", "bank-mail", office.li)
        office.clock.advance(95)
        assert await book.answered("drill-1", office.li) == 95.0
        office.clock.advance(1000)
        assert await book.answered("drill-1", office.li) == 95.0  # said twice: the first counts
        standing = (await book.directory()).standing(BANK)
        assert [drill.seconds for drill in standing.drills] == [95.0]
        with pytest.raises(InputError, match="no such test"):
            await book.answered("drill-2", office.li)
        with pytest.raises(InputError, match="no such desk"):
            await book.tested(OTHER_BANK, "drill-3", "bank-mail", office.li)


async def test_a_desk_that_was_not_tested_for_35_days_is_alarmed(
    office: Office, tmp_path: Path
) -> None:
    async with office.open() as book:
        await office.in_use(
            book, desk(book.now(), ways=[{"kind": "paper", "address": "010-66660001"}])
        )

        async def kinds() -> list[str]:
            return [one.kind for one in desk_alarms(await book.directory(), book.now())]

        office.clock.advance(35 * DAY)
        assert await kinds() == []
        office.clock.advance(1)
        assert await kinds() == ["stale"]
        await book.tested(BANK, "drill-1", "paper", office.li)
        assert await kinds() == ["stale"]  # sent proves nothing
        office.clock.advance(15 * 60 + 1)
        assert await kinds() == ["stale", "unanswered"]
        await book.answered("drill-1", office.li)
        assert await kinds() == []


async def test_a_certificate_that_ends_is_alarmed_in_time(office: Office, tmp_path: Path) -> None:
    pair = await asyncio.to_thread(issue, tmp_path, "desk", "desk@icbc.example", days=20)
    async with office.open() as book:
        pem = pair.certificate.read_text(encoding="ascii")
        await office.in_use(book, desk(book.now(), pem))
        (alarm,) = desk_alarms(await book.directory(), book.now())
        assert (alarm.kind, alarm.code) == ("certificate-ends", BANK)
        assert alarm.days is not None
        assert "24" in alarm.zh
        office.clock.advance(40 * DAY)
        kinds = [one.kind for one in desk_alarms(await book.directory(), book.now())]
        assert kinds == ["stale", "certificate-ended"]


async def test_a_test_package_is_a_pre_alert_about_nobody_and_goes_by_mail(
    office: Office, tmp_path: Path
) -> None:
    ours = await asyncio.to_thread(issue, tmp_path, "ours", SENDER)
    theirs = await asyncio.to_thread(issue, tmp_path, "desk", "desk@icbc.example")
    server = MailServer()
    await server.start()
    try:
        receipt, package = await _by_mail(office, ours, theirs, server)
    finally:
        await server.close()
    assert receipt is ReceiptKind.SENT
    ((recipient, mail),) = server.mails
    assert recipient == "desk@icbc.example"
    assert b"Subject: [DRILL] PRE-ALERT (not binding) drill-1\r\n" in mail
    inside = read_package(package.body.encode())
    assert inside.drill
    assert inside.document is DocumentKind.PRE_ALERT
    assert inside.account.number == TEST_ACCOUNT
    assert inside.account.desk == BANK


async def _by_mail(
    office: Office, ours: Pair, theirs: Pair, server: MailServer
) -> tuple[ReceiptKind, BankPackage]:
    async with office.open() as book:
        pem = theirs.certificate.read_text(encoding="ascii")
        await office.in_use(book, desk(book.now(), pem))
        entry = (await book.directory()).desks(book.now())[BANK]
        package = drill_package(entry, SENDING, "drill-1", book.now())
        # What the channel finds is what the directory wrote for it, and nothing else.
        rows = dict(await office.store.state(CHANNEL))
        settings: dict[str, Any] = {
            "name": "bank-mail",
            "adapter": "bank.mail",
            "host": "127.0.0.1",
            "port": server.port,
            "tls": "none",
            "sender": SENDER,
            "certificate": ours.certificate,
            "key": ours.key,
        }
        async with (
            make_context(clock=office.clock, state=MemoryState(rows)) as context,
            BankMail(BankMailConfig(**settings), context) as channel,
        ):
            one = submission(
                bank_desk(BANK), package, id=7, not_after=office.clock.millis() + 60_000
            )
            wire = RecordingWire()
            await channel.submit([one], wire)
            wire.check()
        return wire.receipts[7, 0].kind, package
