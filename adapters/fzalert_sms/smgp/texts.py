"""From a rendition to the octets of its parts, made once and used for every recipient."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from fzalert.messages import Coding
from fzalert_sms.carrier.texts import content_of
from fzalert_sms.smgp.codec import Submit, SubmitTemplate
from fzalert_sms.smgp.codec import layout as c
from fzalert_sms.smgp.config import SmgpConfig
from fzalert_sms.wire import Tlv, exact

Templates = tuple[SubmitTemplate, ...]
_TO_A_PHONE: Final = 6
"""MsgType of a text to a phone (SMGP V3.0.3, 7.2.3)."""


def template_maker(
    config: SmgpConfig,
) -> Callable[[tuple[str, ...], Coding, str], Templates]:
    """Return a function that writes the parts of a text, and keeps the last 64 texts.

    Its last argument is the ValidTime. The function raises `Unsendable`.
    """

    @lru_cache(maxsize=64)
    def make(parts: tuple[str, ...], coding: Coding, until: str) -> Templates:
        extension = config.extension_for(parts)
        return tuple(
            SubmitTemplate(_submit(config, parts, index, coding, until), extension)
            for index in range(len(parts))
        )

    return make


def _submit(
    config: SmgpConfig, parts: tuple[str, ...], index: int, coding: Coding, until: str
) -> Submit:
    msg_format, content = content_of(parts, index, coding)
    tlvs: list[Tlv] = []
    if len(parts) > 1:
        tlvs += [
            Tlv(c.TP_UDHI, b"\1"),
            Tlv(c.PK_TOTAL, bytes((len(parts),))),
            Tlv(c.PK_NUMBER, bytes((index + 1,))),
        ]
    if config.msg_src:
        tlvs.append(Tlv(c.MSG_SRC, exact(config.msg_src.encode(), 8)))
    if config.m_service_id:
        tlvs.append(Tlv(c.M_SERVICE_ID, exact(config.m_service_id.encode(), 21)))
    return Submit(
        sequence=0,
        msg_type=_TO_A_PHONE,
        need_report=int(config.wants_reports),
        priority=config.priority,
        service_id=config.service_id,
        fee_type=config.fee_type,
        fee_code=config.fee_code,
        fixed_fee="",
        msg_format=msg_format,
        valid_time=until,
        at_time="",
        src_term_id=config.sender_of(parts, config.src_term_id),
        charge_term_id="",
        dest_term_ids=("",),
        content=content,
        tlvs=tuple(tlvs),
    )
