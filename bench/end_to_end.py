"""End to end beside the raw store cycle, alternating in one run: `python bench/end_to_end.py`.

One message end to end: accepted → on disk → CMPP submit → response → on disk → report → on disk →
acknowledged. The carrier is the simulated gateway in a process of its own, answering at once,
with a window of 64. The ceiling is SQLite alone doing the same four writes on the same tables in
batches of a thousand, without encryption, feed, counters or evidence.

Writes `build/bench.json` (name, value, unit, ceiling, ratio) and prints a table. Only ratios of one
run mean anything: absolute figures move with the neighbours of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from fzalert.access.keys import KeySigner
from fzalert.access.vault import KeyRow, Vault
from fzalert.background import Background
from fzalert.clock import SystemClock
from fzalert.delivery import ChannelSpec, Engine, IdMaker, Limits
from fzalert.http import HttpPool
from fzalert.messages import (
    ActorId,
    Coding,
    Lane,
    ScriptRef,
    SmsText,
    Target,
    TargetKind,
    Warning,
    WarningId,
)
from fzalert.ports import Adapter, AdapterContext
from fzalert.service.building import StoreState
from fzalert.store import Acceptance, ChangeSet, NewMessage, PartState, SqliteStore
from fzalert_sms.cmpp import CmppConfig, CmppGateway

BATCH = 1000
WINDOW = 64


def raw_cycle(folder: Path, messages: int) -> float:
    """Messages a second of SQLite alone: accept, claim, result, report, a commit each."""
    db = sqlite3.connect(folder / "raw.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    schema = files("fzalert.store") / "migrations" / "0001_start.sql"
    db.executescript(schema.read_text(encoding="utf-8"))
    blob, index = bytes(50), bytes(16)
    began = time.perf_counter()
    for start in range(1, messages + 1, BATCH):
        ids = range(start, start + BATCH)
        with commit(db):
            db.executemany(
                "INSERT INTO message VALUES (?, 1, 1, 1, ?, ?, 1, 9, 1)",
                [(id_, blob, index) for id_ in ids],
            )
            db.executemany(
                "INSERT INTO queue (channel, lane, due_at, id, part, attempt)"
                " VALUES (1, 1, 1, ?, 0, 1)",
                [(id_,) for id_ in ids],
            )
        with commit(db):
            db.executemany(
                "DELETE FROM queue WHERE channel = 1 AND lane = 1 AND due_at = 1 AND id = ?"
                " AND part = 0",
                [(id_,) for id_ in ids],
            )
            db.executemany(
                "INSERT INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at,"
                " state) VALUES (?, 0, 1, 0, 1, 1, 1, 1, 1)",
                [(id_,) for id_ in ids],
            )
        with commit(db):
            db.executemany(
                "UPDATE flight SET state = 2, carrier_id = ?, changed_at = 1"
                " WHERE id = ? AND part = 0",
                [(id_.to_bytes(8, "big"), id_) for id_ in ids],
            )
        with commit(db):
            db.executemany(
                "UPDATE flight SET state = 3, word = 'delivered', changed_at = 2"
                " WHERE channel = 1 AND carrier_id = ?",
                [(id_.to_bytes(8, "big"),) for id_ in ids],
            )
    passed = time.perf_counter() - began
    db.close()
    return messages / passed


@contextlib.contextmanager
def commit(db: sqlite3.Connection) -> Iterator[None]:
    """One transaction."""
    db.execute("BEGIN IMMEDIATE")
    yield
    db.execute("COMMIT")


async def end_to_end(folder: Path, messages: int, port: int) -> tuple[float, float]:
    """Messages a second of the whole road, and our CPU microseconds a message."""
    clock = SystemClock()

    def make_vault(rows: list[tuple[int, str, bytes, int]], keep: object) -> Vault:
        vault = Vault(bytes(32), [KeyRow(*row) for row in rows])
        for row in vault.new_key(clock.millis()):
            keep(*row)  # type: ignore[operator]  # the store's own function
        return vault

    store = SqliteStore(folder / "bench.db", clock, make_vault)
    await store.open()
    rng = random.Random(1)  # noqa: S311  jitter
    http, signer = HttpPool(), KeySigner.from_seed(bytes(32))
    config = CmppConfig(
        name="mobile",
        adapter="sms.cmpp",
        host="127.0.0.1",
        port=port,
        account="901234",
        secret={"env": "BENCH_SECRET"},  # type: ignore[arg-type]  # a reference, resolved
        service_id="BENCH",
        src_id="106500001",
        signature="反诈",
        window=WINDOW,
    )

    def make(slot: int, background: Background) -> Adapter:
        context = AdapterContext(clock, rng, background, StoreState(store, "mobile"), signer, http)
        return CmppGateway(config.model_copy(update={"slot": slot}), context)

    engine = Engine(store, folder, [ChannelSpec("mobile", "sms.cmpp", make)], Limits(), clock, rng)
    await engine.open()
    try:
        return await run(store, engine, IdMaker(clock), clock, messages)
    finally:
        await engine.close()
        await http.aclose()
        await store.close()


async def run(
    store: SqliteStore, engine: Engine, ids: IdMaker, clock: SystemClock, messages: int
) -> tuple[float, float]:
    """Accept in batches and wait until every report is on disk."""
    body = SmsText(
        ("【反诈】陌生人让您转钱、保密、共享手机画面，都是骗局。先停手，打96110问一问。",),
        Coding.UCS2,
        ScriptRef("generic", "general", "zh", 1, "0" * 64),
    )
    now = clock.millis()
    warning = Warning(
        WarningId(ids.one()),
        "generic/general/1",
        "zh",
        (),
        {},
        Lane.BULK,
        now,
        now + 3_600_000,
        "",
        ActorId("bench"),
    )
    cpu = time.process_time()
    began = time.perf_counter()
    for start in range(0, messages, BATCH):
        new = [
            NewMessage(id_, "mobile", Target(TargetKind.PHONE, f"+86138{start + n:08d}"), 0, 1, now)
            for n, id_ in enumerate(ids.take(BATCH))
        ]
        await store.commit(
            ChangeSet(accepts=(Acceptance(warning, b"", (body,), new, new=start == 0),))
        )
        engine.poke(["mobile"])
    seen = 0
    while await delivered(store) < messages:
        seen = await engine.changed(seen, 0.5)
        await asyncio.sleep(0.02)
    passed = time.perf_counter() - began
    return messages / passed, (time.process_time() - cpu) / messages * 1e6


async def delivered(store: SqliteStore) -> int:
    """How many parts are delivered, by the counters."""
    return sum(row.n for row in await store.counters() if row.state is PartState.DELIVERED)


@contextlib.contextmanager
def carrier() -> Iterator[int]:
    """The simulated gateway, answering and reporting at once."""
    command = [
        sys.executable,
        "-m",
        "fzalert_sms.cmpp.simulator",
        "--port=0",
        "--account=901234:bench",
        f"--window={WINDOW}",
        "--response-delay-ms=0",
        "--report-delay-ms=0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  ours
        assert child.stdout is not None  # noqa: S101  a pipe was asked for
        yield int(json.loads(child.stdout.readline())["port"])
        child.terminate()
        child.communicate()


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    os.environ["BENCH_SECRET"] = "bench"  # noqa: S105  the simulator's
    raws: list[float] = []
    ours: list[float] = []
    costs: list[float] = []
    with carrier() as port:
        for _ in range(given.pairs):
            with tempfile.TemporaryDirectory() as folder:
                raws.append(raw_cycle(Path(folder), given.messages))
                value, cost = asyncio.run(end_to_end(Path(folder), given.messages, port))
                ours.append(value)
                costs.append(cost)
    ceiling, value = statistics.median(raws), statistics.median(ours)
    row = {
        "name": "end to end, SQLite FULL, CMPP window 64, answers at once",
        "value": round(value),
        "unit": "messages/s",
        "ceiling": round(ceiling),
        "ratio": round(value / ceiling, 3),
    }
    extra = {
        "min": round(min(ours)),
        "max": round(max(ours)),
        "cpu_us_per_message": round(statistics.median(costs), 1),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "pairs": given.pairs,
        "messages": given.messages,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load": os.getloadavg()[0],
    }
    out = Path("build")
    out.mkdir(exist_ok=True)
    (out / "bench.json").write_text(json.dumps([{**row, **extra}], indent=1) + "\n")
    sys.stdout.write(
        f"{'':58} {'value':>8} {'ceiling':>8} {'ratio':>6}\n"
        f"{row['name']:58} {row['value']:>8} {row['ceiling']:>8} {row['ratio']:>6}\n"
        f"  messages/s, median of {given.pairs} alternating pairs of {given.messages};"
        f" min {extra['min']}, max {extra['max']}; {extra['cpu_us_per_message']} µs CPU a message;"
        f" {extra['rss_mb']} MB RSS; load {extra['load']:.1f}\n"
    )


if __name__ == "__main__":
    main()
