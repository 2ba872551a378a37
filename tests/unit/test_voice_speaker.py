"""A programme's life on a speaker, step by step: what stands on disk when, and who lets it go."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from typing_extensions import override

from fzalert.messages import (
    DeliveryReport,
    Lane,
    Proof,
    ReceiptKind,
    ReportKind,
    ScriptRef,
    Speech,
    speaker,
)
from fzalert.ports import AdapterContext, Submission
from fzalert.testing import FakeClock, MemoryState, RecordingWire, make_context
from fzalert_voice.local import LocalSpeakerConfig
from fzalert_voice.outputs import Output
from fzalert_voice.player import Playback
from fzalert_voice.programme import Programme
from fzalert_voice.reports import Reports
from fzalert_voice.speaker import Play, Speaker
from fzalert_voice.status import Status
from fzalert_voice.studio import Cut

CONFIG = LocalSpeakerConfig.model_validate(
    {"name": "hall", "adapter": "voice.local", "speakers": [{"name": "lobby", "device": "x"}]}
)
CUT = Cut(Programme(b"\0" * 96, 1000, (300,), -18.0, 0.0), "prompt=x")
SECOND = Playback(started=True, complete=True, duration_ms=1000)


class Stage(Output):
    """An output that does what a test says."""

    def __init__(self) -> None:
        self.proof = Proof.DEVICE
        self.note = "device=x"
        self.tolerance_ms = 150
        self.playing = 0
        self.most = 0
        self.done = asyncio.Event()
        self.playback = SECOND
        self.error: Exception | None = None
        self.entered = asyncio.Event()

    @override
    async def play(
        self, pcm: bytes, *, stop: asyncio.Event, on_start: Callable[[], None]
    ) -> Playback:
        self.entered.set()
        self.playing += 1
        self.most = max(self.most, self.playing)
        try:
            if not self.playback.started:
                return self.playback
            on_start()
            if self.error is not None:
                raise self.error
            ends = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self.done.wait())}
            _, left = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in left:
                end.cancel()
            return Playback(True, False, 400) if stop.is_set() else self.playback
        finally:
            self.playing -= 1


class Slow(MemoryState):
    """A store on which time passes while a row is written, or which is full."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.takes = 0.0
        self.is_full = False
        self._clock = clock

    @override
    async def put(self, key: str, value: bytes) -> None:
        if self.is_full:
            raise OSError("no room")
        await super().put(key, value)
        self._clock.advance(self.takes)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def state(clock: FakeClock) -> Slow:
    return Slow(clock)


@pytest.fixture
async def context(clock: FakeClock, state: Slow) -> AsyncIterator[AdapterContext]:
    async with make_context(clock=clock, state=state) as context:
        yield context


@pytest.fixture
async def reports(state: Slow) -> Reports:
    return Reports(state)


@pytest.fixture
async def stage() -> Stage:
    return Stage()


@pytest.fixture
async def lobby(stage: Stage, context: AdapterContext, reports: Reports) -> AsyncIterator[Speaker]:
    one = Speaker(CONFIG.speakers[0], CONFIG, context, stage, reports, Status(CONFIG))
    yield one
    await one.close()


def play(clock: FakeClock, id_: int, lane: Lane = Lane.BULK, within: int = 60_000) -> Play:
    speech = Speech("文", ScriptRef(f"script-{id_}", "general", "zh", 1, ""))
    later = clock.millis() + within
    return Play(Submission(id_, 0, lane, speaker("lobby"), speech, later), speech, CUT)


async def report_of(reports: Reports) -> DeliveryReport:
    async with asyncio.timeout(2):
        batch = await anext(reports.stream())
    batch.acknowledge()
    await reports.flush()
    (row,) = batch.rows
    assert isinstance(row, DeliveryReport)
    return row


async def test_the_row_stands_from_the_intent_to_the_acknowledged_report(
    lobby: Speaker, stage: Stage, reports: Reports, state: Slow, clock: FakeClock
) -> None:
    wire = RecordingWire()
    await lobby.say(play(clock, 1), wire)
    assert [step.what for step in wire.steps] == ["may_write", "writing", "settle"]
    assert wire.receipts[1, 0].kind is ReceiptKind.SENT
    assert list(state.rows) == ["playing/1.0"]
    stage.done.set()
    report = await report_of(reports)
    assert (report.kind, report.id, report.duration_ms) == (ReportKind.PLAYED, 1, 1000)
    assert state.rows == {}


@pytest.mark.parametrize("measured", [840, 1160])
async def test_a_length_that_is_not_the_programmes_is_not_played(
    lobby: Speaker, stage: Stage, reports: Reports, clock: FakeClock, measured: int
) -> None:
    stage.playback = Playback(True, True, measured, underruns=3)
    stage.done.set()
    await lobby.say(play(clock, 1), RecordingWire())
    report = await report_of(reports)
    assert (report.kind, report.code) == (ReportKind.INTERRUPTED, "duration")
    assert "underruns=3" in report.detail


async def test_urgent_cuts_bulk_and_both_lanes_never_sound_together(
    lobby: Speaker, stage: Stage, reports: Reports, clock: FakeClock
) -> None:
    wire = RecordingWire()
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        await lobby.say(play(clock, 1), wire)
        group.create_task(lobby.say(play(clock, 2), wire))
        await asyncio.sleep(0)
        await lobby.say(play(clock, 3, Lane.URGENT), wire)
        first = await report_of(reports)
        assert (first.id, first.kind, first.code) == (1, ReportKind.INTERRUPTED, "preempted")
        assert first.duration_ms == 400
        assert (2, 0) not in wire.written
        stage.done.set()
        assert [(await report_of(reports)).id for _ in range(2)] == [3, 2]
    assert stage.most == 1


async def test_one_that_waited_too_long_is_left_to_the_queue(
    lobby: Speaker, stage: Stage, state: Slow, clock: FakeClock
) -> None:
    wire = RecordingWire()
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        await lobby.say(play(clock, 1), wire)
        group.create_task(lobby.say(play(clock, 2, within=10_000), wire))
        await asyncio.sleep(0)
        clock.advance(11)
        stage.done.set()
    assert wire.fates([play(clock, 2).item]) == [None]
    assert "playing/2.0" not in state.rows


async def test_a_disk_that_takes_too_long_makes_it_late_not_loud(
    lobby: Speaker, stage: Stage, state: Slow, clock: FakeClock
) -> None:
    state.takes = 61.0
    wire = RecordingWire()
    await lobby.say(play(clock, 1), wire)
    assert (wire.receipts[1, 0].kind, wire.receipts[1, 0].code) == (
        ReceiptKind.THROTTLED,
        "too-late",
    )
    assert not stage.entered.is_set()
    assert state.rows == {}


async def test_a_full_disk_is_told_and_the_next_one_gets_its_turn(
    lobby: Speaker, stage: Stage, state: Slow, clock: FakeClock
) -> None:
    wire = RecordingWire()
    state.is_full = True
    with pytest.raises(OSError, match="no room"):
        await lobby.say(play(clock, 1), wire)
    assert wire.receipts[1, 0].kind is ReceiptKind.TEMPORARY
    state.is_full = False
    stage.done.set()
    await lobby.say(play(clock, 2), wire)
    assert wire.receipts[2, 0].kind is ReceiptKind.SENT


async def test_one_cut_before_its_sound_began_comes_again(
    lobby: Speaker, stage: Stage, reports: Reports, state: Slow, clock: FakeClock
) -> None:
    stage.playback = Playback(started=False, complete=False, duration_ms=0)
    wire = RecordingWire()
    await lobby.say(play(clock, 1), wire)
    assert (wire.receipts[1, 0].kind, wire.receipts[1, 0].code) == (
        ReceiptKind.THROTTLED,
        "preempted",
    )
    assert state.rows == {}
    stage.playback = SECOND
    stage.done.set()
    again = RecordingWire()
    await lobby.say(play(clock, 1), again)
    assert again.receipts[1, 0].kind is ReceiptKind.SENT, "it is no repetition"


async def test_a_crash_under_a_play_ends_it_as_interrupted(
    stage: Stage, state: Slow, clock: FakeClock, reports: Reports
) -> None:
    crashes: list[Exception] = []
    stage.error = ValueError("a mistake")
    async with make_context(clock=clock, state=state, crashes=crashes) as context:
        lobby = Speaker(CONFIG.speakers[0], CONFIG, context, stage, reports, Status(CONFIG))
        wire = RecordingWire()
        await lobby.say(play(clock, 1), wire)
        report = await report_of(reports)
        stage.error = None
        stage.done.set()
        await lobby.say(play(clock, 2), wire)
        assert (await report_of(reports)).kind is ReportKind.PLAYED
        await lobby.close()
    assert wire.receipts[1, 0].kind is ReceiptKind.SENT
    assert (report.kind, report.code) == (ReportKind.INTERRUPTED, "broken")
    assert wire.receipts[2, 0].kind is ReceiptKind.SENT
    assert len(crashes) == 1


async def test_closing_stops_what_plays_and_leaves_what_waits_to_the_queue(
    lobby: Speaker, reports: Reports, clock: FakeClock
) -> None:
    wire = RecordingWire()
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        await lobby.say(play(clock, 1), wire)
        group.create_task(lobby.say(play(clock, 2), wire))
        await asyncio.sleep(0)
        await lobby.close()
    report = await report_of(reports)
    assert (report.id, report.code) == (1, "closed")
    assert wire.fates([play(clock, 2).item]) == [None]


async def test_what_a_crash_left_is_reported_once_and_then_let_go(state: Slow) -> None:
    state.rows["playing/9.1"] = b"lobby"
    reports = Reports(state)
    await reports.recover(5)
    report = await report_of(reports)
    assert (report.id, report.part, report.kind) == (9, 1, ReportKind.INTERRUPTED)
    assert (report.proof, report.code) == (Proof.NONE, "restart")
    assert state.rows == {}
