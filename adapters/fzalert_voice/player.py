"""Playing through PulseAudio or PipeWire: a `pacat` process that gets its samples by a pipe.

What counts as playing is what pacat says the server said: `Stream started`, `stream drained`. When
this process dies, however it dies, the pipe closes, pacat plays what it has read and ends.
"""

from __future__ import annotations

import asyncio
import enum
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fzalert_voice.level import RATE
from fzalert_voice.pipe import TakeBackPipe
from fzalert_voice.programme import BYTES_PER_MS, fade_out

__all__ = ["Fault", "Playback", "Player", "sound_environment"]

_CHUNK: Final = 40 * BYTES_PER_MS
_POLL: Final = 0.02
_STALL: Final = 3.0
_STOP_WITHIN: Final = 0.4
_KILL_WITHIN: Final = 2.0
_WORDS_KEPT: Final = 400
_LINE_END: Final = re.compile(r"[\r\n]+")
_CLEAR: Final = re.compile(r"\x1b\[K")


class Fault(enum.StrEnum):
    """Why nothing, or not all, was played."""

    NO_PLAYER = "no-player"
    NO_SERVER = "no-sound-server"
    NO_DEVICE = "no-device"
    NO_START = "no-start"
    LOST = "device-lost"
    NO_FILE = "no-file"


@dataclass(frozen=True, slots=True)
class Playback:
    """What became of one programme.

    Attributes:
        started: Whether the server began to play it.
        complete: Whether every sample was played.
        duration_ms: From its start to its end by the clock; where it was cut, how much was heard.
        underruns: How often the server waited for samples.
        fault: What went wrong; None for a complete programme and for one that was stopped.
        words: The sound server's own words.
    """

    started: bool
    complete: bool
    duration_ms: int
    underruns: int = 0
    fault: Fault | None = None
    words: str = ""


def sound_environment(server: str) -> Mapping[str, str]:
    """The environment for the tools of the sound server: plain English, and its address."""
    environment = dict(os.environ) | {"LC_ALL": "C"}
    if server:
        environment["PULSE_SERVER"] = server
    return environment


class Player:
    """Plays programmes on sinks of one sound server.

    Args:
        monotonic: The clock.
        server: Address of the server, or empty for the user's own.
        latency_ms: How much sound the server holds.
        start_timeout: Seconds in which a device must begin.
        program: The program that plays.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        server: str = "",
        latency_ms: int = 100,
        start_timeout: float = 5.0,
        program: str = "pacat",
    ) -> None:
        self._monotonic = monotonic
        self._environment = sound_environment(server)
        self._latency_ms = latency_ms
        self._start_timeout = start_timeout
        self._program = program

    async def play(
        self, pcm: bytes, *, device: str, stop: asyncio.Event, on_start: Callable[[], None]
    ) -> Playback:
        """Play one programme to its end, or until `stop` is set: then it fades out within 50 ms.

        Args:
            pcm: Mono, 48 kHz, 16-bit samples.
            device: The sink, or `default`.
            stop: Ends the programme early.
            on_start: Called once, when the server begins to play.
        """
        pipe = TakeBackPipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(device),
                stdin=pipe.read_end,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment,
            )
        except OSError as error:
            pipe.close()
            return Playback(False, False, 0, fault=Fault.NO_PLAYER, words=str(error))
        except BaseException:
            pipe.close()
            raise
        pipe.handed_over()
        run = _Run(process, pipe, self._monotonic, on_start)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(run.listen())
                waker = group.create_task(_wake_on(stop, pipe))
                await self._conduct(run, pcm, stop)
                waker.cancel()
        finally:
            pipe.close()
            await run.end(0.0)
        return run.result(len(pcm), stopped=stop.is_set())

    def _command(self, device: str) -> list[str]:
        command = [
            self._program,
            "--verbose",
            "--playback",
            "--raw",
            f"--rate={RATE}",
            "--channels=1",
            "--format=s16le",
            f"--latency-msec={self._latency_ms}",
            f"--process-time-msec={max(5, self._latency_ms // 4)}",
            "--client-name=fzalert",
            "--stream-name=fzalert",
            "--property=media.role=announce",
        ]
        return command if device == "default" else [*command, f"--device={device}"]

    async def _conduct(self, run: _Run, pcm: bytes, stop: asyncio.Event) -> None:
        """Feed the programme and see it to its end; never longer than its length and the limits."""
        await self._feed(run, pcm, stop)
        if stop.is_set() and run.is_playing:
            run.fade(pcm)
            run.pipe.finish()
            await run.end(_STOP_WITHIN)
        elif run.fed == len(pcm) and run.is_playing:
            run.pipe.finish()
            await run.end(self._latency_ms / 1000 + _STALL)
        else:
            # pacat has gone by itself, or it must not begin any more.
            await run.end(_STOP_WITHIN if run.has_gone else 0.0)

    async def _feed(self, run: _Run, pcm: bytes, stop: asyncio.Event) -> None:
        """Write the programme and wait until it is read, or stopped, or does not go on."""
        moved_at = self._monotonic()
        while not (stop.is_set() or run.has_gone):
            if run.fed < len(pcm):
                written = run.pipe.write(pcm[run.fed : run.fed + _CHUNK])
                run.fed += written
                if written:
                    moved_at = self._monotonic()
                    continue
                await run.pipe.writable(_POLL)
            elif run.pipe.has_unread() or run.started_at is None:
                await run.pipe.pause(_POLL)
            else:
                return
            limit = self._start_timeout if run.started_at is None else _STALL
            if self._monotonic() - moved_at > limit:
                return


async def _wake_on(stop: asyncio.Event, pipe: TakeBackPipe) -> None:
    await stop.wait()
    pipe.wake.set()


class _Run:
    """One pacat process and what it has said so far."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        pipe: TakeBackPipe,
        monotonic: Callable[[], float],
        on_start: Callable[[], None],
    ) -> None:
        self.pipe = pipe
        self.fed = 0
        self.started_at: float | None = None
        self.has_gone = False
        self._process = process
        self._monotonic = monotonic
        self._on_start = on_start
        self._drained_at: float | None = None
        self._killed_at: float | None = None
        self._underruns = 0
        self._words: list[str] = []

    async def listen(self) -> None:
        """Read what pacat says until it ends."""
        errors = self._process.stderr
        if errors is None:  # it was asked for; this only tells the type checker
            return
        rest = ""
        while data := await errors.read(4096):
            *lines, rest = _LINE_END.split(rest + data.decode("utf-8", "replace"))
            for line in lines:
                self._hear(_CLEAR.sub("", line).strip())
        self._hear(_CLEAR.sub("", rest).strip())
        self.has_gone = True
        self.pipe.wake.set()

    @property
    def is_playing(self) -> bool:
        """Whether the server has begun, and pacat is still there."""
        return self.started_at is not None and not self.has_gone

    def fade(self, pcm: bytes) -> None:
        """Put a fade-out in the place of what pacat has not read yet."""
        read = self.fed - self.pipe.take_back()
        tail = pcm[read : read + read % 2] + fade_out(pcm, read + read % 2)
        self.fed = read + self.pipe.write(tail)

    async def end(self, within: float) -> None:
        """Wait for the process; kill it after `within` seconds."""
        if self._process.returncode is not None:
            return
        try:
            async with asyncio.timeout(within):
                await self._process.wait()
        except TimeoutError:
            self._killed_at = self._monotonic()
            with suppress(ProcessLookupError):
                self._process.kill()
            async with asyncio.timeout(_KILL_WITHIN):
                await self._process.wait()

    def result(self, size: int, *, stopped: bool) -> Playback:
        """Say what became of the programme, once the process has ended."""
        words = "; ".join(self._words)[:_WORDS_KEPT]
        if self.started_at is None:
            fault = None if stopped else self._why_not()
            return Playback(False, False, 0, self._underruns, fault, words)
        ended = self._drained_at or self._killed_at or self._monotonic()
        by_clock = max(0, round((ended - self.started_at) * 1000))
        fed_ms = self.fed // BYTES_PER_MS
        if self._drained_at is None or self._process.returncode != 0:
            fault = None if stopped else Fault.LOST
            return Playback(True, False, min(fed_ms, by_clock), self._underruns, fault, words)
        if self.fed < size:
            return Playback(True, False, fed_ms, self._underruns, None, words)
        return Playback(True, True, by_clock, self._underruns, None, words)

    def _hear(self, line: str) -> None:
        if not line or line.startswith("Time:"):
            return
        if line.startswith("Stream started"):
            if self.started_at is None:
                self.started_at = self._monotonic()
                self._on_start()
        elif line.startswith("Playback stream drained"):
            self._drained_at = self._monotonic()
        elif line.startswith("Stream underrun"):
            # The last one is the end of the programme itself.
            self._underruns += self.pipe.is_open
        elif "ailure" in line or "rror" in line or "failed" in line or "moved" in line:
            self._words.append(line)

    def _why_not(self) -> Fault:
        said = " ".join(self._words)
        if "onnection failure" in said or "pa_context_connect" in said:
            return Fault.NO_SERVER
        if "No such entity" in said:
            return Fault.NO_DEVICE
        return Fault.NO_START
