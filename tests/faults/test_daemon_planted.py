"""A daemon with one planted bug is killed at the step where the bug bites: the recount finds it.

Each bug is put into a copy of fzalert that the daemon takes instead of the installed one. The same
kill of the sound daemon costs nothing; `test_daemon_kill` does it at every step.
"""

import shutil
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

import fzalert
import fzalert_sms
from fzalert.testing.lives import Lives
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.textsite import TextSite
from fzalert_sms.recount import Recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
Maker = Callable[[Sequence[Path]], TextSite]
Quiet = Callable[[TextSite], bool]

PEOPLE = 900
DEATHS = 3
SETTLES_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Bug:
    """What is changed in one file, and the step at which a kill shows it.

    Attributes:
        file: The file.
        changes: What stands there, and what stands there instead.
        step: See `fzalert.testing.steps`.
    """

    file: str
    changes: tuple[tuple[str, str], ...]
    step: str


SENDS_TWICE = {
    "unknown requeued": Bug(
        "fzalert/delivery/policy.py",
        ((
            "UnknownPolicy.RESEND_ONCE if lane is Lane.URGENT else UnknownPolicy.HOLD",
            "UnknownPolicy.SAME_KEY",
        ),),
        "written",
    ),
    "recorder set after the write": Bug(
        "fzalert/delivery/wire.py",
        ((
            "self._slot.recorder.writing(id, part, key)",
            "import asyncio; asyncio.get_running_loop().call_soon("
            "self._slot.recorder.writing, id, part, key)",
        ),),
        "written",
    ),
    "recorder cleared before the commit": Bug(
        "fzalert/delivery/slot.py",
        ((
            "        self._ticking = True\n",
            "        self._ticking = True\n"
            "        for row in batch.rows: self.recorder.clear(row.id, row.part)\n",
        ),),
        "results in tick",
    ),
}  # fmt: skip
ANSWERED_EARLY = Bug(
    "fzalert/delivery/slot.py",
    (
        (
            "self._gathered.add_inbound(batch)",
            "self._gathered.add_inbound(batch); batch.acknowledge()",
        ),
        ("inbound.acknowledge()", "pass"),
    ),
    "reports in tick",
)


async def _run(
    site: TextSite, chance: Random, reckoned: Reckoner, quiet: Quiet, bug: Bug
) -> tuple[Recount, Reckoning]:
    async with site.gateway() as tap:
        lives = Lives(site, tap, chance, people=PEOPLE, urgent=20)
        await lives.begin()
        for count in range(1, DEATHS + 1):  # what a dying process wrote does not always arrive
            death = await lives.die_at(bug.step, count=count, after=80)
            assert bug.step in death.place
        _ = await lives.settle(lambda: quiet(site), SETTLES_WITHIN)
    return await reckoned(site, lives.numbers, lives.teller.ids)


@pytest.mark.parametrize("name", SENDS_TWICE)
async def test_a_bug_that_sends_twice_is_counted(
    hooked: Path, make_site: Maker, chance: Random, reckoned: Reckoner, quiet: Quiet, name: str
) -> None:
    bug = SENDS_TWICE[name]
    site = make_site([_plant(hooked, bug)])
    log, found = await _run(site, chance, reckoned, quiet, bug)
    assert found.twice > 0
    assert log.duplicates > 0


async def test_a_bug_that_loses_reports_is_counted(
    hooked: Path, make_site: Maker, chance: Random, reckoned: Reckoner, quiet: Quiet
) -> None:
    site = make_site([_plant(hooked, ANSWERED_EARLY)])
    _, found = await _run(site, chance, reckoned, quiet, ANSWERED_EARLY)
    # The gateway was answered for every report, and of some that were taken we know nothing.
    assert found.twice == 0
    assert found.open > 0


def _plant(folder: Path, bug: Bug) -> Path:
    """Copy the packages that the daemon needs, and change one file of them."""
    for package in (fzalert, fzalert_sms):
        (origin,) = package.__path__
        shutil.copytree(
            origin, folder / package.__name__, ignore=shutil.ignore_patterns("__pycache__")
        )
    file = folder / bug.file
    text = file.read_text(encoding="utf-8")
    for right, wrong in bug.changes:
        assert text.count(right) == 1, f"{bug.file} has changed: {right!r} stands there no more"
        text = text.replace(right, wrong)
    file.write_text(text, encoding="utf-8")
    return folder
