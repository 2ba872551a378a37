"""Cuts a stream of octets into frames, however they arrive."""

from __future__ import annotations

from struct import Struct

from fzalert_sms.cmpp.codec.layout import HEADER, MAX_FRAME

_LENGTH = Struct(">I").unpack_from
_SHORTEST = HEADER.size


class FrameBuffer:
    """Collects octets and gives back complete frames; it never waits for a senseless length.

    Attributes:
        lost: Why the framing is lost, or an empty string. The connection must then be closed:
            nothing after a wrong length can be trusted.
    """

    __slots__ = ("_rest", "lost")

    def __init__(self) -> None:
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
        while size - start >= 4:
            (length,) = _LENGTH(data, start)
            if not _SHORTEST <= length <= MAX_FRAME:
                self.lost = f"Total_Length is {length}"
                self._rest = b""
                return frames
            end = start + length
            if end > size:
                break
            frames.append(data[start:end])
            start = end
        self._rest = data[start:] if start else data
        return frames
