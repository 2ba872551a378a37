"""Where lines end: a file that may be moved away under us, a stream, and a queue before either.

Nobody who logs waits for a reader or a disk: with the queue, a line is put down and written by a
thread; what does not fit is dropped and counted, and the count is written as soon as there is room.
"""

from __future__ import annotations

import io
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TextIO

from typing_extensions import override

__all__ = ["FileSink", "Queue", "Sink", "StreamSink"]

ROOM = 4 * 1024 * 1024
"""Bytes of lines that may wait."""
FLUSH_WITHIN = 2.0
_MODE = 0o640


class Sink(Protocol):
    """Takes lines."""

    def write(self, lines: bytes) -> None:
        """Write whole lines. Raises `OSError`."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class FileSink(Sink):
    """Appends to a file, and makes it anew once somebody moved it away.

    So the system's rotation needs no signal: rename the file, and the next line opens a new one.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._torn = False
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)

    @override
    def write(self, lines: bytes) -> None:
        if self._was_moved():
            fresh = self._open()
            os.close(self._file)
            self._file, self._torn = fresh, False
        data = b"\n" + lines if self._torn else lines
        self._torn = True  # until all of it is there
        _write_all(self._file, data)
        self._torn = False

    def _was_moved(self) -> bool:
        ours = os.fstat(self._file)
        try:
            there = self._path.stat()
        except OSError:
            return True
        return (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino)

    @override
    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


class StreamSink(Sink):
    """Writes to a stream; past its buffer and lock where it is a real one.

    Args:
        stream: Standard error, as a rule.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        try:
            self._file: int | None = stream.fileno()
        except (OSError, ValueError, io.UnsupportedOperation):
            self._file = None

    @override
    def write(self, lines: bytes) -> None:
        if self._file is not None:
            _write_all(self._file, lines)
        elif not self._stream.closed:
            self._stream.write(lines.decode())
            self._stream.flush()

    @override
    def close(self) -> None:
        """Leave the stream open: it is the process's."""


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(file, rest) :]
        except BlockingIOError:  # somebody made the pipe non-blocking
            select.select([], [file], [], 1.0)


class Queue(Sink):
    """Takes lines at once and lets a thread write them.

    Args:
        sink: Where they go; closed with the queue.
        notice: Makes the line that says how many were dropped.
        room: Bytes that may wait.

    Attributes:
        dropped: Lines that were lost since the start, for want of room or of a disk.
    """

    def __init__(self, sink: Sink, notice: Callable[[int], bytes], room: int = ROOM) -> None:
        self.dropped = 0
        self._sink = sink
        self._notice = notice
        self._room = room
        self._waiting: list[bytes] = []
        self._size = 0
        self._untold = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="fzalert-log", daemon=True)
        self._thread.start()

    @override
    def write(self, lines: bytes) -> None:
        """Put lines down; they are dropped and counted where there is no room."""
        with self._changed:
            if self._size + len(lines) > self._room:
                self._lose(1)
                return
            self._waiting.append(lines)
            self._size += len(lines)
            self._changed.notify()

    def _lose(self, number: int) -> None:
        self.dropped += number
        self._untold += number

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                lines, self._waiting = self._waiting, []
                untold, self._untold = self._untold, 0
                closing = self._closing
            if lines or untold:
                self._pass_on(lines, untold)
            if closing and not lines:
                return

    def _pass_on(self, lines: list[bytes], untold: int) -> None:
        said = [*lines, self._notice(untold)] if untold else lines
        try:
            self._sink.write(b"".join(said))
            lost = 0
        except OSError:  # a full disk, a reader that went away: the work goes on without its log
            lost = len(lines) + untold
        with self._changed:
            self._size -= sum(map(len, lines))
            if lost:
                self._lose(lost - untold)
                self._untold += untold

    @override
    def close(self) -> None:
        """Let what waits be written, for two seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(FLUSH_WITHIN)
        if not self._thread.is_alive():
            self._sink.close()
