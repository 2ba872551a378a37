"""What a picture or a video is, told by its first bytes and never by its name.

Rules of the file: pure; a type that is not on the list is refused, also where a browser would
show it (SVG can hold scripts); a picture of more than 40 million pixels is refused, since a screen
would need hundreds of megabytes to unpack it.

Source: PNG (third edition) 5.2 and 11.2.2; ITU-T T.81 B.1.1 and B.2.2; RFC 9649 2.3 to 2.7; ISO/IEC
14496-12, 4.3; RFC 8794, 11.2.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["HEAD_BYTES", "MediaFacts", "media_facts"]

HEAD_BYTES = 1_048_576
"""How much of a file must be read to tell; a JPEG's size may stand behind a long preview."""
MOST_PIXELS = 40_000_000
IMAGE_BYTES = 20 * 1_048_576
VIDEO_BYTES = 200 * 1_048_576

_PNG = b"\x89PNG\r\n\x1a\n"
_EBML = b"\x1aE\xdf\xa3"
# Start of frame, every coding but the differential ones; C4, C8 and CC are tables.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


class MediaFacts(NamedTuple):
    """What was found.

    Attributes:
        kind: How a page shows it.
        suffix: End of the name under which it is served.
        media_type: Its content type.
        width: Pixels across; 0 for a video.
        height: Pixels down; 0 for a video.
    """

    kind: Literal["image", "video"]
    suffix: str
    media_type: str
    width: int = 0
    height: int = 0


def media_facts(head: bytes, size: int) -> MediaFacts:
    """Tell what a file is.

    Args:
        head: Its first `HEAD_BYTES` bytes, or all of it.
        size: How long the whole of it is, in bytes.

    Raises:
        ValueError: No picture or video of a known type, or one that is too large; says which.
    """
    facts = _image(head) or _video(head)
    if facts is None:
        raise ValueError("it is no png, jpg, webp, mp4 or webm by its content")
    most = IMAGE_BYTES if facts.kind == "image" else VIDEO_BYTES
    if size > most:
        raise ValueError(f"it has {size} bytes, at most {most} are shown")
    if facts.kind == "image":
        if facts.width == 0 or facts.height == 0:
            raise ValueError("the picture has no size")
        if facts.width * facts.height > MOST_PIXELS:
            raise ValueError(
                f"the picture has {facts.width} x {facts.height} pixels, at most"
                f" {MOST_PIXELS // 1_000_000} million are shown"
            )
    return facts


def _image(head: bytes) -> MediaFacts | None:
    if head.startswith(_PNG) and head[12:16] == b"IHDR" and len(head) >= 24:
        return MediaFacts("image", "png", "image/png", _be(head[16:20]), _be(head[20:24]))
    if head.startswith(b"\xff\xd8\xff"):
        return MediaFacts("image", "jpg", "image/jpeg", *_jpeg_size(head))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return MediaFacts("image", "webp", "image/webp", *_webp_size(head))
    return None


def _video(head: bytes) -> MediaFacts | None:
    if head[4:8] == b"ftyp" and len(head) >= 16 and head[8:12].isascii():
        return MediaFacts("video", "mp4", "video/mp4")
    if head.startswith(_EBML) and b"\x42\x82\x84webm" in head[:64]:
        return MediaFacts("video", "webm", "video/webm")
    return None


def _jpeg_size(head: bytes) -> tuple[int, int]:
    """Walk the segments up to the start of the frame."""
    at = 2
    while at + 4 <= len(head):
        if head[at] != 0xFF:
            break
        marker = head[at + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _SOF:
            if at + 9 > len(head):
                break
            return _be(head[at + 7 : at + 9]), _be(head[at + 5 : at + 7])
        else:
            at += 2 + max(2, _be(head[at + 2 : at + 4]))
    raise ValueError("the JPEG has no frame")


def _webp_size(head: bytes) -> tuple[int, int]:
    chunk, body = head[12:16], head[20:]
    if chunk == b"VP8X" and len(body) >= 10:
        return 1 + _le(body[4:7]), 1 + _le(body[7:10])
    if chunk == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = _le(body[1:5])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        return _le(body[6:8]) & 0x3FFF, _le(body[8:10]) & 0x3FFF
    raise ValueError("the WebP has no size")


def _be(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _le(data: bytes) -> int:
    return int.from_bytes(data, "little")
