"""The anchor: how far the database was, kept outside of it.

Whoever puts an older copy of the database in its place brings back a queue of messages that were
sent since. The anchor is a small file, mapped shared: after every commit it takes the transaction's
number, before anything that the transaction allowed can leave the house. It costs no system call,
and outlives the process as the flight recorder does. After a power cut it may be older than the
database, which was synced; that is no reason to stop. The other way round is.

Layout: magic, the store's id (16 bytes), the number u64, and its complement, little-endian.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple

from fzalert.errors import StoreRolledBack
from fzalert.store.sqlite.connection import no_room

MAGIC = b"FZANCH1\0"
LAYOUT = struct.Struct("<8s16sQQ")
SIZE = 4096
_NUMBER_AT = 24
_BOTH = struct.Struct("<QQ")
_MASK = 2**64 - 1


class Anchored(NamedTuple):
    """What an anchor says."""

    store_id: str
    number: int


class Anchor:
    """One anchor file, open.

    Args:
        path: The file; made where there is none.

    Attributes:
        found: What it said when it was opened; None where it said nothing.

    Raises:
        StoreFull: There is no room for it.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(handle).st_size != SIZE:
                    os.ftruncate(handle, SIZE)
                if hasattr(os, "posix_fallocate"):
                    # A page that finds no room later would end the process with SIGBUS.
                    os.posix_fallocate(handle, 0, SIZE)
                self._map = mmap.mmap(handle, SIZE)
            finally:
                os.close(handle)
        except OSError as error:
            raise no_room(path, error) from error
        self.found = self._read()
        self._number = 0

    def _read(self) -> Anchored | None:
        magic, store_id, number, complement = LAYOUT.unpack_from(self._map, 0)
        if magic != MAGIC or number ^ complement != _MASK:
            return None
        return Anchored(store_id.decode("ascii", "replace"), number)

    def begin(self, store_id: str, number: int) -> None:
        """Belong to a store from now on, whose last transaction has this number."""
        self._number = number
        LAYOUT.pack_into(self._map, 0, MAGIC, store_id.encode(), number, number ^ _MASK)
        self._map.flush()

    def advance(self) -> None:
        """One more transaction is on disk."""
        self._number += 1
        _BOTH.pack_into(self._map, _NUMBER_AT, self._number, self._number ^ _MASK)

    def close(self) -> None:
        """Write it to disk and unmap it."""
        self._map.flush()
        self._map.close()


def why_older(found: Anchored | None, store_id: str, number: int) -> str:
    """Why a database is not the newest one; empty where it is.

    Args:
        found: What the anchor says.
        store_id: Of the database.
        number: Of its last transaction; 0 for a new database, or one of an older version.
    """
    if number == 0:
        return ""
    if found is None:
        return "its anchor is gone, so it may be an older copy"
    if found.store_id != store_id:
        return "its anchor is another store's, so it may be an older copy"
    if found.number > number:
        return f"it is {found.number - number} transactions older than its anchor says"
    return ""


def rolled_back(path: Path, why: str) -> StoreRolledBack:
    """The refusal to send from a database that is not the newest one."""
    return StoreRolledBack(
        f"The store {path.name} was put back: {why}. What waits in it may have been sent since.",
        hint="Put the newest database back in its place, its anchor beside it. Only where there is"
        " none: fzalert run --resume-as-unknown sends none of it and lists it for a person.",
    )
