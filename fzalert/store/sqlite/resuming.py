"""Going on with an older copy of a database: nothing that waits in it is sent; it is unknown."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter

from fzalert.store.records import EvidenceEntry, PartState
from fzalert.store.sqlite.changes import append_evidence
from fzalert.store.sqlite.rows import RANK, Moves, count

QUEUED, CLAIMED, UNKNOWN = map(int, (PartState.QUEUED, PartState.CLAIMED, PartState.UNKNOWN))
DETAIL = "the database was put back from an older copy; it may have been sent since"
PAUSED = (
    "数据库恢复自旧副本，此后可能已经发过，请核实 / the database was put back from an older copy:"
    " find out who was written to since"
)


def resume_as_unknown(db: sqlite3.Connection, by: str, why: str, now: int) -> int:
    """Make everything that waits or is out unknown, and pause campaigns, in one transaction.

    Returns:
        How many parts are unknown now that were not.
    """
    moves = Moves()
    for channel, lane, parts in db.execute(
        "SELECT q.channel, q.lane, count(*) FROM queue q WHERE NOT EXISTS"
        " (SELECT 1 FROM flight f WHERE f.id = q.id AND f.part = q.part)"
        " GROUP BY q.channel, q.lane"
    ).fetchall():
        moves[channel, lane, QUEUED] -= parts
        moves[channel, lane, UNKNOWN] += parts
    for channel, lane, parts in db.execute(
        "SELECT channel, lane, count(*) FROM flight WHERE state = 1 GROUP BY channel, lane"
    ).fetchall():
        moves[channel, lane, CLAIMED] -= parts
        moves[channel, lane, UNKNOWN] += parts
    for sql in (
        "INSERT INTO feed (kind, id, part, channel, word, code, proof, at)"
        " SELECT 'receipt', id, part, channel, 'unknown', 'rolled-back', 0, :now FROM queue q"
        " WHERE NOT EXISTS (SELECT 1 FROM flight f WHERE f.id = q.id AND f.part = q.part)",
        "INSERT INTO feed (kind, id, part, channel, word, code, proof, at)"
        " SELECT 'receipt', id, part, channel, 'unknown', 'rolled-back', 0, :now FROM flight"
        " WHERE state = 1",
        "INSERT INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at, state)"
        " SELECT id, part, channel, 0, 0, lane, attempt, :now, 1 FROM queue WHERE true"
        " ON CONFLICT (id, part) DO NOTHING",
        "UPDATE flight SET state = :unknown, word = 'unknown', rank = :rank,"
        " code = 'rolled-back', detail = :detail, changed_at = :now WHERE state = 1",
        "UPDATE flight SET resend_due = NULL WHERE resend_due IS NOT NULL",
        "DELETE FROM queue",
    ):
        db.execute(sql, {"now": now, "unknown": UNKNOWN, "rank": RANK["unknown"], "detail": DETAIL})
    count(db, moves)
    campaigns = _pause(db)
    changed = -sum(n for n in Counter(moves).values() if n < 0)
    append_evidence(
        db,
        EvidenceEntry(
            "store",
            by,
            "store.resume",
            {"why": why, "parts": changed, "campaigns": campaigns},
        ),
        now,
    )
    return changed


def _pause(db: sqlite3.Connection) -> int:
    """Pause what would be fed: its cursor may stand before people who were written to since."""
    rows = db.execute(
        "SELECT id, document FROM campaign WHERE state IN ('ready', 'running')"
    ).fetchall()
    for id_, document in rows:
        changed = {**json.loads(document), "reason": PAUSED}
        db.execute(
            "UPDATE campaign SET state = 'paused', document = ? WHERE id = ?",
            (json.dumps(changed, ensure_ascii=False, sort_keys=True).encode(), id_),
        )
    return len(rows)
