"""The engine when adapters, callers, stores and processes fail: nothing stranded, nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog.testing
from typing_extensions import override

from fzalert.clock import SystemClock
from fzalert.delivery import Limits
from fzalert.delivery.recorder import Recorder, boot_id
from fzalert.errors import StoreFull
from fzalert.messages import (
    DeliveryReport,
    Lane,
    OutcomeState,
    Receipt,
    ReceiptKind,
    ReportKind,
    Uplink,
)
from fzalert.ports import HealthState, Submission
from fzalert.store import Lease, PartState, SqliteStore, Store, TickInput, TickOutput
from fzalert.testing.engine import Answer, EngineRig, FarSide, Play, sms, take_everything
from fzalert.testing.parcels import Parcels, make_vault, number

DELIVERED = ReportKind.DELIVERED


class FaultyStore(SqliteStore):
    """Refuses or delays ticks that bring something; everything else goes through.

    Attributes:
        refuse: Raised instead of writing.
        hold: While clear, a tick that is on disk already does not return.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "fz.db", SystemClock(), make_vault)
        self.refuse: Exception | None = None
        self.refused = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()
        self.held = asyncio.Event()

    @override
    async def tick(self, lease: Lease, work: TickInput) -> TickOutput:
        brings = bool(work.results or work.reports or work.late)
        if self.refuse is not None and brings:
            self.refused.set()
            raise self.refuse
        output = await super().tick(lease, work)
        if brings and not self.hold.is_set():
            self.held.set()
            await self.hold.wait()
        return output


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FaultyStore]:
    store = FaultyStore(tmp_path)
    await store.open()
    yield store
    await store.close()


async def states(store: Store) -> dict[PartState, int]:
    return {row.state: row.n for row in await store.counters() if row.n}


def keys(far: FarSide) -> list[tuple[int, int]]:
    return [(w.part.id, w.part.part) for w in far.written]


# -- adapters ------------------------------------------------------------------------------


async def test_a_part_settled_twice_counts_once_and_a_stranger_not_at_all(tmp_path: Path) -> None:
    far = FarSide(lambda _: Play.TWICE)
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        await rig.fate(id_, "sent")
        assert rig.engine.channels["sms"].slots[0].in_flight == 0
        assert await rig.store.outcome(4711) is None


async def test_what_was_neither_written_nor_settled_is_handed_over_again(tmp_path: Path) -> None:
    plays = [Play.SKIP] * 3

    def answer(part: Submission) -> Answer:
        return plays.pop() if plays else take_everything(part)

    far = FarSide(answer)
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept(lane=Lane.URGENT, at_once=True)
        await rig.fate(id_, "sent")
    assert [part.attempt for batch in far.submitted for part in batch] == [1, 1, 1, 1]


async def test_a_wire_is_dead_once_its_submit_has_ended(tmp_path: Path) -> None:
    far = FarSide(lambda _: Play.SKIP)
    async with EngineRig(tmp_path, far, limits=Limits()) as rig:
        await rig.accept()
        await far.until(lambda: len(far.submitted) > 1)
        wire = far.wire
        assert wire is not None
        part = far.submitted[-1][0]
        far.answer = take_everything
        await rig.fate(part.id, "sent")
        assert not wire.may_write()
        with pytest.raises(RuntimeError, match="nothing may be sent"):
            wire.writing(part.id, part.part, b"key")
        wire.settle(part.id, part.part, Receipt(ReceiptKind.PERMANENT))
        assert (await rig.fate(part.id, "sent")).state is OutcomeState.OPEN


@pytest.mark.parametrize("error", [OSError("cut"), RecursionError("deep"), ValueError("odd")])
async def test_an_adapter_that_crashes_is_made_afresh_and_strands_nothing(
    tmp_path: Path, error: Exception
) -> None:
    far = FarSide(capabilities=sms(4))
    async with EngineRig(tmp_path, far) as rig:
        far.gate.clear()
        ids = await rig.accept(40)
        urgent = await rig.accept(3, lane=Lane.URGENT, at_once=True)
        await far.until_written(4)
        out = keys(far)
        far.crash(error)
        await far.until(lambda: far.opened == 2)
        far.gate.set()
        await rig.fates(ids + urgent, "sent", "unknown")
        assert far.closed == 1
    written = keys(far)
    bulk = [key for key in written if key[0] in ids]
    assert len(bulk) == len(set(bulk)), "bulk is never sent twice"
    assert {key for key in written} == {(id_, 0) for id_ in ids + urgent}
    for key in set(written):
        assert written.count(key) == 1 or (key in out and key[0] in urgent)


async def test_an_adapter_that_cannot_open_is_tried_again(tmp_path: Path) -> None:
    far = FarSide()
    far.open_error = OSError("refused")
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        await rig.fate(id_, "sent")
    assert far.opened == 2


async def test_one_broken_channel_harms_no_other(tmp_path: Path) -> None:
    broken, fine = FarSide(lambda _: Play.RAISE), FarSide()
    async with EngineRig(tmp_path, {"sms": broken, "other": fine}) as rig:
        held = await rig.accept(3)
        sent = await rig.accept(3, channel="other")
        await rig.fates(sent, "sent")
        await rig.fates(held, "unknown")


# -- callers -------------------------------------------------------------------------------


async def test_what_a_cancelled_caller_never_handed_over_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.delivery.slot.SWEEP", 0.05)
    far = FarSide()
    async with EngineRig(tmp_path, far) as rig:
        lease = rig.engine.lease_for("sms")
        assert lease is not None
        change = rig.parcels.change(3, lane=Lane.URGENT, claim=lease)
        committed = await rig.store.commit(change)  # and here the caller is cancelled
        ids = [message.id for message in change.accepts[0].messages]
        await rig.fates(ids, "sent")
        rig.engine.hand_over(committed.accepted[0].claimed)  # it was only late
        (after,) = await rig.accept()
        await rig.fate(after, "sent")
    assert sorted(keys(far)) == sorted((id_, 0) for id_ in [*ids, after])


async def test_a_sweep_takes_nothing_that_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.delivery.slot.SWEEP", 0.0)
    far = FarSide(capabilities=sms(4))
    async with EngineRig(tmp_path, far) as rig:
        ids = await rig.accept(100)
        ids += await rig.accept(20, lane=Lane.URGENT, at_once=True)
        await rig.fates(ids, "sent")
    assert sorted(keys(far)) == sorted((id_, 0) for id_ in ids)


# -- the store -----------------------------------------------------------------------------


async def test_a_full_disk_keeps_results_and_answers_no_report_before_its_commit(
    tmp_path: Path, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.delivery.slot.RETRY_STORE", 0.01)
    far = FarSide()
    async with EngineRig(tmp_path, far, store=store) as rig:
        (before,) = await rig.accept()
        await rig.fate(before, "sent")
        far.gate.clear()
        (during,) = await rig.accept()
        await far.until_written(2)
        store.refuse = StoreFull("no room")
        far.gate.set()
        report = far.bring(DeliveryReport(DELIVERED, f"c{before}.0.1".encode()))
        await asyncio.wait_for(store.refused.wait(), 5)
        assert not report.is_set()
        assert (await rig.fate(during, "queued")).state is OutcomeState.OPEN
        assert (await rig.fate(before, "sent")).state is OutcomeState.OPEN
        store.refuse = None
        await rig.fate(before, "delivered")
        await rig.fate(during, "sent")
        await asyncio.wait_for(report.wait(), 5)
    assert len(far.written) == 2


async def test_a_report_is_never_answered_where_the_store_never_takes_it(
    tmp_path: Path, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.delivery.slot.RETRY_STORE", 0.01)
    monkeypatch.setattr("fzalert.delivery.engine.DRAIN_WITHIN", 0.1)
    far = FarSide()
    async with EngineRig(tmp_path, far, store=store):
        store.refuse = StoreFull("no room")
        report = far.bring(DeliveryReport(DELIVERED, b"c1"))
        await asyncio.wait_for(store.refused.wait(), 5)
    assert not report.is_set()
    assert await store.orphans() == 0


async def test_a_tick_that_is_on_disk_counts_although_its_slot_crashed_meanwhile(
    tmp_path: Path, store: FaultyStore
) -> None:
    far = FarSide(capabilities=sms(1))
    async with EngineRig(tmp_path, far, store=store) as rig:
        store.hold.clear()
        uplink = far.bring(Uplink(number(1), "收到", 0))
        ids = await rig.accept(50)
        await asyncio.wait_for(store.held.wait(), 5)
        far.crash(OSError("cut"))
        await asyncio.wait_for(_closing(far), 5)
        store.hold.set()
        await rig.fates(ids, "sent", "unknown")
        await asyncio.wait_for(uplink.wait(), 5)
        words = [row.word for row in await store.feed(0, 999)]
    assert words.count("uplink") == 1
    assert sorted(keys(far)) == [(id_, 0) for id_ in ids]


async def _closing(far: FarSide) -> None:
    """Until the reader has met its crash."""
    await far.until(lambda: not far.waiting)


@pytest.mark.parametrize("what", ["report", "result"])
async def test_one_row_that_cannot_be_stored_holds_up_nothing_else(
    tmp_path: Path, what: str
) -> None:
    bad = Receipt(ReceiptKind.PERMANENT, code="\ud83d")

    def answer(part: Submission) -> Answer:
        return bad if what == "result" and part.target == number(1) else take_everything(part)

    far = FarSide(answer)
    async with EngineRig(tmp_path, far) as rig:
        with structlog.testing.capture_logs() as events:
            ids = await rig.accept(targets=[number(n) for n in (0, 1, 2)])
            await rig.fates(ids, "sent", "unknown")
            good = f"c{ids[0]}.0.1".encode()
            rows = [DeliveryReport(DELIVERED, good)]
            if what == "report":
                rows.insert(0, DeliveryReport(DELIVERED, b"c9", code="\ud83d"))
            acknowledged = far.bring(*rows)
            await rig.fate(ids[0], "delivered")
            later = await rig.accept(3)
            await rig.fates(later, "sent")
        outcome = await rig.store.outcome(ids[1])
    assert acknowledged.is_set() == (what == "result")
    assert [e["event"] for e in events if e["log_level"] == "error"] == ["store.row_refused"]
    assert outcome is not None
    assert outcome.word == ("unknown" if what == "result" else "sent")
    assert far.opened == 1, "the line stayed"


async def test_a_slot_that_lost_its_lease_sends_nothing_more(
    tmp_path: Path, store: FaultyStore
) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far, store=store) as rig:
        far.gate.clear()
        (one,) = await rig.accept(lane=Lane.URGENT, at_once=True)
        await far.until_written(1)
        heir = await store.acquire("sms", 0, "another", 10)
        assert heir is not None
        rig.engine.poke(["sms"])
        await far.until(lambda: far.closed == 1)
        wire = far.wire
        assert wire is not None
        assert not wire.may_write()
        await rig.accept(3)
        assert (await rig.engine.health("sms")).state is HealthState.DOWN
        (found,) = await store.recover(heir)
        assert found.submission.id == one
    assert len(far.written) == 1
    assert await states(store) == {PartState.CLAIMED: 1, PartState.QUEUED: 3}


# -- the end -------------------------------------------------------------------------------


async def test_close_waits_for_what_is_out_and_gives_the_rest_back(
    tmp_path: Path, store: FaultyStore
) -> None:
    far = FarSide(capabilities=sms(4))
    async with EngineRig(tmp_path, far, store=store) as rig:
        far.gate.clear()
        await rig.accept(50)
        await far.until_written(3)
        asyncio.get_running_loop().call_later(0.05, far.gate.set)
    assert len(far.written) == 3
    assert await states(store) == {PartState.SENT: 3, PartState.QUEUED: 47}


async def test_close_during_a_tick_leaves_nothing_claimed(
    tmp_path: Path, store: FaultyStore
) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far, store=store) as rig:
        store.hold.clear()
        await rig.accept(100)
        await asyncio.wait_for(store.held.wait(), 5)
        asyncio.get_running_loop().call_later(0.1, store.hold.set)
    assert PartState.CLAIMED not in await states(store)


async def test_close_gives_up_what_hangs_as_unknown(
    tmp_path: Path, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.delivery.engine.DRAIN_WITHIN", 0.1)
    far = FarSide(lambda _: Play.HANG, sms(4))
    async with EngineRig(tmp_path, far, store=store) as rig:
        await rig.accept(10)
        await far.until_written(3)
    assert await states(store) == {PartState.UNKNOWN: 3, PartState.QUEUED: 7}


async def test_an_acceptance_after_the_end_is_sent_by_the_next_engine(
    tmp_path: Path, store: FaultyStore
) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far, store=store) as rig:
        lease = rig.engine.lease_for("sms")
    change = rig.parcels.change(lane=Lane.URGENT, claim=lease)
    await store.commit(change)
    async with EngineRig(tmp_path, far, store=store) as rig:
        await rig.fate(change.accepts[0].messages[0].id, "sent")
    assert len(far.written) == 1


# -- a process that died -------------------------------------------------------------------


class Wreck:
    """What a killed process leaves: claimed parts, and a recorder that knows some of them."""

    def __init__(self, folder: Path, store: Store, boot: str = "") -> None:
        self.folder = folder
        self.store = store
        self.boot = boot or boot_id()

    async def leave(self, lane: Lane, slot: int = 0) -> list[int]:
        """Three parts: never written, written and unanswered, answered."""
        lease = await self.store.acquire("sms", slot, "dead", 10)
        assert lease is not None
        change = Parcels(SystemClock()).change(3, lane=lane, claim=lease)
        await self.store.commit(change)
        ids = [message.id for message in change.accepts[0].messages]
        recorder = Recorder(self.folder / f"sms-{slot}.recorder", self.boot)
        recorder.reset(lease.epoch)
        for id_ in ids[1:]:
            recorder.writing(id_, 0, b"key")
        recorder.answered(ids[2], 0, ReceiptKind.SENT, b"carrier")
        recorder.close()
        return ids


async def test_a_restart_sends_what_was_never_written_and_settles_what_was_answered(
    tmp_path: Path, store: FaultyStore
) -> None:
    ids = await Wreck(tmp_path, store).leave(Lane.BULK)
    far = FarSide()
    async with EngineRig(tmp_path, far, store=store) as rig:
        await rig.fate(ids[0], "sent")
        assert (await rig.fate(ids[1], "unknown")).state is OutcomeState.UNKNOWN
        await rig.fate(ids[2], "sent")
        far.bring(DeliveryReport(DELIVERED, b"carrier"))
        await rig.fate(ids[2], "delivered")
    assert keys(far) == [(ids[0], 0)]


async def test_after_a_power_cut_nothing_is_sent_that_may_have_been(
    tmp_path: Path, store: FaultyStore
) -> None:
    ids = await Wreck(tmp_path, store, boot="another").leave(Lane.BULK)
    far = FarSide()
    async with EngineRig(tmp_path, far, store=store) as rig:
        await rig.fates(ids, "unknown")
        await rig.fates(await rig.accept(), "sent")
    assert not {key[0] for key in keys(far)} & set(ids)


async def test_slots_that_are_configured_no_more_are_settled_too(
    tmp_path: Path, store: FaultyStore
) -> None:
    ids = await Wreck(tmp_path, store).leave(Lane.URGENT, slot=3)
    far = FarSide()
    async with EngineRig(tmp_path, far, store=store) as rig:
        await rig.fates(ids, "sent")
    assert sorted(keys(far)) == [(ids[0], 0), (ids[1], 0)]


async def test_without_room_for_its_recorder_an_engine_does_not_start(
    tmp_path: Path, store: FaultyStore
) -> None:
    (tmp_path / "sms-0.recorder").mkdir()
    with pytest.raises(StoreFull):
        async with EngineRig(tmp_path, FarSide(), store=store):
            pass
