"""The part of Python's `sqlite3` that the store uses, spoken by apsw, over a file system of ours.

Python's own module takes no virtual file system written in Python; apsw does. With `over` the
store's code runs unchanged, its pragmas and its threads too, and every octet that SQLite writes
goes through a file system that a test controls.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from unittest import mock

import apsw

__all__ = ["Connection", "over"]

_KINDS: tuple[tuple[type[apsw.Error], type[sqlite3.Error]], ...] = (
    (apsw.ConstraintError, sqlite3.IntegrityError),
    (apsw.MismatchError, sqlite3.IntegrityError),
    (apsw.TooBigError, sqlite3.DataError),
    (apsw.CorruptError, sqlite3.DatabaseError),
    (apsw.NotADBError, sqlite3.DatabaseError),
    (apsw.BindingsError, sqlite3.ProgrammingError),
    (apsw.Error, sqlite3.OperationalError),
)


def _translated(error: apsw.Error) -> sqlite3.Error:
    """The same error as Python's module would raise it, with SQLite's extended code."""
    kind = next(ours for theirs, ours in _KINDS if isinstance(error, theirs))
    found = kind(str(error))
    code = getattr(error, "extendedresult", 0) or getattr(error, "result", 0)
    found.sqlite_errorcode = code
    names: Any = apsw.mapping_result_codes
    found.sqlite_errorname = str(names.get(code & 0xFF, type(error).__name__))
    return found


class _Rows:
    """What a statement gave: all of it, read at once."""

    def __init__(self, rows: list[tuple[Any, ...]], changed: int) -> None:
        self._rows = iter(rows)
        self.rowcount = changed

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """Give the next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Give the rows that are left."""
        return list(self._rows)


class Connection:
    """One connection.

    Args:
        uri: What `sqlite3.connect` was given.
        vfs: Name of the file system.
        reword: Changes statements before they run: a planted bug.
    """

    def __init__(self, uri: str, vfs: str, reword: Callable[[str], str]) -> None:
        self._reword = reword
        flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        try:
            self._connection = apsw.Connection(uri, flags=flags, vfs=vfs)
        except apsw.Error as error:
            raise _translated(error) from error

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        """Rows changed since it was opened."""
        return self._connection.total_changes()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> _Rows:
        """Run one statement."""
        try:
            rows = list(self._connection.execute(self._reword(sql), tuple(values)))
        except apsw.Error as error:
            raise _translated(error) from error
        return _Rows(rows, self._connection.changes())

    def executemany(self, sql: str, values: Iterable[Sequence[Any]]) -> _Rows:
        """Run one statement for each row of values."""
        before = self._connection.total_changes()
        try:
            rows = list(self._connection.executemany(self._reword(sql), map(tuple, values)))
        except apsw.Error as error:
            raise _translated(error) from error
        return _Rows(rows, self._connection.total_changes() - before)

    def executescript(self, script: str) -> _Rows:
        """Run several statements."""
        return self.execute(script)

    def close(self) -> None:
        """Close; the last one folds the log into the file."""
        try:
            self._connection.close()
        except apsw.Error as error:
            raise _translated(error) from error


def over(vfs: str, reword: Callable[[str], str] = str) -> Any:
    """Let every `sqlite3.connect` of this process go over a file system, while it is entered.

    Args:
        vfs: Its name.
        reword: Changes statements before they run.
    """

    def connect(database: str, /, **options: Any) -> Connection:
        del options
        return Connection(database, vfs, reword)

    return mock.patch.object(sqlite3, "connect", connect)
