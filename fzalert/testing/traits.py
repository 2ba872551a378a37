"""Contract tests for what only some channels can do; inherit those that apply.

Each stands before `AdapterContract` in the list of bases. Python itself refuses another order.
"""

# Tests: S101 they assert; D102 their names are sentences; ARG002 a fixture may only be set up.
# ruff: noqa: S101, D102, ARG002
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from pydantic import SecretStr

from fzalert.messages import Appended, DeliveryReport, ReceiptKind, Rendition, Target
from fzalert.ports import Adapter, AdapterContext, ChannelConfig, InboundBatch
from fzalert.testing.context import make_context
from fzalert.testing.contract import AdapterContract
from fzalert.testing.peer import Peer, ReportingPeer
from fzalert.testing.wire import RecordingWire

__all__ = [
    "LifecycleContract",
    "LinkContract",
    "RefusalContract",
    "ReportsContract",
    "SilenceContract",
]


class RefusalContract(AdapterContract):
    """For a peer that can refuse.

    Attributes:
        refusals: Kinds of refusal that the peer can play.
    """

    refusals: ClassVar[frozenset[ReceiptKind]] = frozenset({ReceiptKind.PERMANENT})

    async def test_a_refusal_is_read_as_what_it_is(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        for kind in sorted(self.refusals):
            peer.refuse_next(kind)
            (receipt,) = await self.send(adapter, self.make(context, target, rendition))
            assert receipt.kind is kind
            assert receipt.code, "a refusal carries the far side's own code"
            assert target.address not in receipt.detail or not target.is_personal

    async def test_a_refusal_harms_no_other_submission(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        peer.refuse_next(ReceiptKind.PERMANENT)
        await self.send(adapter, self.make(context, target, rendition))
        (receipt,) = await self.send(adapter, self.make(context, target, rendition))
        assert receipt.kind is ReceiptKind.SENT


class SilenceContract(AdapterContract):
    """For a peer that can go silent. Give the adapter a short time limit in its settings.

    Attributes:
        silence_slack: Seconds beyond `capabilities.submit_timeout` that giving up may take.
    """

    silence_slack: ClassVar[float] = 3.0

    async def test_no_answer_is_unknown_and_never_sent(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        peer.silent()
        one = self.make(context, target, rendition)
        wire = RecordingWire()
        async with asyncio.timeout(adapter.capabilities.submit_timeout + self.silence_slack):
            await adapter.submit([one], wire)
        wire.check()
        (fate,) = wire.fates([one])
        assert (one.id, one.part) in wire.written
        assert fate in {ReceiptKind.UNKNOWN, ReceiptKind.TEMPORARY}


class LinkContract(AdapterContract):
    """For a peer that can cut the link."""

    async def test_it_delivers_again_after_the_link_was_cut(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        await self.send(adapter, self.make(context, target, rendition))
        peer.drop()
        honest = {
            None,
            ReceiptKind.UNKNOWN,
            ReceiptKind.CHANNEL_DOWN,
            ReceiptKind.TEMPORARY,
            ReceiptKind.SENT,
        }
        fate: ReceiptKind | None = None
        one = self.make(context, target, rendition)
        async with asyncio.timeout(self.recover_within):
            while fate is not ReceiptKind.SENT:
                one = self.make(context, target, rendition)
                wire = RecordingWire()
                await adapter.submit([one], wire)
                wire.check()
                (fate,) = wire.fates([one])
                assert fate in honest
                if fate is not ReceiptKind.SENT:
                    await context.clock.sleep(0.05)
        seen = await peer.received(2, self.settle_within)
        assert seen[-1] == (self.address_of(one.target), self.text_of(one))

    async def test_a_link_cut_under_a_submission_leaves_it_unknown(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        if not peer.can_go_silent:
            print("does not apply: peer.can_go_silent is false")  # noqa: T201  the reason belongs into the test's output
            return
        peer.silent()
        one = self.make(context, target, rendition)
        wire = RecordingWire()
        async with asyncio.timeout(self.recover_within), asyncio.TaskGroup() as group:
            group.create_task(adapter.submit([one], wire))
            await wire.until_written()
            await peer.received(1, self.settle_within)
            peer.drop()
        wire.check()
        assert wire.fates([one]) == [ReceiptKind.UNKNOWN]


class ReportsContract(AdapterContract):
    """For a channel that reports later; `peer` is then a `ReportingPeer`."""

    async def test_each_report_finds_its_message_and_is_acknowledged(
        self,
        adapter: Adapter,
        peer: ReportingPeer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        one = self.make(context, target, rendition)
        (receipt,) = await self.send(adapter, one)
        kind = min(adapter.capabilities.reports)
        peer.report(kind)
        async with asyncio.timeout(self.settle_within):
            report = await self._report(adapter, kind)
        if report.id:
            assert (report.id, report.part) == (one.id, one.part)
        else:
            assert report.carrier_id == receipt.carrier_id != b""
        assert await peer.acknowledged(1, self.settle_within) >= 1

    async def _report(self, adapter: Adapter, kind: str) -> DeliveryReport:
        rows = adapter.inbound()
        try:
            async for batch in rows:
                assert isinstance(batch, InboundBatch)
                batch.acknowledge()
                for row in batch.rows:
                    if isinstance(row, DeliveryReport) and row.kind == kind:
                        return row
        finally:
            close = getattr(rows, "aclose", None)
            if close is not None:
                await close()
        raise AssertionError(f"inbound ended before the report {kind} came")


class LifecycleContract(AdapterContract):
    """For every adapter: what it says before it is open, and what it leaves behind.

    The fixture `config` gives the settings that reach `peer`.

    Attributes:
        factory: The adapter class.
        open_within: Seconds that opening may take on a working line.
        close_within: Seconds that closing may take.
    """

    factory: ClassVar[Callable[..., Adapter]]
    open_within: ClassVar[float] = 5.0
    close_within: ClassVar[float] = 5.0

    @pytest.fixture
    async def adapter(
        self, config: ChannelConfig, context: AdapterContext
    ) -> AsyncIterator[Adapter]:
        """The adapter, open; override it where opening takes more."""
        async with type(self).factory(config, context) as adapter:
            yield adapter

    @asynccontextmanager
    async def opened(
        self, config: ChannelConfig, context: AdapterContext
    ) -> AsyncIterator[Adapter]:
        """Open and close a second instance, each within its limit."""
        adapter = type(self).factory(config, context)
        async with asyncio.timeout(self.open_within):
            await adapter.__aenter__()
        try:
            yield adapter
        finally:
            async with asyncio.timeout(self.close_within):
                await adapter.__aexit__(None, None, None)

    async def test_the_capabilities_are_known_before_it_is_open(
        self, adapter: Adapter, config: ChannelConfig, context: AdapterContext
    ) -> None:
        assert type(self).factory(config, context).capabilities == adapter.capabilities

    async def test_it_closes_in_time_and_leaves_no_task(
        self, peer: Peer, config: ChannelConfig, target: Target, rendition: Rendition
    ) -> None:
        async with make_context() as context:
            async with self.opened(config, context) as adapter:
                await self.send(adapter, self.make(context, target, rendition))
            assert context.background.running == ()

    async def test_reading_ends_when_it_closes(
        self, peer: Peer, config: ChannelConfig, context: AdapterContext
    ) -> None:
        rows: list[Appended] = []

        async def read(adapter: Adapter) -> None:
            async for batch in adapter.inbound():
                rows.extend(batch.rows)
                batch.acknowledge()

        limit = asyncio.timeout(self.open_within + self.close_within + 1)
        async with limit, asyncio.TaskGroup() as group, self.opened(config, context) as adapter:
            group.create_task(read(adapter))
            await asyncio.sleep(0)
        assert rows == []

    async def test_no_secret_shows_in_repr(self, adapter: Adapter, config: ChannelConfig) -> None:
        secrets = _secrets(config.model_dump())
        shown = repr(config) + str(config) + repr(adapter) + str(adapter)
        assert [secret for secret in secrets if secret in shown] == []


def _secrets(value: object) -> list[str]:
    match value:
        case SecretStr():
            return [value.get_secret_value()] if value.get_secret_value() else []
        case dict():
            return [secret for inner in value.values() for secret in _secrets(inner)]
        case list() | tuple():
            return [secret for inner in value for secret in _secrets(inner)]
        case _:
            return []
