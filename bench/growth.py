"""What a message costs in a small and in a large store: `python bench/growth.py`.

One store takes a million messages through accept, claim, result and report. Printed is the
processor time a message of the first ten thousand, and of ten thousand once a hundred thousand and
a million are there; and how large the file has become.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.common.printing import Report
from bench.store_cycle import port_cycle

BATCH = 1000
SEEN = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    batch, batches = (50, 30) if given.quick else (BATCH, given.messages // BATCH)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cost, each = asyncio.run(port_cycle(folder, batch, batches))
        size = sum(file.stat().st_size for file in folder.glob("port.db*"))
    report = Report("growth", quick=given.quick)
    # The first batch fills caches and prepares statements; it speaks of no size.
    first = report.add("processor: the first 10,000", each[1 : 1 + SEEN], "µs a message")
    middle = len(each) // 10
    report.add("processor: after 100,000", each[middle : middle + SEEN], "µs a message")
    last = each[-SEEN:]
    report.add("processor: after 1,000,000", last, "µs a message")
    report.add("last / first", [statistics.median(last) / first], "", most=1.25)
    report.add("the whole run", [cost.rate], "messages/s")
    report.add("on disk, with evidence and feed", [size / (batch * batches)], "bytes a message",
               most=400)  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
