"""What is kept at hand of cases and of the board's rows is always what replay would give."""

from __future__ import annotations

import contextlib
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fzalert.errors import GuardsUnmet, InputError
from fzalert.freeze import commands as c
from fzalert.freeze.book import CaseBook
from fzalert.freeze.evolve import replay
from fzalert.freeze.model import FreezeCase, InstructionKind
from fzalert.freeze.results import Grade, Receipt
from fzalert.freeze.shelf import Shelf
from fzalert.service.freeze_board import Board
from fzalert.service.freeze_views import board_rows
from tests.unit.freezing import CARD, DUTY, REPORT, START, VICTIM, World
from tests.unit.test_freeze_book import FACTS, Office

CASES = ("c1", "c2", "c3")
ACTS = ("stop", "extend", "release", "approve", "reject", "send", "done", "wrong", "cancel")
_HOURS = st.sampled_from([0.2, 1.0, 24.0, 47.9])
_STEPS = st.lists(
    st.tuples(st.sampled_from(CASES), st.sampled_from(ACTS)) | _HOURS, min_size=4, max_size=24
)


def command(case: FreezeCase, act: str, people: World, number: int) -> c.Command:
    measure = case.measures["m1"]
    current = measure.current or (measure.past[-1] if measure.past else None)
    application = "app-0" if current is None else current.id
    match act:
        case "stop" | "extend" | "release":
            kind = InstructionKind(act)
            return c.Prepare(people.author, "m1", f"{case.id}-{number}", kind, "资金正在转移")
        case "approve":
            return c.Approve(people.chief, "m1")
        case "reject":
            return c.Reject(people.chief, "m1", "不妥")
        case "send":
            return c.MarkSent(people.system, "m1", "bank-https")
        case "cancel":
            return c.Cancel(people.second, "m1", people.author.actor, "误报")
    said: dict[str, Any] = {"code": "0000" if act == "done" else "0300", "cause": "户名不符"}
    receipt = Receipt(
        application_id=application,
        account_number=CARD,
        started_at=people.now,
        grade=Grade.SIGNED,
        proof="sha256:00",
        **said,
    )
    return c.RecordReceipt(people.system, receipt)


async def agree(book: CaseBook, board: Board) -> None:
    """Compare what is at hand with what lies in the store, case by case."""
    now = book.now()
    for case_id in CASES:
        events = [entry.event for entry in await book.history(case_id)]
        told = replay(events, case_id, book.policy.hours("stop_hours"))
        case = await book.case(case_id)
        assert case == told
        assert board.rows(case, book.policy, now) == board_rows(case, book.policy, now)


@given(steps=_STEPS)
@settings(max_examples=12)
async def test_replay_and_what_is_at_hand_are_equal_whatever_was_done(
    steps: list[tuple[str, str] | float],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        office = Office(Path(folder))
        async with office.open() as book:
            book._shelf = Shelf(most_open=2, most_ended=1)
            board = Board()
            for case_id in CASES:
                await office.entered(case_id)
            for number, step in enumerate(steps):
                if isinstance(step, float):
                    office.clock.advance(step * 3600)
                    await book.run_due(c.Authority("machine:deadlines", machine=True))
                else:
                    case = await book.case(step[0])
                    asked = command(case, step[1], office.people(), number)
                    with contextlib.suppress(GuardsUnmet, InputError):
                        await book.do(step[0], asked, FACTS)
                await agree(book, board)


def opened(case_id: str = "c1", version: int = 1) -> FreezeCase:
    return FreezeCase(case_id, REPORT, VICTIM, DUTY, "user:ma", START, version)


def test_an_older_version_never_takes_the_place_of_a_newer_one() -> None:
    shelf = Shelf()
    newest = shelf.put(opened(version=3))
    assert shelf.put(opened(version=2)) is newest
    assert shelf.get("c1") is newest
    assert shelf.put(opened(version=4)).version == 4


def test_what_was_read_before_a_doubtful_write_is_not_kept() -> None:
    shelf = Shelf()
    before = shelf.drops
    shelf.drop("c1")  # a write failed: perhaps it is on disk all the same
    assert shelf.put(opened(version=2), before).version == 2
    assert shelf.get("c1") is None


def test_so_many_cases_stay_and_the_one_not_asked_for_goes_first() -> None:
    shelf = Shelf(most_open=2)
    for name in ("a", "b"):
        shelf.put(opened(name))
    assert shelf.get("a") is not None
    shelf.put(opened("c"))
    assert [name for name in ("a", "b", "c") if shelf.get(name)] == ["a", "c"]


def test_the_seconds_of_a_row_run_and_its_next_clock_follows() -> None:
    world = World()
    world.stopped()
    assert world.case is not None
    board, policy, end = Board(), world.policy, world.measure().expires_at
    assert end is not None
    for before in (48.0, 30.0, 0.001, -0.001, -5.0):
        now = end - timedelta(hours=before)
        (row,) = board.rows(world.case, policy, now)
        assert [row] == board_rows(world.case, policy, now)
        assert row.measure.next.seconds == int((end - now).total_seconds())


def test_of_a_case_that_is_gone_no_row_stays() -> None:
    world = World()
    world.stopped()
    assert world.case is not None
    board = Board()
    (row,) = board.rows(world.case, world.policy, world.now)
    board.only([world.case.id])
    kept = board.rows(world.case, world.policy, world.now)[0]
    assert kept.measure.receipts is row.measure.receipts, "it was kept"
    board.only([])
    made = board.rows(world.case, world.policy, world.now)[0]
    assert made == row
    assert made.measure.receipts is not row.measure.receipts, "it was made anew"


def test_a_row_that_was_made_before_a_clock_ran_out_is_made_anew() -> None:
    world = World()
    world.opened()
    world.sent()
    assert world.case is not None
    board, named = Board(), []
    for minutes in (1, 6, 4, 60 * 30):
        now = world.now + timedelta(minutes=minutes)
        (row,) = board.rows(world.case, world.policy, now)
        assert [row] == board_rows(world.case, world.policy, now)
        named.append(row.measure.next.deadline)
    assert named[:3] == ["acknowledge-1", "result-1", "acknowledge-1"]
