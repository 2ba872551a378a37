"""An adapter's author outside: fzalert's wheel, a package of what the manual prints, and nothing
of this repository on the path.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "adapters.md"
BLOCK = re.compile(r"^<!-- (\w+)(?:: (.+?))? -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEAST = 12  # tests of the contract that apply to an adapter without reports


@dataclass(frozen=True, slots=True)
class Outside:
    """A place with two wheels in it, and a Python that knows nothing else."""

    python: Path
    packages: Path
    work: Path

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        # What fzalert depends on is borrowed from here. A folder on PYTHONPATH is only a folder:
        # the file in it that leads back to this repository is not read.
        borrowed = [str(self.packages), sysconfig.get_paths()["purelib"]]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FZ")}
        return subprocess.run(
            [str(self.python), *words],
            cwd=cwd or self.work,
            env={**kept, "PYTHONPATH": os.pathsep.join(borrowed), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self, source: Path, wheels: Path) -> None:
        """Build a wheel of a folder, and unpack it as pip does."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        built = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
        subprocess.run([*built, str(source)], check=True, capture_output=True)
        (wheel,) = wheels.glob("*.whl")
        taken = [*pip, "install", "-q", "--no-deps", "--no-index", "--target", str(self.packages)]
        subprocess.run([*taken, str(wheel)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    folder = tmp_path_factory.mktemp("outside")
    venv.create(folder / "venv", with_pip=False)
    there = Outside(folder / "venv" / "bin" / "python", folder / "packages", folder / "work")
    there.work.mkdir()
    there.install(REPOSITORY, folder / "fzalert")
    package = folder / "linefile"
    package.mkdir()
    for role, name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        match role:
            case "example":
                (package / Path(name).name).write_text(text, encoding="utf-8")
            case "file" if name.startswith("test_"):
                (there.work / name).write_text(text, encoding="utf-8")
            case "file":
                (package / name).write_text(text, encoding="utf-8")
    there.install(package, folder / "wheels")
    return there


def test_nothing_of_this_repository_is_imported(outside: Outside) -> None:
    names = "fzalert, fzalert_sms, line_file"
    told = outside.run("-c", f"import {names}; print(fzalert.__file__, line_file.__file__)")
    assert told.returncode == 0, told.stderr
    for path in told.stdout.split():
        assert path.startswith(str(outside.packages))


def test_the_printed_package_keeps_the_contract(outside: Outside) -> None:
    (command,) = (
        text for role, _, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if role == "run"
    )
    program, *words = command.split()
    assert program == "python"
    ran = outside.run(*words, "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed is not None, ran.stdout
    assert int(passed[1]) >= LEAST
    assert "skipped" not in ran.stdout


@pytest.mark.parametrize(
    ("honest", "planted", "named"),
    [
        ("if not wire.may_write():", "if False:", "test_nothing_is_written_once_the_lease_is_gone"),
        (
            "wire.writing(one.id, one.part, str(one.id).encode())",
            "pass",
            "test_one_submission_is_sent_and_arrives_as_it_was_written",
        ),
    ],
)
def test_a_broken_one_is_found_out(
    outside: Outside, tmp_path: Path, honest: str, planted: str, named: str
) -> None:
    text = (outside.packages / "line_file.py").read_text(encoding="utf-8")
    assert honest in text
    (tmp_path / "line_file.py").write_text(text.replace(honest, planted), encoding="utf-8")
    test = outside.work / "test_line_file.py"
    (tmp_path / test.name).write_bytes(test.read_bytes())
    words = ("-m", "pytest", "-q", "-x", "-k", named, "-p", "no:cacheprovider", test.name)
    ran = outside.run(*words, cwd=tmp_path)
    assert ran.returncode == 1, ran.stdout
    assert f"{named}" in ran.stdout


def test_the_command_line_knows_it(outside: Outside) -> None:
    call = "import sys; from fzalert.cli import main; sys.exit(main(sys.argv[1:]))"
    listed = outside.run("-c", call, "adapters", "list", "post.linefile", "--json")
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout)["settings"][-1]["name"] == "path"
