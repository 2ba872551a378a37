"""A channel of a carrier: texts to phones through its gateway, their fates back.

One instance is one connection for sending; the first may keep another that only receives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from typing_extensions import override

from fzalert.messages import RenditionKind, ReportKind, TargetKind
from fzalert.ports import (
    AdapterContext,
    Capabilities,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    TextProfile,
    Wire,
)
from fzalert_sms.carrier.account import account_of
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.dialect import Dialect
from fzalert_sms.carrier.inbox import Inbox
from fzalert_sms.carrier.receiver import Receiver
from fzalert_sms.carrier.sender import Sender

_REPORTS = frozenset(
    {ReportKind.DELIVERED, ReportKind.UNDELIVERED, ReportKind.EXPIRED, ReportKind.NO_REPORT}
)
_SUBMITS = 4
"""Batches of a lane that may wait for their answers at once: an urgent one then waits for no round
trip of the one before, and bulk refills the window before its slowest answer."""
_SLOW_FOR = 10.0
"""Seconds for which one throttled answer makes a channel slow."""


class CarrierChannel:
    """What every channel of a carrier does; a subclass names its settings and its dialect.

    Args:
        config: Its settings.
        context: The adapter's.
        dialect: How the line speaks that sends.
        receiving: How the line speaks that only receives.
    """

    def __init__(
        self,
        config: CarrierConfig,
        context: AdapterContext,
        dialect: Dialect,
        receiving: Dialect,
    ) -> None:
        self._config = config
        self._clock = context.clock
        self._account = account_of(context.background, config, dialect.text_of)
        self._inbox = Inbox(config, context.clock, dialect, self._account)
        self._sender = Sender(config, context, dialect, self._inbox, self._account)
        self._receiver: Receiver | None = None
        if config.receive_endpoints:
            self._receiver = Receiver(config, context, receiving, self._inbox, self._account)

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._config.name!r}, slot={self._config.slot})"

    @property
    def capabilities(self) -> Capabilities:
        """What the settings allow; the rate is this slot's share."""
        config = self._config
        return Capabilities(
            kinds=frozenset({TargetKind.PHONE}),
            rendition=RenditionKind.SMS,
            window=config.window,
            rate=None if config.rate is None else config.rate / config.connections,
            reports=_REPORTS if config.wants_reports else frozenset(),
            submit_timeout=config.submit_timeout,
            submits=_SUBMITS,
            text=TextProfile(
                coding=config.text_coding,
                signature=config.signature,
                signatures=config.signatures,
                gateway_adds=config.gateway_adds,
                opt_out=config.opt_out,
                max_parts=config.max_parts,
                whole=config.sends_whole,
            ),
        )

    async def __aenter__(self) -> Self:
        if self._receiver is not None:
            self._receiver.line.start()
        await self._sender.line.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._sender.line.close()
        finally:
            if self._receiver is not None:
                await self._receiver.line.close()
        self._inbox.close()

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Write the batch as the window allows, and return when every written part is settled.

        A part whose `not_after` has passed and a part without a lease stay unwritten and unsettled:
        they go back to the queue.
        """
        await self._sender.submit(batch, wire)

    def inbound(self) -> AsyncIterator[InboundBatch]:
        """Reports, replies and late receipts; the gateway is answered by `acknowledge`."""
        return self._inbox.batches()

    async def health(self) -> Health:
        """How the line is now."""
        sender, line = self._sender, self._sender.line
        now = self._clock.monotonic()
        figures: list[tuple[str, int | float | str]] = list(sender.counts.items())
        figures.append(("unreadable reports", self._inbox.unreadable))
        figures.append(("odd reports", self._inbox.odd))
        figures.append(("torn replies", self._inbox.torn))
        figures.append(("reconnects", line.reconnects))
        if line.link is None:
            state = HealthState.UP if line.dozes else HealthState.DOWN
            return Health(state, line.words(now), None, tuple(figures))
        session = line.link.session
        figures.append(("unanswered", session.unanswered))
        figures.append(("unacknowledged reports", session.unacknowledged))
        p95 = sender.pulse.p95_ms(now)
        if p95 is not None:
            figures.append(("95 % of answers within ms", round(p95)))
        if line.places.are_several:
            figures.append(("gateway", "{}:{}".format(*line.places.now)))
        slow = self._slow_words(session.overdue, now)
        state = HealthState.SLOW if slow else HealthState.UP
        return Health(state, slow or line.words(now), sender.pulse.latency_ms, tuple(figures))

    def _slow_words(self, overdue: int, now: float) -> str:
        """Why the channel is slow, the first reason that holds; empty where it is not."""
        pulse, left = self._sender.pulse, self._account.brake.until - now
        words = pulse.slow_words(now)
        if words:
            return words
        if overdue:
            return f"{overdue} 条未及时应答 · {overdue} parts unanswered in time"
        if left > 0:
            return (
                "网关拥塞，或报告称超过流量，群发放慢 · the gateway is congested, or reports say"
                " over the flow limit: bulk goes slower"
            )
        if now - pulse.throttled_at < _SLOW_FOR:
            return "网关要求降速 · the gateway asks for a slower pace"
        if self._receiver is not None and self._receiver.line.link is None:
            why = self._receiver.line.words(now)
            return f"可发送，但收不到状态报告：{why} · sending works, but no reports come"
        return ""
