"""From a speech to a programme: find its recording or synthesise it, level it, put it together.

All of it is work for the processor, half a second and more of it; the channel has it done by a
process of its own, see `cutter`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

from fzalert.messages import Speech
from fzalert_voice.level import Samples, to_level
from fzalert_voice.library import LibraryFault, Prompt, PromptLibrary
from fzalert_voice.programme import Programme, assemble
from fzalert_voice.synthesis import Espeak, SynthesisFault

__all__ = ["Cut", "Studio"]

_DRILL_SCRIPT: Final = "drill-prefix"
_DRILL_TEXT: Final = "这是演练。"
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
    """Makes programmes, and remembers the voices that it levelled last.

    Args:
        library: The recordings.
        synthesiser: Speaks what has no recording; None refuses it.
    """

    def __init__(self, library: PromptLibrary, synthesiser: Espeak | None) -> None:
        self._library = library
        self._synthesiser = synthesiser
        self._voices: OrderedDict[str, _Voice] = OrderedDict()

    def make(self, speech: Speech, *, wake_ms: int = 0, volume_db: float = 0.0) -> Cut:
        """Make the programme of a speech.

        Args:
            speech: What is said, and how.
            wake_ms: Extra silence in front, for an amplifier that sleeps.
            volume_db: Gain over the house's level.

        Raises:
            SynthesisFault: It has no recording and cannot be synthesised.
        """
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
        return Cut(programme, voice.source)

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
