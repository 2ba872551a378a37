"""From a rendition to the octets of its parts, made once and used for every recipient."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from fzalert.messages import Coding
from fzalert_sms.carrier.texts import content_of
from fzalert_sms.sgip.codec import Sequence, Submit, SubmitTemplate
from fzalert_sms.sgip.config import SgipConfig

Templates = tuple[SubmitTemplate, ...]
_ALWAYS: Final = 1
_NEVER: Final = 2
"""ReportFlag (SGIP V1.2, 4.2.3.1); its default, 0, reports failures alone."""


def template_maker(config: SgipConfig) -> Callable[[tuple[str, ...], Coding, str], Templates]:
    """Return a function that writes the parts of a text, and keeps the last 64 texts.

    Its last argument is the ExpireTime. The function raises `Unsendable`.
    """

    @lru_cache(maxsize=64)
    def make(parts: tuple[str, ...], coding: Coding, until: str) -> Templates:
        return tuple(
            SubmitTemplate(_submit(config, parts, index, coding, until))
            for index in range(len(parts))
        )

    return make


def _submit(
    config: SgipConfig, parts: tuple[str, ...], index: int, coding: Coding, until: str
) -> Submit:
    message_coding, content = content_of(parts, index, coding)
    return Submit(
        sequence=Sequence(0, 0, 0),
        sp_number=config.sender_of(parts, config.sp_number),
        charge_number=config.charge_number,
        user_numbers=("",),
        corp_id=config.corp_id,
        service_type=config.service_type,
        fee_type=config.fee_type,
        fee_value=config.fee_value,
        given_value=config.given_value,
        agent_flag=config.agent_flag,
        morelate_to_mt_flag=config.mt_flag,
        priority=config.priority,
        expire_time=until,
        schedule_time="",
        report_flag=_ALWAYS if config.wants_reports else _NEVER,
        tp_pid=0,
        tp_udhi=int(len(parts) > 1),
        message_coding=message_coding,
        message_type=0,
        content=content,
    )
