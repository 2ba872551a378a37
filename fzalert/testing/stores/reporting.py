"""What every store must do: reports, orphans, uplinks, answers."""

# Tests: S101 they assert; D102 their names are sentences.
# ruff: noqa: S101, D102
from __future__ import annotations

import hashlib

import pytest

from fzalert.messages import (
    Answer,
    DeliveryReport,
    FeedKind,
    Lane,
    OutcomeState,
    Proof,
    ReportKind,
    Uplink,
    extension_of,
)
from fzalert.store import (
    Lease,
    PartState,
    Requeue,
    ResultRow,
    Store,
    TickInput,
)
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels, number
from fzalert.testing.stores.base import MINUTE, StoreTests, sent, unknown

__all__ = ["ReportingContract"]


class ReportingContract(StoreTests):
    """Reports, orphans, uplinks, answers."""

    # -- reports -----------------------------------------------------------------------

    async def test_delivered_may_follow_anything_and_is_never_left(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, sent(one, b"c1"))
        for kind in (ReportKind.UNDELIVERED, ReportKind.DELIVERED, *ReportKind):
            await self.settle(store, lease, reports=[DeliveryReport(kind, b"c1")])
        fate = await self.fate(store, one.submission.id)
        assert (fate.state, fate.word) == (OutcomeState.DELIVERED, "delivered")

    async def test_what_was_shown_stays_delivered_when_it_is_taken_back(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, sent(one, b"c1"))
        for kind in (ReportKind.SHOWN, ReportKind.WITHDRAWN, ReportKind.INTERRUPTED):
            await self.settle(store, lease, reports=[DeliveryReport(kind, b"c1")])
        fate = await self.fate(store, one.submission.id)
        assert (fate.state, fate.word) == (OutcomeState.DELIVERED, "withdrawn")

    async def test_a_higher_proof_never_gives_way_and_is_never_lost(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, sent(one, b"c1"))
        told = [
            (ReportKind.SHOWN, Proof.OBSERVED),
            (ReportKind.HIDDEN, Proof.DEVICE),
            (ReportKind.SHOWN, Proof.PERSON),
        ]
        for kind, proof in told:
            report = DeliveryReport(kind, b"c1", proof=proof, duration_ms=8000)
            await self.settle(store, lease, reports=[report])
        fate = await self.fate(store, one.submission.id)
        assert (fate.word, fate.proof, fate.duration_ms) == ("hidden", Proof.PERSON, 8000)

    async def test_a_report_counts_once(self, store: Store, parcels: Parcels, lease: Lease) -> None:
        one = await self.one_out(store, lease, parcels)
        report = DeliveryReport(ReportKind.DELIVERED, b"c1")
        await self.settle(store, lease, sent(one, b"c1"), reports=[report, report])
        await self.settle(store, lease, reports=[report])
        assert await self.words(store) == ["sent", "delivered"]
        assert await self.states(store) == {PartState.DELIVERED: 1}

    @pytest.mark.parametrize("together", [True, False])
    async def test_a_report_may_overtake_its_response(
        self, store: Store, parcels: Parcels, lease: Lease, *, together: bool
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        report = DeliveryReport(ReportKind.DELIVERED, b"c1", target=one.submission.target)
        if together:
            await self.settle(store, lease, sent(one, b"c1"), reports=[report])
        else:
            output = await store.tick(lease, TickInput(reports=[report, report]))
            assert output.orphans == 2
            assert await store.orphans() == 1
            await self.settle(store, lease, sent(one, b"c1"))
        assert await store.orphans() == 0
        assert (await self.fate(store, one.submission.id)).state is OutcomeState.DELIVERED

    async def test_several_early_reports_are_kept_and_the_furthest_wins(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        early = [
            DeliveryReport(kind, b"c1") for kind in (ReportKind.DELIVERED, ReportKind.UNDELIVERED)
        ]
        await self.settle(store, lease, reports=early)
        assert await store.orphans() == 2
        await self.settle(store, lease, sent(one, b"c1"))
        assert (await self.fate(store, one.submission.id)).word == "delivered"
        assert await store.orphans() == 0

    async def test_an_orphan_for_somebody_else_is_not_ours(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        report = DeliveryReport(ReportKind.DELIVERED, b"c1", target=number(7))
        await self.settle(store, lease, reports=[report])
        await self.settle(store, lease, sent(one, b"c1"))
        assert (await self.fate(store, one.submission.id)).word == "sent"
        assert await store.orphans() == 1

    @pytest.mark.parametrize("size", [8, 60])
    async def test_the_same_report_twice_in_one_tick_counts_once(
        self, store: Store, parcels: Parcels, lease: Lease, size: int
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        carrier_id = b"c" * size
        # A long id stands in the flight recorder, and after a crash here, as its hash.
        known = carrier_id if size < 32 else hashlib.sha256(carrier_id).digest()
        await self.settle(store, lease, sent(one, known))
        report = DeliveryReport(ReportKind.DELIVERED, carrier_id)
        await self.settle(store, lease, reports=[report, report])
        assert await self.states(store) == {PartState.DELIVERED: 1}
        assert await self.words(store) == ["sent", "delivered"]

    @pytest.mark.parametrize("size", [8, 40, 60])
    @pytest.mark.parametrize("after_a_crash", [False, True])
    async def test_a_report_waits_for_its_response_whatever_the_length_of_its_id(
        self, store: Store, parcels: Parcels, lease: Lease, size: int, after_a_crash: bool
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        carrier_id = b"c" * size
        report = DeliveryReport(ReportKind.DELIVERED, carrier_id)
        await self.settle(store, lease, reports=[report])
        known = carrier_id
        if after_a_crash and size > 46:  # the flight recorder has it as its hash
            known = hashlib.sha256(carrier_id).digest()
        await self.settle(store, lease, sent(one, known))
        assert await self.states(store) == {PartState.DELIVERED: 1}
        assert await store.orphans() == 0

    async def test_a_report_that_may_be_of_a_resent_part_counts_for_no_other(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        await store.commit(parcels.change(lane=Lane.URGENT, targets=[number(5)]))
        (first,) = await self.claim(store, lease, 1)
        await self.settle(store, lease, unknown(first, resend_at=clock.millis()))
        (second,) = await self.claim(store, lease, 1)
        await self.settle(store, lease, sent(second, b"of the second attempt"))
        await store.commit(parcels.change(lane=Lane.BULK, targets=[number(5)]))
        (other,) = await self.claim(store, lease, 0, 1)
        await self.settle(store, lease, unknown(other))
        report = DeliveryReport(ReportKind.DELIVERED, b"of the first attempt", number(5))
        await self.settle(store, lease, reports=[report])
        fate = await self.fate(store, other.submission.id)
        assert (fate.state, await store.orphans()) == (OutcomeState.UNKNOWN, 1)

    @pytest.mark.parametrize("first", ["report", "unknown"])
    async def test_a_report_about_the_very_person_of_a_lost_answer_counts(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock, first: str
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        lost = unknown(one, resend_at=clock.millis() + MINUTE)
        person = one.submission.target
        report = DeliveryReport(ReportKind.UNDELIVERED, b"c9", target=person)
        if first == "report":
            await self.settle(store, lease, reports=[report])
            await self.settle(store, lease, lost)
        else:
            await self.settle(store, lease, lost, reports=[report])
        assert (await self.fate(store, one.submission.id)).word == "undelivered"
        assert await store.orphans() == 0
        await self.settle(store, lease, reports=[DeliveryReport(ReportKind.DELIVERED, b"c9")])
        assert (await self.fate(store, one.submission.id)).word == "delivered"
        clock.advance(61)
        assert await self.claim(store, lease, 9) == []

    @pytest.mark.parametrize("other", ["unknown", "out", "nobody"])
    async def test_a_report_that_could_mean_another_part_waits(
        self, store: Store, parcels: Parcels, lease: Lease, other: str
    ) -> None:
        person = number(7)
        await store.commit(parcels.change(lane=Lane.URGENT, targets=[person, person]))
        first, second = await self.claim(store, lease, 9)
        rows = [unknown(first)]
        if other != "out":
            rows.append(unknown(second) if other == "unknown" else sent(second, b"c2"))
        await self.settle(store, lease, *rows)
        named = number(8) if other == "nobody" else person
        await self.settle(
            store, lease, reports=[DeliveryReport(ReportKind.DELIVERED, b"c9", target=named)]
        )
        assert await store.orphans() == 1
        assert PartState.DELIVERED not in await self.states(store)

    async def test_a_first_attempt_that_arrived_counts_for_the_part_that_was_resent(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        await store.commit(parcels.change(lane=Lane.URGENT, targets=[number(5)]))
        (first,) = await self.claim(store, lease, 1)
        await self.settle(store, lease, unknown(first, resend_at=clock.millis()))
        (second,) = await self.claim(store, lease, 1)
        arrived = DeliveryReport(ReportKind.DELIVERED, b"of the first", number(5))
        refused = DeliveryReport(ReportKind.UNDELIVERED, b"of the first", number(5))
        await self.settle(store, lease, reports=[refused, arrived])
        assert await store.orphans() == 2
        await self.settle(store, lease, sent(second, b"of the second"))
        assert (await self.fate(store, first.submission.id)).word == "delivered"
        assert await store.orphans() == 1

    @pytest.mark.parametrize("first", ["report", "unknown"])
    async def test_the_extension_tells_which_text_to_a_person_a_report_means(
        self, store: Store, parcels: Parcels, lease: Lease, first: str
    ) -> None:
        person = number(7)
        await store.commit(parcels.change(lane=Lane.URGENT, targets=[person] * 3, parts=2))
        parts = await self.claim(store, lease, 9)
        ids = sorted({one.submission.id for one in parts})
        lost = [unknown(one) for one in parts]
        reports = [
            DeliveryReport(ReportKind.DELIVERED, name, person, extension=extension_of(ids[1], 4))
            for name in (b"c8", b"c9")
        ]
        if first == "report":
            await self.settle(store, lease, reports=[reports[0], reports[0], reports[1]])
            assert await store.orphans() == 2
            await self.settle(store, lease, *lost)
        else:
            await self.settle(store, lease, *lost)
            await self.settle(store, lease, reports=[reports[0], reports[0]])
            assert (await self.fate(store, ids[1])).state is OutcomeState.UNKNOWN, "one part of two"
            await self.settle(store, lease, reports=[reports[1]])
        assert await store.orphans() == 0
        states = [(await self.fate(store, id_)).state for id_ in ids]
        assert states == [OutcomeState.UNKNOWN, OutcomeState.DELIVERED, OutcomeState.UNKNOWN]

    async def test_a_report_from_before_the_part_was_out_waits(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        report = DeliveryReport(ReportKind.DELIVERED, b"c9", target=number(7))
        await self.settle(store, lease, reports=[report])
        clock.advance(1)
        await store.commit(parcels.change(targets=[number(7)]))
        (one,) = await self.claim(store, lease, bulk=9)
        await self.settle(store, lease, unknown(one))
        assert await store.orphans() == 1
        assert await self.states(store) == {PartState.UNKNOWN: 1}

    async def test_orphans_are_kept_seven_days(
        self, store: Store, lease: Lease, clock: FakeClock
    ) -> None:
        await self.settle(store, lease, reports=[DeliveryReport(ReportKind.DELIVERED, b"c1")])
        clock.advance(7 * 86_400 - 1)
        await self.settle(store, lease, reports=[DeliveryReport(ReportKind.DELIVERED, b"c2")])
        assert await store.orphans() == 2
        clock.advance(2)
        await self.settle(store, lease, reports=[DeliveryReport(ReportKind.DELIVERED, b"c3")])
        assert await store.orphans() == 2

    async def test_the_newest_part_is_meant_where_a_carrier_repeats_its_ids(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        first = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, sent(first, b"c1"))
        clock.advance(86_400)
        second = await self.one_out(store, lease, parcels)
        await self.settle(store, lease, sent(second, b"c1"))
        await self.settle(store, lease, reports=[DeliveryReport(ReportKind.DELIVERED, b"c1")])
        assert (await self.fate(store, first.submission.id)).word == "sent"
        assert (await self.fate(store, second.submission.id)).word == "delivered"

    async def test_what_arrived_is_not_submitted_again(
        self, store: Store, parcels: Parcels, lease: Lease, clock: FakeClock
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        id_ = one.submission.id
        again = Requeue("sms", clock.millis() + 500, 2)
        row = ResultRow(id_, 0, PartState.QUEUED, "unknown", requeue=again)
        await self.settle(store, lease, row)
        await self.settle(store, lease, reports=[DeliveryReport(ReportKind.SHOWN, id=id_)])
        clock.advance(1)
        assert await self.claim(store, lease, 9) == []
        assert await self.states(store) == {PartState.DELIVERED: 1}

    async def test_a_report_about_nothing_is_harmless(self, store: Store, lease: Lease) -> None:
        await self.settle(store, lease, reports=[DeliveryReport(ReportKind.SHOWN, id=4711)])
        assert await self.states(store) == {}

    async def test_uplinks_and_answers_stand_in_the_feed(
        self, store: Store, parcels: Parcels, lease: Lease
    ) -> None:
        one = await self.one_out(store, lease, parcels)
        answer = Answer(one.submission.id, 0, b"signed")
        await store.tick(lease, TickInput(reports=[Uplink(number(7), "收到", 0), answer]))
        uplink, answered = await store.feed(0, 10)
        assert uplink.kind is FeedKind.UPLINK
        assert number(7).address.encode() not in uplink.payload
        assert (answered.kind, answered.payload) == (FeedKind.ANSWER, b"signed")
        assert (answered.id, answered.warning != 0) == (one.submission.id, True)
        assert await store.feed(uplink.seq, 10) == [answered]
