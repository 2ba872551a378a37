"""Replay of 10,000 cases, and a board of 1,000 open measures: `python bench/freeze_board.py`.

The store is filled through the book, one commit a case. Then a service opens it: the first board
replays what is open (cold), the next ones replay nothing (warm). Beside it: the same board over the
daemon's local socket and as a page, the replay of every case, and the memory that all of it takes.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import httpx

from bench.common.printing import Report, rss_mb
from fzalert.access import Actor
from fzalert.client import connect
from fzalert.freeze.book import CaseBook
from fzalert.freeze.policy import load_policy
from fzalert.service import Service, ServiceApi
from fzalert.service import freeze_models as asks
from fzalert.service.models import UserChange
from fzalert.testing.cases import CaseWriter, fill
from fzalert.testing.house import House
from fzalert.web import Stopping, WebServer, build_app

UNIT = """
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
duty_phone = "010-12345678"
"""


def book_of(house: House, service: Service) -> CaseBook:
    """A book of one's own on the service's store: it has nothing at hand yet."""
    assert service._rooms is not None  # noqa: S101  it is open
    store = service._rooms.building.store
    return CaseBook(store, store.vault, load_policy(), house.clock)


async def filled(house: House, cases: int, opened: int) -> str:
    """Fill the store; the token of one who may look."""
    async with house.service() as service:
        writer = CaseWriter(load_policy(), house.clock.now() - timedelta(hours=1))
        stopped, released = writer.stopped(), writer.released()
        every = cases // opened
        kinds = [released if number % every else stopped for number in range(cases)]
        _ = await fill(book_of(house, service), kinds)
        change = UserChange(action="add", name="ma", roles=["detective"], rank="station")
        return await service.change_user(change)


async def timed(work: Callable[[], Awaitable[object]], runs: int = 1) -> list[float]:
    """Seconds of each run."""
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        await work()
        found.append(time.perf_counter() - began)
    return found


async def look(api: ServiceApi, by: Actor, rows: int) -> None:
    """Ask for the board, and see that it is whole."""
    found = len((await api.freeze(asks.BoardAsk(), by)).board)
    if found != rows:
        raise RuntimeError(f"the board has {found} rows, not {rows}")


async def pages(house: House, service: Service, token: str, runs: int) -> list[float]:
    """Milliseconds for the board's page, over HTTP, by one who is signed in."""
    stopping = Stopping()
    app = build_app(service, house.settings, stopping=stopping, clock=house.clock)
    async with (
        WebServer(app, house.settings.web, stopping).serving() as url,
        httpx.AsyncClient(base_url=url, headers={"accept": "text/html"}, trust_env=False) as web,
    ):
        _ = await web.post("/login", data={"token": token})

        async def page() -> None:
            answer = await web.get("/freeze", timeout=60)
            if answer.status_code != 200 or "20261124-0" not in answer.text:
                raise RuntimeError(f"the page does not show the board: {answer.status_code}")

        await page()
        return [1000 * one for one in await timed(page, runs)]


async def measure(report: Report, folder: Path, cases: int, opened: int, runs: int) -> None:
    """Fill, open, look, replay."""
    house = House(folder, toml=UNIT)
    token = await filled(house, cases, opened)
    async with house.service() as service:
        by = await service.authenticate(token)
        idle = rss_mb()
        cold = await timed(lambda: look(service, by, opened))
        report.add(f"board of {opened:,} open measures, {cases:,} cases: first", cold, "s")
        warm = [1000 * one for one in await timed(lambda: look(service, by, opened), runs)]
        report.add("the same, warm", warm, "ms", most=150)
        async with connect(house.settings) as client:
            there = await client.authenticate(token)
            far = await timed(lambda: look(client, there, opened), runs)
            report.add("the same over the local socket", [1000 * one for one in far], "ms")
        seen = await pages(house, service, token, runs)
        report.add("its page, of the 200 most urgent", seen, "ms", most=300)
        report.add("memory of the board at hand", [rss_mb() - idle], "MB")
        book = book_of(house, service)
        ids = await book.cases(ended=True)

        async def replay() -> None:
            for case_id in ids:
                _ = await book.case(case_id)

        (whole,) = await timed(replay)
        report.add(f"replay of {len(ids):,} cases", [whole], "s")
        report.add("a case", [1e6 * whole / len(ids)], "µs")
        due = [1000 * one for one in await timed(book.next_due, runs)]
        report.add("the deadline runner's look", [statistics.median(due)], "ms", most=5)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--open", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    cases, opened, runs = (40, 10, 2) if given.quick else (given.cases, given.open, given.runs)
    report = Report("freeze_board", quick=given.quick)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(report, Path(folder), cases, opened, runs))
    report.close()


if __name__ == "__main__":
    main()
