"""What a desk did not take: each reason once an hour, so many a minute, the newest of all."""

from __future__ import annotations

from pathlib import Path

import pytest

import fzalert
from fzalert.access import Actor, Directory, Role
from fzalert.desk.duty import DutyBook
from fzalert.desk.paper import read_code
from fzalert.desk.refusals import A_MINUTE, MOST, REASONS, Refusals, reason_of_line
from tests.unit.test_freeze_book import Office


def clerk() -> Actor:
    directory = Directory()
    _, token = directory.add_user("chen", [Role.BANK_DESK])
    return directory.authenticate(token)


async def test_the_same_refusal_is_noted_once_an_hour_and_a_flood_is_cut(tmp_path: Path) -> None:
    office = Office(tmp_path)
    async with office.open():
        refusals = Refusals(office.store, office.store.vault, office.clock)
        assert await refusals.note("replayed", key_id="k", application_id="app-1")
        assert not await refusals.note("replayed", key_id="k", application_id="app-1")
        office.clock.advance(3601)
        assert await refusals.note("replayed", key_id="k", application_id="app-1")
        noted = [await refusals.note("unknown-key", sha256=f"{at}") for at in range(A_MINUTE + 20)]
        assert sum(noted) == A_MINUTE - 1
        assert len(await refusals.all()) == A_MINUTE + 1
        office.clock.advance(60)
        for at in range(MOST):
            office.clock.advance(2)
            await refusals.note("malformed", sha256=f"more {at}")
        found = await refusals.all()
        assert len(found) == MOST
        assert {one.reason for one in found} == {"malformed"}
        assert found[0].sha256 == f"more {MOST - 1}"  # the newest first
    kept = b"".join(path.read_bytes() for path in office.folder.iterdir() if path.is_file())
    assert b"app-1" not in kept  # what a stranger claims is sealed too


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        ("certificate has expired", "expired-certificate"),
        ("it showed no certificate", "no-certificate"),
        ("unable to get local issuer certificate", "unknown-certificate"),
    ],
)
def test_what_tls_says_has_a_reason(why: str, reason: str) -> None:
    assert reason_of_line(why) == reason
    assert reason in REASONS


async def test_a_shift_has_an_a_person_and_its_note_is_sealed(tmp_path: Path) -> None:
    office = Office(tmp_path)
    async with office.open():
        book = DutyBook(office.store, office.store.vault, office.clock)
        assert await book.now() is None
        for a, b in (("", ""), ("王", "王"), ("王" * 41, "")):
            with pytest.raises(fzalert.InputError):
                await book.hand_over(a, b, "", 0, clerk())
        with pytest.raises(fzalert.AccessDenied):
            await book.hand_over("王", "赵", "", 0, Directory().local_actor())
        await book.hand_over("王", "赵", "青山县的一件已回拨", 3, clerk())
        office.clock.advance(60)
        await book.hand_over("赵", "", "", 0, clerk())
        present, before = await book.all()
        assert (present.a, before.note, before.waiting) == ("赵", "青山县的一件已回拨", 3)
    kept = b"".join(path.read_bytes() for path in office.folder.iterdir() if path.is_file())
    assert "已回拨".encode() not in kept


def test_the_code_of_a_paper() -> None:
    assert read_code(" app-1|0123456789ABCDEF ") == ("app-1", "0123456789abcdef")
    for wrong in ("", "app-1", "app-1|123", "a b|0123456789abcdef", "app-1|0123456789abcdeg"):
        with pytest.raises(fzalert.InputError):
            read_code(wrong)
