"""The completion scripts: bash really completes, and every shell's script knows every command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fzalert.cli.app import commands

FZALERT = [sys.executable, "-m", "fzalert.cli"]


def script(shell: str) -> str:
    done = subprocess.run(
        [*FZALERT, "completion", shell], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["rel"], {"reload"}),
        (["scripts", "appr"], {"approve"}),
        (["reload", "--allow"], {"--allow-down"}),
        (["simulate", "cm"], {"cmpp"}),
        (["display", "pa"], {"pair"}),
    ],
)
def test_bash_completes_commands_and_options(
    tmp_path: Path, typed: list[str], expected: set[str]
) -> None:
    file = tmp_path / "fzalert.bash"
    file.write_text(script("bash"), encoding="utf-8")
    words = " ".join(f"'{word}'" for word in ["fzalert", *typed])
    asked = (
        f"source '{file}'; COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _fzalert;"
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_is_known(shell: str) -> None:
    found = script(shell)
    words = {word for command in commands() for word in command.split()}
    assert {word for word in words if word not in found} == set()


def test_as_json_it_is_one_object_and_another_shell_is_refused() -> None:
    done = subprocess.run(
        [*FZALERT, "--json", "completion", "bash"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["shell"] == "bash"
    wrong = subprocess.run(
        [*FZALERT, "completion", "csh"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
