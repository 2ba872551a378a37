"""One connection slot: hands batches to its adapter, and turns what comes back into ticks.

Claim → recorder → write → response → tick. No task, future, timeout or log line per message: the
adapter gets a batch, the wire is two dictionary operations a part, and one tick writes what
gathered meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from fzalert.clock import Clock
from fzalert.delivery.gathered import Batch, Gathered
from fzalert.delivery.lanes import LANES, Lanes
from fzalert.delivery.policy import (
    Channel,
    Limits,
    back_to_queue,
    decide,
    late_row,
    too_late,
    withdrawn,
)
from fzalert.delivery.recorder import Recorder
from fzalert.delivery.wire import Key, SlotWire
from fzalert.errors import InputError, LeaseLost, StoreError
from fzalert.log import get_logger
from fzalert.messages import Lane, LateReceipt, Receipt, ReceiptKind, TargetKind
from fzalert.ports import Adapter, Capabilities
from fzalert.store import Claimed, Lease, PartState, ResultRow, Store, TickInput, TickOutput
from fzalert.tracing import NOTHING, Attributes, Tracer

log = get_logger("fzalert.delivery")

# Read once: in Python 3.11 a member costs as much as a call each time it is named.
_SENT, _QUEUED = ReceiptKind.SENT, PartState.QUEUED
GATHER = 0.005
ENOUGH = 200
SUBMIT_GRACE = 5.0
PERSONAL = frozenset({TargetKind.PHONE, TargetKind.MAILBOX})
IDLE_TICK = 1.0
RETRY_STORE = 1.0
SEE_THROUGH = 5.0
SWEEP = 5.0
FOUND_KEPT = 10_000


class Slot:
    """The running state of one slot.

    Args:
        lease: The right to use the connection.
        adapter: Not yet open.
        channel: What the policy must know.
        store: Where ticks go.
        recorder: Already reset for this lease.
        limits: Figures of the engine.
        clock: Reader of time.
        rng: Source of jitter.
        on_tick: Called after each commit with its output.
        poke: Called with the name of another channel that got something into its queue.
        tracer: Told of each batch and each tick.
    """

    def __init__(
        self,
        lease: Lease,
        adapter: Adapter,
        channel: Channel,
        store: Store,
        recorder: Recorder,
        limits: Limits,
        clock: Clock,
        rng: Random,
        on_tick: Callable[[TickOutput], None],
        poke: Callable[[str], None],
        tracer: Tracer = NOTHING,
    ) -> None:
        self.lease = lease
        self.adapter = adapter
        self.channel = channel
        self.recorder = recorder
        self.may_write = True
        self.last_error = ""
        self.open_now = False
        self.capabilities: Capabilities = adapter.capabilities
        self.ticks = 0
        self._store = store
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._on_tick = on_tick
        self._poke = poke
        self._tracer = tracer
        self._name: Attributes = {"fz.channel": lease.channel, "fz.slot": lease.slot}
        self._lanes = Lanes(self.capabilities, clock, self._note_late)
        self._settled: list[tuple[Claimed, Receipt, bytes]] = []
        self._gathered = Gathered()
        self._wake_tick = asyncio.Event()
        self._written = asyncio.Event()
        self._ticking = False
        self._down = False
        self._stopping = False
        # When each lane's queue falls due. Per lane: bulk that waits for room must not let the
        # empty urgent queue be asked again and again.
        self._dues: dict[Lane, int] = dict.fromkeys(LANES, clock.millis())
        self._poked = False
        self._unwritten = False
        self._quiet = False
        self._quiet_at = 0
        self._sweep_at = clock.monotonic() + SWEEP
        self._found: dict[Key, None] = {}
        self._sent_marks: deque[tuple[float, int]] = deque(maxlen=64)

    # -- figures for the status page -------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Parts handed over and not settled."""
        return self._lanes.out

    @property
    def is_down(self) -> bool:
        """Whether the line's last word was that it is down."""
        return self._down

    def ready(self, lane: Lane) -> int:
        """Parts claimed and not handed over."""
        return self._lanes.ready(lane)

    def per_second(self) -> float:
        """Parts settled a second over the last seconds."""
        now = self._clock.monotonic()
        recent = [(at, n) for at, n in self._sent_marks if now - at <= 5.0]
        if not recent:
            return 0.0
        return sum(n for _, n in recent) / max(0.5, now - recent[0][0])

    # -- what others put in ----------------------------------------------------------------

    def give(self, claimed: Iterable[Claimed]) -> None:
        """Take parts that are claimed for this slot."""
        for one in claimed:
            if self._stopping:
                self._give_back(one)
            else:
                self._lanes.add(one)
        self._lanes.wake_up()

    def hand_over(self, claimed: Claimed) -> None:
        """Take a part that an acceptance claimed, unless it was found here already."""
        if (claimed.submission.id, claimed.submission.part) not in self._found:
            self.give([claimed])

    def withdraw(self, parts: Iterable[Key]) -> None:
        """Take back what is claimed and was not handed over."""
        for one in self._lanes.remove(set(parts)):
            self._note(withdrawn(one.submission, one.flags))

    def poke(self) -> None:
        """Something may be due in the queue: tick soon."""
        self._poked = True  # a tick that is under way may have looked before
        self._dues = dict.fromkeys(LANES, self._clock.millis())
        self._wake_tick.set()

    def settled(self, claimed: Claimed, receipt: Receipt, wire_key: bytes) -> None:
        """Note an answer for the next tick."""
        self._lanes.left(claimed)
        self._settled.append((claimed, receipt, wire_key))
        if receipt.kind is _SENT:
            self._down = False
        else:
            self._note_trouble(receipt)
        self._wake_tick.set()

    def _note_trouble(self, receipt: Receipt) -> None:
        if receipt.kind is ReceiptKind.THROTTLED:
            self._lanes.pace.throttled(self._clock.monotonic())
        self._down = receipt.kind is ReceiptKind.CHANNEL_DOWN
        if self._down or receipt.kind is ReceiptKind.UNKNOWN:
            self.last_error = f"{receipt.code} {receipt.detail}".strip()

    def returned(self, claimed: Claimed) -> None:
        """Note that a part was handed over and never written."""
        self._lanes.left(claimed)
        self._give_back(claimed)

    def _give_back(self, one: Claimed) -> None:
        now = self._clock.millis()
        self._note(back_to_queue(one.submission, one.flags, self.channel.name, now))

    def _note_late(self, one: Claimed) -> None:
        self._note(too_late(one.submission, one.flags))

    def _note(self, row: ResultRow) -> None:
        self._gathered.add(row)
        self._wake_tick.set()

    def adopt(self, channel: Channel, limits: Limits) -> None:
        """Decide by other figures from now on; the connection stays."""
        self.channel = channel
        self._limits = limits

    # -- the lanes -------------------------------------------------------------------------

    async def run_lane(self, lane: Lane) -> None:
        """Hand over batches of one lane until cancelled."""
        lanes, wake = self._lanes, self._lanes.wake[lane]
        lanes.wake_up()  # what was ready when a former adapter crashed
        while True:
            await wake.wait()
            wake.clear()
            while lanes.ready(lane) and not (self._stopping or self._unwritten):
                batch = lanes.next_batch(lane, self.recorder.room)
                if batch is None:
                    await self._clock.sleep(max(0.005, lanes.pace.pause(lane)))
                elif batch:
                    if lanes.ready(lane) < lanes.ahead() // 2:
                        self._wake_tick.set()
                    await self._submit(lane, batch)
                    await asyncio.sleep(0)  # an adapter that never waits must not starve the rest
                else:
                    break  # woken when something is settled or written

    async def _submit(self, lane: Lane, batch: list[Claimed]) -> None:
        wire = SlotWire(self, batch)
        why = "the line ended before an answer came"
        try:
            told = {**self._name, "fz.lane": str(lane), "fz.parts": len(batch)}
            async with asyncio.timeout(self.capabilities.submit_timeout + SUBMIT_GRACE):
                with self._tracer.span("submit", told):
                    await self.adapter.submit([claimed.submission for claimed in batch], wire)
        except TimeoutError:
            why = f"no answer within {self.capabilities.submit_timeout:.0f} s"
            self.last_error = why
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            why = "the adapter cancelled itself"
            self.last_error = why
        except Exception as error:  # noqa: BLE001  a broken adapter degrades its channel only
            why = f"the adapter failed: {type(error).__name__}"
            self.last_error = why
            log.warning(
                "channel.submit_failed",
                channel=self.channel.name,
                lane=str(lane),
                error=type(error).__name__,
            )
        finally:
            wire.finish(why)

    # -- what comes back -------------------------------------------------------------------

    async def run_inbound(self) -> None:
        """Gather what the adapter brings; the tick writes it.

        Raises:
            RuntimeError: The adapter's own reader was cancelled, by itself.
        """
        try:
            async for batch in self.adapter.inbound():
                self._gathered.add_inbound(batch)
                self._wake_tick.set()
                while self._gathered.is_full:
                    # What is not read is not acknowledged: the far side keeps it meanwhile.
                    self._written.clear()
                    await self._written.wait()
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise RuntimeError("the adapter cancelled its own inbound") from None

    # -- the tick --------------------------------------------------------------------------

    def _want(self) -> dict[Lane, int]:
        if self._stopping or not self.open_now or self._gathered.careful:
            return {}
        if self._down and self._lanes.out:
            return {}
        # While the line is down one part at a time probes it.
        most = 1 if self._down else self._lanes.ahead()
        want: dict[Lane, int] = {}
        now = self._clock.millis()
        for lane, due in self._dues.items():
            lacking = most - self._lanes.ready(lane)
            if due > now or (lane is Lane.BULK and self._is_quiet(now)):
                continue
            if lacking > most // 2 or lacking == most:
                want[lane] = lacking
        return want

    def _is_quiet(self, now: int) -> bool:
        """Whether bulk to persons waits: also what was accepted before the quiet hours began."""
        if not self.capabilities.kinds <= PERSONAL:
            return False
        if now // 1000 != self._quiet_at:
            self._quiet_at = now // 1000
            self._quiet = self._limits.quiet(now) is not None
        return self._quiet

    @property
    def _has_something(self) -> bool:
        return bool(self._settled or self._gathered)

    @property
    def _more_is_coming(self) -> bool:
        """Whether a tick some milliseconds later does the work of several.

        A tick costs a disk sync and as much work as thirty messages, however few it writes. Nothing
        is held up for long: a lone message has nothing behind it, so its fate is written at once.
        """
        if self._stopping or not self._lanes.out:
            return False
        return len(self._settled) + self._gathered.size < ENOUGH

    async def run_ticks(self) -> None:
        """Write what gathered, claim what is due, until told to stop."""
        while True:
            await self._sweep()
            want = self._want()
            # After a tick that failed only another one tells that the store can be written again.
            proving = self._unwritten and not self._stopping
            if not (self._has_something or want or proving):
                if self._stopping and not self._lanes.out:
                    return
                await self._idle()
                continue
            if not want and self._more_is_coming:
                await self._clock.sleep(GATHER)
                want = self._want()
            await self._tick(want)

    async def _idle(self) -> None:
        pause = IDLE_TICK
        now = self._clock.millis()
        # What is due already waits for room, and room wakes this.
        ahead = [due - now for due in self._dues.values() if due > now]
        if ahead and not self._stopping:
            pause = min(pause, max(0.002, min(ahead) / 1000))
        try:
            async with asyncio.timeout(pause):
                await self._wake_tick.wait()
        except TimeoutError:
            # A look at the queue now and then, so that no lost wake-up can strand a part.
            for lane in LANES:
                self._dues.setdefault(lane, self._clock.millis())
        finally:
            self._wake_tick.clear()

    async def _tick(self, want: dict[Lane, int]) -> bool:
        """Write one batch; whether it helps to go on at once."""
        self._wake_tick.clear()
        self._poked = False
        settled = self._decide()
        batch = self._gathered.take()
        work = replace(batch.work(self._late), want=want)
        self._ticking = True
        told = {
            **self._name,
            "fz.settled": settled,
            "fz.results": len(work.results),
            "fz.reports": len(work.reports),
            "fz.wanted": sum(want.values()),
        }
        try:
            with self._tracer.span("tick", told) as span:
                output, cancelled = await self._see_through(work)
                span.set({"fz.claimed": len(output.claimed)})
        except BaseException as error:
            # If the commit went through after all, a second one changes nothing: results count
            # for claimed parts only, reports only when they go further.
            self._gathered.put_back(batch)
            if isinstance(error, StoreError | InputError):
                return await self._refused(error, batch)
            raise
        finally:
            self._ticking = False
        self._after(output, batch, settled)
        if cancelled is not None:
            raise cancelled
        return True

    def _decide(self) -> int:
        """Turn what was settled into results; returns how many parts have an answer."""
        now = self._clock.millis()
        rows = [
            decide(
                receipt,
                claimed.submission,
                claimed.flags,
                key,
                self.channel,
                self._limits,
                now,
                self._rng,
            )
            for claimed, receipt, key in self._settled
        ]
        self._settled.clear()
        self._gathered.add(*rows)
        # What only went back to the queue is no progress.
        return sum([row.state is not _QUEUED for row in rows])

    def _late(self, late: LateReceipt) -> ResultRow:
        return late_row(late, self.channel, self._limits, self._clock.millis())

    async def _see_through(
        self, work: TickInput
    ) -> tuple[TickOutput, asyncio.CancelledError | None]:
        """Tick; when cancelled, wait for its end first: what is on disk must be known here."""
        ticking = asyncio.ensure_future(self._store.tick(self.lease, work))
        try:
            await asyncio.wait([ticking])
        except asyncio.CancelledError as cancelled:
            await asyncio.wait([ticking], timeout=SEE_THROUGH)
            if ticking.done() and ticking.exception() is None:
                return ticking.result(), cancelled
            raise
        return ticking.result(), None

    async def _refused(self, error: StoreError | InputError, batch: Batch) -> bool:
        """A tick was not written and its batch was put back."""
        if isinstance(error, LeaseLost):
            self.may_write = False
            raise error
        self.last_error = str(error)
        if isinstance(error, StoreError):
            self._unwritten = True
            log.warning("store.tick_failed", channel=self.channel.name, code=error.code)
            await self._clock.sleep(RETRY_STORE)
            return False
        if not batch:
            raise error
        if self._gathered.refused(batch):
            log.error("store.row_refused", channel=self.channel.name, why=repr(error.__cause__))
        return True

    def _after(self, output: TickOutput, batch: Batch, settled: int) -> None:
        for row in batch.rows:
            self.recorder.clear(row.id, row.part)
            if row.requeue is not None and row.requeue.channel != self.channel.name:
                self._poke(row.requeue.channel)
        self._unwritten = False  # whoever waits for that is woken by `give`
        self.ticks += 1
        if settled:
            self._sent_marks.append((self._clock.monotonic(), settled))
        # While the queue has more than was asked for, it is due already.
        self._dues = dict(output.dues)
        if self._poked:
            self.poke()
        self._gathered.written()
        self._written.set()
        self.give(output.claimed)
        for inbound in batch.inbound:
            inbound.acknowledge()
        self._on_tick(output)

    # -- the end, and what was lost sight of -----------------------------------------------

    @property
    def drained(self) -> bool:
        """Whether nothing is out and nothing waits to be written."""
        return self._stopping and not (self._lanes.out or self._ticking or self._has_something)

    async def last_tick(self) -> None:
        """Write what the end of the line left, once the adapter is closed."""
        while self._has_something:
            if not await self._tick({}):
                return

    def halt(self) -> None:
        """Hand over nothing more and let nothing be written: the store cannot be relied on."""
        self.may_write = False
        self.drain()

    def drain(self) -> None:
        """Stop handing over, give back what was only claimed, wait for what is out."""
        self._stopping = True
        for one in self._lanes.empty():
            self._give_back(one)
        self._wake_tick.set()

    async def _sweep(self) -> None:
        """Now and then look for parts that an acceptance claimed and nobody handed over."""
        if self._stopping or self._clock.monotonic() < self._sweep_at:
            return
        self._sweep_at = self._clock.monotonic() + SWEEP
        try:
            await self.reclaim()
        except LeaseLost:
            self.may_write = False
            raise
        except StoreError as error:
            log.warning("store.sweep_failed", channel=self.channel.name, code=error.code)

    async def reclaim(self) -> None:
        """Take up again what is claimed here and was lost sight of.

        That happens when a caller is cancelled between its acceptance and `hand_over`, or when
        the adapter crashes. Only the task that ticks may call this, or nobody ticks: then no part
        can leave the slot between the question and the answer.
        """
        open_parts = await self._store.recover(self.lease)
        known = {(c.submission.id, c.submission.part) for c, _, _ in self._settled}
        known |= self._gathered.keys() | self._lanes.keys()
        for part in open_parts:
            key = (part.submission.id, part.submission.part)
            if key in known:
                continue
            claimed = Claimed(part.submission, self.channel.name, self.lease.slot, part.flags)
            if self.recorder.holds(*key):
                # It was written once already; only its answer was lost.
                receipt = Receipt(ReceiptKind.UNKNOWN, detail="its answer was lost")
                self._settled.append((claimed, receipt, b""))
                continue
            self._found[key] = None
            if len(self._found) > FOUND_KEPT:
                del self._found[next(iter(self._found))]
            self.give([claimed])


def _is_cancelled() -> bool:
    """Whether somebody cancelled this task, and not the adapter itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
