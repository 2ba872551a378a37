"""An adapter's rows, kept in memory."""

from __future__ import annotations

from typing_extensions import override

from fzalert.ports import AdapterState

__all__ = ["MemoryState"]


class MemoryState(AdapterState):
    """Rows in a dictionary; hand the same one to a second context to play a restart.

    Attributes:
        rows: What is "on disk".
        commits: How many writes there were; several rows in one commit count once.
    """

    def __init__(self, rows: dict[str, bytes] | None = None) -> None:
        self.rows: dict[str, bytes] = dict(rows or {})
        self.commits = 0

    @override
    async def get(self, key: str) -> bytes | None:
        return self.rows.get(key)

    @override
    async def items(self, prefix: str = "") -> list[tuple[str, bytes]]:
        return sorted(row for row in self.rows.items() if row[0].startswith(prefix))

    @override
    async def put(self, key: str, value: bytes) -> None:
        self.rows[key] = value
        self.commits += 1

    @override
    async def put_many(self, rows: dict[str, bytes | None]) -> None:
        for key, value in rows.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self.commits += 1
