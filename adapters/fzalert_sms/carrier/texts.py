"""The codings that CMPP, SGIP and SMGP share, by the number that stands in a frame."""

from __future__ import annotations

from typing import Final

from fzalert.messages import Coding
from fzalert_sms.carrier.dialect import Unsendable
from fzalert_sms.wire import concatenation_header

FORMATS: Final[dict[Coding, tuple[int, str]]] = {
    Coding.UCS2: (8, "utf-16-be"),
    Coding.ASCII: (0, "ascii"),
    Coding.GSM7: (0, "ascii"),  # Chinese gateways read format 0 as ASCII, not as GSM 03.38
    Coding.GB18030: (15, "gb18030"),
}
_DECODERS = {0: "ascii", 8: "utf-16-be", 15: "gb18030", 24: "utf-16-be", 25: "utf-16-be"}
_OCTETS = {0: 159}
"""Most octets of a part by its format; 140 where unsaid. Source: CMPP V3.0.0, 8.4.3.1."""


def text_of(octets: bytes, coding: int) -> str:
    """Read octets without any header; what cannot be read is shown as U+FFFD."""
    return octets.decode(_DECODERS.get(coding, "ascii"), errors="replace")


def content_of(parts: tuple[str, ...], index: int, coding: Coding) -> tuple[int, bytes]:
    """The format and the octets of one part, with its user data header where it has one.

    Raises:
        Unsendable: A character is outside the coding, or the part is too long.
    """
    number, codec = FORMATS[coding]
    try:
        content = parts[index].encode(codec)
    except UnicodeEncodeError as error:
        raise Unsendable(f"文本含 {coding} 以外的字符 · characters outside {coding}") from error
    if len(parts) > 1:
        content = concatenation_header(0, len(parts), index + 1) + content
    return number, checked(content, index, _OCTETS.get(number, 140))


def checked(content: bytes, index: int, most: int) -> bytes:
    """Octets of a part that may go out.

    Raises:
        Unsendable: There is nothing in it, or too much.
    """
    if not content or len(content) > most:
        raise Unsendable(
            f"第 {index + 1} 条有 {len(content)} 字节，限 1–{most} · part {index + 1} has"
            f" {len(content)} octets, 1 to {most} are allowed"
        )
    return content
