"""Pictures and videos of the idle cards: found at the start, served under their own hash.

A file is named by the SHA-256 of its content, which stands in the signed playlist: a page that got
other bytes does not show them. What is missing or was changed is left out and said in the health.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from fzalert_display.kiosk.media import HEAD_BYTES, MediaFacts, media_facts

__all__ = ["MediaFile", "Shelf", "read_facts"]

CHUNK = 262_144
MOST_AT_ONCE = 32
"""Downloads at once: a thousand screens that fetch a video must not hold a warning up."""


class MediaFile(NamedTuple):
    """One file as it is served."""

    path: Path
    facts: MediaFacts
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Its name in an address."""
        return f"{self.sha256}.{self.facts.suffix}"


def read_facts(path: Path) -> MediaFacts:
    """Look at a file.

    Raises:
        ValueError: It cannot be read or shown; says why.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return media_facts(file.read(HEAD_BYTES), size)
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None


def _read(path: Path) -> MediaFile:
    facts = read_facts(path)
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(1_048_576):
            digest.update(chunk)
            size += len(chunk)
    return MediaFile(path, facts, digest.hexdigest(), size)


def _piece(path: Path, at: int) -> bytes:
    """Read one piece; the file is open no longer, so whoever leaves in between leaves nothing."""
    with path.open("rb") as file:
        file.seek(at)
        return file.read(CHUNK)


class Shelf:
    """The files that were found.

    Attributes:
        named: Every file by the name that the settings use.
        missing: Names that cannot be shown, and why.
        kinds: `image`, `video`, both or none.
    """

    def __init__(self) -> None:
        self.named: Mapping[str, MediaFile] = {}
        self.missing: dict[str, str] = {}
        self.kinds: frozenset[str] = frozenset()
        self._served: dict[str, MediaFile] = {}
        self._sending = 0

    async def fill(self, folder: Path | None, names: Iterable[str]) -> None:
        """Read and hash what the settings name; nothing where there is no folder."""
        found: dict[str, MediaFile] = {}
        for name in dict.fromkeys(names):
            if folder is None:
                break
            try:
                found[name] = await asyncio.to_thread(_read, folder / name)
            except (OSError, ValueError) as error:
                self.missing[name] = str(error)
        self.named = found
        self.kinds = frozenset(file.facts.kind for file in found.values())
        self._served = {file.name: file for file in found.values()}

    def find(self, name: str) -> MediaFile | None:
        """Return the file of an address."""
        return self._served.get(name)

    @property
    def busy(self) -> bool:
        """Whether as many downloads run as may."""
        return self._sending >= MOST_AT_ONCE

    async def is_whole(self, file: MediaFile) -> bool:
        """Tell whether a file is still there, and as long as it was."""
        try:
            size = (await asyncio.to_thread(file.path.stat)).st_size
        except OSError as error:
            self._spoilt(file, str(error.strerror))
            return False
        if size != file.size:
            self._spoilt(file, "it was changed; start fzalert again")
        return size == file.size

    async def read(self, file: MediaFile) -> AsyncGenerator[bytes]:
        """Yield a file in pieces; what a page gets of a file that was changed fails its hash."""
        self._sending += 1
        try:
            for at in range(0, file.size, CHUNK):
                yield await asyncio.to_thread(_piece, file.path, at)
        except OSError as error:
            self._spoilt(file, str(error.strerror))
        finally:
            self._sending -= 1

    def _spoilt(self, file: MediaFile, why: str) -> None:
        self.missing[file.path.name] = why
