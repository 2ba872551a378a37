"""The prompt library: recorded sounds of exact texts, and the manifest that describes them.

A prompt stands for one text. A script that says anything else, by a single character, is another
prompt. A customer's own recordings are a folder of the same shape and go before the shipped one.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

import soundfile
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fzalert.messages import ScriptRef
from fzalert_voice.level import RATE, Samples, mono, resample

__all__ = ["LibraryFault", "Prompt", "PromptLibrary", "read_manifest"]


class LibraryFault(Exception):
    """A manifest or a sound is not what it should be; the text says which and what to do."""


class PromptEntry(BaseModel):
    """One prompt as the manifest describes it; fields that playing does not need are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str = Field(min_length=1, max_length=200)
    script_id: str = Field(min_length=1, max_length=100)
    variant: str = Field(pattern=r"^(general|elderly|ops|clip)$")
    version: int = Field(ge=1)
    language: str = Field(min_length=2, max_length=35)
    text: str = Field(min_length=1, max_length=2000)
    file: str = Field(min_length=1, max_length=300)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str = Field(default="recorded", pattern=r"^(recorded|synth)$")

    @field_validator("file")
    @classmethod
    def _stays_inside(cls, file: str) -> str:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or "\\" in file:
            raise ValueError("the file must lie inside the library folder")
        return file


class Manifest(BaseModel):
    """The manifest of a library folder."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_: int = Field(alias="schema", ge=1, le=1)
    prompts: tuple[PromptEntry, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One recorded prompt.

    Attributes:
        key: Its name in the manifest.
        text: Exactly what is heard.
        sha256: Hash of the sound file, hex.
        source: `recorded` by a person or `synth` by a good voice.
        own: Whether it comes from the customer's folder.
        sound: The file.
    """

    key: str
    text: str
    sha256: str
    source: str
    own: bool
    sound: Traversable

    def samples(self) -> Samples:
        """Decode the sound: mono at the house's rate, its hash checked first.

        Raises:
            LibraryFault: The file is missing, is not the one of the manifest, or holds no sound.
        """
        try:
            data = self.sound.read_bytes()
        except OSError as error:
            raise LibraryFault(f"the sound of {self.key} cannot be read: {error}") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise LibraryFault(f"the sound of {self.key} is not the file of its manifest")
        try:
            decoded, rate = soundfile.read(io.BytesIO(data), dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise LibraryFault(f"the sound of {self.key} cannot be decoded: {error}") from error
        samples = resample(mono(decoded), rate, RATE)
        if not samples.any():
            raise LibraryFault(f"the sound of {self.key} is silence")
        return samples


class PromptLibrary:
    """Prompts by script id, version, language and text.

    Args:
        own: Folder of the customer's recordings, or None.

    Raises:
        LibraryFault: A manifest cannot be read.
    """

    def __init__(self, own: Path | None = None) -> None:
        self._prompts: dict[tuple[str, int], list[tuple[PromptEntry, Prompt]]] = {}
        if own is not None:
            self._add(own, is_own=True)
        self._add(files("fzalert_voice").joinpath("library"), is_own=False)

    def find(self, script: ScriptRef, text: str, locale: str = "") -> Prompt | None:
        """Look up the recording of exactly this text, or None.

        Among equal texts the customer's comes first, then the one made for the audience.
        """
        wanted = "elderly" if script.audience == "elderly" else "general"
        language = locale or script.language
        found = [
            (entry.variant != wanted, prompt)
            for entry, prompt in self._prompts.get((script.id, script.version), ())
            if entry.text == text and _same_language(entry.language, language)
        ]
        found.sort(key=lambda pair: (not pair[1].own, pair[0]))
        return found[0][1] if found else None

    def clip(self, script_id: str, language: str) -> Prompt | None:
        """Look up a fixed clip, such as `drill-prefix`, in its newest version."""
        found = [
            (not prompt.own, -entry.version, prompt)
            for (name, _), prompts in self._prompts.items()
            if name == script_id
            for entry, prompt in prompts
            if entry.variant == "clip" and _same_language(entry.language, language)
        ]
        found.sort(key=lambda row: row[:2])
        return found[0][2] if found else None

    def __iter__(self) -> Iterator[Prompt]:
        return (prompt for prompts in self._prompts.values() for _, prompt in prompts)

    def _add(self, folder: Traversable, *, is_own: bool) -> None:
        for entry in read_manifest(folder).prompts:
            prompt = Prompt(
                entry.key, entry.text, entry.sha256, entry.source, is_own, folder / entry.file
            )
            self._prompts.setdefault((entry.script_id, entry.version), []).append((entry, prompt))


def read_manifest(folder: Traversable) -> Manifest:
    """Read and validate the manifest of a library folder.

    Raises:
        LibraryFault: There is none, or it is damaged.
    """
    try:
        return Manifest.model_validate_json(folder.joinpath("manifest.json").read_bytes())
    except OSError as error:
        raise LibraryFault(f"the library {folder} has no readable manifest.json") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise LibraryFault(
            f"manifest.json of the library {folder}: {where}: {first['msg']}"
        ) from error


def _same_language(one: str, other: str) -> bool:
    """Compare BCP 47 tags; `zh` means Mandarin as written on the mainland."""
    return _full(one) == _full(other)


def _full(tag: str) -> str:
    return "zh-cn" if tag.lower() in {"zh", "cmn", "zh-hans", "zh-hans-cn"} else tag.lower()
