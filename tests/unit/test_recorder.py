"""The flight recorder: each cell of the restart's table, and files that are none.

Source: the reference of the engine, 2.3.
"""

import hashlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.delivery.policy import Channel, Limits
from fzalert.delivery.recorder import HEADER_SIZE, SLOT_SIZE, SLOTS, Recorder, boot_id
from fzalert.delivery.recovery import recovered_rows
from fzalert.messages import Lane, ReceiptKind
from fzalert.ports import Submission
from fzalert.store import Flag, OpenPart, PartState, ResultRow
from fzalert.testing.parcels import number, text_in_parts

NOW = 1_000_000
BOOT = "5f0a7d54-6a52-4c55-8a86-4a3e7f0d2a11"


def fresh(path: Path, boot: str = BOOT, epoch: int = 1) -> Recorder:
    recorder = Recorder(path, boot)
    recorder.reset(epoch)
    return recorder


def recovered(
    path: Path,
    *ids: int,
    boot: str = BOOT,
    lane: Lane = Lane.BULK,
    claimed_under: int = 1,
    channel: Channel | None = None,
    flags: Flag = Flag.NONE,
) -> list[ResultRow]:
    parts = [
        OpenPart(
            Submission(id_, 0, lane, number(id_), text_in_parts(), NOW + 60_000),
            flags,
            claimed_under,
        )
        for id_ in ids
    ]
    recorder = Recorder(path, boot)
    found = recovered_rows(parts, recorder, channel or Channel("sms"), Limits(), NOW, Random(0))
    recorder.close()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sms-0.recorder"


def test_the_same_boot_never_written_goes_back(path: Path) -> None:
    fresh(path)
    (row,) = recovered(path, 7)
    assert (row.state, row.word) == (PartState.QUEUED, "requeued")
    assert row.requeue is not None
    assert row.requeue.attempt == 1


def test_the_same_boot_written_and_unanswered_is_unknown(path: Path) -> None:
    fresh(path).writing(7, 0, b"key-7")
    (row,) = recovered(path, 7)
    assert (row.state, row.requeue, row.wire_key) == (PartState.UNKNOWN, None, b"key-7")
    (row,) = recovered(path, 7, lane=Lane.URGENT)
    assert row.requeue is not None
    assert (row.requeue.flags, row.requeue.wire_key) == (Flag.RESENT, b"key-7")


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (ReceiptKind.SENT, PartState.SENT),
        (ReceiptKind.PERMANENT, PartState.FAILED),
        (ReceiptKind.THROTTLED, PartState.QUEUED),
        (ReceiptKind.TEMPORARY, PartState.QUEUED),
        (ReceiptKind.CHANNEL_DOWN, PartState.QUEUED),
        (ReceiptKind.UNKNOWN, PartState.UNKNOWN),
    ],
)
def test_the_same_boot_answered_is_the_answer(
    path: Path, kind: ReceiptKind, state: PartState
) -> None:
    recorder = fresh(path)
    recorder.writing(7, 0, b"key-7")
    recorder.answered(7, 0, kind, b"carrier-7")
    (row,) = recovered(path, 7)
    assert (row.state, row.carrier_id) == (state, b"carrier-7")


def test_another_boot_knows_nothing(path: Path) -> None:
    recorder = fresh(path)
    recorder.writing(8, 0, b"k")
    recorder.writing(9, 0, b"k")
    recorder.answered(9, 0, ReceiptKind.SENT, b"c")
    rows = recovered(path, 7, 8, 9, boot="another")
    assert [row.state for row in rows] == [PartState.UNKNOWN] * 3
    assert not any(row.carrier_id for row in rows)


def test_without_a_recorder_all_is_unknown(path: Path) -> None:
    rows = recovered(path, 7, 8)
    assert [row.state for row in rows] == [PartState.UNKNOWN] * 2


def test_it_tells_nothing_of_what_another_owner_claimed(path: Path) -> None:
    fresh(path, epoch=4)
    assert recovered(path, 7, claimed_under=5)[0].state is PartState.UNKNOWN
    assert recovered(path, 7, claimed_under=4)[0].state is PartState.QUEUED


def test_a_second_crash_before_the_reset_still_finds_its_own(path: Path) -> None:
    fresh(path, epoch=4).writing(8, 0, b"k")
    for _ in range(3):
        rows = recovered(path, 7, 8, claimed_under=4)
        assert [row.state for row in rows] == [PartState.QUEUED, PartState.UNKNOWN]


def test_a_channel_that_keeps_its_state_is_never_unknown(path: Path) -> None:
    fresh(path).writing(7, 0, b"k")
    channel = Channel("lobby", keeps_state=True)
    for boot in (BOOT, "another"):
        assert recovered(path, 7, boot=boot, channel=channel)[0].state is PartState.QUEUED


def test_a_second_unknown_is_held(path: Path) -> None:
    fresh(path).writing(7, 0, b"k")
    (row,) = recovered(path, 7, lane=Lane.URGENT, flags=Flag.RESENT)
    assert (row.state, row.requeue) == (PartState.UNKNOWN, None)


def test_parts_are_told_apart(path: Path) -> None:
    recorder = fresh(path)
    recorder.writing(7, 1, b"k")
    found = recorder.read()
    assert found is not None
    assert list(found) == [(7, 1)]


def test_a_long_carrier_id_stands_there_as_its_hash(path: Path) -> None:
    recorder = fresh(path)
    for id_, size in ((7, 46), (8, 47), (9, 200)):
        recorder.writing(id_, 0, b"k" * 40)
        recorder.answered(id_, 0, ReceiptKind.SENT, b"x" * size)
    found = recorder.read()
    assert found is not None
    assert found[7, 0][1:] == (b"k" * 36, b"x" * 46, False)
    assert found[8, 0][2:] == (hashlib.sha256(b"x" * 47).digest(), True)
    assert found[9, 0][2:] == (hashlib.sha256(b"x" * 200).digest(), True)


def test_a_slot_is_free_again_once_its_result_is_on_disk(path: Path) -> None:
    recorder = fresh(path)
    for id_ in range(1, SLOTS + 1):
        recorder.writing(id_, 0, b"k")
    assert recorder.room == 0
    assert recorder.holds(5, 0)
    recorder.clear(5, 0)
    recorder.clear(5, 0)
    assert (recorder.room, recorder.holds(5, 0)) == (1, False)
    recorder.writing(9000, 3, b"k")
    found = recorder.read()
    assert found is not None
    assert (5, 0) not in found
    assert (9000, 3) in found
    assert len(found) == SLOTS


def test_a_new_attempt_forgets_the_answer_of_the_last(path: Path) -> None:
    recorder = fresh(path)
    recorder.writing(7, 0, b"first")
    recorder.answered(7, 0, ReceiptKind.THROTTLED, b"")
    recorder.writing(7, 0, b"second")
    found = recorder.read()
    assert found is not None
    assert found[7, 0][:2] == (None, b"second")


def test_an_answer_for_what_was_never_written_needs_no_slot(path: Path) -> None:
    recorder = fresh(path)
    recorder.answered(7, 0, ReceiptKind.CHANNEL_DOWN, b"")
    assert recorder.read() == {}


def test_a_recorder_of_another_size_is_made_fit(path: Path) -> None:
    path.write_bytes(b"short")
    assert recovered(path, 7)[0].state is PartState.UNKNOWN
    fresh(path).writing(7, 0, b"k")
    assert path.stat().st_size == HEADER_SIZE + SLOTS * SLOT_SIZE


@given(st.binary(max_size=600), st.booleans())
def test_garbage_is_unknown_and_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, headed: bool
) -> None:
    path = tmp_path_factory.mktemp("r") / "r"
    if headed:  # a true header before it, as after a fault of the disk
        fresh(path).close()
        with path.open("r+b") as file:
            file.seek(HEADER_SIZE)
            file.write(garbage)
    else:
        path.write_bytes(garbage)
    (row,) = recovered(path, 7)
    assert headed or row.state is PartState.UNKNOWN
    recorder = Recorder(path, BOOT)
    assert (recorder.read() is None) == (not headed)
    recorder.close()


def test_the_boot_has_a_name() -> None:
    assert boot_id() == boot_id() != ""
