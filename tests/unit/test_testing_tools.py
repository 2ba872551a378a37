"""The wire, the clock, the state and the context that tests are made with."""

import asyncio
from datetime import timedelta

import pytest

from fzalert.errors import ChannelUnavailable
from fzalert.messages import Receipt, ReceiptKind, RenditionKind, TargetKind, decode_rendition
from fzalert.messages import encode_rendition as encode
from fzalert.testing import (
    FakeClock,
    MemoryState,
    RecordingWire,
    make_context,
    sample_rendition,
    sample_target,
    submission,
)

SENT = Receipt(ReceiptKind.SENT)


async def test_the_right_order_breaks_no_rule() -> None:
    wire = RecordingWire()
    assert wire.may_write()
    wire.writing(1, 0, b"k")
    wire.settle(1, 0, SENT)
    wire.check()
    assert wire.written == {(1, 0): b"k"}
    assert wire.receipts == {(1, 0): SENT}


async def test_a_refusal_needs_no_writing() -> None:
    wire = RecordingWire()
    wire.settle(1, 0, Receipt(ReceiptKind.PERMANENT))
    wire.check()


async def test_writing_needs_the_lease() -> None:
    wire = RecordingWire()
    with pytest.raises(AssertionError, match="before may_write"):
        wire.writing(1, 0, b"")
    wire.closed = True
    assert not wire.may_write()
    with pytest.raises(AssertionError, match="said no"):
        wire.writing(2, 0, b"")


@pytest.mark.parametrize("kind", [ReceiptKind.SENT, ReceiptKind.UNKNOWN])
async def test_sent_and_unknown_need_writing(kind: ReceiptKind) -> None:
    wire = RecordingWire()
    with pytest.raises(AssertionError, match="never written"):
        wire.settle(1, 0, Receipt(kind))


async def test_a_swallowed_report_is_repeated_by_check() -> None:
    wire = RecordingWire()
    wire.may_write()
    wire.writing(1, 0, b"")
    wire.settle(1, 0, SENT)
    with pytest.raises(AssertionError):
        wire.settle(1, 0, SENT)
    with pytest.raises(AssertionError, match=r"1\.0 was settled twice"):
        wire.check()


async def test_a_long_key_is_found() -> None:
    wire = RecordingWire()
    wire.may_write()
    with pytest.raises(AssertionError, match="37 bytes"):
        wire.writing(1, 0, bytes(37))


async def test_fates_are_read_as_the_engine_reads_them() -> None:
    wire = RecordingWire()
    batch = [
        submission(
            sample_target(TargetKind.PHONE), sample_rendition(RenditionKind.SMS), id=n, not_after=1
        )
        for n in (1, 2, 3)
    ]
    wire.may_write()
    wire.writing(1, 0, b"")
    wire.settle(1, 0, SENT)
    wire.writing(2, 0, b"")
    assert wire.fates(batch) == [ReceiptKind.SENT, ReceiptKind.UNKNOWN, None]
    wire.forget(batch)
    assert wire.fates(batch) == [None, None, None]


async def test_a_test_can_wait_for_the_wire() -> None:
    wire = RecordingWire()
    async with asyncio.TaskGroup() as group:
        group.create_task(wire.until_settled(1))
        group.create_task(wire.until_written(1))
        wire.may_write()
        wire.writing(1, 0, b"")
        wire.settle(1, 0, SENT)
    with pytest.raises(TimeoutError):
        await wire.until_settled(2, timeout=0.01)


async def test_the_clock_wakes_who_has_slept_long_enough() -> None:
    clock = FakeClock()
    woken: list[str] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    start = clock.millis()
    async with asyncio.TaskGroup() as group:
        group.create_task(sleep("late", 60))
        group.create_task(sleep("early", 1))
        await clock.until_sleeping(2)
        clock.advance(59)
        await asyncio.sleep(0)
        assert woken == ["early"]
        clock.advance(1)
    assert woken == ["early", "late"]
    assert clock.millis() - start == 60_000
    assert clock.monotonic() == 60


async def test_a_correction_of_the_wall_clock_leaves_durations_alone() -> None:
    clock = FakeClock()
    before = clock.now()
    clock.jump(-3600)
    assert before - clock.now() == timedelta(hours=1)
    assert clock.monotonic() == 0
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


async def test_state_keeps_its_rows_over_a_restart() -> None:
    state = MemoryState()
    await state.put("b", b"2")
    await state.put_many({"a/1": b"1", "a/2": b"2", "b": None})
    again = MemoryState(state.rows)
    assert await again.get("b") is None
    assert await again.items("a/") == [("a/1", b"1"), ("a/2", b"2")]
    assert state.commits == 2


async def test_two_contexts_of_one_seed_draw_the_same() -> None:
    async with make_context(seed=7) as one, make_context(seed=7) as two:
        assert one.rng.random() == two.rng.random()
        assert one.signer.key_id == two.signer.key_id


async def test_a_mistake_in_the_background_is_found() -> None:
    with pytest.raises(AssertionError, match="crashed by mistake"):
        async with make_context() as context:
            await context.background.once("wrong", _mistake)


async def test_a_lost_line_in_the_background_is_no_mistake() -> None:
    async with make_context() as context:
        await context.background.once("line", _lost)


async def test_a_crash_may_be_judged_by_the_test() -> None:
    crashes: list[Exception] = []
    async with make_context(crashes=crashes) as context:
        await context.background.once("wrong", _mistake)
    assert [str(crash) for crash in crashes] == ["planted"]


async def test_a_task_left_behind_is_named() -> None:
    with pytest.raises(AssertionError, match="still running after the adapter closed: reader"):
        async with make_context() as context:
            context.background.once("reader", asyncio.Event().wait)  # type: ignore[arg-type, unused-awaitable]  # left behind on purpose


async def _mistake() -> None:
    raise ZeroDivisionError("planted")


async def _lost() -> None:
    raise ChannelUnavailable("the line is down")


@pytest.mark.parametrize("kind", list(RenditionKind))
def test_every_kind_of_rendition_has_an_example(kind: RenditionKind) -> None:
    rendition = sample_rendition(kind)
    assert rendition.kind == kind
    assert decode_rendition(encode(rendition)) == rendition


@pytest.mark.parametrize("kind", list(TargetKind))
def test_every_kind_of_target_has_an_example(kind: TargetKind) -> None:
    assert sample_target(kind).kind is kind
