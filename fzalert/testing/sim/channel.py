"""The near side: an honest adapter over a simulated line."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from typing_extensions import override

from fzalert.messages import Lane, LateReceipt, Receipt, ReceiptKind, Scope
from fzalert.ports import (
    Adapter,
    Capabilities,
    ChannelConfig,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    Wire,
)
from fzalert.testing.sim.carrier import Carrier, Pdu
from fzalert.testing.sim.chance import Fault

if TYPE_CHECKING:
    from fzalert.testing.sim.process import Process

__all__ = ["Line", "SimAdapter"]


class _Flight:
    """One batch on its way."""

    def __init__(self, wire: Wire, lane: Lane) -> None:
        self.wire = wire
        self.lane = lane
        self.left = 0
        self.is_over = False
        self.landed = asyncio.Event()


class Line:
    """One connection to a carrier.

    Attributes:
        open: What is written and unanswered, by the number of its PDU.
        process: Whose connection it is.
    """

    def __init__(self, carrier: Carrier, adapter: SimAdapter) -> None:
        self.carrier = carrier
        self.process = adapter.process
        self.open: dict[int, tuple[Submission, _Flight]] = {}
        self._adapter = adapter
        self._given_up: dict[int, Submission] = {}
        self._since = carrier.world.loop.time()

    def stands_for(self) -> float:
        """Seconds since it was made."""
        return self.carrier.world.loop.time() - self._since

    def send(self, part: Submission, wire_key: bytes, flight: _Flight) -> None:
        """Let a part leave."""
        number = self.carrier.receive(self, part, wire_key).number
        self.process.step("line.written")
        if not self.process.is_alive:
            return
        if self not in self.carrier.lines:  # this very PDU cut it
            _settle(part, flight, _LOST)
            return
        self.open[number] = (part, flight)
        flight.left += 1
        timeout = self.carrier.traits.capabilities.submit_timeout
        self.carrier.world.loop.call_later(timeout, self._give_up, number)

    def answer(self, pdu: Pdu, receipt: Receipt) -> None:
        """Hear of a PDU."""
        if not self.process.is_alive:
            return
        found = self.open.pop(pdu.number, None)
        if found is not None:
            part, flight = found
            _settle(part, flight, receipt)
            if self.process.is_alive or self.process.died_at == "answer.recorded":
                pdu.answer = receipt.kind
            _landed(flight)
            return
        late = self._given_up.pop(pdu.number, None)
        if late is not None:
            if receipt.kind is not ReceiptKind.SENT:
                pdu.answer = receipt.kind
                pdu.is_late = True
            self.bring(InboundBatch((LateReceipt(late.id, late.part, receipt),), lambda: None))

    def bring(self, batch: InboundBatch) -> None:
        """Hand something to the adapter's reader."""
        if self.process.is_alive:
            self._adapter.take(batch)

    def lost(self) -> None:
        """The connection is gone: nobody knows what was taken of what is open."""
        if not self.process.is_alive:
            return
        self._given_up.clear()
        gone, self.open = list(self.open.values()), {}
        for part, flight in gone:
            _settle(part, flight, _LOST)
            _landed(flight)

    def abandon(self, flight: _Flight) -> None:
        """A batch ended early: the engine gives up what is open of it."""
        for number in [n for n, (_, its) in self.open.items() if its is flight]:
            self._given_up[number] = self.open.pop(number)[0]

    def _give_up(self, number: int) -> None:
        found = self.open.pop(number, None)
        if found is None or not self.process.is_alive:
            return
        part, flight = found
        self._given_up[number] = part
        _settle(part, flight, _SILENT)
        _landed(flight)


_LOST = Receipt(ReceiptKind.UNKNOWN, detail="the line was lost")
_SILENT = Receipt(ReceiptKind.UNKNOWN, detail="no answer in time")
_DOWN = Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, detail="no line", retry_after=0.5)


def _settle(part: Submission, flight: _Flight, receipt: Receipt) -> None:
    if not flight.is_over:
        flight.wire.settle(part.id, part.part, receipt)


def _landed(flight: _Flight) -> None:
    flight.left -= 1
    if not flight.left:
        flight.landed.set()


class SimAdapter(Adapter):
    """What the engine opens.

    Args:
        carrier: The far side.
        process: Whose it is.
        slot: Which connection.
    """

    Config = ChannelConfig

    def __init__(self, carrier: Carrier, process: Process, slot: int) -> None:
        self.process = process
        self.traits = carrier.traits
        self.keeps_state = carrier.traits.keeps_state
        self.slot = slot
        self._carrier = carrier
        self._line: Line | None = None
        self._inbox: deque[InboundBatch | Exception] = deque()
        self._arrived = asyncio.Event()
        self._redial: asyncio.Task[None] | None = None

    @property
    @override
    def capabilities(self) -> Capabilities:
        return self._carrier.traits.capabilities

    @property
    def line(self) -> Line | None:
        """The line that stands."""
        if self._line is not None and self._line not in self._carrier.lines:
            self._line = None
        return self._line

    @override
    async def __aenter__(self) -> Self:
        world = self.process.world
        if world.is_rough and world.chance.happens(0.03):
            world.chance.fire(Fault.OPENS_BADLY)
            raise OSError("the adapter cannot open")
        self._dial()
        # The test's own world may start tasks; they belong to its process.
        self._redial = asyncio.get_running_loop().create_task(self._keep_dialling())
        self.process.adapters.append(self)
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self in self.process.adapters:
            self.process.adapters.remove(self)
        if self._redial is not None:
            self._redial.cancel()
            await asyncio.wait([self._redial])
        if self.line is not None and self.process.is_alive:
            self._carrier.cut(self.line)

    def _dial(self) -> None:
        if self.line is None and self._carrier.takes_lines and self.process.is_alive:
            self._line = Line(self._carrier, self)
            self._carrier.lines.append(self._line)
            self.process.world.trace.note("line", self._carrier.traits.name, self.slot)

    async def _keep_dialling(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self._dial()

    @override
    async def health(self) -> Health:
        return Health(HealthState.DOWN if self.line is None else HealthState.UP)

    # -- in --------------------------------------------------------------------------------------

    def take(self, one: InboundBatch | Exception) -> None:
        """Something for the reader; an exception breaks it."""
        self._inbox.append(one)
        self._arrived.set()

    @override
    async def inbound(self) -> AsyncIterator[InboundBatch]:
        while True:
            while not self._inbox:
                self._arrived.clear()
                await self._arrived.wait()
            one = self._inbox.popleft()
            if isinstance(one, Exception):
                raise one
            yield one

    # -- out -------------------------------------------------------------------------------------

    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        world = self.process.world
        world.laws.handed_over(self, batch)
        flight = _Flight(wire, batch[0].lane)
        broken = self._breaks() if world.is_rough else None
        try:
            for part in batch:
                if not (wire.may_write() and self.process.is_alive):
                    break
                line = self.line
                if line is None:
                    wire.settle(part.id, part.part, _DOWN)
                elif world.clock.millis() < part.not_after:
                    self.put(line, part, self._key_of(part), flight)
                if broken is Fault.RAISES:
                    raise RecursionError("the adapter is broken")
            if broken is Fault.HANGS:
                await asyncio.Event().wait()
            if flight.left:
                await flight.landed.wait()
        finally:
            flight.is_over = True
            if self.line is not None:
                self.line.abandon(flight)

    def put(self, line: Line, part: Submission, key: bytes, flight: _Flight) -> None:
        """The recorder first, the bytes then."""
        flight.wire.writing(part.id, part.part, key)
        if self.process.is_alive:
            line.send(part, key, flight)

    def _key_of(self, part: Submission) -> bytes:
        """A promise to take a key once is worth nothing unless the key outlives a lost memory."""
        own = f"{part.id}.{part.part}"
        if not self.capabilities.idempotent_key:
            own += f".{part.attempt}"
        return part.previous_key or own.encode()

    def _breaks(self) -> Fault | None:
        chance = self.process.world.chance
        for fault, probability in ((Fault.RAISES, 0.01), (Fault.HANGS, 0.005)):
            if chance.happens(probability):
                chance.fire(fault)
                return fault
        return None
