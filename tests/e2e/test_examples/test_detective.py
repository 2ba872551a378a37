"""The example of a detective: a second person is asked for, a paper is printed, evidence kept."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fzalert.config import read_settings
from fzalert.freeze.bundle import verify_bundle
from fzalert.service import open_or_connect

if TYPE_CHECKING:
    from tests.e2e.test_examples.conftest import Branch

REPOSITORY = Path(__file__).parents[3]
CONFIG = """
[web]
port = 0
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
duty_phone = "010-12345678"
"""


async def test_a_report_becomes_a_printed_stop(tmp_path: Path) -> None:
    config = tmp_path / "fzalert.toml"
    config.write_text(CONFIG, encoding="utf-8")
    async with open_or_connect(read_settings(config), delivers=False) as api:
        for name in ("ma", "li"):
            token = await api.add_user(name, ["detective"])
            (tmp_path / f"{name}.token").write_text(token, encoding="utf-8")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, str(REPOSITORY / "examples" / "detective.py"), str(config), "out"),
        env={**os.environ, "FZ_OFFICER": "ma.token", "FZ_SECOND": "li.token"},
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    async with asyncio.timeout(120):
        out, _ = await child.communicate()
    assert child.returncode == 0
    lines = out.decode().splitlines()
    assert lines[0] == "refused: second-person"
    assert lines[-1].startswith("waits for the bank: sent ")
    application = lines[-1].split()[-1]
    report = verify_bundle((tmp_path / "out" / "case.zip").read_bytes())
    assert report.papers == (f"{application}.pdf",)
    assert (tmp_path / "out" / f"{application}.pdf").read_bytes().startswith(b"%PDF-1.")


def _commands(readme: str) -> str:
    text = (REPOSITORY / readme).read_text(encoding="utf-8")
    (commands,) = re.findall(r"^<!-- detective -->\n```sh\n(.*?)^```$", text, re.M | re.S)
    return str(commands)


async def test_whoever_has_only_the_readme_finds_the_paper(bare: Branch) -> None:
    commands = _commands("README.md")
    assert commands == _commands("README.zh-CN.md")
    (bare.folder / "examples").symlink_to(REPOSITORY / "examples")
    ran = await bare.ran("sh", "-euc", commands)
    assert ran.code == 0, ran
    (paper,) = (bare.folder / "out").glob("*.pdf")
    assert ran.out.splitlines()[-1] == f"out/{paper.name}"
    assert "● 完整 whole" in ran.out
    shown = await bare.ran("pdftotext", str(paper), "-")
    assert "6222021234567890128" in shown.out
