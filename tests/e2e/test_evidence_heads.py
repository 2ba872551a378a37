"""The daily head of heads: who makes it when, where it lies, and what it finds."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fzalert.access.keys import FileSigner
from fzalert.access.keys import verify as verify_signature
from fzalert.cli.app import main
from fzalert.evidence import HEADS, START, DayHead, Link, append, read_head, verify_lines
from fzalert.messages import Mail, RenditionKind, TargetKind
from fzalert.service import Service
from fzalert.store.sqlite.backup import chain_reports, links
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House, Make, ShiftedClock
from fzalert.testing.processes import ask_until, poll
from tests.e2e.test_freeze_service import UNIT, Station

EVENING = datetime(2026, 11, 24, 15, 50, tzinfo=UTC)
"""23:50 in Shanghai."""
DAY = timedelta(days=1)


def house_at(
    folder: Path, moment: datetime, toml: str = "", makers: dict[str, Make] | None = None
) -> House:
    clock = ShiftedClock()
    clock.set(moment)
    (folder / "fzalert.toml").write_text(UNIT + toml + "[store]\n", encoding="utf-8")
    return House(folder, makers, UNIT + toml, clock=clock)


async def heads(service: Service) -> list[DayHead]:
    rows = await service._open.building.store.evidence(HEADS)
    return [read_head(row.body, verify_signature) for row in rows]


async def some(service: Service, count: int) -> list[DayHead]:
    async def ask() -> list[DayHead] | None:
        found = await heads(service)
        return found if len(found) >= count else None

    return await ask_until(ask, f"{count} daily heads")


async def case_in(house: House, service: Service) -> str:
    station = Station(house, service)
    await station.hire()
    return await station.opened(papers=False)


async def told(
    folder: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, list[dict[str, str]]]:
    """What a command says, in JSON."""
    _ = capsys.readouterr()
    config = str(folder / "fzalert.toml")
    code = await asyncio.to_thread(main, ["--config", config, "--json", "evidence", *words])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def faults(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    code, rows = await told(folder, capsys, "verify")
    found = {row["chain"]: row["fault"] for row in rows if row["fault"]}
    assert code == (9 if found else 0)
    return found


def tampered(store: Path, *steps: tuple[str, *tuple[object, ...]]) -> None:
    """What somebody with the file and no scruple does."""
    db = sqlite3.connect(store)
    for name in ("evidence_no_update", "evidence_no_delete", "evidence_no_replace"):
        db.execute(f"DROP TRIGGER {name}")
    for statement, *values in steps:
        db.execute(statement, values)
    db.commit()
    db.close()


async def test_each_day_has_one_signed_head(tmp_path: Path) -> None:
    house = house_at(tmp_path, EVENING)
    async with house.service() as service:
        case = await case_in(house, service)
        # Nothing was there before today: there is no head of yesterday.
        assert await service._open.heads.make() == 0
        house.clock.set(EVENING + timedelta(minutes=11))
        assert await service._open.heads.make() == 1
        assert await service._open.heads.make() == 0
        (first,) = await heads(service)
        assert (first.day, first.late) == ("2026-11-24", 0)
        assert set(first.chains) == {f"case/{case}", "store/2026-11-24"}
        own = FileSigner.load(tmp_path / "signing.key")
        assert first.public_key == own.public_key.hex()
        station = Station(house, service)
        await station.api.add_user("late", ["viewer"])
        house.clock.set(EVENING + DAY + timedelta(minutes=11))
        assert await service._open.heads.make() == 1
        _, second = await heads(service)
        # Only what is new is listed; the hash covers all of them.
        assert set(second.chains) == {"store/2026-11-25"}
        assert second.count == 3
    # Its own chain, and its copy elsewhere, line by line.
    copy = (tmp_path / "fzalert.db.heads").read_bytes()
    verdict = verify_lines(copy)
    assert verdict.is_intact
    assert verdict.head.seq == 1


async def test_days_without_a_daemon_are_made_up_and_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = house_at(tmp_path, EVENING, '[evidence]\nheads = "far/away.heads"\n')
    (tmp_path / "far").mkdir()
    async with house.service() as service:
        case = await case_in(house, service)
    house.clock.set(EVENING + 3 * DAY)
    async with house.service() as service:
        found = await some(service, 3)
        assert [head.day for head in found] == ["2026-11-24", "2026-11-25", "2026-11-26"]
        # The end that a chain had on that day, not the one that it has now.
        assert found[0].chains[f"case/{case}"].seq >= 2
        assert [round(head.late / 3600) for head in found] == [72, 48, 24]
        copy = tmp_path / "far" / "away.heads"
        await poll(lambda: lines_of(copy) == 3, "the copy has three lines")
    # A file that was lost is written anew; one that says otherwise stays, and is told.
    copy.unlink()
    async with house.service() as service:
        assert await service._open.heads.make() == 0
    assert lines_of(copy) == 3
    code, rows = await told(tmp_path, capsys, "heads")
    assert code == 0
    assert [(row["day"], bool(row["late"])) for row in rows] == [
        ("2026-11-24", True),
        ("2026-11-25", True),
        ("2026-11-26", True),
    ]


def lines_of(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


async def test_a_clock_that_was_years_off_leaves_no_gap_and_no_false_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = house_at(tmp_path, EVENING)
    async with house.service() as service:
        await service.add_user("somebody", ["viewer"])
        house.clock.set(EVENING + 20_000 * DAY)
        assert await service._open.heads.make() == 31
        await service.add_user("another", ["viewer"])
        house.clock.set(EVENING + DAY)
        assert await service._open.heads.make() == 1
        await service.add_user("third", ["viewer"])
        house.clock.set(EVENING + 2 * DAY)
        assert await service._open.heads.make() == 1
        assert await service._open.heads.make() == 0
        found = [head.day for head in await heads(service)]
        assert found[-2:] == ["2026-11-24", "2026-11-25"]
    assert await faults(tmp_path, capsys) == {}


async def test_what_was_cut_or_taken_away_since_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = house_at(tmp_path, EVENING)
    async with house.service() as service:
        case = await case_in(house, service)
        house.clock.set(EVENING + DAY)
        assert await service._open.heads.make() == 1
        (head,) = await heads(service)
        last = head.chains[f"case/{case}"].seq
    store, whole = house.settings.store.path, house.settings.store.path.read_bytes()
    assert await faults(tmp_path, capsys) == {}
    chain = f"case/{case}"
    # The tail of a case is cut: its chain is sound in itself.
    tampered(store, ("DELETE FROM evidence WHERE chain = ? AND seq >= ?", chain, last))
    found = await faults(tmp_path, capsys)
    assert set(found) == {chain}
    assert f"Row {last} and up to {last} are cut off" in found[chain]
    # The whole case is gone.
    store.write_bytes(whole)
    tampered(store, ("DELETE FROM evidence WHERE chain = ?", chain))
    found = await faults(tmp_path, capsys)
    assert found == {chain: "The chain is gone; the head of 2026-11-24 has it."}
    # So is the head that knows of it: the copy elsewhere has it still.
    db = sqlite3.connect(store)
    db.execute("DELETE FROM evidence WHERE chain = 'heads'")
    db.commit()
    db.close()
    found = await faults(tmp_path, capsys)
    assert found == {HEADS: "Row 0: the file fzalert.db.heads has another one, or one more."}


async def test_any_changed_byte_of_a_row_in_the_store_is_found_and_named(tmp_path: Path) -> None:
    house = house_at(tmp_path, EVENING)
    async with house.service() as service:
        case = await case_in(house, service)
    db = sqlite3.connect(house.settings.store.path)
    for name in ("evidence_no_update", "evidence_no_delete", "evidence_no_replace"):
        db.execute(f"DROP TRIGGER {name}")
    chain = f"case/{case}"
    rows = [*links(db, chain)]
    assert len(rows) >= 3

    def fault() -> str:
        return {one.name: one.fault for one in chain_reports(db)}[chain]

    dice = random.Random(20261125)
    for row in rows:
        for column, whole in (("body", row.body), ("h", row.hash)):
            update = f"UPDATE evidence SET {column} = ? WHERE chain = ? AND seq = ?"  # noqa: S608
            for at in range(len(whole)):
                changed = bytearray(whole)
                changed[at] ^= dice.randrange(1, 256)
                db.execute(update, (bytes(changed), chain, row.seq))
                assert fault().startswith(f"Row {row.seq} "), (column, at)
            db.execute(update, (whole, chain, row.seq))
    assert fault() == ""
    # Two rows that changed places, and one that was taken out.
    swap = "UPDATE evidence SET seq = ? WHERE chain = ? AND seq = ?"
    for new, old in ((99, 1), (1, 2), (2, 99)):
        db.execute(swap, (new, chain, old))
    assert fault().startswith("Row 1 ")
    db.execute("DELETE FROM evidence WHERE chain = ? AND seq = 1", (chain,))
    assert fault() == "Row 1 is gone; row 2 stands there."
    db.close()


async def test_a_chain_forged_from_its_first_row_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = house_at(tmp_path, EVENING)
    async with house.service() as service:
        case = await case_in(house, service)
        house.clock.set(EVENING + DAY)
        await service._open.heads.make()
        rows = await service._open.building.store.evidence(f"case/{case}")
    forged: list[Link] = []
    for row in rows:
        event = json.loads(row.body)
        del event["seq"]
        event["who"] = "user:somebody-else"
        forged.append(append(forged[-1] if forged else START, event))
    tampered(
        house.settings.store.path,
        *(
            (
                "UPDATE evidence SET body = ?, h = ? WHERE chain = ? AND seq = ?",
                link.body,
                link.hash,
                f"case/{case}",
                link.seq,
            )
            for link in forged
        ),
    )
    found = await faults(tmp_path, capsys)
    assert set(found) == {f"case/{case}"}
    assert "is not the anchored one" in found[f"case/{case}"]
    # Signed anew with a key of the forger's own, the head is not this house's.
    (tmp_path / "signing.key").unlink()
    _ = FileSigner.load_or_create(tmp_path / "signing.key")
    found = await faults(tmp_path, capsys)
    assert found[HEADS] == "Row 0: The head of 2026-11-24 was signed by another key."


async def test_a_second_unit_gets_each_head_by_mail(tmp_path: Path) -> None:
    post = FarSide(
        capabilities=replace(
            sms(reports=False),
            kinds=frozenset({TargetKind.MAILBOX}),
            rendition=RenditionKind.MAIL,
        )
    )
    toml = '[evidence]\nmail_to = "auditor@other-unit.example"\n'
    house = house_at(tmp_path, EVENING, toml, {"post": post.make})
    async with house.service() as service:
        await service.add_user("somebody", ["viewer"])
        house.clock.set(EVENING + DAY)
        assert await service._open.heads.make() == 1
        await poll(lambda: post.written, "the mail of the day")
        (head,) = await heads(service)
    (written,) = post.written
    mail = written.part.rendition
    assert isinstance(mail, Mail)
    assert mail.subject == "存证日首 2026-11-24"
    document, key, signature = mail.body.splitlines()
    assert document.encode() == head.document
    public = bytes.fromhex(key)
    assert public.hex() == head.public_key
    assert verify_signature(public, "fz-audit-head-v1", document.encode(), bytes.fromhex(signature))
