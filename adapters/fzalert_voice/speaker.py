"""One loudspeaker: its turns, its limits, and the life of a programme on it.

```
wait for the turn ─ last look ─ intent recorded ─ row on disk ─ sound begins: settle ─ … ─ report
```
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fzalert.messages import DeliveryReport, Proof, ReportKind, Speech
from fzalert.ports import AdapterContext, Submission, Wire
from fzalert_voice import receipts
from fzalert_voice.config import LocalSpeakerConfig, SpeakerSettings
from fzalert_voice.limits import PlayLimits, Refusal, script_key
from fzalert_voice.outputs import Output
from fzalert_voice.player import Fault, Playback
from fzalert_voice.reports import Reports
from fzalert_voice.status import Status
from fzalert_voice.studio import Cut
from fzalert_voice.turns import Turn, TurnQueue

__all__ = ["Play", "Speaker"]

_CLOSE_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Play:
    """A programme that is to be played."""

    item: Submission
    speech: Speech
    cut: Cut


class _Began:
    """Resolved when the sound begins, or when it is clear that it does not."""

    def __init__(self) -> None:
        self.failure: asyncio.Future[Playback | None] = asyncio.get_running_loop().create_future()
        self.is_heard = False
        self.is_run = False

    def heard(self) -> None:
        self.is_heard = True
        self._resolve(None)

    def over(self, playback: Playback | None) -> None:
        self._resolve(playback or Playback(False, False, 0, fault=Fault.NO_START))

    def _resolve(self, playback: Playback | None) -> None:
        if not self.failure.done():
            self.failure.set_result(playback)


class Speaker:
    """One loudspeaker of the channel.

    Args:
        settings: Its own settings.
        config: The channel's.
        context: The world.
        output: Where its sound goes.
        reports: Where its reports go.
        status: Where its state is kept for people.
    """

    def __init__(
        self,
        settings: SpeakerSettings,
        config: LocalSpeakerConfig,
        context: AdapterContext,
        output: Output,
        reports: Reports,
        status: Status,
    ) -> None:
        self.settings = settings
        self._config = config
        self._context = context
        self._output = output
        self._reports = reports
        self._status = status
        self._turns = TurnQueue()
        self._limits = PlayLimits(
            min_interval=config.min_interval, max_per_hour=config.max_plays_per_hour
        )
        self._plays: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def refuse(self, item: Submission, speech: Speech) -> Refusal | None:
        """Say why this speaker must not say it now, or None."""
        now = self._context.clock.monotonic()
        return self._limits.refuse(script_key(speech), item.lane, now)

    async def say(self, play: Play, wire: Wire) -> None:
        """Wait for the turn and begin; returns when the sound has begun, or will not."""
        item = play.item
        while True:
            turn = await self._turns.take(item.lane)
            is_played = False
            try:
                if turn.stop.is_set() and not self._is_closing:
                    continue  # something urgent came in between: wait for another turn
                if not self._may_begin(play, wire):
                    return
                wire.writing(item.id, item.part, f"{item.id}.{item.part}".encode())
                is_played = await self._is_noted(item, wire)
            finally:
                if not is_played:
                    self._turns.give_back(turn)
            if is_played:
                await self._begin(play, turn, wire)
            return

    async def close(self) -> None:
        """Fade out and wait; what waits for its turn is left to the queue."""
        self._is_closing = True
        self._turns.stop()
        plays = set(self._plays)
        if plays:
            _, late = await asyncio.wait(plays, timeout=_CLOSE_WITHIN)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_CLOSE_WITHIN)

    def _may_begin(self, play: Play, wire: Wire) -> bool:
        """Look once more, just before the sound.

        What is neither written nor settled goes back to the queue, where a late one expires.
        """
        item = play.item
        if self._is_closing or not wire.may_write():
            return False
        if self._context.clock.millis() >= item.not_after:
            return False
        if (why := self.refuse(item, play.speech)) is not None:
            wire.settle(item.id, item.part, receipts.refused(why, self.settings.name, self._config))
            return False
        return True

    async def _is_noted(self, item: Submission, wire: Wire) -> bool:
        """Put the row on disk, after the intent: a row always belongs to a part that was written.

        The disk may have taken its time, so the window is looked at once more.
        """
        try:
            await self._reports.begin(item.id, item.part, self.settings.name)
        except Exception:
            wire.settle(item.id, item.part, receipts.not_noted())
            raise
        if self._is_closing or self._context.clock.millis() >= item.not_after:
            await self._reports.remove(item.id, item.part)
            wire.settle(item.id, item.part, receipts.too_late())
            return False
        return True

    async def _begin(self, play: Play, turn: Turn, wire: Wire) -> None:
        item = play.item
        key = script_key(play.speech)
        began = _Began()
        self._limits.begin(key, item.lane, self._context.clock.monotonic())
        task = self._context.background.once(
            f"{self._config.name}.{self.settings.name}", lambda: self._perform(play, turn, began)
        )
        self._plays.add(task)
        task.add_done_callback(self._plays.discard)
        # A task that is cancelled before its first step never runs its own end.
        task.add_done_callback(lambda _: None if began.is_run else self._abandon(turn, began))
        try:
            failure = await began.failure
        except asyncio.CancelledError:
            turn.stop.set()
            raise
        if failure is None:
            receipt = receipts.taken(play.cut.source)
        else:
            await self._reports.remove(item.id, item.part)
            receipt = receipts.not_started(failure, self.settings)
            self._status.failed(self.settings.name, receipt.detail, failure.fault)
        wire.settle(item.id, item.part, receipt)

    def _abandon(self, turn: Turn, began: _Began) -> None:
        self._turns.give_back(turn)
        began.over(None)

    async def _perform(self, play: Play, turn: Turn, began: _Began) -> None:
        """Play, give the turn back, and say what became of it, whatever happens."""
        began.is_run = True
        playback: Playback | None = None
        on_start: Callable[[], None] = began.heard
        try:
            playback = await self._output.play(
                play.cut.programme.pcm, stop=turn.stop, on_start=on_start
            )
        finally:
            self._turns.give_back(turn)
            key = script_key(play.speech)
            if began.is_heard:
                report = self._report(play, playback, is_stopped=turn.stop.is_set())
                self._reports.add(report)
                if report.kind is ReportKind.INTERRUPTED:
                    self._limits.undo(key, play.item.lane, heard=True)
            else:
                self._limits.undo(key, play.item.lane, heard=False)
                began.over(playback)

    def _report(self, play: Play, playback: Playback | None, *, is_stopped: bool) -> DeliveryReport:
        planned = play.cut.programme.duration_ms
        kind, code = ReportKind.INTERRUPTED, ""
        if playback is None:
            code = "closed" if self._is_closing else "broken"
        elif not playback.complete:
            code = playback.fault or ("closed" if self._is_closing else "preempted")
        elif abs(playback.duration_ms - planned) > self._output.tolerance_ms:
            code = "duration"
        else:
            kind = ReportKind.PLAYED
        self._status.ended(self.settings.name, kind, playback.fault if playback else None)
        facts = [play.cut.source, self._output.note, f"planned_ms={planned}"]
        if is_stopped and kind is ReportKind.INTERRUPTED and playback is not None:
            facts.append(f"position_ms={playback.duration_ms}")
        if playback is not None and playback.underruns:
            facts.append(f"underruns={playback.underruns}")
        if playback is not None and playback.words:
            facts.append(playback.words)
        return DeliveryReport(
            kind,
            code=code,
            at=self._context.clock.millis(),
            proof=self._output.proof if playback is not None else Proof.TAKEN,
            duration_ms=playback.duration_ms if playback is not None else 0,
            detail="; ".join(facts),
            id=play.item.id,
            part=play.item.part,
        )
