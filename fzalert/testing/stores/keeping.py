"""What every store must do: opt-outs, events, evidence, ticks as a whole, leases, restart."""

# Tests: S101 they assert; D102 their names are sentences.
# ruff: noqa: S101, D102
from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from fzalert.errors import DuplicateKey, InputError, LeaseLost, StoreError
from fzalert.messages import (
    DeliveryReport,
    Lane,
    ReportKind,
    Uplink,
)
from fzalert.store import (
    AudienceRow,
    CampaignRow,
    Cap,
    ChangeSet,
    Deadline,
    Event,
    EvidenceEntry,
    Lease,
    PartState,
    StateRow,
    Store,
    TickInput,
    UserRow,
)
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels, number
from fzalert.testing.stores.base import HOUR, StoreTests, sent

__all__ = ["KeepingContract"]


class KeepingContract(StoreTests):
    """Opt-outs, events, evidence, ticks as a whole, leases, restart."""

    # -- a clock that was set back ---------------------------------------------------------

    async def test_what_waits_is_brought_nearer_and_never_before_now(
        self, store: Store, lease: Lease, parcels: Parcels, clock: FakeClock
    ) -> None:
        now = clock.millis()
        await store.commit(parcels.change(targets=[number(1)], due_at=now + 4 * HOUR))
        await store.commit(parcels.change(targets=[number(2)], due_at=now + 5_000))
        await store.commit(ChangeSet(sooner=HOUR))
        output = await store.tick(lease, TickInput(want={Lane.BULK: 10}))
        assert len(output.claimed) == 1
        assert output.claimed[0].submission.target == number(2)
        assert output.next_due == now + 3 * HOUR

    # -- deadlines -------------------------------------------------------------------------

    async def test_deadlines_come_soonest_first_until_they_are_removed(self, store: Store) -> None:
        rows = (
            Deadline("case/2", "b", 2_000, b"two"),
            Deadline("case/1", "z", 2_000, b"one"),
            Deadline("case/1", "a", 1_000),
            Deadline("case/1", "late", 9_000),
        )
        await store.commit(ChangeSet(deadlines=rows))
        assert await store.deadlines(999, 10) == []
        assert await store.deadlines(2_000, 10) == [rows[2], rows[1], rows[0]]
        assert await store.deadlines(9_000, 1) == [rows[2]]
        moved = Deadline("case/1", "a", 3_000, b"moved")
        await store.commit(ChangeSet(deadlines=(moved, Deadline("case/2", "b", None))))
        assert await store.deadlines(5_000, 10) == [rows[1], moved]

    # -- opt-outs and contacts ---------------------------------------------------------

    async def test_contacts_are_counted_by_person_lane_and_time(
        self, store: Store, parcels: Parcels, clock: FakeClock
    ) -> None:
        target = number(7)
        await store.commit(parcels.change(targets=[target], lane=Lane.URGENT))
        clock.advance(3600)
        await store.commit(parcels.change(targets=[target], lane=Lane.URGENT))
        await store.commit(parcels.change(targets=[target], refused="no"))
        now = clock.millis()
        ask = [target, number(8)]
        assert await store.contacts(ask, Lane.URGENT, now - 24 * HOUR) == {target: 2}
        assert await store.contacts(ask, Lane.URGENT, now - HOUR) == {target: 1}
        assert await store.contacts(ask, Lane.BULK, now - 24 * HOUR) == {}

    async def test_a_cap_holds_for_those_who_ask_at_the_same_moment(
        self, store: Store, lease: Lease, parcels: Parcels, clock: FakeClock
    ) -> None:
        cap = Cap(clock.millis() - HOUR, 2, "hour")
        asked = [
            replace(
                parcels.accept(2, targets=[number(7), number(n)], lane=Lane.URGENT, claim=lease),
                caps=(cap,),
            )
            for n in (11, 12, 13, 14)
        ]
        done = await asyncio.gather(*(store.commit(ChangeSet(accepts=(one,))) for one in asked))
        claimed = [part.submission.target for found in done for part in found.accepted[0].claimed]
        assert Counter(claimed) == Counter([number(7)] * 2 + [number(n) for n in (11, 12, 13, 14)])
        assert await store.contacts([number(7)], Lane.URGENT, cap.since) == {number(7): 2}
        assert (await self.states(store))[PartState.SUPPRESSED] == 2
        fate = await self.fate(store, asked[-1].messages[0].id)
        assert fate.detail == "2 urgent messages this hour already"

    async def test_an_opt_out_is_listed_and_taken_back(
        self, store: Store, lease: Lease, parcels: Parcels
    ) -> None:
        for n in range(5):
            await store.commit(ChangeSet(suppress=((number(n), "asked by phone"),)))
        answered = Uplink(number(5), "退订", 0, is_opt_out=True)
        await store.tick(lease, TickInput(reports=[answered, answered]))
        first = await store.opt_outs(0, 4)
        rest = await store.opt_outs(first[-1].seq, 4)
        assert [row.target for row in first + rest] == [number(n) for n in (5, 4, 3, 2, 1, 0)]
        assert [first[0].reason, rest[0].reason] == ["opted out", "asked by phone"]
        back = await store.commit(ChangeSet(restore=(number(5), number(5), number(77))))
        assert back.opted_in == 1
        again = await store.commit(ChangeSet(suppress=((number(4), "x"), (number(8), "y"))))
        assert again.opted_out == 1
        assert list(await store.suppressed([number(4), number(5)])) == [number(4)]
        await store.commit(parcels.change(targets=[number(5)]))
        (sent_again,) = await self.claim(store, lease, 5, 5)
        assert sent_again.submission.target == number(5)
        await self.assert_evidence_is_whole(store)

    async def test_what_is_over_is_purged_in_pieces_and_the_rest_and_the_evidence_stay(
        self, store: Store, lease: Lease, parcels: Parcels, clock: FakeClock
    ) -> None:
        await store.commit(parcels.change(7, key="old"))
        claimed = await self.claim(store, lease, 0, 7)
        await self.settle(store, lease, *(sent(one) for one in claimed[:6]))
        await store.commit(ChangeSet(evidence=(EvidenceEntry("store", "x", "y", {}),)))
        before = [await store.evidence(name) for name, *_ in await store.chains()]
        clock.advance(40 * 86_400)
        fresh = parcels.change(2)
        await store.commit(fresh)
        waits = parcels.change(1, due_at=clock.millis(), not_after=clock.millis() + 1)
        await store.commit(waits)
        clock.advance(3600)
        horizon = clock.millis() - 30 * 86_400_000
        pieces: list[int] = []
        while removed := await store.purge(horizon, 4):
            pieces.append(removed)
        assert len(pieces) >= 2
        kept = {row.id for row in await store.warnings(99)}
        names = {change.accepts[0].warning.id for change in (fresh, waits)}
        assert names < kept, "one part of the old warning is still out"
        assert len(await store.outcomes(min(kept))) == 1
        assert await store.recover(lease), "what is out is never removed"
        after = {row for name, *_ in await store.chains() for row in await store.evidence(name)}
        assert {row for rows in before for row in rows} <= after
        await self.assert_evidence_is_whole(store)
        (out,) = claimed[6:]
        await self.settle(store, lease, sent(out))
        clock.advance(31 * 86_400)
        while await store.purge(clock.millis() - 30 * 86_400_000, 100):
            pass
        assert claimed[0].submission.id not in {row.id for row in await store.warnings(99)}
        again = parcels.change(1, key="old", body="another")
        assert not (await store.commit(again)).accepted[0].existing

    async def test_the_first_reason_of_a_suppression_stays(self, store: Store) -> None:
        for reason in ("asked by phone", "again"):
            await store.commit(ChangeSet(suppress=((number(7), reason),)))
        assert await store.suppressed([number(7)]) == {number(7): "asked by phone"}

    # -- everything else that is committed ---------------------------------------------

    async def test_a_stream_is_appended_at_the_expected_version_only(self, store: Store) -> None:
        def change(version: int, *names: str) -> ChangeSet:
            events = tuple(Event(name, b"{}", "officer") for name in names)
            return ChangeSet(events=events, stream="case/1", expected_version=version)

        await store.commit(change(0, "opened", "filed"))
        with pytest.raises(StoreError):
            await store.commit(change(1, "approved"))
        await store.commit(change(2, "approved"))
        found = [(version, event.name) for version, _, event in await store.events("case/1")]
        assert found == [(1, "opened"), (2, "filed"), (3, "approved")]

    async def test_one_of_two_who_decide_at_once_is_refused(self, store: Store) -> None:
        change = ChangeSet(
            events=(Event("approved", b"{}", "officer"),), stream="case/1", expected_version=0
        )
        answers = await asyncio.gather(
            store.commit(change), store.commit(change), return_exceptions=True
        )
        assert [isinstance(answer, StoreError) for answer in answers].count(True) == 1
        assert len(await store.events("case/1")) == 1

    async def test_rows_of_state_users_campaigns_and_deadlines_are_kept(
        self, store: Store, clock: FakeClock
    ) -> None:
        user = UserRow("li", "李", "officer", b"h", clock.millis())
        campaign = CampaignRow(1, "五月", 1001, "ready", 0, 2, clock.millis(), b"{}")
        people = (AudienceRow(1, number(7), "[]"), AudienceRow(2, number(8), "[]"))
        change = ChangeSet(
            state=(StateRow("a", "k1", b"1"), StateRow("a", "k2", b"2"), StateRow("b", "k", b"3")),
            users=(user,),
            campaigns=(campaign,),
            audience=((1, people),),
            deadlines=(Deadline("case/1", "expire", clock.millis()),),
        )
        assert (await store.commit(change)).added == 2
        twice = ChangeSet(audience=((1, (AudienceRow(3, number(7), "[]"),)),))
        assert (await store.commit(twice)).added == 0
        assert await store.state("a") == [("k1", b"1"), ("k2", b"2")]
        assert await store.state("a", "k2") == [("k2", b"2")]
        assert await store.users() == [user]
        assert await store.campaigns() == [campaign]
        assert await store.audience(1, 0, 9) == list(people)
        assert await store.audience(1, 1, 9) == [people[1]]
        await store.commit(
            ChangeSet(
                state=(StateRow("a", "k1", None),),
                campaigns=(campaign._replace(state="running", cursor=1),),
                deadlines=(Deadline("case/1", "expire", None),),
            )
        )
        assert await store.state("a") == [("k2", b"2")]
        assert (await store.campaigns())[0].cursor == 1

    async def test_warnings_are_read_newest_first(self, store: Store, parcels: Parcels) -> None:
        made = [parcels.change(key=f"T{n}") for n in range(3)]
        for change in made:
            await store.commit(change)
        ids = [change.accepts[0].warning.id for change in made]
        assert [row.id for row in await store.warnings(2)] == [ids[2], ids[1]]
        assert [row.id for row in await store.warnings(9, before=ids[1])] == [ids[0]]
        row = await store.warning(ids[0])
        assert row is not None
        assert (row.key, row.lane, row.by) == ("T0", Lane.BULK, "tester")
        assert await store.warning(4711) is None
        assert await store.outcome(4711) is None

    # -- evidence ----------------------------------------------------------------------

    async def test_evidence_is_one_chain_a_subject_and_one_a_store_and_day(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        for chain in ("case/1", "store", "case/1"):
            entry = EvidenceEntry(chain, "officer", "case.note", {"n": 1})
            await store.commit(ChangeSet(evidence=(entry,)))
            await self.assert_evidence_is_whole(store)
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, sent(one))
        clock.advance(86_400)
        await store.commit(ChangeSet(evidence=(EvidenceEntry("store", "officer", "note", {}),)))
        await self.assert_evidence_is_whole(store)
        lengths = {chain: length for chain, length, _ in await store.chains()}
        assert lengths == {"case/1": 2, "store/2026-11-24": 2, "store/2026-11-25": 1}

    async def test_a_tick_that_changes_fates_leaves_one_record(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        await store.commit(parcels.change(5))
        claimed = await self.claim(store, lease, bulk=9)
        assert await store.chains() == []
        await self.settle(store, lease, *map(sent, claimed))
        ((_, length, _),) = await store.chains()
        assert length == 1

    # -- ticks as a whole --------------------------------------------------------------

    async def test_a_tick_writes_change_sets_a_savepoint_each(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        await store.commit(parcels.change(key="T1"))
        bad = ChangeSet(
            events=(Event("opened", b"{}", "officer"),),
            stream="case/1",
            accepts=(parcels.accept(), parcels.accept(key="T1", body="another")),
        )
        sets = [parcels.change(), bad, parcels.change()]
        output = await store.tick(lease, TickInput(change_sets=sets, want={Lane.BULK: 9}))
        refused = [isinstance(answer, DuplicateKey) for answer in output.changed]
        assert refused == [False, True, False]
        assert len(output.claimed) == 3
        assert await store.events("case/1") == []

    async def test_a_tick_of_a_lost_lease_writes_nothing(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await store.commit(parcels.change())
        await store.release(lease)
        heir = await store.acquire("sms", 0, "second", 10)
        assert heir is not None
        assert heir.epoch > lease.epoch
        work = TickInput(
            [sent(one)],
            [Uplink(number(7), "退订", 0, is_opt_out=True)],
            (),
            [parcels.change()],
            {Lane.BULK: 9},
        )
        with pytest.raises(LeaseLost):
            await store.tick(lease, work)
        assert await self.states(store) == {PartState.CLAIMED: 1, PartState.QUEUED: 1}
        assert await self.words(store) == []
        assert await store.suppressed([number(7)]) == {}

    async def test_a_row_that_cannot_be_stored_refuses_its_tick_as_wrong(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        for bad in (
            DeliveryReport(ReportKind.DELIVERED, b"c9", code="\ud800"),
            DeliveryReport(ReportKind.DELIVERED, id=2**64),
        ):
            with pytest.raises(InputError):
                await store.tick(lease, TickInput([sent(one)], [bad]))
        assert await self.states(store) == {PartState.CLAIMED: 1}

    # -- leases and restart ------------------------------------------------------------

    async def test_a_slot_changes_hands_with_a_higher_epoch(
        self, store: Store, lease: Lease, clock: FakeClock
    ) -> None:
        second = await store.acquire("sms", 0, "second", 10)
        assert (second is not None) == self.single_owner
        if second is None:
            clock.advance(10)
            second = await store.acquire("sms", 0, "second", 10)
            assert second is not None
        assert second.epoch > lease.epoch
        await store.release(lease)  # a former owner gives nothing back
        await store.tick(second, TickInput())
        other = await store.acquire("sms", 1, "second", 10)
        assert other is not None
        assert (other.slot, other.channel_id) == (1, second.channel_id)

    async def test_a_restart_finds_the_open_parts_of_its_slot_alone(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        other = await store.acquire("sms", 1, "first", 10)
        assert other is not None
        await store.commit(parcels.change(3))
        (mine, settled) = await self.claim(store, lease, bulk=2)
        (theirs,) = await self.claim(store, other, bulk=2)
        await self.settle(store, lease, sent(settled))
        store = await self.restart(store)
        heir = await store.acquire("sms", 0, "second", 10)
        assert heir is not None
        (found,) = await store.recover(heir)
        assert found.submission == mine.submission
        assert found.submission.id != theirs.submission.id

    async def test_everything_outlives_a_restart(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, sent(one, b"c1"))
        await store.commit(parcels.change(2, key="T1"))
        before = (await store.counters(), await store.feed(0, 99), await store.chains())
        name = store.store_id
        assert name
        store = await self.restart(store)
        assert store.store_id == name
        assert (await store.counters(), await store.feed(0, 99), await store.chains()) == before
        again = (await store.commit(parcels.change(2, key="T1"))).accepted[0]
        assert again.existing
