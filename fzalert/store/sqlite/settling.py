"""Unknown fates: listed for a person, and settled by one."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from fzalert.store.port import Vault
from fzalert.store.records import EvidenceEntry, Flag, PartState
from fzalert.store.settling import (
    Decision,
    Settled,
    Settlement,
    SettleResult,
    UnknownQuery,
    UnknownRow,
)
from fzalert.store.sqlite.rows import (
    LANE_OF,
    RANK,
    FeedTuple,
    Moves,
    cancel_resend,
    open_target,
)

UNKNOWN = int(PartState.UNKNOWN)
RESENT = int(Flag.RESENT)
WORD = "settled"
_STATE = {Decision.DELIVERED: PartState.DELIVERED, Decision.NOT_DELIVERED: PartState.FAILED}


class _Part(NamedTuple):
    part: int
    lane: int
    channel: int
    attempt: int
    flags: int
    wire_key: bytes | None
    resend_due: int | None


def unknowns(db: sqlite3.Connection, vault: Vault, query: UnknownQuery) -> list[UnknownRow]:
    """Read one page, the longest unknown first."""
    where, values = _where(query)
    rows = db.execute(
        "SELECT f.id, m.warning, coalesce(k.id, 0), w.script, c.name, f.lane, m.target,"  # noqa: S608  `where` is ours
        " m.not_after, count(*), m.parts, f.word, f.detail, max(f.changed_at), max(f.flags & 1),"
        " coalesce(min(f.resend_due), 0) FROM flight f JOIN message m ON m.id = f.id"
        " JOIN warning w ON w.id = m.warning JOIN channel c ON c.id = f.channel"
        " LEFT JOIN campaign k ON k.warning = m.warning"
        f" WHERE f.state = 6 AND f.id > ? {where} GROUP BY f.id ORDER BY f.id LIMIT ?",
        [query.after, *values, query.limit],
    )
    return [
        UnknownRow(
            message,
            warning,
            campaign,
            script,
            channel,
            LANE_OF[lane],
            open_target(vault, message, sealed),
            not_after,
            unknown,
            parts,
            word,
            detail,
            at,
            bool(resent),
            resend_at,
        )
        for (
            message,
            warning,
            campaign,
            script,
            channel,
            lane,
            sealed,
            not_after,
            unknown,
            parts,
            word,
            detail,
            at,
            resent,
            resend_at,
        ) in rows
    ]


def count_unknowns(db: sqlite3.Connection, query: UnknownQuery) -> int:
    """How many messages a query means, over all its pages; the index holds only unknown parts."""
    where, values = _where(query)
    (found,) = db.execute(
        "SELECT count(DISTINCT f.id) FROM flight f"  # noqa: S608  `where` is ours
        + (" JOIN message m ON m.id = f.id" if query.campaign else "")
        + f" WHERE f.state = 6 {where}",
        values,
    ).fetchone()
    return int(found)


def _where(query: UnknownQuery) -> tuple[str, list[object]]:
    where, values = "", list[object]()
    if query.channel:
        where += " AND f.channel = (SELECT id FROM channel WHERE name = ?)"
        values.append(query.channel)
    if query.campaign:
        where += " AND m.warning = (SELECT warning FROM campaign WHERE id = ?)"
        values.append(query.campaign)
    return where, values


def settle(
    db: sqlite3.Connection, wanted: Settlement, now: int, moves: Moves
) -> tuple[tuple[Settled, ...], list[FeedTuple], EvidenceEntry | None]:
    """Write one decision; returns what became of each message, the feed, and what goes on record.

    Repeated, it changes nothing and puts nothing on record.
    """
    feed: list[FeedTuple] = []
    answers: list[Settled] = []
    parts = 0
    for message in dict.fromkeys(wanted.messages):
        answer, changed = _settle_one(db, wanted, message, now, moves, feed)
        answers.append(answer)
        parts += changed
    done = [str(one.message) for one in answers if one.result is SettleResult.SETTLED]
    entry = None
    if done:
        entry = EvidenceEntry(
            "store",
            wanted.by,
            "unknown.settle",
            {
                "decision": str(wanted.decision),
                "reason": wanted.reason,
                "messages": list(done),
                "parts": parts,
            },
        )
    return tuple(answers), feed, entry


def _settle_one(
    db: sqlite3.Connection,
    wanted: Settlement,
    message: int,
    now: int,
    moves: Moves,
    feed: list[FeedTuple],
) -> tuple[Settled, int]:
    found = [
        _Part(*row)
        for row in db.execute(
            "SELECT part, lane, channel, attempt, flags, wire_key, resend_due FROM flight"
            " WHERE id = ? AND state = 6 ORDER BY part",
            (message,),
        )
    ]
    if not found:
        return Settled(message, _why_not(db, wanted, message)), 0
    (channel,) = db.execute("SELECT name FROM channel WHERE id = ?", (found[0].channel,)).fetchone()
    if wanted.decision is Decision.SEND_AGAIN:
        result = _send_again(db, wanted, message, found, channel, now)
    else:
        _decide(db, wanted, message, found, now, moves, feed)
        result = SettleResult.SETTLED
    return Settled(message, result, channel), len(found) * (result is SettleResult.SETTLED)


def _why_not(db: sqlite3.Connection, wanted: Settlement, message: int) -> SettleResult:
    """Why nothing is left to be decided of a message."""
    row = db.execute(
        "SELECT count(*), sum(word = ? AND code = ?) FROM flight WHERE id = ?",
        (WORD, str(wanted.decision), message),
    ).fetchone()
    if row[1]:
        return SettleResult.REPEATED
    if row[0] or db.execute("SELECT 1 FROM message WHERE id = ?", (message,)).fetchone():
        return SettleResult.NOT_UNKNOWN
    return SettleResult.NO_MESSAGE


def _decide(
    db: sqlite3.Connection,
    wanted: Settlement,
    message: int,
    found: list[_Part],
    now: int,
    moves: Moves,
    feed: list[FeedTuple],
) -> None:
    """Give the unknown parts the state that a person says; a report may still go further."""
    state = _STATE[wanted.decision]
    for part in found:
        if part.resend_due is not None:
            cancel_resend(db, part.channel, part.lane, part.resend_due, message, part.part)
        moves[part.channel, part.lane, UNKNOWN] -= 1
        moves[part.channel, part.lane, state] += 1
        code = str(wanted.decision)
        feed.append(("receipt", message, part.part, part.channel, WORD, code, 0, now, 0, None))
    db.execute(
        "UPDATE flight SET state = ?, word = ?, rank = ?, code = ?, detail = ?, changed_at = ?,"
        " resend_due = NULL WHERE id = ? AND state = 6",
        (
            int(state),
            WORD,
            RANK[WORD],
            str(wanted.decision),
            f"{wanted.by}: {wanted.reason}",
            now,
            message,
        ),
    )


def _send_again(
    db: sqlite3.Connection,
    wanted: Settlement,
    message: int,
    found: list[_Part],
    channel: str,
    now: int,
) -> SettleResult:
    """Queue the unknown parts once more; what is known of the first attempt stays readable."""
    if all(part.resend_due is not None for part in found):
        return SettleResult.REPEATED
    if any(part.flags & RESENT for part in found):
        return SettleResult.RESENT_BEFORE
    (not_after,) = db.execute("SELECT not_after FROM message WHERE id = ?", (message,)).fetchone()
    if not_after <= now:
        return SettleResult.TOO_LATE
    if channel not in wanted.channels:
        return SettleResult.NO_CHANNEL
    for part in found:
        if part.resend_due is not None:
            continue
        db.execute(
            "REPLACE INTO queue (channel, lane, due_at, id, part, attempt, flags, wire_key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                part.channel,
                part.lane,
                now,
                message,
                part.part,
                part.attempt + 1,
                part.flags | RESENT,
                part.wire_key,
            ),
        )
        db.execute(
            "UPDATE flight SET resend_due = ?, detail = ?, changed_at = ?"
            " WHERE id = ? AND part = ?",
            (now, f"{wanted.by}: {wanted.reason}", now, message, part.part),
        )
    return SettleResult.SETTLED
