"""One tick of one slot: results, late receipts, reports, change sets, claims, in one transaction.

Results come before reports, so that a report that overtook its response still finds its part. The
hot statements run once a batch (`executemany`), never once a message.
"""

from __future__ import annotations

import sqlite3

from fzalert.errors import FzalertError, InputError, LeaseLost, StoreError
from fzalert.store.port import Vault
from fzalert.store.records import (
    ChangeSet,
    Committed,
    Lease,
    TickInput,
    TickOutput,
)
from fzalert.store.sqlite.books import Books
from fzalert.store.sqlite.changes import write_changes
from fzalert.store.sqlite.claims import claim, queue_ahead
from fzalert.store.sqlite.reports import write_inbound
from fzalert.store.sqlite.results import write_late, write_results

_ROW_ERRORS = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    UnicodeError,
)
"""What Python and SQLite raise for a value that is none of its kind: an id of 65 bits, half a
character, a word that no vocabulary has."""


def tick(
    connection: sqlite3.Connection, vault: Vault, lease: Lease, work: TickInput, now: int
) -> TickOutput:
    """Do all of it, inside a transaction that the writer opened.

    Raises:
        LeaseLost: The stored epoch is another one.
        InputError: A row of the work cannot be stored as it is.
    """
    check_lease(connection, lease)
    try:
        return _tick(connection, vault, lease, work, now)
    except _ROW_ERRORS as error:
        raise InputError(f"A row of the tick cannot be stored: {type(error).__name__}.") from error


def _tick(
    connection: sqlite3.Connection, vault: Vault, lease: Lease, work: TickInput, now: int
) -> TickOutput:
    books = Books(connection, vault, lease, now)
    if work.results:
        write_results(books, work.results)
    for late, row in work.late:
        write_late(books, late, row)
    if work.reports:
        write_inbound(books, work.reports)
    changed = tuple(_change(books, changes) for changes in work.change_sets)
    claimed = claim(books, work.want) if work.want else ()
    books.close()
    dues = queue_ahead(books)
    waiting = any(due <= now for due in dues.values())
    return TickOutput(
        claimed, tuple(books.touched), books.expired, books.orphans, waiting, dues, changed
    )


def check_lease(connection: sqlite3.Connection, lease: Lease) -> None:
    """Raise LeaseLost where another owner has the slot by now."""
    row = connection.execute(
        "SELECT epoch FROM lease WHERE channel = ? AND slot = ?", (lease.channel_id, lease.slot)
    ).fetchone()
    if row is None or row[0] != lease.epoch:
        raise LeaseLost(
            f"Channel {lease.channel}, connection {lease.slot}: another owner holds it."
        )


def _change(books: Books, changes: ChangeSet) -> Committed | FzalertError:
    """Write one change set; a refusal undoes it alone and is its answer."""
    books.db.execute("SAVEPOINT change")
    answer: Committed | FzalertError
    try:
        answer = write_changes(books.db, books.vault, changes, books.now)
    except FzalertError as error:
        answer = error
    except sqlite3.IntegrityError as error:
        answer = StoreError(f"the store refused a change set: {error}")
        answer.__cause__ = error
    if isinstance(answer, FzalertError):
        books.db.execute("ROLLBACK TO change")
    books.db.execute("RELEASE change")
    return answer
