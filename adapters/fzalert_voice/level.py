"""Loudness and peaks: measure them, and bring a sound to the house's level.

Everything here takes and gives mono samples, float64, full scale ±1, at 48 kHz.

Source: ITU-R BS.1770-4 annexes 1 (loudness, gating) and 2 (true peak).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = [
    "CEILING_DBTP",
    "RATE",
    "TARGET_LUFS",
    "Samples",
    "decibels",
    "gain",
    "loudness",
    "mono",
    "resample",
    "to_level",
    "true_peak",
]

Samples = NDArray[np.float64]

RATE: Final = 48_000
TARGET_LUFS: Final = -18.0
CEILING_DBTP: Final = -2.0

_SILENT_LUFS: Final = -70.0
_RELATIVE_GATE: Final = -10.0
_BLOCK: Final = RATE * 400 // 1000
_STEP: Final = RATE * 100 // 1000
# BS.1770-4 tables 1 and 2, at 48 kHz: the shelf of the head, then the high-pass.
_SHELF: Final = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285),
    (1.0, -1.69065929318241, 0.73248077421585),
)
_HIGH_PASS: Final = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))


def gain(decibel: float) -> float:
    """Turn decibels into a factor."""
    return float(10.0 ** (decibel / 20.0))


def decibels(factor: float) -> float:
    """Turn a factor into decibels; silence is −200."""
    return float(20.0 * np.log10(max(factor, 1e-10)))


def mono(samples: Samples) -> Samples:
    """Average the channels of frames × channels."""
    return np.ascontiguousarray(samples.mean(axis=1))


def resample(samples: Samples, rate: int, to_rate: int) -> Samples:
    """Change the sample rate; levels are measured after this, never before."""
    if rate == to_rate:
        return samples
    changed: Samples = soxr.resample(samples, rate, to_rate)
    return changed


def loudness(samples: Samples) -> float:
    """Measure integrated loudness in LUFS; −inf where nothing passes the gate.

    A sound shorter than one gating block of 400 ms is measured as one block with silence.
    """
    weighted = _weigh(samples)
    if len(weighted) < _BLOCK:
        weighted = np.concatenate([weighted, np.zeros(_BLOCK - len(weighted))])
    energy = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, len(weighted) - _BLOCK + 1, _STEP)
    blocks = (energy[starts + _BLOCK] - energy[starts]) / _BLOCK
    heard = blocks[_lufs(blocks) > _SILENT_LUFS]
    if not heard.size:
        return float("-inf")
    gate = float(_lufs(heard.mean())) + _RELATIVE_GATE
    return float(_lufs(heard[_lufs(heard) > gate].mean()))


def true_peak(samples: Samples) -> float:
    """Measure the peak between the samples too, in dBTP, at four times the rate."""
    if not samples.size:
        return decibels(0.0)
    return decibels(float(np.abs(soxr.resample(samples, RATE, RATE * 4)).max()))


def to_level(
    samples: Samples, *, target: float = TARGET_LUFS, ceiling: float = CEILING_DBTP
) -> Samples:
    """Bring a sound to a loudness: measure, then one linear gain.

    Only single peaks over the ceiling are held down, with a look-ahead of 5 ms, and what that
    costs is given back.

    Raises:
        ValueError: The sound is silence.
    """
    for _ in range(4):
        measured = loudness(samples)
        if measured == float("-inf"):
            raise ValueError("silence has no loudness")
        samples = samples * gain(target - measured)
        if true_peak(samples) <= ceiling:
            return samples
        samples = _hold_peaks(samples, ceiling)
    return samples


def _lufs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(-0.691 + 10.0 * np.log10(np.maximum(power, 1e-20)))


def _weigh(samples: Samples) -> Samples:
    """Filter by the two K-weighting stages, in the frequency domain.

    A second of silence behind the sound keeps its end from wrapping round to its start.
    """
    size = 1 << (len(samples) + RATE - 1).bit_length()
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    spectrum = np.fft.rfft(samples, size)
    for (b0, b1, b2), (a0, a1, a2) in (_SHELF, _HIGH_PASS):
        spectrum *= (b0 + b1 * z + b2 * z * z) / (a0 + a1 * z + a2 * z * z)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(samples)], dtype=np.float64)


def _hold_peaks(samples: Samples, ceiling: float) -> Samples:
    """Lower the gain around peaks that go over the ceiling, smoothly, before and after them."""
    dense = np.abs(soxr.resample(samples, RATE, RATE * 4))
    dense = np.pad(dense, (0, max(0, 4 * len(samples) - len(dense))))[: 4 * len(samples)]
    peaks = dense.reshape(-1, 4).max(axis=1)
    needed = np.minimum(1.0, gain(ceiling - 0.1) / np.maximum(peaks, 1e-9))
    reach = RATE * 5 // 1000
    lowest = sliding_window_view(np.pad(needed, 2 * reach, mode="edge"), 2 * reach + 1).min(axis=1)
    ramp = np.hanning(2 * reach + 3)[1:-1]
    return samples * np.convolve(lowest, ramp / ramp.sum(), mode="valid")
