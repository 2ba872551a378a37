"""The store on a disk that fails: half a write arrives, or the power goes and the cache with it.

It is the real store, over a file system under SQLite that ends the process at a chosen operation.
After each crash Python's own SQLite opens what is left: the file is whole, everything that was
acknowledged is there, no transaction in part, and every chain of evidence unbroken.
"""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from fzalert.testing.crashes import Crashes
from fzalert.testing.soak import rounds

POINTS = rounds(120, 5000)
FEW = 20


async def _crashes(folder: Path, seed: int, kind: str, points: int, *bug: str) -> Crashes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fzalert.testing.crashes"),
        *(str(folder), str(seed), kind, str(points), *bug),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"FZ_SEED={seed}: {err.decode()[-3000:]}"
    found = Crashes(**json.loads(out))
    sys.stdout.write(
        f"{kind} {bug}: {found.crashes} crashes over {found.operations} disk operations,"
        f" {found.acknowledged} acknowledged, lost after {len(found.lost)}, in part after"
        f" {len(found.halves)}, damaged after {len(found.damaged)}, evidence broken after"
        f" {len(found.broken)}\n"
    )
    assert found.crashes == points
    return found


@pytest.mark.parametrize("kind", ["torn", "power"])
async def test_no_crash_of_the_disk_costs_anything_acknowledged(
    tmp_path: Path, seed: int, kind: str
) -> None:
    found = await _crashes(tmp_path / "disk", seed, kind, POINTS)
    told = f"FZ_SEED={seed}, repeat one by @POINT: {found.details}"
    assert found.lost == [], told
    assert found.halves == [], told
    assert found.damaged == [], told
    assert found.broken == [], told
    assert found.acknowledged > 20 * POINTS
    assert found.operations > 4 * 120, "opening, writing, folding the log in, closing"


async def test_a_disk_that_is_asked_to_sync_less_loses_what_was_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    found = await _crashes(tmp_path / "disk", seed, "power", FEW, "synchronous-normal")
    assert found.lost != []
    assert found.details != []


async def test_a_disk_that_is_never_asked_to_sync_is_found_damaged(
    tmp_path: Path, seed: int
) -> None:
    found = await _crashes(tmp_path / "disk", seed, "power", FEW, "synchronous-off")
    assert found.damaged != []


async def test_a_seed_repeats_every_crash_exactly(tmp_path: Path, seed: int) -> None:
    first, second = [
        await _crashes(tmp_path / name, seed, "power", 8, "synchronous-normal")
        for name in ("first", "second")
    ]
    assert first == second
    assert first.lost
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fzalert.testing.crashes", str(tmp_path / "one"), str(seed)),
        *("power", f"@{first.lost[0]}", "synchronous-normal"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    one = Crashes(**json.loads(out))
    assert one.lost == first.lost[:1]
    assert one.details == first.details[: len(one.details)] != []
