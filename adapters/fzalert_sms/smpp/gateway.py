"""The channel `sms.smpp`."""

from __future__ import annotations

from typing import ClassVar

from fzalert.ports import AdapterContext, ChannelConfig
from fzalert_sms.carrier.channel import CarrierChannel
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.config import SmppConfig
from fzalert_sms.smpp.dialect import SmppDialect


class SmppGateway(CarrierChannel):
    """An SMPP channel; see `SmppConfig` for its settings."""

    Config: ClassVar[type[ChannelConfig]] = SmppConfig

    def __init__(self, config: SmppConfig, context: AdapterContext) -> None:
        sends = c.BIND_TRANSMITTER if config.bind == "apart" else c.BIND_TRANSCEIVER
        super().__init__(
            config,
            context,
            SmppDialect(config, sends),
            SmppDialect(config, c.BIND_RECEIVER),
        )
