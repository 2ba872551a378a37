"""Retention: what is over for long enough is removed, a little at a time; the evidence stays.

Removed are messages with their addresses and fates, warnings with their values, texts that no
message has any more, lists of campaigns, what people wrote back, and counts of contacts. What waits
or is out is never removed. Counters keep what they counted.
"""

from __future__ import annotations

import json
import sqlite3

from fzalert.store.records import EvidenceEntry, PartState
from fzalert.store.sqlite.changes import append_evidence
from fzalert.store.sqlite.rows import Moves, count, marks

UNKNOWN = int(PartState.UNKNOWN)
CONTACTS_KEPT_HOURS = 48
LISTS_AT_ONCE = 2000


def purge(db: sqlite3.Connection, before: int, now: int, limit: int) -> int:
    """Remove up to `limit` messages whose window ended before a moment, and as much of the rest.

    Args:
        db: The writing connection, inside a transaction.
        before: Milliseconds; what ended then or later stays.
        now: Milliseconds.
        limit: How many messages at most.

    Returns:
        How many rows were removed; 0 once there is nothing left.
    """
    messages = _messages(db, before, limit)
    removed = messages + _lists(db, before) + _feed(db, before, limit) + _contacts(db, now, limit)
    if not removed:
        removed = _leftovers(db, before)
    if messages:
        facts = EvidenceEntry("store", "engine", "purge", {"messages": messages, "before": before})
        append_evidence(db, facts, now)
    return removed


def _messages(db: sqlite3.Connection, before: int, limit: int) -> int:
    # Ids grow with time, so the oldest stand first.
    ids = [
        row[0]
        for row in db.execute(
            "SELECT m.id FROM message m WHERE m.not_after < ?"
            " AND NOT EXISTS (SELECT 1 FROM flight f WHERE f.id = m.id AND"
            " (f.state = 1 OR f.resend_due IS NOT NULL OR f.changed_at >= ?))"
            " AND EXISTS (SELECT 1 FROM flight f WHERE f.id = m.id) ORDER BY m.id LIMIT ?",
            (before, before, limit),
        )
    ]
    return forget_messages(db, ids)


def forget_messages(db: sqlite3.Connection, ids: list[int]) -> int:
    """Remove messages that neither wait nor are out; returns how many."""
    if not ids:
        return 0
    moves = Moves()
    for channel, lane, parts in db.execute(
        f"SELECT channel, lane, count(*) FROM flight WHERE id IN ({marks(ids)})"  # noqa: S608  question marks only
        " AND state = 6 GROUP BY channel, lane",
        ids,
    ).fetchall():
        moves[channel, lane, UNKNOWN] -= parts  # nobody can settle them any more
    count(db, moves)
    keys = [(id_,) for id_ in ids]
    db.executemany("DELETE FROM flight WHERE id = ?", keys)
    db.executemany("DELETE FROM message WHERE id = ?", keys)
    return len(ids)


def _lists(db: sqlite3.Connection, before: int) -> int:
    """Lists of campaigns that ended before."""
    for id_, document in db.execute(
        "SELECT id, document FROM campaign WHERE state IN ('done', 'cancelled', 'expired')"
    ).fetchall():
        if int(json.loads(document).get("not_after", before)) >= before:
            continue
        removed = db.execute(
            "DELETE FROM audience WHERE rowid IN"
            " (SELECT rowid FROM audience WHERE campaign = ? LIMIT ?)",
            (id_, LISTS_AT_ONCE),
        ).rowcount
        if removed:
            return removed
    return 0


def _feed(db: sqlite3.Connection, before: int, limit: int) -> int:
    """The oldest rows of the feed; its end stays, so that no position is given twice."""
    return db.execute(
        "DELETE FROM feed WHERE at < ? AND seq IN (SELECT seq FROM feed ORDER BY seq LIMIT ?)"
        " AND seq < (SELECT max(seq) FROM feed)",
        (before, limit),
    ).rowcount


def _contacts(db: sqlite3.Connection, now: int, limit: int) -> int:
    """Counts of contacts that no cap looks at any more."""
    return db.execute(
        "DELETE FROM contact WHERE (target_index, lane, hour) IN"
        " (SELECT target_index, lane, hour FROM contact WHERE hour < ? LIMIT ?)",
        (now // 3_600_000 - CONTACTS_KEPT_HOURS, limit),
    ).rowcount


def _leftovers(db: sqlite3.Connection, before: int) -> int:
    """Warnings without messages and texts without warnings, once everything else is done."""
    removed = db.execute(
        "DELETE FROM warning WHERE not_after < ?"
        " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.warning = warning.id)"
        " AND NOT EXISTS (SELECT 1 FROM campaign c WHERE c.warning = warning.id)",
        (before,),
    ).rowcount
    if not removed:
        return 0
    db.execute("DELETE FROM fallback WHERE warning NOT IN (SELECT id FROM warning)")
    db.execute(
        "DELETE FROM body WHERE id NOT IN (SELECT body FROM message)"
        " AND id NOT IN (SELECT body FROM fallback)"
        " AND id NOT IN (SELECT to_body FROM fallback WHERE to_body IS NOT NULL)"
    )
    return removed
