"""Room for the last things to be written on a full disk: results, reports, evidence.

A file of fixed size lies beside the database. Where a write finds no room, the file is removed, and
its room belongs to what must still be written; nothing new is taken and nothing more is claimed
until the file can be made again. So a full disk stops the work in order, and ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from fzalert.clock import Clock
from fzalert.errors import StoreError, StoreFull
from fzalert.log import get_logger

log = get_logger("fzalert.store")

SIZE = 16 * 1024 * 1024
LOOK_EVERY = 1.0


class Reserve:
    """The reserve of one store, and whether it is given away.

    Args:
        path: The file.
        clock: How often it is tried to make it again.
        size: Bytes; 0 for none, as in tests that make many stores.

    Attributes:
        refusal: Why nothing new is taken; None while everything is well.
    """

    def __init__(self, path: Path, clock: Clock, size: int = SIZE) -> None:
        self.refusal: StoreError | None = None
        self._path = path
        self._clock = clock
        self._size = size
        self._look_every = LOOK_EVERY if size else 0.0
        self._look_at = 0.0

    def make(self) -> None:
        """Make it at the start; a disk without that much room works without a reserve."""
        if not self._make():
            log.warning("store.no_reserve", bytes=self._size)

    def refused(self, error: StoreFull) -> None:
        """A write found no room, or a disk that lets nothing be written: give the reserve away."""
        if self.refusal is None:
            log.error("store.stopped", code=error.code, why=str(error.args[0]))
        self.refusal = error
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    @property
    def may_look(self) -> bool:
        """Whether it is time to see if there is room again."""
        return self.refusal is not None and self._clock.monotonic() >= self._look_at

    async def look(self) -> None:
        """See whether there is room again."""
        self._look_at = self._clock.monotonic() + self._look_every
        if await asyncio.to_thread(self._is_over) if self._size else self._can_write():
            log.warning("store.resumed_writing")
            self.refusal = None

    def remove(self) -> None:
        """Take nobody's room while no process owns the store."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _is_over(self) -> bool:
        """Make it again, where as much as it takes is left beside it.

        Its own room, given away a moment ago, is no sign that there is room again.
        """
        try:
            found = os.statvfs(self._path.parent)
        except OSError:
            return False
        return found.f_bavail * found.f_frsize >= 2 * self._size and self._make()

    def _make(self) -> bool:
        if not self._size:
            return True
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, self._size)
            else:  # pragma: no cover  a system without it
                os.write(handle, bytes(self._size))
        except OSError:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(handle)
        return True

    def _can_write(self) -> bool:
        """Without a reserve: whether the folder takes a page."""
        try:
            self._path.write_bytes(bytes(65_536))
        except OSError:
            return False
        finally:
            self.remove()
        return True
