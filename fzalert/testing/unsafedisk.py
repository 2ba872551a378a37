"""A disk that fails at a chosen moment: half of a write arrives, or the power goes.

It counts what SQLite asks of it: writes, syncs, cuts of a file. At the chosen one the process ends
on the spot, and the files look as they would afterwards:

* torn: everything up to here has arrived, and half of the last write;
* power: everything since each file's last sync is undone, then a random part of it is done again,
  some of that by half. So nothing counts but what was synced, as on a disk with a cache.

Syncs never reach the machine's own disk: its power stays on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw
from typing_extensions import override

__all__ = ["CRASHED", "UnsafeDisk"]

CRASHED = 77
"""Exit code of a process whose disk failed."""


class _Change(NamedTuple):
    """One change of a file since its last sync; `data` is None where it was cut off."""

    offset: int
    data: bytes | None
    before: bytes
    size: int


class UnsafeDisk(apsw.VFS):
    """A file system over the machine's own.

    Args:
        name: What SQLite calls it.
        fails_at: The how manieth operation fails; 0 never.
        by_power: Whether the power goes, or only a write is torn.
        chance: What of the unsynced arrives; SQLite's own chance too, so that a run is repeatable.

    Attributes:
        operations: How many there were.
    """

    def __init__(self, name: str, *, fails_at: int, by_power: bool, chance: Random) -> None:
        super().__init__(name, "")
        self.operations = 0
        self._vfs = name
        self._fails_at = fails_at
        self._by_power = by_power
        self._chance = chance
        self._unsynced: dict[str, list[_Change]] = {}

    @override
    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)

    @override
    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._unsynced.pop(filename, None)
        super().xDelete(filename, syncdir)

    @override
    def xRandomness(self, numbytes: int) -> bytes:
        return self._chance.randbytes(numbytes)

    def operation(self, tear: Callable[[], object]) -> None:
        """Count one; at the chosen one nothing comes after it.

        Args:
            tear: Does half of it.
        """
        self.operations += 1
        if self.operations == self._fails_at:
            if self._by_power:
                self._lose_power()
            else:
                tear()
            os._exit(CRASHED)

    def changed(self, path: str, change: _Change) -> None:
        """Note a change that is not synced."""
        self._unsynced.setdefault(path, []).append(change)

    def synced(self, path: str) -> None:
        """Note that all of a file is on disk."""
        self._unsynced.pop(path, None)

    def _lose_power(self) -> None:
        for path, changes in self._unsynced.items():
            handle = os.open(path, os.O_RDWR)
            for change in reversed(changes):
                os.pwrite(handle, change.before, change.offset)
                os.ftruncate(handle, change.size)
            share = self._chance.random()
            for change in changes:
                if self._chance.random() < share:
                    self._arrive(handle, change)
            os.close(handle)

    def _arrive(self, handle: int, change: _Change) -> None:
        if change.data is None:
            os.ftruncate(handle, change.offset)
            return
        torn = self._chance.random() < 0.3
        end = self._chance.randrange(len(change.data)) if torn else len(change.data)
        os.pwrite(handle, change.data[:end], change.offset)


class _File(apsw.VFSFile):
    """One open file."""

    def __init__(
        self, disk: UnsafeDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = str(Path(path)) if path else ""

    @override
    def xWrite(self, data: bytes, offset: int) -> None:
        half = data[: len(data) // 2]
        self._disk.operation(lambda: super(_File, self).xWrite(half, offset))
        if self._path:
            size = self.xFileSize()
            before = self.xRead(min(len(data), size - offset), offset) if offset < size else b""
            self._disk.changed(self._path, _Change(offset, data, before, size))
        super().xWrite(data, offset)

    @override
    def xTruncate(self, newsize: int) -> None:
        self._disk.operation(lambda: None)
        size = self.xFileSize()
        if self._path and newsize < size:
            before = self.xRead(size - newsize, newsize)
            self._disk.changed(self._path, _Change(newsize, None, before, size))
        super().xTruncate(newsize)

    @override
    def xSync(self, flags: int) -> None:
        self._disk.operation(lambda: None)
        self._disk.synced(self._path)
