"""What is known of some parts, moved forward by what their channel says, written back at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fzalert.store.records import (
    PartState,
)
from fzalert.store.sqlite.books import Books
from fzalert.store.sqlite.rows import RANK, REPORT_STATE, padded

Key = tuple[int, int]

REPORTS_COME_MS = 7 * 86_400_000
"""Carriers give their ids out again: a report means no part that went out longer ago than this."""
_DELIVERED = int(PartState.DELIVERED)
_SHOWN = RANK["shown"]
_NEW = {word: int(state) for word, state in REPORT_STATE.items()}
_COLUMNS = "f.id, f.part, f.lane, f.state, f.rank, f.proof, f.resend_due, f.channel, f.word"


class _Fate:
    """One part's row, as it will be written."""

    __slots__ = (
        "channel",
        "code",
        "detail",
        "duration",
        "lane",
        "proof",
        "rank",
        "resend_due",
        "state",
        "word",
    )

    def __init__(
        self,
        lane: int,
        state: int,
        rank: int,
        proof: int,
        resend_due: int | None,
        channel: int,
        word: str,
    ) -> None:
        self.lane = lane
        self.state = state
        self.rank = rank
        self.proof = proof
        self.resend_due = resend_due
        self.channel = channel
        self.word = word
        self.code = ""
        self.detail = ""
        self.duration = 0


class Fates:
    """The fates of the parts that a batch of reports speaks of."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._known: dict[Key, _Fate] = {}
        self._by_carrier: dict[bytes, Key] = {}
        self._changed: dict[Key, _Fate] = {}
        self._cancelled: list[tuple[int, int, int, int, int]] = []

    def load(self, keys: Iterable[Key]) -> None:
        """Read parts by their own keys; those that are not there stay unknown."""
        for values, marks in padded(list(keys), 2):
            rows = self._books.db.execute(
                f"WITH k(id, part) AS (VALUES {marks}) SELECT {_COLUMNS}"  # noqa: S608  question marks only
                " FROM k CROSS JOIN flight f ON f.id = k.id AND f.part = k.part",
                values,
            )
            for id_, part, *rest in rows:
                self._know((id_, part), _Fate(*rest))

    def load_by_carrier(self, ids: Sequence[bytes]) -> None:
        """Read recent parts by their carrier's ids; where one repeats, the newest part is meant."""
        for values, marks in padded([(id_,) for id_ in ids], 1):
            rows = self._books.db.execute(
                f"WITH k(c) AS (VALUES {marks}) SELECT f.carrier_id, {_COLUMNS}"  # noqa: S608  question marks only
                " FROM k CROSS JOIN flight f ON f.channel = ? AND f.carrier_id = k.c"
                " WHERE f.claimed_at > ? ORDER BY f.claimed_at, f.id",
                [*values, self._books.channel, self._books.now - REPORTS_COME_MS],
            )
            for carrier_id, id_, part, *rest in rows:
                self._by_carrier[carrier_id] = (id_, part)
                self._know((id_, part), _Fate(*rest))

    def _know(self, key: Key, as_stored: _Fate) -> None:
        """What was moved and is not written yet is newer than what is stored."""
        self._known.setdefault(key, as_stored)

    def key_of(self, carrier_id: bytes) -> Key | None:
        """The part that a carrier's id means."""
        return self._by_carrier.get(carrier_id)

    def apply(self, key: Key, word: str, code: str, proof: int, duration: int, detail: str) -> None:
        """Move a part by one report; a word that does not go further changes nothing."""
        fate = self._known.get(key)
        new = _NEW[word]
        if fate is None and new == _DELIVERED and self._out_of_queue(key):
            # It was about to be submitted again, and has arrived already.
            fate = self._known[key]
        if fate is None:
            return
        rank = RANK[word]
        if rank > fate.rank:
            if fate.state == _DELIVERED and fate.rank >= _SHOWN:
                new = _DELIVERED  # what a person may have seen is never unseen
            fate.word, fate.rank = word, rank
        elif proof > fate.proof and new == _DELIVERED:
            new = fate.state  # the word stays, and is better proved
        else:
            return
        books = self._books
        books.move(fate.channel, fate.lane, fate.state, new)
        fate.state, fate.code, fate.detail = new, code, detail
        fate.proof = max(fate.proof, proof)
        fate.duration = max(fate.duration, duration)
        if fate.resend_due is not None:
            self._cancelled.append((fate.channel, fate.lane, fate.resend_due, *key))
            fate.resend_due = None
        self._changed[key] = fate
        books.tell("report", *key, word, code, proof, fate.channel, duration)

    def write(self) -> None:
        """Write what changed."""
        now = self._books.now
        self._books.db.executemany(
            "UPDATE flight SET state = ?, word = ?, rank = ?, code = ?, detail = ?, proof = ?,"
            " duration = max(duration, ?), changed_at = ?, resend_due = NULL"
            " WHERE id = ? AND part = ?",
            [
                (f.state, f.word, f.rank, f.code, f.detail, f.proof, f.duration, now, *key)
                for key, f in self._changed.items()
            ],
        )
        self._books.db.executemany(
            "DELETE FROM queue WHERE channel = ? AND lane = ? AND due_at = ? AND id = ?"
            " AND part = ?",
            self._cancelled,
        )

    def _out_of_queue(self, key: Key) -> bool:
        """Take a part out of the queue, as if it were claimed; whether it was there."""
        books = self._books
        db = books.db
        # The queue is ordered by due time, so this reads all of it: only for messages that exist.
        if db.execute("SELECT 1 FROM message WHERE id = ?", key[:1]).fetchone() is None:
            return False
        row = db.execute(
            "DELETE FROM queue WHERE id = ? AND part = ? RETURNING channel, lane, attempt", key
        ).fetchone()
        if row is None:
            return False
        channel, lane, attempt = row
        claimed = int(PartState.CLAIMED)
        lease = books.lease
        db.execute(
            "INSERT INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, channel, lease.slot, lease.epoch, lane, attempt, books.now, claimed),
        )
        books.move(channel, lane, PartState.QUEUED, claimed)
        self._known[key] = _Fate(lane, claimed, 0, 0, None, channel, "")
        return True
