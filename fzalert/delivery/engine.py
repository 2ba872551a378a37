"""The engine: every channel's slots, started after recovery, stopped in order.

It starts nothing before the flight recorders have been read and what they say is on disk.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random

from fzalert.background import Background
from fzalert.clock import Clock
from fzalert.delivery.failover import Failover
from fzalert.delivery.lanes import LANES
from fzalert.delivery.policy import Channel, Limits
from fzalert.delivery.recorder import Recorder, boot_id
from fzalert.delivery.recovery import recovered_rows
from fzalert.delivery.slot import Slot
from fzalert.delivery.turnstile import Turnstile
from fzalert.errors import FzalertError, LeaseLost, StoreError
from fzalert.log import get_logger
from fzalert.messages import Lane, RenditionKind, TargetKind
from fzalert.ports import (
    Adapter,
    Capabilities,
    Health,
    HealthState,
    KeepsState,
    Mounted,
    Route,
    Withdraws,
)
from fzalert.store import Claimed, Lease, Store, TickInput, TickOutput
from fzalert.tracing import NOTHING, Tracer

log = get_logger("fzalert.delivery")

LEASE_TTL = 10.0
OPEN_WITHIN = 5.0
DRAIN_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One configured channel.

    Attributes:
        name: Its name.
        adapter: The adapter's entry point, for people.
        make: Makes the adapter of a slot; called again after a crash.
        connections: How many slots it has.
    """

    name: str
    adapter: str
    make: Callable[[int, Background], Adapter]
    connections: int = 1


@dataclass(slots=True, eq=False)
class ChannelState:
    """A channel at run time.

    Attributes:
        spec: Its configuration.
        capabilities: Of its first slot.
        policy: What the policy must know.
        slots: Those that run.
        crash: What its adapter failed of, or empty.
        is_leaving: Whether it drains: nothing is handed to it any more.
        background: Runs its slots and whatever its adapters start.
    """

    spec: ChannelSpec
    capabilities: Capabilities
    policy: Channel
    slots: list[Slot] = field(default_factory=list)
    crash: str = ""
    is_leaving: bool = False
    background: Background = field(init=False)

    def __post_init__(self) -> None:
        self.background = Background(self._crashed, close_within=timedelta(seconds=5))

    def serves(self, kind: TargetKind, address: str) -> bool:
        """Whether it may carry something to a target."""
        caps = self.capabilities
        return kind in caps.kinds and (caps.addresses is None or address in caps.addresses)

    async def health(self) -> Health:
        """How it is: the worst of its slots, a crash first."""
        if self.crash and not any(slot.open_now for slot in self.slots):
            return Health(HealthState.DOWN, self.crash)
        found = [await slot.adapter.health() for slot in self.slots if slot.open_now]
        if not found:
            return Health(HealthState.UNKNOWN, "正在打开 / opening")
        order = [HealthState.DOWN, HealthState.SLOW, HealthState.UNKNOWN, HealthState.UP]
        return min(found, key=lambda health: order.index(health.state))

    @property
    def is_usable(self) -> bool:
        """Whether one of its lines takes something now."""
        return any(slot.open_now and not slot.is_down for slot in self.slots)

    def _crashed(self, name: str, error: Exception) -> timedelta:
        inner: BaseException = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        # Our own errors are written for people; another's words may hold anything.
        self.crash = str(inner) if isinstance(inner, FzalertError) else type(inner).__name__
        log.error(
            "channel.crashed",
            channel=self.spec.name,
            work=name,
            error=type(inner).__name__,
            detail=self.crash,
        )
        if isinstance(inner, LeaseLost):
            return timedelta(days=1)
        return timedelta(seconds=1)


class Engine:
    """Runs every channel over one store.

    Args:
        store: Open.
        folder: Where recorders live.
        specs: The channels, in order of preference.
        limits: Figures.
        clock: Reader of time.
        rng: Source of jitter.
        tracer: Told of each batch and each tick.

    Attributes:
        channels: Those that run, by name, in order of preference.
        routing: Entered by whoever routes messages to them.
        limits: The figures in force.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        specs: Sequence[ChannelSpec],
        limits: Limits,
        clock: Clock,
        rng: Random,
        tracer: Tracer = NOTHING,
    ) -> None:
        self._store = store
        self._folder = folder
        self._specs = specs
        self.limits = limits
        self._clock = clock
        self._rng = rng
        self._tracer = tracer
        self.channels: dict[str, ChannelState] = {}
        self.staged: list[ChannelState] = []
        """Opened or draining beside `channels`; closed with them."""
        self.routing = Turnstile()
        self._changed = asyncio.Event()
        self.changes = 0
        self._failover = Failover(lambda: self.channels, store, clock, self.poke)
        self._watching = Background(_watch_crashed, close_within=timedelta(seconds=5))

    # -- life ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Recover every slot, then start every channel; returns when they are usable or late."""
        for spec in self._specs:
            self.channels[spec.name] = self.state_of(spec)
        self.adopt(self.limits)
        for state in self.channels.values():
            await self._recover_all(state)
        usable = [
            self._start(state, slot) for state in self.channels.values() for slot in state.slots
        ]
        if not await _are_set(usable, OPEN_WITHIN):
            log.info("engine.opened_late", channels=sorted(self.channels))
        _ = self._watching.keep("failover", self._failover.run)

    def state_of(self, spec: ChannelSpec) -> ChannelState:
        """What a channel is before it runs; its adapter is made once, for what it can do."""
        adapter = spec.make(0, Background())
        caps = adapter.capabilities
        return ChannelState(
            spec,
            caps,
            Channel(
                spec.name,
                reports=bool(caps.reports),
                keeps_state=isinstance(adapter, KeepsState) and adapter.keeps_state,
                idempotent_key=caps.idempotent_key,
                key_is_id=caps.key_is_id,
                is_binding=caps.rendition is RenditionKind.BANK,
            ),
        )

    def adopt(self, limits: Limits) -> None:
        """Take other figures, and find each channel's fallback anew."""
        self.limits = limits
        for state in self.channels.values():
            state.policy = self._fallback(state)
            for slot in state.slots:
                slot.adopt(state.policy, limits)

    async def start(self, state: ChannelState, within: float = OPEN_WITHIN) -> bool:
        """Run a channel: recover its slots, then open them; whether all opened in time."""
        await self._recover_all(state)
        return await _are_set([self._start(state, slot) for slot in state.slots], within)

    async def _recover_all(self, state: ChannelState) -> None:
        boot = boot_id()
        for number in range(state.spec.connections):
            lease, recorder = await self._recover(state, number, boot)
            state.slots.append(self._make_slot(state, lease, number, recorder))
        for number in self._former_slots(state.spec):
            lease, recorder = await self._recover(state, number, boot)
            recorder.close()
            await self._store.release(lease)

    def _fallback(self, state: ChannelState) -> Channel:
        """The policy with the next channel that carries short messages to the same targets."""
        names = list(self.channels)
        mine = state.capabilities
        for name in names[names.index(state.spec.name) + 1 :]:
            other = self.channels[name].capabilities
            if (
                other.kinds >= mine.kinds
                and mine.rendition is other.rendition is RenditionKind.SMS
                and other.addresses is None
                and mine.addresses is None
            ):
                as_is = other.text == mine.text
                return replace(state.policy, fallback=name, fallback_as_is=as_is)
        return replace(state.policy, fallback="", fallback_as_is=True)

    def _former_slots(self, spec: ChannelSpec) -> list[int]:
        """Slots that a former configuration ran and this one does not: they are settled too."""
        found = [
            int(path.stem.rpartition("-")[2])
            for path in self._folder.glob(f"{spec.name}-*.recorder")
            if path.stem.removeprefix(f"{spec.name}-").isdecimal()
        ]
        return sorted(number for number in found if number >= spec.connections)

    async def _recover(self, state: ChannelState, number: int, boot: str) -> tuple[Lease, Recorder]:
        name = state.spec.name
        lease = await self._store.acquire(
            name, number, f"{os.uname().nodename}:{os.getpid()}", LEASE_TTL
        )
        if lease is None:
            raise LeaseLost(f"Channel {name}, connection {number}, is held by another owner.")
        recorder = Recorder(self._folder / f"{name}-{number}.recorder", boot)
        parts = await self._store.recover(lease)
        rows = recovered_rows(
            parts,
            recorder,
            state.policy,
            self.limits,
            self._clock.millis(),
            self._rng,
        )
        if rows:
            await self._store.tick(lease, TickInput(results=rows))
            words: dict[str, int] = {}
            for row in rows:
                words[row.word] = words.get(row.word, 0) + 1
            log.info("engine.recovered", channel=name, slot=number, **words)
        recorder.reset(lease.epoch)
        return lease, recorder

    def _make_slot(
        self, state: ChannelState, lease: Lease, number: int, recorder: Recorder
    ) -> Slot:
        adapter = state.spec.make(number, state.background)
        return Slot(
            lease,
            adapter,
            state.policy,
            self._store,
            recorder,
            self.limits,
            self._clock,
            self._rng,
            self._on_tick,
            lambda other: self.poke([other]),
            self._tracer,
        )

    def _start(self, state: ChannelState, slot: Slot) -> asyncio.Event:
        """Let a slot live; the event is set once its line is usable."""
        name = f"{slot.lease.channel}.{slot.lease.slot}"
        usable = asyncio.Event()
        lives = 0

        async def life() -> None:
            nonlocal lives
            lives += 1
            if lives > 1:  # after a crash: the adapter is made afresh
                slot.adapter = state.spec.make(slot.lease.slot, state.background)
                await slot.reclaim()
            try:
                async with slot.adapter:
                    slot.open_now = True
                    usable.set()
                    slot.poke()
                    await self._run(slot, name)
            finally:
                slot.open_now = False

        _ = state.background.keep(name, life)
        return usable

    async def _run(self, slot: Slot, name: str) -> None:
        # This task is the engine's own, so a group may cancel it: no caller runs inside.
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(slot.run_lane(lane), name=f"{name}.{lane}")
                for lane in LANES
                for _ in range(slot.capabilities.submits)
            ]
            others.append(group.create_task(slot.run_inbound(), name=f"{name}.inbound"))
            await slot.run_ticks()
            for task in others:
                task.cancel()

    async def close(self) -> None:
        """Drain: hand over nothing more, wait for answers, write them, close the lines."""
        await self._watching.close()
        states = [*self.channels.values(), *self.staged]
        states = [state for n, state in enumerate(states) if state not in states[:n]]
        ended = await asyncio.gather(
            *(self.retire(state, DRAIN_WITHIN) for state in states), return_exceptions=True
        )
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def retire(self, state: ChannelState, within: float) -> None:
        """Let one channel end: hand over nothing more, wait for answers, write, close its lines.

        Args:
            state: The channel; nothing may be routed to it any more.
            within: Seconds to wait for answers; what has none then is unknown, as after a cut.

        Raises:
            TimeoutError: Its adapter ignores that it is closed.
        """
        slots = state.slots
        for slot in slots:
            slot.drain()
        try:
            async with asyncio.timeout(within):
                while any(slot.open_now and not slot.drained for slot in slots):
                    await self.changed(self.changes, 0.05)
        except TimeoutError:
            log.warning("engine.drain_late", out=sum(slot.in_flight for slot in slots))
        try:
            await state.background.close()
        finally:
            for slot in slots:
                try:
                    await slot.last_tick()
                    await self._store.release(slot.lease)
                except StoreError as error:
                    log.warning("lease.not_released", channel=slot.lease.channel, code=error.code)
                slot.recorder.close()

    def halt(self) -> None:
        """Send nothing more, from now on: the store is damaged."""
        for state in self.channels.values():
            for slot in state.slots:
                slot.halt()

    # -- in and out ------------------------------------------------------------------------

    def lease_for(self, channel: str) -> Lease | None:
        """The lease that may claim an urgent part in its own commit; None where it must queue."""
        state = self.channels[channel]
        usable = [
            slot
            for slot in state.slots
            if slot.open_now
            and not state.is_leaving
            and slot.ready(Lane.URGENT) < slot.capabilities.window
        ]
        if not usable:
            return None
        return min(usable, key=lambda slot: slot.ready(Lane.URGENT) + slot.in_flight).lease

    def hand_over(self, claimed: Iterable[Claimed]) -> None:
        """Give parts that a commit claimed to their slots."""
        for one in claimed:
            self.channels[one.channel].slots[one.slot].hand_over(one)

    async def withdraw(self, parts: Iterable[tuple[str, int, int]]) -> None:
        """Take back what channels still show or hold: (channel, message, part)."""
        by_channel: dict[str, list[tuple[int, int]]] = {}
        for channel, id_, part in parts:
            by_channel.setdefault(channel, []).append((id_, part))
        for channel, keys in by_channel.items():
            for slot in self.channels[channel].slots if channel in self.channels else ():
                slot.withdraw(keys)
                if slot.open_now and isinstance(slot.adapter, Withdraws):
                    await slot.adapter.withdraw(keys)

    def poke(self, channels: Iterable[str]) -> None:
        """Tell channels that their queues have something new."""
        for name in channels:
            if name in self.channels:  # a part may fall back to one that was just taken away
                for slot in self.channels[name].slots:
                    slot.poke()

    def _on_tick(self, output: TickOutput) -> None:
        if output.touched:
            self.note_change()

    def note_change(self) -> None:
        """Wake everyone who waits for a fate."""
        self.changes += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self, seen: int, timeout: float) -> int:  # noqa: ASYNC109  a wait, by name
        """Wait until `changes` differs from `seen`, or the time is over; returns `changes`."""
        if self.changes != seen:
            return self.changes
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            pass  # the caller asked for a wait with an end
        return self.changes

    def routes(self) -> Mapping[str, Sequence[Route]]:
        """What mounted adapters bring, by channel."""
        found: dict[str, Sequence[Route]] = {}
        for name, state in self.channels.items():
            for slot in state.slots[:1]:
                if isinstance(slot.adapter, Mounted):
                    found[name] = slot.adapter.routes()
        return found

    async def health(self, channel: str) -> Health:
        """A channel's health; see `ChannelState.health`."""
        return await self.channels[channel].health()


def _watch_crashed(name: str, error: Exception) -> timedelta:
    log.error("engine.watch_crashed", work=name, error=type(error).__name__)
    return timedelta(seconds=1)


async def _are_set(events: Iterable[asyncio.Event], within: float) -> bool:
    """Wait for all of some events; whether they came in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            for event in events:
                await event.wait()
            return True
    return False
