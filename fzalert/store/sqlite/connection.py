"""Connections, pragmas, the owner's lock, and SQLite's errors in our words.

Every writing transaction is `BEGIN IMMEDIATE`: a deferred one that turns into a writer gets
SQLITE_BUSY_SNAPSHOT at once, whatever the busy timeout says.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
from importlib.resources import files
from pathlib import Path

from fzalert.errors import StoreDamaged, StoreError, StoreFull, StoreInUse, StoreReadOnly

if os.name == "posix":
    import fcntl

BUSY_TIMEOUT_MS = 5000
RESTORE = (
    "Stop, keep the file, and restore the newest backup; then fzalert run --resume-as-unknown."
)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open one connection, to be used by one thread."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    if not read_only:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=4000")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA cache_size=-32768")
    return connection


def in_our_words(error: sqlite3.Error, path: Path) -> StoreError:
    """Translate SQLite's error; the caller raises it from the original."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code == sqlite3.SQLITE_READONLY:
        return StoreReadOnly(
            f"The store {path.name} cannot be written ({name}).",
            hint="Make the disk writable; what was accepted is safe.",
        )
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
        return StoreFull(
            f"The store {path.name} cannot write ({name}).",
            hint="Free space or make the disk writable; what was accepted is safe.",
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreDamaged(
            f"The store {path.name} is damaged ({name}).",
            hint=RESTORE,
        )
    return StoreError(f"The store {path.name} refused: {name}: {error}.")


def quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """Look through the whole file.

    Raises:
        StoreDamaged: A page is not what it should be; the text says which.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreDamaged(
            f"The store {path.name} is damaged: {found}.",
            hint=RESTORE,
        )


def no_room(path: Path, error: OSError) -> StoreFull:
    """Say that a file beside the store cannot be written; raised from the original."""
    kind = StoreReadOnly if error.errno == errno.EROFS else StoreFull
    return kind(
        f"{path.name} cannot be written ({error.strerror}).",
        hint="Free space or make the disk writable; what was accepted is safe.",
    )


class OwnerLock:
    """The lock file beside the database; the system frees it when the owner dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self) -> None:
        """Take the lock.

        Raises:
            StoreInUse: Another process has it; the text names its process id.
            StoreFull: The lock file cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise no_room(self._path, error) from error
        try:
            if os.name == "posix":
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:  # pragma: no cover  the branch of Windows PCs
                import msvcrt

                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            owner = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StoreInUse(
                f"Process {owner} owns the store beside {self._path.name}.",
                hint="Stop it, or speak to it: the fzalert commands do so by themselves.",
            ) from None
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        except OSError as error:
            os.close(handle)
            raise no_room(self._path, error) from error
        self._handle = handle

    def free(self) -> None:
        """Give the lock back; the file stays, so that no other owner locks a dead inode."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to this version, one file at a time, each in its own transaction.

    Raises:
        StoreError: The database was written by a newer fzalert, or a file was changed.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version ("
        "number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)"
    )
    done = dict(connection.execute("SELECT number, sha256 FROM schema_version").fetchall())
    folder = files("fzalert.store") / "migrations"
    steps = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    )
    numbers = {int(name.split("_", 1)[0]) for name, _ in steps}
    if newer := set(done) - numbers:
        raise StoreError(
            f"{path.name} has schema {max(newer)}; this version knows {max(numbers)}.",
            hint="Use the newer fzalert that wrote it.",
        )
    for name, text in steps:
        number = int(name.split("_", 1)[0])
        digest = hashlib.sha256(text.encode()).hexdigest()
        if number in done:
            if done[number] != digest:
                raise StoreError(f"{path.name} was made with another {name}.")
            continue
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{text}\n"
                f"INSERT INTO schema_version VALUES ({number}, '{name}', '{digest}');\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
