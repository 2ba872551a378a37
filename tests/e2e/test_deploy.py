"""What lies in `deploy/` for systemd is what the manual prints, in words that the program knows."""

import shutil
import subprocess
import sys
from pathlib import Path

from fzalert.testing.processes import Site

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "fzalert.service"
INSTALLED = "/opt/fzalert/venv/bin/"
TOLERABLE = 2.0


def commands() -> dict[str, list[str]]:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return {
        line.partition("=")[0]: line.partition("=")[2].split()
        for line in lines
        if line.startswith("Exec")
    }


def test_the_manual_prints_the_unit_that_is_shipped() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"```ini\n{UNIT.read_text(encoding='utf-8')}```" in manual


async def test_its_commands_are_words_that_the_program_knows(tmp_path: Path) -> None:
    site = Site(tmp_path)
    found = commands()
    assert found.keys() == {"ExecStart", "ExecReload"}
    for words in found.values():
        assert words[0] == f"{INSTALLED}fzalert"
        assert words[-2:] == ["--config", "/etc/fzalert/fzalert.toml"]
        ended = await site.fzalert(*words[1:-1], str(tmp_path / "missing.toml"))
        assert ended.code == 3, f"a missing configuration, not a wrong word: {ended}"


def test_it_leaves_what_tells_a_restart_from_a_reboot_readable() -> None:
    assert "\nProcSubset=" not in UNIT.read_text(encoding="utf-8"), "it hides boot_id"


def test_systemd_finds_no_fault_and_little_exposure_where_it_can_be_asked(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    unit = tmp_path / UNIT.name
    here = f"{Path(sys.executable).parent}/"
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(INSTALLED, here), encoding="utf-8")
    if analyze is None:  # a machine without systemd; the other tests hold here too
        return
    verified = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={int(TOLERABLE * 10)}", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-200:]
