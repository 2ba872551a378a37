"""What goes into a store and comes out of it: plain frozen data."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fzalert.errors import FzalertError
from fzalert.evidence import Json
from fzalert.messages import (
    Answer,
    DeliveryReport,
    Lane,
    LateReceipt,
    Proof,
    Rendition,
    Target,
    Uplink,
    Warning,
)
from fzalert.ports import Submission
from fzalert.store.settling import Settled, Settlement


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
    UNSURE = 2
    """An attempt before may have been taken, and it is sent again under the same key: where that
    comes to nothing, its fate is unknown, and no other channel may carry it."""


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


class Fallback(NamedTuple):
    """What one text becomes on another channel.

    Attributes:
        body: Which of the acceptance's bodies.
        channel: The channel that has it.
        to: The channel that it may move to.
        to_body: The body there; None where it cannot be carried there.
        parts: How many parts that has.
    """

    body: int
    channel: str
    to: str
    to_body: int | None
    parts: int


class Move(NamedTuple):
    """What waits on one channel is to move to another, where its time is short.

    Attributes:
        channel: Where it waits.
        to: Where it goes.
        lane: Which lane.
        limit: How many parts at most.
        as_is: Whether the other channel takes the very same texts.
    """

    channel: str
    to: str
    lane: Lane
    limit: int
    as_is: bool = True


class Cap(NamedTuple):
    """How many messages of a lane a person may be given since a time.

    Attributes:
        since: Milliseconds since the epoch; counted by the hour.
        most: So many.
        span: A word for people: hour, day.
    """

    since: int
    most: int
    span: str

    def reason(self, number: int, lane: Lane) -> str:
        """Why somebody is not written to who was given so many."""
        return f"{number} {lane} messages this {self.span} already"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Messages of one warning.

    Attributes:
        warning: The decision; for a campaign's later batches the one that is already stored.
        key_hash: SHA-256 of what the key stands for; the same key with another is refused.
        bodies: The renditions, each once.
        messages: The messages.
        new: False where the warning is stored already.
        fallbacks: What the bodies become on other channels.
        caps: How often a person may be written to; the commit suppresses what goes beyond.
    """

    warning: Warning
    key_hash: bytes
    bodies: tuple[Rendition, ...]
    messages: Sequence[NewMessage]
    new: bool = True
    fallbacks: tuple[Fallback, ...] = ()
    caps: tuple[Cap, ...] = ()


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


class OptOutRow(NamedTuple):
    """One person who is not to be written to in bulk.

    Attributes:
        seq: Its number in the list.
        target: Who; None for a row of a version that kept no address.
        reason: Why.
        at: Since when, milliseconds.
    """

    seq: int
    target: Target | None
    reason: str
    at: int


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
        moves: What waits on channels that are down, to be moved.
        restore: Targets whose opt-out is taken back.
        settle: Unknown fates that a person settles; the store puts on record what changed.
        sooner: Milliseconds by which everything that waits for a later time is brought nearer:
            the wall clock was set back, and what waits was counted by the old one.
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
    moves: tuple[Move, ...] = ()
    restore: tuple[Target, ...] = ()
    settle: tuple[Settlement, ...] = ()
    sooner: int = 0

    @property
    def is_intake(self) -> bool:
        """Whether it brings something new to be sent; a full disk takes none of it."""
        return bool(self.accepts or self.audience)


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
        settled: What became of each message of the settlements.
        opted_out: How many targets of `suppress` are new.
        opted_in: How many targets of `restore` had opted out.
        moved: How many messages moved to another channel.
    """

    accepted: tuple[Accepted, ...]
    added: int
    seq: int
    settled: tuple[Settled, ...] = ()
    opted_out: int = 0
    opted_in: int = 0
    moved: int = 0


class Requeue(NamedTuple):
    """Back to the queue.

    Attributes:
        channel: Which channel's queue.
        due_at: When it may be claimed.
        attempt: Number of the attempt to come.
        flags: Kept with it.
        wire_key: The key of the attempt before.
        as_is: Whether another channel takes the very same text.
    """

    channel: str
    due_at: int
    attempt: int
    flags: Flag = Flag.NONE
    wire_key: bytes = b""
    as_is: bool = True


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
        dues: When the next queued part of each lane falls due, milliseconds; a lane with nothing
            queued is not there.
        changed: For each change set what `commit` would have returned or raised, in order.
    """

    claimed: tuple[Claimed, ...]
    touched: tuple[int, ...]
    expired: int
    orphans: int
    waiting: bool
    dues: Mapping[Lane, int]
    changed: tuple[Committed | FzalertError, ...] = ()

    @property
    def next_due(self) -> int | None:
        """When the next queued part falls due, milliseconds, or None."""
        return min(self.dues.values(), default=None)


class OpenPart(NamedTuple):
    """A part that was claimed and has no result: what a restart finds.

    Attributes:
        submission: As it was claimed.
        flags: What happened to it before.
        epoch: Of the lease that it was claimed under.
    """

    submission: Submission
    flags: Flag
    epoch: int


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
