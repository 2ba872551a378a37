"""Messages that move to the next channel of their route, in the text that they have there."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from fzalert.store.records import Acceptance, EvidenceEntry, Move, PartState
from fzalert.store.sqlite.rows import LANE_CODE, Moves, channel_id

QUEUED = int(PartState.QUEUED)
LAST_SHARE = 4
"""Bulk moves in the last quarter of its window."""


class Carried(NamedTuple):
    """What a message is on its next channel."""

    body: int
    parts: int


def keep_fallbacks(db: sqlite3.Connection, item: Acceptance, bodies: Sequence[int]) -> None:
    """Write down what the texts of an acceptance become on other channels."""
    db.executemany(
        "INSERT OR IGNORE INTO fallback VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                item.warning.id,
                bodies[one.body],
                channel_id(db, one.channel),
                channel_id(db, one.to),
                None if one.to_body is None else bodies[one.to_body],
                one.parts,
            )
            for one in item.fallbacks
        ],
    )


def carried(
    db: sqlite3.Connection, message: int, channel: int, to: int, *, as_is: bool
) -> Carried | None:
    """What a message is on another channel; None where it cannot be carried there.

    Args:
        db: The writing connection.
        message: Which.
        channel: Where it is.
        to: Where it is to go.
        as_is: Whether the other channel takes the very same text.
    """
    row = db.execute(
        "SELECT m.body, m.parts, f.warning, f.to_body, f.parts FROM message m"
        " LEFT JOIN fallback f ON f.warning = m.warning AND f.body = m.body AND f.channel = ?"
        " AND f.to_channel = ? WHERE m.id = ?",
        (channel, to, message),
    ).fetchone()
    body, parts, known, to_body, to_parts = row
    if known is None:
        return Carried(body, parts) if as_is else None
    return None if to_body is None else Carried(to_body, to_parts)


def carry(db: sqlite3.Connection, message: int, to: int, what: Carried) -> None:
    """Give a message its text on the channel that it goes to."""
    db.execute(
        "UPDATE message SET channel = ?, body = ?, parts = ? WHERE id = ?", (to, *what, message)
    )


def move(
    db: sqlite3.Connection, wanted: Move, now: int, moves: Moves
) -> tuple[int, EvidenceEntry | None]:
    """Move what waits on a channel that is down, if no part of it was ever on the line.

    Urgent moves at once, bulk when three quarters of its window have passed.

    Returns:
        How many messages moved, and what goes on record.
    """
    channel, to = channel_id(db, wanted.channel), channel_id(db, wanted.to)
    lane = LANE_CODE[wanted.lane]
    found: dict[int, list[tuple[int, int]]] = {}
    whole: dict[int, int] = {}
    for due, id_, part, parts in db.execute(
        "SELECT q.due_at, q.id, q.part, m.parts FROM queue q JOIN message m ON m.id = q.id"
        " JOIN warning w ON w.id = m.warning WHERE q.channel = ? AND q.lane = ? AND q.flags = 0"
        " AND m.not_after > ? AND (q.lane = 0 OR"
        " m.not_after - ? <= (m.not_after - w.not_before) / ?)"
        " AND NOT EXISTS (SELECT 1 FROM flight f WHERE f.id = q.id)"
        " ORDER BY q.due_at, q.id, q.part LIMIT ?",
        (channel, lane, now, now, LAST_SHARE, wanted.limit),
    ):
        found.setdefault(id_, []).append((due, part))
        whole[id_] = parts
    moved = 0
    for id_, keys in found.items():
        if len(keys) == whole[id_]:
            moved += _move_one(db, wanted, (channel, to, lane), id_, keys, now, moves)
    if not moved:
        return 0, None
    return moved, EvidenceEntry(
        "store",
        "engine",
        "failover",
        {
            "from": wanted.channel,
            "to": wanted.to,
            "lane": str(wanted.lane),
            "messages": moved,
        },
    )


def _move_one(
    db: sqlite3.Connection,
    wanted: Move,
    way: tuple[int, int, int],
    message: int,
    keys: Sequence[tuple[int, int]],
    now: int,
    moves: Moves,
) -> bool:
    channel, to, lane = way
    what = carried(db, message, channel, to, as_is=wanted.as_is)
    if what is None:
        return False
    db.executemany(
        "DELETE FROM queue WHERE channel = ? AND lane = ? AND due_at = ? AND id = ? AND part = ?",
        [(channel, lane, due, message, part) for due, part in keys],
    )
    carry(db, message, to, what)
    due = max(now, min(due for due, _ in keys))
    db.executemany(
        "INSERT INTO queue (channel, lane, due_at, id, part, attempt) VALUES (?, ?, ?, ?, ?, 1)",
        [(to, lane, due, message, part) for part in range(what.parts)],
    )
    moves[channel, lane, QUEUED] -= len(keys)
    moves[to, lane, QUEUED] += what.parts
    return True
