"""From a rendition to the octets of its parts, made once and used for every recipient."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from fzalert.messages import Coding
from fzalert_sms.carrier.texts import content_of
from fzalert_sms.cmpp.codec import (
    NO_ID,
    Layout,
    Submit,
    SubmitTemplate,
)
from fzalert_sms.cmpp.config import CmppConfig

Templates = tuple[SubmitTemplate, ...]


def template_maker(
    config: CmppConfig,
) -> Callable[[Layout, tuple[str, ...], Coding, str], Templates]:
    """Return a function that writes the parts of a text, and keeps the last 64 texts.

    Its last argument is the ValId_Time. The function raises `Unsendable`.
    """

    @lru_cache(maxsize=64)
    def make(layout: Layout, parts: tuple[str, ...], coding: Coding, until: str) -> Templates:
        extension = config.extension_for(parts)
        return tuple(
            SubmitTemplate(_submit(config, parts, index, coding, until), layout, extension)
            for index in range(len(parts))
        )

    return make


def _submit(
    config: CmppConfig, parts: tuple[str, ...], index: int, coding: Coding, until: str
) -> Submit:
    msg_fmt, content = content_of(parts, index, coding)
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
        tp_udhi=int(len(parts) > 1),
        msg_fmt=msg_fmt,
        msg_src=config.account,
        fee_type=config.fee_type,
        fee_code=config.fee_code,
        valid_time=until,
        at_time="",
        src_id=config.sender_of(parts, config.src_id),
        destinations=("",),
        dest_terminal_type=0,
        content=content,
        tail=b"",
    )
