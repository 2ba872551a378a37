"""The daemon's memory while a long list is imported and fed: `python bench/list_memory.py`.

For each length a daemon of its own: how much its memory grows over idle, at its highest, while a
list is imported over its local socket, and while all of it is fed through the engine to the
simulated gateway and every report has come. Flat means: the growth is that of a batch and not of
the list. The process that reads the list is not the daemon, and is measured beside it.

Goal: at most 64 MiB over idle, and the same at the longest list as at the shortest.

Writes `build/bench/list_memory.json` and prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from fzalert.access import Directory
from fzalert.client import Client
from fzalert.service.models import CampaignRequest, CampaignView
from fzalert.testing.lists import children_of, peak_mb, reset_peak, write_list
from fzalert.testing.processes import ask_until
from fzalert.testing.textsite import BULK, SECRET, TextSite

GOAL_MB = 64.0
PATIENCE = 3600.0


async def measured(folder: Path, people: int, *, feed: bool) -> dict[str, float]:
    """Import a list of so many people and feed it; growth in MiB, times in seconds."""
    site = TextSite(folder, lambda _: iter(()), 1)
    path = write_list(folder / "list.csv", people)
    words = ["--port", "0", "--account", f"{site.ACCOUNT}:{SECRET}", "--window", str(site.WINDOW)]
    async with site.program("fzalert_sms.cmpp.simulator", words) as gateway:
        site.configure((await gateway.ready())["port"])
        await site.approve()
        async with site.daemon() as daemon, site.client() as client:
            await client.status()
            idle = peak_mb(daemon.pid)
            reset_peak(daemon.pid)
            began = time.perf_counter()
            plan = CampaignRequest(name="list", file=str(path), script=BULK)
            view, reader = await _imported(client, plan, daemon.pid)
            imported = time.perf_counter() - began
            found = {
                "people": float(view.total),
                "idle_mb": idle,
                "import_mb": peak_mb(daemon.pid) - idle,
                "reader_mb": reader,
                "import_s": imported,
            }
            if feed:
                reset_peak(daemon.pid)
                began = time.perf_counter()
                await client.steer_campaign(view.id, "start", Directory().local_actor())
                await _fed(client)
                found |= {
                    "feed_mb": peak_mb(daemon.pid) - idle,
                    "feed_s": time.perf_counter() - began,
                }
    return found


async def _imported(
    client: Client, plan: CampaignRequest, daemon: int
) -> tuple[CampaignView, float]:
    """Import a list; returns the campaign and the most memory of the process that read it."""
    most = 0.0

    async def watch() -> None:
        nonlocal most
        while True:
            for child in children_of(daemon):
                with suppress(OSError, ValueError):
                    most = max(most, peak_mb(child))
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        view = await client.plan_campaign(plan, Directory().local_actor())
        watching.cancel()
    return view, most


async def _fed(client: Client) -> None:
    """Wait until everybody was written to and every report has come."""

    async def look() -> bool:
        if any(one.state != "done" for one in await client.campaigns()):
            return False
        totals = (await client.status()).totals
        return not totals.queued and totals.open == totals.sent

    await ask_until(look, "everybody was written to", within=PATIENCE, every=1.0)


def main() -> None:
    """Measure each length in turn, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=[100_000, 500_000])
    parser.add_argument("--no-feed", action="store_true", help="import only")
    parser.add_argument("--quick", action="store_true", help="show that it works, nothing else")
    chosen = parser.parse_args()
    rows = []
    heads = ("idle", "import", "feed", "reader", "import", "feed")
    print(f"{'people':>9}", *(f"{head:>8}" for head in heads))  # noqa: T201
    for people in [200] if chosen.quick else chosen.people:
        with tempfile.TemporaryDirectory() as folder:
            row = asyncio.run(measured(Path(folder), people, feed=not chosen.no_feed))
        rows.append(row)
        print(  # noqa: T201
            f"{people:9,} {row['idle_mb']:4.0f} MB {row['import_mb']:+5.1f} MB"
            f" {row.get('feed_mb', 0.0):+5.1f} MB {row['reader_mb']:5.0f} MB"
            f" {row['import_s']:6.1f} s {row.get('feed_s', 0.0):6.1f} s",
            flush=True,
        )
    if chosen.quick:
        print("  a quick run: it shows that the bench works, nothing else")  # noqa: T201
        return
    growth = [max(row["import_mb"], row.get("feed_mb", 0.0)) for row in rows]
    ratio = growth[-1] / max(growth[0], 1.0)
    print(  # noqa: T201
        f"longest over shortest list: {ratio:.2f}; at most {max(growth):.1f} MiB over idle"
        f" (goal {GOAL_MB:.0f})"
    )
    out = Path("build/bench")
    out.mkdir(parents=True, exist_ok=True)
    (out / "list_memory.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if max(growth) > GOAL_MB:
        sys.exit("missed the goal")


if __name__ == "__main__":
    main()
