"""End to end beside the raw ceilings of the same run: `python bench/end_to_end.py`.

One message end to end: accepted → on disk → CMPP submit → response → on disk → report → on disk →
acknowledged; the carrier answers and reports at once, the window is 64. Two ceilings alternate with
it: the store's own tables driven raw (four transactions a thousand messages, without encryption,
feed, counters, evidence or Python objects), and the CMPP session without store and engine.

The carrier is a process of its own and costs a few microseconds a message, so that it is not what
is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.common.carrier import carrier
from bench.common.printing import Report, rss_mb
from bench.common.raw import Cost, raw_cycle, raw_wire
from bench.common.road import Stopwatch, road

WINDOW = 64
BATCH = 1000


async def end_to_end(folder: Path, port: int, messages: int, window: int = WINDOW) -> Cost:
    """The whole road, from the first acceptance to the last report on disk."""
    async with road(folder, port, window) as ours:
        watch = Stopwatch()
        await ours.accept(messages)
        await ours.until_delivered(messages)
        return Cost(watch.rate(messages), watch.cpu(messages))


def main(arguments: Sequence[str] | None = None) -> None:
    """Alternate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    messages, pairs = (1000, 1) if given.quick else (given.messages, given.pairs)
    store: list[Cost] = []
    wire: list[Cost] = []
    ours: list[Cost] = []
    with carrier() as far:
        for _ in range(pairs):
            with tempfile.TemporaryDirectory() as folder:
                store.append(raw_cycle(Path(folder), BATCH, messages // BATCH))
                wire.append(asyncio.run(raw_wire(far.port, messages, WINDOW)))
                ours.append(asyncio.run(end_to_end(Path(folder), far.port, messages)))
        seen = far.counts()
    report = Report("end_to_end", quick=given.quick)
    report.add("raw store cycle", [one.rate for one in store], "messages/s")
    report.add("raw wire, window 64", [one.rate for one in wire], "messages/s")
    report.add("end to end, window 64, answers at once", [one.rate for one in ours], "messages/s")
    pairs_of = list(zip(ours, store, strict=True))
    report.add("end to end / raw store", [o.rate / s.rate for o, s in pairs_of], "", least=0.35)
    report.add("processor: raw store", [one.cpu for one in store], "µs a message")
    report.add("processor: raw wire", [one.cpu for one in wire], "µs a message")
    report.add("processor: end to end", [one.cpu for one in ours], "µs a message")
    report.add("processor: end to end / raw store", [o.cpu / s.cpu for o, s in pairs_of], "",
               most=2.5)  # fmt: skip
    report.add("processor: the carrier", [seen.cpu_us], "µs a text")
    report.add("resident memory of this process, most", [rss_mb(peak=True)], "MB")
    report.close()


if __name__ == "__main__":
    main()
