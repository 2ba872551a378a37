"""Daemons from a warm process: `python -m fzalert.testing.warm MODULE…`.

Most of a daemon's start is Python reading its modules. This process reads them once and then forks
a daemon for each request: a process of its own, with the terminal's own entry point, killed and
stopped like any other. It has no thread and no loop, so the fork carries nothing but modules.

A request is one line of JSON on standard input: `words`, the command; `env`, more variables;
`errors`, the file for standard error. It answers on standard output with `{"pid": …}` and, when
the daemon has ended, `{"ended": code}`; between them stands what the daemon itself writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from typing_extensions import override

from fzalert.testing.processes import PATIENCE, SHOWN, Ended, Program, Site

__all__ = ["MODULES", "Warm", "warm"]

MODULES = (
    "fzalert.cli.app",
    "fzalert.cli.run",
    "fzalert.daemon",
    "fzalert.testing.steps",
    "fzalert_sms.cmpp",
    "fzalert_sms.carrier.transport",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)
"""What a daemon with a CMPP line needs."""


class _Forked(Program):
    """A daemon that the warm process forked; it speaks through the warm process's output."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path, pid: int) -> None:
        super().__init__(process, errors)
        self._pid = pid
        self._code: int | None = None

    @property
    @override
    def pid(self) -> int:
        return self._pid

    @property
    @override
    def is_running(self) -> bool:
        return self._code is None

    async def _line(self, within: float) -> dict[str, Any]:
        """The next thing that it or the warm process says."""
        assert self._process.stdout is not None  # noqa: S101  we asked for a pipe
        try:
            async with asyncio.timeout(within):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise AssertionError(f"nothing heard in time: {self.errors[-SHOWN:]}") from None
        if not line:
            raise AssertionError(f"the warm process ended: {self.errors[-SHOWN:]}")
        found: dict[str, Any] = json.loads(line)
        if "ended" in found:
            self._code = int(found["ended"])
        return found

    @override
    async def ready(self) -> dict[str, Any]:
        found = await self._line(PATIENCE)
        if self._code is not None:
            raise AssertionError(f"it ended: {self.errors[-SHOWN:]}")
        return found

    @override
    async def came_up(self) -> bool:
        await self._line(PATIENCE)
        return self._code is None

    @override
    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.ended()

    @override
    async def ended(self, within: float = PATIENCE) -> Ended:
        out = ""
        while self._code is None:
            found = await self._line(within)
            out += "" if self._code is not None else json.dumps(found)
        return Ended(self._code, out, self.errors)

    @override
    async def discard(self) -> None:
        if self.is_running:
            await self.kill()


class Warm:
    """The warm process, from a test's side; one daemon at a time.

    Args:
        site: Where the daemons run.
        process: The warm process.
    """

    def __init__(self, site: Site, process: asyncio.subprocess.Process) -> None:
        self._site = site
        self._process = process
        self._count = 0

    @asynccontextmanager
    async def program(self, words: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[Program]:
        """Fork a daemon and run it until the block ends; see `Site.program`."""
        assert self._process.stdin is not None  # noqa: S101  we asked for pipes
        assert self._process.stdout is not None  # noqa: S101  the same
        self._count += 1
        errors = self._site.folder / f"warm-{self._count}.err"
        errors.touch(mode=0o600)  # a test may read it before the daemon has come that far
        request = {"words": list(words), "env": dict(env), "errors": str(errors)}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        line = await self._process.stdout.readline()
        daemon = _Forked(self._process, errors, int(json.loads(line)["pid"]))
        try:
            yield daemon
        finally:
            await daemon.discard()


@asynccontextmanager
async def warm(site: Site, modules: Sequence[str] = MODULES) -> AsyncIterator[Warm]:
    """Keep a warm process while the block runs; it has read these modules."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fzalert.testing.warm", *modules),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=site.environment(),
        cwd=site.folder,
    )
    try:
        yield Warm(site, process)
    finally:
        assert process.stdin is not None  # noqa: S101  we asked for pipes
        process.stdin.close()
        await process.communicate()


def _daemon(request: dict[str, Any]) -> int:
    """Be the daemon, in the forked process; its exit code."""
    from fzalert.testing import freeze_steps
    from fzalert.testing.steps import LINK, guarded

    (program,) = entry_points(group="console_scripts", name="fzalert")
    run = program.load()

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(request["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    os.environ.update(request["env"])
    guarded(*LINK)
    freeze_steps.guarded()
    code: int = run(request["words"])
    return code


def main() -> None:
    """Serve until standard input ends."""
    for name in sys.argv[1:]:
        import_module(name)
    for line in sys.stdin:
        told, tell = os.pipe()
        child = os.fork()
        if not child:
            code = 1
            try:
                os.read(told, 1)  # its name is said before its own first word
                os.close(told)
                os.close(tell)
                code = _daemon(json.loads(line))
            finally:
                with contextlib.suppress(OSError):
                    sys.stdout.flush()
                os._exit(code)
        os.close(told)
        _say({"pid": child})
        os.write(tell, b"!")
        os.close(tell)
        _, status = os.waitpid(child, 0)
        _say({"ended": os.waitstatus_to_exitcode(status)})


def _say(words: dict[str, int]) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    main()
