"""Memory with ten thousand and with half a million recipients: `python bench/memory.py`.

Each size is a process of its own: open the road, send a thousand to fill caches (idle), accept all
recipients at once, as nobody should, then send for a while. What waits stands in the store, so the
growth has to be the same for both. SQLite's page caches (32 MB a connection) are part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.common.carrier import carrier
from bench.common.printing import Report, forget_peak, rss_mb
from bench.common.road import road

WINDOW = 64
WARM = 1000
SIZES = (10_000, 500_000)


async def measure(folder: Path, port: int, recipients: int, sent: int) -> dict[str, float]:
    """Megabytes: idle, and the most while accepting and while sending."""
    async with road(folder, port, WINDOW) as ours:
        await ours.accept(WARM)
        await ours.until_delivered(WARM)
        idle = rss_mb()
        forget_peak()
        await ours.accept(recipients)
        accepting = rss_mb(peak=True)
        await ours.until_delivered(WARM + min(recipients, sent))
        return {"idle": idle, "accepting": accepting, "sending": rss_mb(peak=True)}


def _in_child(port: int, recipients: int, sent: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "bench.memory", f"--folder={folder}", f"--port={port}",
            f"--recipients={recipients}", f"--sent={sent}",
        ]  # fmt: skip
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603  ours
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each size in a child, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sent", type=int, default=50_000, help="how many are sent meanwhile")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--recipients", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.folder is not None:
        found = asyncio.run(measure(given.folder, given.port, given.recipients, given.sent))
        sys.stdout.write(json.dumps(found))
        return
    report = Report("memory", quick=given.quick)
    with carrier() as far:
        for recipients in (200,) if given.quick else SIZES:
            found = _in_child(far.port, recipients, given.sent)
            report.add(f"{recipients:,} recipients: idle", [found["idle"]], "MB")
            report.add(f"{recipients:,} recipients: most, accepting", [found["accepting"]], "MB")
            report.add(f"{recipients:,} recipients: most, sending", [found["sending"]], "MB")
            growth = max(found["accepting"], found["sending"]) - found["idle"]
            report.add(f"{recipients:,} recipients: growth", [growth], "MB", most=64)
    report.close()


if __name__ == "__main__":
    main()
