"""The engine on a real store, with channels whose far side is scripted: what is promised of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from fzalert.clock import SystemClock
from fzalert.delivery import Limits
from fzalert.delivery.slot import Slot
from fzalert.messages import (
    Answer,
    DeliveryReport,
    Lane,
    LateReceipt,
    OutcomeState,
    Proof,
    Receipt,
    ReceiptKind,
    ReportKind,
    Scope,
    Uplink,
)
from fzalert.ports import Submission
from fzalert.store import Lease, PartState, SqliteStore, TickInput, TickOutput
from fzalert.testing.engine import Answer as Play_or_receipt
from fzalert.testing.engine import EngineRig, FarSide, Play, sms, take_everything
from fzalert.testing.parcels import make_vault, number

SENT = Receipt(ReceiptKind.SENT)
DOWN = Receipt(ReceiptKind.CHANNEL_DOWN)


class Lines:
    """Answers in turn, then takes everything."""

    def __init__(self, *answers: Play_or_receipt) -> None:
        self._answers = list(answers)

    def __call__(self, part: Submission) -> Play_or_receipt:
        return self._answers.pop(0) if self._answers else take_everything(part)


# -- the way through -----------------------------------------------------------------------


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_is_accepted_is_sent_and_its_report_found(
    tmp_path: Path, lane: Lane, at_once: bool
) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far) as rig:
        ids = await rig.accept(5, lane=lane, at_once=at_once)
        await rig.fates(ids, "sent")
        acknowledged = far.bring(
            *(DeliveryReport(ReportKind.DELIVERED, f"c{id_}.0.1".encode()) for id_ in ids)
        )
        outcomes = await rig.fates(ids, "delivered")
        await asyncio.wait_for(acknowledged.wait(), 5)
    assert {o.state for o in outcomes} == {OutcomeState.DELIVERED}
    assert sorted(w.part.id for w in far.written) == ids
    assert (far.opened, far.closed) == (1, 1)


async def test_a_channel_without_reports_has_the_last_word(tmp_path: Path) -> None:
    far = FarSide(lambda _: Receipt(ReceiptKind.SENT, proof=Proof.TAKEN), sms(reports=False))
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        outcome = await rig.fate(id_, "sent")
    assert (outcome.state, outcome.proof) == (OutcomeState.DELIVERED, Proof.TAKEN)


async def test_every_part_of_a_long_text_is_sent(tmp_path: Path) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept(parts=3)
        outcome = await rig.fate(id_, "sent")
    assert outcome.parts == 3
    assert sorted(w.part.part for w in far.written) == [0, 1, 2]


async def test_nothing_is_left_running(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    far = FarSide(Lines(Play.HANG))
    async with EngineRig(tmp_path, far) as rig:
        await rig.accept(3)
        await far.until_written(1)
        far.capabilities = sms()
        far.bring(DeliveryReport(ReportKind.DELIVERED, b"nobody"))
        rig.engine.channels["sms"].slots[0].capabilities = sms(submit_timeout=0.01)
        far.crash(OSError("the line fell"))
        await far.until(lambda: far.opened == 2)
    assert asyncio.all_tasks() == before


# -- window, reserve, pace -----------------------------------------------------------------


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    window=st.integers(1, 12),
    batches=st.lists(
        st.tuples(st.sampled_from(Lane), st.integers(1, 9), st.booleans()), min_size=1, max_size=6
    ),
)
async def test_the_window_is_never_exceeded_and_its_reserve_is_the_urgent_lane_s(
    tmp_path_factory: pytest.TempPathFactory,
    window: int,
    batches: list[tuple[Lane, int, bool]],
) -> None:
    far = FarSide(capabilities=sms(window))
    async with EngineRig(tmp_path_factory.mktemp("w"), far) as rig:
        ids: list[int] = []
        for lane, count, closed in batches:
            far.gate.clear() if closed else far.gate.set()
            ids += await rig.accept(count, lane=lane)
        far.gate.set()
        await rig.fates(ids, "sent")
    reserve = 0 if window < 2 else -(-window // 5)
    assert far.most_out <= window
    assert far.most_bulk_out <= window - reserve
    assert len(far.written) == len(ids)


async def test_the_urgent_lane_passes_a_bulk_lane_that_waits_for_answers(tmp_path: Path) -> None:
    far = FarSide(capabilities=sms(10))
    async with EngineRig(tmp_path, far) as rig:
        far.gate.clear()
        await rig.accept(50)
        await far.until_written(8)
        (urgent,) = await rig.accept(lane=Lane.URGENT, at_once=True)
        await far.until_written(9)
        assert far.written[8].part.id == urgent
        assert far.most_out == 9
        far.gate.set()


async def test_an_urgent_part_goes_next_even_where_one_part_at_a_time_may_be_out(
    tmp_path: Path,
) -> None:
    far = FarSide(capabilities=sms(1))
    async with EngineRig(tmp_path, far) as rig:
        far.gate.clear()
        await rig.accept(200)
        await far.until_written(1)
        urgent = await rig.accept(5, lane=Lane.URGENT)
        slot = rig.engine.channels["sms"].slots[0]
        await rig.until(lambda: slot.ready(Lane.URGENT) == 5)
        far.gate.set()
        await rig.fates(urgent, "sent")
    assert [w.part.id for w in far.written[1:6]] == urgent


async def test_one_target_has_so_many_at_once_and_no_more(tmp_path: Path) -> None:
    far = FarSide(capabilities=sms(8, per_target=1))
    async with EngineRig(tmp_path, far) as rig:
        ids = await rig.accept(targets=[number(1)] * 4 + [number(2)] * 2)
        await rig.fates(ids, "sent")
    for batch in far.submitted:
        targets = [part.target for part in batch]
        assert len(targets) == len(set(targets))
    assert len(far.written) == 6


async def test_the_rate_is_kept(tmp_path: Path) -> None:
    far = FarSide(capabilities=sms(64, rate=200))
    async with EngineRig(tmp_path, far) as rig:
        started = rig.clock.monotonic()
        await rig.fates(await rig.accept(80), "sent")
        took = rig.clock.monotonic() - started
    assert took >= (80 - 20 - 1) / 200
    assert max(len(batch) for batch in far.submitted) <= 20


async def test_bulk_that_waits_for_its_pace_is_not_held_up_by_an_urgent_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.delivery.engine.DRAIN_WITHIN", 0.1)
    far = FarSide(Lines(Play.HANG), sms(64, rate=50))
    async with EngineRig(tmp_path, far) as rig:
        await rig.accept(lane=Lane.URGENT, at_once=True)
        await far.until_written(1)
        ids = await rig.accept(40)
        await rig.fate(ids[-1], "sent")  # in time only if nothing but the pace is waited for


# -- answers -------------------------------------------------------------------------------


async def test_a_throttled_part_returns_alone_with_its_attempt_and_key(tmp_path: Path) -> None:
    far = FarSide(Lines(SENT, Receipt(ReceiptKind.THROTTLED), SENT))
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept(parts=3)
        await rig.fate(id_, "sent")
    first, again = (w for w in far.written if w.part.part == 1)
    assert again.part.attempt == first.part.attempt == 1
    assert again.part.previous_key == first.key == again.key
    assert len(far.written) == 4


async def test_a_temporary_refusal_counts_and_ends(tmp_path: Path) -> None:
    far = FarSide(lambda _: Receipt(ReceiptKind.TEMPORARY, code="8"))
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        outcome = await rig.fate(id_, "failed")
    assert (outcome.state, outcome.code) == (OutcomeState.FAILED, "8")
    assert [w.part.attempt for w in far.written] == [1, 2, 3, 4]


async def test_a_refusal_for_good_is_final_and_an_opt_out_lasts(tmp_path: Path) -> None:
    far = FarSide(Lines(Receipt(ReceiptKind.PERMANENT, Scope.RECIPIENT, code="R", suppress=True)))
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept(targets=[number(1)])
        assert (await rig.fate(id_, "failed")).code == "R"
        assert await rig.store.suppressed([number(1)]) == {number(1): "opted out"}
    assert len(far.written) == 1


async def test_an_urgent_warning_leaves_a_dead_channel_for_the_next(tmp_path: Path) -> None:
    dead, alive = FarSide(lambda _: DOWN), FarSide()
    async with EngineRig(tmp_path, {"sms": dead, "sms-2": alive}) as rig:
        (urgent,) = await rig.accept(lane=Lane.URGENT, at_once=True)
        outcome = await rig.fate(urgent, "sent")
        (long,) = await rig.accept(lane=Lane.URGENT, parts=2)
        (bulk,) = await rig.accept()
        await dead.until(lambda: {long, bulk} <= {p.id for b in dead.submitted for p in b})
        dead.answer = take_everything
        assert (await rig.fate(long, "sent")).channel == "sms"
        assert (await rig.fate(bulk, "sent")).channel == "sms"
    assert outcome.channel == "sms-2"
    assert [(w.part.id, w.part.attempt) for w in alive.written] == [(urgent, 1)]


async def test_a_channel_in_trouble_of_its_own_hands_its_messages_on(tmp_path: Path) -> None:
    broke = FarSide(lambda _: Receipt(ReceiptKind.PERMANENT, Scope.CHANNEL, code="balance"))
    alive = FarSide()
    async with EngineRig(tmp_path, {"sms": broke, "sms-2": alive}) as rig:
        (id_,) = await rig.accept()
        assert (await rig.fate(id_, "sent")).channel == "sms-2"


async def test_a_dead_line_is_probed_by_one_part_at_a_time(tmp_path: Path) -> None:
    far = FarSide(lambda _: DOWN, sms(4))
    async with EngineRig(tmp_path, far) as rig:
        ids = await rig.accept(60)
        await far.until(lambda: len(far.submitted) > 30)
        assert [len(batch) for batch in far.submitted[-5:]] == [1] * 5
        far.answer = take_everything
        await rig.fates(ids, "sent")
    assert len(far.written) == 60


# -- unknown -------------------------------------------------------------------------------


@pytest.mark.parametrize("play", [Play.SILENT, Play.RAISE, Play.CANCEL])
async def test_bulk_that_was_written_and_not_settled_is_held(tmp_path: Path, play: Play) -> None:
    far = FarSide(Lines(play))
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        outcome = await rig.fate(id_, "unknown")
        await rig.fates(await rig.accept(3), "sent")
    assert outcome.state is OutcomeState.UNKNOWN
    assert [w.part.id for w in far.written].count(id_) == 1


async def test_an_adapter_that_hangs_is_given_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.delivery.slot.SUBMIT_GRACE", 0.05)
    far = FarSide(Lines(Play.HANG), sms(submit_timeout=0.05))
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        outcome = await rig.fate(id_, "unknown")
        await rig.fates(await rig.accept(3), "sent")
    assert "no answer within" in outcome.detail


async def test_an_urgent_unknown_is_resent_once_and_marked(tmp_path: Path) -> None:
    far = FarSide(lambda _: Play.SILENT)
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept(lane=Lane.URGENT, at_once=True)
        await far.until_written(2)
        await rig.fate(id_, "unknown")
        await rig.fates(await rig.accept(lane=Lane.URGENT), "unknown")
    assert [w.part.attempt for w in far.written if w.part.id == id_] == [1, 2]


@pytest.mark.parametrize("how", ["report", "late"])
async def test_a_word_in_time_spares_the_resend(tmp_path: Path, how: str) -> None:
    far = FarSide(lambda _: Play.SILENT)
    limits = Limits(unknown_wait_ms=400)
    async with EngineRig(tmp_path, far, limits=limits) as rig:
        (id_,) = await rig.accept(lane=Lane.URGENT, at_once=True)
        await rig.fate(id_, "unknown")
        if how == "report":
            far.bring(DeliveryReport(ReportKind.DELIVERED, id=id_))
        else:
            far.bring(LateReceipt(id_, 0, SENT))
        await rig.fate(id_, "delivered", "sent")
        far.answer = take_everything
        (after,) = await rig.accept(due_at=rig.clock.millis() + 500)
        await rig.fate(after, "sent")
    assert [w.part.id for w in far.written] == [id_, after]


async def test_a_late_throttle_is_no_end_of_an_urgent_warning(tmp_path: Path) -> None:
    far = FarSide(Lines(Play.SILENT))
    async with EngineRig(tmp_path, far, limits=Limits(unknown_wait_ms=3_600_000)) as rig:
        (id_,) = await rig.accept(lane=Lane.URGENT, at_once=True)
        await rig.fate(id_, "unknown")
        far.bring(LateReceipt(id_, 0, Receipt(ReceiptKind.THROTTLED, retry_after=0.01)))
        await rig.fate(id_, "sent")
    assert len(far.written) == 2


async def test_the_same_key_is_used_until_an_answer_comes(tmp_path: Path) -> None:
    far = FarSide(Lines(Play.SILENT, Play.SKIP, DOWN), sms(idempotent_key=True))
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        await rig.fate(id_, "sent")
    assert len(far.submitted) == 4
    assert len(far.written) == 2
    assert len({w.key for w in far.written}) == 1


async def test_a_state_is_set_again(tmp_path: Path) -> None:
    far = FarSide(Lines(Play.RAISE, Play.SILENT), keeps_state=True)
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        await rig.fate(id_, "sent")
    assert [w.part.attempt for w in far.written] == [1, 2, 3]


# -- reports -------------------------------------------------------------------------------


async def test_a_report_may_come_before_its_response(tmp_path: Path) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far) as rig:
        far.gate.clear()
        (id_,) = await rig.accept()
        await far.until_written(1)
        early = DeliveryReport(ReportKind.DELIVERED, f"c{id_}.0.1".encode())
        await asyncio.wait_for(far.bring(early, early).wait(), 5)
        assert await rig.store.orphans() == 1
        far.gate.set()
        await rig.fate(id_, "delivered")
        assert await rig.store.orphans() == 0


async def test_uplinks_answers_and_opt_outs_arrive(tmp_path: Path) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept()
        await rig.fate(id_, "sent")
        rows = (Uplink(number(1), "退订", 0, is_opt_out=True), Answer(id_, 0, b"signed"))
        await asyncio.wait_for(far.bring(*rows).wait(), 5)
        feed = await rig.store.feed(0, 99)
        assert [row.word for row in feed] == ["sent", "opt-out", "answer"]
        assert await rig.store.suppressed([number(1)]) == {number(1): "opted out"}


# -- windows of time -----------------------------------------------------------------------


async def test_what_is_too_late_is_never_sent(tmp_path: Path) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far) as rig:
        (id_,) = await rig.accept(lane=Lane.URGENT, not_after=rig.clock.millis())
        assert (await rig.fate(id_, "expired")).state is OutcomeState.EXPIRED
        (id_,) = await rig.accept(lane=Lane.URGENT, at_once=True, not_after=rig.clock.millis() - 1)
        assert (await rig.fate(id_, "expired")).state is OutcomeState.EXPIRED
    assert far.submitted == []


async def test_what_is_not_due_waits(tmp_path: Path) -> None:
    far = FarSide()
    async with EngineRig(tmp_path, far) as rig:
        due = rig.clock.millis() + 150
        (later,) = await rig.accept(due_at=due)
        (now,) = await rig.accept()
        await rig.fate(later, "sent")
        assert rig.clock.millis() >= due
    assert [w.part.id for w in far.written] == [now, later]


# -- taking back ---------------------------------------------------------------------------


async def test_what_is_claimed_and_not_out_is_taken_back(tmp_path: Path) -> None:
    far = FarSide(capabilities=sms(1))
    async with EngineRig(tmp_path, far) as rig:
        far.gate.clear()
        ids = await rig.accept(5)
        await far.until_written(1)
        out = far.written[0].part.id
        await rig.engine.withdraw(("sms", id_, 0) for id_ in ids)
        rest = [id_ for id_ in ids if id_ != out]
        await rig.fates(rest, "withdrawn")
        far.gate.set()
        await rig.fate(out, "sent")
    assert len(far.written) == 1


async def test_the_counters_tell_where_everything_is(tmp_path: Path) -> None:
    far = FarSide(Lines(SENT, Receipt(ReceiptKind.PERMANENT), Play.SILENT))
    async with EngineRig(tmp_path, far) as rig:
        ids = await rig.accept(4)
        await rig.fates(ids, "sent", "failed", "unknown")
        found = {row.state: row.n for row in await rig.store.counters() if row.n}
    assert found == {PartState.SENT: 2, PartState.FAILED: 1, PartState.UNKNOWN: 1}


# -- what a tick costs ---------------------------------------------------------------------


async def test_a_full_window_writes_nothing_until_something_happens(tmp_path: Path) -> None:
    far = FarSide(capabilities=sms(window=4))
    far.gate.clear()
    async with EngineRig(tmp_path, far) as rig:
        await rig.accept(200, lane=Lane.BULK)
        await far.until(lambda: len(far.written) == 3)  # the fourth place is the urgent reserve
        (slot,) = rig.engine.channels["sms"].slots
        before = slot.ticks
        await asyncio.sleep(0.5)  # no event to wait for: silence is what is asked for
        assert slot.ticks - before <= 10, "nothing happened, and still it asked the queue"
        far.gate.set()


class Overtaken(SqliteStore):
    """Something is queued after a tick looked at the queue, and before the slot hears of it."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    @override
    async def tick(self, lease: Lease, work: TickInput) -> TickOutput:
        output = await super().tick(lease, work)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return output


async def test_a_part_queued_while_a_tick_is_written_is_not_overlooked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.delivery.slot.IDLE_TICK", 3600.0)  # nobody looks by chance
    store = Overtaken(tmp_path / "fz.db", SystemClock(), make_vault)
    await store.open()
    try:
        async with EngineRig(tmp_path, FarSide(), store=store) as rig:
            (slot,) = rig.engine.channels["sms"].slots
            await _quiet(slot)
            ids: list[int] = []

            async def accept() -> None:
                ids.extend(await rig.accept())

            store.meanwhile = accept
            slot.poke()
            await rig.until(lambda: bool(ids))
            await rig.fate(ids[0], "sent")
    finally:
        await store.close()


@pytest.mark.parametrize("lane", list(Lane))
async def test_a_batch_waits_for_no_other_where_the_adapter_takes_several(
    tmp_path: Path, lane: Lane
) -> None:
    far = FarSide(capabilities=replace(sms(), submits=2))
    far.gate.clear()  # nothing is answered
    async with EngineRig(tmp_path, far) as rig:
        for number_out in (1, 2):
            await rig.accept(lane=lane)
            await far.until_written(number_out)
        third = await rig.accept(lane=lane)
        far.gate.set()
        await rig.fate(third[0], "sent")
    assert [len(batch) for batch in far.submitted] == [1, 1, 1]


async def _quiet(slot: Slot) -> None:
    """Wait until no tick is under way and none follows."""
    while True:
        seen = slot.ticks
        await asyncio.sleep(0.05)
        if slot.ticks == seen:
            return
