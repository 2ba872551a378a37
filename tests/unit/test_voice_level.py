"""Loudness and peaks against the published numbers and against a meter that we did not write."""

import json
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert_voice.level import RATE, Samples, gain, loudness, mono, resample, to_level, true_peak

CASES = json.loads((Path(__file__).parents[1] / "cases/voice/loudness.json").read_bytes())
METER = pyloudnorm.Meter(RATE)


def sine(hertz: float, peak_dbfs: float, seconds: float, rate: int = RATE) -> Samples:
    return gain(peak_dbfs) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def babble(seconds: float, seed: int = 1) -> Samples:
    """Noise that comes and goes as syllables do."""
    noise = np.random.default_rng(seed).normal(size=round(seconds * RATE))
    time = np.arange(len(noise)) / RATE
    return np.asarray(0.1 * noise * np.clip(np.sin(2 * np.pi * 3.3 * time), 0.02, 1.0))


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: f"{case['sine_hz']} Hz")
def test_sines_read_what_the_standard_says(case: dict[str, float]) -> None:
    sound = sine(case["sine_hz"], case["peak_dbfs"], case["seconds"])
    assert loudness(sound) == pytest.approx(case["lufs_mono"], abs=CASES["tolerance_lu"])


@pytest.mark.parametrize("seconds", [0.9, 2.0, 6.5])
def test_it_agrees_with_another_meter(seconds: float) -> None:
    sound = babble(seconds)
    assert loudness(sound) == pytest.approx(METER.integrated_loudness(sound), abs=0.15)


def test_silence_and_short_sounds_have_an_answer() -> None:
    assert loudness(np.zeros(RATE)) == float("-inf")
    assert loudness(np.zeros(0)) == float("-inf")
    assert -40 < loudness(sine(997, -18, 0.2)) < -18
    with pytest.raises(ValueError, match="silence"):
        to_level(np.zeros(RATE))


def test_pauses_do_not_change_the_loudness() -> None:
    sound = babble(4.0)
    pause = np.zeros(RATE * 3 // 2)
    twice = np.concatenate([sound, pause, sound])
    assert loudness(twice) == pytest.approx(loudness(sound), abs=0.2)


@given(volume=st.floats(-35, 20), seed=st.integers(0, 50))
def test_any_volume_comes_to_the_level_under_the_ceiling(volume: float, seed: int) -> None:
    levelled = to_level(gain(volume) * babble(1.0, seed))
    assert METER.integrated_loudness(levelled) == pytest.approx(
        CASES["prompt_target_lufs"], abs=0.3
    )
    assert true_peak(levelled) <= CASES["true_peak_max_dbtp"] + 0.05


def test_a_lone_peak_is_held_and_the_rest_is_untouched() -> None:
    sound = sine(400, -15, 3.0)
    sound[RATE : RATE + 20] *= 5.0
    levelled = to_level(sound)
    assert true_peak(levelled) <= -1.95
    factor = levelled[: RATE // 2] / np.where(sound[: RATE // 2] == 0, 1, sound[: RATE // 2])
    assert np.ptp(factor[1:]) < 1e-9
    assert loudness(levelled) == pytest.approx(-18.0, abs=0.3)


def test_a_peak_between_the_samples_is_seen() -> None:
    time = np.arange(RATE) / RATE
    between = np.sin(2 * np.pi * (RATE / 4) * time + np.pi / 4)
    assert np.abs(between).max() < 0.71
    assert true_peak(between) == pytest.approx(0.0, abs=0.6)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100])
def test_other_rates_arrive_with_their_length_and_level(rate: int) -> None:
    sound = resample(sine(997, -18, 3.0, rate), rate, RATE)
    assert len(sound) == pytest.approx(3 * RATE, abs=2)
    assert loudness(sound) == pytest.approx(-21.0, abs=0.15)


def test_stereo_becomes_its_mean() -> None:
    left = np.linspace(-1, 1, 100)
    assert np.allclose(mono(np.stack([left, -left], axis=1)), 0)
