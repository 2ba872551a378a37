"""Cuts a stream of octets into CMPP frames, however they arrive."""

from __future__ import annotations

from fzalert_sms import wire
from fzalert_sms.cmpp.codec.layout import HEADER, MAX_FRAME


class FrameBuffer(wire.FrameBuffer):
    """Collects octets and gives back complete frames; it never waits for a senseless length."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(HEADER.size, MAX_FRAME)
