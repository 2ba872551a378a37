"""What became of parts that were handed over: results, and the late answers to unknowns."""

from __future__ import annotations

from collections.abc import Sequence

from fzalert.messages import LateReceipt
from fzalert.store.records import (
    Flag,
    PartState,
    Requeue,
    ResultRow,
)
from fzalert.store.sqlite.books import Books, Part
from fzalert.store.sqlite.moving import carried, carry
from fzalert.store.sqlite.optouts import suppress
from fzalert.store.sqlite.reports import match_lost, match_orphans
from fzalert.store.sqlite.rows import RANK, cancel_resend, channel_id, open_target

# Plain numbers: SQLite's driver takes an enumeration for an object that it must adapt first.
QUEUED, CLAIMED, UNKNOWN = map(int, (PartState.QUEUED, PartState.CLAIMED, PartState.UNKNOWN))
FAILED = int(PartState.FAILED)
DOWN = "channel_down"
STAYS_MS = 1_000
"""How long a part waits that would move and has no text on the other channel."""
RESENT = int(Flag.RESENT)


def write_results(books: Books, results: Sequence[ResultRow]) -> None:
    """Settle claimed parts of this slot; what is settled already stays as it is."""
    known = books.parts((row.id, row.part) for row in results)
    updates: list[tuple[object, ...]] = []
    gone: list[tuple[int, int]] = []
    queued: list[tuple[object, ...]] = []
    sent_with_id: list[tuple[bytes, int, int]] = []
    lost: list[tuple[int, int]] = []
    for row in results:
        part = known.pop((row.id, row.part), None)
        if part is None or not _is_ours(books, part):
            continue
        proof = int(row.proof)
        books.tell("receipt", row.id, row.part, row.word, row.code, proof)
        state, word = int(row.state), row.word
        if row.requeue is not None:
            state, word = _requeue(books, row, row.requeue, part, queued)
            if state == QUEUED:
                gone.append((row.id, row.part))
                continue
        updates.append(
            (
                state,
                word,
                RANK.get(word, 40),
                row.code,
                row.detail,
                row.carrier_id or None,
                proof,
                books.now,
                row.wire_key or None,
                row.requeue.due_at if row.requeue and state == UNKNOWN else None,
                row.id,
                row.part,
            )
        )
        books.move(books.channel, part.lane, CLAIMED, state)
        if row.carrier_id:
            sent_with_id.append((row.carrier_id, row.id, row.part))
        if part.flags & RESENT or (word == "unknown" and not row.carrier_id):
            lost.append((row.id, row.part))
        if row.suppress:
            _suppress(books, row.id)
    books.db.executemany(
        "UPDATE flight SET state = ?, word = ?, rank = ?, code = ?, detail = ?,"
        " carrier_id = ?, proof = ?, changed_at = ?, wire_key = ?, resend_due = ?"
        " WHERE id = ? AND part = ?",
        updates,
    )
    books.db.executemany("DELETE FROM flight WHERE id = ? AND part = ?", gone)
    books.db.executemany(
        "REPLACE INTO queue (channel, lane, due_at, id, part, attempt, flags, wire_key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        queued,
    )
    if sent_with_id:
        match_orphans(books, sent_with_id)
    if lost:
        match_lost(books, lost)


def _is_ours(books: Books, part: Part) -> bool:
    """Whether this slot has it still: not settled earlier, not claimed anew by another slot."""
    return part.state == CLAIMED and part.channel == books.channel and part.slot == books.lease.slot


def _requeue(
    books: Books, row: ResultRow, again: Requeue, part: Part, queued: list[tuple[object, ...]]
) -> tuple[int, str]:
    """Queue a part again; returns its state and word from now on."""
    to, parts, due = books.channel, [row.part], again.due_at
    if again.channel != books.lease.channel:
        to = channel_id(books.db, again.channel)
        what = carried(books.db, row.id, books.channel, to, as_is=again.as_is)
        if what is not None:
            carry(books.db, row.id, to, what)
            parts = parts if what.parts == 1 else list(range(what.parts))
        elif row.word == DOWN:
            to, due = books.channel, max(due, books.now + STAYS_MS)
        else:
            return FAILED, "failed"  # refused here, and no text for there
    state, word, flags = int(row.state), row.word, int(again.flags)
    if state == QUEUED and part.flags & RESENT and to == books.channel:
        # The second attempt was not taken; of the first one still nothing is known.
        state, word = UNKNOWN, "unknown"
    if state == QUEUED:
        books.move(books.channel, part.lane, CLAIMED, None)
        books.moves[to, part.lane, QUEUED] += len(parts)
    else:
        flags |= RESENT
    queued += [
        (to, part.lane, due, row.id, number, again.attempt, flags, again.wire_key or None)
        for number in parts
    ]
    return state, word


def write_late(books: Books, late: LateReceipt, row: ResultRow) -> None:
    """Replace an unknown by the answer that came after all, once.

    A pending resend is taken back. Where the answer says that nothing was taken, `row.requeue`
    sends the part again, as the attempt after the one that was unknown.
    """
    found = books.db.execute(
        "SELECT lane, state, word, resend_due, channel, attempt, flags, wire_key FROM flight"
        " WHERE id = ? AND part = ?",
        (late.id, late.part),
    ).fetchone()
    if found is None or row.state is PartState.UNKNOWN:
        return
    lane, state, word, resend_due, channel, attempt, flags, wire_key = found
    if state != PartState.UNKNOWN or word != "unknown" or channel != books.channel:
        return
    if flags & Flag.RESENT and row.state not in {PartState.SENT, PartState.DELIVERED}:
        return  # it speaks of one attempt; the other one is still unknown
    if row.requeue is not None:
        again = row.requeue._replace(
            attempt=attempt + 1, flags=Flag(flags), wire_key=wire_key or b""
        )
        row = row._replace(requeue=again)
    if resend_due is not None:
        cancel_resend(books.db, channel, lane, resend_due, late.id, late.part)
    books.db.execute(
        "UPDATE flight SET state = ?, slot = ? WHERE id = ? AND part = ?",
        (PartState.CLAIMED, books.lease.slot, late.id, late.part),
    )
    books.move(channel, lane, PartState.UNKNOWN, PartState.CLAIMED)
    write_results(books, [row._replace(wire_key=row.wire_key or wire_key or b"")])


def _suppress(books: Books, message: int) -> None:
    row = books.db.execute("SELECT target FROM message WHERE id = ?", (message,)).fetchone()
    if row is not None:
        target = open_target(books.vault, message, row[0])
        suppress(books.db, books.vault, target, "opted out", books.now)
