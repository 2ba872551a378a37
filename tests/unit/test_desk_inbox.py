"""A bank's desk: what comes in is on disk and acknowledged, what is answered is signed, once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

import fzalert
from fzalert.access import Actor, Directory, Role
from fzalert.access.keys import KeySigner, verify
from fzalert.desk import DeskAnswer, Inbox, ItemState
from fzalert.desk.inbox import RECEIPT_DOMAIN
from fzalert.evidence import canonical
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import DocumentKind, write_package
from fzalert.freeze.results import Receipt
from tests.unit.freezing import BANK, CARD, World
from tests.unit.test_freeze_book import Office
from tests.unit.test_freeze_package import approved, built

DESK = KeySigner.from_seed(bytes([7]) * 32)


class Bank(Office):
    """A desk on a store of its own."""

    def inbox(self) -> Inbox:
        return Inbox(self.store, self.store.vault, self.clock, DESK, "ICBC desk", frozenset({BANK}))

    def clerk(self) -> Actor:
        directory = Directory()
        _, token = directory.add_user("chen", [Role.BANK_DESK])
        return directory.authenticate(token)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def package(kind: InstructionKind = InstructionKind.STOP) -> bytes:
    return write_package(built(approved(kind)))


async def test_a_package_is_on_disk_before_it_is_acknowledged(bank: Bank) -> None:
    body = package()
    async with bank.open():
        acknowledgement = await bank.inbox().take(body, "county")
        said = json.loads(acknowledgement.document)
        assert said["acknowledges"] == "app-1"
        assert said["desk"] == "ICBC desk"
        assert verify(
            DESK.public_key,
            RECEIPT_DOMAIN,
            acknowledgement.document,
            bytes.fromhex(acknowledgement.signature),
        )
    async with bank.open():
        bank.clock.advance(60)
        # The same again, after a restart: the same acknowledgement, one item.
        assert await bank.inbox().take(body, "county") == acknowledgement
        (item,) = await bank.inbox().items(waiting=True)
        assert (item.package.application_id, item.sender) == ("app-1", "county")
        changed = json.loads(body)
        changed["measure"]["reason"] = "another"
        other = json.dumps(changed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        with pytest.raises(fzalert.DuplicateKey):
            await bank.inbox().take(other.encode(), "county")
    found = b"".join(path.read_bytes() for path in bank.folder.iterdir() if path.is_file())
    for secret in (CARD, "李四", "张三"):
        assert secret.encode() not in found


async def test_what_is_not_for_this_desk_is_refused(bank: Bank) -> None:
    async with bank.open():
        inbox = Inbox(bank.store, bank.store.vault, bank.clock, DESK, "other", frozenset({"1"}))
        with pytest.raises(fzalert.InputError, match="another institution"):
            await inbox.take(package(), "county")
        with pytest.raises(fzalert.InputError):
            await bank.inbox().take(b"{}", "county")
        assert await bank.inbox().items() == []


async def test_an_answer_is_signed_and_given_once(bank: Bank) -> None:
    async with bank.open():
        inbox = bank.inbox()
        await inbox.take(package(), "county")
        clerk = bank.clerk()
        receipt = await inbox.answer("app-1", DeskAnswer(code="0000", balance="120.55"), clerk)
        assert receipt.account_number == CARD
        assert receipt.expires_at is not None
        assert receipt.started_at is not None
        assert (receipt.expires_at - receipt.started_at).total_seconds() == 48 * 3600
        bank.clock.advance(5)
        again = await inbox.answer("app-1", DeskAnswer(code="0000", balance="120.55"), clerk)
        assert again == receipt
        with pytest.raises(fzalert.DuplicateKey):
            await inbox.answer("app-1", DeskAnswer(code="0300"), clerk)
        cursor, (wire,) = await inbox.answers_to("county", 0, 20, 100_000)
        assert cursor == 1
        assert await inbox.answers_to("county", cursor, 20, 100_000) == (1, [])
        assert await inbox.answers_to("another", 0, 20, 100_000) == (1, [])
        told = json.loads(wire)
        assert verify(
            DESK.public_key,
            RECEIPT_DOMAIN,
            told["document"].encode(),
            bytes.fromhex(told["signature"]),
        )
        assert Receipt.model_validate_json(told["document"]) == receipt
        item = await inbox.item("app-1")
        assert item is not None
        assert (item.state, item.answered_by, item.waiting) == (ItemState.ANSWERED, clerk.id, False)
        rows = await bank.store.evidence((await bank.store.chains())[-1][0])
        assert b"desk.answer" in rows[-1].body


async def test_answers_that_cannot_be_meant(bank: Bank) -> None:
    async with bank.open():
        inbox = bank.inbox()
        await inbox.take(package(InstructionKind.FREEZE), "county")
        clerk = bank.clerk()
        ahead = bank.book.now() + timedelta(minutes=3)
        for answer, field in [
            (DeskAnswer(code="0000", started_at=ahead), "started_at"),
            (DeskAnswer(code="0000", frozen="50000.01"), "frozen"),
            (DeskAnswer(code="0400"), "cause"),
        ]:
            with pytest.raises(fzalert.InputError) as caught:
                await inbox.answer("app-2", answer, clerk)
            assert caught.value.field == field
        with pytest.raises(fzalert.InputError, match="no such instruction"):
            await inbox.answer("none", DeskAnswer(code="0000"), clerk)
        stranger = Directory().local_actor(roles=frozenset({Role.ADMIN}))
        with pytest.raises(fzalert.AccessDenied):
            await inbox.answer("app-2", DeskAnswer(code="0000"), stranger)
        receipt = await inbox.answer("app-2", DeskAnswer(code="1200", frozen="120.55"), clerk)
        assert str(receipt.frozen) == "120.55"


async def test_a_pre_alert_takes_no_answer(bank: Bank) -> None:
    world = World()
    world.opened()
    world.do(world.prepare())
    alert = write_package(built(world, document=DocumentKind.PRE_ALERT))
    async with bank.open():
        inbox = bank.inbox()
        await inbox.take(alert, "county")
        (item,) = await inbox.items()
        assert not item.waiting
        with pytest.raises(fzalert.InputError, match="pre-alert takes no answer"):
            await inbox.answer("app-1", DeskAnswer(code="0000"), bank.clerk())
        # The instruction under the same id is another document.
        await inbox.take(package(), "county")
        assert len(await inbox.items()) == 2
        assert len(await inbox.items(waiting=True)) == 1


async def test_each_sender_gets_the_answers_to_its_own_packages(bank: Bank) -> None:
    def named(application: str) -> bytes:
        return canonical(json.loads(package()) | {"application_id": application})

    async with bank.open():
        inbox, clerk = bank.inbox(), bank.clerk()
        for number, sender in enumerate(["county", "city", "county"]):
            await inbox.take(named(f"a{number}"), sender)
            await inbox.answer(f"a{number}", DeskAnswer(code="0000"), clerk)
        last, wires = await inbox.answers_to("county", 0, 20, 100_000)
        told = [json.loads(json.loads(wire)["document"])["application_id"] for wire in wires]
        assert (last, told) == (3, ["a0", "a2"])
        # A page ends where it is full, and the next one begins there.
        assert len((await inbox.answers_to("county", 0, 1, 100_000))[1]) == 1
        last, wires = await inbox.answers_to("county", 0, 20, 1)
        assert (last, len(wires)) == (2, 1)
        assert len((await inbox.answers_to("county", last, 20, 1))[1]) == 1
    async with bank.open():
        assert (await bank.inbox().answers_to("city", 0, 20, 100_000))[0] == 3
        assert (await bank.inbox().answers_to("city", 3, 20, 100_000)) == (3, [])
