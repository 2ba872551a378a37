"""A branch's machine in a temporary folder: the carrier's simulator, a daemon, the examples."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fzalert

REPOSITORY = Path(__file__).parents[3]
PATIENCE = 120.0  # on a starved machine; what never ends still fails
SECRET = "made-up-secret"

CONFIG = """
[identity]
county = "青山县"
branch = "城关支行"
sign = "城关支行"
[web]
port = 0
[[channel]]
name = "mobile"
adapter = "sms.cmpp"
host = "127.0.0.1"
port = {port}
account = "901234"
secret = {{ file = "line.secret" }}
service_id = "FZALERT"
src_id = "10690000"
signature = "城关支行"
[[channel]]
name = "screens"
adapter = "display.kiosk"
displays = [{{ name = "lobby", title = "城关支行" }}]
[[channel]]
name = "voice"
adapter = "voice.local"
speakers = [{{ name = "atm-1", wav = "atm-1.wav" }}]
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


class Branch:
    """One folder with a configuration, and the processes that a test starts in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = REPOSITORY
        self.config = folder / "fzalert.toml"

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FZ")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        ours = {"CMPP_SECRET": SECRET, "SMTP_PASSWORD": SECRET, "PATH": path}
        return {**kept, **ours, **(more or {})}

    @asynccontextmanager
    async def started(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.env(env),
            cwd=self.folder,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await self.ended(process)

    async def line_of(self, process: asyncio.subprocess.Process) -> str:
        """The next line that a process prints; its end is a failure, told in its own words."""
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        if not line:
            raise AssertionError((await self.ended(process)).err)
        return line.decode()

    async def ended(self, process: asyncio.subprocess.Process) -> Ended:
        try:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise AssertionError(f"it did not end: {err.decode()}") from None
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return Ended(process.returncode, out.decode(), err.decode())

    async def ran(self, *words: str, env: Mapping[str, str] | None = None) -> Ended:
        async with self.started(*words, env=env) as process:
            return await self.ended(process)

    async def fzalert(self, *words: str, env: Mapping[str, str] | None = None) -> Ended:
        return await self.ran("fzalert", *words, env=env)

    async def example(self, name: str, *words: str, env: Mapping[str, str] | None = None) -> Ended:
        """Run one of the examples in this folder, as it lies in the repository."""
        runner = "sh" if name.endswith(".sh") else sys.executable
        return await self.ran(runner, str(REPOSITORY / "examples" / name), *words, env=env)

    def write_secret(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text + "\n", encoding="utf-8")

    async def prepared(self, *scripts: str) -> str:
        """Let two persons approve scripts; returns the token of a teller."""
        async with fzalert.open(self.config) as fz:
            editor = await fz.actor(await fz.api.add_user("zhang", ["script_editor"]))
            approver = await fz.actor(await fz.api.add_user("li", ["approver"]))
            for key in scripts:
                await fz.approve(key, author=editor, approver=approver)
            return await fz.api.add_user("wang", ["teller"])

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[dict[str, Any]]:
        """`fzalert run`, once everything serves."""
        async with self.started("fzalert", "run", "--ready-json") as process:
            yield json.loads(await self.line_of(process))


@pytest.fixture
async def branch(tmp_path: Path) -> AsyncIterator[Branch]:
    """A branch with a carrier (simulated, a process of its own), a screen's page and a speaker."""
    house = Branch(tmp_path)
    words = ["fzalert", "simulate", "cmpp", "--port", "0", "--secret", SECRET]
    async with house.started(*words) as carrier:
        port = json.loads(await house.line_of(carrier))["port"]
        house.write_secret("line.secret", SECRET)
        house.config.write_text(CONFIG.format(port=port), encoding="utf-8")
        yield house


@pytest.fixture
def bare(tmp_path: Path) -> Branch:
    """A branch with nothing in its folder yet."""
    return Branch(tmp_path)
