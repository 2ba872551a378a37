"""The daemon is stopped (SIGSTOP) while programs call it: each call ends in time and says so.

The limits are five seconds and the caller's own wait; on a busy machine they are held to less than
half of what the socket alone would wait.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

import fzalert
from fzalert import NotConnected
from fzalert.blocking import BlockingFzalert
from fzalert.client import ANSWER_WITHIN
from fzalert.config import read_settings
from fzalert.service import open_or_connect
from fzalert.testing.processes import Program, Site

T = TypeVar("T")

LIMIT = 14.0
LOBBY = fzalert.display("lobby")
CONFIG = """
[drill]
enabled = true
[web]
port = 0
[[channel]]
name = "screens"
adapter = "display.kiosk"
displays = [{ name = "lobby", title = "大厅" }]
"""


@pytest.fixture
async def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.config.write_text(CONFIG, encoding="utf-8")
    async with open_or_connect(read_settings(site.config), delivers=False) as api:
        author = await api.authenticate(await api.add_user("author", ["script_editor"]))
        other = await api.authenticate(await api.add_user("approver", ["approver"]))
        await api.approve("generic/general/1", author=author, approver=other)
    return site


@pytest.fixture
async def daemon(site: Site) -> AsyncIterator[Program]:
    async with site.daemon() as daemon:
        yield daemon


async def timed(call: Awaitable[T]) -> tuple[T | NotConnected, float]:
    """What a call gave, or that nobody answered; and how long it took."""
    began = time.monotonic()
    try:
        given: T | NotConnected = await call
    except NotConnected as error:
        given = error
    return given, time.monotonic() - began


async def open_another(site: Site) -> None:
    async with fzalert.open(site.config):
        raise AssertionError("nobody answers")


def warn_blocking(fz: BlockingFzalert) -> tuple[str, str, str]:
    outcome = fz.warn("generic", to=LOBBY, key="blocking").outcome()
    with pytest.raises(NotConnected, match="within 5 s"):
        fz.status()
    return outcome.state, outcome.targets[0].code, outcome.targets[0].detail


async def test_every_call_ends_in_time_and_the_same_key_goes_on_afterwards(
    site: Site, daemon: Program
) -> None:
    with await asyncio.to_thread(fzalert.blocking.open, site.config) as sync_fz:
        async with fzalert.open(site.config) as fz:
            assert not fz.owns_store
            before = await fz.warn("generic", to=LOBBY, key="before")
            assert before.accepted
            daemon.signal(signal.SIGSTOP)
            warnings = [fz.warn("generic", to=LOBBY, key=f"during-{n}") for n in range(150)]
            async with asyncio.TaskGroup() as calls:
                warned = [calls.create_task(timed(one)) for one in warnings]
                read = calls.create_task(timed(before.outcome(timeout=1)))
                asked = [
                    calls.create_task(timed(one))
                    for one in (fz.status(), fz.scripts(), fz.actor("nobody.knows"))
                ]
                opened = calls.create_task(timed(open_another(site)))
                blocked = calls.create_task(timed(asyncio.to_thread(warn_blocking, sync_fz)))
            for task in warned:
                handle, took = task.result()
                assert took < LIMIT
                assert not isinstance(handle, NotConnected)
                (target,) = handle.known.targets
                assert (target.state, target.code) == ("unknown", "accept-timeout")
                assert "same key" in target.detail
            outcome, took = read.result()
            assert took < LIMIT
            assert not isinstance(outcome, NotConnected)
            assert [target.state for target in outcome.targets] == ["open"]
            for question in asked:
                nobody, took = question.result()
                assert isinstance(nobody, NotConnected)
                assert took < LIMIT
            assert isinstance(opened.result()[0], NotConnected)
            assert opened.result()[1] < 2 * LIMIT
            told, took = blocked.result()
            assert not isinstance(told, NotConnected)
            assert told[:2] == ("unknown", "accept-timeout")
            assert took < 2 * LIMIT
            daemon.signal(signal.SIGCONT)
            again = await fz.warn("generic", to=LOBBY, key="during-7")
            assert again.accepted
            assert (await fz.warn("generic", to=LOBBY, key="during-7")).id == again.id


async def test_what_lay_in_the_socket_is_not_sent_after_its_caller_gave_up(
    site: Site, daemon: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.client.ANSWER_WITHIN", 1.0)
    async with fzalert.open(site.config) as fz:
        daemon.signal(signal.SIGSTOP)
        late = await fz.warn("generic", to=LOBBY, key="late")
        (target,) = late.known.targets
        assert (target.state, target.code) == ("unknown", "answer-lost")
        daemon.signal(signal.SIGCONT)
        monkeypatch.undo()
        await fz.status()
        # Had the first one been taken, its key would now stand for another request.
        assert (await fz.warn("generic", to=LOBBY, lane="bulk", key="late")).accepted
        assert (await fz.status()).totals.accepted == 1


def test_the_limit_is_less_than_half_of_what_the_socket_waits() -> None:
    assert LIMIT * 2 < ANSWER_WITHIN
