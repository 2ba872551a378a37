"""Every bench still runs: a figure that nobody can print any more would go unnoticed for months."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHES = sorted(path.stem for path in (ROOT / "bench").glob("[!_]*.py"))


def test_there_are_benches() -> None:
    assert {"end_to_end", "store_cycle", "window_law", "urgent", "memory", "resume"} <= {*BENCHES}


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_runs_with_tiny_numbers(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / f"{name}.py", "--quick"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a quick run" in done.stdout
    assert not list(tmp_path.iterdir()), "a quick run leaves no figures behind"
