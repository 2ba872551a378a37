"""Killed between any two steps of approve → send → deliver → receive → answer → receipt.

Daemon and desk die in turn at every step of the road. After each restart the cases go on by
themselves; what the banks did and what the police know is recounted by a script that shares no code
with fzalert.
"""

import asyncio
import importlib.resources
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from fzalert.testing.desks import Precinct, serves
from fzalert.testing.freeze_kills import DAEMON_MODULES, DESK_MODULES, WIRE, Keeper, Officers
from fzalert.testing.freeze_steps import DAEMON, DESK
from fzalert.testing.processes import ask_until
from fzalert.testing.soak import rounds
from fzalert.testing.warm import warm

BANK = "102100099996"
ASKED_AGAIN = {"before core", "core has acted", "answer decided", *WIRE}
"""Steps of the desk after which core banking may be asked a second time, and has to act once."""
RECOUNT = Path(__file__).with_name("recount_freeze.py")
WITHIN = 1800.0
T = TypeVar("T")


def _policy(folder: Path) -> Path:
    """The shipped rules, and people who may work day and night."""
    shipped = importlib.resources.files("fzalert.freeze") / "policies" / "cn-2024.toml"
    text = shipped.read_text("utf-8")
    changed = text.replace("{ value = 50,", "{ value = 5000,").replace(
        "{ value = 300,", "{ value = 5000,"
    )
    assert changed != text
    file = folder / "busy.toml"
    file.write_text(changed, encoding="utf-8")
    return file


async def _recounted(folder: Path) -> dict[str, dict[str, int]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(RECOUNT), str(folder)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, dict[str, int]] = json.loads(out)
    return found


@asynccontextmanager
async def _road(
    folder: Path,
    daemon_dies: Sequence[str] = (),
    desk_dies: Sequence[str] = (),
    bugs: tuple[str, str] = ("", ""),
) -> AsyncIterator[tuple[Officers, Keeper, Keeper]]:
    """A police unit and a bank, whose daemon and desk die at these steps, one after the other."""
    async with Precinct(folder) as precinct:
        bank = await precinct.bank(BANK)
        precinct.configure(f'policy = "{_policy(folder)}"')
        await precinct.hire()
        async with warm(precinct, DAEMON_MODULES) as ours, warm(bank, DESK_MODULES) as theirs:
            run = ["run", "--ready-json"]
            daemon = Keeper(ours, bank.glass, run, daemon_dies, precinct.folder, bug=bugs[0])
            words = ["desk", *run, "--config", str(bank.config)]
            ready = partial(serves, bank)
            desk = Keeper(theirs, bank.glass, words, desk_dies, bank.folder, ready, bug=bugs[1])
            yield Officers(precinct, bank), daemon, desk


async def _lived_through(work: Awaitable[T], *lives: Keeper) -> T:
    """Do some work while both live and die; whatever goes wrong with them ends it."""
    async with asyncio.timeout(WITHIN), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()) for one in lives]
        found = await work
        for task in tasks:
            task.cancel()
    return found


async def _work(officers: Officers, daemon: Keeper, desk: Keeper) -> list[str]:
    """Send cases until both have died everywhere, and wait until each is stopped."""
    cases: list[str] = []
    while not (daemon.is_done.is_set() and desk.is_done.is_set()):
        cases.append(await officers.sent())
    for case in cases:
        view = await officers.stopped(case)
        assert view.measures[0].receipts == [f"{case}-m1-1 0000 A"]
        events = await officers.history(case)
        assert events.count("instruction.sent") == 1
        assert events.count("instruction.answered") == 1
    return cases


@pytest.mark.parametrize("run", range(rounds(1, 7)))
async def test_killed_at_every_step_nothing_is_lost_and_nothing_is_done_twice(
    tmp_path: Path, seed: int, run: int
) -> None:
    chance = Random(f"{seed}/{run}")
    daemon_dies, desk_dies = [*DAEMON, *WIRE], [*DESK, *WIRE]
    chance.shuffle(daemon_dies)
    chance.shuffle(desk_dies)
    async with _road(tmp_path, daemon_dies, desk_dies) as (officers, daemon, desk):
        cases = await _lived_through(_work(officers, daemon, desk), daemon, desk)
    assert [one.died_at for one in daemon.deaths] == daemon_dies
    assert [one.died_at for one in desk.deaths] == desk_dies
    found = await _recounted(tmp_path)
    sys.stdout.write(f"{len(cases)} cases: {found}\n")
    once = {f"{case}-m1-1": 1 for case in cases}
    assert found["acted"] == found["received"] == found["answered"] == once
    assert found["receipts"] == {f"{case}-m1": 1 for case in cases}
    assert set(found["posted"]) == set(once)
    assert set(found["accounts"].values()) == {1}
    assert len(found["accounts"]) == len(cases)
    again = sum(found["asked"].values()) - len(cases)
    assert again <= sum(one.died_at in ASKED_AGAIN for one in desk.deaths)


async def test_a_message_that_is_written_apart_from_its_event_is_found_lost(tmp_path: Path) -> None:
    bugs = ("sent apart from the event", "")
    async with _road(tmp_path, ["sending on disk"], bugs=bugs) as (officers, daemon, desk):

        async def work() -> tuple[str, str]:
            lost, sent = await officers.sent(), await officers.sent()
            await officers.stopped(sent)
            return lost, sent

        lost, sent = await _lived_through(work(), daemon, desk)
    found = await _recounted(tmp_path)
    assert f"{sent}-m1-1" in found["acted"]
    assert f"{lost}-m1-1" not in found["posted"]


async def test_a_desk_that_forgets_what_it_took_is_found_acting_again(tmp_path: Path) -> None:
    bugs = ("", "the desk forgets")
    async with _road(tmp_path, ["acknowledgement read"], bugs=bugs) as (officers, daemon, desk):

        async def work() -> str:
            case = await officers.sent()

            async def again() -> bool:
                return (await _recounted(tmp_path))["asked"].get(f"{case}-m1-1", 0) > 1

            await ask_until(again, "core banking is asked a second time")
            return case

        case = await _lived_through(work(), daemon, desk)
    found = await _recounted(tmp_path)
    assert desk.deaths == []
    assert found["received"][f"{case}-m1-1"] > 1
