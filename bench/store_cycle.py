"""The SQLite store beside the same tables driven raw: `python bench/store_cycle.py`.

A cycle is accept, claim, result, report, each its own transaction for a batch, with a disk sync
each. Both sides alternate within one run. The port encrypts, indexes blindly, writes feed,
evidence, counters and contacts, and makes the objects that the engine needs.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.common.printing import Report
from bench.common.raw import Cost, raw_cycle
from bench.common.road import Filler, make_vault
from fzalert.clock import SystemClock
from fzalert.messages import DeliveryReport, Lane, ReportKind
from fzalert.store import PartState, ResultRow, SqliteStore, TickInput

QUICK = (100, 2, 1)


async def port_cycle(folder: Path, batch: int, batches: int) -> tuple[Cost, list[float]]:
    """The cycle through the port; also the processor microseconds a message of each batch."""
    clock = SystemClock()
    store = SqliteStore(folder / "port.db", clock, make_vault)
    await store.open()
    lease = await store.acquire("mobile", 0, "bench", 3600)
    if lease is None:
        raise RuntimeError("the bench's own store has another owner")
    filler = Filler(clock)
    each: list[float] = []
    took = 0.0
    for _ in range(batches):
        change = filler.change(Lane.BULK, batch)  # the caller's work, not the store's
        began, cpu = time.perf_counter(), time.process_time()
        await store.commit(change)
        output = await store.tick(lease, TickInput(want={Lane.BULK: batch}))
        parts = [one.submission for one in output.claimed]
        results = [
            ResultRow(p.id, p.part, PartState.SENT, "sent", carrier_id=b"c%d" % p.id) for p in parts
        ]
        await store.tick(lease, TickInput(results))
        reports = [DeliveryReport(ReportKind.DELIVERED, b"c%d" % p.id) for p in parts]
        await store.tick(lease, TickInput(reports=reports))
        each.append((time.process_time() - cpu) * 1e6 / batch)
        took += time.perf_counter() - began
    done = {row.state: row.n for row in await store.counters() if row.n}
    await store.close()
    if done != {PartState.DELIVERED: batch * batches}:
        raise RuntimeError(f"the cycle is broken: {done}")
    return Cost(batch * batches / took, sum(each) / len(each)), each


def main(arguments: Sequence[str] | None = None) -> None:
    """Alternate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    batch, batches, pairs = QUICK if given.quick else (given.batch, given.batches, given.pairs)
    raw: list[Cost] = []
    port: list[Cost] = []
    for _ in range(pairs):
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            raw.append(raw_cycle(Path(name), batch, batches))
            port.append(asyncio.run(port_cycle(Path(name), batch, batches))[0])
    both = list(zip(port, raw, strict=True))
    report = Report("store_cycle", quick=given.quick)
    report.add("raw tables", [one.rate for one in raw], "messages/s")
    report.add("through the port", [one.rate for one in port], "messages/s")
    report.add("port / raw", [p.rate / r.rate for p, r in both], "", least=0.35)
    report.add("processor: raw", [one.cpu for one in raw], "µs a message")
    report.add("processor: port", [one.cpu for one in port], "µs a message")
    report.add("processor: port / raw", [p.cpu / r.cpu for p, r in both], "")
    report.close()


if __name__ == "__main__":
    main()
