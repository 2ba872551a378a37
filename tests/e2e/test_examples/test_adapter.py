"""The manual's own adapter: it keeps the contract, and works installed as a package of others."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from typing_extensions import override

from fzalert.messages import ReceiptKind
from fzalert.ports import Adapter, AdapterContext
from fzalert.testing import AdapterContract, LifecycleContract, Peer, RecordingWire

if TYPE_CHECKING:
    from docs.examples.line_file import LineFileConfig
    from fzalert.messages import Rendition, Target
    from tests.e2e.test_examples.conftest import Branch

FILE = Path(__file__).parents[3] / "docs" / "examples" / "line_file.py"
SCRIPT = "impersonating-police/general/1"

_spec = importlib.util.spec_from_file_location("line_file", FILE)
assert _spec is not None
assert _spec.loader is not None
line_file = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(line_file)


class Lines(Peer):
    """The file, read by somebody else."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @override
    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:
        del n, timeout  # a line is whole before its part is settled
        text = self.path.read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
        return [(row["to"], row["text"]) for row in rows]


class TestLineFile(LifecycleContract, AdapterContract):
    factory: ClassVar = line_file.LineFile

    @pytest.fixture
    def config(self, tmp_path: Path) -> LineFileConfig:
        made: LineFileConfig = line_file.LineFileConfig(
            name="lines", adapter="post.linefile", path=tmp_path / "lines.jsonl"
        )
        return made

    @pytest.fixture
    def peer(self, config: LineFileConfig) -> Lines:
        return Lines(config.path)

    async def test_a_line_that_may_be_half_written_is_unknown(
        self, adapter: Adapter, context: AdapterContext, target: Target, rendition: Rendition
    ) -> None:
        full = line_file.LineFileConfig(
            name="lines", adapter="post.linefile", path=Path("/dev/full")
        )
        wire = RecordingWire()
        one = self.make(context, target, rendition)
        async with line_file.LineFile(full, context) as disk:
            await disk.submit([one], wire)
            (receipt,) = wire.receipts.values()
            assert receipt.kind is ReceiptKind.UNKNOWN
            assert receipt.detail == os.strerror(28)


def test_it_has_forty_lines_of_code() -> None:
    text = FILE.read_text(encoding="utf-8")
    aside: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(str())):
                aside.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    code = [
        line
        for number, line in enumerate(text.splitlines(), 1)
        if number not in aside and line.strip() and not line.strip().startswith("#")
    ]
    assert len(code) <= 40


async def test_installed_beside_fzalert_it_is_a_channel(branch: Branch) -> None:
    packages = branch.folder / "packages"
    told = packages / "line_file-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: line-file\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[fzalert.adapters]\npost.linefile = line_file:LineFile\n"
    )
    (packages / "line_file.py").write_bytes(FILE.read_bytes())
    with branch.config.open("a", encoding="utf-8") as file:
        file.write('[[channel]]\nname = "lines"\nadapter = "post.linefile"\npath = "l.jsonl"\n')
    before = os.environ.get("PYTHONPATH")
    env = {"PYTHONPATH": os.pathsep.join([str(packages), *([before] if before else [])])}
    listed = await branch.fzalert("adapters", "list", "post.linefile", "--json", env=env)
    assert listed.code == 0, listed
    assert json.loads(listed.out)["settings"][-1]["name"] == "path"
    await _approve(branch, env)
    warned = await branch.fzalert(
        "warn", SCRIPT.partition("/")[0], "group:duty", "--yes", "--wait", "10s", env=env
    )
    assert warned.code == 0, warned
    (line,) = (branch.folder / "l.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["to"] == "duty"


async def _approve(branch: Branch, env: dict[str, str]) -> None:
    tokens = {}
    for name, role in (("FZALERT_TOKEN", "script_editor"), ("FZALERT_APPROVER_TOKEN", "approver")):
        person = role.replace("_", "-")
        added = await branch.fzalert("user", "add", person, "--role", role, env=env)
        tokens[name] = added.out.strip()
    approved = await branch.fzalert("scripts", "approve", SCRIPT, env={**env, **tokens})
    assert approved.code == 0, approved
