"""Reports on their way to the engine: bounded, and acknowledged only after the commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from fzalert.messages import DeliveryReport
from fzalert.ports import InboundBatch

__all__ = ["Inbox", "Pending"]


class Pending:
    """Rows that wait for their commit.

    Attributes:
        rows: The rows.
        done: Set when they are committed, or never will be.
        committed: Whether they are on disk.
    """

    __slots__ = ("committed", "done", "rows")

    def __init__(self, rows: Sequence[DeliveryReport]) -> None:
        self.rows = tuple(rows)
        self.done = asyncio.Event()
        self.committed = False


class Inbox:
    """A bounded queue of pending rows.

    Args:
        limit: Rows that may wait at once; beyond it a page is asked to keep its own.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._waiting: deque[Pending] = deque()
        self._open: set[Pending] = set()
        self._rows = 0
        self._wake = asyncio.Event()
        self._closed = False

    def offer(self, rows: Sequence[DeliveryReport]) -> Pending | None:
        """Queue rows; None where there is no room or nobody reads any more."""
        if self._closed or self._rows + len(rows) > self._limit:
            return None
        pending = Pending(rows)
        self._waiting.append(pending)
        self._open.add(pending)
        self._rows += len(rows)
        self._wake.set()
        return pending

    async def batches(self) -> AsyncIterator[InboundBatch]:
        """Yield all that waits as one batch, until closed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._waiting:
                taken = tuple(self._waiting)
                self._waiting.clear()
                rows = tuple(row for pending in taken for row in pending.rows)
                yield InboundBatch(rows, _Acknowledge(self, taken))
            if self._closed:
                return

    def settle(self, taken: Sequence[Pending]) -> None:
        """Mark rows as committed and let their pages know."""
        for pending in taken:
            if pending in self._open:
                self._open.discard(pending)
                self._rows -= len(pending.rows)
                pending.committed = True
                pending.done.set()

    def close(self) -> None:
        """End `batches`; whoever waits for a commit that will not come is let go."""
        self._closed = True
        self._wake.set()
        for pending in self._open:
            pending.done.set()
        self._open.clear()
        self._rows = 0


class _Acknowledge:
    """What the engine calls after its commit."""

    __slots__ = ("_inbox", "_taken")

    def __init__(self, inbox: Inbox, taken: Sequence[Pending]) -> None:
        self._inbox = inbox
        self._taken = taken

    def __call__(self) -> None:
        self._inbox.settle(self._taken)
