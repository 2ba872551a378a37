"""One connection slot: hands batches to its adapter, and turns what comes back into ticks.

Claim → recorder → write → response → tick. No task, future, timeout or log line per message: the
adapter gets a batch, the wire is two dictionary operations a part, and one tick writes what
gathered meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from random import Random

import structlog

from fzalert.clock import Clock
from fzalert.delivery.pace import Pace
from fzalert.delivery.policy import Channel, Limits, back_to_queue, decide, too_late
from fzalert.delivery.recorder import Recorder
from fzalert.errors import LeaseLost, StoreError
from fzalert.messages import (
    Answer,
    DeliveryReport,
    Lane,
    LateReceipt,
    Receipt,
    ReceiptKind,
    Uplink,
)
from fzalert.ports import Adapter, Capabilities, InboundBatch, Submission
from fzalert.store import (
    Claimed,
    Flag,
    Lease,
    PartState,
    ResultRow,
    Store,
    TickInput,
    TickOutput,
)

log = structlog.get_logger("fzalert.delivery")

LANES = (Lane.URGENT, Lane.BULK)
INBOUND_MOST = 5000
SUBMIT_GRACE = 5.0
IDLE_TICK = 1.0
RETRY_STORE = 1.0

Key = tuple[int, int]


class SlotWire:
    """The wire of one `submit`: intent into the recorder, answers into the next tick."""

    __slots__ = ("_open", "_slot", "_written")

    def __init__(self, slot: Slot, batch: Iterable[Claimed]) -> None:
        self._slot = slot
        self._open: dict[Key, Claimed] = {
            (claimed.submission.id, claimed.submission.part): claimed for claimed in batch
        }
        self._written: dict[Key, bytes] = {}

    def may_write(self) -> bool:
        """Whether the slot still holds its lease; see the port."""
        return self._slot.may_write

    def writing(self, id: int, part: int, key: bytes) -> None:
        """Record the intent; see the port."""
        self._slot.recorder.writing(id, part, key)
        self._written[id, part] = key

    def settle(self, id: int, part: int, receipt: Receipt) -> None:
        """Take the answer, once; see the port."""
        claimed = self._open.pop((id, part), None)
        if claimed is None:
            return
        key = self._written.pop((id, part), b"")
        if key:
            self._slot.recorder.answered(id, part, receipt.kind, receipt.carrier_id)
        self._slot.settled(claimed, receipt, key)

    def finish(self, why: str) -> None:
        """What was written and not settled is unknown; the rest was never written."""
        for key, claimed in list(self._open.items()):
            wire_key = self._written.get(key)
            if wire_key is None:
                self._slot.returned(claimed)
            else:
                self._slot.settled(claimed, Receipt(ReceiptKind.UNKNOWN, detail=why), wire_key)
        self._open.clear()
        self._written.clear()


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
    ) -> None:
        self.lease = lease
        self.adapter = adapter
        self.channel = channel
        self.recorder = recorder
        self.may_write = True
        self.last_error = ""
        self.open_now = False
        self.capabilities: Capabilities = adapter.capabilities
        self._store = store
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._on_tick = on_tick
        self._poke = poke
        share = self.capabilities.rate
        self.pace = Pace(share, clock.monotonic())
        self._ready: dict[Lane, deque[Claimed]] = {lane: deque() for lane in LANES}
        self._settled: list[tuple[Claimed, Receipt, bytes]] = []
        self._rows: list[ResultRow] = []
        self._inbound: list[InboundBatch] = []
        self._in_flight = 0
        self._busy_targets: dict[str, int] = {}
        self._wake_tick = asyncio.Event()
        self._wake_lane = {lane: asyncio.Event() for lane in LANES}
        self._down = False
        self._stopping = False
        self._next_due: int | None = self._clock.millis()
        self.ticks = 0
        self._sent_marks: deque[tuple[float, int]] = deque(maxlen=64)

    # -- figures for the status page -------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Parts handed over and not settled."""
        return self._in_flight

    def ready(self, lane: Lane) -> int:
        """Parts claimed and not handed over."""
        return len(self._ready[lane])

    def per_second(self) -> float:
        """Parts settled a second over the last seconds."""
        now = self._clock.monotonic()
        recent = [(at, n) for at, n in self._sent_marks if now - at <= 5.0]
        if not recent:
            return 0.0
        return sum(n for _, n in recent) / max(0.5, now - recent[0][0])

    # -- what others put in ----------------------------------------------------------------

    def give(self, claimed: Iterable[Claimed]) -> None:
        """Take parts that a commit claimed for this slot."""
        for one in claimed:
            if self._stopping:
                self._give_back(one)
            else:
                self._ready[one.submission.lane].append(one)
        for lane in LANES:
            if self._ready[lane]:
                self._wake_lane[lane].set()

    def poke(self) -> None:
        """Something may be due in the queue: tick soon."""
        self._next_due = self._clock.millis()
        self._wake_tick.set()

    def settled(self, claimed: Claimed, receipt: Receipt, wire_key: bytes) -> None:
        """Note an answer for the next tick."""
        self._left(claimed)
        self._settled.append((claimed, receipt, wire_key))
        if receipt.kind is ReceiptKind.THROTTLED:
            self.pace.throttled(self._clock.monotonic())
        down = receipt.kind is ReceiptKind.CHANNEL_DOWN
        if down or receipt.kind is ReceiptKind.UNKNOWN:
            self.last_error = f"{receipt.code} {receipt.detail}".strip()
        self._down = down
        self._wake_tick.set()

    def returned(self, claimed: Claimed) -> None:
        """Note that a part was handed over and never written."""
        self._left(claimed)
        self._give_back(claimed)

    def _give_back(self, claimed: Claimed) -> None:
        self._rows.append(
            back_to_queue(
                claimed.submission, claimed.flags, self.channel.name, self._clock.millis()
            )
        )
        self._wake_tick.set()

    def _left(self, claimed: Claimed) -> None:
        self._in_flight -= 1
        if self.capabilities.per_target is not None:
            address = claimed.submission.target.address
            self._busy_targets[address] -= 1
            if not self._busy_targets[address]:
                del self._busy_targets[address]
        for lane in LANES:
            if self._ready[lane]:
                self._wake_lane[lane].set()

    # -- the lanes -------------------------------------------------------------------------

    async def run_lane(self, lane: Lane) -> None:
        """Hand over batches of one lane until cancelled."""
        ready, wake = self._ready[lane], self._wake_lane[lane]
        while True:
            await wake.wait()
            wake.clear()
            while ready and not self._stopping:
                batch = self._next_batch(lane)
                if batch:
                    await self._submit(lane, batch)
                elif self._in_flight:
                    break  # woken when something is settled
                else:
                    await self._clock.sleep(max(0.005, self.pace.pause()))

    def _next_batch(self, lane: Lane) -> list[Claimed]:
        window = self.capabilities.window
        reserve = 0 if lane is Lane.URGENT or window < 2 else max(1, -(-window // 5))
        room = min(window - reserve - self._in_flight, self.recorder.room)
        ready = self._ready[lane]
        if room <= 0 or not ready:
            return []
        number = self.pace.take(min(room, len(ready)), lane, self._clock.monotonic())
        now = self._clock.millis()
        batch: list[Claimed] = []
        limit = self.capabilities.per_target
        passed_over: list[Claimed] = []
        while ready and len(batch) < number:
            claimed = ready.popleft()
            part = claimed.submission
            if part.not_after <= now:
                self._rows.append(too_late(part))
                self._wake_tick.set()
                continue
            if limit is not None:
                address = part.target.address
                if self._busy_targets.get(address, 0) >= limit:
                    passed_over.append(claimed)
                    continue
                self._busy_targets[address] = self._busy_targets.get(address, 0) + 1
            batch.append(claimed)
        ready.extendleft(reversed(passed_over))
        self._in_flight += len(batch)
        if len(ready) < self._ahead() // 2:
            self._wake_tick.set()
        return batch

    async def _submit(self, lane: Lane, batch: list[Claimed]) -> None:
        wire = SlotWire(self, batch)
        why = "the line ended before an answer came"
        try:
            async with asyncio.timeout(self.capabilities.submit_timeout + SUBMIT_GRACE):
                await self.adapter.submit([claimed.submission for claimed in batch], wire)
        except TimeoutError:
            why = f"no answer within {self.capabilities.submit_timeout:.0f} s"
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
        """Gather what the adapter brings; the tick writes it."""
        async for batch in self.adapter.inbound():
            self._inbound.append(batch)
            self._wake_tick.set()

    # -- the tick --------------------------------------------------------------------------

    def _ahead(self) -> int:
        """How many parts to hold claimed: four windows, and never more than a second's worth."""
        ahead = min(1000, max(32, 4 * self.capabilities.window))
        if self.pace.rate is not None:
            ahead = min(ahead, max(4, int(self.pace.rate)))
        return ahead

    def _want(self) -> dict[Lane, int]:
        if self._stopping or not self.open_now:
            return {}
        if self._next_due is None or self._next_due > self._clock.millis():
            return {}
        if self._down and self._in_flight:
            return {}
        # While the line is down one part at a time probes it.
        most = 1 if self._down else self._ahead()
        want: dict[Lane, int] = {}
        for lane in LANES:
            lacking = most - len(self._ready[lane])
            if lacking > most // 2 or lacking == most:
                want[lane] = lacking
        return want

    async def run_ticks(self) -> None:
        """Write what gathered, claim what is due, until told to stop."""
        while True:
            want = self._want()
            if not (self._settled or self._rows or self._inbound or want):
                if self._stopping and not self._in_flight:
                    return
                await self._idle()
                continue
            await self._tick(want)

    async def _idle(self) -> None:
        pause = IDLE_TICK
        if self._next_due is not None and not self._stopping:
            ahead = (self._next_due - self._clock.millis()) / 1000
            pause = min(pause, max(0.002, ahead))
        try:
            async with asyncio.timeout(pause):
                await self._wake_tick.wait()
        except TimeoutError:
            # A look at the queue now and then, so that no lost wake-up can strand a part.
            if self._next_due is None:
                self._next_due = self._clock.millis()
        finally:
            self._wake_tick.clear()

    async def _tick(self, want: dict[Lane, int]) -> None:
        self._wake_tick.clear()
        now = self._clock.millis()
        settled, self._settled = self._settled, []
        rows, self._rows = self._rows, []
        inbound = self._take_inbound()
        for claimed, receipt, key in settled:
            rows.append(
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
            )
        reports, late = self._sort(inbound)
        work = TickInput(rows, reports, late, (), want)
        try:
            output = await self._store.tick(self.lease, work)
        except BaseException as error:
            # Keep all of it. If the commit went through after all, a second one changes nothing:
            # results count for claimed parts only, reports only when they go further.
            self._rows = rows + self._rows
            self._inbound = inbound + self._inbound
            if isinstance(error, LeaseLost):
                self.may_write = False
            if not isinstance(error, StoreError) or isinstance(error, LeaseLost):
                raise
            self.last_error = str(error)
            log.warning("store.tick_failed", channel=self.channel.name, code=error.code)
            await self._clock.sleep(RETRY_STORE)
            return
        self._after(output, rows, settled, inbound)

    def _take_inbound(self) -> list[InboundBatch]:
        taken: list[InboundBatch] = []
        size = 0
        while self._inbound and size < INBOUND_MOST:
            batch = self._inbound.pop(0)
            taken.append(batch)
            size += len(batch.rows)
        return taken

    def _sort(
        self, inbound: list[InboundBatch]
    ) -> tuple[list[DeliveryReport | Uplink | Answer], list[tuple[LateReceipt, ResultRow]]]:
        reports: list[DeliveryReport | Uplink | Answer] = []
        late: list[tuple[LateReceipt, ResultRow]] = []
        for batch in inbound:
            for row in batch.rows:
                if isinstance(row, LateReceipt):
                    late.append((row, self._late_row(row)))
                else:
                    reports.append(row)
        return reports, late

    def _late_row(self, late: LateReceipt) -> ResultRow:
        receipt = late.receipt
        if receipt.kind is ReceiptKind.SENT:
            state = PartState.SENT if self.channel.reports else PartState.DELIVERED
        elif receipt.kind is ReceiptKind.UNKNOWN:
            state = PartState.UNKNOWN
        else:
            # A late refusal is final here: whether to try again is no longer this attempt's.
            state = PartState.FAILED
        return ResultRow(
            late.id,
            late.part,
            state,
            str(receipt.kind),
            receipt.code,
            receipt.detail,
            receipt.carrier_id,
            receipt.proof,
        )

    def _after(
        self,
        output: TickOutput,
        rows: list[ResultRow],
        settled: list[tuple[Claimed, Receipt, bytes]],
        inbound: list[InboundBatch],
    ) -> None:
        for row in rows:
            self.recorder.clear(row.id, row.part)
            if row.requeue is not None and row.requeue.channel != self.channel.name:
                self._poke(row.requeue.channel)
        self.ticks += 1
        if settled:
            self._sent_marks.append((self._clock.monotonic(), len(settled)))
        for batch in inbound:
            batch.acknowledge()
        # While the queue has more than was asked for, it is due already.
        self._next_due = output.next_due
        self.give(output.claimed)
        self._on_tick(output)

    # -- the end ---------------------------------------------------------------------------

    @property
    def drained(self) -> bool:
        """Whether nothing is out and nothing waits to be written."""
        return self._stopping and not (
            self._in_flight or self._settled or self._rows or self._inbound
        )

    async def last_tick(self) -> None:
        """Write what the end of the line left, once the adapter is closed."""
        if self._settled or self._rows or self._inbound:
            await self._tick({})

    def drain(self) -> None:
        """Stop handing over, give back what was only claimed, wait for what is out."""
        self._stopping = True
        for lane in LANES:
            while self._ready[lane]:
                self._give_back(self._ready[lane].popleft())
        self._wake_tick.set()

    async def reclaim(self) -> None:
        """Take up again what is claimed here and was lost sight of when the adapter crashed."""
        known = {(c.submission.id, c.submission.part) for c, _, _ in self._settled}
        known |= {(row.id, row.part) for row in self._rows}
        for lane in LANES:
            known |= {(c.submission.id, c.submission.part) for c in self._ready[lane]}
        self.give(
            Claimed(part.submission, self.channel.name, self.lease.slot, part.flags)
            for part in await self._store.recover(self.lease)
            if (part.submission.id, part.submission.part) not in known
        )


def recovered_rows(
    parts: Iterable[tuple[Submission, Flag]],
    recorder: Recorder,
    channel: Channel,
    limits: Limits,
    now: int,
    rng: Random,
) -> list[ResultRow]:
    """Decide what became of the parts that a former owner left open (engine, flight recorder).

    Without a recorder of this boot every open part is unknown. With one: never written → back to
    the queue; answered → the answer; written and unanswered → unknown.
    """
    recorded = recorder.read()
    rows: list[ResultRow] = []
    for part, flags in parts:
        slot = recorded.get((part.id, part.part)) if recorded is not None else None
        if recorded is not None and slot is None:
            rows.append(back_to_queue(part, flags, channel.name, now))
            continue
        if slot is None or slot.answer is None:
            why = (
                "the process ended before an answer came"
                if recorded is not None
                else "the machine lost its memory before an answer was written"
            )
            receipt = Receipt(ReceiptKind.UNKNOWN, detail=why)
        else:
            receipt = Receipt(slot.answer, carrier_id=slot.carrier_id)
        key = slot.key if slot is not None else b""
        rows.append(decide(receipt, part, flags, key, channel, limits, now, rng))
    return rows
