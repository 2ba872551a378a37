"""The demo's own daemon: started, killed in the middle of its work, and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

from fzalert.cli.demo.peers import first_line, stop

__all__ = ["Daemon"]


class Daemon:
    """One `fzalert run` as a process.

    Args:
        config: Its configuration.
        log: Where its words go.
    """

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self._log = log
        self._child: asyncio.subprocess.Process | None = None
        self.web = ""
        self.pid = 0

    async def start(self) -> float:
        """Start it; returns the seconds until it served."""
        began = time.monotonic()
        with self._log.open("ab") as sink:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "fzalert.cli",
                "--config",
                str(self._config),
                "run",
                "--ready-json",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
            )
        ready = await first_line(self._child, "the daemon")
        self.web, self.pid = str(ready["web"]).rstrip("/"), self._child.pid
        return time.monotonic() - began

    async def kill(self) -> None:
        """End it as a power cut would, as far as a process can be: SIGKILL."""
        assert self._child is not None  # noqa: S101  it was started
        os.kill(self._child.pid, signal.SIGKILL)
        await self._child.wait()

    async def stop(self) -> int:
        """Ask it to drain and end; returns its exit code."""
        if self._child is None:
            return 0
        await stop(self._child, within=40)
        return self._child.returncode or 0


def recovery(log: Path) -> dict[str, int]:
    """What the restarted daemon said of the parts that were open: words and their numbers."""
    found: dict[str, int] = {}
    if not log.exists():
        return found
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") == "engine.recovered":
            for word in ("sent", "unknown", "requeued", "throttled", "failed"):
                found[word] = found.get(word, 0) + int(event.get(word, 0))
    return found
