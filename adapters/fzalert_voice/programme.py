"""One programme: silence, chime, drill clip, the text as often as asked, silence. Pure functions.

```
lead-in 300 ms + wake ─ chime ─ 400 ms ─ [drill clip ─ 400 ms] ─ text ─ (gap ─ text)* ─ tail 200 ms
```

The lead-in matters: a device that wakes up loses about a third of a second.
"""

from __future__ import annotations

import functools
import io
import wave
from dataclasses import dataclass
from typing import Final

import numpy as np

from fzalert_voice.level import (
    CEILING_DBTP,
    RATE,
    Samples,
    gain,
    loudness,
    to_level,
    true_peak,
)

__all__ = ["FADE_MS", "Programme", "assemble", "chime", "fade_out", "silence", "to_wav"]

LEAD_MS: Final = 300
PAUSE_MS: Final = 400
TAIL_MS: Final = 200
FADE_MS: Final = 50
CHIME_LUFS: Final = -23.0
BYTES_PER_MS: Final = RATE * 2 // 1000


@dataclass(frozen=True, slots=True)
class Programme:
    """A whole programme, ready for a device.

    Attributes:
        pcm: Mono, 48 kHz, 16-bit little-endian samples.
        duration_ms: Its length.
        text_ms: Where each repetition of the text begins.
        lufs: Loudness of the text as it is played.
        gain_db: The gain over −18 LUFS that it has: the volume asked for, or what the peaks allow.
    """

    pcm: bytes
    duration_ms: int
    text_ms: tuple[int, ...]
    lufs: float
    gain_db: float

    def samples(self) -> Samples:
        """The programme as numbers, full scale ±1."""
        return np.frombuffer(self.pcm, dtype="<i2").astype(np.float64) / 32768.0


def silence(milliseconds: int) -> Samples:
    """Make silence."""
    return np.zeros(RATE * milliseconds // 1000)


@functools.cache
def chime() -> Samples:
    """Two fading bell tones, 660 then 880 Hz, at −23 LUFS: a call for attention, no siren."""
    length = RATE * 900 // 1000
    sound = np.zeros(length)
    for hertz, start_ms in ((660.0, 0), (880.0, 300)):
        start = RATE * start_ms // 1000
        time = np.arange(length - start) / RATE
        attack = np.minimum(1.0, time / 0.005)
        tone = np.sin(2 * np.pi * hertz * time) + 0.25 * np.sin(4 * np.pi * hertz * time)
        sound[start:] += tone * attack * np.exp(-time / 0.13)
    end = RATE * 30 // 1000
    sound[-end:] *= _falling(end)
    made = to_level(sound, target=CHIME_LUFS)
    made.flags.writeable = False
    return made


def assemble(
    text: Samples,
    *,
    drill: Samples | None = None,
    with_chime: bool = True,
    repeats: int = 1,
    gap_ms: int = 1500,
    wake_ms: int = 0,
    volume_db: float = 0.0,
) -> Programme:
    """Put a programme together.

    Args:
        text: The spoken text, already at the house's level.
        drill: The clip that says this is a drill, already at the house's level.
        with_chime: Whether the chime opens the programme.
        repeats: How often the text is said, at least once.
        gap_ms: Silence between two repetitions.
        wake_ms: Extra silence in front, for an amplifier that sleeps.
        volume_db: Gain asked for; held where a peak would go over the ceiling.
    """
    parts = [silence(LEAD_MS + wake_ms)]
    if with_chime:
        parts += [chime(), silence(PAUSE_MS)]
    if drill is not None:
        parts += [drill, silence(PAUSE_MS)]
    starts: list[int] = []
    for turn in range(max(1, repeats)):
        if turn:
            parts.append(silence(gap_ms))
        starts.append(sum(map(len, parts)))
        parts.append(text)
    parts.append(silence(TAIL_MS))
    sound = np.concatenate(parts)
    heard = (text, *([chime()] if with_chime else []), *([] if drill is None else [drill]))
    applied = min(volume_db, CEILING_DBTP - max(map(true_peak, heard)))
    frames = np.round(sound * gain(applied) * 32768.0)
    pcm = np.clip(frames, -32768, 32767).astype("<i2").tobytes()
    return Programme(
        pcm=pcm,
        duration_ms=round(len(sound) * 1000 / RATE),
        text_ms=tuple(round(start * 1000 / RATE) for start in starts),
        lufs=loudness(text) + applied,
        gain_db=applied,
    )


def fade_out(pcm: bytes, at: int) -> bytes:
    """Cut what follows byte `at` to a fade of 50 ms that ends in silence."""
    tail = np.frombuffer(pcm[at : at + FADE_MS * BYTES_PER_MS], dtype="<i2").astype(np.float64)
    return np.round(tail * _falling(len(tail))).astype("<i2").tobytes()


def to_wav(pcm: bytes) -> bytes:
    """Put a WAV header in front."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(pcm)
    return file.getvalue()


def _falling(length: int) -> Samples:
    return (1.0 + np.cos(np.linspace(0.0, np.pi, length))) / 2.0
