"""The parts of a programme: their lengths, levels, order, and the fade that cuts it."""

import io
import wave

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_voice.level import RATE, Samples, to_level, true_peak
from fzalert_voice.programme import FADE_MS, Programme, assemble, chime, fade_out, to_wav

METER = pyloudnorm.Meter(RATE)
MS = RATE // 1000


def tone(hertz: float, milliseconds: int) -> Samples:
    time = np.arange(milliseconds * MS) / RATE
    return to_level(np.sin(2 * np.pi * hertz * time))


TEXT = tone(500, 2000)
CLIP = tone(300, 1000)


def at(programme: Programme, start_ms: int, length_ms: int) -> Samples:
    return programme.samples()[start_ms * MS : (start_ms + length_ms) * MS]


def test_the_chime_is_two_notes_at_its_own_level_and_no_siren() -> None:
    sound = chime()
    assert 600 <= len(sound) / MS <= 1200
    assert METER.integrated_loudness(sound) == pytest.approx(-23.0, abs=0.3)
    assert abs(sound[-1]) < 1e-6
    for start, hertz in ((0, 660), (300, 880)):
        part = sound[start * MS : (start + 250) * MS]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), RATE))
        assert abs(int(np.argmax(spectrum)) - hertz) < 12


def test_a_plain_programme_is_lead_chime_pause_text_tail() -> None:
    programme = assemble(TEXT)
    assert programme.duration_ms == 300 + 900 + 400 + 2000 + 200
    assert programme.text_ms == (1600,)
    assert not at(programme, 0, 300).any()
    assert at(programme, 300, 900).any()
    assert not at(programme, 1200, 400).any()
    assert np.allclose(at(programme, 1600, 2000), TEXT, atol=1 / 32768)
    assert not at(programme, 3600, 200).any()
    assert len(programme.pcm) == programme.duration_ms * MS * 2


def test_a_drill_says_so_first() -> None:
    programme = assemble(TEXT, drill=CLIP, with_chime=False)
    assert np.allclose(at(programme, 300, 1000), CLIP, atol=1 / 32768)
    assert not at(programme, 1300, 400).any()
    assert programme.text_ms == (1700,)


def test_repeats_stand_apart_and_change_no_loudness() -> None:
    programme = assemble(TEXT, repeats=3, gap_ms=700, with_chime=False)
    assert programme.text_ms == (300, 3000, 5700)
    assert programme.duration_ms == 300 + 3 * 2000 + 2 * 700 + 200
    for start in programme.text_ms:
        heard = METER.integrated_loudness(at(programme, start, 2000))
        assert heard == pytest.approx(-18.0, abs=0.3)


def test_an_amplifier_that_sleeps_gets_its_time() -> None:
    assert assemble(TEXT, wake_ms=800, with_chime=False).text_ms == (1100,)


@given(volume=st.floats(-40, 12))
def test_volume_is_exact_until_the_peaks_hold_it(volume: float) -> None:
    programme = assemble(TEXT, with_chime=False, volume_db=volume)
    assert true_peak(programme.samples()) <= -1.95
    assert programme.gain_db <= volume
    measured = METER.integrated_loudness(at(programme, 300, 2000))
    assert measured == pytest.approx(programme.lufs, abs=0.3)
    if volume <= 0:
        assert programme.gain_db == volume


@given(at_ms=st.integers(0, 3800))
def test_a_fade_ends_in_silence_within_fifty_milliseconds(at_ms: int) -> None:
    programme = assemble(TEXT)
    place = at_ms * MS * 2
    tail = np.frombuffer(fade_out(programme.pcm, place), dtype="<i2")
    assert len(tail) <= FADE_MS * MS
    whole = np.frombuffer(programme.pcm, dtype="<i2")[place // 2 :][: len(tail)]
    assert np.all(np.abs(tail) <= np.abs(whole))
    assert len(tail) == 0 or abs(int(tail[-1])) <= 1


def test_the_wav_file_holds_the_same_samples() -> None:
    programme = assemble(TEXT)
    with wave.open(io.BytesIO(to_wav(programme.pcm))) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (RATE, 1, 2)
        assert reader.readframes(reader.getnframes()) == programme.pcm
