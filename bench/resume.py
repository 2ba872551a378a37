"""How soon it sends again after `kill -9` with a million rows: `python bench/resume.py`.

A million messages wait in the store. A process of its own sends them and is killed while its window
is out; the next one starts. Measured, by the carrier's clock: from the start of the new process to
its first PDU, with and without Python's own imports. Then the carrier's log and the store are
compared: what came twice, what is unknown, what the store takes for sent and never came.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.common.carrier import Options, Running, carrier
from bench.common.printing import Report
from bench.common.road import CHANNEL, Filler, make_vault, road
from fzalert.clock import SystemClock
from fzalert.messages import Lane
from fzalert.store import PartState, SqliteStore

WINDOW = 64
ROUND_TRIP = 20.0
PATIENCE = 60.0


async def fill(folder: Path, messages: int) -> None:
    """Let so many messages wait."""
    clock = SystemClock()
    store = SqliteStore(folder / "bench.db", clock, make_vault)
    await store.open()
    lease = await store.acquire(CHANNEL, 0, "bench", 1)
    assert lease is not None  # noqa: S101  a store of its own
    filler = Filler(clock)
    batch = min(messages, 2000)
    for _ in range(messages // batch):
        await store.commit(filler.change(Lane.BULK, batch))
    await store.close()


async def serve(folder: Path, port: int) -> None:
    """Send until SIGTERM, or until killed."""
    sys.stdout.write(json.dumps({"imported": time.monotonic()}) + "\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with road(folder, port, WINDOW):
        await stop.wait()


async def fates(folder: Path) -> dict[PartState, int]:
    """How many parts are in each state."""
    store = SqliteStore(folder / "bench.db", SystemClock(), make_vault)
    await store.open()
    try:
        return {row.state: row.n for row in await store.counters()}
    finally:
        await store.close()


@contextlib.contextmanager
def sender(folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], float, float]]:
    """A process that sends: itself, when it was started, when it had imported everything."""
    command = [sys.executable, "-m", "bench.resume", f"--folder={folder}", f"--port={port}"]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  ours
        assert child.stdout is not None  # noqa: S101  a pipe was asked for
        yield child, began, float(json.loads(child.stdout.readline())["imported"])


def _until(far: Running, submits: int) -> None:
    """Wait until the carrier has seen so many texts."""
    give_up = time.monotonic() + PATIENCE
    while far.counts().submits < submits:
        if time.monotonic() > give_up:
            raise RuntimeError(f"the carrier saw no {submits} texts within {PATIENCE:.0f} s")
        time.sleep(0.002)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, kill, start again, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.folder is not None:
        asyncio.run(serve(given.folder, given.port))
        return
    messages, kills = (2000, 1) if given.quick else (given.messages, given.kills)
    whole: list[float] = []
    alone: list[float] = []
    options = Options(response_ms=ROUND_TRIP, counts_numbers=True)
    with tempfile.TemporaryDirectory() as name, carrier(options) as far:
        folder = Path(name)
        asyncio.run(fill(folder, messages))
        for number in range(kills + 1):
            seen = far.counts().submits
            with sender(folder, far.port) as (child, began, imported):
                _until(far, seen + WINDOW)
                if number:
                    first = far.counts().first_at
                    whole.append(first - began)
                    alone.append(first - imported)
                if number == kills:
                    child.terminate()
                else:
                    child.kill()
        counts, found = far.counts(), asyncio.run(fates(folder))
    report = Report("resume", quick=given.quick)
    report.add(f"{messages:,} rows: start to first PDU", whole, "s", most=1.0)
    report.add(f"{messages:,} rows: the same without imports", alone, "s")
    report.add("texts that the carrier got", [float(counts.submits)], "")
    report.add("of them twice", [float(counts.submits - counts.numbers)], "", most=0)
    taken = found.get(PartState.SENT, 0) + found.get(PartState.DELIVERED, 0)
    lost = max(0, taken - counts.numbers)
    report.add("taken for sent and never there", [float(lost)], "", most=0)
    report.add("unknown, a kill", [found.get(PartState.UNKNOWN, 0) / kills], "", most=WINDOW)
    report.close()


if __name__ == "__main__":
    main()
