"""Follows a growing log of raw frames: how many submissions are unanswered at this moment.

It counts from the frames that the other side received and sent, never from counters of ours. The
log's own reader is handed in, so that this file knows neither a codec nor an adapter.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Record", "Tap"]

Record = tuple[float, int, int, bytes]
"""Seconds by the monotonic clock, kind, number of the connection, payload."""

_MAGIC_SIZE = 8
_HEAD_SIZE = 17
_RECEIVED, _SENT, _OPENED, _CLOSED = range(4)
_LOGIN, _SUBMIT, _SUBMIT_ANSWER = 0x00000001, 0x00000004, 0x80000004
_DELIVER_ANSWER = 0x80000005
_HEADER = struct.Struct(">III")


class Tap:
    """One log, read on from where the last look ended.

    Args:
        path: The log.
        reader: Reads the records of a log's octets.

    Attributes:
        submits: Submissions received so far, over all connections.
        logins: When each login was asked for.
        opened: When each connection was opened.
        closed: When each connection was closed.
        first_submit: When each connection brought its first submission.
        acknowledged: When a report was last acknowledged.
    """

    def __init__(self, path: Path, reader: Callable[[bytes], Iterator[Record]]) -> None:
        self._path = path
        self._reader = reader
        self._at = _MAGIC_SIZE
        self._magic = b""
        self._spans: list[list[float]] = []
        self._open: dict[int, dict[int, list[float]]] = defaultdict(dict)
        self.submits = 0
        self.logins: list[float] = []
        self.opened: dict[int, float] = {}
        self.closed: dict[int, float] = {}
        self.first_submit: dict[int, float] = {}
        self.acknowledged = float("-inf")

    def look(self) -> None:
        """Take what was written since the last look."""
        with self._path.open("rb") as file:
            self._magic = self._magic or file.read(_MAGIC_SIZE)
            file.seek(self._at)
            data = self._magic + file.read()
        for record in self._reader(data):
            self._at += _HEAD_SIZE + len(record[3])
            self._take(record)

    def unanswered_at(self, moment: float) -> int:
        """Submissions that had arrived by a moment, and had no answer and a line to wait on."""
        return sum(span[0] <= moment < span[1] for span in self._spans)

    def _take(self, record: Record) -> None:
        moment, kind, connection, payload = record
        if kind == _OPENED:
            self.opened[connection] = moment
        elif kind == _CLOSED:
            self.closed[connection] = moment
            for span in self._open.pop(connection, {}).values():
                span[1] = moment
        elif len(payload) >= _HEADER.size:
            _, command, sequence = _HEADER.unpack_from(payload)
            if (kind, command) == (_RECEIVED, _SUBMIT):
                self.submits += 1
                self.first_submit.setdefault(connection, moment)
                span = [moment, float("inf")]
                self._spans.append(span)
                self._open[connection][sequence] = span
            elif (kind, command) == (_SENT, _SUBMIT_ANSWER):
                answered = self._open[connection].pop(sequence, None)
                if answered is not None:
                    answered[1] = moment
            elif (kind, command) == (_RECEIVED, _DELIVER_ANSWER):
                self.acknowledged = moment
            elif (kind, command) == (_RECEIVED, _LOGIN):
                self.logins.append(moment)
