"""`voice.local` and the contract of all channels, with a sound server that a test can play.

The adapter starts `pacat`; here that is a script which hands everything on to the test, so that
the test decides whether the device begins, refuses, stays silent or goes away.
"""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest
from typing_extensions import override

from fzalert.messages import Lane, ReceiptKind, Rendition, ReportKind, Target
from fzalert.ports import Adapter, AdapterContext, Submission
from fzalert.testing import (
    AdapterContract,
    LifecycleContract,
    MemoryState,
    Peer,
    RecordingWire,
    RefusalContract,
    ReportsContract,
    SilenceContract,
    make_context,
    text_of,
)
from fzalert_voice.level import to_level
from fzalert_voice.local import LocalSpeaker, LocalSpeakerConfig
from fzalert_voice.programme import assemble
from fzalert_voice.synthesis import Espeak

PACAT = """#!{python} -SE
import os, socket, sys

def leave(words):
    print(words, file=sys.stderr, flush=True)
    sys.exit(1)

device = next((a[9:] for a in sys.argv if a.startswith("--device=")), "default")
link = socket.socket(socket.AF_UNIX)
try:
    link.connect(os.environ["PULSE_SERVER"][5:])
    link.sendall(device.encode() + b"\\n")
    words = link.makefile("r")
    first = words.readline().strip()
    if first != "start":
        leave(first or "Connection failure: Connection terminated")
    print("Stream started.", file=sys.stderr, flush=True)
    while data := os.read(0, 65536):
        link.sendall(data)
    link.shutdown(socket.SHUT_WR)
    if words.readline().strip() != "drained":
        leave("Connection failure: Connection terminated")
except OSError as error:
    leave("Connection failure: " + str(error))
print("Playback stream drained.", file=sys.stderr, flush=True)
"""
PACTL = """#!/bin/sh
printf '0\\thall\\tmodule-null-sink.c\\ts16le 1ch 48000Hz\\tIDLE\\n'
"""
WORDS = {
    ReceiptKind.TEMPORARY: "Stream error: No such entity",
    ReceiptKind.CHANNEL_DOWN: "Connection failure: Connection refused",
    ReceiptKind.PERMANENT: "Stream error: Invalid argument",  # a device never refuses for good
}
DRAIN = 0.2


class Rows(MemoryState):
    """The adapter's rows; `emptied` is set while no play is open."""

    def __init__(self) -> None:
        super().__init__()
        self.emptied = asyncio.Event()

    @override
    async def put(self, key: str, value: bytes) -> None:
        await super().put(key, value)
        self.emptied.clear()

    @override
    async def put_many(self, rows: dict[str, bytes | None]) -> None:
        await super().put_many(rows)
        if not self.rows:
            self.emptied.set()


class SoundServer:
    """The far side: a sound server whose sinks keep what they were given."""

    can_refuse = True
    can_go_silent = True
    can_drop = False  # a device that goes away is an interruption, never an unknown fate

    def __init__(self, state: Rows) -> None:
        self._state = state
        self._heard: list[tuple[str, str]] = []
        self._changed = asyncio.Event()
        self._refusals: list[ReceiptKind] = []
        self._is_silent = False
        self._cut: asyncio.Event = asyncio.Event()
        self._begun: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device = (await reader.readline()).decode().strip()
        if self._refusals:
            writer.write(WORDS[self._refusals.pop(0)].encode() + b"\n")
            return
        if self._is_silent:
            await reader.read()
            return
        self._cut.clear()
        writer.write(b"start\n")
        pcm = await reader.read()
        self._heard.append((device, hashlib.sha256(pcm).hexdigest()))
        self._changed.set()
        try:
            async with asyncio.timeout(DRAIN):
                await self._cut.wait()
        except TimeoutError:
            writer.write(b"drained\n")

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  the contract's signature
        try:
            async with asyncio.timeout(timeout):
                while len(self._heard) < n:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return list(self._heard)

    def refuse_next(self, kind: ReceiptKind) -> None:
        self._refusals.append(kind)

    def silent(self) -> None:
        self._is_silent = True

    def drop(self) -> None:
        raise NotImplementedError

    def report(self, kind: ReportKind) -> None:
        assert kind is ReportKind.INTERRUPTED
        self._cut.set()

    async def acknowledged(self, n: int, timeout: float) -> int:  # noqa: ASYNC109  the contract's signature
        async with asyncio.timeout(timeout):
            await self._state.emptied.wait()
        return n


class TestLocalSpeaker(
    RefusalContract, SilenceContract, ReportsContract, LifecycleContract, AdapterContract
):
    factory = LocalSpeaker
    refusals = frozenset({ReceiptKind.TEMPORARY, ReceiptKind.CHANNEL_DOWN})
    espeak: ClassVar[Espeak] = Espeak()

    @pytest.fixture
    def state(self) -> Rows:
        return Rows()

    @override
    @pytest.fixture
    async def context(self, state: Rows) -> AsyncIterator[AdapterContext]:
        async with make_context(state=state) as context:
            yield context

    @pytest.fixture
    async def peer(
        self, tmp_path: Path, state: Rows, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[SoundServer]:
        for name, script in (("pacat", PACAT.format(python=sys.executable)), ("pactl", PACTL)):
            program = tmp_path / name
            program.write_text(script, encoding="utf-8")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        server = SoundServer(state)
        async with await asyncio.start_unix_server(server.serve, tmp_path / "sound.sock"):
            yield server

    @pytest.fixture
    def config(self, peer: SoundServer, tmp_path: Path) -> LocalSpeakerConfig:
        return LocalSpeakerConfig.model_validate(
            {
                "name": "hall",
                "adapter": "voice.local",
                "server": f"unix:{tmp_path / 'sound.sock'}",
                "speakers": [{"name": "lobby", "device": "hall"}],
                "min_interval": 0,
                "start_timeout": 2,
            }
        )

    @pytest.fixture
    @override
    async def adapter(
        self, config: LocalSpeakerConfig, context: AdapterContext
    ) -> AsyncIterator[LocalSpeaker]:
        async with LocalSpeaker(config, context) as adapter:
            yield adapter

    @override
    def address_of(self, target: Target) -> str:
        return "hall"

    @override
    def text_of(self, submission: Submission) -> str:
        speech = text_of(submission.rendition)
        programme = assemble(to_level(self.espeak.speak(speech, "zh-CN")))
        return hashlib.sha256(programme.pcm).hexdigest()

    @override
    async def test_both_lanes_may_be_inside_at_once(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        """Of one speaker: the urgent one is whole, and the routine one may be cut by it."""
        bulk = self.make(context, target, rendition, lane=Lane.BULK)
        urgent = self.make(context, target, rendition)
        wire = RecordingWire()
        async with asyncio.timeout(self.settle_within), asyncio.TaskGroup() as lanes:
            lanes.create_task(adapter.submit([bulk], wire))
            lanes.create_task(adapter.submit([urgent], wire))
        wire.check()
        of_bulk, of_urgent = wire.fates([bulk, urgent])
        assert of_urgent is ReceiptKind.SENT
        assert of_bulk in {ReceiptKind.SENT, ReceiptKind.THROTTLED}
        whole = (self.address_of(target), self.text_of(urgent))
        # The far side also counts what it got of a routine one that was cut.
        seen = await peer.received(1, self.settle_within)
        if whole not in seen:
            seen = await peer.received(2, self.settle_within)
        assert whole in seen
