"""The prompt library: exact texts, checked sounds, own recordings first."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fzalert.messages import ScriptRef, Speech
from fzalert_voice.level import RATE, loudness
from fzalert_voice.library import LibraryFault, PromptLibrary, read_manifest
from fzalert_voice.studio import Studio
from fzalert_voice.synthesis import SynthesisFault

TEXT = "有人叫您转钱。先别动。问问家人。问问柜台。"
SCRIPT = ScriptRef("generic", "elderly", "zh", 1, "0" * 64)


def own_library(folder: Path, **changes: Any) -> Path:
    """A customer's library: one prompt, a tone of two seconds at 24 kHz, in stereo."""
    time = np.arange(48_000) / 24_000
    tone = 0.2 * np.sin(2 * np.pi * 440 * time) * (np.sin(9 * time) > -0.8)
    path = folder / "zh-CN" / "own.wav"
    path.parent.mkdir()
    soundfile.write(path, np.stack([tone, tone], axis=1), 24_000, subtype="PCM_24")
    prompt = {
        "key": "generic.general.v1.zh-CN.own",
        "script_id": "generic",
        "variant": "general",
        "version": 1,
        "language": "zh-CN",
        "text": TEXT,
        "file": "zh-CN/own.wav",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "consent": "K-17",
    }
    manifest = {"schema": 1, "prompts": [prompt | changes]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_every_shipped_prompt_is_what_its_manifest_says_and_at_its_level() -> None:
    prompts = list(PromptLibrary())
    assert prompts
    for prompt in prompts:
        sound = prompt.samples()
        assert loudness(sound) == pytest.approx(-18.0, abs=0.5), prompt.key
        assert 0.5 < len(sound) / RATE < 20, prompt.key


def test_a_prompt_is_found_by_its_exact_text_alone() -> None:
    library = PromptLibrary()
    found = library.find(SCRIPT, TEXT)
    assert found is not None
    assert (found.key, found.text) == ("generic.elderly.v1.zh-CN", TEXT)
    assert library.find(SCRIPT, TEXT[:-1]) is None
    for other in (
        ScriptRef("other", "elderly", "zh-CN", 1, ""),
        ScriptRef("generic", "elderly", "zh-CN", 2, ""),
        ScriptRef("generic", "elderly", "bo", 1, ""),
    ):
        assert library.find(other, TEXT) is None
    assert library.find(SCRIPT, TEXT, "en") is None


def test_the_drill_clip_is_there() -> None:
    clip = PromptLibrary().clip("drill-prefix", "zh-CN")
    assert clip is not None
    assert clip.text == "这是演练。"


def test_own_recordings_go_before_the_shipped_ones(tmp_path: Path) -> None:
    found = PromptLibrary(own_library(tmp_path)).find(SCRIPT, TEXT, "zh-CN")
    assert found is not None
    assert found.own
    sound = found.samples()
    assert len(sound) == pytest.approx(2 * RATE, abs=2)
    assert sound.ndim == 1


@pytest.mark.parametrize(
    "changes",
    [{"file": "../own.wav"}, {"file": "/own.wav"}, {"sha256": "x"}, {"variant": "loud"}],
)
def test_a_manifest_that_is_wrong_is_refused_whole(tmp_path: Path, changes: dict[str, str]) -> None:
    folder = own_library(tmp_path, **changes)
    with pytest.raises(LibraryFault, match="prompts"):
        read_manifest(folder)


def test_a_folder_without_a_manifest_says_so(tmp_path: Path) -> None:
    with pytest.raises(LibraryFault, match=r"manifest\.json"):
        PromptLibrary(tmp_path)


def test_a_changed_sound_is_never_played(tmp_path: Path) -> None:
    folder = own_library(tmp_path)
    (folder / "zh-CN" / "own.wav").write_bytes(b"RIFF")
    found = PromptLibrary(folder).find(SCRIPT, TEXT)
    assert found is not None
    with pytest.raises(LibraryFault, match="not the file of its manifest"):
        found.samples()


@pytest.mark.parametrize("data", [b"no sound at all", b""])
def test_a_file_that_is_no_sound_says_so(tmp_path: Path, data: bytes) -> None:
    folder = own_library(tmp_path, sha256=hashlib.sha256(data).hexdigest())
    (folder / "zh-CN" / "own.wav").write_bytes(data)
    found = PromptLibrary(folder).find(SCRIPT, TEXT)
    assert found is not None
    with pytest.raises(LibraryFault, match="decoded"):
        found.samples()


def test_the_studio_names_the_prompt() -> None:
    cut = Studio(PromptLibrary(), None).make(Speech(TEXT, SCRIPT), volume_db=-3.0)
    assert "generic.elderly.v1.zh-CN" in cut.source
    assert "sha256=" in cut.source
    assert cut.programme.gain_db == -3.0


def test_without_synthesis_another_text_is_refused() -> None:
    studio = Studio(PromptLibrary(), None)
    with pytest.raises(SynthesisFault, match="no recording"):
        studio.make(Speech(TEXT + "快。", SCRIPT))
