"""Programmes are cut by a process of its own: the same sound, and no fall of it unnoticed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fzalert.messages import Lane, ReceiptKind, ScriptRef, Speech, speaker
from fzalert.ports import AdapterContext, HealthState, Submission
from fzalert.testing import RecordingWire, make_context
from fzalert.testing.processes import ask_until, poll
from fzalert_voice.cutter import Cutter, CuttingFault
from fzalert_voice.library import PromptLibrary
from fzalert_voice.local import LocalSpeaker, LocalSpeakerConfig
from fzalert_voice.studio import Studio
from fzalert_voice.synthesis import SynthesisFault

PROMPTS = [prompt for prompt in PromptLibrary() if prompt.key.endswith(".general.v1.zh-CN")]


def speech(place: int = 0, **changes: object) -> Speech:
    prompt = PROMPTS[place]
    script = ScriptRef(prompt.key.partition(".")[0], "general", "zh-CN", 1, "0" * 64)
    return Speech(**{"text": prompt.text, "script": script, **changes})  # type: ignore[arg-type]


class Told:
    """What the channel was told about the cutting."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __call__(self, words: str) -> None:
        self.words.append(words)


@pytest.fixture
async def context() -> AsyncIterator[AdapterContext]:
    async with make_context() as made:
        yield made


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def cutter(context: AdapterContext, told: Told) -> AsyncIterator[Cutter]:
    made = Cutter(None, synthesis=False, context=context, told=told)
    yield made
    await made.close()


async def test_it_is_the_same_programme_to_the_byte(cutter: Cutter) -> None:
    for what, volume in ((speech(), 0.0), (speech(1, drill=True, repeats=2), -6.0)):
        here = Studio(PromptLibrary(), None).make(what, wake_ms=250, volume_db=volume)
        assert await cutter.cut(what, wake_ms=250, volume_db=volume) == here
    assert cutter.pid != 0


async def test_a_programme_is_remembered(cutter: Cutter) -> None:
    cut = await cutter.cut(speech())
    os.kill(cutter.pid, signal.SIGSTOP)
    assert await cutter.cut(speech()) is cut


async def test_the_daemon_s_processor_time_is_not_the_worker_s(cutter: Cutter) -> None:
    """What this process works on a cut is moving bytes; the numbers are the other one's."""
    await cutter.cut(speech(0))
    before = os.times()
    for place in range(1, 6):
        await cutter.cut(speech(place))
    after = os.times()
    here = after.user + after.system - before.user - before.system
    studio = Studio(PromptLibrary(), None)
    begun = os.times()
    for place in range(1, 6):
        studio.make(speech(place))
    ended = os.times()
    work = ended.user + ended.system - begun.user - begun.system
    assert here < 0.25 * work


async def test_what_has_no_recording_is_refused_with_its_code(cutter: Cutter) -> None:
    with pytest.raises(SynthesisFault, match="no recording") as refused:
        await cutter.cut(speech(text="您好。"))
    assert (refused.value.code, refused.value.passing) == ("no-voice", False)
    await cutter.cut(speech())


async def test_one_that_dies_is_started_again_and_the_programme_cut(
    cutter: Cutter, told: Told
) -> None:
    await cutter.cut(speech(0))
    first = cutter.pid
    os.kill(first, signal.SIGKILL)
    await poll(lambda: not cutter.pid, "it is gone")
    await cutter.cut(speech(1))
    assert cutter.pid not in {0, first}
    assert told.words[0] == told.words[-1] == ""
    assert "signal 9" in told.words[1]


async def test_one_that_dies_over_a_programme_cuts_it_the_second_time(
    cutter: Cutter, told: Told
) -> None:
    await cutter.cut(speech(0))
    os.kill(cutter.pid, signal.SIGSTOP)
    async with asyncio.TaskGroup() as group:
        cutting = group.create_task(cutter.cut(speech(1)))
        await asyncio.sleep(0)
        os.kill(cutter.pid, signal.SIGKILL)
    assert cutting.result().programme.duration_ms > 1000
    assert "signal 9" in told.words[1]
    assert told.words[-1] == ""


async def test_one_that_is_given_up_leaves_no_answer_for_the_next(cutter: Cutter) -> None:
    await cutter.cut(speech(0))
    pid = cutter.pid
    os.kill(pid, signal.SIGSTOP)
    async with asyncio.TaskGroup() as group:
        cutting = group.create_task(cutter.cut(speech(1)))
        for _ in range(5):
            await asyncio.sleep(0)  # the question is in the pipe
        cutting.cancel()
    os.kill(pid, signal.SIGCONT)
    assert await cutter.cut(speech(2)) == Studio(PromptLibrary(), None).make(speech(2))


async def test_a_process_that_cannot_start_is_told(
    context: AdapterContext, told: Told, tmp_path: Path
) -> None:
    cutter = Cutter(tmp_path / "none", synthesis=False, context=context, told=told)
    with pytest.raises(CuttingFault, match=r"manifest\.json"):
        await cutter.cut(speech())
    assert "manifest.json" in told.words[-1]
    await cutter.close()


async def test_closing_leaves_no_process(context: AdapterContext, told: Told) -> None:
    cutter = Cutter(None, synthesis=False, context=context, told=told)
    await cutter.cut(speech())
    pid = cutter.pid
    await cutter.close()
    assert not _exists(pid)


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_the_channel_says_that_its_cutter_is_dead_and_that_it_is_back(
    context: AdapterContext, tmp_path: Path
) -> None:
    config = LocalSpeakerConfig.model_validate(
        {
            "name": "hall",
            "adapter": "voice.local",
            "speakers": [{"name": "lobby", "wav": str(tmp_path / "lobby.wav")}],
        }
    )

    async def state_is(wanted: HealthState) -> None:
        async def look() -> bool:
            return (await adapter.health()).state is wanted

        await ask_until(look, f"the channel is {wanted}", within=30, every=0.01)

    async with LocalSpeaker(config, context) as adapter:
        wire = RecordingWire()
        await adapter.submit([urgent(context, 1, speech(0))], wire)
        assert wire.receipts[1, 0].kind is ReceiptKind.SENT
        pid = adapter.cutter_pid
        os.kill(pid, signal.SIGKILL)
        await state_is(HealthState.SLOW)
        assert "剪辑进程" in (await adapter.health()).detail
        await adapter.submit([urgent(context, 2, speech(1))], wire)
        assert wire.receipts[2, 0].kind is ReceiptKind.SENT
        await state_is(HealthState.UP)
    assert not _exists(pid)


def urgent(context: AdapterContext, id_: int, what: Speech) -> Submission:
    not_after = context.clock.millis() + 600_000
    return Submission(id_, 0, Lane.URGENT, speaker("lobby"), what, not_after)
