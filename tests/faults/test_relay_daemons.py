"""A branch and its county as processes, a carrier behind the county, and what lies between.

The line is cut, refuses, swallows; each side is killed. What the carrier received is recounted from
its raw log: nobody lost, nobody twice; and every fate arrives at the branch.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from fzalert.access import Directory
from fzalert.config import read_settings
from fzalert.messages import phone
from fzalert.service import open_or_connect
from fzalert.service.facade import Fzalert
from fzalert.service.models import StatusView, UserChange
from fzalert.testing.between import Between, Mood
from fzalert.testing.pki import Authority
from fzalert.testing.processes import Program, ask_until
from fzalert.testing.reckoning import Reckoning
from fzalert.testing.soak import rounds
from fzalert.testing.tap import Tap
from fzalert.testing.teller import Teller
from fzalert.testing.textsite import BULK, SECRET, URGENT, TextSite
from fzalert_sms.recount import Recount, records

Reckoner = Callable[[TextSite, Iterable[str], Iterable[str]], Awaitable[tuple[Recount, Reckoning]]]
SETTLES_WITHIN = 120.0
IN_FLIGHT = 16
"""What the branch's window and the county's line may hold when somebody dies."""


class County(TextSite):
    """A county with a carrier's line, and a second listener for its branch."""

    WINDOW = IN_FLIGHT

    def __init__(self, folder: Path, authority: Authority, seed: int) -> None:
        super().__init__(folder, records, seed)
        self._authority = authority
        self._server = authority.issue("county", addresses=["127.0.0.1"])

    @override
    def configure(self, port: int, *, secret: str = SECRET) -> None:
        super().configure(port, secret=secret)
        text = self.config.read_text(encoding="utf-8")
        tls = f"""
            [web]
            certificate = "{self._server.certificate}"
            key = "{self._server.key}"
            mtls_port = 0
            client_ca = "{self._authority.certificate}"
            """
        text = text.replace("            [web]\n", tls, 1)
        text += """
            [[relay.branch]]
            name = "chengguan"
            targets = ["phone:*"]
            urgent_hour = 10000
            urgent_day = 10000
            """
        self.config.write_text(text, encoding="utf-8")

    async def admit(self) -> None:
        """Let the branch in by the name in its certificate."""
        async with open_or_connect(read_settings(self.config)) as api:
            wanted = {
                "action": "add",
                "name": "chengguan",
                "roles": ["relay"],
                "machine": True,
                "certificates": ["uri:fz:branch:chengguan"],
            }
            await api.change_user(UserChange.model_validate(wanted))


class Branch(TextSite):
    """A branch whose only channel is the line to its county."""

    def __init__(self, folder: Path, authority: Authority, line: Between, seed: int) -> None:
        super().__init__(folder, records, seed)
        mine = authority.issue("chengguan", uris=["fz:branch:chengguan"])
        self.config.write_text(
            f"""
            [store]
            url = "sqlite:///data/fz.db"
            [web]
            port = 0
            [identity]
            sign = "反诈中心"
            [drill]
            enabled = true
            [[channel]]
            name = "county"
            adapter = "post.relay"
            url = "https://127.0.0.1:{line.port}/"
            certificate = "{mine.certificate}"
            key = "{mine.key}"
            ca = "{authority.certificate}"
            answer_timeout = 2
            """,
            encoding="utf-8",
        )


class Stage:
    """Both sides, what lies between, and who lives."""

    def __init__(self, folder: Path, seed: int) -> None:
        for name in ("pki", "county", "branch"):
            (folder / name).mkdir()
        authority = Authority(folder / "pki")
        self.line = Between()
        self.county = County(folder / "county", authority, seed)
        self._folder, self._authority, self._seed = folder / "branch", authority, seed
        self._stack = AsyncExitStack()
        self.branch: Branch
        self.tap: Tap
        self._lives: dict[str, Program] = {}

    async def begin(self) -> None:
        """Raise both."""
        await self._stack.enter_async_context(self.line)
        self.tap = await self._stack.enter_async_context(self.county.gateway())
        self.branch = Branch(self._folder, self._authority, self.line, self._seed)
        await self.county.approve()
        await self.county.admit()
        await self.branch.approve()
        await self.raise_county()
        await self.raise_branch()

    async def raise_county(self) -> None:
        program = self.county.program("fzalert.cli", ["run", "--ready-json"])
        self._lives["county"] = await self._stack.enter_async_context(program)
        ready = await self._lives["county"].ready()
        self.line.behind = int(ready["machines"].rstrip("/").rpartition(":")[2])

    async def raise_branch(self) -> None:
        daemon = self.branch.daemon()
        self._lives["branch"] = await self._stack.enter_async_context(daemon)

    async def kill(self, who: str) -> None:
        """Kill one side, as a power switch would, and raise it again."""
        await self._lives[who].kill()
        await (self.raise_county() if who == "county" else self.raise_branch())

    async def stop(self) -> None:
        """Stop both in order."""
        for program in self._lives.values():
            assert (await program.stop()).code == 0, program.errors[-2000:]

    async def close(self) -> None:
        await self._stack.aclose()

    async def warn(self, teller: Teller, more: int) -> None:
        """Let the teller warn so many persons more."""
        until = len(teller.ids) + more
        numbers = teller._numbers

        def some() -> Iterable[str]:
            while len(teller.ids) < until:
                yield next(numbers)

        teller._numbers = iter(some())
        await teller.work()
        teller._numbers = numbers
        assert len(teller.ids) >= until

    async def arrived(self, many: int) -> None:
        """Wait until the carrier has so many submissions."""

        async def look() -> bool:
            self.tap.look()
            return self.tap.submits >= many

        await ask_until(look, f"{many} submissions at the carrier", within=SETTLES_WITHIN)

    async def settled(self, many: int) -> StatusView:
        """Wait until the branch knows the fate of so many."""
        async with self.branch.client() as client:

            async def look() -> StatusView | None:
                status = await client.status()
                totals = status.totals
                done = totals.delivered + totals.unknown + totals.failed + totals.expired
                return status if done >= many and not totals.open + totals.queued else None

            return await ask_until(look, f"{many} fates at the branch", within=SETTLES_WITHIN)


@pytest.fixture
async def stage(tmp_path: Path, seed: int) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path, seed)
    try:
        await stage.begin()
        yield stage
    finally:
        await stage.close()


@pytest.fixture(scope="module")
async def calm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One stage for the tests that kill nobody; each leaves the line as it was."""
    stage = Stage(tmp_path_factory.mktemp("calm"), seed=1)
    try:
        await stage.begin()
        yield stage
    finally:
        await stage.close()


def people() -> Iterable[str]:
    number = 0
    while True:
        yield f"139{number:08d}"
        number += 1


async def test_whatever_breaks_nobody_is_lost_nobody_gets_it_twice_and_every_fate_comes_back(
    stage: Stage, reckoned: Reckoner
) -> None:
    teller = Teller(stage.branch, URGENT, iter(people()))
    await stage.warn(teller, 10)
    for _ in range(rounds(1, 20)):
        await stage.settled(len(teller.ids))
        # Answers are lost: the county has a warning, and the branch does not know.
        before = len(teller.ids)
        stage.line.mood = Mood.LOSE_ANSWERS
        await stage.warn(teller, 10)
        await stage.arrived(before + 1)
        stage.line.cut()
        stage.line.mood = Mood.CARRY
        await stage.warn(teller, 5)
        # Everything is swallowed, then the county dies while it takes what waited.
        stage.line.mood = Mood.SWALLOW
        await stage.warn(teller, 10)
        stage.line.cut()
        stage.line.mood = Mood.CARRY
        await stage.arrived(len(teller.ids) - 9)
        await stage.kill("county")
        await stage.warn(teller, 5)
        # The branch dies with a full queue.
        stage.line.mood = Mood.REFUSE
        stage.line.cut()
        await stage.warn(teller, 10)
        await stage.kill("branch")
        stage.line.mood = Mood.CARRY
        await stage.warn(teller, 5)
    status = await stage.settled(len(teller.ids))
    await stage.stop()
    log, found = await reckoned(stage.county, [], teller.ids)
    here, there = await stage.branch.fates(), await stage.county.fates()
    sys.stdout.write(f"{status.totals!r}\n")
    assert found.lost == found.twice == found.foreign == found.open == log.duplicates == 0
    assert found.wrong == []
    assert found.unknown <= IN_FLIGHT * rounds(1, 20), "only what was on the line when one died"
    assert here == there, "the branch knows what the county knows"
    assert set(here) == set(teller.ids)
    assert status.totals.accepted == len(teller.ids)


async def test_what_waits_longer_than_its_window_is_never_sent(calm: Stage) -> None:
    stage = calm
    stage.line.mood = Mood.REFUSE
    stage.line.cut()
    async with stage.branch.client() as client:

        async def down() -> bool:
            (channel,) = (await client.status()).channels
            return channel.state == "down"

        await ask_until(down, "the branch sees that the line is down")
        fz = Fzalert(client, Directory().local_actor(), owns_store=False)
        late = await fz.warn(
            URGENT, to=phone("13700000001"), expires_in=timedelta(seconds=3), key="late"
        )
        fresh = await fz.warn(URGENT, to=phone("13700000002"), key="fresh")
        outcome = await late.outcome(timeout=30)
        assert [(one.state, one.word) for one in outcome.targets] == [("expired", "expired")]
        assert "county" in outcome.targets[0].detail
        stage.line.mood = Mood.CARRY
        outcome = await fresh.outcome(timeout=60)
        assert [(one.state, one.channel) for one in outcome.targets] == [("delivered", "county")]
    async with stage.county.client() as county:
        known = {one.target for view in await county.recent(100) for one in view.targets}
    assert str(phone("13700000002")) in known
    assert str(phone("13700000001")) not in known


async def test_a_revoked_branch_waits_and_goes_on_once_it_is_let_in_again(calm: Stage) -> None:
    async with calm.county.client() as county, calm.branch.client() as branch:
        revoke = UserChange(action="revoke", name="chengguan")
        await county.change_user(revoke)
        fz = Fzalert(branch, Directory().local_actor(), owns_store=False)
        warning = await fz.warn(URGENT, to=phone("13700000003"), key="three")

        async def told() -> bool:
            (channel,) = (await branch.status()).channels
            return channel.state == "down" and "bound to no machine" in channel.detail

        await ask_until(told, "the branch says why it is not let in")
        assert (await warning.outcome()).state == "open"
        again = {"certificates": ["uri:fz:branch:chengguan"], "name": "chengguan"}
        await county.change_user(UserChange.model_validate({"action": "bind", **again}))
        outcome = await warning.outcome(timeout=60)
        assert outcome.state == "delivered"


async def test_the_countys_refusal_is_the_branchs_fate(calm: Stage) -> None:
    async with calm.county.client() as county, calm.branch.client() as branch:
        await county.unapprove(f"{BULK}/general/1", by=Directory().local_actor())
        fz = Fzalert(branch, Directory().local_actor(), owns_store=False)
        warning = await fz.warn(BULK, to=phone("13700000004"), key="four")
        (target,) = (await warning.outcome(timeout=60)).targets
        assert (target.state, target.code) == ("failed", "script-not-approved")
