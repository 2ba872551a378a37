"""The channel `sms.cmpp`."""

from __future__ import annotations

from typing import ClassVar

from fzalert.ports import AdapterContext, ChannelConfig
from fzalert_sms.carrier.channel import CarrierChannel
from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.cmpp.dialect import CmppDialect


class CmppGateway(CarrierChannel):
    """A CMPP channel; see `CmppConfig` for its settings."""

    Config: ClassVar[type[ChannelConfig]] = CmppConfig

    def __init__(self, config: CmppConfig, context: AdapterContext) -> None:
        super().__init__(config, context, CmppDialect(config), CmppDialect(config))
