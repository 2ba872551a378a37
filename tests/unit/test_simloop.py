import asyncio
import hashlib
import inspect
import socket
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from fzalert.testing.simloop import Deadlock, SimLoop

T = TypeVar("T")


def run(loop: SimLoop, work: Coroutine[None, None, T]) -> T:
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


async def five_workers() -> str:
    """Five workers put their names down; the order is the schedule."""
    seen = hashlib.sha256()

    async def work(name: int) -> None:
        for step in range(20):
            seen.update(f"{name}.{step}@{asyncio.get_running_loop().time():.6f};".encode())
            await asyncio.sleep(0.001 * (name % 2))

    async with asyncio.TaskGroup() as group:
        for name in range(5):
            group.create_task(work(name))
    return seen.hexdigest()


def test_an_hour_passes_at_once() -> None:
    loop = SimLoop(2)

    async def wait() -> float:
        async with asyncio.timeout(7200):
            await asyncio.sleep(3600)
        return loop.time()

    assert run(loop, wait()) == pytest.approx(3600)


def test_a_timeout_comes_at_its_virtual_moment() -> None:
    loop = SimLoop(1)

    async def wait() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return loop.time()

    assert run(loop, wait()) == pytest.approx(5)


def test_equal_seeds_give_equal_schedules() -> None:
    for seed in range(20):
        assert run(SimLoop(seed), five_workers()) == run(SimLoop(seed), five_workers())


def test_odd_seeds_differ_and_even_ones_keep_asyncios_order() -> None:
    odd = {run(SimLoop(seed), five_workers()) for seed in range(1, 40, 2)}
    even = {run(SimLoop(seed), five_workers()) for seed in range(0, 40, 2)}

    assert (len(odd) > 10, len(even)) == (True, 1)


def test_every_ready_handle_runs_once_in_each_pass() -> None:
    loop = SimLoop(7)
    ran: list[int] = []

    async def call() -> None:
        for number in range(50):
            loop.call_soon(ran.append, number)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(loop, call())
    assert (sorted(ran), ran == sorted(ran)) == (list(range(50)), False)


def test_a_deadlock_names_who_waits() -> None:
    async def wait_for_nobody() -> None:
        await asyncio.Event().wait()

    loop = SimLoop(3)
    task = loop.create_task(wait_for_nobody(), name="the forgotten one")
    with pytest.raises(Deadlock, match=r"the forgotten one at .*\.py:\d+"):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        run(loop, _await(task))


async def _await(task: asyncio.Task[None]) -> None:
    await task


def test_a_race_that_needs_another_order_is_found_by_some_seed() -> None:
    """Two workers read, yield, and write: the lost update shows in some schedules only."""

    async def lost_update() -> int:
        value = 0
        turn = asyncio.Event()

        async def add(hurry: bool) -> None:
            nonlocal value
            await turn.wait()
            seen = value
            if not hurry:
                await asyncio.sleep(0)
            value = seen + 1

        async with asyncio.TaskGroup() as group:
            group.create_task(add(True))
            group.create_task(add(False))
            await asyncio.sleep(0.1)
            turn.set()
        return value

    found = {run(SimLoop(seed), lost_update()) for seed in range(1, 60, 2)}
    assert found == {1, 2}


def test_work_for_a_thread_runs_in_the_loop_after_its_delay() -> None:
    loop = SimLoop(5)
    loop.thread_delay = lambda: 2.0

    async def ask() -> tuple[int, float]:
        return await asyncio.to_thread(lambda: 41 + 1), loop.time()

    assert run(loop, ask()) == (42, 2.0)


def test_an_error_of_such_work_reaches_whoever_waits() -> None:
    def fail() -> None:
        raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        run(SimLoop(5), asyncio.to_thread(fail))


async def _ask(loop: SimLoop, what: str) -> None:
    left, right = socket.socketpair()
    with left, right:
        match what:
            case "connection":
                await loop.create_connection(asyncio.Protocol, "127.0.0.1", 9)
            case "server":
                await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
            case "address":
                await loop.getaddrinfo("localhost", 80)
            case "process":
                await loop.subprocess_exec(asyncio.SubprocessProtocol, "true")
            case _:
                loop.add_reader(left, print)


@pytest.mark.parametrize("what", ["connection", "server", "address", "process", "reader"])
def test_nothing_real_can_be_done(what: str) -> None:
    loop = SimLoop(1)
    with pytest.raises(RuntimeError, match="nothing real"):
        run(loop, _ask(loop, what))


def test_sets_of_tasks_keep_their_order_from_run_to_run() -> None:
    async def order() -> list[str]:
        tasks = {asyncio.ensure_future(asyncio.sleep(1)) for _ in range(40)}
        names = [str(hash(task)) for task in tasks]
        await asyncio.gather(*tasks)
        return names

    assert run(SimLoop(9), order()) == run(SimLoop(9), order())


def test_asyncio_still_has_the_private_names_that_the_loop_builds_on() -> None:
    source = inspect.getsource(asyncio.BaseEventLoop._run_once)  # type: ignore[attr-defined]
    for name in ("_selector.select(timeout)", "_process_events(", "_ready.popleft()", "_scheduled"):
        assert name in source, f"asyncio changed: {name} is gone; look at fzalert.testing.simloop"
    assert "_clock_resolution" in source
    assert "_write_to_self" in inspect.getsource(asyncio.BaseEventLoop.call_soon_threadsafe)
