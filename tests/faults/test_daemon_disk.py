"""A disk that fills up, and a file that is damaged, under a daemon that runs."""

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import pytest

from fzalert.access import Directory
from fzalert.client import Client
from fzalert.errors import FzalertError, StoreFull
from fzalert.service.models import StatusView, WarnRequest
from fzalert.store import RESERVE
from fzalert.testing.processes import ask_until, poll
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.textsite import URGENT, TextSite
from fzalert_sms.recount import Recount, recount

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
PEOPLE = [f"138{n:08d}" for n in range(1200)]


@pytest.fixture
def disk(site: TextSite) -> Iterator[Path]:
    """A disk of its own for the store, small enough to be filled."""
    data = site.folder / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", data], check=True)
    try:
        yield data
    finally:
        subprocess.run(["umount", "-l", data], check=True)


def fill(file: Path) -> None:
    """Take all the room there is."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(handle, bytes(size))
    finally:
        os.close(handle)


async def asked(client: Client, number: str) -> FzalertError | None:
    """Ask for an urgent warning; the refusal, or None where it was taken."""
    request = WarnRequest(script=URGENT, to=[f"phone:{number}"], key=f"K{number}")
    try:
        await client.warn_request(request, Directory().local_actor())
    except FzalertError as error:
        return error
    return None


def to(n: int) -> str:
    return f"139{n:08d}"


@pytest.mark.root
async def test_a_full_disk_takes_nothing_new_writes_what_is_out_and_goes_on_by_itself(
    site: TextSite, disk: Path, reckoned: Reckoner
) -> None:
    reserve, ballast = disk / "fz.db.reserve", disk / "ballast"
    taken: list[str] = []
    # A slow gateway, so that much waits when the disk fills up.
    async with site.gateway(delay=120) as tap:
        await site.approve()
        async with site.daemon() as daemon, site.client() as client:
            assert reserve.stat().st_size == RESERVE
            await site.start_campaign(PEOPLE)

            def are_out(number: int) -> bool:
                tap.look()
                return tap.submits >= number

            await poll(lambda: are_out(200), "two hundred submissions")
            fill(ballast)

            number = iter(range(100_000))

            async def is_refused() -> bool:
                n = next(number)
                refusal = await asked(client, to(n))
                if refusal is None:
                    taken.append(to(n))
                    return False
                assert isinstance(refusal, StoreFull)
                return True

            await ask_until(is_refused, "an acceptance is refused", every=0.01)
            assert not reserve.exists(), "its room is for what must still be written"

            async def all_written() -> StatusView | None:
                tap.look()
                status = await client.status()
                known = status.totals.open == status.totals.sent
                return status if known and not recount(site.log).unanswered else None

            status = await ask_until(all_written, "what was out has its answer on disk")
            assert status.store_state == "store-full"
            assert status.totals.unknown == 0
            sent = tap.submits
            assert status.totals.queued > 0, "what waits is not claimed"
            for _ in range(3):
                assert isinstance(await asked(client, to(next(number))), StoreFull)
            tap.look()
            assert tap.submits == sent
            assert daemon.is_running

            ballast.unlink()

            async def is_taken() -> bool:
                n = next(number)
                if await asked(client, to(n)) is None:
                    taken.append(to(n))
                    return True
                return False

            await ask_until(is_taken, "an acceptance goes through without a restart")
            assert reserve.stat().st_size == RESERVE
            done = await site.settled(lambda: _quiet(site))
            assert done.store_state == ""
            assert (await daemon.stop()).code == 0
    _, found = await reckoned(site, PEOPLE, taken)
    assert found.lost == found.twice == found.foreign == found.unknown == 0
    assert found.wrong == []


def _quiet(site: TextSite) -> bool:
    log = recount(site.log)
    return log.reports_acknowledged == log.accepted


@pytest.fixture
async def filled(site: TextSite) -> AsyncIterator[TextSite]:
    """A site with a store of some size, closed, and a gateway that runs."""
    async with site.gateway():
        await site.approve()
        async with site.daemon() as daemon:
            await site.start_campaign(PEOPLE[:700])
            await site.settled(lambda: _quiet(site))
            assert (await daemon.stop()).code == 0
        yield site


async def test_a_store_that_is_damaged_while_it_runs_sends_nothing_more_and_ends_with_9(
    filled: TextSite,
) -> None:
    store = filled.folder / "data" / "fz.db"
    tap = filled.tap()
    async with filled.daemon() as daemon, filled.client() as client:
        size = store.stat().st_size
        with store.open("r+b") as file:
            file.seek(size // 5 // 4096 * 4096)
            file.write(b"\xa5" * (size // 2))
        tap.look()
        before = tap.submits

        async def is_seen() -> bool:
            try:
                await client.recent(200)
            except FzalertError:
                return True
            return not daemon.is_running

        await ask_until(is_seen, "somebody reads a damaged page")
        ended = await daemon.ended()
    assert ended.code == 9, ended.err
    assert "[store-damaged]" in ended.err
    assert "--resume-as-unknown" in ended.err
    tap.look()
    assert tap.submits == before
    assert (await filled.fzalert("run")).code == 9
