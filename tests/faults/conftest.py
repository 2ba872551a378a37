"""What the fault tests of the whole daemon share: a seed, and a site with one line."""

import os
import sys
from pathlib import Path
from random import Random

import pytest

from fzalert.testing.textsite import TextSite
from fzalert_sms.recount import records


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
def site(tmp_path: Path, seed: int) -> TextSite:
    return TextSite(tmp_path, records, seed)
