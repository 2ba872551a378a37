"""Fixtures and helpers of the tests that every store passes."""

# Tests: S101 they assert; D102 their names are sentences.
# ruff: noqa: S101
from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from fzalert.evidence import Link, verify
from fzalert.messages import (
    DeliveryReport,
    Lane,
    LateReceipt,
    Outcome,
    Receipt,
)
from fzalert.store import (
    Claimed,
    Flag,
    Lease,
    PartState,
    Requeue,
    ResultRow,
    Store,
    TickInput,
)
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels

__all__ = ["HOUR", "MINUTE", "StoreTests", "sent", "unknown"]

MINUTE = 60_000
HOUR = 60 * MINUTE


def sent(one: Claimed, carrier_id: bytes = b"") -> ResultRow:
    """The far side took it."""
    part = one.submission
    return ResultRow(part.id, part.part, PartState.SENT, "sent", carrier_id=carrier_id)


def unknown(one: Claimed, *, resend_at: int | None = None) -> ResultRow:
    """No answer came; it is held, or resent once."""
    part = one.submission
    again = None
    if resend_at is not None:
        again = Requeue(one.channel, resend_at, part.attempt + 1, Flag.RESENT, b"key")
    return ResultRow(part.id, part.part, PartState.UNKNOWN, "unknown", requeue=again)


class StoreTests:
    """Acceptance, ticks, fates, reports, opt-outs, events, evidence, leases, restart.

    Attributes:
        single_owner: One process owns the store, so a slot's lease is free for its next owner at
            once; otherwise only when it has expired or was released.
    """

    pytestmark = pytest.mark.anyio

    single_owner: ClassVar[bool] = False

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on asyncio, in any project, without any setting."""
        return "asyncio"

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The store's clock."""
        return FakeClock()

    @pytest.fixture
    def parcels(self, clock: FakeClock) -> Parcels:
        """Makes acceptances that are due now."""
        return Parcels(clock)

    @pytest.fixture
    async def lease(self, store: Store) -> Lease:
        """The right to use the first connection of the channel `sms`."""
        lease = await store.acquire("sms", 0, "first", 10)
        assert lease is not None
        return lease

    async def restart(self, store: Store) -> Store:
        """Close the store and open it again; an author overrides this."""
        raise NotImplementedError

    # Helpers.

    async def claim(
        self, store: Store, lease: Lease, urgent: int = 0, bulk: int = 0
    ) -> list[Claimed]:
        """Claim up to so many."""
        want = {Lane.URGENT: urgent, Lane.BULK: bulk}
        return list((await store.tick(lease, TickInput(want=want))).claimed)

    async def settle(
        self, store: Store, lease: Lease, *rows: ResultRow, reports: Sequence[DeliveryReport] = ()
    ) -> None:
        """Write results and reports in one tick."""
        await store.tick(lease, TickInput(results=rows, reports=reports))

    async def late(self, store: Store, lease: Lease, receipt: Receipt, row: ResultRow) -> None:
        """Write a late answer."""
        await store.tick(lease, TickInput(late=[(LateReceipt(row.id, row.part, receipt), row)]))

    async def one_out(
        self, store: Store, lease: Lease, parcels: Parcels, lane: Lane = Lane.URGENT
    ) -> Claimed:
        """Accept one message of one part and claim it."""
        await store.commit(parcels.change(lane=lane))
        (claimed,) = await self.claim(store, lease, 1, 1)
        return claimed

    async def fate(self, store: Store, id_: int) -> Outcome:
        """The fate of one message."""
        found = await store.outcome(id_)
        assert found is not None
        return found

    async def states(self, store: Store) -> dict[PartState, int]:
        """The counters that are not zero, over all channels and lanes."""
        found: dict[PartState, int] = {}
        for row in await store.counters():
            if row.n:
                found[row.state] = found.get(row.state, 0) + row.n
        return found

    async def words(self, store: Store) -> list[str]:
        """The words of the whole feed."""
        return [row.word for row in await store.feed(0, 1000)]

    async def assert_evidence_is_whole(self, store: Store) -> None:
        """Every chain verifies up to the head that the store names."""
        for chain, length, head in await store.chains():
            rows = [Link(row.seq, row.body, row.hash) for row in await store.evidence(chain)]
            verdict = verify(rows)
            assert verdict.is_intact
            assert (verdict.head.seq + 1, verdict.head.hash) == (length, head)
