"""Copies of a database that runs, and whether a copy can be relied on. Needs no key."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fzalert.errors import InputError, IntegrityError, StoreDamaged
from fzalert.evidence import Head, Link, verify
from fzalert.store.sqlite.connection import connect, in_our_words, migrate, no_room

PAGES_AT_ONCE = 4096


class ChainReport(NamedTuple):
    """One chain of the evidence.

    Attributes:
        name: Its name.
        length: How many rows it has.
        head: Hash of the last one, hex.
        fault: The first row that cannot be believed, in a sentence; empty where all can.
    """

    name: str
    length: int
    head: str
    fault: str = ""


class BackupReport(NamedTuple):
    """What a copy holds.

    Attributes:
        file: The copy.
        size: Bytes.
        store_id: The store's id.
        generation: How many transactions it has seen.
        messages: How many messages it knows.
        chains: How many chains of evidence.
        rows: How many rows they have in all.
    """

    file: str
    size: int
    store_id: str
    generation: int
    messages: int
    chains: int
    rows: int


def make_backup(store: Path, target: Path) -> None:
    """Copy a database while others write to it; the copy is whole or is not there.

    Raises:
        InputError: There is no such store, or something has the target's name.
        StoreError: It cannot be read, or the copy cannot be written.
    """
    if not store.is_file():
        raise InputError(f"There is no store {store.name}.", field="config")
    if target.exists():
        raise InputError(f"{target.name} is there already.", hint="Give a new name.", field="file")
    part = target.with_name(f".{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        source = connect(store, read_only=True)
        try:
            copy = sqlite3.connect(part)
            try:
                source.backup(copy, pages=PAGES_AT_ONCE)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, with no log beside it
            finally:
                copy.close()
        finally:
            source.close()
        handle = os.open(part, os.O_RDWR)
        os.fsync(handle)
        os.close(handle)
        part.rename(target)
    except sqlite3.Error as error:
        part.unlink(missing_ok=True)
        raise in_our_words(error, store) from error
    except OSError as error:
        raise no_room(target, error) from error


def verify_backup(file: Path) -> BackupReport:
    """Restore a copy in a folder of its own, and check file, schema and every chain there.

    Raises:
        InputError: There is no such file.
        StoreDamaged: The file is damaged.
        StoreError: Another version wrote it, or it cannot be read.
        IntegrityError: A chain of the evidence was changed; the text says where.
    """
    if not file.is_file():
        raise InputError(f"There is no file {file.name}.", field="file")
    with tempfile.TemporaryDirectory(prefix="fzalert-verify-", dir=file.parent) as folder:
        restored = Path(folder) / "restored.db"
        try:
            restored.write_bytes(file.read_bytes())
            db = connect(restored)
            try:
                return _verified(db, file)
            finally:
                db.close()
        except sqlite3.Error as error:
            raise in_our_words(error, file) from error
        except OSError as error:
            raise no_room(file, error) from error


def _verified(db: sqlite3.Connection, file: Path) -> BackupReport:
    found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreDamaged(
            f"{file.name} is damaged: {found}.",
            hint="Take another copy; this one restores nothing.",
        )
    migrate(db, file)
    reports = list(chain_reports(db))
    for report in reports:
        if report.fault:
            raise IntegrityError(f"The chain {report.name} of {file.name}: {report.fault}")
    (store_id,) = db.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()
    (generation,) = db.execute("SELECT n FROM generation").fetchone()
    (messages,) = db.execute("SELECT count(*) FROM message").fetchone()
    return BackupReport(
        file.name,
        file.stat().st_size,
        store_id,
        generation,
        messages,
        len(reports),
        sum(report.length for report in reports),
    )


def chain_reports(
    db: sqlite3.Connection, known: Mapping[str, tuple[str, Head]] | None = None
) -> Iterator[ChainReport]:
    """Check every chain of the evidence, in memory of one row.

    Args:
        db: The store.
        known: What the daily heads say of each chain: the day, and where it ended then. A chain
            that they know and that is not there is reported too.
    """
    known = known or {}
    names = {row[0] for row in db.execute("SELECT DISTINCT chain FROM evidence")}
    for name in sorted(names | known.keys()):
        day, end = known.get(name, ("", None))
        if name not in names:
            yield ChainReport(name, 0, "", f"The chain is gone; the head of {day} has it.")
            continue
        verdict = verify(links(db, name), anchor=end)
        fault = "" if verdict.fault is None else verdict.fault.detail
        yield ChainReport(name, verdict.head.seq + 1, verdict.head.hash.hex(), fault)


def links(db: sqlite3.Connection, chain: str) -> Iterator[Link]:
    """Read one chain, row by row."""
    for row in db.execute(
        "SELECT seq, CAST(body AS BLOB), CAST(h AS BLOB) FROM evidence WHERE chain = ?"
        " ORDER BY seq",
        (chain,),
    ):
        yield Link(*row)


def open_for_reading(store: Path) -> sqlite3.Connection:
    """Open a store beside its owner, to look only.

    Raises:
        InputError: There is none.
        StoreError: It cannot be read.
    """
    if not store.is_file():
        raise InputError(f"There is no store {store.name}.", field="config")
    try:
        return connect(store, read_only=True)
    except sqlite3.Error as error:
        raise in_our_words(error, store) from error
