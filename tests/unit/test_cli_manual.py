"""docs/cli.md names every command, every exit code and every variable."""

import subprocess
import sys
from pathlib import Path

import pytest

from fzalert.cli.app import commands
from fzalert.cli.exits import MEANINGS, Exit

MANUAL = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", commands())
def test_every_command_is_in_the_manual(command: str) -> None:
    assert f"`fzalert {command}" in MANUAL


@pytest.mark.parametrize("code", list(Exit))
def test_every_exit_code_is_in_the_manual(code: Exit) -> None:
    assert f"| {int(code)} | {MEANINGS[code]} |" in MANUAL


@pytest.mark.parametrize(
    "variable",
    ["FZALERT_CONFIG", "FZALERT_TOKEN", "FZALERT_APPROVER_TOKEN", "FZALERT_DEBUG", "NO_COLOR"],
)
def test_every_variable_is_in_the_manual(variable: str) -> None:
    assert f"`{variable}`" in MANUAL


def test_help_loads_no_command_no_service_and_no_web() -> None:
    code = (
        "import sys; from fzalert.cli import main; main(['--help']);"
        " print([n for n in sys.modules if n.startswith(('fzalert.service', 'fzalert.web',"
        " 'fzalert.store', 'fzalert.cli.warn', 'pydantic', 'starlette', 'structlog'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert run.stdout.splitlines()[-1] == "[]"
