"""A pipe into a playing process from which we can take back what it has not read yet.

The kernel holds about two thirds of a second of sound, so a busy event loop makes no gap. To fall
silent at once we read that sound ourselves and write its fade-out in its place. When this process
dies, both ends close with it, and the player reads its last bytes and ends.
"""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import suppress
from typing import Final

__all__ = ["TakeBackPipe"]

_ALL: Final = 1 << 20


class TakeBackPipe:
    """A pipe whose writer is also its second reader.

    Attributes:
        wake: Set by whoever wants the one who waits here to look again.
    """

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self._own_end = -1
        # A description of its own: were the process's end non-blocking too, it would take an
        # empty pipe for an error.
        with suppress(OSError):  # without it a stop is slower, and that is all
            self._own_end = os.open(f"/proc/self/fd/{self._read_end}", os.O_RDONLY | os.O_NONBLOCK)
        self._poll = select.poll()
        if self._own_end >= 0:
            self._poll.register(self._own_end, select.POLLIN)

    @property
    def read_end(self) -> int:
        """The descriptor to hand to the process; `handed_over` closes it here."""
        return self._read_end

    def handed_over(self) -> None:
        """The process has its end."""
        if self._read_end >= 0:
            os.close(self._read_end)
            self._read_end = -1

    @property
    def is_open(self) -> bool:
        """Whether more can be written."""
        return self._write_end >= 0

    def write(self, data: bytes) -> int:
        """Write what fits now; 0 where the pipe is full or has no reader any more."""
        try:
            return os.write(self._write_end, data)
        except (BlockingIOError, BrokenPipeError):
            return 0

    def has_unread(self) -> bool:
        """Whether the process has not read everything yet."""
        return self._own_end >= 0 and bool(self._poll.poll(0))

    def take_back(self) -> int:
        """Take out all that is unread, in one call that no reader can divide; how many bytes."""
        if self._own_end < 0:
            return 0
        try:
            return len(os.read(self._own_end, _ALL))
        except BlockingIOError:
            return 0

    async def writable(self, within: float) -> None:
        """Wait until there is room, or someone sets `wake`, or the time is over."""
        loop = asyncio.get_running_loop()
        loop.add_writer(self._write_end, self.wake.set)
        try:
            await self.pause(within)
        finally:
            loop.remove_writer(self._write_end)

    async def pause(self, within: float) -> None:
        """Wait until someone sets `wake`, or the time is over."""
        self.wake.clear()
        try:
            async with asyncio.timeout(within):
                await self.wake.wait()
        except TimeoutError:
            return

    def finish(self) -> None:
        """Nothing more comes: the process reads to the end."""
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1

    def close(self) -> None:
        """Let every end go."""
        self.finish()
        self.handed_over()
        if self._own_end >= 0:
            os.close(self._own_end)
            self._own_end = -1
