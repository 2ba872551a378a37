"""What every adapter must do: the tests an author inherits.

An author writes one class:

```python
class TestWebhook(RefusalContract, SilenceContract, LifecycleContract, AdapterContract):
    factory = Webhook

    @pytest.fixture
    async def peer(self) -> AsyncIterator[MyPeer]: ...      # the far side, see `Peer`

    @pytest.fixture
    def config(self, peer: MyPeer) -> WebhookConfig: ...    # how to reach it
```

pytest names a fixture that is forgotten. `adapter` is opened by `LifecycleContract`; `target` and
`rendition` have defaults by what the adapter declares. Nothing is skipped: what a channel cannot do
stands in a class of its own (`fzalert.testing.traits`), which is inherited where it applies; the
last test here compares the two and prints the reason. Tests that await nothing are `async def` too,
because fixtures are.
"""

# Tests: S101 they assert; D102 their names are sentences; ARG002 a fixture may only be set up.
# ruff: noqa: S101, D102, ARG002
from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
import structlog.testing

from fzalert.messages import (
    Lane,
    Receipt,
    ReceiptKind,
    Rendition,
    RenditionKind,
    Target,
    TargetKind,
)
from fzalert.ports import Adapter, AdapterContext, Health, HealthState, Submission
from fzalert.testing.context import make_context
from fzalert.testing.peer import Peer
from fzalert.testing.samples import sample_rendition, sample_target, submission, text_of
from fzalert.testing.wire import RecordingWire

__all__ = ["AdapterContract"]

_IDS = itertools.count(1001)


class AdapterContract:
    """Delivery, refusal of what it cannot do, the lease, the two lanes, health and masking.

    Attributes:
        settle_within: Seconds that one submission may take on a working line.
        recover_within: Seconds after which a line that was cut must work again.
        peer_loggers: Loggers of the counterpart, which sees addresses in plain by nature.
    """

    pytestmark = pytest.mark.anyio

    settle_within: ClassVar[float] = 5.0
    recover_within: ClassVar[float] = 15.0
    peer_loggers: ClassVar[tuple[str, ...]] = ()

    # What an author overrides.

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on asyncio, in any project, without any setting."""
        return "asyncio"

    @pytest.fixture
    async def context(self) -> AsyncIterator[AdapterContext]:
        """The adapter's world; its end finds tasks that the adapter left behind."""
        async with make_context() as context:
            yield context

    @pytest.fixture
    def target(self, adapter: Adapter) -> Target:
        """Someone whom the adapter serves."""
        capabilities = adapter.capabilities
        kind = min(capabilities.kinds)
        if capabilities.addresses:
            return Target(kind, min(capabilities.addresses))
        return sample_target(kind)

    @pytest.fixture
    def rendition(self, adapter: Adapter) -> Rendition:
        """A text that the adapter takes, in one part."""
        return sample_rendition(adapter.capabilities.rendition)

    # How the tests look at it; override where the far side reads it differently.

    def address_of(self, target: Target) -> str:
        """The target's address as the far side sees it."""
        return target.address

    def text_of(self, submission: Submission) -> str:
        """The submission's text as the far side reads it."""
        return text_of(submission.rendition, submission.part)

    # Helpers.

    def make(
        self,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
        *,
        lane: Lane = Lane.URGENT,
    ) -> Submission:
        """Make a submission with an id of its own, worth sending for ten minutes."""
        later = context.clock.millis() + 600_000
        return submission(target, rendition, id=next(_IDS), lane=lane, not_after=later)

    async def send(
        self, adapter: Adapter, *batch: Submission, wire: RecordingWire | None = None
    ) -> list[Receipt]:
        """Submit a batch on a working line; every part must be settled in time."""
        wire = wire or RecordingWire()
        async with asyncio.timeout(self.settle_within):
            await adapter.submit(batch, wire)
        wire.check()
        unsettled = [(s.id, s.part) for s in batch if (s.id, s.part) not in wire.receipts]
        assert not unsettled, "submit returned without settling every part"
        return [wire.receipts[s.id, s.part] for s in batch]

    async def assert_received(self, peer: Peer, *expected: Submission) -> None:
        """Exactly these reached the far side; the order within is the channel's own affair."""
        seen = await peer.received(len(expected), self.settle_within)
        assert sorted(seen) == sorted(
            (self.address_of(s.target), self.text_of(s)) for s in expected
        )

    # Tests.

    async def test_the_capabilities_agree_with_each_other(
        self, adapter: Adapter, target: Target, rendition: Rendition
    ) -> None:
        capabilities = adapter.capabilities
        assert target.kind in capabilities.kinds
        assert rendition.kind == capabilities.rendition
        assert capabilities.window >= 1
        assert capabilities.per_target is None or capabilities.per_target >= 1
        assert capabilities.rate is None or capabilities.rate > 0
        assert capabilities.submit_timeout > 0
        assert (capabilities.text is not None) == (capabilities.rendition is RenditionKind.SMS)
        assert capabilities.addresses is None or target.address in capabilities.addresses

    async def test_one_submission_is_sent_and_arrives_as_it_was_written(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        one = self.make(context, target, rendition)
        wire = RecordingWire()
        (receipt,) = await self.send(adapter, one, wire=wire)
        assert receipt.kind is ReceiptKind.SENT
        await self.assert_received(peer, one)
        told = [step.what for step in wire.steps if step.id]
        assert told == ["writing", "settle"]

    async def test_every_part_of_a_batch_is_sent_once(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        most = min(3, adapter.capabilities.window)
        most = min(most, adapter.capabilities.per_target or most)
        batch = [self.make(context, target, rendition, lane=Lane.BULK) for _ in range(most)]
        receipts = await self.send(adapter, *batch)
        assert [receipt.kind for receipt in receipts] == [ReceiptKind.SENT] * len(batch)
        await self.assert_received(peer, *batch)

    async def test_both_lanes_may_be_inside_at_once(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        bulk = self.make(context, target, rendition, lane=Lane.BULK)
        urgent = self.make(context, target, rendition)
        wire = RecordingWire()
        async with asyncio.timeout(self.settle_within), asyncio.TaskGroup() as lanes:
            lanes.create_task(adapter.submit([bulk], wire))
            lanes.create_task(adapter.submit([urgent], wire))
        wire.check()
        # A channel that takes one at a time may ask one of them to come again; none is lost.
        fates = wire.fates([bulk, urgent])
        again = {None, ReceiptKind.THROTTLED, ReceiptKind.TEMPORARY}
        sent = [
            s for s, fate in zip([bulk, urgent], fates, strict=True) if fate is ReceiptKind.SENT
        ]
        assert sent
        assert {fate for fate in fates if fate is not ReceiptKind.SENT} <= again
        await self.assert_received(peer, *sent)

    async def test_a_foreign_kind_of_text_is_refused_for_good(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        kind = next(kind for kind in RenditionKind if kind is not adapter.capabilities.rendition)
        await self._is_refused(
            adapter, peer, self.make(context, target, sample_rendition(kind)), context, rendition
        )

    async def test_a_foreign_kind_of_target_is_refused_for_good(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        kind = next(kind for kind in TargetKind if kind not in adapter.capabilities.kinds)
        await self._is_refused(
            adapter,
            peer,
            self.make(context, sample_target(kind), rendition),
            context,
            rendition,
            fence=target,
        )

    async def _is_refused(
        self,
        adapter: Adapter,
        peer: Peer,
        foreign: Submission,
        context: AdapterContext,
        rendition: Rendition,
        *,
        fence: Target | None = None,
    ) -> None:
        """The foreign one is refused unwritten; one sent after it arrives alone."""
        wire = RecordingWire()
        (receipt,) = await self.send(adapter, foreign, wire=wire)
        assert receipt.kind is ReceiptKind.PERMANENT
        assert receipt.detail or receipt.code
        assert not wire.written
        after = self.make(context, fence or foreign.target, rendition)
        (receipt,) = await self.send(adapter, after)
        assert receipt.kind is ReceiptKind.SENT
        await self.assert_received(peer, after)

    async def test_nothing_is_written_once_the_lease_is_gone(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
    ) -> None:
        wire = RecordingWire(closed=True)
        async with asyncio.timeout(self.settle_within):
            await adapter.submit([self.make(context, target, rendition)], wire)
        wire.check()
        assert not wire.written
        assert not wire.receipts, "a part that was not written goes back to the queue unsettled"
        after = self.make(context, target, rendition)
        (receipt,) = await self.send(adapter, after)
        assert receipt.kind is ReceiptKind.SENT
        await self.assert_received(peer, after)

    async def test_health_has_a_word(self, adapter: Adapter, peer: Peer) -> None:
        async with asyncio.timeout(1):
            health = await adapter.health()
        assert isinstance(health, Health)
        assert health.state in HealthState
        assert "\n" not in health.detail

    async def test_no_personal_address_is_logged_or_shown(
        self,
        adapter: Adapter,
        peer: Peer,
        context: AdapterContext,
        target: Target,
        rendition: Rendition,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with structlog.testing.capture_logs() as events:
            (receipt,) = await self.send(adapter, self.make(context, target, rendition))
        lines = [r.getMessage() for r in caplog.records if not r.name.startswith(self.peer_loggers)]
        shown = "\n".join(
            [*lines, repr(events), repr(adapter), str(adapter), repr(await adapter.health())]
        )
        address = target.address.removeprefix("+86")
        if target.is_personal:
            assert address not in shown
            assert address not in repr(receipt)

    async def test_the_inherited_classes_are_those_that_apply(
        self, adapter: Adapter, peer: Peer
    ) -> None:
        from fzalert.testing import traits

        applies = {
            traits.RefusalContract: (peer.can_refuse, "peer.can_refuse"),
            traits.SilenceContract: (peer.can_go_silent, "peer.can_go_silent"),
            traits.LinkContract: (peer.can_drop, "peer.can_drop"),
            traits.ReportsContract: (bool(adapter.capabilities.reports), "capabilities.reports"),
        }
        for contract, (flag, name) in applies.items():
            if not flag:
                print(f"{contract.__name__} does not apply: {name} is empty or false")  # noqa: T201  the reason belongs into the test's output
            assert isinstance(self, contract) == flag, f"{name} and {contract.__name__} disagree"
