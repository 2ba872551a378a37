"""How long an urgent warning takes while bulk fills the line: `python bench/urgent.py`.

Bulk is always waiting; the window is 64 and the carrier answers after 20 ms. Fifty urgent messages
a second are accepted, each in a commit of its own, as `warn` does. Measured is from the call to the
moment at which the carrier's answer reaches the engine; and, alone in its own row, the commit: what
a disk sync costs beside bulk's ticks.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.common.carrier import Options, carrier
from bench.common.printing import Report
from bench.common.road import Road, road
from fzalert.messages import Lane, Receipt
from fzalert.store import Claimed

ROUND_TRIP = 20.0
WINDOW = 64
EVERY = 0.02
AHEAD = 4000


class Ear:
    """Notes when the answer to an urgent part reaches the engine."""

    def __init__(self, ours: Road) -> None:
        self.heard: dict[int, float] = {}
        loop = asyncio.get_running_loop()
        (slot,) = ours.engine.channels["mobile"].slots
        settled = slot.settled

        def listen(claimed: Claimed, receipt: Receipt, wire_key: bytes) -> None:
            if claimed.submission.lane is Lane.URGENT:
                self.heard[claimed.submission.id] = loop.time()
            settled(claimed, receipt, wire_key)

        # The engine has no such hook: nobody but a bench wants to know to the millisecond.
        slot.settled = listen  # type: ignore[method-assign]


async def _feed(ours: Road) -> None:
    """Keep bulk waiting, as a campaign's feeder does."""
    given = 0
    while True:
        if given - await ours.delivered() < AHEAD:
            await ours.accept(250)
            given += 250
        else:
            await asyncio.sleep(0.02)


async def measure(folder: Path, port: int, samples: int) -> tuple[list[float], list[float], float]:
    """Latencies and commits in milliseconds, and bulk's rate meanwhile."""
    loop = asyncio.get_running_loop()
    async with road(folder, port, WINDOW) as ours:
        ear = Ear(ours)
        bulk = asyncio.ensure_future(_feed(ours))
        await ours.until_delivered(250)
        called: dict[int, float] = {}
        commits: list[float] = []
        before, began = await ours.delivered(), loop.time()
        for number in range(samples):
            await asyncio.sleep(max(0.0, began + number * EVERY - loop.time()))
            start = loop.time()
            called[await ours.warn_one()] = start
            commits.append((loop.time() - start) * 1000)
        await ours.until_delivered(samples, Lane.URGENT)
        rate = (await ours.delivered() - before) / (loop.time() - began)
        bulk.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await bulk
        took = [(ear.heard[id_] - start) * 1000 for id_, start in called.items()]
    return took, commits, rate


def at(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    samples = 20 if given.quick else given.samples
    with carrier(Options(response_ms=ROUND_TRIP)) as far, tempfile.TemporaryDirectory() as folder:
        took, commits, rate = asyncio.run(measure(Path(folder), far.port, samples))
    report = Report("urgent", quick=given.quick)
    slow = at(commits, 0.99)
    report.add("urgent: samples", [float(len(took))], "", least=2000)
    report.add("urgent: accepted to answered, p50", [at(took, 0.5)], "ms", most=ROUND_TRIP + 5)
    report.add("urgent: accepted to answered, p99", [at(took, 0.99)], "ms",
               most=ROUND_TRIP + 15)  # fmt: skip
    report.add("urgent: slowest", [max(took)], "ms")
    report.add("urgent: its commit, p50", [at(commits, 0.5)], "ms")
    report.add("urgent: its commit, p99", [slow], "ms")
    report.add("p99 above the round trip / commit p99", [(at(took, 0.99) - ROUND_TRIP) / slow], "",
               most=3)  # fmt: skip
    report.add("bulk meanwhile", [rate], "messages/s")
    report.close()


if __name__ == "__main__":
    main()
