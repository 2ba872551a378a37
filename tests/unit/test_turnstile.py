"""Those who route go side by side; the one who changes the routes goes alone."""

import asyncio

import pytest

from fzalert.delivery.turnstile import Turnstile


async def test_a_change_waits_for_those_inside_and_holds_up_those_who_come() -> None:
    turn = Turnstile()
    seen: list[str] = []
    inside, may_leave = asyncio.Event(), asyncio.Event()

    async def route() -> None:
        async with turn.shared():
            inside.set()
            await may_leave.wait()
            seen.append("routed by the old")

    async def change() -> None:
        async with turn.alone(30):
            seen.append("changed")

    async def route_late() -> None:
        async with turn.shared():
            seen.append("routed by the new")

    async with asyncio.TaskGroup() as group:
        group.create_task(route())
        await inside.wait()
        group.create_task(change())
        await asyncio.sleep(0)
        group.create_task(route_late())
        for _ in range(5):
            await asyncio.sleep(0)
        assert seen == []
        may_leave.set()
    assert seen == ["routed by the old", "changed", "routed by the new"]


async def test_work_that_outlives_its_block_is_waited_for() -> None:
    turn = Turnstile()
    async with turn.shared():
        turn.hold()
    with pytest.raises(TimeoutError):
        async with turn.alone(0.01):
            pytest.fail("somebody is inside")
    turn.release()
    async with turn.alone(30):
        pass


async def test_after_a_change_that_failed_everybody_may_route_again() -> None:
    turn = Turnstile()
    with pytest.raises(ValueError, match="no"):
        async with turn.alone(30):
            raise ValueError("no")
    async with asyncio.timeout(30), turn.shared():
        pass
