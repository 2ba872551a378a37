"""Programmes, cut by a process of its own, so that nothing urgent waits for numbers on samples.

The process is started once the channel is open, which does not wait for it. It cuts one programme
at a time. When it dies it is started again, and the channel says so until it runs; a programme that
was under way is cut once more, and then refused for a while.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from fzalert.messages import Speech
from fzalert.ports import AdapterContext
from fzalert_voice import worker
from fzalert_voice.programme import Programme
from fzalert_voice.studio import Cut
from fzalert_voice.synthesis import SynthesisFault

__all__ = ["Cutter", "CuttingFault"]

_KEPT: Final = 8
_TRIES: Final = 2
_START_AGAIN: Final = 2.0
_START_WITHIN: Final = 60.0
_CUT_WITHIN: Final = 60.0
_END_WITHIN: Final = 2.0
_MOST_BYTES: Final = 64 * 1024 * 1024
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class CuttingFault(Exception):
    """The process that cuts programmes died, or gave no programme; trying later may help."""


class Cutter:
    """Owner of the process that cuts.

    Args:
        library: Folder of the customer's recordings, or None.
        synthesis: Whether a text without a recording is synthesised.
        context: The world.
        told: Told why nothing can be cut; told an empty text when it can again.
    """

    def __init__(
        self,
        library: Path | None,
        *,
        synthesis: bool,
        context: AdapterContext,
        told: Callable[[str], None],
    ) -> None:
        self._arguments = (str(library) if library else "", "1" if synthesis else "0")
        self._clock = context.clock
        self._told = told
        self._using = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._is_midway = False
        self._cuts: OrderedDict[tuple[Speech, int, float], Cut] = OrderedDict()

    @property
    def pid(self) -> int:
        """The process that cuts; 0 while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    async def cut(self, speech: Speech, *, wake_ms: int = 0, volume_db: float = 0.0) -> Cut:
        """Make the programme of a speech.

        Raises:
            SynthesisFault: It has no recording and cannot be synthesised.
            CuttingFault: Nothing could be cut.
        """
        key = (speech, wake_ms, volume_db)
        if (known := self._cuts.get(key)) is not None:
            self._cuts.move_to_end(key)
            return known
        async with self._using:
            made = await self._made(worker.ask(speech, wake_ms, volume_db))
        self._cuts[key] = made
        while len(self._cuts) > _KEPT:
            self._cuts.popitem(last=False)
        return made

    async def watch(self) -> None:
        """Keep the process running; run under the channel's background owner."""
        while True:
            with suppress(CuttingFault):  # the channel was told
                async with self._using:
                    process = await self._ready()
                code = await process.wait()
                if process is self._process:
                    self._told(_gone(code))
            await self._clock.sleep(_START_AGAIN)

    async def close(self) -> None:
        """End the process."""
        await self._end()

    async def _made(self, question: bytes) -> Cut:
        """Ask, and once more where the process died over it."""
        why: Exception | None = None
        for _ in range(_TRIES):
            process = await self._ready()
            # Whoever is cancelled here leaves an answer behind that nobody would know.
            self._is_midway = True
            try:
                async with asyncio.timeout(_CUT_WITHIN):
                    made = await _answer(process, question)
            except SynthesisFault:
                self._is_midway = False
                raise
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                why = error
                await self._end()
                self._told(_gone(process.returncode))
            else:
                self._is_midway = False
                return made
        raise CuttingFault(f"the process that cuts failed twice: {type(why).__name__}") from why

    async def _ready(self) -> asyncio.subprocess.Process:
        """The running process; a new one where there is none.

        Raises:
            CuttingFault: None can be started.
        """
        process = self._process
        if process is not None and process.returncode is None and not self._is_midway:
            return process
        if process is not None and process.returncode is not None:
            self._told(_gone(process.returncode))
        await self._end()
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                worker.__name__,
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD},
            )
            async with asyncio.timeout(_START_WITHIN):
                told = await _line(process)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            await self._end()
            why = f"{_gone(None)} ({type(error).__name__})"
            self._told(why)
            raise CuttingFault(why) from error
        if "ready" not in told:
            await self._end()
            self._told(str(told.get("fault", "")))
            raise CuttingFault(str(told.get("fault", "")))
        self._told("")
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        self._is_midway = False
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                # Not by `process.kill`, which would reap it before its watcher has seen it end.
                os.kill(process.pid, signal.SIGKILL)
        with suppress(TimeoutError, OSError):
            # Reading what it still had to say closes the pipe.
            await asyncio.wait_for(process.communicate(), _END_WITHIN)


async def _answer(process: asyncio.subprocess.Process, question: bytes) -> Cut:
    assert process.stdin is not None  # noqa: S101  we asked for pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(question)
    await process.stdin.drain()
    told = await _line(process)
    match told:
        case {"fault": str() as why, "code": worker.FAULT}:
            raise ValueError(why)
        case {"fault": str() as why, "code": str() as code, "passing": bool() as passing}:
            raise SynthesisFault(why, code=code, passing=passing)
        case {
            "bytes": int() as size,
            "duration_ms": int() as duration,
            "text_ms": list() as starts,
            "lufs": float() as lufs,
            "gain_db": float() as gain,
            "source": str() as source,
        } if 0 <= size <= _MOST_BYTES:
            sound = await process.stdout.readexactly(size)
            return Cut(Programme(sound, duration, tuple(map(int, starts)), lufs, gain), source)
        case _:
            raise ValueError("an answer that is none")


async def _line(process: asyncio.subprocess.Process) -> dict[str, object]:
    """One line of what the process says.

    Raises:
        EOFError: It ended.
        ValueError: It said something else than an object.
    """
    assert process.stdout is not None  # noqa: S101  we asked for a pipe
    line = await process.stdout.readline()
    if not line:
        raise EOFError("it ended")
    told = json.loads(line)
    if not isinstance(told, dict):
        raise ValueError("an answer that is none")  # noqa: TRY004  of the far side, not a type
    return told


def _gone(code: int | None) -> str:
    how = "" if code is None else f" ({f'signal {-code}' if code < 0 else f'exit {code}'})"
    return (
        f"语音剪辑进程退出{how}，正在重启；在此之前不能播放新的话术。"
        "The process that cuts programmes has ended and is started again; until then nothing new"
        " can be played."
    )
