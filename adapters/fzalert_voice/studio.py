"""From a speech to a programme: find its recording or synthesise it, level it, put it together.

All of it is work for the processor and runs in a thread, one programme at a time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final, NamedTuple

from fzalert.messages import Speech
from fzalert_voice.level import Samples, to_level
from fzalert_voice.library import LibraryFault, Prompt, PromptLibrary
from fzalert_voice.programme import Programme, assemble
from fzalert_voice.synthesis import Espeak, SynthesisFault

__all__ = ["Cut", "Studio"]

_DRILL_SCRIPT: Final = "drill-prefix"
_DRILL_TEXT: Final = "这是演练。"
_KEPT_PROGRAMMES: Final = 8
_KEPT_VOICES: Final = 16


class _Voice(NamedTuple):
    samples: Samples
    source: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A programme and where its voice comes from.

    Attributes:
        programme: The sound.
        source: For reports: the prompt and its hash, or the synthesiser and its poor quality.
    """

    programme: Programme
    source: str


class Studio:
    """Makes programmes.

    Args:
        library: The recordings.
        synthesiser: Speaks what has no recording; None refuses it.
    """

    def __init__(self, library: PromptLibrary, synthesiser: Espeak | None) -> None:
        self._library = library
        self._synthesiser = synthesiser
        self._voices: OrderedDict[str, _Voice] = OrderedDict()
        self._cuts: OrderedDict[tuple[Speech, int, float], Cut] = OrderedDict()
        self._lock = Lock()

    async def cut(self, speech: Speech, *, wake_ms: int = 0, volume_db: float = 0.0) -> Cut:
        """Make the programme of a speech, off the event loop.

        Raises:
            SynthesisFault: It has no recording and cannot be synthesised.
        """
        key = (speech, wake_ms, volume_db)
        if (known := self._cuts.get(key)) is not None:
            return known
        return await asyncio.to_thread(self._cut, key)

    def _cut(self, key: tuple[Speech, int, float]) -> Cut:
        speech, wake_ms, volume_db = key
        with self._lock:
            voice = self._voice(
                self._library.find(speech.script, speech.text, speech.locale),
                speech.text,
                speech.locale,
            )
            drill: _Voice | None = None
            if speech.drill:
                drill = self._voice(
                    self._library.clip(_DRILL_SCRIPT, speech.locale), _DRILL_TEXT, speech.locale
                )
            programme = assemble(
                voice.samples,
                drill=None if drill is None else drill.samples,
                with_chime=speech.chime,
                repeats=speech.repeats,
                gap_ms=speech.gap_ms,
                wake_ms=wake_ms,
                volume_db=volume_db,
            )
            made = Cut(programme, voice.source)
            self._cuts[key] = made
            while len(self._cuts) > _KEPT_PROGRAMMES:
                self._cuts.popitem(last=False)
            return made

    def _voice(self, prompt: Prompt | None, text: str, locale: str) -> _Voice:
        """Take the recording; without one, or with a damaged one, synthesise and say so."""
        key = f"{prompt.sha256 if prompt else ''}\0{locale}\0{text}"
        if (known := self._voices.get(key)) is not None:
            return known
        why = ""
        made: _Voice | None = None
        if prompt is not None:
            try:
                sound = to_level(prompt.samples())
                made = _Voice(sound, f"prompt={prompt.key} sha256={prompt.sha256}")
            except LibraryFault as fault:
                why = f" ({fault})"
            except ValueError as error:
                why = f" ({prompt.key}: {error})"
        if made is None:
            if self._synthesiser is None:
                raise SynthesisFault(f"the text has no recording, and synthesis is off{why}")
            try:
                spoken = to_level(self._synthesiser.speak(text, locale))
            except ValueError as error:
                raise SynthesisFault(f"what was synthesised cannot be heard: {error}") from error
            made = _Voice(spoken, f"voice_quality=poor engine=espeak-ng{why}")
        self._voices[key] = made
        while len(self._voices) > _KEPT_VOICES:
            self._voices.popitem(last=False)
        return made
