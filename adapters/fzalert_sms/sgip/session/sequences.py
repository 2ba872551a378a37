"""Sequence Numbers that no other request ever has: of this line, of another, of a former process.

The text asks that the three words together are unique. The second one is a second; within it the
counter decides. It has the slot in its upper four bits; the others begin with the microseconds of
the day on which the numbering began, so that a process which starts again in the same second, some
milliseconds later, goes on above what the one before can have reached.

Source: SGIP V1.2 (2001-10), 3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from fzalert_sms.sgip.codec import Sequence
from fzalert_sms.wire import BEIJING

_BITS: Final = 28
_MASK: Final = (1 << _BITS) - 1


class Sequences:
    """Gives one after the other.

    Args:
        node: Source node.
        slot: Of the line, 0 to 15: lines of one account share their node.
        millis: Wall milliseconds since the epoch.

    Attributes:
        node: See above.
    """

    def __init__(self, node: int, slot: int, millis: Callable[[], int]) -> None:
        self.node = node
        self._slot = slot << _BITS
        self._millis = millis
        self._count = millis() * 1000 & _MASK
        self._second = -1
        self._moment = 0

    def next(self) -> Sequence:
        """Take the next one."""
        second = self._millis() // 1000
        if second != self._second:
            self._second = second
            self._moment = int(datetime.fromtimestamp(second, BEIJING).strftime("%m%d%H%M%S"))
        self._count = self._count + 1 & _MASK
        return Sequence(self.node, self._moment, self._slot | self._count)
