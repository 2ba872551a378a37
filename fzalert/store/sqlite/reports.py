"""What arrives later: delivery reports, orphans, uplinks, answers.

A report counts only if it goes further than what is known; a higher proof is kept in any case.
One that matches nothing is an orphan: it may have overtaken its response, and waits seven days.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fzalert.messages import Answer, DeliveryReport, Uplink
from fzalert.store.records import EvidenceEntry
from fzalert.store.sqlite.books import Books
from fzalert.store.sqlite.changes import append_evidence
from fzalert.store.sqlite.fates import Fates, Key
from fzalert.store.sqlite.lost import Lost
from fzalert.store.sqlite.optouts import suppress
from fzalert.store.sqlite.rows import RANK, index_of

ORPHANS_KEPT_MS = 7 * 86_400_000
_PURGED_AT_ONCE = 100
_HASHED_ABOVE = 32


def write_inbound(books: Books, entries: Sequence[DeliveryReport | Uplink | Answer]) -> None:
    """Write what an adapter brought."""
    reports = [entry for entry in entries if isinstance(entry, DeliveryReport)]
    fates = Fates(books)
    fates.load((report.id, report.part) for report in reports if report.id)
    fates.load_by_carrier([r.carrier_id for r in reports if r.carrier_id and not r.id])
    lost = Lost(books)
    for entry in entries:
        if isinstance(entry, DeliveryReport):
            key = _key_of(fates, entry) or _lost_one(books, fates, lost, entry)
            if key is None:
                _keep_orphan(books, entry)
                continue
            fates.apply(
                key,
                str(entry.kind),
                entry.code,
                int(entry.proof),
                entry.duration_ms,
                entry.detail,
            )
        elif isinstance(entry, Uplink):
            _uplink(books, entry)
        else:
            _answer(books, entry)
    fates.write()


def match_orphans(books: Books, sent: Sequence[tuple[bytes, int, int]]) -> None:
    """Apply the reports that came before the responses that are written now."""
    if books.db.execute("SELECT 1 FROM orphan LIMIT 1").fetchone() is None:
        return
    fates = Fates(books)
    for carrier_id, *key in sent:
        # Carriers recycle their ids: where the report names an addressee, it must be ours.
        early = books.db.execute(
            "DELETE FROM orphan WHERE channel = ? AND carrier_id IN (?, ?) AND target_index IN"
            " (x'', (SELECT target_index FROM message WHERE id = ?))"
            " RETURNING word, code, proof, duration",
            (books.channel, carrier_id, _short(carrier_id), key[0]),
        ).fetchall()
        if early:
            fates.load([(key[0], key[1])])
        for word, code, proof, duration in sorted(early, key=lambda row: RANK[row[0]]):
            fates.apply((key[0], key[1]), word, code, proof, duration, "")
    fates.write()


def match_lost(books: Books, unknown: Sequence[Key]) -> None:
    """Apply the reports that came before their parts were given up as unknown, or were resent."""
    if books.db.execute("SELECT 1 FROM orphan LIMIT 1").fetchone() is None:
        return
    fates, lost = Fates(books), Lost(books)
    for key in unknown:
        orphans = books.db.execute(
            "SELECT o.id, o.carrier_id, o.target_index, o.word, o.code, o.proof, o.duration,"
            " o.received, o.extension FROM orphan o JOIN message m ON m.target_index ="
            " o.target_index WHERE m.id = ? AND o.channel = ?",
            (key[0], books.channel),
        ).fetchall()
        ours = [row for row in orphans if lost.only(row[2], row[3], row[8], since=row[7]) == key]
        ids = {row[1] for row in ours}
        if not ids or (len(ids) > 1 and not all(row[8] for row in ours)):
            continue
        # Where there are several by their extension, each is the report of one part of the text.
        mine = min(ids)
        lost.adopt(key, mine)
        fates.load([key])
        for row in sorted(ours, key=lambda row: RANK[row[3]]):
            if row[1] == mine:
                books.db.execute("DELETE FROM orphan WHERE id = ?", row[:1])
                fates.apply(key, row[3], row[4], row[5], row[6], "")
    fates.write()


def _lost_one(books: Books, fates: Fates, lost: Lost, report: DeliveryReport) -> Key | None:
    """The part whose answer was lost that a report without a known id must mean."""
    if report.target is None or not report.carrier_id:
        return None
    index = index_of(books.vault, report.target)
    key = lost.only(index, str(report.kind), report.extension)
    if key is not None:
        lost.adopt(key, report.carrier_id)
        fates.load([key])
        fates.load_by_carrier([report.carrier_id])
    return key


def _key_of(fates: Fates, report: DeliveryReport) -> Key | None:
    if report.id:
        return report.id, report.part
    key = fates.key_of(report.carrier_id)
    if key is None and len(report.carrier_id) > _HASHED_ABOVE:
        # After a crash a long id may stand here as its hash, from the flight recorder.
        digest = _short(report.carrier_id)
        fates.load_by_carrier([digest])
        key = fates.key_of(digest)
    return key


def _answer(books: Books, answer: Answer) -> None:
    """Keep what a bank's desk answered, sealed: it has account and amount."""
    row = f"answer/{answer.id}/{answer.part}"
    sealed = books.vault.encrypt("feed.payload", row, answer.payload)
    books.tell("answer", answer.id, answer.part, "answer", payload=sealed)


def _short(carrier_id: bytes) -> bytes:
    """An id as an orphan keeps it: a long one as its hash, as the flight recorder may have it."""
    if len(carrier_id) <= _HASHED_ABOVE:
        return carrier_id
    return hashlib.sha256(carrier_id).digest()


def _uplink(books: Books, uplink: Uplink) -> None:
    if uplink.is_opt_out and suppress(books.db, books.vault, uplink.source, "opted out", books.now):
        entry = EvidenceEntry(
            "store",
            "engine",
            "optout.add",
            {"channel": books.lease.channel, "people": 1, "reason": "opted out"},
        )
        append_evidence(books.db, entry, books.now)
    sealed = books.vault.encrypt(
        "feed.payload", "uplink", f"{uplink.source.address}\n{uplink.text}".encode()
    )
    word = "opt-out" if uplink.is_opt_out else "uplink"
    books.tell("uplink", 0, 0, word, payload=sealed)


def _keep_orphan(books: Books, report: DeliveryReport) -> None:
    target = report.target
    books.db.execute(
        "DELETE FROM orphan WHERE id IN (SELECT id FROM orphan ORDER BY id LIMIT ?)"
        " AND received < ?",
        (_PURGED_AT_ONCE, books.now - ORPHANS_KEPT_MS),
    )
    books.db.execute(
        "INSERT OR IGNORE INTO orphan (channel, carrier_id, target_index, word, code, proof,"
        " at, duration, received, extension) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            books.channel,
            _short(report.carrier_id),
            index_of(books.vault, target) if target else b"",
            str(report.kind),
            report.code,
            int(report.proof),
            report.at,
            report.duration_ms,
            books.now,
            report.extension,
        ),
    )
    books.orphans += 1
