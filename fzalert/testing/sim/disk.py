"""What outlives a process: the database, the flight recorders, and how writing to them goes wrong.

The store is the real one on a real file in memory. Only its writer thread is replaced: what would
wait in the thread's inbox waits here for a virtual moment, and is written at once then. So a
process can die before its transaction, and after it but before it heard of it.
"""

from __future__ import annotations

import asyncio
import mmap
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from typing_extensions import override

from fzalert.delivery import recorder
from fzalert.delivery.recorder import HEADER_SIZE, SLOT_SIZE, Recorder
from fzalert.errors import StoreFull
from fzalert.messages import ReceiptKind
from fzalert.store import SqliteStore
from fzalert.store.sqlite.writer import MOST_TOGETHER, Writer, _resolve, _Work

if TYPE_CHECKING:
    from fzalert.testing.sim.process import Process

__all__ = ["Disk", "SharedStore", "SimRecorder", "SimStore", "VirtualWriter"]

T = TypeVar("T")


class Disk:
    """The machine's disk and its page cache.

    Args:
        folder: Where files are.

    Attributes:
        recorders: The memory of every flight recorder, by its path.
        is_full: Whether nothing can be written.
        slow: Called for the seconds that a sync takes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "fz.db"
        self.recorders: dict[Path, bytearray] = {}
        self.is_full = False
        self.slow: Callable[[], float] = lambda: 0.002


class VirtualWriter(Writer):
    """The writer without its thread: one transaction for what gathered meanwhile."""

    process: Process

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        from fzalert.testing.sim.process import PROCESS

        self._connection = connection
        self._path = path
        self.transactions = 0
        self.process = PROCESS.get()
        self._works: list[_Work[object]] = []
        self._is_due = False
        self._idle = asyncio.Event()

    @override
    async def write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        work: _Work[T] = _Work(run, asyncio.get_running_loop())
        self._works.append(cast("_Work[object]", work))
        if not self._is_due:
            self._is_due = True
            self._later()
        return await asyncio.shield(work.future)

    @override
    async def stop(self) -> None:
        if self._is_due:
            self._idle.clear()
            await self._idle.wait()
        self._connection.close()

    def _later(self) -> None:
        # Half of the time before the transaction, half of it until the process hears of it.
        world = self.process.world
        asyncio.get_running_loop().call_later(world.disk.slow() / 2, self._write)

    def _write(self) -> None:
        process = self.process
        if not process.is_alive:
            return
        works, self._works = self._works[:MOST_TOGETHER], self._works[MOST_TOGETHER:]
        process.step("store.before")
        if not process.is_alive:
            return
        if process.world.disk.is_full:
            for work in works:
                work.error = StoreFull("The store cannot write (SIMULATED).", hint="Free space.")
        else:
            self._transact(works)
            if not process.is_alive:
                return
            process.world.committed()
            process.step("store.committed")
        asyncio.get_running_loop().call_later(process.world.disk.slow() / 2, self._tell, works)

    def _tell(self, works: list[_Work[object]]) -> None:
        if not self.process.is_alive:
            return
        _resolve(works)
        self._is_due = bool(self._works)
        if self._works:
            self._later()
        else:
            self._idle.set()


class SimStore(SqliteStore):
    """The real store with the virtual writer."""

    writer = VirtualWriter

    def lose(self) -> None:
        """What the system does when the owner dies: files are closed, the lock is free."""
        if self._writer is not None:
            self._writer._connection.close()
        if self._reader is not None:
            self._reader.close()
        self._lock.free()


class _NoLock:
    def take(self) -> None:
        """Any number of owners."""

    def free(self) -> None:
        """Nothing is held."""


class SharedStore(SimStore):
    """As on a database server: several owners, told apart by their leases alone."""

    @override
    async def open(self) -> None:
        self._lock = _NoLock()  # type: ignore[assignment]
        await super().open()


class SimRecorder(Recorder):
    """The real recorder in memory that the world keeps, with a step before and after each write."""

    def __init__(self, path: Path, boot: str) -> None:
        from fzalert.testing.sim.process import PROCESS

        self._process = PROCESS.get()
        self._path = path
        path.touch()
        super().__init__(path, boot)
        self._process.recorders.append(self)

    @override
    def _mapped(self, path: Path) -> mmap.mmap:  # type: ignore[override]
        memory = self._process.world.disk.recorders.setdefault(
            path, bytearray(HEADER_SIZE + recorder.SLOTS * SLOT_SIZE)
        )
        return cast("mmap.mmap", memory)

    def lose(self) -> None:
        """The process died: what it still does here is not seen by anybody."""
        self._map = cast("mmap.mmap", bytearray(self._map))

    @override
    def writing(self, id_: int, part: int, key: bytes) -> None:
        self._process.step("recorder.before")
        super().writing(id_, part, key)
        self._process.world.laws.intended[id_, part] += 1
        self._process.step("recorder.written")

    @override
    def answered(self, id_: int, part: int, kind: ReceiptKind, carrier_id: bytes) -> None:
        self._process.step("answer.before")
        super().answered(id_, part, kind, carrier_id)
        self._process.step("answer.recorded")

    @override
    def close(self) -> None:
        """The memory stays the world's."""
