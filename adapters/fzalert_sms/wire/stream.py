"""Cuts a stream of octets into frames, however they arrive."""

from __future__ import annotations

from struct import Struct

_LENGTH = Struct(">I").unpack_from


class FrameBuffer:
    """Collects octets and gives back complete frames; it never waits for a senseless length.

    Every frame begins with its own length, these four octets included.

    Args:
        shortest: Octets of a frame that is a header alone.
        longest: Octets of the longest frame that is read: more is never kept.

    Attributes:
        lost: Why the framing is lost, or an empty string. The connection must then be closed:
            nothing after a wrong length can be trusted.
    """

    __slots__ = ("_longest", "_rest", "_shortest", "lost")

    def __init__(self, shortest: int, longest: int) -> None:
        self._shortest = shortest
        self._longest = longest
        self._rest = b""
        self.lost = ""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived and return the frames that are complete now, in order."""
        if self.lost:
            return []
        if self._rest:
            data = self._rest + data
        frames: list[bytes] = []
        start = 0
        size = len(data)
        shortest, longest = self._shortest, self._longest
        while size - start >= 4:
            (length,) = _LENGTH(data, start)
            if not shortest <= length <= longest:
                self.lost = f"the length of a frame is {length}"
                self._rest = b""
                return frames
            end = start + length
            if end > size:
                break
            frames.append(data[start:end])
            start = end
        self._rest = data[start:] if start else data
        return frames
