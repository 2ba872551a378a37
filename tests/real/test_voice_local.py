"""Local speakers against a real PulseAudio: what its monitor recorded is what must have played."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fzalert.messages import (
    DeliveryReport,
    Lane,
    Proof,
    Receipt,
    ReceiptKind,
    ReportKind,
    Scope,
    ScriptRef,
    Speech,
    speaker,
)
from fzalert.ports import AdapterContext, HealthState, Submission
from fzalert.testing import MemoryState, RecordingWire, make_context
from fzalert_voice.level import RATE
from fzalert_voice.library import PromptLibrary
from fzalert_voice.local import LocalSpeaker, LocalSpeakerConfig, probe
from fzalert_voice.proof import Match, match
from fzalert_voice.studio import Studio
from fzalert_voice.synthesis import Espeak

pytestmark = pytest.mark.alone

Sound = NDArray[np.float64]

LIMIT = 20.0
AUDIBLE = 1e-4
POLICE = "impersonating-police.elderly.v1.zh-CN"
GENERIC = "generic.elderly.v1.zh-CN"
SHORT = "drill-end.clip.v1.zh-CN"


class Recording:
    """What a sink's monitor gives, as it comes."""

    def __init__(self, recorder: asyncio.subprocess.Process) -> None:
        self._recorder = recorder
        self._taken = bytearray()
        self._grown = asyncio.Event()

    async def pump(self) -> None:
        assert self._recorder.stdout is not None
        while data := await self._recorder.stdout.read(65536):
            self._taken.extend(data)
            self._grown.set()

    def sound(self) -> Sound:
        whole = bytes(self._taken[: len(self._taken) // 2 * 2])
        return np.frombuffer(whole, dtype="<i2").astype(np.float64) / 32768

    async def until(self, seconds: float) -> None:
        """Wait for this much more, by the recording's own clock."""
        await self._until(lambda: len(self._taken), len(self._taken) + round(seconds * RATE * 2))

    async def until_heard(self, seconds: float) -> None:
        """Wait until something has been heard for this long in all."""
        await self._until(
            lambda: int(np.count_nonzero(np.abs(self.sound()) > AUDIBLE)), round(seconds * RATE)
        )

    async def finish(self) -> Sound:
        """Take half a second more, so that the end is in it, and stop."""
        await self.until(0.5)
        self._recorder.terminate()
        await self._recorder.wait()
        return self.sound()

    async def _until(self, measure: Callable[[], int], enough: int) -> None:
        async with asyncio.timeout(LIMIT):
            while measure() < enough:
                self._grown.clear()
                await self._grown.wait()


@dataclass(frozen=True, slots=True)
class Hall:
    """A sound server with two sinks, `hall` and `atm`."""

    server: str

    @property
    def environment(self) -> dict[str, str]:
        return dict(os.environ) | {"PULSE_SERVER": self.server}

    @asynccontextmanager
    async def recorded(self, sink: str = "hall") -> AsyncIterator[Recording]:
        recorder = await asyncio.create_subprocess_exec(
            "parec",
            "--raw",
            f"--device={sink}.monitor",
            f"--rate={RATE}",
            "--channels=1",
            "--format=s16le",
            "--latency-msec=20",
            stdout=asyncio.subprocess.PIPE,
            env=self.environment,
        )
        recording = Recording(recorder)
        async with asyncio.TaskGroup() as group:
            group.create_task(recording.pump())
            try:
                await recording.until(0.05)
                yield recording
            finally:
                if recorder.returncode is None:
                    recorder.kill()
                await recorder.wait()


@contextmanager
def sound_server(folder: Path) -> Iterator[Hall]:
    socket = folder / "sound.sock"
    daemon = subprocess.Popen(
        [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
            "--log-level=info",
            "--log-target=stderr",
            "-L",
            "module-null-sink sink_name=hall rate=48000 channels=1 format=s16le",
            "-L",
            "module-null-sink sink_name=atm rate=48000 channels=1 format=s16le",
            "-L",
            f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ)
        | {
            "LC_ALL": "C",
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "runtime"),
        },
    )
    assert daemon.stderr is not None
    lines = iter(daemon.stderr)
    try:
        assert any("startup complete" in line for line in lines), "PulseAudio did not start"
        drain = threading.Thread(target=lambda: deque(lines, maxlen=0))
        drain.start()
        yield Hall(f"unix:{socket}")
    finally:
        daemon.terminate()
        daemon.wait()
    drain.join()
    daemon.stderr.close()


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with sound_server(tmp_path_factory.mktemp("hall")) as hall:
        yield hall


@pytest.fixture
async def context() -> AsyncIterator[AdapterContext]:
    async with make_context() as context:
        yield context


def settings(hall: Hall, **changes: object) -> LocalSpeakerConfig:
    return LocalSpeakerConfig.model_validate(
        {
            "name": "hall",
            "adapter": "voice.local",
            "server": hall.server,
            # More than the default: the machine that runs tests is busy, and gaps fail the proof.
            "latency_ms": 400,
            "speakers": [{"name": "lobby", "device": "hall"}, {"name": "atm-1", "device": "atm"}],
        }
        | changes
    )


def speech(key: str, *, text: str = "", chime: bool = True, drill: bool = False) -> Speech:
    prompt = next(prompt for prompt in PromptLibrary() if prompt.key == key)
    name, variant, version, language = key.split(".")
    script = ScriptRef(name, variant, language, int(version[1:]), "0" * 64)
    return Speech(text or prompt.text, script, chime=chime, drill=drill)


def submission(
    context: AdapterContext,
    id_: int,
    what: Speech,
    *,
    lane: Lane = Lane.BULK,
    to: str = "lobby",
    within: float = 600.0,
) -> Submission:
    not_after = context.clock.millis() + round(within * 1000)
    return Submission(id_, 0, lane, speaker(to), what, not_after)


async def planned(what: Speech) -> Sound:
    cut = Studio(PromptLibrary(), Espeak()).make(what)
    return cut.programme.samples()


def proved(reference: Sound, capture: Sound) -> Match:
    return match(reference, capture, reference_rate=RATE, capture_rate=RATE)


class Reader:
    """Reads an adapter's reports, acknowledging each."""

    def __init__(self, adapter: LocalSpeaker) -> None:
        self._batches = adapter.inbound()

    async def next(self) -> DeliveryReport:
        async with asyncio.timeout(LIMIT):
            batch = await anext(self._batches)
        batch.acknowledge()
        (row,) = batch.rows
        assert isinstance(row, DeliveryReport)
        return row


async def sent(adapter: LocalSpeaker, *items: Submission) -> list[Receipt]:
    wire = RecordingWire()
    async with asyncio.timeout(LIMIT):
        await adapter.submit(items, wire)
    wire.check()
    return [wire.receipts[item.id, item.part] for item in items]


async def test_the_event_loop_stays_free_while_a_prompt_plays(
    hall: Hall, context: AdapterContext
) -> None:
    """Its longest wait for a turn, on a busy machine, is far below the length of the pipe."""
    loop = asyncio.get_running_loop()
    beats: list[float] = []

    async def beat() -> None:
        while True:
            beats.append(loop.time())
            await asyncio.sleep(0.002)

    async with LocalSpeaker(settings(hall), context) as adapter, asyncio.TaskGroup() as group:
        beating = group.create_task(beat())
        await sent(adapter, submission(context, 1, speech(POLICE)))
        await Reader(adapter).next()
        beating.cancel()
    gaps = np.diff(beats)
    assert len(gaps) > 500
    assert gaps.max() < 0.4


async def test_the_prompt_comes_out_of_the_speaker(hall: Hall, context: AdapterContext) -> None:
    what = speech(POLICE)
    reference = await planned(what)
    async with hall.recorded() as recording, LocalSpeaker(settings(hall), context) as adapter:
        (receipt,) = await sent(adapter, submission(context, 7, what))
        report = await Reader(adapter).next()
        capture = await recording.finish()
    assert (receipt.kind, receipt.proof) == (ReceiptKind.SENT, Proof.TAKEN)
    assert (report.kind, report.id, report.part) == (ReportKind.PLAYED, 7, 0)
    assert report.proof is Proof.DEVICE
    assert abs(report.duration_ms - len(reference) * 1000 / RATE) <= 550
    assert "sha256=" in report.detail
    found = proved(reference, capture)
    assert found.passed, found
    assert found.outside_dbfs < -60, "nothing but the prompt"
    others = [prompt for prompt in PromptLibrary() if prompt.key != POLICE][:20]
    for other in others:
        assert not proved(other.samples(), capture).passed, other.key


async def test_an_urgent_warning_fades_a_routine_one_out_and_is_whole(
    hall: Hall, context: AdapterContext
) -> None:
    routine, urgent = speech(GENERIC, chime=False), speech(POLICE)
    async with hall.recorded() as recording, LocalSpeaker(settings(hall), context) as adapter:
        await sent(adapter, submission(context, 1, routine))
        await recording.until_heard(1.5)  # the middle of its text
        (receipt,) = await sent(adapter, submission(context, 2, urgent, lane=Lane.URGENT))
        reader = Reader(adapter)
        first, second = await reader.next(), await reader.next()
        capture = await recording.finish()
    assert receipt.kind is ReceiptKind.SENT
    assert (first.kind, first.id, first.code) == (ReportKind.INTERRUPTED, 1, "preempted")
    assert 1700 <= first.duration_ms <= 3500
    assert (second.kind, second.id) == (ReportKind.PLAYED, 2)
    whole = await planned(routine)
    heard = whole[: (first.duration_ms - 60) * RATE // 1000]
    head, tail = proved(heard, capture), proved(await planned(urgent), capture)
    assert head.passed, head
    assert tail.passed, tail
    # From the end of the fade to the beginning of the urgent programme's own lead-in.
    gap_ms = tail.lag_ms - (head.lag_ms + first.duration_ms)
    assert -50 <= gap_ms <= 1000
    assert not proved(whole, capture).passed


async def test_equals_queue_in_order_and_never_overlap(hall: Hall, context: AdapterContext) -> None:
    one, two = speech(POLICE, chime=False), speech(GENERIC, chime=False)
    async with hall.recorded() as recording, LocalSpeaker(settings(hall), context) as adapter:
        receipts = await sent(adapter, submission(context, 1, one), submission(context, 2, two))
        reader = Reader(adapter)
        reports = [await reader.next(), await reader.next()]
        capture = await recording.finish()
    assert [receipt.kind for receipt in receipts] == [ReceiptKind.SENT] * 2
    assert [(r.id, r.kind) for r in reports] == [(1, ReportKind.PLAYED), (2, ReportKind.PLAYED)]
    first, second = await planned(one), await planned(two)
    head, tail = proved(first, capture), proved(second, capture)
    assert head.passed, head
    assert tail.passed, tail
    assert tail.lag_ms >= head.lag_ms + len(first) * 1000 / RATE - 1


async def test_two_speakers_play_at_the_same_time(hall: Hall, context: AdapterContext) -> None:
    what = speech(POLICE)
    async with (
        hall.recorded("hall") as in_hall,
        hall.recorded("atm") as at_atm,
        LocalSpeaker(settings(hall), context) as adapter,
    ):
        await sent(
            adapter,
            submission(context, 1, what, to="lobby"),
            submission(context, 2, what, to="atm-1"),
        )
        reader = Reader(adapter)
        reports = [await reader.next(), await reader.next()]
        captures = [await in_hall.finish(), await at_atm.finish()]
    assert {report.id for report in reports} == {1, 2}
    assert all(report.kind is ReportKind.PLAYED for report in reports)
    reference = await planned(what)
    assert all(proved(reference, capture).passed for capture in captures)


async def test_a_drill_says_so_before_the_text(hall: Hall, context: AdapterContext) -> None:
    what = speech(SHORT, drill=True, chime=False)
    async with hall.recorded() as recording, LocalSpeaker(settings(hall), context) as adapter:
        await sent(adapter, submission(context, 1, what))
        await Reader(adapter).next()
        capture = await recording.finish()
    clip = PromptLibrary().clip("drill-prefix", "zh-CN")
    assert clip is not None
    text = await planned(speech(SHORT, chime=False))
    mark, body = proved(clip.samples(), capture), proved(text, capture)
    assert mark.passed, mark
    assert body.passed, body
    assert mark.lag_ms < body.lag_ms + 300


async def test_quiet_hours_and_volume_are_heard_in_the_capture(
    hall: Hall, context: AdapterContext
) -> None:
    what = speech(SHORT, chime=False)
    softly = settings(
        hall, volume_db=-4.0, quiet_from="00:00", quiet_to="23:59:59.999999", quiet_volume_db=-6.0
    )
    async with hall.recorded() as recording, LocalSpeaker(softly, context) as adapter:
        await sent(adapter, submission(context, 1, what))
        await Reader(adapter).next()
        capture = await recording.finish()
    reference = await planned(what)
    found = proved(reference, capture)
    assert found.passed, found
    change = 10 * np.log10(np.sum(capture**2) / np.sum(reference**2))
    assert change == pytest.approx(-10.0, abs=0.5)


async def test_a_late_or_repeated_one_makes_no_sound(hall: Hall, context: AdapterContext) -> None:
    what = speech(SHORT)
    async with hall.recorded() as recording, LocalSpeaker(settings(hall), context) as adapter:
        wire = RecordingWire()
        await adapter.submit([submission(context, 1, what, within=-1.0)], wire)
        assert (wire.written, wire.receipts) == ({}, {}), "it goes back to the queue, to expire"
        await sent(adapter, submission(context, 2, what))
        (again,) = await sent(adapter, submission(context, 3, what))
        await Reader(adapter).next()
        capture = await recording.finish()
    assert (again.kind, again.scope) == (ReceiptKind.PERMANENT, Scope.RECIPIENT)
    assert again.code == "duplicate"
    found = proved(await planned(what), capture)
    assert found.passed
    assert found.outside_dbfs < -60


async def test_a_missing_device_is_named_and_the_next_prompt_works(
    hall: Hall, context: AdapterContext
) -> None:
    config = settings(
        hall, speakers=[{"name": "lobby", "device": "hall"}, {"name": "gone", "device": "usb-7"}]
    )
    async with LocalSpeaker(config, context) as adapter:
        (lost,) = await sent(adapter, submission(context, 1, speech(SHORT), to="gone"))
        (fine,) = await sent(adapter, submission(context, 2, speech(SHORT)))
        health = await adapter.health()
    assert (lost.kind, lost.scope) == (ReceiptKind.TEMPORARY, Scope.RECIPIENT)
    assert lost.code == "no-device"
    assert "usb-7" in lost.detail
    assert "fzalert check --online" in lost.detail
    assert fine.kind is ReceiptKind.SENT
    assert health.state is HealthState.SLOW
    assert "usb-7" in health.detail


async def test_without_a_sound_server_the_channel_is_down_at_once(
    tmp_path: Path, context: AdapterContext
) -> None:
    nowhere = Hall(f"unix:{tmp_path / 'nothing.sock'}")
    async with LocalSpeaker(settings(nowhere), context) as adapter:
        async with asyncio.timeout(5):
            (receipt,) = await sent(adapter, submission(context, 1, speech(SHORT)))
        health = await adapter.health()
    assert (receipt.kind, receipt.scope) == (ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL)
    assert receipt.code == "no-sound-server"
    assert health.state is HealthState.DOWN


async def test_a_server_that_dies_under_a_prompt_interrupts_it(
    tmp_path: Path, context: AdapterContext
) -> None:
    with sound_server(tmp_path) as hall:
        await _dies(hall, context)


async def _dies(hall: Hall, context: AdapterContext) -> None:
    async with LocalSpeaker(settings(hall), context) as adapter:
        await sent(adapter, submission(context, 1, speech(GENERIC)))
        leave = await asyncio.create_subprocess_exec("pactl", "exit", env=hall.environment)
        await leave.wait()
        report = await Reader(adapter).next()
    assert (report.kind, report.code) == (ReportKind.INTERRUPTED, "device-lost")
    assert report.duration_ms < 5000


async def test_a_stop_is_silence_at_once(hall: Hall, context: AdapterContext) -> None:
    config = settings(hall, latency_ms=100)
    async with hall.recorded() as recording:
        async with LocalSpeaker(config, context) as adapter:
            await sent(adapter, submission(context, 1, speech(GENERIC, chime=False)))
            await recording.until_heard(1.0)
            reader = Reader(adapter)
            at = len(recording.sound())
        report = await reader.next()
        capture = await recording.finish()
    assert report.kind is ReportKind.INTERRUPTED
    # The server's buffer, the fade and the recorder's own delay; a busy machine gets some grace.
    heard = np.flatnonzero(np.abs(capture) > AUDIBLE)
    assert (heard[-1] - at) * 1000 / RATE <= 400
    assert (heard[-1] - heard[0]) * 1000 / RATE <= report.duration_ms


async def test_closing_fades_out_and_says_so(hall: Hall) -> None:
    async with make_context() as context, hall.recorded() as recording:
        adapter = LocalSpeaker(settings(hall), context)
        async with adapter:
            await sent(adapter, submission(context, 1, speech(GENERIC)))
            reader = Reader(adapter)
        report = await reader.next()
        assert context.background.running == ()
        capture = await recording.finish()
    assert (report.kind, report.code) == (ReportKind.INTERRUPTED, "closed")
    assert not np.abs(capture[-RATE // 5 :]).any()


async def test_probe_lists_the_devices_and_checks_each_speaker(hall: Hall) -> None:
    config = settings(
        hall, speakers=[{"name": "lobby", "device": "hall"}, {"name": "gone", "device": "usb-7"}]
    )
    lines = await probe(config)
    assert any("hall" in line and line.startswith("·") for line in lines)
    assert any("lobby" in line and line.startswith("✓") for line in lines)
    assert any("usb-7" in line and line.startswith("✗") for line in lines)


async def test_a_text_without_a_recording_is_spoken_and_marked_poor(
    hall: Hall, context: AdapterContext
) -> None:
    what = speech(POLICE, text="请立即停止转账，拨打九六幺幺零。", chime=False)
    async with hall.recorded() as recording, LocalSpeaker(settings(hall), context) as adapter:
        await sent(adapter, submission(context, 1, what))
        report = await Reader(adapter).next()
        capture = await recording.finish()
    assert report.kind is ReportKind.PLAYED
    assert "voice_quality=poor" in report.detail
    assert proved(await planned(what), capture).passed


CHILD = """
import asyncio, sys
from fzalert.testing import RecordingWire, make_context
from fzalert_voice.local import LocalSpeaker, LocalSpeakerConfig
from fzalert.messages import Lane, ScriptRef, Speech, speaker
from fzalert.ports import Submission
from fzalert_voice.library import PromptLibrary

async def main(server: str) -> None:
    config = LocalSpeakerConfig.model_validate({
        "name": "hall", "adapter": "voice.local", "server": server,
        "speakers": [{"name": "lobby", "device": "hall"}]})
    prompt = next(p for p in PromptLibrary() if p.key == "generic.general.v1.zh-CN")
    script = ScriptRef("generic", "general", "zh-CN", 1, "0" * 64)
    async with make_context() as context, LocalSpeaker(config, context) as adapter:
        what = Speech(prompt.text, script, repeats=3)
        item = Submission(1, 0, Lane.URGENT, speaker("lobby"), what, context.clock.millis() + 60000)
        await adapter.submit([item], RecordingWire())
        print("playing", flush=True)
        await asyncio.sleep(60)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_killed_process_falls_silent_within_two_seconds(hall: Hall) -> None:
    async with hall.recorded() as recording:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, hall.server, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert child.stdout is not None
            async with asyncio.timeout(LIMIT):
                assert await child.stdout.readline() == b"playing\n"
            await recording.until_heard(1.5)  # the middle of the text
            os.kill(child.pid, signal.SIGKILL)
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
            await child.wait()
        await recording.until(2.0)
        capture = await recording.finish()
    assert np.abs(capture).max() > 0.05, "it did play"
    assert not np.abs(capture[-RATE // 2 :]).any(), "and then it was silent"
    inputs = await asyncio.create_subprocess_exec(
        "pactl",
        "list",
        "short",
        "sink-inputs",
        stdout=asyncio.subprocess.PIPE,
        env=hall.environment,
    )
    out, _ = await inputs.communicate()
    assert out == b"", "no orphan goes on playing"


async def test_what_a_crash_cut_off_is_reported_and_not_played_again(
    hall: Hall, context: AdapterContext
) -> None:
    rows = MemoryState({"playing/41.0": b"lobby"})
    async with make_context(state=rows) as restarted, hall.recorded() as recording:
        async with LocalSpeaker(settings(hall), restarted) as adapter:
            report = await Reader(adapter).next()
        capture = await recording.finish()
    assert (report.kind, report.id, report.proof) == (ReportKind.INTERRUPTED, 41, Proof.NONE)
    assert rows.rows == {}
    assert not np.abs(capture).any()


async def test_many_prompts_leave_no_process_and_no_descriptor(
    hall: Hall, context: AdapterContext
) -> None:
    config = settings(hall, min_interval=0.0, max_plays_per_hour=720)
    before = len(os.listdir("/proc/self/fd"))
    async with LocalSpeaker(config, context) as adapter:
        reader = Reader(adapter)
        for number in range(1, 4):
            what = speech("drill-prefix.clip.v1.zh-CN", chime=False)
            await sent(adapter, submission(context, number, what))
            assert (await reader.next()).kind is ReportKind.PLAYED
    assert len(os.listdir("/proc/self/fd")) <= before + 1
