"""What stands where an adapter could not be made: a channel that is down and says why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from typing_extensions import override

from fzalert.messages import Receipt, ReceiptKind, RenditionKind, Scope, TargetKind
from fzalert.ports import (
    Adapter,
    Capabilities,
    ChannelConfig,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    TextProfile,
    Wire,
)

# What a family of adapters serves, by the entry point or its first word.
_FAMILIES = {
    "sms": (TargetKind.PHONE, RenditionKind.SMS),
    "display": (TargetKind.DISPLAY, RenditionKind.DISPLAY),
    "voice": (TargetKind.SPEAKER, RenditionKind.SPEECH),
    "bank": (TargetKind.BANK_DESK, RenditionKind.BANK),
    "mail": (TargetKind.MAILBOX, RenditionKind.MAIL),
    "post.relay": (TargetKind.PHONE, RenditionKind.RELAY),
    "post": (TargetKind.GROUP, RenditionKind.POST),
}
PAUSE = 5.0


class StandIn(Adapter):
    """Takes what the channel's family would take, and answers that the channel is down.

    So a warning to it is accepted and its fate is told, instead of an error in a caller's program.

    Args:
        adapter: The entry point of the adapter that could not be made.
        why: Why, for people.
    """

    Config = ChannelConfig

    def __init__(self, adapter: str, why: str) -> None:
        self._why = why
        family = _FAMILIES.get(adapter) or _FAMILIES.get(adapter.partition(".")[0])
        kind, rendition = family or (None, RenditionKind.SMS)
        self._capabilities = Capabilities(
            frozenset() if kind is None else frozenset({kind}),
            rendition,
            text=TextProfile() if rendition is RenditionKind.SMS else None,
        )

    @property
    @override
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @override
    async def __aenter__(self) -> Self:
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        for part in batch:
            down = Receipt(
                ReceiptKind.CHANNEL_DOWN,
                Scope.CHANNEL,
                code="adapter-broken",
                detail=self._why,
                retry_after=PAUSE,
            )
            wire.settle(part.id, part.part, down)

    @override
    async def inbound(self) -> AsyncIterator[InboundBatch]:
        nothing: tuple[InboundBatch, ...] = ()
        for batch in nothing:
            yield batch

    @override
    async def health(self) -> Health:
        return Health(HealthState.DOWN, self._why)
