"""Real processes for tests: a daemon over a real store, started, killed, asked, stopped.

Nothing here sleeps for a fixed time: `poll` looks until something holds, and fails by name when
it does not come to hold in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fzalert.client import Client, connect
from fzalert.config import read_settings

__all__ = ["PATIENCE", "Ended", "Program", "Site", "ask_until", "poll"]

PATIENCE = 90.0
"""Seconds after which a test gives up on another process of a busy machine."""
LOOK_EVERY = 0.002
ASK_EVERY = 0.05
SHOWN = 3000

T = TypeVar("T")


class Ended(NamedTuple):
    """How a process ended: its exit code (negative for a signal) and what it wrote."""

    code: int
    out: str
    err: str


async def poll(
    look: Callable[[], T | None],
    what: str,
    *,
    within: float = PATIENCE,
    every: float = LOOK_EVERY,
) -> T:
    """Look until something true is there, and return it.

    Args:
        look: Gives it, or something false.
        what: What is waited for, for the failure's text.
        within: Seconds to wait at most.
        every: Seconds between two looks.

    Raises:
        AssertionError: It was not there in time.
    """

    async def ask() -> T | None:
        return look()

    return await ask_until(ask, what, within=within, every=every)


async def ask_until(
    ask: Callable[[], Awaitable[T | None]],
    what: str,
    *,
    within: float = PATIENCE,
    every: float = ASK_EVERY,
) -> T:
    """Ask until the answer is something true, and return it; see `poll`.

    Raises:
        AssertionError: No such answer came in time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        found = await ask()
        if found:
            return found
        if loop.time() > deadline:
            raise AssertionError(f"not within {within:.0f} s: {what}")
        await asyncio.sleep(every)


class Program:
    """One running process; its standard error goes to a file, so that no full pipe can stop it.

    Args:
        process: The process.
        errors: The file that has its standard error.
    """

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self._process = process
        self._errors = errors

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    async def ready(self) -> dict[str, Any]:
        """Read the one line of JSON with which it says that it serves.

        Raises:
            AssertionError: It ended, or was not ready in time.
        """
        assert self._process.stdout is not None  # noqa: S101  we asked for a pipe
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise AssertionError(f"not ready in time: {self.errors[-SHOWN:]}") from None
        if not line:
            raise AssertionError(f"it ended: {self.errors[-SHOWN:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    async def came_up(self) -> bool:
        """Wait until it serves or has ended; whether it serves.

        Raises:
            AssertionError: Neither came in time.
        """
        assert self._process.stdout is not None  # noqa: S101  we asked for a pipe
        try:
            async with asyncio.timeout(PATIENCE):
                return bool(await self._process.stdout.readline())
        except TimeoutError:
            raise AssertionError(f"not ready in time: {self.errors[-SHOWN:]}") from None

    @property
    def worked(self) -> float:
        """Seconds of processor time that it has had so far.

        Source: proc(5), /proc/[pid]/stat, fields 14 and 15.
        """
        text = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens where it has ended.

        Not by asyncio's own way: that asks for the exit code first, and where it gets it, the one
        who waits for the end is told 255.
        """
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def kill(self) -> None:
        """Kill it, as a power switch would, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> Ended:
        """Ask it to stop, and wait until it has."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self, within: float = PATIENCE) -> Ended:
        """Wait for its end.

        Raises:
            AssertionError: It did not end in time.
        """
        assert self._process.stdout is not None  # noqa: S101  we asked for a pipe
        try:
            async with asyncio.timeout(within):
                out = await self._process.stdout.read()
                code = await self._process.wait()
        except TimeoutError:
            raise AssertionError(f"still running: {self.errors[-SHOWN:]}") from None
        return Ended(code, out.decode(), self.errors)

    async def discard(self) -> None:
        """End it whatever it does, and read what it wrote, so that nothing is left open."""
        self.signal(signal.SIGKILL)
        await self._process.communicate()


class Site:
    """A folder with a configuration and a store, and the processes that a test starts in it.

    Args:
        folder: An empty folder.
        sources: Folders whose packages are taken before the installed ones.
    """

    def __init__(self, folder: Path, sources: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.config = folder / "fzalert.toml"
        self._sources = tuple(sources)
        self._started = 0

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of its processes: nothing of fzalert from outside comes in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FZ")}
        kept["FZALERT_CONFIG"] = str(self.config)
        if self._sources:
            folders = [str(folder) for folder in self._sources]
            outside = kept.get("PYTHONPATH", "")
            kept["PYTHONPATH"] = os.pathsep.join([*folders, *([outside] if outside else [])])
        return {**kept, **(more or {})}

    @asynccontextmanager
    async def program(
        self, module: str, words: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> AsyncIterator[Program]:
        """Run `python -m module` until the block ends."""
        self._started += 1
        errors = self.folder / f"{module}-{self._started}.err"
        with errors.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env=self.environment(env),
                cwd=self.folder,
            )
        program = Program(process, errors)
        try:
            yield program
        finally:
            await program.discard()

    @asynccontextmanager
    async def daemon(self, env: Mapping[str, str] | None = None) -> AsyncIterator[Program]:
        """Run the daemon until the block ends; it serves when the block begins."""
        async with self.program("fzalert.cli", ["run", "--ready-json"], env) as program:
            await program.ready()
            yield program

    async def fzalert(self, *words: str, within: float = PATIENCE) -> Ended:
        """Run one command of the terminal to its end."""
        async with self.program("fzalert.cli", words) as program:
            return await program.ended(within)

    async def stretch(self) -> float:
        """How many times longer than its work a program takes here just now, beside its neighbours.

        1.0 on a machine that has nothing else to do.
        """
        loop = asyncio.get_running_loop()
        begun, worked = loop.time(), _work_of_ended()
        ended = await self.fzalert("--version")
        if ended.code:
            raise AssertionError(f"it does not even tell its version: {ended}")
        return max(1.0, (loop.time() - begun) / max(_work_of_ended() - worked, 0.01))

    def client(self) -> Client:
        """A client of the daemon's local socket; use `async with`."""
        return connect(read_settings(self.config))


def _work_of_ended() -> float:
    """Seconds of work of every process that was started here and has ended."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime
