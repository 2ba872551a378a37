"""What a speaker channel reports, and what it remembers so that no play is left without an end.

A row stands in the store from just before a play begins until its report is on disk. Rows that are
found at the start belong to plays that a crash cut off: they are reported as interrupted, and
nothing is played again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from fzalert.messages import DeliveryReport, Proof, ReportKind
from fzalert.ports import AdapterState, InboundBatch

__all__ = ["Reports"]

_PREFIX: Final = "playing/"


class Reports:
    """The way back of one channel."""

    def __init__(self, state: AdapterState) -> None:
        self._state = state
        # Bounded by the plays themselves: each leaves one report.
        self._waiting: asyncio.Queue[DeliveryReport | None] = asyncio.Queue()
        self._done: asyncio.Queue[str] = asyncio.Queue()

    async def recover(self, at: int) -> None:
        """Report what a crash cut off."""
        for row, _ in await self._state.items(_PREFIX):
            id_, _, part = row.removeprefix(_PREFIX).partition(".")
            self.add(
                DeliveryReport(
                    ReportKind.INTERRUPTED,
                    code="restart",
                    at=at,
                    proof=Proof.NONE,
                    detail="程序中断，不知道播到哪里，不会重播。"
                    "The program ended during the play; it is not played again.",
                    id=int(id_),
                    part=int(part),
                )
            )

    async def begin(self, id_: int, part: int, speaker: str) -> None:
        """Put on disk that a play begins."""
        await self._state.put(_row(id_, part), speaker.encode())

    async def remove(self, id_: int, part: int) -> None:
        """A play did not begin after all; returns when no row says otherwise."""
        await self._state.put_many({_row(id_, part): None})

    def forget(self, id_: int, part: int) -> None:
        """A play's report is on disk."""
        self._done.put_nowait(_row(id_, part))

    def add(self, report: DeliveryReport) -> None:
        """Hand a report to whoever reads `stream`."""
        self._waiting.put_nowait(report)

    async def stream(self) -> AsyncIterator[InboundBatch]:
        """The reports, each with the acknowledgement that lets its row go."""
        while (report := await self._waiting.get()) is not None:
            yield InboundBatch((report,), partial(self.forget, report.id, report.part))

    async def tidy(self) -> None:
        """Remove rows that are no longer needed, for ever."""
        while True:
            rows = [await self._done.get()]
            await self._remove(rows)

    def close(self) -> None:
        """End the stream, after the reports that it still holds."""
        self._waiting.put_nowait(None)

    async def flush(self) -> None:
        """Remove what `tidy` has not removed yet."""
        await self._remove([])

    async def _remove(self, rows: list[str]) -> None:
        while not self._done.empty():
            rows.append(self._done.get_nowait())
        if rows:
            await self._state.put_many(dict.fromkeys(rows))


def _row(id_: int, part: int) -> str:
    return f"{_PREFIX}{id_}.{part}"
