"""Backups of a running store, and the record of the evidence: made, checked, exported, and hurt."""

import asyncio
import hashlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from fzalert.messages import phone
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import PLAIN, House


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "fzalert.toml").write_text(PLAIN, encoding="utf-8")
    return House(tmp_path, {"sms": FarSide(capabilities=sms(reports=False)).make})


async def fzalert(house: House, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fzalert.cli", "--json"),
        *("--config", str(house.folder / "fzalert.toml")),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


def change(file: Path, sql: str) -> None:
    """Change a database as somebody with the file can, triggers or not."""
    db = sqlite3.connect(file)
    for name in ("evidence_no_update", "evidence_no_delete", "evidence_no_replace"):
        db.execute(f"DROP TRIGGER {name}")
    db.execute(sql)
    db.commit()
    db.close()


async def test_a_copy_of_a_running_store_is_sound_and_a_hurt_one_is_not(house: House) -> None:
    copy = house.folder / "copy.db"
    async with house.service() as service:
        await house.approve(service)
        fz = house.door(service)
        for n in range(5):
            await fz.warn("generic", to=phone(f"1380013800{n}"))
        code, (made,), _ = await fzalert(house, "backup", "make", str(copy))
        assert (code, made["messages"]) == (0, 5)
        again, _, err = await fzalert(house, "backup", "make", str(copy))
        assert again == 2
        assert "is there already" in err
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in house.folder.glob("*copy*")] == ["copy.db"]
    code, (sound,), _ = await fzalert(house, "backup", "verify", str(copy))
    assert (code, sound) == (0, made)

    changed = house.folder / "changed.db"
    changed.write_bytes(copy.read_bytes())
    change(changed, "UPDATE evidence SET body = replace(body, 'user', 'usor') WHERE seq = 3")
    code, _, err = await fzalert(house, "backup", "verify", str(changed))
    assert code == 9
    assert "Row 3" in err

    octets = bytearray(copy.read_bytes())
    octets[5000:9000] = b"\xa5" * 4000
    (house.folder / "hurt.db").write_bytes(octets)
    code, _, err = await fzalert(house, "backup", "verify", str(house.folder / "hurt.db"))
    assert code == 9
    assert "store-damaged" in err
    assert sorted(found.name for found in house.folder.glob("fzalert-verify-*")) == []


async def test_the_record_is_checked_and_exported_so_that_anyone_can_check_it_again(
    house: House,
) -> None:
    async with house.service() as service:
        await house.approve(service)
        await house.door(service).warn("generic", to=phone("13800138000"))
        code, chains, _ = await fzalert(house, "evidence", "verify")
        assert code == 0
        assert {chain["fault"] for chain in chains} == {""}
    _, rows, _ = await fzalert(house, "evidence", "export")
    assert len(rows) >= sum(chain["length"] for chain in chains) > 3
    assert "13800138000" not in json.dumps(rows)
    for name in {row["chain"] for row in rows}:
        before = bytes(32)
        for seq, row in enumerate(row for row in rows if row["chain"] == name):
            event = row["event"].encode()
            # The formula of the manual, in two lines of its own.
            size = len(event).to_bytes(8, "big")
            before = hashlib.sha256(b"\x01fz-audit-v1" + before + size + event).digest()
            assert (row["seq"], row["hash"]) == (seq, before.hex())
    out = house.folder / "record.jsonl"
    code, _, _ = await fzalert(house, "evidence", "export", "--out", str(out))
    assert code == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == len(rows)
    change(house.folder / "fzalert.db", "DELETE FROM evidence WHERE seq = 2")
    code, chains, _ = await fzalert(house, "evidence", "verify")
    assert code == 9
    assert "Row 2 is gone" in chains[0]["fault"]
