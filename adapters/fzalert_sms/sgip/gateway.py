"""The channel `sms.sgip`."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import ClassVar, Self

from typing_extensions import override

from fzalert.ports import AdapterContext, Capabilities, ChannelConfig, Health, HealthState
from fzalert_sms.carrier.channel import CarrierChannel
from fzalert_sms.sgip.config import SgipConfig
from fzalert_sms.sgip.dialect import SgipDialect
from fzalert_sms.sgip.listener import Listener


class SgipGateway(CarrierChannel):
    """An SGIP channel; see `SgipConfig` for its settings.

    Each slot has a line that sends. The first has the listener too, where the gateway delivers.

    Attributes:
        listener: It; None on the other slots.
    """

    Config: ClassVar[type[ChannelConfig]] = SgipConfig

    def __init__(self, config: SgipConfig, context: AdapterContext) -> None:
        dialect = SgipDialect(config, context.clock)
        super().__init__(config, context, dialect, dialect)
        self.listener: Listener | None = None
        if config.slot == 0 and config.listener is not None:
            self.listener = Listener(
                config, config.listener, context, self._inbox, dialect.sequences
            )
        self._deduplicates = config.gateway_deduplicates

    @property
    @override
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, idempotent_key=self._deduplicates, key_is_id=True)

    @override
    async def __aenter__(self) -> Self:
        if self.listener is not None:
            await self.listener.open()
        return await super().__aenter__()

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.listener is not None:
                await self.listener.close()
        finally:
            await super().__aexit__(kind, error, trace)

    @override
    async def health(self) -> Health:
        """How the lines are now, the gateway's own included."""
        health = await super().health()
        listener = self.listener
        if listener is None:
            return health
        figures: list[tuple[str, int | float | str]] = list(health.figures)
        seconds = (self._clock.millis() - listener.last_bind) / 1000
        last = f"{max(0.0, seconds):.0f} s ago" if listener.last_bind else "never"
        figures.append(("inbound last bind", last))
        figures.append(("inbound binds", listener.bound))
        figures.append(("inbound rejected binds", listener.rejected))
        figures.append(("inbound connections", listener.connections))
        figures.append(("user reports", listener.user_reports))
        health = replace(health, figures=tuple(figures))
        words = _deaf_words(listener)
        if words and health.state is HealthState.UP:
            return replace(health, state=HealthState.SLOW, detail=words)
        return health


def _deaf_words(listener: Listener) -> str:
    """Why no reports arrive, as far as it is known here; empty where nothing is wrong."""
    if listener.why:
        return (
            f"可发送，但无法监听（{listener.why}），收不到状态报告"
            f" · sending works, but the listener does not: {listener.why}"
        )
    if listener.refused:
        return (
            "可发送，但网关连来时登录名或口令不对，收不到状态报告 · sending works, but the gateway"
            " logs in to the listener with a wrong name, password or type: no reports come"
        )
    return ""
