"""`voice.local`: the loudspeakers of this machine, through PulseAudio or PipeWire.

A submission is settled when its sound begins; what became of it follows as a report. An urgent
programme fades a routine one out; equals wait for each other; one voice at a time per speaker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import ClassVar, Final, Self

from fzalert.messages import Lane, RenditionKind, ReportKind, Speech, TargetKind
from fzalert.ports import (
    AdapterContext,
    Capabilities,
    ChannelConfig,
    Health,
    InboundBatch,
    Submission,
    Wire,
)
from fzalert_voice import receipts
from fzalert_voice.config import LocalSpeakerConfig, SpeakerSettings
from fzalert_voice.cutter import Cutter, CuttingFault
from fzalert_voice.devices import look
from fzalert_voice.limits import is_quiet
from fzalert_voice.outputs import DeviceOutput, FileOutput, Output
from fzalert_voice.player import Player
from fzalert_voice.reports import Reports
from fzalert_voice.speaker import Play, Speaker
from fzalert_voice.status import Status, describe
from fzalert_voice.studio import Cut
from fzalert_voice.synthesis import SynthesisFault

__all__ = ["LocalSpeaker", "LocalSpeakerConfig", "probe"]

_LOOK_AGAIN: Final = 30.0
_END_WITHIN: Final = 1.0


async def probe(config: ChannelConfig) -> list[str]:
    """Say what the channel will find: the sound server's devices, then each speaker's.

    For `fzalert check --online`; plays nothing, raises nothing.
    """
    settings = _own(config)
    has_devices = any(speaker.device for speaker in settings.speakers)
    return describe(settings, await look(settings.server) if has_devices else None)


class LocalSpeaker:
    """The channel `voice.local`."""

    Config: ClassVar[type[ChannelConfig]] = LocalSpeakerConfig

    def __init__(self, config: ChannelConfig, context: AdapterContext) -> None:
        self._config = _own(config)
        self._context = context
        self._reports = Reports(context.state)
        self._status = Status(self._config)
        self._speakers = {
            speaker.name: Speaker(
                speaker, self._config, context, self._output(speaker), self._reports, self._status
            )
            for speaker in self._config.speakers
        }
        self._cutter = Cutter(
            self._config.library,
            synthesis=self._config.synthesis,
            context=context,
            told=self._status.cutting,
        )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def capabilities(self) -> Capabilities:
        """One programme of each lane at a time; what became of it is reported.

        A window of two, of which bulk may use one: were it one, or one to a target, an urgent
        warning would wait in the queue behind a routine one that waits here for its turn.
        """
        return Capabilities(
            kinds=frozenset({TargetKind.SPEAKER}),
            rendition=RenditionKind.SPEECH,
            addresses=frozenset(self._speakers),
            window=2,
            reports=frozenset({ReportKind.PLAYED, ReportKind.INTERRUPTED}),
            # A part waits for what plays before it; only then is it written.
            submit_timeout=2 * self._config.max_urgent_seconds + self._config.start_timeout + 30,
        )

    async def __aenter__(self) -> Self:
        await self._reports.recover(self._context.clock.millis())
        keep = self._context.background.keep
        self._tasks.append(keep(f"{self._config.name}.rows", self._reports.tidy))
        self._tasks.append(keep(f"{self._config.name}.cutter", self._cutter.watch))
        if any(speaker.device for speaker in self._config.speakers):
            self._tasks.append(keep(f"{self._config.name}.devices", self._watch_devices))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(speaker.close() for speaker in self._speakers.values()))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_END_WITHIN)
        await self._cutter.close()
        self._reports.close()
        await self._reports.flush()

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Play each programme in its turn; returns when the last of them has begun.

        Different speakers do not wait for each other.
        """
        by_speaker: dict[str, list[Submission]] = {}
        for item in batch:
            by_speaker.setdefault(item.target.address, []).append(item)
        if len(by_speaker) < 2:
            await self._deliver_all(batch, wire)
            return
        async with asyncio.TaskGroup() as group:
            for items in by_speaker.values():
                group.create_task(self._deliver_all(items, wire))

    def inbound(self) -> AsyncIterator[InboundBatch]:
        """`played` and `interrupted`, by our own id and part."""
        return self._reports.stream()

    @property
    def cutter_pid(self) -> int:
        """The process that cuts programmes; 0 while there is none."""
        return self._cutter.pid

    async def health(self) -> Health:
        """What the last look at the devices and the last plays showed."""
        return self._status.health()

    async def _deliver_all(self, items: Sequence[Submission], wire: Wire) -> None:
        for item in items:
            await self._deliver(item, wire)

    async def _deliver(self, item: Submission, wire: Wire) -> None:
        speech = item.rendition
        if not isinstance(speech, Speech):
            wire.settle(item.id, item.part, receipts.wrong_rendition(speech.kind))
            return
        speaker = self._speakers.get(item.target.address)
        if speaker is None or item.target.kind is not TargetKind.SPEAKER:
            receipt = receipts.unknown_speaker(item.target.masked(), self._config)
            wire.settle(item.id, item.part, receipt)
            return
        if (why := speaker.refuse(item, speech)) is not None:
            receipt = receipts.refused(why, speaker.settings.name, self._config)
            wire.settle(item.id, item.part, receipt)
            return
        try:
            cut = await self._cut(speech, speaker.settings)
        except SynthesisFault as fault:
            wire.settle(item.id, item.part, receipts.cannot_speak(fault))
            return
        except CuttingFault as fault:
            wire.settle(item.id, item.part, receipts.cannot_cut(fault))
            return
        limit = self._longest(item.lane)
        if cut.programme.duration_ms > limit * 1000:
            receipt = receipts.too_long(cut.programme.duration_ms, limit)
            wire.settle(item.id, item.part, receipt)
            return
        await speaker.say(Play(item, speech, cut), wire)

    async def _cut(self, speech: Speech, speaker: SpeakerSettings) -> Cut:
        config = self._config
        volume = config.volume_db + speaker.volume_db
        if is_quiet(self._context.clock.now(), config.quiet_from, config.quiet_to):
            volume += config.quiet_volume_db
        return await self._cutter.cut(speech, wake_ms=speaker.wake_ms, volume_db=volume)

    def _longest(self, lane: Lane) -> float:
        config = self._config
        return config.max_urgent_seconds if lane is Lane.URGENT else config.max_routine_seconds

    def _output(self, speaker: SpeakerSettings) -> Output:
        if speaker.wav is not None:
            return FileOutput(speaker.wav)
        config = self._config
        player = Player(
            self._context.clock.monotonic,
            server=config.server,
            latency_ms=config.latency_ms,
            start_timeout=config.start_timeout,
        )
        return DeviceOutput(player, speaker.device or "default", config.latency_ms)

    async def _watch_devices(self) -> None:
        """Look at the devices now, and again while something is wrong with them."""
        while True:
            self._status.seen(await look(self._config.server))
            await self._status.trouble.wait()
            await self._context.clock.sleep(_LOOK_AGAIN)


def _own(config: ChannelConfig) -> LocalSpeakerConfig:
    if not isinstance(config, LocalSpeakerConfig):
        raise TypeError(f"voice.local takes its own settings, not {type(config).__name__}")
    return config
