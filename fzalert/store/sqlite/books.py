"""The books of one tick: counters, feed rows and touched messages, written at its end.

Made, used and thrown away inside the writer thread.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from fzalert.store.port import Vault
from fzalert.store.records import (
    EvidenceEntry,
    Lease,
    PartState,
)
from fzalert.store.sqlite.changes import append_evidence
from fzalert.store.sqlite.rows import FeedTuple, Moves, count, padded, write_feed


class Part(NamedTuple):
    """What the flight table knows of a part."""

    lane: int
    state: int
    channel: int
    slot: int
    flags: int


class Books:
    """What a tick knows and what it has to write down.

    Args:
        db: The writing connection, inside a transaction.
        vault: Encrypts personal columns.
        lease: The slot that ticks.
        now: Milliseconds since the epoch; one moment for the whole tick.
    """

    def __init__(self, db: sqlite3.Connection, vault: Vault, lease: Lease, now: int) -> None:
        self.db = db
        self.vault = vault
        self.lease = lease
        self.channel = lease.channel_id
        self.now = now
        self.moves: Moves = Moves()
        self.touched: dict[int, None] = {}
        self.expired = 0
        self.orphans = 0
        self._feed: list[FeedTuple] = []

    def move(
        self, channel: int, lane: int, old: PartState | int | None, new: PartState | int | None
    ) -> None:
        """Count one part from a state to another; None is no state."""
        if old is not None:
            self.moves[channel, lane, old] -= 1
        if new is not None:
            self.moves[channel, lane, new] += 1

    def tell(
        self,
        kind: str,
        id_: int,
        part: int,
        word: str,
        code: str = "",
        proof: int = 0,
        channel: int | None = None,
        duration: int = 0,
        payload: bytes | None = None,
    ) -> None:
        """Add a row to the feed and note that the message's fate changed."""
        if id_:
            self.touched[id_] = None
        where = self.channel if channel is None else channel
        self._feed.append((kind, id_, part, where, word, code, proof, self.now, duration, payload))

    def parts(self, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Part]:
        """What the flight table says of parts; one statement for a batch."""
        found: dict[tuple[int, int], Part] = {}
        for values, marks in padded(list(keys), 2):
            sql = (
                f"WITH k(id, part) AS (VALUES {marks})"  # noqa: S608  question marks only
                " SELECT f.id, f.part, f.lane, f.state, f.channel, f.slot, f.flags"
                " FROM k CROSS JOIN flight f ON f.id = k.id AND f.part = k.part"
            )
            for row in self.db.execute(sql, values):
                found[row[:2]] = Part._make(row[2:])
        return found

    def close(self) -> None:
        """Write feed, counters, and the evidence of what the tick wrote."""
        count(self.db, self.moves)
        if not self._feed:
            return
        write_feed(self.db, self._feed)
        lines = "\n".join(
            ["%s|%s|%s|%s|%s|%s|%s" % row[:7] for row in self._feed]  # noqa: UP031  half the time of an f-string
        )
        digest = hashlib.sha256(lines.encode())
        append_evidence(
            self.db,
            EvidenceEntry(
                "store",
                "engine",
                "tick",
                {
                    "channel": self.lease.channel,
                    "rows": len(self._feed),
                    "sha256": digest.hexdigest(),
                },
            ),
            self.now,
        )
