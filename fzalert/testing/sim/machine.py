"""Random histories of the outbox, which Hypothesis shortens: the engine over its store, alone.

Accepting, waiting, faults, crashes and reports come in any order; the laws of the simulated worlds
hold after each step. At the end everything heals and has to become final.
"""

# Tests: S101 they assert.
# ruff: noqa: S101
from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from fzalert.testing.sim.chance import Fault
from fzalert.testing.sim.world import STRIKES, World, memory, plugged, template

__all__ = ["OutboxMachine"]


class OutboxMachine(RuleBasedStateMachine):
    """One world, whose chaos is drawn step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self._held = ExitStack()

    @initialize(seed=st.integers(0, 10_000))
    def begins(self, seed: int) -> None:
        """A world begins, all of it kind."""
        folder = Path(self._held.enter_context(tempfile.TemporaryDirectory(dir=memory())))
        (folder / "fz.db").write_bytes(template())
        self.world = World(seed, folder)
        self._held.callback(self.world.close)
        self._held.enter_context(plugged(self.world))
        self.world.begin()
        self._passes(0.1)

    def _passes(self, seconds: float) -> None:
        assert self.world is not None
        world = self.world
        world.loop.run_until_complete(world.spawn(asyncio.sleep(seconds), "time passes"))

    @rule(count=st.integers(1, 4))
    def somebody_warns(self, count: int) -> None:
        """Warnings are accepted, where a process is ready for them."""
        assert self.world is not None
        process = self.world.process
        if process is not None and process.is_ready:
            for _ in range(count):
                self.world.callers.call(process)
        self._passes(0.05)

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 8.0]))
    def time_passes(self, seconds: float) -> None:
        """Time passes: ticks, answers, reports."""
        self._passes(seconds)

    @rule(fault=st.sampled_from(STRIKES))
    def something_happens(self, fault: Fault) -> None:
        """A fault from outside."""
        assert self.world is not None
        self.world.loop.run_until_complete(self.world.spawn(self.world.strike(fault), "strike"))
        self._passes(0.01)

    @rule(steps=st.integers(1, 40))
    def dies_at_a_step(self, steps: int) -> None:
        """The process dies between two steps of the engine."""
        assert self.world is not None
        if self.world.process is not None:
            self.world.process.dies_at = steps

    @rule(roughness=st.sampled_from([0.0, 0.3, 1.0]))
    def the_gateways_change(self, roughness: float) -> None:
        """The gateways become kinder, or less kind."""
        assert self.world is not None
        for carrier in self.world.carriers.values():
            carrier.roughness = roughness

    @invariant()
    def the_laws_hold(self) -> None:
        """No law is broken."""
        if self.world is not None:
            assert not self.world.laws.broken, self._how()

    def _how(self) -> str:
        assert self.world is not None
        laws = "\n".join(f"{law}: {how}" for law, how in self.world.laws.broken)
        return f"{laws}\n{self.world.trace.tail()}"

    @override
    def teardown(self) -> None:
        """Everything heals, becomes final, and is held against what really happened."""
        with self._held:
            if self.world is None or self.world.laws.broken:
                return
            self.world.loop.run_until_complete(self.world.spawn(self._ends(self.world), "the end"))
            assert not self.world.laws.broken, self._how()

    @staticmethod
    async def _ends(world: World) -> None:
        await world.heal()
        await world.end()
