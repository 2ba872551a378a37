"""What is destroyed for good: rows overwritten in the file, and nothing of them left in its log.

SQLite leaves what is deleted in its pages until they are used again, and what was written in its
log until the log begins anew. So rows are overwritten here, the log is emptied, and the file is
searched for what must be gone: a page that was once divided may have kept a copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fzalert.errors import InputError, StoreError
from fzalert.store.records import EvidenceEntry
from fzalert.store.sqlite.changes import append_evidence
from fzalert.store.sqlite.connection import connect
from fzalert.store.sqlite.purging import forget_messages

__all__ = ["Shredding", "empty_log", "is_in", "last_events", "shred"]

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Shredding:
    """What is to be destroyed together.

    Attributes:
        rows: Namespace and key of rows of state.
        prefixes: Namespace and beginning of the keys of more of them.
        warnings: Beginning of the keys of warnings that go with it: their messages, texts and
            answers.
        owner: Whose deadlines.
        entry: What goes on record.
    """

    rows: Sequence[tuple[str, str]]
    prefixes: Sequence[tuple[str, str]]
    warnings: str
    owner: str
    entry: EvidenceEntry


def shred(db: sqlite3.Connection, what: Shredding, now: int) -> None:
    """Destroy it, inside a transaction.

    Raises:
        InputError: A message of it waits or is out.
    """
    db.execute("PRAGMA secure_delete=ON")
    try:
        _messages(db, what.warnings)
        db.executemany("DELETE FROM state WHERE namespace = ? AND key = ?", what.rows)
        for namespace, prefix in what.prefixes:
            db.execute(
                "DELETE FROM state WHERE namespace = ? AND substr(key, 1, ?) = ?",
                (namespace, len(prefix), prefix),
            )
        db.execute("DELETE FROM deadline WHERE owner = ?", (what.owner,))
        append_evidence(db, what.entry, now)
    finally:
        db.execute("PRAGMA secure_delete=OFF")


def _messages(db: sqlite3.Connection, prefix: str) -> None:
    warnings = [
        row[0]
        for row in db.execute(
            "SELECT id FROM warning WHERE key <> '' AND key >= ? AND substr(key, 1, ?) = ?",
            (prefix, len(prefix), prefix),
        )
    ]
    for warning in warnings:
        ids = [row[0] for row in db.execute("SELECT id FROM message WHERE warning = ?", (warning,))]
        for id_ in ids:
            waits = db.execute(
                "SELECT 1 FROM queue WHERE id = ? UNION ALL SELECT 1 FROM flight WHERE id = ?"
                " AND (state = 1 OR resend_due IS NOT NULL) LIMIT 1",
                (id_, id_),
            ).fetchone()
            if waits is not None:
                raise InputError("A message of it is on its way.", hint="Try again later.")
            db.execute("UPDATE feed SET payload = NULL WHERE id = ?", (id_,))
        bodies = {
            row[0] for row in db.execute("SELECT body FROM message WHERE warning = ?", (warning,))
        }
        forget_messages(db, ids)
        db.execute("DELETE FROM fallback WHERE warning = ?", (warning,))
        db.execute("DELETE FROM warning WHERE id = ?", (warning,))
        for body in bodies:
            db.execute(
                "DELETE FROM body WHERE id = ? AND id NOT IN (SELECT body FROM message)", (body,)
            )


def last_events(db: sqlite3.Connection, prefix: str) -> dict[str, int]:
    """When the last event of each stream was written whose name begins with a text."""
    found: dict[str, int] = {}
    name = prefix
    while True:
        # One look-up a stream: a grouping would read every event.
        row = db.execute(
            "SELECT stream FROM event WHERE stream > ? ORDER BY stream LIMIT 1", (name,)
        ).fetchone()
        if row is None or not row[0].startswith(prefix):
            return found
        name = row[0]
        (at,) = db.execute(
            "SELECT at FROM event WHERE stream = ? ORDER BY version DESC LIMIT 1", (name,)
        ).fetchone()
        found[name] = at


def empty_log(path: Path) -> None:
    """Write the log into the file and begin it anew, so that it holds nothing of before.

    Raises:
        StoreError: Somebody reads all the while; it is worth another try.
    """
    db = connect(path)
    try:
        (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.close()
    if busy:
        raise StoreError("The store's log is in use, so it was not emptied.", hint="Try again.")


def is_in(path: Path, needle: bytes) -> bool:
    """Whether a file holds these bytes anywhere."""
    before = b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if needle in before + piece:
                return True
            before = piece[-len(needle) :]
    return False
