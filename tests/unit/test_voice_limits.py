"""How often a speaker may speak, when it speaks softly, and whose turn it is."""

import asyncio
from datetime import datetime, time
from typing import Final

import pytest

from fzalert.messages import Lane, ScriptRef, Speech
from fzalert_voice.limits import BEIJING, PlayLimits, Refusal, ScriptKey, is_quiet, script_key
from fzalert_voice.turns import TurnQueue

KEY: Final = ScriptKey("generic", "general", "zh-CN", False)
OTHER: Final = ScriptKey("market-day", "general", "zh-CN", False)


def limits(per_hour: int = 12) -> PlayLimits:
    return PlayLimits(min_interval=60.0, max_per_hour=per_hour)


def test_the_same_script_waits_for_its_interval() -> None:
    plays = limits()
    plays.begin(KEY, Lane.BULK, 0.0)
    assert plays.refuse(KEY, Lane.BULK, 59.9) is Refusal.DUPLICATE
    assert plays.refuse(OTHER, Lane.BULK, 1.0) is None
    assert plays.refuse(KEY, Lane.BULK, 60.0) is None


def test_an_urgent_warning_is_only_held_back_by_an_urgent_one() -> None:
    plays = limits()
    plays.begin(KEY, Lane.BULK, 0.0)
    assert plays.refuse(KEY, Lane.URGENT, 1.0) is None
    plays.begin(KEY, Lane.URGENT, 1.0)
    assert plays.refuse(KEY, Lane.URGENT, 2.0) is Refusal.DUPLICATE
    assert plays.refuse(KEY, Lane.BULK, 60.5) is Refusal.DUPLICATE


def test_a_play_that_was_cut_may_be_said_again_but_was_heard() -> None:
    plays = limits(per_hour=1)
    plays.begin(KEY, Lane.BULK, 0.0)
    plays.undo(KEY, Lane.BULK, heard=True)
    assert plays.refuse(KEY, Lane.BULK, 1.0) is Refusal.HOURLY
    plays = limits(per_hour=1)
    plays.begin(KEY, Lane.BULK, 0.0)
    plays.undo(KEY, Lane.BULK, heard=False)
    assert plays.refuse(KEY, Lane.BULK, 1.0) is None


def test_routine_plays_have_a_cap_by_the_hour_and_urgent_ones_have_none() -> None:
    plays = PlayLimits(min_interval=0.0, max_per_hour=12)
    for number in range(12):
        assert plays.refuse(KEY, Lane.BULK, number * 60.0) is None
        plays.begin(KEY, Lane.BULK, number * 60.0)
    assert plays.refuse(KEY, Lane.BULK, 3599.0) is Refusal.HOURLY
    assert plays.refuse(KEY, Lane.URGENT, 3599.0) is None
    assert plays.refuse(KEY, Lane.BULK, 3600.0) is None


def test_a_drill_is_no_repetition_of_the_real_thing() -> None:
    script = ScriptRef("generic", "general", "zh-CN", 1, "0" * 64)
    assert script_key(Speech("文", script)) != script_key(Speech("文", script, drill=True))


@pytest.mark.parametrize(
    ("start", "end", "now", "quiet"),
    [
        ("22:00", "06:00", "21:59", False),
        ("22:00", "06:00", "22:00", True),
        ("22:00", "06:00", "00:00", True),
        ("22:00", "06:00", "05:59", True),
        ("22:00", "06:00", "06:00", False),
        ("12:00", "14:00", "13:00", True),
        ("12:00", "14:00", "14:00", False),
    ],
)
def test_quiet_hours_go_by_beijing_time_and_cross_midnight(
    start: str, end: str, now: str, quiet: bool
) -> None:
    moment = datetime.fromisoformat(f"2026-11-24T{now}").replace(tzinfo=BEIJING)
    assert is_quiet(moment, time.fromisoformat(start), time.fromisoformat(end)) is quiet
    assert is_quiet(moment, None, None) is False


async def test_turns_go_to_the_urgent_first_and_to_equals_in_order() -> None:
    turns = TurnQueue()
    holder = await turns.take(Lane.BULK)
    order: list[str] = []

    async def wait(name: str, lane: Lane) -> None:
        turn = await turns.take(lane)
        order.append(name)
        turns.give_back(turn)

    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        for name, lane in (
            ("b1", Lane.BULK),
            ("b2", Lane.BULK),
            ("u1", Lane.URGENT),
            ("u2", Lane.URGENT),
        ):
            group.create_task(wait(name, lane))
            await asyncio.sleep(0)
        assert holder.stop.is_set()
        turns.give_back(holder)
    assert order == ["u1", "u2", "b1", "b2"]


async def test_an_equal_stops_nobody_and_a_waiter_that_leaves_blocks_nobody() -> None:
    turns = TurnQueue()
    holder = await turns.take(Lane.URGENT)
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        leaver = group.create_task(turns.take(Lane.URGENT))
        stayer = group.create_task(turns.take(Lane.BULK))
        await asyncio.sleep(0)
        assert not holder.stop.is_set()
        leaver.cancel()
        await asyncio.sleep(0)
        turns.give_back(holder)
    last = stayer.result()
    turns.give_back(last)
    with pytest.raises(RuntimeError):
        turns.give_back(last)


async def test_a_waiter_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    turns = TurnQueue()
    holder = await turns.take(Lane.BULK)
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        leaver = group.create_task(turns.take(Lane.BULK))
        stayer = group.create_task(turns.take(Lane.BULK))
        await asyncio.sleep(0)
        turns.give_back(holder)
        leaver.cancel()
    turns.give_back(stayer.result())
