"""What every store must do with what waits on a channel that is down."""

# Tests: S101 they assert; D102 their names are sentences.
# ruff: noqa: S101, D102
from __future__ import annotations

from dataclasses import replace

from fzalert.messages import Coding, Lane, OutcomeState, SmsText
from fzalert.store import (
    Acceptance,
    ChangeSet,
    Fallback,
    Lease,
    Move,
    PartState,
    Requeue,
    ResultRow,
    Store,
)
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels
from fzalert.testing.samples import SCRIPT
from fzalert.testing.stores.base import StoreTests, unknown

__all__ = ["MovingContract"]

OTHER = SmsText(("【青山反诈】另一通道的文本",), Coding.UCS2, SCRIPT)
TWO = SmsText(("【青山反诈】上", "下"), Coding.UCS2, SCRIPT)


def with_fallback(item: Acceptance, body: SmsText | None) -> Acceptance:
    """The acceptance, with what its text is on `sms-2`; None where it does not fit there."""
    bodies = item.bodies if body is None else (*item.bodies, body)
    number = None if body is None else 1
    parts = 0 if body is None else len(body.parts)
    return replace(item, bodies=bodies, fallbacks=(Fallback(0, "sms", "sms-2", number, parts),))


class MovingContract(StoreTests):
    """Messages that move to another channel, by deadline or by receipt."""

    async def moved(self, store: Store, lane: Lane, *, as_is: bool = True) -> int:
        """Move what may move; returns how many messages did."""
        wanted = Move("sms", "sms-2", lane, 500, as_is)
        return (await store.commit(ChangeSet(moves=(wanted,)))).moved

    async def other(self, store: Store) -> Lease:
        """The right to use the other channel."""
        lease = await store.acquire("sms-2", 0, "first", 10)
        assert lease is not None
        return lease

    async def test_urgent_moves_at_once_and_bulk_in_the_last_quarter_of_its_window(
        self, store: Store, lease: Lease, parcels: Parcels, clock: FakeClock
    ) -> None:
        await store.commit(parcels.change(3, lane=Lane.URGENT))
        await store.commit(parcels.change(4, parts=2))
        assert await self.moved(store, Lane.URGENT) == 3
        clock.advance(17.9 * 3600)
        assert await self.moved(store, Lane.BULK) == 0
        clock.advance(0.2 * 3600)
        assert await self.moved(store, Lane.BULK) == 4
        assert await self.moved(store, Lane.BULK) == 0
        assert await self.claim(store, lease, 99, 99) == []
        other = await self.other(store)
        assert len(await self.claim(store, other, 99, 99)) == 3 + 8
        assert await self.states(store) == {PartState.CLAIMED: 11}
        await self.assert_evidence_is_whole(store)

    async def test_what_was_ever_on_the_line_stays(
        self, store: Store, lease: Lease, parcels: Parcels, clock: FakeClock
    ) -> None:
        out = await self.one_out(store, lease, parcels)
        lost = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, unknown(lost, resend_at=clock.millis() + 1000))
        await store.commit(parcels.change(lane=Lane.URGENT, parts=2))
        half = (await self.claim(store, lease, 1))[0]
        assert half.submission.id not in {out.submission.id, lost.submission.id}
        assert await self.moved(store, Lane.URGENT) == 0

    async def test_it_goes_in_the_text_that_it_has_there(
        self, store: Store, lease: Lease, parcels: Parcels
    ) -> None:
        for body in (OTHER, TWO):
            item = with_fallback(parcels.accept(lane=Lane.URGENT), body)
            await store.commit(ChangeSet(accepts=(item,)))
        assert await self.moved(store, Lane.URGENT, as_is=False) == 2
        claimed = await self.claim(store, await self.other(store), 9)
        assert [one.submission.rendition for one in claimed] == [OTHER, TWO, TWO]
        assert [one.submission.part for one in claimed] == [0, 0, 1]
        fate = await self.fate(store, claimed[1].submission.id)
        assert (fate.channel, fate.parts) == ("sms-2", 2)
        assert await self.claim(store, lease, 9) == []

    async def test_what_has_no_text_there_stays(
        self, store: Store, lease: Lease, parcels: Parcels
    ) -> None:
        item = with_fallback(parcels.accept(lane=Lane.URGENT), None)
        await store.commit(ChangeSet(accepts=(item,)))
        await store.commit(parcels.change(lane=Lane.URGENT))  # nothing was written for there
        assert await self.moved(store, Lane.URGENT, as_is=False) == 0
        assert len(await self.claim(store, lease, 9)) == 2

    async def test_a_receipt_moves_a_part_in_its_other_text_or_leaves_it(
        self, store: Store, lease: Lease, parcels: Parcels, clock: FakeClock
    ) -> None:
        items = [
            with_fallback(parcels.accept(lane=Lane.URGENT), body) for body in (TWO, None, None)
        ]
        await store.commit(ChangeSet(accepts=tuple(items)))
        claimed = await self.claim(store, lease, 9)
        over = Requeue("sms-2", clock.millis(), 1, as_is=False)
        rows = [
            ResultRow(one.submission.id, 0, PartState.QUEUED, word, requeue=over)
            for one, word in zip(
                claimed, ("channel_down", "channel_down", "temporary"), strict=True
            )
        ]
        await self.settle(store, lease, *rows)
        assert await self.states(store) == {PartState.QUEUED: 3, PartState.FAILED: 1}
        there = await self.claim(store, await self.other(store), 9)
        assert [one.submission.rendition for one in there] == [TWO, TWO]
        clock.advance(2)
        (stayed,) = await self.claim(store, lease, 9)
        assert stayed.submission.id == claimed[1].submission.id
        refused = await self.fate(store, claimed[2].submission.id)
        assert refused.state is OutcomeState.FAILED
