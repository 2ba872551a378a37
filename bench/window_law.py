"""How close a connection comes to window / round trip: `python bench/window_law.py`.

The carrier answers after 20 ms. Bulk may use the window less the urgent reserve, so the law is
(window − reserve) / 20 ms; beside the rate stands what a message costs the processor, which is what
ends the law at large windows.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.common.carrier import Options, carrier
from bench.common.printing import Report
from bench.common.raw import Cost
from bench.end_to_end import end_to_end
from fzalert.delivery.lanes import RESERVED

ROUND_TRIP = 0.020
WINDOWS = (16, 64, 256, 1024)
SECONDS = 4
MOST = 30_000


def law(window: int) -> float:
    """Messages a second that the window allows to the bulk lane."""
    return (window - -(-window // RESERVED)) / ROUND_TRIP


def main(arguments: Sequence[str] | None = None) -> None:
    """Run each window in turn, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    windows, rounds = ((16,), 1) if given.quick else (WINDOWS, given.rounds)
    found: dict[int, list[Cost]] = {window: [] for window in windows}
    with carrier(Options(response_ms=ROUND_TRIP * 1000)) as far:
        for _ in range(rounds):
            for window in windows:
                messages = 200 if given.quick else int(min(MOST, SECONDS * law(window)))
                with tempfile.TemporaryDirectory() as folder:
                    cost = asyncio.run(end_to_end(Path(folder), far.port, messages, window))
                    found[window].append(cost)
    report = Report("window_law", quick=given.quick)
    for window, costs in found.items():
        report.add(f"window {window}", [one.rate for one in costs], "messages/s")
        report.add(f"window {window} / law", [one.rate / law(window) for one in costs], "",
                   least=0.7 if window == 1024 else 0.8)  # fmt: skip
        report.add(f"processor: window {window}", [one.cpu for one in costs], "µs a message")
    report.close()


if __name__ == "__main__":
    main()
