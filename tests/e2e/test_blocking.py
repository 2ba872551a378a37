"""Programs without an event loop: the same calls, and no call beyond its limit, whatever breaks."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

import fzalert
from fzalert.background import Background
from fzalert.ports import Adapter, Health, Submission, Wire
from fzalert.testing.engine import FarSide, ScriptedAdapter, sms
from fzalert.testing.house import House

LIMIT = 7.0
"""Six seconds for a warning, and one for a busy machine."""


def house(folder: Path, make: Callable[[int, Background], Adapter]) -> House:
    """A house whose scripts are approved."""
    built = House(folder, {"sms": make})

    async def approve() -> None:
        async with House(folder).service() as service:
            await built.approve(service)

    asyncio.run(approve())
    return built


def taker() -> FarSide:
    """A far side whose word of taking is its last."""
    return FarSide(capabilities=sms(reports=False))


def loops() -> list[str]:
    """Threads of ours that live."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fzalert")]


def test_a_program_without_a_loop_warns_and_learns_the_fate(tmp_path: Path) -> None:
    with fzalert.blocking.open(house(tmp_path, taker().make).settings) as fz:
        warning = fz.warn("generic", to=fzalert.phone("13800138000"), key="counter-1")
        assert warning.accepted
        outcome = warning.outcome(timeout=10)
        assert [target.state for target in outcome.targets] == ["delivered"]
        again = fz.warn("generic", to=fzalert.phone("13800138000"), key="counter-1")
        assert again.id == warning.id
        assert fz.status().totals.accepted == 1
        assert any(script.status == "approved" for script in fz.scripts())
    assert loops() == []


def test_a_wrong_call_raises_where_it_was_made(tmp_path: Path) -> None:
    with fzalert.blocking.open(house(tmp_path, taker().make).settings) as fz:
        with pytest.raises(fzalert.UnknownScript):
            fz.warn("no-such-script", to=fzalert.phone("13800138000"))
        with pytest.raises(fzalert.InputError) as wrong:
            fz.warn("generic", to=[])
        assert wrong.value.field == "to"
        with pytest.raises(fzalert.AccessDenied):
            fz.actor("nobody.has-this-token")


def test_many_threads_share_one_door(tmp_path: Path) -> None:
    with fzalert.blocking.open(house(tmp_path, taker().make).settings) as fz:

        def warn(number: int) -> str:
            to = fzalert.phone(f"138001380{number:02d}")
            return str(fz.warn("generic", to=to).outcome(timeout=20).state)

        with ThreadPoolExecutor(10) as pool:
            assert set(pool.map(warn, range(20))) == {"delivered"}


def test_a_closed_door_says_so(tmp_path: Path) -> None:
    with fzalert.blocking.open(house(tmp_path, taker().make).settings) as fz:
        pass
    with pytest.raises(fzalert.NotConnected):
        fz.status()


class Hangs(ScriptedAdapter):
    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        await asyncio.Event().wait()


class Raises(ScriptedAdapter):
    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        raise RecursionError("broken")


class Leaks(ScriptedAdapter):
    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        self.leaked = [asyncio.ensure_future(asyncio.sleep(3600)) for _ in range(100)]
        await super().submit(batch, wire)

    @override
    async def health(self) -> Health:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("adapter", [Hangs, Raises, Leaks])
def test_a_broken_adapter_costs_the_caller_no_more_than_the_limit(
    adapter: type[ScriptedAdapter], tmp_path: Path
) -> None:
    far = FarSide()
    with fzalert.blocking.open(house(tmp_path, lambda slot, bg: adapter(far)).settings) as fz:
        began = time.monotonic()
        warning = fz.warn("generic", to=fzalert.phone("13800138000"))
        assert warning.accepted
        warning.outcome(timeout=0.5)
        fz.status()
        assert time.monotonic() - began < LIMIT


class Blocks(ScriptedAdapter):
    """Holds up the loop itself until the test lets go."""

    let_go = threading.Event()
    entered = threading.Event()

    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        self.entered.set()
        self.let_go.wait(60)


def test_an_adapter_that_blocks_the_loop_does_not_block_the_program(tmp_path: Path) -> None:
    far = FarSide()
    with fzalert.blocking.open(house(tmp_path, lambda slot, bg: Blocks(far)).settings) as fz:
        first = fz.warn("generic", to=fzalert.phone("13800138000"))
        assert Blocks.entered.wait(10)
        began = time.monotonic()
        second = fz.warn("generic", to=fzalert.phone("13900139000"), key="counter-2")
        assert time.monotonic() - began < LIMIT
        (target,) = second.outcome().targets
        assert (target.state, target.code) == ("unknown", "accept-timeout")
        assert first.outcome(timeout=0).targets
        with pytest.raises(fzalert.NotConnected):
            fz.status()
        Blocks.let_go.set()


async def test_broken_adapters_cost_a_program_with_a_loop_no_more_either(tmp_path: Path) -> None:
    broken: dict[str, type[ScriptedAdapter]] = {
        "13800138000": Hangs,
        "13900139000": Raises,
        "13700137000": Leaks,
    }

    def maker(number: str, adapter: type[ScriptedAdapter]) -> Callable[[int, Background], Adapter]:
        far = FarSide(capabilities=replace(sms(), addresses=frozenset({f"+86{number}"})))
        return lambda slot, background: adapter(far)

    makers = {
        adapter.__name__.lower(): maker(number, adapter) for number, adapter in broken.items()
    }
    built = House(tmp_path, makers)
    async with built.service() as service:
        await built.approve(service)
        fz = built.door(service)
        for number in broken:
            began = time.monotonic()
            warning = await fz.warn("generic", to=fzalert.phone(number))
            assert warning.accepted
            await warning.outcome(timeout=0.5)
            await fz.status()
            assert time.monotonic() - began < LIMIT


class BlocksToo(Blocks):
    """The same for another test: its events are its own."""

    let_go = threading.Event()
    entered = threading.Event()


async def test_an_owner_that_is_held_up_does_not_hold_up_who_speaks_to_its_socket(
    tmp_path: Path,
) -> None:
    far = FarSide()
    built = await asyncio.to_thread(house, tmp_path, lambda slot, bg: BlocksToo(far))
    owner = fzalert.blocking.open(built.settings)
    await asyncio.to_thread(owner.__enter__)
    try:
        async with fzalert.open(built.settings) as fz:
            assert not fz.owns_store
            first = await fz.warn("generic", to=fzalert.phone("13800138000"))
            assert await asyncio.to_thread(BlocksToo.entered.wait, 10)
            began = time.monotonic()
            to = fzalert.phone("13900139000")
            second, known = await asyncio.gather(
                fz.warn("generic", to=to, key="counter-2"), first.outcome(timeout=0.5)
            )
            assert time.monotonic() - began < 2 * LIMIT
            (target,) = second.known.targets
            assert (target.state, target.code) == ("unknown", "accept-timeout")
            # Whether the adapter held the loop up before or after the answer had left.
            assert known.state == ("open" if first.accepted else "unknown")
            BlocksToo.let_go.set()
            assert (await fz.warn("generic", to=to, key="counter-2")).accepted
    finally:
        BlocksToo.let_go.set()
        await asyncio.to_thread(owner.close)
