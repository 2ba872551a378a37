"""From a rendition to the octets of its parts, made once and used for every recipient; and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from fzalert.messages import Coding
from fzalert_sms.cmpp.codec import (
    BEIJING,
    NO_ID,
    Layout,
    Submit,
    SubmitTemplate,
)
from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.wire import concatenation_header, divide

_FORMATS: dict[Coding, tuple[int, str]] = {
    Coding.UCS2: (8, "utf-16-be"),
    Coding.ASCII: (0, "ascii"),
    Coding.GSM7: (0, "ascii"),  # Chinese gateways read format 0 as ASCII, not as GSM 03.38
    Coding.GB18030: (15, "gb18030"),
}
_LONGEST_VALIDITY = 48 * 3_600_000
_OCTETS = {0: 159}
"""Most octets of a part by Msg_Fmt; 140 where unsaid. Source: CMPP V3.0.0, 8.4.3.1, Msg_Length."""
_DECODERS = {0: "ascii", 8: "utf-16-be", 15: "gb18030", 24: "utf-16-be", 25: "utf-16-be"}

Templates = tuple[SubmitTemplate, ...]


class Unsendable(Exception):
    """A text that cannot go out as it is; the words say why."""


def template_maker(
    config: CmppConfig,
) -> Callable[[Layout, tuple[str, ...], Coding, str], Templates]:
    """Return a function that writes the parts of a text, and keeps the last 64 texts.

    Its last argument is the ValId_Time. The function raises `Unsendable`.
    """

    @lru_cache(maxsize=64)
    def make(layout: Layout, parts: tuple[str, ...], coding: Coding, until: str) -> Templates:
        return tuple(
            SubmitTemplate(_submit(config, parts, index, coding, until), layout)
            for index in range(len(parts))
        )

    return make


def incoming_text(content: bytes, msg_fmt: int, *, has_header: bool) -> str:
    """Read a person's message; what cannot be read is shown as U+FFFD."""
    return text_of(divide(content)[1] if has_header else content, msg_fmt)


def text_of(octets: bytes, msg_fmt: int) -> str:
    """Read octets without any header; what cannot be read is shown as U+FFFD."""
    return octets.decode(_DECODERS.get(msg_fmt, "ascii"), errors="replace")


def valid_time(not_after: int, now: int) -> str:
    """ValId_Time: until when the carrier may try, as an absolute time; empty beyond two days.

    Beyond two days the carrier's own limit is the shorter one. More than an hour off it is given in
    whole minutes, so that neighbours share a template.

    Args:
        not_after: Milliseconds since the epoch.
        now: The same.

    Source: CMPP V3.0.0, 8.4.3.1, after SMPP 3.3: YYMMDDhhmmss, tenths, quarter hours from UTC.
    """
    left = not_after - now
    if not 0 < left <= _LONGEST_VALIDITY:
        return ""
    seconds = not_after // 1000
    return _stamp(seconds - seconds % 60 if left > 3_600_000 else seconds)


@lru_cache(maxsize=256)
def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%y%m%d%H%M%S") + "032+"


def _submit(
    config: CmppConfig, parts: tuple[str, ...], index: int, coding: Coding, until: str
) -> Submit:
    msg_fmt, codec = _FORMATS[coding]
    try:
        content = parts[index].encode(codec)
    except UnicodeEncodeError as error:
        raise Unsendable(f"文本含 {coding} 以外的字符 · characters outside {coding}") from error
    is_long = len(parts) > 1
    if is_long:
        content = concatenation_header(0, len(parts), index + 1) + content
    most = _OCTETS.get(msg_fmt, 140)
    if not content or len(content) > most:
        raise Unsendable(
            f"第 {index + 1} 条有 {len(content)} 字节，限 1–{most} · part {index + 1} has"
            f" {len(content)} octets, 1 to {most} are allowed"
        )
    return Submit(
        sequence=0,
        msg_id=NO_ID,
        pk_total=len(parts),
        pk_number=index + 1,
        registered_delivery=int(config.wants_reports),
        msg_level=config.message_level,
        service_id=config.service_id,
        fee_user_type=2,
        fee_terminal_id="",
        fee_terminal_type=0,
        tp_pid=0,
        tp_udhi=int(is_long),
        msg_fmt=msg_fmt,
        msg_src=config.account,
        fee_type=config.fee_type,
        fee_code=config.fee_code,
        valid_time=until,
        at_time="",
        src_id=config.src_id,
        destinations=("",),
        dest_terminal_type=0,
        content=content,
        tail=b"",
    )
