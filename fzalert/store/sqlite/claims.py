"""Claims: what is due leaves the queue, the urgent first; what is too late is not sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from fzalert.errors import IntegrityError
from fzalert.messages import Lane, Rendition
from fzalert.ports import Submission
from fzalert.store.port import Vault
from fzalert.store.records import (
    Claimed,
    Flag,
    Lease,
    OpenPart,
    PartState,
)
from fzalert.store.sqlite.books import Books
from fzalert.store.sqlite.rows import (
    LANE_CODE,
    LANE_OF,
    RANK,
    Moves,
    count,
    open_target,
    rendition_of,
)

CLAIMED = int(PartState.CLAIMED)
FLAGS = {number: Flag(number) for number in range(int(Flag.RESENT | Flag.UNSURE) + 1)}
_TOO_LATE = "its window ended before it could be sent"
_UNSURE = "its window ended, and whether an attempt before was taken is unknown"
_UNREADABLE = "it was altered in the store, or its key is gone; it cannot be sent"


def claim(books: Books, want: Mapping[Lane, int]) -> tuple[Claimed, ...]:
    """Claim up to the wanted number of each lane."""
    claimed: list[Claimed] = []
    renditions: dict[int, Rendition] = {}
    for lane in (Lane.URGENT, Lane.BULK):
        number = want.get(lane, 0)
        if number > 0:
            claimed += _claim_lane(books, lane, number, renditions)
    return tuple(claimed)


def queue_ahead(books: Books) -> dict[Lane, int]:
    """When the next part of each lane falls due, for the lanes that have one."""
    dues: dict[Lane, int] = {}
    for code, lane in LANE_OF.items():
        row = books.db.execute(
            "SELECT due_at FROM queue WHERE channel = ? AND lane = ? ORDER BY due_at LIMIT 1",
            (books.channel, code),
        ).fetchone()
        if row is not None:
            dues[lane] = row[0]
    return dues


def open_parts(db: sqlite3.Connection, vault: Vault, lease: Lease) -> list[OpenPart]:
    """What the slot's former owner claimed and never settled.

    A part that cannot be read any more is failed here, so that it holds up no restart.
    """
    rows = db.execute(
        "SELECT f.id, f.part, f.lane, f.attempt, f.flags, m.target, b.hash, b.data, m.not_after,"
        " f.wire_key, f.epoch FROM flight f"
        " JOIN message m ON m.id = f.id JOIN body b ON b.id = m.body"
        " WHERE f.channel = ? AND f.slot = ? AND f.state = 1 ORDER BY f.id, f.part",
        (lease.channel_id, lease.slot),
    ).fetchall()
    found: list[OpenPart] = []
    moves = Moves()
    for id_, part, lane, attempt, flags, target, digest, data, not_after, wire_key, epoch in rows:
        try:
            submission = Submission(
                id_,
                part,
                LANE_OF[lane],
                open_target(vault, id_, target),
                rendition_of(vault, digest, data),
                not_after,
                attempt,
                wire_key or b"",
            )
        except (IntegrityError, ValueError):
            db.execute(
                "UPDATE flight SET state = ?, word = 'failed', rank = 40, code = 'integrity',"
                " detail = ? WHERE id = ? AND part = ?",
                (PartState.FAILED, _UNREADABLE, id_, part),
            )
            moves[lease.channel_id, lane, PartState.CLAIMED] -= 1
            moves[lease.channel_id, lane, PartState.FAILED] += 1
            continue
        found.append(OpenPart(submission, FLAGS[flags], epoch))
    count(db, moves)
    return found


def _claim_lane(
    books: Books, lane: Lane, number: int, renditions: dict[int, Rendition]
) -> list[Claimed]:
    db, lease, now, code = books.db, books.lease, books.now, LANE_CODE[lane]
    # An opt-out that came after the acceptance still counts, but never against a warning to
    # somebody who is being defrauded now.
    opted_out = "NULL"
    if lane is Lane.BULK:
        opted_out = "(SELECT reason FROM suppression s WHERE s.target_index = m.target_index)"
    rows = db.execute(
        "SELECT q.due_at, q.id, q.part, q.attempt, q.flags, q.wire_key, m.target, m.body,"  # noqa: S608  a constant
        f" m.not_after, {opted_out} FROM queue q JOIN message m ON m.id = q.id"
        " WHERE q.channel = ? AND q.lane = ? AND q.due_at <= ?"
        " ORDER BY q.due_at, q.id, q.part LIMIT ?",
        (books.channel, code, now, number),
    ).fetchall()
    if not rows:
        return []
    claimed: list[Claimed] = []
    flights: list[tuple[object, ...]] = []
    for _, id_, part, attempt, flags, wire_key, sealed, body, not_after, reason in rows:
        if not_after <= now:
            books.expired += 1
            _stop(books, id_, part, code, attempt, flags, PartState.EXPIRED, "", _TOO_LATE)
            continue
        if reason is not None:
            _stop(books, id_, part, code, attempt, flags, PartState.SUPPRESSED, "", reason)
            continue
        try:
            target = open_target(books.vault, id_, sealed)
            rendition = _rendition(books, renditions, body)
        except (IntegrityError, ValueError):
            state = PartState.FAILED
            _stop(books, id_, part, code, attempt, flags, state, "integrity", _UNREADABLE)
            continue
        flights.append(
            (
                id_,
                part,
                books.channel,
                lease.slot,
                lease.epoch,
                code,
                attempt,
                flags,
                now,
                CLAIMED,
                now,
                wire_key,
            )
        )
        submission = Submission(
            id_, part, lane, target, rendition, not_after, attempt, wire_key or b""
        )
        claimed.append(Claimed(submission, lease.channel, lease.slot, FLAGS[flags]))
    # What was read is the head of the queue, so one range ends it: a statement a row costs more
    # than the claim itself.
    db.execute(
        "DELETE FROM queue WHERE channel = ? AND lane = ? AND (due_at, id, part) <= (?, ?, ?)",
        (books.channel, code, *rows[-1][:3]),
    )
    _count_claims(books, code, claimed)
    db.executemany(
        "REPLACE INTO flight (id, part, channel, slot, epoch, lane, attempt, flags,"
        " claimed_at, state, changed_at, wire_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        flights,
    )
    return claimed


def _rendition(books: Books, renditions: dict[int, Rendition], body: int) -> Rendition:
    rendition = renditions.get(body)
    if rendition is None:
        digest, data = books.db.execute(
            "SELECT hash, data FROM body WHERE id = ?", (body,)
        ).fetchone()
        rendition = renditions[body] = rendition_of(books.vault, digest, data)
    return rendition


def _count_claims(books: Books, lane: int, claimed: Sequence[Claimed]) -> None:
    """A part that is resent was unknown until now; every other one was queued."""
    resent = [c for c in claimed if c.flags is not Flag.NONE]
    known = books.parts((c.submission.id, c.submission.part) for c in resent)
    books.moves[books.channel, lane, PartState.QUEUED] -= len(claimed) - len(known)
    for part in known.values():
        books.move(part.channel, lane, part.state, None)
    books.moves[books.channel, lane, PartState.CLAIMED] += len(claimed)


def _stop(
    books: Books,
    id_: int,
    part: int,
    lane: int,
    attempt: int,
    flags: int,
    state: PartState,
    code: str,
    detail: str,
) -> None:
    """End a part that will not be sent."""
    lease, now = books.lease, books.now
    if flags & Flag.RESENT and books.parts([(id_, part)]):
        # No second attempt: what is known of the first one stays.
        books.db.execute(
            "UPDATE flight SET resend_due = NULL WHERE id = ? AND part = ?", (id_, part)
        )
        return
    if flags & Flag.UNSURE:
        detail = _UNSURE if state is PartState.EXPIRED else detail
        state = PartState.UNKNOWN
    word = state.name.lower()
    books.db.execute(
        "REPLACE INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at, state,"
        " word, rank, code, detail, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            id_,
            part,
            books.channel,
            lease.slot,
            lease.epoch,
            lane,
            attempt,
            now,
            state,
            word,
            RANK.get(word, 40),
            code,
            detail,
            now,
        ),
    )
    books.move(books.channel, lane, PartState.QUEUED, state)
    books.tell("receipt", id_, part, word, code=code)
