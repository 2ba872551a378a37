"""An engine over a real store, with channels whose far side a test scripts.

```python
far = FarSide(lambda part: Receipt(ReceiptKind.SENT))
async with EngineRig(tmp_path, far) as rig:
    (id_,) = await rig.accept(lane=Lane.URGENT)
    assert (await rig.fate(id_, "sent")).state is OutcomeState.OPEN
```
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import NamedTuple, Self

from typing_extensions import Unpack, override

from fzalert.background import Background
from fzalert.clock import Clock, SystemClock
from fzalert.delivery import ChannelSpec, Engine, Limits
from fzalert.messages import (
    Appended,
    Lane,
    Outcome,
    Receipt,
    ReceiptKind,
    RenditionKind,
    ReportKind,
    TargetKind,
)
from fzalert.ports import (
    Adapter,
    Capabilities,
    ChannelConfig,
    Health,
    HealthState,
    InboundBatch,
    Submission,
    TextProfile,
    Wire,
)
from fzalert.store import ChangeSet, SqliteStore, Store
from fzalert.testing.parcels import Kinds, Parcels, make_vault

__all__ = ["EngineRig", "FarSide", "Play", "ScriptedAdapter", "Written", "sms"]


def sms(
    window: int = 16,
    *,
    rate: float | None = None,
    per_target: int | None = None,
    idempotent_key: bool = False,
    reports: bool = True,
    submit_timeout: float = 30,
) -> Capabilities:
    """The capabilities of a short-message channel."""
    return Capabilities(
        frozenset({TargetKind.PHONE}),
        RenditionKind.SMS,
        window=window,
        per_target=per_target,
        rate=rate,
        idempotent_key=idempotent_key,
        reports=frozenset({ReportKind.DELIVERED}) if reports else frozenset(),
        submit_timeout=submit_timeout,
        text=TextProfile(),
    )


class Play(enum.Enum):
    """What else than answering an adapter can do with a part."""

    SKIP = "neither write nor settle it"
    SILENT = "write it, and return without settling"
    HANG = "write it, and never return"
    RAISE = "write it, and raise"
    CANCEL = "write it, and raise CancelledError although nobody cancelled"
    TWICE = "settle it twice, first sent, then refused; and a part that nobody submitted"


Answer = Receipt | Play


class Written(NamedTuple):
    """One part that reached the far side."""

    part: Submission
    key: bytes


def take_everything(part: Submission) -> Answer:
    """Take every part under an id of its own."""
    return Receipt(ReceiptKind.SENT, carrier_id=f"c{part.id}.{part.part}.{part.attempt}".encode())


class FarSide:
    """What lies behind every adapter it makes; it outlives their crashes.

    Args:
        answer: What becomes of a part.
        capabilities: Of every adapter.
        keeps_state: Whether the channel keeps a state.

    Attributes:
        answer: May be changed at any time.
        gate: While it is clear, what was written is not answered.
        submitted: Every batch that was handed over.
        written: Every part that reached the far side, in order.
        wire: The wire of the newest batch.
        most_out: The most parts that were out at once; `most_bulk_out` while only bulk was.
        opened: How many adapters were opened, and `closed`.
        open_error: Raised by the next adapter that opens.
    """

    def __init__(
        self,
        answer: Callable[[Submission], Answer] = take_everything,
        capabilities: Capabilities | None = None,
        *,
        keeps_state: bool = False,
    ) -> None:
        self.answer = answer
        self.capabilities = capabilities or sms()
        self.keeps_state = keeps_state
        self.gate = asyncio.Event()
        self.gate.set()
        self.submitted: list[list[Submission]] = []
        self.written: list[Written] = []
        self.wire: Wire | None = None
        self.most_out = 0
        self.most_bulk_out = 0
        self.opened = 0
        self.closed = 0
        self.open_error: Exception | None = None
        self._out = {Lane.URGENT: 0, Lane.BULK: 0}
        self._inbound: deque[InboundBatch | Exception] = deque()
        self._arrived = asyncio.Event()
        self._changed = asyncio.Event()

    def make(self, slot: int, background: Background) -> Adapter:
        """Make the adapter of a slot."""
        del slot, background
        return ScriptedAdapter(self)

    def bring(self, *rows: Appended) -> asyncio.Event:
        """Let rows arrive in one batch; the event is set when it is acknowledged."""
        acknowledged = asyncio.Event()
        self._put(InboundBatch(rows, acknowledged.set))
        return acknowledged

    def crash(self, error: Exception) -> None:
        """Let the adapter's reader raise."""
        self._put(error)

    async def until(self, is_so: Callable[[], bool], *, timeout: float = 5.0) -> None:  # noqa: ASYNC109  a test's patience
        """Wait for something about this far side. Raises `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def until_written(self, count: int) -> None:
        """Wait until so many parts reached the far side."""
        await self.until(lambda: len(self.written) >= count)

    @property
    def waiting(self) -> int:
        """How much arrived and was not read yet."""
        return len(self._inbound)

    def note(self) -> None:
        """Something changed; wakes `until`."""
        self._changed.set()

    def receive(self, part: Submission, key: bytes) -> None:
        """Take a part from the line."""
        self.written.append(Written(part, key))
        self._out[part.lane] += 1
        out = sum(self._out.values())
        self.most_out = max(self.most_out, out)
        if not self._out[Lane.URGENT]:
            self.most_bulk_out = max(self.most_bulk_out, out)
        self.note()

    async def pause(self) -> None:
        """What lies between the line and its answer: the gate."""
        await self.gate.wait()

    def answered(self, part: Submission) -> None:
        """Forget a part that was answered or given up."""
        self._out[part.lane] -= 1
        self.note()

    async def next_inbound(self) -> InboundBatch:
        """Wait for what arrives."""
        while not self._inbound:
            self._arrived.clear()
            await self._arrived.wait()
        one = self._inbound.popleft()
        self.note()
        if isinstance(one, Exception):
            raise one
        return one

    def _put(self, one: InboundBatch | Exception) -> None:
        self._inbound.append(one)
        self._arrived.set()


class ScriptedAdapter(Adapter):
    """An adapter that plays what its far side says; an honest one unless told otherwise."""

    Config = ChannelConfig

    def __init__(self, far: FarSide) -> None:
        self._far = far
        self.keeps_state = far.keeps_state

    @property
    @override
    def capabilities(self) -> Capabilities:
        return self._far.capabilities

    @override
    async def __aenter__(self) -> Self:
        self._far.opened += 1
        self._far.note()
        error, self._far.open_error = self._far.open_error, None
        if error is not None:
            raise error
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._far.closed += 1
        self._far.note()

    @override
    async def health(self) -> Health:
        return Health(HealthState.UP)

    @override
    async def inbound(self) -> AsyncIterator[InboundBatch]:
        while True:
            yield await self._far.next_inbound()

    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        far = self._far
        far.submitted.append(list(batch))
        far.wire = wire
        far.note()
        out: list[tuple[Submission, Answer]] = []
        try:
            for part in batch:
                answer = far.answer(part)
                if answer is Play.SKIP or not wire.may_write():
                    continue
                if isinstance(answer, Receipt) and answer.kind is ReceiptKind.CHANNEL_DOWN:
                    wire.settle(part.id, part.part, answer)
                    continue
                key = part.previous_key or f"{part.id}.{part.part}.{part.attempt}".encode()
                wire.writing(part.id, part.part, key)
                far.receive(part, key)
                out.append((part, answer))
            await far.pause()
            for part, answer in out:
                await self._play(part, answer, wire)
        finally:
            for part, _ in out:
                far.answered(part)

    async def _play(self, part: Submission, answer: Answer, wire: Wire) -> None:
        match answer:
            case Receipt():
                wire.settle(part.id, part.part, answer)
            case Play.HANG:
                await asyncio.Event().wait()
            case Play.RAISE:
                raise RecursionError("the adapter is broken")
            case Play.CANCEL:
                raise asyncio.CancelledError
            case Play.TWICE:
                wire.settle(part.id, part.part, Receipt(ReceiptKind.SENT, carrier_id=b"first"))
                wire.settle(part.id, part.part, Receipt(ReceiptKind.PERMANENT))
                wire.settle(4711, 0, Receipt(ReceiptKind.PERMANENT))
            case Play.SKIP | Play.SILENT:
                pass


class EngineRig:
    """A store, an engine, and one scripted channel or several, open together.

    Args:
        folder: For the store and the recorders; the same folder again is a restart.
        fars: The far side of each channel, by name; alone it is `sms`.
        limits: Of the engine; short pauses unless given.
        clock: The machine's unless given.
        connections: Slots of every channel.
        store: Another store than one of SQLite in `folder`; not opened or closed here.

    Attributes:
        store: Open.
        engine: Open.
    """

    def __init__(
        self,
        folder: Path,
        fars: FarSide | dict[str, FarSide],
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        connections: int = 1,
        store: Store | None = None,
        first_id: int = 1001,
    ) -> None:
        self.clock = clock or SystemClock()
        self._own = SqliteStore(folder / "fz.db", self.clock, make_vault) if store is None else None
        chosen = store or self._own
        assert chosen is not None  # noqa: S101  one of the two
        self.store: Store = chosen
        channels = {"sms": fars} if isinstance(fars, FarSide) else fars
        self.engine = Engine(
            self.store,
            folder,
            [ChannelSpec(name, "test", far.make, connections) for name, far in channels.items()],
            limits
            or Limits(
                unknown_wait_ms=50,
                retry_base_ms=10,
                retry_cap_ms=40,
                down_pause_ms=10,
                throttle_ms=(5, 10),
            ),
            self.clock,
            Random(0),  # noqa: S311  jitter that repeats
        )
        self.parcels = Parcels(self.clock, next(iter(channels)), first_id)

    async def __aenter__(self) -> Self:
        if self._own is not None:
            await self._own.open()
        try:
            await self.engine.open()
        except BaseException:
            await self._close_store()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.engine.close()
        finally:
            await self._close_store()

    async def _close_store(self) -> None:
        if self._own is not None:
            await self._own.close()

    async def accept(
        self, count: int = 1, *, at_once: bool = False, **kinds: Unpack[Kinds]
    ) -> list[int]:
        """Accept messages, and tell the engine; returns their ids.

        Args:
            count: How many.
            at_once: The acceptance claims them.
            kinds: As `Parcels.accept` takes them.
        """
        acceptance = self.parcels.accept(count, **kinds)
        channel = acceptance.messages[0].channel
        if at_once:
            kinds["claim"] = self.engine.lease_for(channel)
            acceptance = self.parcels.accept(count, **kinds)
        committed = await self.store.commit(ChangeSet(accepts=(acceptance,)))
        self.engine.hand_over(committed.accepted[0].claimed)
        self.engine.poke([channel])
        return [message.id for message in acceptance.messages]

    async def until(self, is_so: Callable[[], bool], *, timeout: float = 5.0) -> None:  # noqa: ASYNC109  a test's patience
        """Wait for something about the engine; it is asked every few milliseconds."""
        async with asyncio.timeout(timeout):
            while not is_so():
                await self.engine.changed(self.engine.changes, 0.005)

    async def fate(self, id_: int, *words: str, timeout: float = 5.0) -> Outcome:  # noqa: ASYNC109  a test's patience
        """Wait until a message's word is one of these; returns its fate.

        Raises:
            TimeoutError: It is another one after `timeout` seconds; the text tells which.
        """
        found: Outcome | None = None
        try:
            async with asyncio.timeout(timeout):
                while True:
                    seen = self.engine.changes
                    found = await self.store.outcome(id_)
                    if found is not None and found.word in words:
                        return found
                    await self.engine.changed(seen, 0.2)
        except TimeoutError:
            raise TimeoutError(f"{id_} is {found}, not one of {words}") from None

    async def fates(self, ids: Sequence[int], *words: str) -> list[Outcome]:
        """Wait for each of several messages."""
        return [await self.fate(id_, *words) for id_ in ids]
