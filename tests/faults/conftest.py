"""What the fault tests of the whole daemon share: a seed, a site with one line, the reckoning."""

import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from random import Random

import pytest

from fzalert.testing.reckoning import Reckoning, reckon
from fzalert.testing.steps import HOOK
from fzalert.testing.textsite import BULK, URGENT, TextSite
from fzalert_sms.recount import Recount, records, recount, recount_with_texts


@pytest.fixture
def seed() -> int:
    """The seed of everything left to chance; a failure shows it, FZ_SEED runs it again."""
    found = int(os.environ.get("FZ_SEED", "20261124"))
    sys.stdout.write(f"FZ_SEED={found}\n")
    return found


@pytest.fixture
def chance(seed: int) -> Random:
    return Random(seed)


@pytest.fixture
def make_site(tmp_path: Path, seed: int) -> Callable[[Sequence[Path]], TextSite]:
    """Give the function that makes a site whose daemon takes packages from these folders first."""

    def make(sources: Sequence[Path]) -> TextSite:
        folder = tmp_path / "site"
        folder.mkdir()
        return TextSite(folder, records, seed, sources)

    return make


@pytest.fixture
def hooked(tmp_path: Path) -> Path:
    """The folder whose packages a daemon takes first; there it is told to note its steps."""
    folder = tmp_path / "hooked"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    return folder


@pytest.fixture
def quiet() -> Callable[[TextSite], bool]:
    """Give the function that says whether the gateway has told of every text, and was answered."""

    def is_quiet(site: TextSite) -> bool:
        found = recount(site.log)
        return found.reports_acknowledged == found.accepted + found.unanswered

    return is_quiet


@pytest.fixture
def site(make_site: Callable[[Sequence[Path]], TextSite]) -> TextSite:
    return make_site(())


@pytest.fixture
def reckoned() -> Callable[
    [TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]
]:
    """Give the function that holds a list and the teller's numbers against the gateway's log."""

    async def compare(
        site: TextSite, listed: Iterable[str], warned: Iterable[str]
    ) -> tuple[Recount, Reckoning]:
        log, sightings = recount_with_texts(site.log)
        wanted = dict.fromkeys(listed, site.parts_of(BULK))
        wanted |= dict.fromkeys(warned, site.parts_of(URGENT))
        found = reckon(
            wanted,
            Counter((s.text.number, s.text.text) for s in sightings if s.result in (0, None)),
            {(s.text.number, s.text.text) for s in sightings if s.result == 0},
            await site.fates(),
        )
        sys.stdout.write(f"{found} answered={log.accepted} unanswered={log.unanswered}\n")
        return log, found

    return compare
