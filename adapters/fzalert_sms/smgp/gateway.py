"""The channel `sms.smgp`."""

from __future__ import annotations

from typing import ClassVar

from fzalert.ports import AdapterContext, ChannelConfig
from fzalert_sms.carrier.channel import CarrierChannel
from fzalert_sms.smgp.config import SmgpConfig
from fzalert_sms.smgp.dialect import BOTH, RECEIVES, SENDS, SmgpDialect


class SmgpGateway(CarrierChannel):
    """An SMGP channel; see `SmgpConfig` for its settings."""

    Config: ClassVar[type[ChannelConfig]] = SmgpConfig

    def __init__(self, config: SmgpConfig, context: AdapterContext) -> None:
        is_apart = config.login_mode == "apart"
        super().__init__(
            config,
            context,
            SmgpDialect(config, SENDS if is_apart else BOTH),
            SmgpDialect(config, RECEIVES),
        )
