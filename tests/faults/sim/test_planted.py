"""Bugs planted in the engine, one at a time: some world has to break the law that each breaks."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from typing_extensions import override

from fzalert.delivery import lanes, policy
from fzalert.delivery.gathered import Gathered
from fzalert.delivery.lanes import Lanes
from fzalert.delivery.policy import Channel, Limits
from fzalert.delivery.recorder import Recorder
from fzalert.messages import Lane, Receipt, ReceiptKind
from fzalert.ports import InboundBatch, Submission
from fzalert.store import Claimed, Flag, ResultRow
from fzalert.testing.sim import Result, SimAdapter, World, run

MOST = 400


def found(law: str, world: type[World] = World) -> Result:
    """The first world that breaks the law; fails where none does."""
    for seed in range(1, MOST + 1):
        result = run(seed, world)
        if any(broken.law == law for broken in result.broken):
            return result
    pytest.fail(f"no world of {MOST} broke the law of {law}")


def test_requeuing_what_was_not_answered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = policy.decide

    def eager(
        receipt: Receipt,
        part: Submission,
        flags: Flag,
        wire_key: bytes,
        channel: Channel,
        limits: Limits,
        now: int,
        rng: Random,
    ) -> ResultRow:
        if receipt.kind is ReceiptKind.UNKNOWN:
            receipt = Receipt(ReceiptKind.THROTTLED)
        return decide(receipt, part, flags, wire_key, channel, limits, now, rng)

    monkeypatch.setattr("fzalert.delivery.slot.decide", eager)
    result = found("duplicate")
    assert f"FZ_SEED={result.seed} broke" in str(result)
    assert run(result.seed) == result, "the printed seed does not repeat the failure"
    monkeypatch.undo()
    assert not run(result.seed).broken


def test_acknowledging_a_report_before_its_commit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Gathered.add_inbound

    def hasty(self: Gathered, batch: InboundBatch) -> None:
        batch.acknowledge()
        add(self, InboundBatch(batch.rows, lambda: None))

    monkeypatch.setattr(Gathered, "add_inbound", hasty)
    found("liveness")


class _LateRecorder(SimAdapter):
    """The bytes first, the recorder then."""

    @override
    def put(self, line: Any, part: Submission, key: bytes, flight: Any) -> None:
        line.send(part, key, flight)
        if self.process.is_alive:
            flight.wire.writing(part.id, part.part, key)


class _LateWorld(World):
    adapter = _LateRecorder


def test_writing_the_recorder_after_the_line_is_found() -> None:
    found("duplicate", _LateWorld)


def test_ignoring_expiry_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Timeless:
        def __init__(self, clock: Any) -> None:
            self.monotonic: Callable[[], float] = clock.monotonic

        def millis(self) -> int:
            return 0

    begin = Lanes.__init__

    def patient(self: Lanes, capabilities: Any, clock: Any, too_late: Any) -> None:
        begin(self, capabilities, Timeless(clock), too_late)  # type: ignore[arg-type]

    monkeypatch.setattr(Lanes, "__init__", patient)
    found("expiry")


def test_writing_past_the_window_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "RESERVED", 10**9)  # the urgent reserve shrinks to one part
    take = Lanes.next_batch

    def greedy(self: Lanes, lane: Lane, recorder_room: int) -> list[Claimed] | None:
        self._window += 1
        try:
            return take(self, lane, recorder_room)
        finally:
            self._window -= 1

    monkeypatch.setattr(Lanes, "next_batch", greedy)
    found("window")


def test_a_recorder_that_trusts_another_boot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut the recorder says nothing; one that is believed sends twice."""
    read = Recorder.read

    def trusting(self: Recorder) -> Any:
        found = read(self)
        return {} if found is None else found

    monkeypatch.setattr(Recorder, "read", trusting)
    found("duplicate")
