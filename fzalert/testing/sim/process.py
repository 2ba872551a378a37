"""A process of the world: a store, an engine, its tasks; it can die at any moment, as by kill -9.

From the moment it is dead nobody sees what it still does: its files are closed, its recorders are
copies, its lines are gone, and its tasks are cancelled and waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from fzalert.delivery import ChannelSpec, Engine, IdMaker, Limits
from fzalert.errors import FzalertError
from fzalert.testing.parcels import make_vault
from fzalert.testing.sim.disk import SharedStore, SimRecorder, SimStore

if TYPE_CHECKING:
    from fzalert.testing.sim.channel import SimAdapter
    from fzalert.testing.sim.world import World

__all__ = ["PROCESS", "Process"]

PROCESS: ContextVar[Process] = ContextVar("process")
"""Whose code runs; every task inherits it from the one that started it."""

BURIED_WITHIN = 120.0


class Process:
    """One life of the daemon.

    Args:
        world: Where it runs.
        number: Of its life.
        boot: The machine's boot, as the process reads it.
        connections: Slots of each channel.
        limits: Of the engine.
        shared: Whether the store is one that several owners may open.

    Attributes:
        is_alive: Whether anybody sees what it does.
        is_ready: Whether its engine is open.
        tasks: Every task that ran in it and has not ended.
        recorders: Its flight recorders.
        adapters: Those that are open.
        dies_at: After how many steps it dies; None never.
        died_at: The step it died at.
        gone: Set once it is not alive.
        ended: Set once its tasks have ended too.
    """

    def __init__(
        self,
        world: World,
        number: int,
        boot: str,
        connections: int,
        limits: Limits,
        *,
        shared: bool,
    ) -> None:
        self.world = world
        self.number = number
        self.boot = boot
        self.limits = limits
        self.connections = connections
        self.is_alive = True
        self.is_ready = False
        self.tasks: set[asyncio.Task[Any]] = set()
        self.recorders: list[SimRecorder] = []
        self.adapters: list[SimAdapter] = []
        self.dies_at: int | None = None
        self.died_at = ""
        self.since = world.loop.time()
        self.ready_since = 0.0
        self._context = copy_context()
        self._context.run(PROCESS.set, self)
        self._stop = asyncio.Event()
        self.gone = asyncio.Event()
        self.ended = asyncio.Event()
        kind = SharedStore if shared else SimStore
        self.store = kind(world.disk.database, world.clock, make_vault)
        self.ids = IdMaker(world.clock)
        self.engine = Engine(
            self.store,
            world.folder_of(self),
            [
                ChannelSpec(
                    name,
                    "simulated",
                    lambda slot, _, carrier=carrier: world.make_adapter(carrier, self, slot),  # type: ignore[misc]
                    connections,
                )
                for name, carrier in world.carriers.items()
            ],
            limits,
            world.clock,
            world.chance.rng,
        )

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something inside."""
        return self._context.run(self.world.loop.create_task, work, name=name)

    def start(self) -> None:
        """Begin to live."""
        _ = self.spawn(self._live(), f"main {self.number}")

    async def _live(self) -> None:
        world = self.world
        try:
            await self.store.open()
            await self.engine.open()
        except FzalertError as error:
            world.trace.note("failed", self.number, type(error).__name__)
            self.die("failed to start")
            return
        self.is_ready = True
        self.ready_since = world.loop.time()
        world.trace.note("ready", self.number)
        await self._stop.wait()
        self.is_ready = False
        world.trace.note("stopping", self.number)
        try:
            await self.engine.close()
            await self.store.close()
        except (FzalertError, TimeoutError) as error:
            world.trace.note("stopped badly", type(error).__name__)
            self.die("failed to stop")
            return
        world.trace.note("stopped", self.number)
        self.is_alive = False
        self.gone.set()
        world.laws.ended(self)
        self.ended.set()

    def stop(self) -> None:
        """Ask it to end in order."""
        self._stop.set()

    # -- death -----------------------------------------------------------------------------------

    def step(self, name: str) -> None:
        """A step of the engine; the process may die right here."""
        if not self.is_alive:
            return
        self.world.steps[name] += 1
        if self.dies_at is not None:
            self.dies_at -= 1
            if self.dies_at <= 0:
                self.die(name)

    def die(self, where: str) -> None:
        """Be seen no more."""
        if not self.is_alive:
            return
        self.is_alive = self.is_ready = False
        self.gone.set()
        self.died_at = where
        world = self.world
        world.killed_at[where] += 1
        world.trace.note("died", self.number, where)
        for recorder in self.recorders:
            recorder.lose()
        for carrier in world.carriers.values():
            for line in list(carrier.lines):
                if line.process is self:
                    carrier.cut(line)
        world.loop.call_soon(self._lose_files)
        _ = world.spawn(self._bury(), f"grave {self.number}")

    def _lose_files(self) -> None:
        self.store.lose()

    async def _bury(self) -> None:
        """Wait until every task has ended; one that cannot is a leak."""
        loop = self.world.loop
        until = loop.time() + BURIED_WITHIN
        while tasks := [task for task in self.tasks if not task.done()]:
            if loop.time() > until:
                self.world.laws.leaked(self, [task.get_name() for task in tasks])
                break
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=6)
        self.ended.set()
