"""The store port: what the rest of the library asks of a database.

One call changes things (`commit`), one moves messages (`tick`); each is one transaction, and
several that wait share one disk sync. Everything else reads. The data stands in `records`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fzalert.messages import (
    FeedRow,
    Lane,
    Outcome,
    Target,
)
from fzalert.store.records import (
    AudienceRow,
    CampaignRow,
    ChangeSet,
    Committed,
    CounterRow,
    Deadline,
    Event,
    EvidenceRow,
    Lease,
    OpenPart,
    OptOutRow,
    TickInput,
    TickOutput,
    UserRow,
    WarningRow,
)
from fzalert.store.settling import UnknownQuery, UnknownRow


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
        """The parts of the slot that are claimed and not settled.

        Raises:
            LeaseLost: Another owner holds the slot: what is claimed there is no longer this one's.
        """
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

    async def deadlines(self, until: int, limit: int) -> list[Deadline]:
        """The deadlines that fall due up to a time in milliseconds, soonest first."""
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

    async def ends(self, before: int) -> list[tuple[str, int, bytes]]:
        """Name, last number and hash of every chain as it was before a moment in milliseconds."""
        ...

    async def suppressed(self, targets: Sequence[Target]) -> dict[Target, str]:
        """Which of the targets may not be written to, and why."""
        ...

    async def opt_outs(self, before: int, limit: int) -> list[OptOutRow]:
        """Who opted out, the newest first, from a number downward; 0 begins."""
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

    async def unknowns(self, query: UnknownQuery) -> tuple[list[UnknownRow], int]:
        """A page of messages whose fate is unknown, the longest first, and how many in all."""
        ...

    async def purge(self, before: int, limit: int) -> int:
        """Remove what ended before a moment, a piece at a time; never evidence, or what waits.

        Returns:
            How many rows were removed; 0 once there is nothing left.
        """
        ...

    async def queued(self, channel: str, lane: Lane) -> int:
        """How many parts wait in one queue, from the counters."""
        ...
