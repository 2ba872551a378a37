"""The pages that somebody follows with their hands, block by block as they are printed; and what
the operations page prints.

A comment before a fenced block says what it is: `run` (its exit codes), `prints` (what the command
before must have said, `…` for anything), `serve` (another terminal), `file`, `link` (a GET); `stop`
stands alone and ends another terminal. `example` is the text of a file of the repository.
"""

from __future__ import annotations

import contextlib
import json
import re
from asyncio.subprocess import Process
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

if TYPE_CHECKING:
    from tests.e2e.test_examples.conftest import Branch

REPOSITORY = Path(__file__).parents[3]
MANUAL = REPOSITORY / "docs"
BLOCK = re.compile(
    r"^(?:<!-- ([^>]+?) -->\n)?```(\w+)\n(.*?)^```$|^<!-- (stop: \w+) -->$",
    re.MULTILINE | re.DOTALL,
)
PORTS = ("7890", "8800")  # of the gateway and the pages, as they are printed
FOLLOWED = ("quickstart", "branch", "county", "detective")


class Block(NamedTuple):
    """One fenced block, or a mark that stands alone."""

    role: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(role or alone, language, text) for role, language, text, alone in found]


class Reader:
    """Somebody who does what the page says; ports are other ones, since these may be taken."""

    def __init__(self, branch: Branch, terminals: contextlib.AsyncExitStack) -> None:
        self._branch = branch
        self._terminals = terminals
        self._ports = dict.fromkeys(PORTS, "0")
        self._running: dict[str, Process] = {}
        self._said = ""

    def _here(self, text: str) -> str:
        for printed, real in self._ports.items():
            text = text.replace(printed, real)
        return text

    async def follow(self, block: Block) -> None:
        role, _, rest = block.role.partition(" ")
        match role.rstrip(":"):
            case "run":
                ran = await self._branch.ran("sh", "-euc", self._here(block.text))
                assert ran.code in {int(code) for code in rest.split() or ["0"]}, (block, ran)
                self._said = ran.out
            case "prints":
                self._compare(block.text)
            case "file":
                # The page leaves [web] out, which means port 8800: here it must be a free one.
                text = block.text.replace("[identity]", "[web]\nport = 0\n[identity]")
                (self._branch.folder / rest).write_text(text, encoding="utf-8")
            case "serve":
                await self._serve(rest, self._here(block.text))
            case "stop":
                process = self._running.pop(rest)
                process.terminate()
                await self._branch.ended(process)
            case "link":
                async with httpx.AsyncClient(timeout=60) as browser:
                    answer = await browser.get(self._here(block.text.strip()))
                    assert answer.status_code == 303, answer.text
            case _:
                raise AssertionError(f"what is {block.role!r}?")

    def _compare(self, text: str) -> None:
        """Every printed line was said, in this order, whatever the room between words.

        Other lines may stand between them.
        """
        said = iter([" ".join(line.split()) for line in self._said.splitlines()])
        for line in text.splitlines():
            words = " ".join(self._here(line).split())
            wanted = re.compile(".*".join(re.escape(part) for part in words.split("…")))
            assert any(wanted.fullmatch(one) for one in said), (line, self._said)

    async def _serve(self, what: str, text: str) -> None:
        process = await self._terminals.enter_async_context(
            self._branch.started("sh", "-euc", f"exec {text}")
        )
        self._running[what] = process
        if what == "gateway":
            port = str(json.loads(await self._branch.line_of(process))["port"])
            config = self._branch.config
            told = config.read_text(encoding="utf-8").replace("7890", port)
            config.write_text(told, encoding="utf-8")
            self._ports["7890"] = port
        else:
            said = await self._branch.line_of(process)
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
            assert found is not None, said
            self._ports["8800"] = found[1]


@pytest.mark.parametrize("name", FOLLOWED)
async def test_a_page_works_as_it_is_printed(bare: Branch, name: str) -> None:
    """In English; that the Chinese page has the same blocks is a test of its own."""
    followed = 0
    async with contextlib.AsyncExitStack() as terminals:
        reader = Reader(bare, terminals)
        for block in blocks(MANUAL / f"{name}.md"):
            if block.role:
                await reader.follow(block)
                followed += 1
        if name == "quickstart":
            status = json.loads((await bare.fzalert("status", "--json")).out)
            assert status["totals"]["accepted"] == 3
            assert status["totals"]["delivered"] == 2
            assert (bare.folder / "atm-1.wav").stat().st_size > 100_000
    assert followed > 4


@pytest.mark.parametrize("name", FOLLOWED[1:])
def test_no_block_of_a_first_hour_is_left_out(name: str) -> None:
    assert [block for block in blocks(MANUAL / f"{name}.md") if not block.role] == []


@pytest.mark.parametrize("name", FOLLOWED)
def test_both_languages_have_the_same_steps(name: str) -> None:
    english, chinese = (blocks(MANUAL / f"{name}{part}.md") for part in ("", ".zh-CN"))
    assert english == chinese


async def test_the_printed_backup_holds_what_was_accepted(branch: Branch) -> None:
    await branch.prepared("impersonating-police/general/1")
    (command,) = (one for one in blocks(MANUAL / "operations.md") if one.role == "backup")
    async with branch.daemon():
        warned = await branch.example("warn.py")
        assert warned.code == 0, warned
        copied = await branch.ran("sh", "-euc", command.text)
        assert copied.code == 0, copied
    restored = branch.folder / "restored"
    restored.mkdir()
    for name in ("master.key", "line.secret", "fzalert.toml"):
        (restored / name).write_bytes((branch.folder / name).read_bytes())
        (restored / name).chmod(0o600)
    (branch.folder / "backup.db").rename(restored / "fzalert.db")
    refused = await branch.fzalert("--config", "restored/fzalert.toml", "status", "--json")
    assert refused.code == 9, "what waits in a copy may have been sent since"
    config = ("--config", "restored/fzalert.toml")
    words = ("fzalert", *config, "run", "--resume-as-unknown", "--ready-json")
    async with branch.started(*words) as process:
        await branch.line_of(process)
        found = await branch.fzalert(*config, "status", "--json")
        assert json.loads(found.out)["totals"]["accepted"] == 3
        process.terminate()
        assert (await branch.ended(process)).code == 0


async def test_the_printed_configuration_of_the_service_passes(bare: Branch) -> None:
    (text,) = (one.text for one in blocks(MANUAL / "operations.md") if one.role.startswith("file"))
    bare.write_secret("cmpp", "made-up-secret")
    bare.config.write_text(text.replace("/var/lib/fzalert", str(bare.folder)), encoding="utf-8")
    env = {"CREDENTIALS_DIRECTORY": str(bare.folder)}
    checked = await bare.fzalert("check", "--config", str(bare.config), env=env)
    assert checked.code == 0, checked


async def test_the_printed_unit_is_one_that_systemd_would_take(bare: Branch) -> None:
    (unit,) = (one.text for one in blocks(MANUAL / "operations.md") if one.role == "unit")
    settings = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
    program, *words = settings["ExecStart"].split()
    assert program.endswith("/bin/fzalert")
    assert words[0] == "run"
    refused = await bare.fzalert(*words[:2], str(bare.config))
    assert refused.code == 3, "a missing configuration, and not a missing option"
    assert "3" in settings["RestartPreventExitStatus"].split()
    assert settings["Type"] == "notify"
