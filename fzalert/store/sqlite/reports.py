"""What arrives later: delivery reports, orphans, uplinks, answers.

A report counts only if it goes further than what is known; a higher proof is kept in any case.
One that matches nothing is an orphan: it may have overtaken its response, and waits seven days.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fzalert.messages import Answer, DeliveryReport, Uplink
from fzalert.store.port import PartState
from fzalert.store.sqlite.books import Books
from fzalert.store.sqlite.changes import suppress
from fzalert.store.sqlite.rows import RANK, REPORT_STATE, cancel_resend, index_of

ORPHANS_KEPT_MS = 7 * 86_400_000
_PURGED_AT_ONCE = 100
_SHOWN = RANK["shown"]


def write_inbound(books: Books, entry: DeliveryReport | Uplink | Answer) -> None:
    """Write one row that an adapter brought."""
    if isinstance(entry, DeliveryReport):
        _match(books, entry)
    elif isinstance(entry, Uplink):
        if entry.is_opt_out:
            suppress(books.db, index_of(books.vault, entry.source), "opted out", books.now)
        sealed = books.vault.encrypt(
            "feed.payload", "uplink", f"{entry.source.address}\n{entry.text}".encode()
        )
        word = "opt-out" if entry.is_opt_out else "uplink"
        books.tell("uplink", 0, 0, word, payload=sealed)
    else:
        books.tell("answer", entry.id, entry.part, "answer", payload=entry.payload)


def match_orphans(books: Books, sent: Sequence[tuple[bytes, int, int]]) -> None:
    """Apply the reports that came before the responses that are written now."""
    if books.db.execute("SELECT 1 FROM orphan LIMIT 1").fetchone() is None:
        return
    for carrier_id, id_, part in sent:
        # Carriers recycle their ids: where the report names an addressee, it must be ours.
        early = books.db.execute(
            "DELETE FROM orphan WHERE channel = ? AND carrier_id = ? AND target_index IN"
            " (x'', (SELECT target_index FROM message WHERE id = ?))"
            " RETURNING word, code, proof, duration",
            (books.channel, carrier_id, id_),
        ).fetchall()
        for word, code, proof, duration in sorted(early, key=lambda row: RANK[row[0]]):
            _apply(books, id_, part, word, code, proof, duration, "")


def _match(books: Books, report: DeliveryReport) -> None:
    if report.id:
        key: tuple[int, int] | None = (report.id, report.part)
    else:
        key = _by_carrier_id(books, report.carrier_id)
        if key is None and len(report.carrier_id) > 32:
            # After a crash a long id may stand here as its hash, from the flight recorder.
            key = _by_carrier_id(books, hashlib.sha256(report.carrier_id).digest())
    if key is None:
        _keep_orphan(books, report)
        return
    _apply(books, *key, report.kind, report.code, report.proof, report.duration_ms, report.detail)


def _by_carrier_id(books: Books, carrier_id: bytes) -> tuple[int, int] | None:
    # Carriers recycle their ids: the newest part with this one is meant.
    row: tuple[int, int] | None = books.db.execute(
        "SELECT id, part FROM flight WHERE channel = ? AND carrier_id = ?"
        " ORDER BY claimed_at DESC, id DESC LIMIT 1",
        (books.channel, carrier_id),
    ).fetchone()
    return row


def _keep_orphan(books: Books, report: DeliveryReport) -> None:
    target = report.target
    books.db.execute(
        "DELETE FROM orphan WHERE id IN (SELECT id FROM orphan ORDER BY id LIMIT ?)"
        " AND received < ?",
        (_PURGED_AT_ONCE, books.now - ORPHANS_KEPT_MS),
    )
    books.db.execute(
        "INSERT OR IGNORE INTO orphan (channel, carrier_id, target_index, word, code, proof,"
        " at, duration, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            books.channel,
            report.carrier_id,
            index_of(books.vault, target) if target else b"",
            report.kind,
            report.code,
            report.proof,
            report.at,
            report.duration_ms,
            books.now,
        ),
    )
    books.orphans += 1


def _apply(
    books: Books,
    id_: int,
    part: int,
    word: str,
    code: str,
    proof: int,
    duration: int,
    detail: str,
) -> None:
    new = REPORT_STATE[word]
    row = _flight(books, id_, part)
    if row is None and new is PartState.DELIVERED:
        # It was about to be submitted again, and has arrived already.
        row = _flight(books, id_, part) if _out_of_queue(books, id_, part) else None
    if row is None:
        return
    lane, state, rank, had_proof, resend_due, channel, stays = row
    further = RANK[word] > rank
    if not further and (proof <= had_proof or new is not PartState.DELIVERED):
        return  # a duplicate, or a word that does not go further
    if not further:
        new = PartState(state)  # the word stays, and is better proved
    elif state == PartState.DELIVERED and rank >= _SHOWN:
        new = PartState.DELIVERED  # what a person may have seen is never unseen
    books.db.execute(
        "UPDATE flight SET state = ?, word = ?, rank = max(rank, ?), code = ?, detail = ?,"
        " proof = ?, changed_at = ?, duration = max(duration, ?), resend_due = NULL"
        " WHERE id = ? AND part = ?",
        (
            new,
            word if further else stays,
            RANK[word],
            code,
            detail,
            max(proof, had_proof),
            books.now,
            duration,
            id_,
            part,
        ),
    )
    books.move(channel, lane, state, new)
    if resend_due is not None:
        cancel_resend(books.db, channel, lane, resend_due, id_, part)
    books.tell(
        "report", id_, part, word, channel=channel, code=code, proof=proof, duration=duration
    )


def _flight(
    books: Books, id_: int, part: int
) -> tuple[int, int, int, int, int | None, int, str] | None:
    row: tuple[int, int, int, int, int | None, int, str] | None = books.db.execute(
        "SELECT lane, state, rank, proof, resend_due, channel, word FROM flight"
        " WHERE id = ? AND part = ?",
        (id_, part),
    ).fetchone()
    return row


def _out_of_queue(books: Books, id_: int, part: int) -> bool:
    """Take a part out of the queue, as if it were claimed; whether it was there."""
    db = books.db
    # The queue is ordered by due time, so this reads all of it: only for messages that exist.
    if db.execute("SELECT 1 FROM message WHERE id = ?", (id_,)).fetchone() is None:
        return False
    row = db.execute(
        "DELETE FROM queue WHERE id = ? AND part = ? RETURNING channel, lane, attempt",
        (id_, part),
    ).fetchone()
    if row is None:
        return False
    channel, lane, attempt = row
    db.execute(
        "INSERT INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            id_,
            part,
            channel,
            books.lease.slot,
            books.lease.epoch,
            lane,
            attempt,
            books.now,
            PartState.CLAIMED,
        ),
    )
    books.move(channel, lane, PartState.QUEUED, PartState.CLAIMED)
    return True
