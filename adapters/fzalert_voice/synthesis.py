"""The last resort: espeak-ng reads a text that has no recording.

People follow it badly (a recogniser understood a fifth of its syllables), so whatever it says is
marked `voice_quality=poor`. It runs as a process of its own: it is under the GPL and may hang.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
from collections import OrderedDict
from threading import Lock
from typing import Final

import soundfile

from fzalert_voice.level import RATE, Samples, mono, resample
from fzalert_voice.reading import spoken

__all__ = ["Espeak", "SynthesisFault"]

# `-v cmn` of espeak-ng 1.51 (Debian 12) spells the pinyin out in English letters.
_VOICES: Final = {
    "zh": "cmn-latn-pinyin",
    "cmn": "cmn-latn-pinyin",
    "yue": "yue",
    "ug": "ug",
    "en": "en",
}
_CHINESE: Final = frozenset({"zh", "cmn", "yue"})
_WORDS_A_MINUTE: Final = 150
_KEPT: Final = 32


class SynthesisFault(Exception):
    """A text cannot be spoken.

    Attributes:
        code: Stable name.
        passing: Whether trying again later may help.
    """

    def __init__(self, what: str, *, code: str = "no-voice", passing: bool = False) -> None:
        super().__init__(what)
        self.code = code
        self.passing = passing


class Espeak:
    """espeak-ng as a process, with a time limit, and a memory of what it said last.

    Blocking: call it in a thread.

    Args:
        program: The program to run.
        timeout: Seconds it may take.
    """

    def __init__(self, program: str = "espeak-ng", *, timeout: float = 10.0) -> None:
        self._program = program
        self._timeout = timeout
        self._said: OrderedDict[str, Samples] = OrderedDict()
        self._lock = Lock()

    def speak(self, text: str, locale: str) -> Samples:
        """Say a text: mono at the house's rate, not yet at its level.

        Raises:
            SynthesisFault: No voice for the language, no program, no sound, or no answer in time.
        """
        language = locale.partition("-")[0].lower()
        voice = _VOICES.get(language)
        if voice is None:
            raise SynthesisFault(f"espeak-ng has no usable voice for {locale}")
        said = spoken(text) if language in _CHINESE else text
        key = hashlib.sha256(f"{self._program}\0{voice}\0{said}".encode()).hexdigest()
        with self._lock:
            if key in self._said:
                self._said.move_to_end(key)
                return self._said[key]
        samples = self._run(said, voice)
        with self._lock:
            self._said[key] = samples
            while len(self._said) > _KEPT:
                self._said.popitem(last=False)
        return samples

    def _run(self, text: str, voice: str) -> Samples:
        # The text goes in by stdin: one that begins with a dash is no option.
        command = [self._program, "-v", voice, "-s", str(_WORDS_A_MINUTE), "-b", "1"]
        command += ["--stdin", "--stdout"]
        try:
            run = subprocess.run(  # noqa: S603  a fixed program, no shell, the text by stdin
                command, input=text.encode(), capture_output=True, timeout=self._timeout, check=True
            )
        except FileNotFoundError as error:
            raise SynthesisFault(f"{self._program} is not installed", code="no-voice") from error
        except subprocess.TimeoutExpired as error:
            raise SynthesisFault(
                f"{self._program} gave no sound within {self._timeout:g} s",
                code="synthesis-timeout",
                passing=True,
            ) from error
        except (OSError, subprocess.CalledProcessError) as error:
            raise SynthesisFault(f"{self._program} failed: {error}", passing=True) from error
        try:
            decoded, rate = soundfile.read(io.BytesIO(run.stdout), dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise SynthesisFault(f"{self._program} gave no sound: {error}") from error
        if not decoded.any():
            raise SynthesisFault(f"{self._program} gave silence")
        return resample(mono(decoded), rate, RATE)
