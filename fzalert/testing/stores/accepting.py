"""What every store must do: acceptance, claims, what is taken back."""

# Tests: S101 they assert; D102 their names are sentences.
# ruff: noqa: S101, D102
from __future__ import annotations

import asyncio

import pytest

from fzalert.errors import DuplicateKey
from fzalert.messages import (
    Lane,
    OutcomeState,
    Uplink,
)
from fzalert.store import (
    ChangeSet,
    Event,
    EvidenceEntry,
    Lease,
    PartState,
    Requeue,
    ResultRow,
    StateRow,
    Store,
    TickInput,
)
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels
from fzalert.testing.stores.base import MINUTE, StoreTests, unknown

__all__ = ["AcceptingContract"]


class AcceptingContract(StoreTests):
    """Acceptance, claims, what is taken back."""

    # -- acceptance --------------------------------------------------------------------

    async def test_what_is_accepted_waits_in_its_queue(
        self, store: Store, parcels: Parcels
    ) -> None:
        (accepted,) = (await store.commit(parcels.change(3, parts=2))).accepted
        assert not accepted.existing
        assert accepted.claimed == ()
        assert await store.queued("sms", Lane.BULK) == 6
        assert await store.queued("sms", Lane.URGENT) == 0
        assert await self.states(store) == {PartState.QUEUED: 6}
        assert {o.state for o in await store.outcomes(accepted.warning)} == {OutcomeState.OPEN}

    async def test_the_same_key_with_the_same_body_gives_the_earlier_warning(
        self, store: Store, parcels: Parcels
    ) -> None:
        first = (await store.commit(parcels.change(key="T1"))).accepted[0]
        again = (await store.commit(parcels.change(key="T1"))).accepted[0]
        assert again == (first.warning, True, ())
        assert await self.states(store) == {PartState.QUEUED: 1}

    async def test_the_same_key_with_another_body_is_refused(
        self, store: Store, parcels: Parcels
    ) -> None:
        await store.commit(parcels.change(key="T1"))
        with pytest.raises(DuplicateKey):
            await store.commit(parcels.change(key="T1", body="another"))
        assert await self.states(store) == {PartState.QUEUED: 1}

    async def test_an_acceptance_may_claim_at_once(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        change = parcels.change(lane=Lane.URGENT, parts=2, claim=lease)
        (accepted,) = (await store.commit(change)).accepted
        assert [c.submission.part for c in accepted.claimed] == [0, 1]
        message = change.accepts[0].messages[0]
        assert accepted.claimed[0].submission.target == message.target
        assert accepted.claimed[0].submission.rendition == change.accepts[0].bodies[0]
        assert await self.states(store) == {PartState.CLAIMED: 2}
        assert await self.claim(store, lease, urgent=9) == []

    async def test_a_refused_target_is_suppressed_and_told(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        change = parcels.change(refused="opted out")
        await store.commit(change)
        fate = await self.fate(store, change.accepts[0].messages[0].id)
        assert (fate.state, fate.word, fate.detail) == (
            OutcomeState.SUPPRESSED,
            "suppressed",
            "opted out",
        )
        assert await self.words(store) == ["suppressed"]
        assert await self.claim(store, lease, bulk=9) == []

    async def test_a_later_batch_joins_its_warning(self, store: Store, parcels: Parcels) -> None:
        first = (await store.commit(parcels.change(2))).accepted[0].warning
        await store.commit(parcels.change(3, warning=first))
        assert len(await store.outcomes(first)) == 5
        assert len(await store.outcomes(first, most=4)) == 4
        assert len(await store.warnings(10)) == 1

    async def test_a_refused_change_set_leaves_nothing(
        self, store: Store, parcels: Parcels
    ) -> None:
        await store.commit(parcels.change(key="T1"))
        bad = parcels.accept(key="T1", body="another")
        change = ChangeSet(
            accepts=(parcels.accept(), bad),
            events=(Event("opened", b"{}", "officer"),),
            stream="case/1",
            evidence=(EvidenceEntry("case/1", "officer", "case.open", {}),),
            state=(StateRow("a", "k", b"v"),),
        )
        with pytest.raises(DuplicateKey):
            await store.commit(change)
        assert await self.states(store) == {PartState.QUEUED: 1}
        assert await store.events("case/1") == []
        assert await store.evidence("case/1") == []
        assert await store.state("a") == []

    async def test_one_refusal_among_many_commits_undoes_no_other(
        self, store: Store, parcels: Parcels
    ) -> None:
        await store.commit(parcels.change(key="T1"))
        bad = parcels.change(key="T1", body="another")
        works = [parcels.change() for _ in range(10)]
        works[5:5] = [bad]
        answers = await asyncio.gather(*map(store.commit, works), return_exceptions=True)
        assert [isinstance(a, DuplicateKey) for a in answers].count(True) == 1
        assert await self.states(store) == {PartState.QUEUED: 11}

    # -- claims ------------------------------------------------------------------------

    async def test_a_part_is_claimed_once_and_urgent_comes_first(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        await store.commit(parcels.change(3))
        await store.commit(parcels.change(2, lane=Lane.URGENT))
        output = await store.tick(lease, TickInput(want={Lane.BULK: 2, Lane.URGENT: 9}))
        lanes = [one.submission.lane for one in output.claimed]
        assert lanes == [Lane.URGENT, Lane.URGENT, Lane.BULK, Lane.BULK]
        assert output.waiting
        rest = await self.claim(store, lease, 9, 9)
        assert len(rest) == 1
        keys = [c.submission.id for c in [*output.claimed, *rest]]
        assert len(set(keys)) == 5
        assert await self.claim(store, lease, 9, 9) == []

    async def test_nothing_is_claimed_before_it_is_due(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        due = clock.millis() + MINUTE
        await store.commit(parcels.change(due_at=due))
        output = await store.tick(lease, TickInput(want={Lane.BULK: 9}))
        assert (output.claimed, output.next_due, output.waiting) == ((), due, False)
        clock.advance(60)
        assert len(await self.claim(store, lease, bulk=9)) == 1

    async def test_what_is_too_late_expires_and_is_never_claimed(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        change = parcels.change(lane=Lane.URGENT, not_after=clock.millis() + 10 * MINUTE)
        await store.commit(change)
        clock.advance(600)
        output = await store.tick(lease, TickInput(want={Lane.URGENT: 9}))
        id_ = change.accepts[0].messages[0].id
        assert (output.claimed, output.expired, output.touched) == ((), 1, (id_,))
        assert (await self.fate(store, id_)).state is OutcomeState.EXPIRED
        assert await self.words(store) == ["expired"]

    async def test_bulk_to_somebody_who_opted_out_meanwhile_is_not_sent(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        change = parcels.change()
        urgent = parcels.change(lane=Lane.URGENT, targets=change.accepts[0].warning.targets)
        await store.commit(change)
        await store.commit(urgent)
        (target,) = change.accepts[0].warning.targets
        uplink = Uplink(target, "退订", 0, is_opt_out=True)
        await store.tick(lease, TickInput(reports=[uplink]))
        (claimed,) = await self.claim(store, lease, 9, 9)
        assert claimed.submission.lane is Lane.URGENT
        fate = await self.fate(store, change.accepts[0].messages[0].id)
        assert fate.state is OutcomeState.SUPPRESSED

    # -- taking back -------------------------------------------------------------------

    async def test_queued_parts_are_taken_back_wherever_they_wait(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        row = ResultRow(
            one.submission.id,
            0,
            PartState.QUEUED,
            "channel_down",
            requeue=Requeue("sms-2", clock.millis(), 1),
        )
        await self.settle(store, lease, row)
        await store.commit(ChangeSet(withdraw=(one.submission.id,)))
        assert await self.states(store) == {PartState.WITHDRAWN: 1}
        assert await store.queued("sms-2", Lane.URGENT) == 0
        assert await self.words(store) == ["channel_down", "withdrawn"]

    async def test_what_is_out_is_not_taken_back(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await store.commit(ChangeSet(withdraw=(one.submission.id,)))
        await self.settle(store, lease, unknown(one, resend_at=clock.millis()))
        await store.commit(ChangeSet(withdraw=(one.submission.id,)))
        assert await self.states(store) == {PartState.UNKNOWN: 1}
        assert await self.claim(store, lease, 9) == []
