"""Follows a growing log of raw frames: what is unanswered at this moment, and when a line ended.

It counts from the frames that the other side received and sent, never from counters of ours. The
log's own reader is handed in, so that this file knows neither a codec nor an adapter.
"""

from __future__ import annotations

import struct
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Left", "Record", "Tap"]

Record = tuple[float, int, int, bytes]
"""Seconds by the monotonic clock, kind, number of the connection, payload."""

_MAGIC_SIZE = 8
_HEAD_SIZE = 17
_RECEIVED, _SENT, _OPENED, _CLOSED = range(4)
_LOGIN, _SUBMIT, _SUBMIT_ANSWER = 0x00000001, 0x00000004, 0x80000004
_DELIVER, _DELIVER_ANSWER = 0x00000005, 0x80000005
_HEADER = struct.Struct(">III")
_REMEMBERED = 5.0


class Left(NamedTuple):
    """What had no answer at a moment, and a line to wait on.

    Attributes:
        submits: Submissions that the carrier had not answered.
        reports: Deliveries of the carrier that it had no answer to.
    """

    submits: int
    reports: int


class _Waiting:
    """What came, one after the other, and was answered or lost its line, each at its time."""

    def __init__(self) -> None:
        self._spans: deque[list[float]] = deque()
        self._open: dict[int, dict[int, list[float]]] = defaultdict(dict)

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._open.values())

    def begin(self, moment: float, connection: int, sequence: int) -> None:
        span = [moment, float("inf")]
        while self._spans and self._spans[0][1] < moment - _REMEMBERED:
            self._spans.popleft()
        self._spans.append(span)
        self._open[connection][sequence] = span

    def end(self, moment: float, connection: int, sequence: int) -> None:
        answered = self._open[connection].pop(sequence, None)
        if answered is not None:
            answered[1] = moment

    def close(self, moment: float, connection: int) -> None:
        for span in self._open.pop(connection, {}).values():
            span[1] = moment

    def count(self, moment: float) -> int:
        return sum(begun <= moment < ended for begun, ended in self._spans)


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
        size: Octets of the log that were read so far.
    """

    def __init__(self, path: Path, reader: Callable[[bytes], Iterator[Record]]) -> None:
        self._path = path
        self._reader = reader
        self._magic = b""
        self._submits = _Waiting()
        self._reports = _Waiting()
        self.size = _MAGIC_SIZE
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
            file.seek(self.size)
            data = self._magic + file.read()
        for record in self._reader(data):
            self.size += _HEAD_SIZE + len(record[3])
            self._take(record)

    @property
    def unanswered(self) -> int:
        """Submissions that have no answer, and a line to wait on, as far as was looked."""
        return len(self._submits)

    def unanswered_at(self, moment: float) -> int:
        """Submissions that had arrived by a moment, and had no answer and a line to wait on."""
        return self._submits.count(moment)

    def left_at(self, moment: float) -> Left:
        """What had no answer at a moment of the last seconds."""
        return Left(self._submits.count(moment), self._reports.count(moment))

    def _take(self, record: Record) -> None:
        moment, kind, connection, payload = record
        if kind == _OPENED:
            self.opened[connection] = moment
        elif kind == _CLOSED:
            self.closed[connection] = moment
            self._submits.close(moment, connection)
            self._reports.close(moment, connection)
        elif len(payload) >= _HEADER.size:
            _, command, sequence = _HEADER.unpack_from(payload)
            self._frame(moment, (kind, command), connection, sequence)

    def _frame(self, moment: float, what: tuple[int, int], connection: int, sequence: int) -> None:
        if what == (_RECEIVED, _SUBMIT):
            self.submits += 1
            self.first_submit.setdefault(connection, moment)
            self._submits.begin(moment, connection, sequence)
        elif what == (_SENT, _SUBMIT_ANSWER):
            self._submits.end(moment, connection, sequence)
        elif what == (_SENT, _DELIVER):
            self._reports.begin(moment, connection, sequence)
        elif what == (_RECEIVED, _DELIVER_ANSWER):
            self.acknowledged = moment
            self._reports.end(moment, connection, sequence)
        elif what == (_RECEIVED, _LOGIN):
            self.logins.append(moment)
