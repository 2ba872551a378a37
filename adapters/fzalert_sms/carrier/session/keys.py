"""The wire key of a part: by it an answer finds its way home after a restart."""

from __future__ import annotations

from struct import Struct

_KEY = Struct(">QBI")


def wire_key(began_at: int, slot: int, sequence: int) -> bytes:
    """A key that no other connection of the account has: 13 octets.

    Args:
        began_at: Wall milliseconds at which the connection was dialled.
        slot: The adapter's slot.
        sequence: What the connection counts by.
    """
    return _KEY.pack(began_at, slot, sequence)
