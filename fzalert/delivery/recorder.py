"""The flight recorder: which parts were handed to the wire, in memory that outlives the process.

A file mapped shared beside the store. A slot is set before the bytes leave, filled when the
answer comes, and cleared after the tick that wrote the result. After `kill -9` the system's page
cache still holds it; after a power cut it is worthless, which the boot id in the header shows.

Layout, little-endian: a header of 96 bytes (magic, version, boot id, lease epoch), then slots of
96 bytes: id u64, part u16, state u8, class u8, key 36 bytes and its length, carrier id 46 bytes
and its length. A longer carrier id stands here as its SHA-256; the tick has it whole.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple

from fzalert.errors import StoreFull
from fzalert.messages import ReceiptKind

MAGIC = b"FZREC1\0\0"
HEADER = struct.Struct("<8s40sQ")
HEADER_SIZE = 96
SLOT = struct.Struct("<QHBBB36sB46s")
SLOT_SIZE = 96
STATE_AT = 10  # offset of the state byte within a slot: written last when set, first when cleared
SLOTS = 8192
KEY_BYTES = 36
CARRIER_BYTES = 46

FREE, WRITTEN, ANSWERED = 0, 1, 2
KINDS = tuple(ReceiptKind)
CLASS_OF = {kind: number for number, kind in enumerate(KINDS)}


class Recorded(NamedTuple):
    """What a slot says after a restart.

    Attributes:
        answer: The class of the answer, or None where none came.
        key: The wire key.
        carrier_id: The carrier's id; empty where there was none.
        hashed: Whether the id did not fit, so that `carrier_id` is its SHA-256.
    """

    answer: ReceiptKind | None
    key: bytes
    carrier_id: bytes
    hashed: bool


def boot_id() -> str:
    """Names this boot of the machine; another one means that memory was lost in between."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # Without a boot id every recorder counts as another boot's: open rows become unknown.
        return os.urandom(16).hex()


class Recorder:
    """One recorder of one connection slot.

    Args:
        path: The file; made at the first use.
        boot: This boot's id.

    Raises:
        StoreFull: There is no room for it.
    """

    def __init__(self, path: Path, boot: str) -> None:
        self._boot = boot.encode()[:40]
        try:
            self._map = self._mapped(path)
        except OSError as error:
            raise StoreFull(
                f"The flight recorder {path.name} cannot be written ({error.strerror}).",
                hint="Free space or make the disk writable; what was accepted is safe.",
            ) from error
        self._slot_of: dict[tuple[int, int], int] = {}
        self._free: list[int] = []

    @staticmethod
    def _mapped(path: Path) -> mmap.mmap:
        size = HEADER_SIZE + SLOTS * SLOT_SIZE
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(handle).st_size != size:
                os.ftruncate(handle, size)
            if hasattr(os, "posix_fallocate"):
                # A page that finds no room later would end the process with SIGBUS.
                os.posix_fallocate(handle, 0, size)
            return mmap.mmap(handle, size)
        finally:
            os.close(handle)

    @property
    def epoch(self) -> int:
        """Of the lease it was last reset for: it tells of parts that were claimed under that one.

        An owner that took the lease later and died before its own `reset` has sent nothing and
        settled nothing, so it takes nothing away from what stands here.
        """
        epoch: int = HEADER.unpack_from(self._map, 0)[2]
        return epoch

    def read(self) -> dict[tuple[int, int], Recorded] | None:
        """What the last owner left, by (id, part).

        Returns:
            None where the recorder is worthless: memory was lost since.
        """
        magic, boot, _ = HEADER.unpack_from(self._map, 0)
        if magic != MAGIC or boot.rstrip(b"\0") != self._boot:
            return None
        found: dict[tuple[int, int], Recorded] = {}
        for number in range(SLOTS):
            at = HEADER_SIZE + number * SLOT_SIZE
            if self._map[at + STATE_AT] == FREE:
                continue
            id_, part, state, kind, key_size, key, carrier_size, carrier = SLOT.unpack_from(
                self._map, at
            )
            hashed = carrier_size > CARRIER_BYTES
            found[id_, part] = Recorded(
                KINDS[kind] if state == ANSWERED and kind < len(KINDS) else None,
                key[:key_size],
                carrier[:32] if hashed else carrier[:carrier_size],
                hashed,
            )
        return found

    def reset(self, epoch: int) -> None:
        """Start afresh, once what `read` gave is on disk."""
        self._map[HEADER_SIZE:] = bytes(SLOTS * SLOT_SIZE)
        HEADER.pack_into(self._map, 0, MAGIC, self._boot, epoch)
        self._slot_of.clear()
        self._free = list(range(SLOTS - 1, -1, -1))

    def holds(self, id_: int, part: int) -> bool:
        """Whether a part was written by this owner and its result is not on disk yet."""
        return (id_, part) in self._slot_of

    @property
    def room(self) -> int:
        """How many more parts can be recorded."""
        return len(self._free)

    def writing(self, id_: int, part: int, key: bytes) -> None:
        """Record the intent, before the bytes leave."""
        number = self._slot_of.get((id_, part))
        if number is None:
            number = self._slot_of[id_, part] = self._free.pop()
        at = HEADER_SIZE + number * SLOT_SIZE
        self._map[at + STATE_AT] = FREE
        short = key[:KEY_BYTES]
        SLOT.pack_into(self._map, at, id_, part, FREE, 0, len(short), short, 0, b"")
        self._map[at + STATE_AT] = WRITTEN

    def answered(self, id_: int, part: int, kind: ReceiptKind, carrier_id: bytes) -> None:
        """Record the answer; a part that was never written needs no record."""
        number = self._slot_of.get((id_, part))
        if number is None:
            return
        at = HEADER_SIZE + number * SLOT_SIZE
        size = len(carrier_id)
        if size > CARRIER_BYTES:
            carrier_id, size = hashlib.sha256(carrier_id).digest(), 255
        self._map[at + 11] = CLASS_OF[kind]
        self._map[at + 49] = size
        self._map[at + 50 : at + 50 + len(carrier_id)] = carrier_id
        self._map[at + STATE_AT] = ANSWERED

    def clear(self, id_: int, part: int) -> None:
        """Free the slot, after the tick that wrote the result."""
        number = self._slot_of.pop((id_, part), None)
        if number is None:
            return
        self._map[HEADER_SIZE + number * SLOT_SIZE + STATE_AT] = FREE
        self._free.append(number)

    def close(self) -> None:
        """Unmap; the file keeps what it says."""
        self._map.close()
