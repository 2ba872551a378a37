"""What every store must do: results, unknowns and their one resend."""

# Tests: S101 they assert; D102 their names are sentences.
# ruff: noqa: S101, D102
from __future__ import annotations

import pytest

from fzalert.errors import LeaseLost
from fzalert.messages import (
    DeliveryReport,
    Lane,
    OutcomeState,
    Proof,
    Receipt,
    ReceiptKind,
    ReportKind,
)
from fzalert.store import (
    ChangeSet,
    Flag,
    Lease,
    PartState,
    Requeue,
    ResultRow,
    Store,
)
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels, number
from fzalert.testing.stores.base import MINUTE, StoreTests, sent, unknown

__all__ = ["FatesContract"]


class FatesContract(StoreTests):
    """Results, unknowns and their one resend."""

    # -- results -----------------------------------------------------------------------

    async def test_a_result_is_written_once(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, sent(one, b"c1"))
        failed = sent(one)._replace(state=PartState.FAILED, word="failed")
        await self.settle(store, lease, failed)
        fate = await self.fate(store, one.submission.id)
        assert (fate.state, fate.word) == (OutcomeState.OPEN, "sent")
        assert await self.words(store) == ["sent"]

    async def test_what_goes_back_is_claimed_again_with_its_attempt_and_key(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        again = Requeue("sms", clock.millis() + 500, 1, Flag.NONE, b"key-1")
        part = one.submission
        row = ResultRow(part.id, 0, PartState.QUEUED, "throttled", requeue=again)
        await self.settle(store, lease, row)
        assert await self.states(store) == {PartState.QUEUED: 1}
        assert await self.claim(store, lease, 9) == []
        clock.advance(0.5)
        (second,) = await self.claim(store, lease, 9)
        assert second.submission == part._replace(previous_key=b"key-1")
        (found,) = await store.recover(lease)
        assert found.submission == second.submission

    @pytest.mark.parametrize("end", ["its window ends", "it is taken back", "it has opted out"])
    async def test_what_may_have_been_taken_under_its_key_ends_as_unknown(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock, end: str
    ) -> None:
        await store.commit(parcels.change(targets=[number(5)]))
        (one,) = await self.claim(store, lease, bulk=1)
        part = one.submission
        again = Requeue("sms", clock.millis() + 500, 2, Flag.UNSURE, b"key-1")
        row = ResultRow(part.id, 0, PartState.QUEUED, "unknown", requeue=again)
        await self.settle(store, lease, row)
        assert (await self.fate(store, part.id)).state is OutcomeState.OPEN
        match end:
            case "its window ends":
                clock.advance(2 * 86_400)
            case "it is taken back":
                await store.commit(ChangeSet(withdraw=(part.id,)))
            case _:
                await store.commit(ChangeSet(suppress=((number(5), "opted out"),)))
                clock.advance(1)
        assert await self.claim(store, lease, bulk=9) == []
        assert (await self.fate(store, part.id)).state is OutcomeState.UNKNOWN
        assert await self.states(store) == {PartState.UNKNOWN: 1}

    async def test_what_may_have_been_taken_under_its_key_keeps_that_mark(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        part = one.submission
        again = Requeue("sms", clock.millis(), 2, Flag.UNSURE, b"key-1")
        row = ResultRow(part.id, 0, PartState.QUEUED, "unknown", requeue=again)
        await self.settle(store, lease, row)
        (second,) = await self.claim(store, lease, 1)
        assert (second.flags, second.submission.previous_key) == (Flag.UNSURE, b"key-1")
        (found,) = await store.recover(lease)
        assert found.flags is Flag.UNSURE

    async def test_an_open_part_tells_under_which_lease_it_was_claimed(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await store.release(lease)
        for _ in range(2):
            other = await store.acquire("sms", 0, "second", 10)
            assert other is not None
            (found,) = await store.recover(other)
            assert (found.submission, found.epoch) == (one.submission, lease.epoch)
            assert other.epoch > lease.epoch
            await store.release(other)

    async def test_a_former_owner_finds_nothing_of_what_its_heir_claimed(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        await store.release(lease)
        heir = await store.acquire("sms", 0, "second", 10)
        assert heir is not None
        await self.one_out(store, heir, parcels)
        with pytest.raises(LeaseLost):
            await store.recover(lease)
        assert len(await store.recover(heir)) == 1

    async def test_another_channel_takes_over(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        other = await store.acquire("sms-2", 0, "first", 10)
        assert other is not None
        one = await self.one_out(store, lease, parcels)
        row = ResultRow(
            one.submission.id,
            0,
            PartState.QUEUED,
            "channel_down",
            requeue=Requeue("sms-2", clock.millis(), 1),
        )
        await self.settle(store, lease, row)
        assert await store.queued("sms-2", Lane.URGENT) == 1
        (moved,) = await self.claim(store, other, 1)
        await self.settle(store, lease, row)  # the first channel has no say any more
        assert await store.queued("sms-2", Lane.URGENT) == 0
        await self.settle(store, other, sent(moved))
        assert (await self.fate(store, one.submission.id)).channel == "sms-2"

    async def test_a_refusal_for_good_can_suppress_the_person(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        row = sent(one)._replace(state=PartState.FAILED, word="failed", suppress=True)
        await self.settle(store, lease, row)
        target = one.submission.target
        assert await store.suppressed([target, number(7)]) == {target: "opted out"}

    async def test_a_message_is_as_bad_as_its_worst_part(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        await store.commit(parcels.change(parts=2))
        first, second = await self.claim(store, lease, bulk=9)
        delivered = sent(first)._replace(state=PartState.DELIVERED, proof=Proof.DEVICE)
        await self.settle(store, lease, delivered)
        fate = await self.fate(store, first.submission.id)
        assert (fate.state, fate.proof) == (OutcomeState.OPEN, Proof.NONE)
        failed = sent(second)._replace(state=PartState.FAILED, word="failed", code="5")
        await self.settle(store, lease, failed)
        fate = await self.fate(store, first.submission.id)
        assert (fate.state, fate.code, fate.parts) == (OutcomeState.FAILED, "5", 2)

    # -- unknown -----------------------------------------------------------------------

    async def test_a_late_answer_replaces_an_unknown_once(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, unknown(one))
        assert (await self.fate(store, one.submission.id)).state is OutcomeState.UNKNOWN
        await self.late(store, lease, Receipt(ReceiptKind.SENT), sent(one, b"c1"))
        failed = sent(one)._replace(state=PartState.FAILED, word="failed")
        await self.late(store, lease, Receipt(ReceiptKind.PERMANENT), failed)
        assert (await self.fate(store, one.submission.id)).word == "sent"

    async def test_an_unknown_is_resent_once_and_stays_readable(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, unknown(one, resend_at=clock.millis() + MINUTE))
        waiting = await self.fate(store, one.submission.id)
        assert (waiting.state, waiting.resent) == (OutcomeState.UNKNOWN, False)
        assert await self.states(store) == {PartState.UNKNOWN: 1}
        clock.advance(60)
        (second,) = await self.claim(store, lease, 9)
        assert (second.submission.attempt, second.flags) == (2, Flag.RESENT)
        assert await self.states(store) == {PartState.CLAIMED: 1}
        await self.settle(store, lease, sent(second))
        assert await self.states(store) == {PartState.SENT: 1}
        assert (await self.fate(store, one.submission.id)).resent

    @pytest.mark.parametrize("by", ["report", "late"])
    async def test_a_word_about_an_unknown_takes_its_resend_back(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock, by: str
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        id_ = one.submission.id
        await self.settle(store, lease, unknown(one, resend_at=clock.millis() + MINUTE))
        if by == "report":
            report = DeliveryReport(ReportKind.DELIVERED, id=id_)
            await self.settle(store, lease, reports=[report])
        else:
            await self.late(store, lease, Receipt(ReceiptKind.SENT), sent(one))
        clock.advance(61)
        assert await self.claim(store, lease, 9, 9) == []
        assert PartState.UNKNOWN not in await self.states(store)

    async def test_a_late_answer_that_says_unknown_changes_nothing(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, unknown(one, resend_at=clock.millis() + MINUTE))
        await self.late(store, lease, Receipt(ReceiptKind.UNKNOWN), unknown(one))
        clock.advance(60)
        assert len(await self.claim(store, lease, 9)) == 1

    async def test_a_late_throttle_sends_the_part_again_unmarked(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, unknown(one, resend_at=clock.millis() + MINUTE))
        again = Requeue("sms", clock.millis(), 0)
        row = ResultRow(one.submission.id, 0, PartState.QUEUED, "throttled", requeue=again)
        await self.late(store, lease, Receipt(ReceiptKind.THROTTLED), row)
        assert await self.states(store) == {PartState.QUEUED: 1}
        (second,) = await self.claim(store, lease, 9)
        assert (second.submission.attempt, second.flags) == (2, Flag.NONE)
        clock.advance(61)
        assert await self.claim(store, lease, 9) == []

    async def test_a_resend_that_was_not_taken_is_unknown_again_until_its_next_try(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, unknown(one, resend_at=clock.millis()))
        (second,) = await self.claim(store, lease, 9)
        again = Requeue("sms", clock.millis() + 500, 2, second.flags)
        row = ResultRow(one.submission.id, 0, PartState.QUEUED, "throttled", requeue=again)
        await self.settle(store, lease, row)
        assert await self.states(store) == {PartState.UNKNOWN: 1}
        await self.late(store, lease, Receipt(ReceiptKind.SENT), sent(one))
        clock.advance(1)
        assert await self.claim(store, lease, 9) == []
        assert await self.states(store) == {PartState.SENT: 1}

    async def test_a_resend_that_is_too_late_leaves_the_fate_as_it_was(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        end = clock.millis() + MINUTE
        await store.commit(parcels.change(lane=Lane.URGENT, not_after=end))
        (one,) = await self.claim(store, lease, 9)
        await self.settle(store, lease, unknown(one, resend_at=end))
        clock.advance(60)
        assert await self.claim(store, lease, 9) == []
        assert await self.states(store) == {PartState.UNKNOWN: 1}
