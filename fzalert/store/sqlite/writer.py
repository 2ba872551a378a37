"""The one writer thread: whatever waits is written in one transaction, with one disk sync.

Each piece of work runs inside a savepoint, so that one refusal does not undo its neighbours.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from fzalert.errors import StoreError
from fzalert.store.sqlite.anchor import Anchor
from fzalert.store.sqlite.connection import in_our_words

T = TypeVar("T")

MOST_TOGETHER = 64


def _seen(future: asyncio.Future[T]) -> None:
    """A refusal whose caller has given up meanwhile is nobody's: it is not to be complained of."""
    if not future.cancelled():
        future.exception()


class _Work(Generic[T]):
    __slots__ = ("error", "future", "loop", "result", "run")

    def __init__(
        self,
        run: Callable[[sqlite3.Connection], T],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.run = run
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.future.add_done_callback(_seen)
        self.result: T | None = None
        self.error: Exception | None = None


class Writer:
    """Owns the writing connection and its thread.

    Args:
        connection: Opened for writing; from here on only this thread uses it.
        path: For error texts.

    Attributes:
        anchor: Told of each transaction once it is on disk; set by its store.
    """

    anchor: Anchor | None = None

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._inbox: queue.SimpleQueue[_Work[object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="fzalert-store", daemon=True)
        self._thread.start()
        self.transactions = 0

    async def write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run `run` inside a transaction; returns once it is on disk.

        Args:
            run: Gets the connection; runs in the writer thread.

        Raises:
            StoreError: The disk refuses; nothing of this work is written.
        """
        work: _Work[T] = _Work(run, asyncio.get_running_loop())
        self._inbox.put(work)  # type: ignore[arg-type]  # works of every result type
        # A cancelled caller must not lose track of what is being written.
        return await asyncio.shield(work.future)

    async def stop(self) -> None:
        """Finish what was taken, then end the thread and close the connection."""
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            first = self._inbox.get()
            if first is None:
                break
            works = [first]
            while len(works) < MOST_TOGETHER:
                try:
                    more = self._inbox.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    stopping = True
                    break
                works.append(more)
            self._transact(works)
            self._hand_back(works)
        self._connection.close()

    def _transact(self, works: list[_Work[object]]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work in works:
                self._run_one(connection, work)
            written = any(work.error is None for work in works)
            if written:
                connection.execute("UPDATE generation SET n = n + 1")
            connection.execute("COMMIT")
            if written and self.anchor is not None:
                self.anchor.advance()  # before anyone hears of it
        except Exception as error:  # noqa: BLE001  the thread's boundary: every caller hears of it
            self._undo(works, error)
        else:
            self.transactions += 1

    def _run_one(self, connection: sqlite3.Connection, work: _Work[object]) -> None:
        connection.execute("SAVEPOINT work")
        try:
            work.result = work.run(connection)
        except Exception as error:
            if not connection.in_transaction:
                raise  # SQLite undid everything by itself, as it does on a full disk
            connection.execute("ROLLBACK TO work")
            work.error = self._translated(error)
        connection.execute("RELEASE work")

    def _undo(self, works: list[_Work[object]], error: Exception) -> None:
        refusal: Exception = error
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as worse:
            refusal = worse
        for work in works:
            if work.error is None:
                work.error = self._translated(refusal)
                if not isinstance(work.error, StoreError):
                    work.error = StoreError(f"the writer failed: {refusal!r}")
                    work.error.__cause__ = refusal

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            refusal = in_our_words(error, self._path)
            refusal.__cause__ = error
            return refusal
        return error

    def _hand_back(self, works: list[_Work[object]]) -> None:
        loops = {work.loop for work in works}
        for loop in loops:
            mine = [work for work in works if work.loop is loop]
            try:
                loop.call_soon_threadsafe(_resolve, mine)
            except RuntimeError:
                # The caller's loop is gone; what was written stays written.
                continue


def _resolve(works: list[_Work[object]]) -> None:
    for work in works:
        if work.future.cancelled():
            continue
        if work.error is not None:
            work.future.set_exception(work.error)
        else:
            work.future.set_result(work.result)
