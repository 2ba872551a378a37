"""Proof that what was captured is the prompt: windowed, normalised cross-correlation.

A whole prompt compared at once fails on the clock drift of any real device, so it is compared
second by second: nearly every second of the prompt must be found in the capture, all of them at
the same place relative to each other. numpy is all that this needs.

Measured on codecs, noise and rooms: true prompts score 0.89 and more in their worst second of a
digital path, other prompts of the same voice at most 0.52 in their best.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["NETWORK", "ROOM_MICROPHONE", "Criteria", "Match", "WindowMatch", "match"]

Signal = NDArray[np.float64]

_RATE: Final = 8000
_WINDOW: Final = _RATE
_SHORTEST_TAIL: Final = _RATE // 10
_BLOCK: Final = _RATE * 5 // 1000
# 0.001 % of a window's energy: digital silence in the capture must not win by division.
_ENERGY_FLOOR: Final = 1e-5
# Two places as good as each other, as in a repeated text: the one that fits the others is meant.
_AS_GOOD: Final = 0.02


@dataclass(frozen=True, slots=True)
class Criteria:
    """When a capture counts as proof.

    Attributes:
        window_score: What a second must reach.
        fraction: How many of the seconds must do so.
        lag_ms: How far a second's lag may lie from the median.
        drift_ppm: What two clocks may drift apart, on top of it.
        silent_dbfs: Seconds of the prompt below this level are skipped.
        excuse_first: Leave the first second out, where the report says that the device woke up.
    """

    window_score: float = 0.70
    fraction: float = 0.90
    lag_ms: float = 20.0
    drift_ppm: float = 0.0
    silent_dbfs: float = -45.0
    excuse_first: bool = False


NETWORK: Final = Criteria(drift_ppm=200.0)
"""For a path with two clocks."""
ROOM_MICROPHONE: Final = Criteria(window_score=0.55, fraction=0.60)
"""For a microphone in the room: passing it means that it was likely heard."""
_LOCAL: Final = Criteria()


@dataclass(frozen=True, slots=True)
class WindowMatch:
    """Where one second of the prompt was found.

    Attributes:
        start_ms: Its place in the prompt.
        score: −1 to 1; 1 is the same waveform at any volume.
        lag_ms: Its place in the capture less its place in the prompt.
        passed: Whether both are good enough.
    """

    start_ms: float
    score: float
    lag_ms: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Match:
    """What the comparison found.

    Attributes:
        passed: Whether the capture holds the prompt.
        score: Mean of the windows' scores.
        worst: The lowest of them.
        fraction: How many windows passed.
        lag_ms: Median lag of the good windows: where in the capture the prompt begins.
        in_order: Whether the windows that passed follow each other as in the prompt.
        outside_dbfs: Level of the loudest tenth of a second of the capture outside the prompt.
        windows: Every window that was compared.
    """

    passed: bool
    score: float
    worst: float
    fraction: float
    lag_ms: float
    in_order: bool
    outside_dbfs: float
    windows: tuple[WindowMatch, ...]


def match(
    reference: Signal,
    capture: Signal,
    *,
    reference_rate: int,
    capture_rate: int,
    criteria: Criteria = _LOCAL,
) -> Match:
    """Look for a prompt in a capture.

    Args:
        reference: The prompt, mono.
        capture: What a monitor, a receiver or a microphone took, mono.
        reference_rate: Samples per second of the prompt.
        capture_rate: Samples per second of the capture.
        criteria: What counts as proof.

    Raises:
        ValueError: The prompt has no second that can be heard.
    """
    prompt = _at_rate(reference, reference_rate)
    taken = _at_rate(capture, capture_rate)
    starts = _window_starts(prompt, criteria)
    if not starts:
        raise ValueError("the prompt is silence: there is nothing to prove")
    if len(taken) < _WINDOW:
        taken = np.concatenate([taken, np.zeros(_WINDOW - len(taken))])
    correlate = _Correlator(taken)
    curves = [correlate(prompt[start : start + _WINDOW]) for start in starts]
    expected = _common_lag(starts, curves)
    found = [
        _best(start, curve, expected, criteria) for start, curve in zip(starts, curves, strict=True)
    ]
    return _judge(starts, found, prompt, taken, criteria)


def _judge(
    starts: list[int],
    found: list[tuple[float, int]],
    prompt: Signal,
    taken: Signal,
    criteria: Criteria,
) -> Match:
    good = [lag for score, lag in found if score >= criteria.window_score]
    median = float(np.median(good)) if good else float(np.median([lag for _, lag in found]))
    tolerance = criteria.lag_ms * _RATE / 1000
    windows = tuple(
        WindowMatch(
            start_ms=start * 1000 / _RATE,
            score=score,
            lag_ms=lag * 1000 / _RATE,
            passed=score >= criteria.window_score
            and abs(lag - median) <= tolerance + criteria.drift_ppm * 1e-6 * len(prompt),
        )
        for start, (score, lag) in zip(starts, found, strict=True)
    )
    judged = windows[1:] if criteria.excuse_first and len(windows) > 1 else windows
    places = [window.start_ms + window.lag_ms for window in judged if window.passed]
    in_order = all(one < two for one, two in itertools.pairwise(places))
    fraction = sum(window.passed for window in judged) / len(judged)
    scores = [window.score for window in judged]
    return Match(
        passed=fraction >= criteria.fraction and in_order,
        score=float(np.mean(scores)),
        worst=min(scores),
        fraction=fraction,
        lag_ms=median * 1000 / _RATE,
        in_order=in_order,
        outside_dbfs=_outside(taken, round(median), len(prompt)),
        windows=windows,
    )


def _at_rate(signal: Signal, rate: int) -> Signal:
    """Bring a signal to 8 kHz by cutting its spectrum, and remove its mean."""
    signal = np.asarray(signal, dtype=np.float64).reshape(-1)
    if rate != _RATE and signal.size:
        # Whole seconds, so that the new length is exact and no place in the signal moves.
        seconds = -(-len(signal) // rate)
        spectrum = np.fft.rfft(signal, seconds * rate)
        cut = np.zeros(seconds * _RATE // 2 + 1, dtype=np.complex128)
        kept = min(len(cut), len(spectrum))
        cut[:kept] = spectrum[:kept]
        length = round(len(signal) * _RATE / rate)
        signal = np.fft.irfft(cut, seconds * _RATE)[:length] * (_RATE / rate)
    return signal - signal.mean() if signal.size else signal


def _window_starts(prompt: Signal, criteria: Criteria) -> list[int]:
    """Cut into whole seconds, and a last one that ends where the prompt ends."""
    if len(prompt) < _WINDOW:
        return []
    starts = list(range(0, len(prompt) - _WINDOW + 1, _WINDOW))
    if len(prompt) - starts[-1] - _WINDOW >= _SHORTEST_TAIL:
        starts.append(len(prompt) - _WINDOW)
    floor = 10 ** (criteria.silent_dbfs / 10)
    return [start for start in starts if np.mean(prompt[start : start + _WINDOW] ** 2) >= floor]


class _Correlator:
    """Correlates windows with one capture; the capture is transformed once."""

    def __init__(self, taken: Signal) -> None:
        self._places = len(taken) - _WINDOW + 1
        self._size = 1 << (len(taken) + _WINDOW).bit_length()
        self._spectrum = np.fft.rfft(taken, self._size)
        energy = np.concatenate([[0.0], np.cumsum(taken**2)])
        self._energy = energy[_WINDOW:] - energy[:-_WINDOW]

    def __call__(self, window: Signal) -> Signal:
        """Score every place of the capture."""
        product = np.fft.irfft(
            self._spectrum * np.conj(np.fft.rfft(window, self._size)), self._size
        )[: self._places]
        own = float(np.sum(window**2))
        floored = np.maximum(self._energy, own * _ENERGY_FLOOR)
        return np.asarray(product / np.sqrt(floored * own), dtype=np.float64)


def _common_lag(starts: list[int], curves: list[Signal]) -> int:
    """Find the lag at which all windows together score best, to 5 ms."""
    first, last = starts[0], starts[-1]
    blocks = (len(curves[0]) + last - first) // _BLOCK + 2
    total = np.zeros(blocks)
    for start, curve in zip(starts, curves, strict=True):
        padded = np.concatenate([curve, np.full(-len(curve) % _BLOCK, -1.0)])
        best = padded.reshape(-1, _BLOCK).max(axis=1)
        offset = (last - start) // _BLOCK
        total[offset : offset + len(best)] += np.maximum(best, 0.0)
    return int(np.argmax(total)) * _BLOCK + _BLOCK // 2 - last


def _best(start: int, curve: Signal, expected: int, criteria: Criteria) -> tuple[float, int]:
    """Take the best place of a window; between equals, the one near the common lag."""
    place = int(np.argmax(curve))
    reach = round((criteria.lag_ms * _RATE / 1000) + criteria.drift_ppm * 1e-6 * len(curve))
    low = max(0, start + expected - reach)
    near = curve[low : max(low, start + expected + reach + 1)]
    if near.size:
        nearby = low + int(np.argmax(near))
        # In a text that is said twice, a window may fit the other saying a little better, by a
        # fraction of a sample. What is good enough where the others are is meant.
        if curve[nearby] >= criteria.window_score or curve[nearby] >= curve[place] - _AS_GOOD:
            place = nearby
    return float(curve[place]), place - start


def _outside(taken: Signal, begin: int, length: int) -> float:
    """Measure the loudest tenth of a second before and after the prompt."""
    margin = _RATE // 20
    loudest = 0.0
    for part in (taken[: max(0, begin - margin)], taken[max(0, begin + length + margin) :]):
        frames = part[: len(part) // _SHORTEST_TAIL * _SHORTEST_TAIL].reshape(-1, _SHORTEST_TAIL)
        if frames.size:
            loudest = max(loudest, float((frames**2).mean(axis=1).max()))
    return float(10 * np.log10(max(loudest, 1e-20)))
