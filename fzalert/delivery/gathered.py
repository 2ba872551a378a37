"""What gathered for a slot's next tick, and how one row that cannot be stored is found.

A store refuses a whole tick for one bad row (an id that is no id, text that is no text). Then the
things are written one at a time until the bad one is alone: a result is replaced by a plain
unknown, an inbound row is left out and its batch never acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable

from fzalert.delivery.wire import Key
from fzalert.messages import Answer, DeliveryReport, LateReceipt, Uplink
from fzalert.ports import InboundBatch
from fzalert.store import PartState, ResultRow, TickInput

INBOUND_MOST = 5000


class Gathered:
    """Results and inbound rows, in their order, until a tick has written them.

    Attributes:
        careful: Whether things are written one at a time.
    """

    def __init__(self) -> None:
        self.careful = False
        self._rows: list[ResultRow] = []
        self._inbound: list[InboundBatch] = []

    def __bool__(self) -> bool:
        return bool(self._rows or self._inbound)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read from the far side for now."""
        return sum(len(batch.rows) for batch in self._inbound) > INBOUND_MOST

    @property
    def size(self) -> int:
        """How many results and inbound rows wait."""
        return len(self._rows) + sum(len(batch.rows) for batch in self._inbound)

    def keys(self) -> set[Key]:
        """The parts with a result here."""
        return {(row.id, row.part) for row in self._rows}

    def add(self, *rows: ResultRow) -> None:
        """Add results."""
        self._rows += rows

    def add_inbound(self, batch: InboundBatch) -> None:
        """Add what the adapter brought."""
        self._inbound.append(batch)

    def take(self) -> Batch:
        """Take what the next tick writes; it comes back by `put_back` or not at all."""
        if self.careful:
            rows, inbound = self._rows[:1], [] if self._rows else self._inbound[:1]
        else:
            rows, inbound = self._rows, self._some_inbound()
        self._rows = self._rows[len(rows) :]
        self._inbound = self._inbound[len(inbound) :]
        return Batch(rows, inbound)

    def put_back(self, batch: Batch) -> None:
        """The tick was not written: all of it waits for the next one, in its old order."""
        self._rows = batch.rows + self._rows
        self._inbound = batch.inbound + self._inbound

    def written(self) -> None:
        """A tick was written: once nothing waits, nothing bad is left."""
        self.careful = self.careful and bool(self)

    def refused(self, batch: Batch) -> bool:
        """The store cannot hold something of a batch that was put back.

        Returns:
            Whether a row was given up; otherwise the search goes on.
        """
        if not self.careful:
            self.careful = True
            return False
        if batch.rows:
            (row,) = batch.rows
            why = "the channel's answer could not be stored"
            plain = ResultRow(row.id, row.part, PartState.UNKNOWN, "unknown", detail=why)
            self._rows[:1] = [] if row == plain else [plain]
            return True
        (alone,) = batch.inbound
        self._inbound[:1] = _one_by_one(alone) if len(alone.rows) > 1 else []
        return len(alone.rows) == 1

    def _some_inbound(self) -> list[InboundBatch]:
        size = 0
        for number, batch in enumerate(self._inbound, start=1):
            size += len(batch.rows)
            if size >= INBOUND_MOST:
                return self._inbound[:number]
        return self._inbound


class Batch:
    """One tick's worth of what gathered."""

    __slots__ = ("inbound", "rows")

    def __init__(self, rows: list[ResultRow], inbound: list[InboundBatch]) -> None:
        self.rows = rows
        self.inbound = inbound

    def __bool__(self) -> bool:
        return bool(self.rows or self.inbound)

    def work(self, late_row: Callable[[LateReceipt], ResultRow]) -> TickInput:
        """The tick's input, as yet without claims."""
        reports: list[DeliveryReport | Uplink | Answer] = []
        late: list[tuple[LateReceipt, ResultRow]] = []
        for batch in self.inbound:
            for row in batch.rows:
                if isinstance(row, LateReceipt):
                    late.append((row, late_row(row)))
                else:
                    reports.append(row)
        return TickInput(self.rows, reports, late)


def _one_by_one(batch: InboundBatch) -> list[InboundBatch]:
    """One batch for each row; the far side is answered once all of them are on disk."""
    lacking = len(batch.rows)

    def written() -> None:
        nonlocal lacking
        lacking -= 1
        if not lacking:
            batch.acknowledge()

    return [InboundBatch((row,), written) for row in batch.rows]
