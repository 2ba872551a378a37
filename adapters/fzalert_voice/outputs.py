"""Where a programme goes: a sink of the sound server, or a WAV file in its place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from typing_extensions import override

from fzalert.messages import Proof
from fzalert_voice.player import Fault, Playback, Player
from fzalert_voice.programme import BYTES_PER_MS, to_wav

__all__ = ["DeviceOutput", "FileOutput", "Output"]

_TOLERANCE_MS = 150


class Output(Protocol):
    """One speaker's way out.

    Attributes:
        proof: How much a complete programme proves.
        note: What a report adds.
        tolerance_ms: How far the measured length may lie from the planned one.
    """

    proof: Proof
    note: str
    tolerance_ms: int

    async def play(
        self, pcm: bytes, *, stop: asyncio.Event, on_start: Callable[[], None]
    ) -> Playback:
        """Play to the end, or until `stop`; `on_start` is called when the sound begins."""
        ...


class DeviceOutput(Output):
    """A sink of the sound server."""

    def __init__(self, player: Player, device: str, latency_ms: int) -> None:
        self.proof = Proof.DEVICE
        self.note = f"device={device}"
        self.tolerance_ms = _TOLERANCE_MS + latency_ms
        self._player = player
        self._device = device

    @override
    async def play(
        self, pcm: bytes, *, stop: asyncio.Event, on_start: Callable[[], None]
    ) -> Playback:
        """See `Player.play`."""
        return await self._player.play(pcm, device=self._device, stop=stop, on_start=on_start)


class FileOutput(Output):
    """A WAV file that appears whole or not at all. It proves no sound, and says so."""

    def __init__(self, path: Path) -> None:
        self.proof = Proof.TAKEN
        self.note = f"file={path.name}"
        self.tolerance_ms = 0
        self._path = path

    @override
    async def play(
        self, pcm: bytes, *, stop: asyncio.Event, on_start: Callable[[], None]
    ) -> Playback:
        """Write the programme; it is complete at once."""
        if stop.is_set():
            return Playback(started=False, complete=False, duration_ms=0)
        try:
            await asyncio.to_thread(_write_whole, self._path, to_wav(pcm))
        except OSError as error:
            words = error.strerror or type(error).__name__
            return Playback(False, False, 0, fault=Fault.NO_FILE, words=words)
        on_start()
        return Playback(started=True, complete=True, duration_ms=len(pcm) // BYTES_PER_MS)


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):  # the first error is the one to tell
            part.unlink()
        raise
