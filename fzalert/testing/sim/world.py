"""One simulated world: a seed makes it, is unkind to it, heals it, and holds it to the laws.

Chaos first: a drawn number of virtual seconds with faults of every kind. Then everything heals, and
within ten virtual minutes every part has to be final, or to be an unknown that is held.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from unittest.mock import patch

import structlog
from typing_extensions import override

from fzalert.clock import Clock
from fzalert.delivery import Caps, Limits, engine, recorder
from fzalert.errors import StoreInUse
from fzalert.messages import RenditionKind, TargetKind
from fzalert.ports import Capabilities
from fzalert.store import SqliteStore
from fzalert.store.sqlite.connection import connect, migrate
from fzalert.testing.clock import FakeClock
from fzalert.testing.engine import sms
from fzalert.testing.parcels import make_vault
from fzalert.testing.sim.callers import Callers
from fzalert.testing.sim.carrier import Carrier, Traits
from fzalert.testing.sim.chance import Chance, Fault, Trace
from fzalert.testing.sim.channel import SimAdapter
from fzalert.testing.sim.disk import Disk, SimRecorder
from fzalert.testing.sim.laws import Broken, Laws, open_database
from fzalert.testing.sim.process import PROCESS, Process
from fzalert.testing.simloop import SimLoop, SimTask

__all__ = ["STRIKES", "Result", "World", "memory", "plugged", "run", "template"]

T = TypeVar("T")
START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
HEALED_WITHIN = 600.0
LOOK_EVERY = 1.0


class SimClock(Clock):
    """Virtual time; its wall clock can be set.

    Args:
        loop: Whose time it reads.
    """

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.offset_ms = 0

    @override
    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time(), milliseconds=self.offset_ms)

    @override
    def millis(self) -> int:
        return int(START.timestamp() * 1000) + int(self._loop.time() * 1000) + self.offset_ms

    @override
    def monotonic(self) -> float:
        return self._loop.time()

    @override
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _WorldLoop(SimLoop):
    """Knows to which process a task belongs."""

    @override
    def make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        context: Context | None = None,
    ) -> SimTask[Any]:
        task: SimTask[Any] = super().make_task(loop, coro, context)
        process = PROCESS.get(None) if context is None else context.get(PROCESS)
        if process is not None:
            task.owner = process
            process.tasks.add(task)
            task.add_done_callback(process.tasks.discard)
        return task


@dataclass(frozen=True)
class Result:
    """How a world ended.

    Attributes:
        seed: Its seed.
        broken: The laws that were broken.
        digest: Of everything that happened.
        events: How much happened.
        fired: How often each fault fired.
        killed_at: The steps at which processes died.
        steps: How often each step was taken.
        held: How many parts stayed unknown.
        parts: How many parts there were.
        seconds: Virtual seconds.
        healed_after: Virtual seconds from the healing until all was final.
        tail: The last of what happened.
    """

    seed: int
    broken: tuple[Broken, ...]
    digest: str
    events: int
    fired: Counter[Fault]
    killed_at: Counter[str]
    steps: Counter[str]
    held: int
    parts: int
    seconds: float
    healed_after: float
    tail: str = field(repr=False)

    @override
    def __str__(self) -> str:
        if not self.broken:
            return f"FZ_SEED={self.seed} is whole"
        laws = "\n".join(f"  {law}: {how}" for law, how in self.broken[:5])
        return f"FZ_SEED={self.seed} broke:\n{laws}\nThe last of it:\n{self.tail}"


class World:
    """One world.

    Args:
        seed: Gives everything.
        folder: Empty; for its files.
    """

    adapter: ClassVar[type[SimAdapter]] = SimAdapter
    """The near side of every line; a test plants a bug by another one."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.loop = _WorldLoop(seed)
        self.clock = SimClock(self.loop)
        self.chance = Chance(seed)
        self.trace = Trace(self.loop.time)
        self.disk = Disk(folder)
        self.disk.slow = self._sync
        self.loop.thread_delay = self._sync
        self.steps: Counter[str] = Counter()
        self.killed_at: Counter[str] = Counter()
        self.laws = Laws(self)
        self.callers = Callers(self)
        self.context = copy_context()
        self.loop.set_exception_handler(self._complain)
        self.process: Process | None = None
        self.is_rough = False
        self.memory_lost = False
        self.clock_stepped = False
        self.taken_over = False
        self._slow_until = -1.0
        self._boot = 1
        self._lives = 0
        self._stopping = False
        rng = self.chance.rng
        self.caps = Caps(rng.choice((2, 5)), 9, rng.choice((1, 4)))
        self.shares_store = rng.random() < 0.15
        begins = rng.randrange(0, 30)
        self.quiet = (_at(begins), _at(begins + rng.choice((0, 10, 20))))
        self.carriers = {traits.name: Carrier(self, traits) for traits in self._traits()}
        self.limits = self._limits()
        self.connections = rng.choice((1, 1, 2))
        self._eyes: sqlite3.Connection | None = None

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Nobody looked at an error: that is a fault, unless its process was dead by then."""
        del loop
        owner = getattr(context.get("future") or context.get("task"), "owner", None)
        if isinstance(owner, Process) and not owner.is_alive:
            return
        error = context.get("exception")
        self.laws.complain("error", f"{context.get('message')}: {error!r}")

    # -- what it is made of ----------------------------------------------------------------------

    def _traits(self) -> list[Traits]:
        rng = self.chance.rng
        caps = sms(
            window=rng.choice((1, 2, 5, 16)),
            rate=rng.choice((None, None, 5.0, 40.0)),
            submit_timeout=rng.choice((1.0, 3.0)),
        )
        found = [Traits("sms", caps, has_long_ids=rng.random() < 0.2)]
        if rng.random() < 0.4:
            found.append(Traits("sms-2", caps))
        other = rng.random()
        if other < 0.3:
            desk = Capabilities(
                frozenset({TargetKind.BANK_DESK}),
                RenditionKind.SMS,
                window=4,
                per_target=1,
                idempotent_key=True,
                submit_timeout=3.0,
            )
            found.append(Traits("desk", desk))
        elif other < 0.5:
            screen = Capabilities(
                frozenset({TargetKind.DISPLAY}),
                RenditionKind.SMS,
                frozenset({"screen-0", "screen-1", "screen-2"}),
                window=4,
                submit_timeout=3.0,
            )
            found.append(Traits("screen", screen, keeps_state=True))
        return found

    def _limits(self) -> Limits:
        rng = self.chance.rng
        return Limits(
            unknown_wait_ms=rng.choice((1_000, 3_000)),
            max_attempts=rng.choice((2, 4)),
            retry_base_ms=rng.choice((200, 1_000)),
            retry_cap_ms=4_000,
            down_pause_ms=250,
            throttle_ms=(100, 1_000),
        )

    def make_adapter(self, carrier: Carrier, process: Process, slot: int) -> SimAdapter:
        """Make the near side of a line."""
        return self.adapter(carrier, process, slot)

    def folder_of(self, process: Process) -> Path:
        """Where a process keeps its recorders: another machine has another place."""
        del process
        folder = self.disk.folder / f"machine-{self.machine}"
        folder.mkdir(exist_ok=True)
        return folder

    machine = 1

    def _sync(self) -> float:
        if self.loop.time() < self._slow_until:
            return self.chance.seconds(0.1, 1.5)
        return self.chance.seconds(0.0005, 0.004)

    @property
    def disk_trouble(self) -> bool:
        """Whether the disk is or just was bad."""
        return self.disk.is_full or self.loop.time() < self._slow_until + 3

    def look(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Ask what is committed."""
        if self._eyes is None:
            self._eyes = open_database(self.disk.database)
        return self._eyes.execute(sql, values)

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run something that belongs to no process."""
        return self.context.run(self.loop.create_task, work, name=name)

    def committed(self) -> None:
        """A transaction is on disk."""
        self.trace.note("commit")
        self.laws.conserved()

    # -- processes -------------------------------------------------------------------------------

    def boot(self) -> str:
        """The boot id, as a process reads it."""
        return f"machine {self.machine} boot {self._boot}"

    def begin(self) -> Process:
        """Start a process."""
        self._lives += 1
        process = Process(
            self,
            self._lives,
            self.boot(),
            self.connections,
            self.limits,
            shared=self.shares_store,
        )
        self.process = process
        self.trace.note("start", self._lives)
        if self.is_rough and self.chance.happens(0.3):
            process.dies_at = self.chance.rng.randrange(1, 150)
            self.chance.fire(Fault.CRASH_AT_STEP)
        process.start()
        _ = self.spawn(self._watch(process), f"supervisor {self._lives}")
        return process

    async def _watch(self, process: Process) -> None:
        """Start another process whenever this one has ended."""
        await process.gone.wait()
        if not self._stopping and self.process is process:
            await asyncio.sleep(self.chance.seconds(0.1, 1.0))
            if not self._stopping and self.process is process:
                self.laws.recounted()
                self.begin()

    # -- chaos -----------------------------------------------------------------------------------

    async def live(self) -> float:
        """The whole of it; returns how long the healing took."""
        self.is_rough = True
        for carrier in self.carriers.values():
            carrier.roughness = self.chance.rng.choice((0.0, 0.2, 0.5))
        self.begin()
        chaos = self.chance.seconds(1.5, 8)
        busy = self.chance.rng.choice((2.0, 4.0, 8.0))
        watching = self.spawn(self._look_on(), "laws")
        while self.loop.time() < chaos and not self.laws.broken:
            await asyncio.sleep(self.chance.rng.expovariate(busy))
            if self.chance.happens(0.7):
                if self.process is not None and self.process.is_ready:
                    self.callers.call(self.process)
            else:
                await self.strike(self.chance.rng.choice(STRIKES))
        after = await self.heal()
        watching.cancel()
        await self.end()
        return after

    async def heal(self) -> float:
        """End every fault, and wait until all is final; returns the virtual seconds it took."""
        self._mend()
        healed = self.loop.time()
        while not self.laws.broken:
            await asyncio.sleep(LOOK_EVERY)
            process = self.process
            if process is not None and process.is_ready and not self.laws.open_rows():
                break
            if self.loop.time() - healed > HEALED_WITHIN:
                rows = self.laws.open_rows()
                self.laws.complain("liveness", f"{len(rows)} parts are not final: {rows[:4]}")
        return self.loop.time() - healed

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.laws.tick(LOOK_EVERY)

    def _mend(self) -> None:
        self.trace.note("heal")
        self.is_rough = False
        self.disk.is_full = False
        self._slow_until = -1.0
        for carrier in self.carriers.values():
            carrier.roughness = 0.0
            carrier.takes_lines = True
        if self.process is not None:
            self.process.dies_at = None

    async def end(self) -> None:
        """Stop in order, and hold what became of everything against what really happened."""
        self._stopping = True
        process = self.process
        if process is not None and process.is_alive and process.is_ready and not self.laws.broken:
            process.stop()
            try:
                async with asyncio.timeout(60):
                    await process.ended.wait()
            except TimeoutError:
                self.laws.complain("leak", f"{self.loop.who_waits()}")
        if process is not None and process.is_alive:
            process.die("the end of the world")
        if not self.laws.broken:
            self.laws.recounted()
            if self.seed % 4 == 0:  # what costs most is looked at in some worlds
                self.laws.proved()
            self.laws.final()

    async def strike(self, fault: Fault) -> None:
        """Let a fault happen, where it can happen now."""
        process = self.process
        if process is None or not process.is_alive:
            return
        carrier = self.chance.rng.choice(list(self.carriers.values()))
        if await self._strike_at(fault, process, carrier):
            self.trace.note("strike", fault.name)
            self.chance.fire(fault)

    async def _strike_at(self, fault: Fault, process: Process, carrier: Carrier) -> bool:
        """Let a fault happen; whether it did."""
        match fault:
            case Fault.CUT | Fault.REFUSES | Fault.READER_DIES | Fault.OPTED_OUT:
                return self._strike_the_line(fault, process, carrier)
            case Fault.STOPPED | Fault.RECONFIGURED | Fault.SECOND_OWNER | Fault.TAKEOVER:
                return await self._strike_the_owner(fault, process)
            case Fault.WITHDRAWN:
                if process.is_ready:
                    self.callers.take_back(process)
                return False  # it counts once it is done
            case _:
                self._strike_the_machine(fault, process)
        return True

    def _strike_the_line(self, fault: Fault, process: Process, carrier: Carrier) -> bool:
        chance, loop = self.chance, self.loop
        match fault:
            case Fault.CUT if carrier.lines:
                carrier.calm_since = loop.time()
                carrier.cut(chance.rng.choice(carrier.lines))
            case Fault.REFUSES:
                carrier.takes_lines = False
                for line in list(carrier.lines):
                    carrier.cut(line)
                loop.call_later(chance.seconds(0.5, 8), self._takes_again, carrier)
            case Fault.READER_DIES if process.adapters:
                chance.rng.choice(process.adapters).take(ValueError("the reader broke"))
                carrier.calm_since = loop.time()
            case Fault.OPTED_OUT:
                pdus = [pdu for found in carrier.pdus.values() for pdu in found]
                if not pdus or not pdus[0].part.target.is_personal:
                    return False
                carrier.opt_out(chance.rng.choice(pdus))
            case _:
                return False
        return True

    def _strike_the_machine(self, fault: Fault, process: Process) -> None:
        chance, loop = self.chance, self.loop
        match fault:
            case Fault.CRASH:
                process.die("any moment")
            case Fault.POWER_CUT:
                self._forget()
                process.die("power cut")
                self._boot += 1
            case Fault.CLOCK_FORWARD:
                self.clock_stepped = True
                self.clock.offset_ms += chance.rng.choice(FORWARD_MS)
            case Fault.CLOCK_BACK:
                self.clock_stepped = True
                self.clock.offset_ms -= chance.rng.choice(BACK_MS)
            case Fault.DISK_FULL:
                self.disk.is_full = True
                loop.call_later(chance.seconds(0.2, 4), self._has_room_again)
            case _:
                self._slow_until = loop.time() + chance.seconds(1, 5)

    async def _strike_the_owner(self, fault: Fault, process: Process) -> bool:
        chance = self.chance
        match fault:
            case Fault.STOPPED | Fault.RECONFIGURED if process.is_ready:
                if fault is Fault.RECONFIGURED:
                    self.limits = self._limits()
                    self.connections = chance.rng.choice((1, 2))
                process.stop()
            case Fault.SECOND_OWNER if process.is_ready and not self.shares_store:
                await self._second_owner()
            case Fault.TAKEOVER if process.is_ready and self.shares_store:
                self._take_over(process)
            case _:
                return False
        return True

    async def _second_owner(self) -> None:
        """A second process starts by mistake: it has to be refused."""
        second = SqliteStore(self.disk.database, self.clock, make_vault)
        try:
            await second.open()
        except StoreInUse:
            return
        self.laws.complain("owner", "a second process opened the store")

    def _take_over(self, process: Process) -> None:
        """Another machine takes the leases while the owner goes on without knowing."""
        self._forget()
        self.taken_over = True
        self.machine += 1
        self.begin()
        self.loop.call_later(self.chance.seconds(0.5, 5), process.die, "taken over")

    def _forget(self) -> None:
        """What was answered and is not on disk is lost with the memory."""
        self.memory_lost = True
        rows = self.look("SELECT id, part FROM flight WHERE state = 1").fetchall()
        self.laws.forgotten.update((row[0], row[1]) for row in rows)

    def _takes_again(self, carrier: Carrier) -> None:
        carrier.takes_lines = True
        carrier.calm_since = self.loop.time()

    def _has_room_again(self) -> None:
        self.disk.is_full = False
        self._slow_until = max(self._slow_until, self.loop.time() - 1)

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Leave nothing."""
        if self._eyes is not None:
            self._eyes.close()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(130))
        self.loop.close()


FORWARD_MS = (500, 40_000, 3_600_000)
BACK_MS = (500, 15_000)
STRIKES = (
    Fault.CUT,
    Fault.CUT,
    Fault.REFUSES,
    Fault.READER_DIES,
    Fault.CRASH,
    Fault.CRASH,
    Fault.POWER_CUT,
    Fault.CLOCK_FORWARD,
    Fault.CLOCK_BACK,
    Fault.DISK_FULL,
    Fault.DISK_SLOW,
    Fault.WITHDRAWN,
    Fault.OPTED_OUT,
    Fault.STOPPED,
    Fault.RECONFIGURED,
    Fault.SECOND_OWNER,
    Fault.TAKEOVER,
    Fault.TAKEOVER,
)


def _at(second: int) -> time:
    return time(10, 0, second)


@cache
def template() -> bytes:
    """A database with the schema and a data key, made once."""
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        path = Path(folder) / "fz.db"
        connection = connect(path)
        migrate(connection, path)
        store = SqliteStore(path, FakeClock(), make_vault)
        store._prepare(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return path.read_bytes()


def memory() -> Path | None:
    """Where files cost nothing, where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108  a simulation needs no real disk
    return memory if memory.is_dir() else None


@contextmanager
def plugged(world: World) -> Iterator[None]:
    """Let the engine read the world's boot id, and keep its recorders in the world's memory."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    slots = world.chance.rng.choice((16, 64))
    with (
        patch.object(recorder, "SLOTS", slots),
        patch.object(engine, "Recorder", SimRecorder),
        patch.object(engine, "boot_id", world.boot),
    ):
        yield


def run(seed: int, world: type[World] = World) -> Result:
    """Run one world from its beginning to its end.

    Args:
        seed: Gives everything; the same seed gives the same history.
        world: Its kind.
    """
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        (Path(folder) / "fz.db").write_bytes(template())
        one = world(seed, Path(folder))
        with plugged(one):
            try:
                after = one.loop.run_until_complete(one.spawn(one.live(), "world"))
                held, parts = one.look(
                    "SELECT (SELECT count(*) FROM flight WHERE state = 6),"
                    " (SELECT coalesce(sum(parts), 0) FROM message)"
                ).fetchone()
                seconds = one.loop.time()
            finally:
                one.close()
    return Result(
        seed,
        tuple(one.laws.broken),
        one.trace.digest,
        one.trace.count,
        one.chance.fired,
        one.killed_at,
        one.steps,
        held,
        parts,
        seconds,
        after,
        one.trace.tail(),
    )
