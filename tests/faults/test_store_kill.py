"""An engine on its store, killed with SIGKILL at random moments: lost 0, twice 0, stranded 0.

The same is done with one planted bug each: the reckoning finds it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fzalert.testing.kills import BUGS, WINDOW, Reckoning, reckon
from fzalert.testing.soak import rounds as often

ROUNDS = often(20, 2000)
SEED = int(os.environ.get("FZ_SEED", "20261124"))


async def lives(folder: Path, rounds: int, *bug: str, seed: int = SEED) -> Reckoning:
    command = [sys.executable, "-m", "fzalert.testing.kills", folder, seed, rounds, *bug]
    ended = subprocess.run(  # noqa: ASYNC221  nothing else runs beside it
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=100 + 5 * rounds,
        check=False,
    )
    assert ended.returncode == 0, f"FZ_SEED={seed}: {ended.stderr[-2000:]}"
    return await reckon(folder)


async def test_many_kills_lose_nothing_and_send_nothing_twice(tmp_path: Path) -> None:
    found = await lives(tmp_path, ROUNDS)
    told = f"FZ_SEED={SEED}"
    assert found.accepted > ROUNDS * 100, told
    assert found.lost == frozenset(), told
    assert found.twice == frozenset(), told
    assert found.invented == frozenset(), told
    assert found.stranded == frozenset(), told
    assert 0 < len(found.unknown) <= ROUNDS * WINDOW, told
    assert found.resent <= found.unknown, told


@pytest.mark.parametrize("bug", sorted(BUGS))
async def test_a_planted_bug_is_found(tmp_path: Path, bug: str) -> None:
    found = await lives(tmp_path, 6, bug)
    assert found.twice, f"FZ_SEED={SEED}"
