"""What every store must do with fates that stay unknown: list them, and take a person's word."""

# Tests: S101 they assert; D102 their names are sentences.
# ruff: noqa: S101, D102
from __future__ import annotations

import json

from fzalert.messages import DeliveryReport, Lane, OutcomeState, Proof, ReportKind
from fzalert.store import (
    ChangeSet,
    Claimed,
    Decision,
    Flag,
    Lease,
    PartState,
    Settled,
    Settlement,
    SettleResult,
    Store,
    UnknownQuery,
)
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels
from fzalert.testing.stores.base import StoreTests, sent, unknown

__all__ = ["SettlingContract"]

CHANNELS = frozenset({"sms"})


class SettlingContract(StoreTests):
    """Unknown fates, a page at a time, and what a person decides of them."""

    async def lost(
        self, store: Store, lease: Lease, parcels: Parcels, count: int = 1, lane: Lane = Lane.BULK
    ) -> list[Claimed]:
        """Messages that went out and have no answer."""
        await store.commit(parcels.change(count, lane=lane))
        claimed = await self.claim(store, lease, count, count)
        await self.settle(store, lease, *(unknown(one) for one in claimed))
        return claimed

    async def decide(
        self, store: Store, decision: Decision, *messages: int
    ) -> dict[int, SettleResult]:
        """Let a person decide; returns what became of each message."""
        wanted = Settlement(messages, decision, "user:zhao", "问过收件人", CHANNELS)
        done = await store.commit(ChangeSet(settle=(wanted,)))
        assert all(isinstance(one, Settled) for one in done.settled)
        return {one.message: one.result for one in done.settled}

    async def recorded(self, store: Store) -> list[dict[str, object]]:
        """What the evidence says of decisions."""
        found: list[dict[str, object]] = []
        for chain, _, _ in await store.chains():
            found += [json.loads(row.body) for row in await store.evidence(chain)]
        return [event for event in found if event["what"] == "unknown.settle"]

    async def test_unknown_fates_come_a_page_at_a_time_and_by_channel(
        self, store: Store, lease: Lease, parcels: Parcels
    ) -> None:
        ids = [one.submission.id for one in await self.lost(store, lease, parcels, 5)]
        await store.commit(parcels.change())  # waits, so it is not unknown
        seen: list[int] = []
        after = 0
        while True:
            rows, total = await store.unknowns(UnknownQuery(after, 2))
            assert total == 5
            if not rows:
                break
            seen += [row.message for row in rows]
            after = rows[-1].message
        assert seen == sorted(ids)
        rows, total = await store.unknowns(UnknownQuery(channel="sms"))
        assert (len(rows), total) == (5, 5)
        assert rows[0].channel == "sms"
        assert rows[0].script == "impersonating-police/general/1"
        assert await store.unknowns(UnknownQuery(channel="another")) == ([], 0)
        assert await store.unknowns(UnknownQuery(campaign=7)) == ([], 0)

    async def test_what_a_person_says_is_the_fate_and_is_on_record_once(
        self, store: Store, lease: Lease, parcels: Parcels
    ) -> None:
        one, two = (c.submission.id for c in await self.lost(store, lease, parcels, 2))
        assert await self.decide(store, Decision.DELIVERED, one) == {one: SettleResult.SETTLED}
        assert await self.decide(store, Decision.NOT_DELIVERED, two) == {two: SettleResult.SETTLED}
        assert (await self.fate(store, one)).state is OutcomeState.DELIVERED
        assert (await self.fate(store, one)).proof is Proof.NONE
        assert (await self.fate(store, two)).state is OutcomeState.FAILED
        assert "user:zhao: 问过收件人" in (await self.fate(store, two)).detail
        again = await self.decide(store, Decision.DELIVERED, one, two, 99)
        assert again == {
            one: SettleResult.REPEATED,
            two: SettleResult.NOT_UNKNOWN,
            99: SettleResult.NO_MESSAGE,
        }
        events = await self.recorded(store)
        assert [(e["decision"], e["messages"], e["who"]) for e in events] == [
            ("delivered", [str(one)], "user:zhao"),
            ("not_delivered", [str(two)], "user:zhao"),
        ]
        assert await self.states(store) == {PartState.DELIVERED: 1, PartState.FAILED: 1}
        assert (await self.words(store)).count("settled") == 2
        await self.assert_evidence_is_whole(store)

    async def test_sent_again_knowingly_it_goes_once_more_and_never_a_third_time(
        self, store: Store, lease: Lease, parcels: Parcels
    ) -> None:
        (lost,) = await self.lost(store, lease, parcels)
        id_ = lost.submission.id
        assert await self.decide(store, Decision.SEND_AGAIN, id_) == {id_: SettleResult.SETTLED}
        assert await self.decide(store, Decision.SEND_AGAIN, id_) == {id_: SettleResult.REPEATED}
        assert (await self.fate(store, id_)).state is OutcomeState.UNKNOWN
        (again,) = await self.claim(store, lease, 5, 5)
        assert again.submission.id == id_
        assert again.submission.attempt == 2
        assert again.flags & Flag.RESENT
        assert await self.claim(store, lease, 5, 5) == []
        await self.settle(store, lease, unknown(again))
        assert await self.decide(store, Decision.SEND_AGAIN, id_) == {
            id_: SettleResult.RESENT_BEFORE
        }
        assert await self.claim(store, lease, 5, 5) == []
        assert len(await self.recorded(store)) == 1
        assert await self.states(store) == {PartState.UNKNOWN: 1}

    async def test_too_late_or_without_its_channel_it_is_not_sent_again(
        self, store: Store, lease: Lease, parcels: Parcels, clock: FakeClock
    ) -> None:
        (lost,) = await self.lost(store, lease, parcels)
        id_ = lost.submission.id
        gone = Settlement((id_,), Decision.SEND_AGAIN, "user:zhao", "问过", frozenset({"other"}))
        done = await store.commit(ChangeSet(settle=(gone,)))
        assert done.settled[0].result is SettleResult.NO_CHANNEL
        clock.advance(25 * 3600)
        assert await self.decide(store, Decision.SEND_AGAIN, id_) == {id_: SettleResult.TOO_LATE}
        assert await self.claim(store, lease, 5, 5) == []
        assert await self.recorded(store) == []

    async def test_a_decision_takes_a_pending_second_attempt_back(
        self, store: Store, lease: Lease, parcels: Parcels, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        id_ = one.submission.id
        await self.settle(store, lease, unknown(one, resend_at=clock.millis() + 60_000))
        (row,) = (await store.unknowns(UnknownQuery()))[0]
        assert row.resend_at
        assert await self.decide(store, Decision.SEND_AGAIN, id_) == {id_: SettleResult.REPEATED}
        assert await self.decide(store, Decision.DELIVERED, id_) == {id_: SettleResult.SETTLED}
        clock.advance(120)
        assert await self.claim(store, lease, 5, 5) == []
        assert await self.states(store) == {PartState.DELIVERED: 1}

    async def test_a_report_goes_further_than_a_persons_word(
        self, store: Store, lease: Lease, parcels: Parcels
    ) -> None:
        one = await self.one_out(store, lease, parcels, Lane.BULK)
        id_ = one.submission.id
        await self.settle(store, lease, sent(one, b"carrier-1"))
        nothing = DeliveryReport(ReportKind.NO_REPORT, b"carrier-1")
        await self.settle(store, lease, reports=[nothing])
        assert await self.decide(store, Decision.DELIVERED, id_) == {id_: SettleResult.SETTLED}
        await self.settle(store, lease, reports=[nothing])
        assert (await self.fate(store, id_)).state is OutcomeState.DELIVERED
        refused = DeliveryReport(ReportKind.UNDELIVERED, b"carrier-1", code="MK:0001")
        await self.settle(store, lease, reports=[refused])
        assert (await self.fate(store, id_)).state is OutcomeState.FAILED
