"""From a rendition to the octets of its parts and back.

A text is written once and used for every recipient. A long one is marked in one way only: by its
user data header, by the sar fields, or by travelling whole in message_payload.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from fzalert.messages import Coding
from fzalert_sms.carrier.dialect import Unsendable
from fzalert_sms.carrier.texts import checked
from fzalert_sms.smpp.codec import ShortMessage, SubmitTemplate
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.config import SmppConfig
from fzalert_sms.wire import Tlv, concatenation_header
from fzalert_sms.wire.gsm7 import from_septets, pack, to_septets, unpack

Templates = tuple[SubmitTemplate, ...]
UDHI: Final = 0x40
"""The bit of esm_class that says that a user data header is there (v3.4, 5.2.12)."""
GSM7, IA5, LATIN1, UCS2 = 0, 1, 3, 8
_DATA_CODING: Final = {Coding.GSM7: GSM7, Coding.ASCII: IA5, Coding.UCS2: UCS2}
_OCTETS: Final = {GSM7: 160, IA5: 160, UCS2: 140}
# 15 is no coding of SMPP; Chinese aggregators pass it on from the carriers' own protocols.
_DECODERS: Final = {IA5: "ascii", LATIN1: "latin-1", UCS2: "utf-16-be", 15: "gb18030"}


def template_maker(
    config: SmppConfig,
) -> Callable[[tuple[str, ...], Coding, str], Templates]:
    """Return a function that writes the parts of a text, and keeps the last 64 texts.

    Its last argument is the validity_period. The function raises `Unsendable`.
    """

    @lru_cache(maxsize=64)
    def make(parts: tuple[str, ...], coding: Coding, until: str) -> Templates:
        extension = config.extension_for(parts)
        return tuple(
            SubmitTemplate(_submit(config, parts, index, coding, until), extension)
            for index in range(len(parts))
        )

    return make


def text_of(octets: bytes, coding: int) -> str:
    """Read octets without any header; what cannot be read is shown as U+FFFD.

    Septets take an octet each. From 0x10 up data_coding has the groups of handsets.

    Source: SMPP v3.4, 5.2.19; 3GPP TS 23.038, 4.
    """
    alphabet = _alphabet(coding)
    if alphabet == GSM7:
        return from_septets(octets)
    return octets.decode(_DECODERS.get(alphabet, "ascii"), errors="replace")


def _alphabet(coding: int) -> int:
    if coding < 0x10:
        return coding
    if coding < 0xC0:
        return (GSM7, IA5, UCS2, IA5)[coding >> 2 & 3]
    if coding < 0xF0:
        return UCS2 if coding >= 0xE0 else GSM7
    return IA5 if coding & 4 else GSM7


def unpacked(content: bytes, *, has_header: bool) -> bytes:
    """Write packed septets with an octet each; the user data header stays as it is."""
    head = content[0] + 1 if has_header and content else 0
    fill = -8 * head % 7
    body = content[head:]
    septets = unpack(body, 8 * len(body), fill)
    if septets and not septets[-1] and (8 * len(body) - fill) % 7 == 0:
        septets = septets[:-1]  # seven bits of filling look like an @
    return content[:head] + septets


def _submit(
    config: SmppConfig, parts: tuple[str, ...], index: int, coding: Coding, until: str
) -> ShortMessage:
    data_coding, content = _content(parts[index], coding)
    is_long = len(parts) > 1
    has_header = is_long and config.concat != "sar"
    header = concatenation_header(0, len(parts), index + 1) if has_header else b""
    most = _OCTETS[data_coding]
    packs = config.gsm7_packed and data_coding == GSM7
    if packs:
        content, most = pack(content, -8 * len(header) % 7), 140
    elif is_long and data_coding != UCS2:
        most = 153 + len(header)  # septets of a part beside its header
    tlvs: tuple[Tlv, ...] = ()
    if is_long and not has_header:
        tlvs = (
            Tlv(c.SAR_MSG_REF_NUM, b"\0\0"),
            Tlv(c.SAR_TOTAL_SEGMENTS, bytes((len(parts),))),
            Tlv(c.SAR_SEGMENT_SEQNUM, bytes((index + 1,))),
        )
    content = header + content
    if config.concat == "payload" and not is_long and len(content) > most:
        tlvs = (Tlv(c.MESSAGE_PAYLOAD, content),)
        content = b""
    else:
        content = checked(content, index, most)
    dest = "0" * len(number_of(config, "0" * 11))
    return ShortMessage(
        0,
        c.SUBMIT_SM,
        config.service_type,
        *config.source_of(config.sender_of(parts, config.source_addr)),
        config.dest_ton,
        config.dest_npi,
        dest,
        UDHI if has_header else 0,
        0,
        config.priority,
        "",
        until,
        int(config.wants_reports),
        0,
        data_coding,
        0,
        content,
        tlvs,
    )


def _content(text: str, coding: Coding) -> tuple[int, bytes]:
    """The data_coding and the octets of a part."""
    data_coding = _DATA_CODING.get(coding)
    try:
        match data_coding:
            case 0:
                return GSM7, to_septets(text)
            case 1:
                return IA5, text.encode("ascii")
            case 8:
                return UCS2, text.encode("utf-16-be")
            case _:
                raise Unsendable(f"SMPP 无此编码 {coding} · SMPP has no coding {coding}")
    except ValueError as error:
        raise Unsendable(f"文本含 {coding} 以外的字符 · characters outside {coding}") from error


def number_of(config: SmppConfig, digits: str) -> str:
    """Write a mainland mobile number, given as eleven digits."""
    return {"86": "86", "+86": "+86", "bare": ""}[config.number_format] + digits
