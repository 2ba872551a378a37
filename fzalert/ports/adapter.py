"""The adapter: what the engine asks of every channel, and what it gives in return.

An instance is one slot: one connection, one wire, one recorder, one lease, one share of the rate.
An adapter never retries a submission, never schedules, never logs per message. What it cannot do
it refuses (a permanent receipt); it never drops.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, NamedTuple, Protocol, Self, runtime_checkable

from fzalert.messages import (
    Appended,
    Coding,
    Lane,
    LateReceipt,
    Receipt,
    Rendition,
    RenditionKind,
    ReportKind,
    Target,
    TargetKind,
)
from fzalert.ports.context import AdapterContext
from fzalert.ports.mounted import Route
from fzalert.ports.settings import ChannelConfig


class Submission(NamedTuple):
    """One part to deliver.

    Attributes:
        id: The message.
        part: Part number, from 0.
        lane: Urgent or bulk.
        target: The addressee.
        rendition: What to deliver; for SMS the adapter sends `rendition.parts[part]`.
        not_after: Worthless from here on, milliseconds since the epoch.
        attempt: 1 for the first attempt.
        previous_key: The wire key of the attempt before, or empty; a protocol that resends by the
            same sequence or idempotency key uses it again.
    """

    id: int
    part: int
    lane: Lane
    target: Target
    rendition: Rendition
    not_after: int
    attempt: int = 1
    previous_key: bytes = b""


class Wire(Protocol):
    """What stands between an adapter and its line: the flight recorder and the lease.

    For every part, in this order: `may_write()`, `writing()`, the bytes, `settle()`. When `submit`
    returns or raises, a part neither written nor settled goes back to the queue, and a part
    written and not settled is unknown.
    """

    def may_write(self) -> bool:
        """Whether this slot still holds its lease; ask before every buffer that leaves."""
        ...

    def writing(self, id: int, part: int, key: bytes) -> None:
        """Put the intent into the recorder, before the bytes leave.

        Args:
            id: The message.
            part: Its part.
            key: What names this attempt on the wire: a sequence, an idempotency key; at most 36
                bytes are kept.
        """
        ...

    def settle(self, id: int, part: int, receipt: Receipt) -> None:
        """Give the answer, exactly once for each part of the batch."""
        ...


@dataclass(frozen=True, slots=True)
class InboundBatch:
    """What arrived; `acknowledge` runs once it is on disk, and only then.

    Attributes:
        rows: Reports, uplinks, late receipts, answers, in their order of arrival.
        acknowledge: Called after the commit; answers the far side (a DELIVER_RESP, an HTTP 200).
            It must not block and must not raise.
    """

    rows: tuple[Appended, ...]
    acknowledge: Callable[[], None]


@dataclass(frozen=True, slots=True)
class TextProfile:
    """What a short-message channel does to a text, so that parts are cut for what really travels.

    Attributes:
        coding: The coding asked for. A text that does not fit ASCII or GSM 7-bit goes as UCS-2
            as a whole.
        signature: Put in front within 【】, by us; empty where there is none.
        signatures: All that are registered for the account; a campaign may choose one of them.
        gateway_adds: Characters that the gateway itself adds; reserved in the first part.
        opt_out: Put at the end, by us; empty where there is none.
        max_parts: A text of more parts is refused.
        whole: The gateway cuts long texts itself: a text travels as one part, whatever its length.
    """

    coding: Coding = Coding.UCS2
    signature: str = ""
    gateway_adds: int = 0
    opt_out: str = ""
    max_parts: int = 4
    whole: bool = False
    signatures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do, known from its settings alone, before it is open.

    Attributes:
        kinds: Kinds of target that it serves.
        rendition: The kind of rendition that it takes.
        addresses: The addresses that it serves (screens, speakers); None serves any of its kinds.
        window: Parts that may be out and unanswered at once.
        per_target: Parts to one target that may be out at once; None sets no limit.
        rate: Parts a second that the far side allows; None sets no limit.
        idempotent_key: Whether the same key twice has one effect at the far side, promised.
        reports: The reports that may follow; empty means that `sent` is the channel's last word.
        submit_timeout: Seconds after which an unanswered part is given up as unknown.
        text: How short messages are cut; None for other renditions.
        submits: How many `submit` of one lane may run at once. One is right where a batch is over
            quickly; where an answer takes a round trip, each further one fills what is free of the
            window meanwhile.
        key_is_id: Whether a report names a part by its wire key, so that it finds the part even
            where no answer came.
    """

    kinds: frozenset[TargetKind]
    rendition: RenditionKind
    addresses: frozenset[str] | None = None
    window: int = 1
    per_target: int | None = None
    rate: float | None = None
    idempotent_key: bool = False
    reports: frozenset[ReportKind] = frozenset()
    submit_timeout: float = 60.0
    text: TextProfile | None = None
    submits: int = 1
    key_is_id: bool = False


class HealthState(enum.StrEnum):
    """One word for a channel; pages add a sign to it, never colour alone."""

    UP = "up"
    SLOW = "slow"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Health:
    """How a channel is now.

    Attributes:
        state: One word.
        detail: Since when, why, and what happens next; no secret, no personal data.
        latency_ms: A recent round trip, or None.
        figures: Numbers worth a line on the status page.
    """

    state: HealthState
    detail: str = ""
    latency_ms: float | None = None
    figures: tuple[tuple[str, int | float | str], ...] = ()


class Adapter(Protocol):
    """The one contract: `async with adapter(config, context)`, submit, inbound, health.

    `__aenter__` returns at once or when the line is usable, and never later than the settings'
    own limit; a line that is down is retried in the background (with tenacity) and shown by
    `health()`. `__aexit__` drains within its limit.
    """

    Config: ClassVar[type[ChannelConfig]]

    @property
    def capabilities(self) -> Capabilities:
        """Known from the settings alone; may be read before `__aenter__`."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        """Deliver a batch of one lane; every part is settled through `wire`.

        The engine runs at most `capabilities.submits` of a lane at a time, one unless the adapter
        says more, so both lanes may be inside at once.
        """
        ...

    def inbound(self) -> AsyncIterator[InboundBatch]:
        """What comes back, until the adapter closes. Read by one task for its whole life."""
        ...

    async def health(self) -> Health:
        """How the line is now; cheap, never dials."""
        ...


class AdapterFactory(Protocol):
    """A class that makes adapters: what the entry point names."""

    Config: ClassVar[type[ChannelConfig]]

    def __call__(self, config: ChannelConfig, context: AdapterContext) -> Adapter:
        """Make one slot; opens nothing."""
        ...


@runtime_checkable
class Withdraws(Protocol):
    """Can take back what it shows or still holds."""

    async def withdraw(self, submissions: Sequence[tuple[int, int]]) -> None:
        """Take back parts by (id, part); an unknown one is success. Reports `withdrawn`."""
        ...


@runtime_checkable
class Previews(Protocol):
    """Can show exactly what would be delivered, without touching the device."""

    async def preview(self, rendition: Rendition, target: Target) -> tuple[str, bytes]:
        """Return media type and bytes."""
        ...


@runtime_checkable
class Snapshots(Protocol):
    """Can tell what the device shows right now."""

    async def snapshot(self, target: Target) -> tuple[str, bytes] | None:
        """Return media type and bytes, or None where the device cannot say."""
        ...


@runtime_checkable
class KeepsState(Protocol):
    """Delivers a state, not a queue: submitted again after a crash, never unknown."""

    keeps_state: ClassVar[bool]


@runtime_checkable
class ResolvesUnknown(Protocol):
    """Can ask the far side what became of a part whose answer was lost."""

    async def resolve_unknown(self, keys: Sequence[tuple[int, int, bytes]]) -> list[LateReceipt]:
        """Ask by (id, part, wire key); leave out what the far side does not know either."""
        ...


@runtime_checkable
class Mounted(Protocol):
    """Brings routes that the daemon serves under `/channels/<name>/`."""

    def routes(self) -> Sequence[Route]:
        """The routes; read once, after `__aenter__`."""
        ...
