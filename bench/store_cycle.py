"""How many messages a second the SQLite store moves, beside the same tables driven raw.

A cycle is accept, claim, result, report, each its own transaction for a batch, with a sync each.
Raw means `executemany` on the same schema in one thread: without encryption, blind index, feed,
evidence, counters, contacts, savepoints, or Python objects. Both sides alternate within one run,
since the disk and the neighbours move the absolute figures far more than they move the ratio.

    python bench/store_cycle.py [--batch 1000] [--batches 10] [--pairs 5]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fzalert.clock import SystemClock
from fzalert.messages import DeliveryReport, Lane, ReportKind
from fzalert.store import PartState, ResultRow, SqliteStore, TickInput
from fzalert.store.sqlite.connection import connect, migrate
from fzalert.testing.parcels import Parcels, make_vault

GOAL = 0.35


def raw_cycle(folder: Path, batch: int, batches: int) -> tuple[float, float]:
    """Messages a second and CPU microseconds a message of the tables alone."""
    path = folder / "raw.db"
    db = connect(path)
    migrate(db, path)
    ids = itertools.count(1)
    begun, cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
        _raw_batch(db, [next(ids) for _ in range(batch)])
    took, used = time.perf_counter() - begun, time.process_time() - cpu
    db.close()
    return batch * batches / took, used * 1e6 / (batch * batches)


def _raw_batch(db: sqlite3.Connection, ids: list[int]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "INSERT INTO message VALUES (?, 1, 1, 1, ?, ?, 1, 9, 1)",
        [(id_, f"139{id_:08d}", f"{id_:016d}") for id_ in ids],
    )
    db.executemany(
        "INSERT INTO queue (channel, lane, due_at, id, part, attempt) VALUES (1, 1, 0, ?, 0, 1)",
        [(id_,) for id_ in ids],
    )
    db.execute("COMMIT")
    db.execute("BEGIN IMMEDIATE")
    rows = db.execute(
        "SELECT q.due_at, q.id, q.part, m.target FROM queue q JOIN message m ON m.id = q.id"
        " WHERE q.channel = 1 AND q.lane = 1 AND q.due_at <= 1 ORDER BY q.due_at, q.id LIMIT ?",
        (len(ids),),
    ).fetchall()
    db.executemany(
        "DELETE FROM queue WHERE channel = 1 AND lane = 1 AND due_at = ? AND id = ? AND part = ?",
        [row[:3] for row in rows],
    )
    db.executemany(
        "INSERT INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at, state)"
        " VALUES (?, ?, 1, 0, 1, 1, 1, 0, 1)",
        [row[1:3] for row in rows],
    )
    db.execute("COMMIT")
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "UPDATE flight SET state = 2, word = 'sent', carrier_id = ? WHERE id = ? AND part = 0",
        [(b"c%d" % id_, id_) for id_ in ids],
    )
    db.execute("COMMIT")
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "UPDATE flight SET state = 3, word = 'delivered' WHERE channel = 1 AND carrier_id = ?",
        [(b"c%d" % id_,) for id_ in ids],
    )
    db.execute("COMMIT")


async def port_cycle(folder: Path, batch: int, batches: int) -> tuple[float, float]:
    """The same through the port, with everything that it promises."""
    clock = SystemClock()
    store = SqliteStore(folder / "port.db", clock, make_vault)
    await store.open()
    lease = await store.acquire("sms", 0, "bench", 3600)
    if lease is None:
        raise RuntimeError("the bench's own store has another owner")
    parcels = Parcels(clock)
    changes = [parcels.change(batch) for _ in range(batches)]
    begun, cpu = time.perf_counter(), time.process_time()
    for change in changes:
        await store.commit(change)
        output = await store.tick(lease, TickInput(want={Lane.BULK: batch}))
        parts = [one.submission for one in output.claimed]
        results = [
            ResultRow(p.id, p.part, PartState.SENT, "sent", carrier_id=b"c%d" % p.id) for p in parts
        ]
        await store.tick(lease, TickInput(results))
        reports = [DeliveryReport(ReportKind.DELIVERED, b"c%d" % p.id) for p in parts]
        await store.tick(lease, TickInput(reports=reports))
    took, used = time.perf_counter() - begun, time.process_time() - cpu
    done = {row.state: row.n for row in await store.counters() if row.n}
    await store.close()
    if done != {PartState.DELIVERED: batch * batches}:
        raise RuntimeError(f"the cycle is broken: {done}")
    return batch * batches / took, used * 1e6 / (batch * batches)


def main() -> None:
    """Alternate, and print medians, extremes and the ratio."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--batch", type=int, default=1000)
    arguments.add_argument("--batches", type=int, default=10)
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    given = arguments.parse_args()
    raw: list[tuple[float, float]] = []
    port: list[tuple[float, float]] = []
    for _ in range(given.pairs):
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            raw.append(raw_cycle(Path(name), given.batch, given.batches))
            port.append(asyncio.run(port_cycle(Path(name), given.batch, given.batches)))
    ratios = [p[0] / r[0] for p, r in zip(port, raw, strict=True)]
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    lines = [
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, load {load}",
        f"{given.pairs} pairs of {given.batches} batches of {given.batch}, synchronous=FULL",
    ]
    for name, found in (("raw", raw), ("port", port)):
        rates = [rate for rate, _ in found]
        lines.append(
            f"{name:5} {statistics.median(rates):9,.0f} msg/s ({min(rates):,.0f} to"
            f" {max(rates):,.0f}), CPU {statistics.median(c for _, c in found):.1f} us/msg"
        )
    ratio = statistics.median(ratios)
    lines.append(f"ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), goal {GOAL}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
