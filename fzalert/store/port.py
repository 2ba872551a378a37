"""The store port: what the rest of the library asks of a database.

One call changes things (`commit`), one moves messages (`tick`); each is one transaction, and
several that wait share one disk sync. Everything else reads.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fzalert.errors import FzalertError
from fzalert.evidence import Json
from fzalert.messages import (
    Answer,
    DeliveryReport,
    FeedRow,
    Lane,
    LateReceipt,
    Outcome,
    Proof,
    Rendition,
    Target,
    Uplink,
    Warning,
)
from fzalert.ports import Submission


class PartState(enum.IntEnum):
    """Where one part is. Counters hold how many parts are in each state now."""

    QUEUED = 0
    CLAIMED = 1
    SENT = 2
    DELIVERED = 3
    FAILED = 4
    EXPIRED = 5
    UNKNOWN = 6
    SUPPRESSED = 7
    WITHDRAWN = 8


class Flag(enum.IntFlag):
    """What happened to a part before its present attempt."""

    NONE = 0
    RESENT = 1
    """It was resent once after an unknown; a second unknown is held."""


class Vault(Protocol):
    """Encrypts personal columns and makes their blind index."""

    def encrypt(self, column: str, row: str, plain: bytes) -> bytes:
        """Encrypt one field; `column` (table.column) and `row` are bound to the blob."""
        ...

    def decrypt(self, column: str, row: str, blob: bytes) -> bytes:
        """Decrypt one field; raises IntegrityError for any altered or moved blob."""
        ...

    def blind_index(self, value: str) -> bytes:
        """Sixteen bytes that are equal for equal values, and tell nothing without the key."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use one connection of one channel.

    Attributes:
        channel: The channel's name.
        channel_id: Its number in the store.
        slot: Which connection.
        owner: Who holds it.
        epoch: Grows at every change of owner; every tick checks it.
    """

    channel: str
    channel_id: int
    slot: int
    owner: str
    epoch: int


class NewMessage(NamedTuple):
    """One rendition to one target, as it is accepted.

    Attributes:
        id: The message.
        channel: Name of the channel that will carry it.
        target: The addressee.
        body: Which of the acceptance's bodies it carries.
        parts: How many parts it is made of.
        due_at: Earliest sending, milliseconds.
        claim: The lease that claims it in the same commit; None queues it.
        refused: Set where it is suppressed instead: the reason, a word.
    """

    id: int
    channel: str
    target: Target
    body: int
    parts: int
    due_at: int
    claim: Lease | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Messages of one warning.

    Attributes:
        warning: The decision; for a campaign's later batches the one that is already stored.
        key_hash: SHA-256 of what the key stands for; the same key with another is refused.
        bodies: The renditions, each once.
        messages: The messages.
        new: False where the warning is stored already.
    """

    warning: Warning
    key_hash: bytes
    bodies: tuple[Rendition, ...]
    messages: Sequence[NewMessage]
    new: bool = True


class Event(NamedTuple):
    """One event of a stream (a case, a script's approvals)."""

    name: str
    body: bytes
    by: str


class Deadline(NamedTuple):
    """A command that falls due; `due_at` None removes it."""

    owner: str
    name: str
    due_at: int | None
    body: bytes = b""


class EvidenceEntry(NamedTuple):
    """One record for a chain; the store adds sequence, time and hash.

    Attributes:
        chain: Name of the chain; `store` becomes the store's chain of the day.
        who: The actor's id.
        what: Dotted name of the act.
        facts: JSON values without floats and without personal data in clear.
    """

    chain: str
    who: str
    what: str
    facts: Mapping[str, Json]


class EvidenceRow(NamedTuple):
    """One stored record."""

    chain: str
    seq: int
    at: int
    body: bytes
    hash: bytes


class StateRow(NamedTuple):
    """One row of somebody's own state; value None deletes it."""

    namespace: str
    key: str
    value: bytes | None


class UserRow(NamedTuple):
    """One user, as stored."""

    name: str
    display: str
    roles: str
    token_hash: bytes
    created_ms: int
    disabled: bool = False
    drill: bool = False


class CampaignRow(NamedTuple):
    """One campaign: its audience, how far the feeder is, and what it carries."""

    id: int
    name: str
    warning: int
    state: str
    cursor: int
    total: int
    created: int
    document: bytes


class AudienceRow(NamedTuple):
    """One recipient of a campaign."""

    row: int
    target: Target
    tags: str


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What belongs together: all of it is committed, or none.

    Attributes:
        events: Appended to `stream`.
        stream: The stream's name, where there are events.
        expected_version: The stream's version before; another one refuses the whole set.
        accepts: Messages to deliver.
        deadlines: Set or removed.
        evidence: Appended to their chains.
        state: Rows of adapters, feeders, consumers.
        users: Inserted or replaced.
        campaigns: Inserted or replaced.
        audience: Recipients added to a campaign; a target that is there already is left out.
        suppress: Targets that are not to be written to again, each with the reason.
        withdraw: Messages whose queued parts are taken back.
    """

    events: tuple[Event, ...] = ()
    stream: str = ""
    expected_version: int = 0
    accepts: tuple[Acceptance, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    evidence: tuple[EvidenceEntry, ...] = ()
    state: tuple[StateRow, ...] = ()
    users: tuple[UserRow, ...] = ()
    campaigns: tuple[CampaignRow, ...] = ()
    audience: tuple[tuple[int, Sequence[AudienceRow]], ...] = ()
    suppress: tuple[tuple[Target, str], ...] = ()
    withdraw: tuple[int, ...] = ()


class Accepted(NamedTuple):
    """The answer for one acceptance.

    Attributes:
        warning: Id of the warning that stands: the given one, or the earlier one of the same key.
        existing: True where the key was used before with the same body; nothing was added.
        claimed: Parts that the commit claimed, ready to be handed over.
    """

    warning: int
    existing: bool
    claimed: tuple[Claimed, ...]


class Claimed(NamedTuple):
    """One claimed part, with what the engine must remember of it."""

    submission: Submission
    channel: str
    slot: int
    flags: Flag


class Committed(NamedTuple):
    """The answer to `commit`.

    Attributes:
        accepted: One for each acceptance, in order.
        added: How many audience rows were new, in all.
        seq: The feed's newest position.
    """

    accepted: tuple[Accepted, ...]
    added: int
    seq: int


class Requeue(NamedTuple):
    """Back to the queue.

    Attributes:
        channel: Which channel's queue.
        due_at: When it may be claimed.
        attempt: Number of the attempt to come.
        flags: Kept with it.
        wire_key: The key of the attempt before.
    """

    channel: str
    due_at: int
    attempt: int
    flags: Flag = Flag.NONE
    wire_key: bytes = b""


class ResultRow(NamedTuple):
    """What the engine decided about one settled part.

    Attributes:
        id: The message.
        part: Its part.
        state: The part's state from now on.
        word: Receipt kind, or `expired`, `requeued`.
        code: The far side's code.
        detail: For people.
        carrier_id: The far side's id, where it took the part.
        proof: What is proved.
        wire_key: What the attempt was called on the wire.
        requeue: Where it goes next; with state UNKNOWN the fate stays readable meanwhile.
    """

    id: int
    part: int
    state: PartState
    word: str
    code: str = ""
    detail: str = ""
    carrier_id: bytes = b""
    proof: Proof = Proof.NONE
    wire_key: bytes = b""
    requeue: Requeue | None = None
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class TickInput:
    """One batch of work for one slot.

    Attributes:
        results: Settled parts.
        reports: Reports, uplinks and answers, in their order of arrival.
        late: Receipts that replace an unknown, once; the state they lead to beside them.
        change_sets: Merged into the same transaction, a savepoint each.
        want: How many parts to claim, by lane; urgent is served first.
    """

    results: Sequence[ResultRow] = ()
    reports: Sequence[DeliveryReport | Uplink | Answer] = ()
    late: Sequence[tuple[LateReceipt, ResultRow]] = ()
    change_sets: Sequence[ChangeSet] = ()
    want: Mapping[Lane, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TickOutput:
    """The answer to `tick`, once it is on disk.

    Attributes:
        claimed: Parts to hand over, urgent first.
        touched: Messages whose fate changed.
        expired: How many parts were too late and were not sent.
        orphans: Reports that matched nothing yet.
        waiting: Whether the queue has more that is due.
        next_due: When the next queued part falls due, milliseconds, or None.
        changed: For each change set what `commit` would have returned or raised, in order.
    """

    claimed: tuple[Claimed, ...]
    touched: tuple[int, ...]
    expired: int
    orphans: int
    waiting: bool
    next_due: int | None
    changed: tuple[Committed | FzalertError, ...] = ()


class OpenPart(NamedTuple):
    """A part that was claimed and has no result: what a restart finds."""

    submission: Submission
    flags: Flag


class CounterRow(NamedTuple):
    """How many parts of a channel and lane are in one state."""

    channel: str
    lane: Lane
    state: PartState
    n: int


class WarningRow(NamedTuple):
    """One stored warning, without its targets."""

    id: int
    script: str
    language: str
    lane: Lane
    not_before: int
    not_after: int
    key: str
    by: str
    drill: bool
    created: int


class MessageRow(NamedTuple):
    """One stored message, its address readable."""

    id: int
    warning: int
    channel: str
    lane: Lane
    target: Target
    not_after: int
    parts: int


class Store(Protocol):
    """What every store can do; one contract suite runs over all of them."""

    store_id: str

    async def open(self) -> None:
        """Lock, check, migrate, start.

        Raises:
            StoreInUse: Another process owns it.
            StoreDamaged: The integrity check failed.
        """
        ...

    async def close(self) -> None:
        """Finish what was taken, checkpoint, unlock."""
        ...

    async def commit(self, changes: ChangeSet) -> Committed:
        """Write one change set; returns when it is on disk.

        Raises:
            DuplicateKey: An idempotency key stands for another body.
            StoreError: A version moved, or the disk refuses; nothing of the set is written.
        """
        ...

    async def tick(self, lease: Lease, work: TickInput) -> TickOutput:
        """Move one slot forward: results, late receipts, reports, change sets, claims.

        Raises:
            LeaseLost: The lease's epoch is no longer the stored one; nothing is written.
            InputError: A row cannot be stored as it is; nothing is written.
            StoreError: The disk refuses; nothing is written.
        """
        ...

    async def recover(self, lease: Lease) -> list[OpenPart]:
        """The parts of the slot that are claimed and not settled."""
        ...

    async def acquire(self, channel: str, slot: int, owner: str, ttl: float) -> Lease | None:
        """Take a slot whose lease is free; None while somebody else holds it."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give a slot back at once."""
        ...

    async def outcomes(self, warning: int, most: int = 1000) -> list[Outcome]:
        """The fate of each message of a warning, of the first `most` of them."""
        ...

    async def outcome(self, message: int) -> Outcome | None:
        """The fate of one message."""
        ...

    async def warning(self, warning: int) -> WarningRow | None:
        """One warning."""
        ...

    async def warnings(self, limit: int, before: int | None = None) -> list[WarningRow]:
        """Warnings, newest first, from an id downward."""
        ...

    async def feed(self, after: int, limit: int) -> list[FeedRow]:
        """The outcome feed from a cursor on."""
        ...

    async def counters(self) -> list[CounterRow]:
        """How many parts are in each state; kept by the ticks, never counted."""
        ...

    async def orphans(self) -> int:
        """How many reports match nothing."""
        ...

    async def state(self, namespace: str, prefix: str = "") -> list[tuple[str, bytes]]:
        """Rows of one namespace, by key."""
        ...

    async def events(self, stream: str) -> list[tuple[int, int, Event]]:
        """Version, time and event of a stream, in order."""
        ...

    async def users(self) -> list[UserRow]:
        """Every user."""
        ...

    async def evidence(self, chain: str) -> list[EvidenceRow]:
        """One chain, whole."""
        ...

    async def chains(self) -> list[tuple[str, int, bytes]]:
        """Name, length and head of every chain."""
        ...

    async def suppressed(self, targets: Sequence[Target]) -> dict[Target, str]:
        """Which of the targets may not be written to, and why."""
        ...

    async def contacts(
        self, targets: Sequence[Target], lane: Lane, since: int
    ) -> dict[Target, int]:
        """How many messages of a lane each target was given since a time."""
        ...

    async def campaigns(self) -> list[CampaignRow]:
        """Every campaign."""
        ...

    async def audience(self, campaign: int, after: int, limit: int) -> list[AudienceRow]:
        """Recipients after a row, in order."""
        ...

    async def queued(self, channel: str, lane: Lane) -> int:
        """How many parts wait in one queue, from the counters."""
        ...
