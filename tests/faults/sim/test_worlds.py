"""Simulated worlds by the thousand: the real engine and store, every fault, every law.

A failure prints the seed that gives the same history again: `FZ_SEED=n pytest tests/faults/sim`.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from fzalert.testing.sim import Fault, Result, run
from fzalert.testing.soak import rounds

REGRESSIONS = Path(__file__).with_name("regressions.txt")
WORLDS = rounds(1000, 10_000)


def remembered() -> list[int]:
    lines = REGRESSIONS.read_text(encoding="utf-8").splitlines()
    return [int(line) for line in lines if line and not line.startswith("#")]


def first_broken(seeds: Iterable[int]) -> tuple[Result | None, list[Result]]:
    whole: list[Result] = []
    for seed in seeds:
        result = run(seed)
        if result.broken:
            return result, whole
        whole.append(result)
    return None, whole


def test_seeds_that_found_a_fault_once_find_none() -> None:
    if "FZ_SEED" in os.environ:
        return  # the test below runs that one
    broken, _ = first_broken(remembered())
    assert broken is None, str(broken)


def test_no_world_breaks_a_law() -> None:
    only = os.environ.get("FZ_SEED")
    seeds = [int(only)] if only else range(1, WORLDS + 1)
    broken, whole = first_broken(seeds)
    assert broken is None, str(broken)
    fired, killed = Counter[Fault](), Counter[str]()
    for result in whole:
        fired += result.fired
        killed += result.killed_at
    sys.stdout.write(
        f"{len(whole)} worlds, {sum(r.parts for r in whole)} parts, {sum(killed.values())} deaths,"
        f" {sum(r.held for r in whole)} unknowns held,"
        f" healed after {max(r.healed_after for r in whole):.0f} virtual s at most\n"
        f"faults: {', '.join(f'{f.name} {n}' for f, n in sorted(fired.items()))}\n"
        f"died at: {', '.join(f'{where} {n}' for where, n in sorted(killed.items()))}\n"
    )
    if only:
        return
    assert set(fired) == set(Fault), f"never fired: {sorted(set(Fault) - set(fired))}"
    steps = {step for result in whole for step in result.steps}
    assert steps <= set(killed), f"no process died at: {sorted(steps - set(killed))}"


@pytest.mark.parametrize("seed", [3, 8, 20, 31])
def test_the_same_seed_gives_the_same_history(seed: int) -> None:
    first, second = run(seed), run(seed)
    assert first == second
    assert first.events > 20


def test_other_seeds_give_other_histories() -> None:
    assert len({run(seed).digest for seed in range(1, 13)}) == 12


def test_another_process_with_other_hashes_repeats_the_history() -> None:
    program = (
        "from fzalert.testing.sim import run\n"
        "print(*(run(seed).digest for seed in (3, 8, 20, 31)), sep='\\n')"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert other.stdout == "".join(f"{run(seed).digest}\n" for seed in (3, 8, 20, 31))


def test_a_failure_tells_how_to_repeat_it() -> None:
    result = run(5)
    assert str(result) == "FZ_SEED=5 is whole"
