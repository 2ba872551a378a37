"""A warning to a thousand screens through a real daemon: `python bench/kiosk_publish.py`.

One process is the daemon (engine, SQLite, web server), this one is the screens: all but one are raw
event streams, one is a real Chromium. Measured from the call of `warn` on: accepted, received by
the first, the median, p99 and the last screen, painted by the browser; then the memory of the
daemon, its stop with all streams open, and how long after a restart and after a kill all are back.

All of it shares the machine's processors, so absolute figures move with the neighbours.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Page, async_playwright

import fzalert
from bench.common.printing import Report, rss_mb
from fzalert.access import Directory
from fzalert.config import read_settings
from fzalert.service import Fzalert, open_or_connect
from fzalert.testing.processes import Program, Site, ask_until
from fzalert_display.kiosk.crowd import Crowd, Told

TOKEN = "made-up-token"  # noqa: S105  of simulated screens
SCRIPT = "impersonating-police"
CHROMIUM = os.environ.get("FZ_CHROMIUM", "/usr/bin/chromium")
WINDOW = timedelta(seconds=6)
QUICK_WINDOW = timedelta(seconds=2)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
# The page's own report of a paint, stamped as it leaves.
STAMP = """
window.stamps = [];
const send = window.fetch;
window.fetch = function (address, options) {
  if (options && options.body && options.body.indexOf('"shown"') !== -1) stamps.push(Date.now());
  return send.apply(this, arguments);
};
"""


class Screens(Site):
    """A folder with a daemon of many screens."""

    def __init__(self, folder: Path, screens: int) -> None:
        super().__init__(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        token = folder / "token"
        token.write_text(TOKEN, encoding="utf-8")
        token.chmod(0o600)
        self.names = [f"s{number:04d}" for number in range(screens)]
        tables = "".join(
            f'[[channel.displays]]\nname = "{name}"\ntoken = {{ file = "token" }}\n'
            for name in self.names
        )
        self.config.write_text(
            f"""
            [web]
            port = {self.port}
            connections = 10000
            [drill]
            enabled = true
            [[channel]]
            name = "screens"
            adapter = "display.kiosk"
            [[channel.idle]]
            title = "转账之前停一停"
            lines = ["叫您保密的是骗子", "先打96110问清楚"]
            {tables}
            """,
            encoding="utf-8",
        )

    @property
    def base(self) -> str:
        """Where the channel is mounted."""
        return f"http://127.0.0.1:{self.port}/channels/screens/"

    async def approve(self) -> None:
        """Two persons approve the script."""
        async with open_or_connect(read_settings(self.config)) as api:
            author = await api.authenticate(await api.add_user("author", ["script_editor"]))
            other = await api.authenticate(await api.add_user("approver", ["approver"]))
            await api.approve(f"{SCRIPT}/general/1", author=author, approver=other)


@asynccontextmanager
async def browser_screen(base: str, name: str) -> AsyncIterator[Page]:
    """A real page on a screen, showing its idle card."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(viewport={"width": 1920, "height": 1080})
        await context.add_init_script(STAMP)
        page = await context.new_page()
        await page.goto(f"{base}enroll/{name}?t={TOKEN}")
        await page.wait_for_selector("#stage .info")
        yield page
        await browser.close()


async def publish(
    fz: Fzalert,
    crowd: Crowd,
    heard: list[Told],
    page: Page,
    name: str,
    known: set[str],
    window: timedelta,
) -> dict[str, float]:
    """Warn every screen once; milliseconds from the call on."""
    loop = asyncio.get_running_loop()
    everyone = [fzalert.display(one) for one in (*crowd.names, name)]
    await page.wait_for_selector("#stage .info")  # the one before has ended by itself
    heard.clear()
    shown = await page.evaluate("stamps.length")
    offset = await page.evaluate("Date.now()") - loop.time() * 1000
    began = loop.time()
    await fz.warn(SCRIPT, to=everyone, lane="urgent", expires_in=window)
    accepted = loop.time() - began
    first: dict[str, float] = {}
    fresh: set[str] = set()

    def all_told() -> bool:
        for told in heard:
            if told.event == "state" and not known.issuperset(told.cards):
                first.setdefault(told.screen, told.at)
                fresh.update(told.cards)
        heard.clear()
        return len(first) == len(crowd.names)

    while not all_told():
        await asyncio.sleep(0.2)  # parsed in lots, so that the parsing does not blur the arrival
        if loop.time() - began > 60:
            raise TimeoutError(f"only {len(first)} screens were told")
    handle = await page.wait_for_function("n => stamps[n]", arg=shown)
    painted = await handle.json_value() - offset - began * 1000
    known |= fresh
    times = sorted((at - began) * 1000 for at in first.values())
    return {
        "accepted": accepted * 1000,
        "first": times[0],
        "p50": statistics.median(times),
        "p99": times[int(len(times) * 0.99) - 1],
        "last": times[-1],
        "painted": painted,
    }


async def measure(
    screens: int, rounds: int, window: timedelta, folder: Path, report: Report
) -> None:
    """Run it all."""
    loop = asyncio.get_running_loop()
    site = Screens(folder, screens)
    await site.approve()
    heard: list[Told] = []
    crowd = Crowd(site.base, site.names[1:], TOKEN, heard=heard.append)
    async with site.daemon() as daemon:
        empty = rss_mb(daemon.pid, peak=True)
        async with browser_screen(site.base, site.names[0]) as page, crowd.connected():
            async with site.client() as client:
                fz = Fzalert(client, Directory().local_actor(), owns_store=False)
                # The first warning opens what is opened once; it is not counted.
                known: set[str] = set()
                figures = [
                    await publish(fz, crowd, heard, page, site.names[0], known, window)
                    for _ in range(rounds + 1)
                ][1:]
            for name in figures[0]:
                report.add(f"{screens} screens: {name}", [one[name] for one in figures], "ms")
            grown = rss_mb(daemon.pid, peak=True) - empty
            report.add(f"{screens} screens: the daemon's memory over idle", [grown], "MB")
            began = loop.time()
            await daemon.stop()
            report.add("stop with all streams open", [loop.time() - began], "s")
            async with site.daemon() as second:
                report.add("all back after a restart", [await back(crowd, loop.time())], "s")
                report.add("all back after a kill", [await killed(site, crowd, second)], "s")


async def back(crowd: Crowd, since: float) -> float:
    """Seconds until every screen holds its stream again."""
    await crowd.until(lambda: crowd.live == len(crowd.names), 60)
    return round(asyncio.get_running_loop().time() - since, 2)


async def killed(site: Screens, crowd: Crowd, daemon: Program) -> float:
    """Kill the daemon, start another; seconds from its readiness until all are back."""
    daemon.signal(signal.SIGKILL)
    await daemon.ended()

    async def nobody() -> bool:
        return crowd.live == 0

    await ask_until(nobody, "every stream has ended")
    async with site.daemon():
        return await back(crowd, asyncio.get_running_loop().time())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screens", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    screens, rounds = (3, 1) if given.quick else (given.screens, given.rounds)
    window = QUICK_WINDOW if given.quick else WINDOW
    report = Report("kiosk_publish", quick=given.quick)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(screens, rounds, window, Path(folder), report))
    report.close()


if __name__ == "__main__":
    main()
