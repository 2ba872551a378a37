"""Settings of local speakers, what they refuse, and what the channel says before it is open."""

import os
import re
import wave
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fzalert.messages import (
    DeliveryReport,
    Lane,
    Proof,
    ReceiptKind,
    RenditionKind,
    ReportKind,
    Scope,
    ScriptRef,
    Speech,
    TargetKind,
    display,
    speaker,
)
from fzalert.ports import Adapter, ChannelConfig, HealthState, Submission
from fzalert.testing import RecordingWire, make_context, sample_rendition
from fzalert_voice.local import LocalSpeaker, LocalSpeakerConfig, probe

TEXT = "有人叫您转钱。先别动。问问家人。问问柜台。"
SCRIPT = ScriptRef("generic", "elderly", "zh", 1, "0" * 64)


def settings(*speakers: dict[str, Any], **changes: Any) -> LocalSpeakerConfig:
    return LocalSpeakerConfig.model_validate(
        {"name": "hall", "adapter": "voice.local", "speakers": speakers} | changes
    )


def seconds(file: Path) -> float:
    with wave.open(str(file)) as reader:
        return float(reader.getnframes() / reader.getframerate())


@pytest.mark.parametrize(
    ("speakers", "changes", "words"),
    [
        ([], {}, "at least 1"),
        ([{"name": "a"}], {}, "exactly one"),
        ([{"name": "a", "device": "default", "wav": "/x.wav"}], {}, "exactly one"),
        ([{"name": "a", "device": "x"}, {"name": "a", "device": "y"}], {}, "named twice: a"),
        ([{"name": "a", "device": "--server=evil"}], {}, "pattern"),
        ([{"name": "a b", "device": "x"}], {}, "pattern"),
        ([{"name": "a", "device": "x"}], {"quiet_from": "22:00"}, "belong together"),
        ([{"name": "a", "device": "x"}], {"library": "/nonexistent"}, "no readable manifest"),
        ([{"name": "a", "device": "x"}], {"volume_db": 40}, "less than or equal"),
        ([{"name": "a", "device": "x"}], {"loud": True}, "not permitted"),
    ],
)
def test_wrong_settings_are_named(
    speakers: list[dict[str, Any]], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(*speakers, **changes)


def test_every_setting_says_what_it_is() -> None:
    own = LocalSpeakerConfig.model_fields.keys() - ChannelConfig.model_fields.keys()
    assert all(LocalSpeakerConfig.model_fields[name].description for name in own)


async def test_the_capabilities_name_the_speakers() -> None:
    config = settings({"name": "lobby", "device": "default"}, {"name": "atm-1", "wav": "a.wav"})
    async with make_context() as context:
        adapter: Adapter = LocalSpeaker(config, context)
        capabilities = adapter.capabilities
        assert capabilities.kinds == {TargetKind.SPEAKER}
        assert capabilities.addresses == frozenset({"lobby", "atm-1"})
        assert capabilities.reports == {ReportKind.PLAYED, ReportKind.INTERRUPTED}
        with pytest.raises(TypeError):
            LocalSpeaker(ChannelConfig(name="x", adapter="y"), context)


async def test_what_cannot_be_played_is_refused_with_words(tmp_path: Path) -> None:
    config = settings(
        {"name": "lobby", "wav": str(tmp_path / "out.wav")}, synthesis=False, max_urgent_seconds=9
    )
    later = 10**15
    speech = Speech(TEXT, SCRIPT)
    wire = RecordingWire()
    cases = {
        1: (speaker("hall-9"), speech, "unknown-speaker"),
        2: (display("lobby"), speech, "unknown-speaker"),
        3: (speaker("lobby"), sample_rendition(RenditionKind.MAIL), "wrong-rendition"),
        4: (speaker("lobby"), Speech(TEXT, SCRIPT, repeats=2), "too-long"),
        5: (speaker("lobby"), Speech(TEXT + "快。", SCRIPT), "no-voice"),
    }
    async with make_context() as context, LocalSpeaker(config, context) as adapter:
        for id_, (target, rendition, _) in cases.items():
            await adapter.submit([Submission(id_, 0, Lane.URGENT, target, rendition, later)], wire)
    assert not wire.written
    assert not (tmp_path / "out.wav").exists()
    for id_, (_, _, code) in cases.items():
        receipt = wire.receipts[id_, 0]
        assert (receipt.kind, receipt.code) == (ReceiptKind.PERMANENT, code)
        assert receipt.detail
    measured = re.search(r"语音长 (\d+\.\d) 秒", wire.receipts[4, 0].detail)
    assert measured is not None
    assert float(measured[1]) > 9, "the measured length stands beside the limit"


async def test_a_file_in_place_of_a_device_is_whole_and_proves_no_sound(tmp_path: Path) -> None:
    file = tmp_path / "out.wav"
    config = settings({"name": "lobby", "wav": str(file)})
    wire = RecordingWire()
    item = Submission(7, 0, Lane.BULK, speaker("lobby"), Speech(TEXT, SCRIPT), 10**15)
    async with make_context() as context, LocalSpeaker(config, context) as adapter:
        await adapter.submit([item], wire)
        batch = await anext(adapter.inbound())
        batch.acknowledge()
        (report,) = batch.rows
        await adapter.submit([item._replace(id=8)], wire)
        assert (await adapter.health()).state is HealthState.UP
    assert wire.receipts[7, 0].kind is ReceiptKind.SENT
    assert isinstance(report, DeliveryReport)
    assert (report.kind, report.id, report.proof) == (ReportKind.PLAYED, 7, Proof.TAKEN)
    assert "file=out.wav" in report.detail
    assert os.listdir(tmp_path) == ["out.wav"]
    assert seconds(file) > 5
    again = wire.receipts[8, 0]
    assert (again.kind, again.scope, again.code) == (
        ReceiptKind.PERMANENT,
        Scope.RECIPIENT,
        "duplicate",
    )


async def test_a_folder_that_is_missing_is_a_temporary_fault(tmp_path: Path) -> None:
    config = settings({"name": "lobby", "wav": str(tmp_path / "no" / "out.wav")})
    wire = RecordingWire()
    item = Submission(7, 0, Lane.BULK, speaker("lobby"), Speech(TEXT, SCRIPT), 10**15)
    async with make_context() as context, LocalSpeaker(config, context) as adapter:
        await adapter.submit([item], wire)
        assert (await adapter.health()).state is HealthState.DOWN
    assert (wire.receipts[7, 0].kind, wire.receipts[7, 0].code) == (
        ReceiptKind.TEMPORARY,
        "no-file",
    )
    assert any(line.startswith("✗") for line in await probe(config))
