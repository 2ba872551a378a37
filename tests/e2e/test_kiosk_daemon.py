"""Screens of a real `fzalert run`: a warning's whole life, a kill, pairing, a thousand of them."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

import fzalert
from fzalert.access import Directory
from fzalert.client import Client
from fzalert.config import read_settings
from fzalert.service import Fzalert, open_or_connect
from fzalert.service.models import WarningView
from fzalert.testing.processes import Site, ask_until
from fzalert_display.kiosk.commands import list_screens, pair, revoke
from fzalert_display.kiosk.crowd import Crowd, Told

CHROMIUM = os.environ.get("FZ_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
SCRIPT = "impersonating-police"
TOKEN = "made-up-token"
IDLE = "转账之前停一停"
MANY = 1000


class Screens(Site):
    """A folder with a daemon whose one channel is screens."""

    def configure(self, names: list[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.web = f"http://127.0.0.1:{port}"
        self.base = f"{self.web}/channels/screens/"
        token = self.folder / "token"
        token.write_text(TOKEN, encoding="utf-8")
        token.chmod(0o600)
        tables = "".join(
            f'[[channel.displays]]\nname = "{name}"\ntoken = {{ file = "token" }}\n'
            for name in names
        )
        self.config.write_text(
            f"""
            [web]
            port = {port}
            [drill]
            enabled = true
            [[channel]]
            name = "screens"
            adapter = "display.kiosk"
            heartbeat_seconds = {1 if len(names) < 10 else 15}
            [[channel.idle]]
            title = "{IDLE}"
            lines = ["先打96110问清楚"]
            {tables}
            """,
            encoding="utf-8",
        )

    async def staff(self) -> str:
        """Approve the script; returns the token of a person."""
        async with open_or_connect(read_settings(self.config)) as api:
            mine = await api.add_user("author", ["script_editor"])
            other = await api.authenticate(await api.add_user("approver", ["approver"]))
            author = await api.authenticate(mine)
            await api.approve(f"{SCRIPT}/general/1", author=author, approver=other)
        return mine


@pytest.fixture
def site(tmp_path: Path) -> Screens:
    return Screens(tmp_path)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1920, "height": 1080})
    page = await context.new_page()
    yield page
    await context.close()


async def title(page: Page, text: str, *, within: float = 15) -> None:
    await page.wait_for_function(
        "text => (document.querySelector('#stage h1') || {}).textContent === text",
        arg=text,
        timeout=within * 1000,
    )


async def mark(page: Page, text: str, *, within: float = 15) -> None:
    await page.wait_for_function(
        "text => document.getElementById('mark').textContent === text",
        arg=text,
        timeout=within * 1000,
    )


async def warn(client: Client, to: list[str], seconds: int) -> str:
    fz = Fzalert(client, Directory().local_actor(), owns_store=False)
    handle = await fz.warn(
        SCRIPT,
        to=[fzalert.display(name) for name in to],
        lane="urgent",
        expires_in=timedelta(seconds=seconds),
    )
    assert handle.accepted
    return handle.id


async def fate(client: Client, id: str, *, hidden: bool = False) -> WarningView:
    """Wait until a warning was shown, or until it was told for how long."""

    async def look() -> WarningView | None:
        view = await client.warning(id)
        assert view is not None
        (target,) = view.targets
        done = target.duration_ms > 0 if hidden else target.word == "shown"
        return view if done else None

    return await ask_until(look, "the fate of a warning on a screen")


async def test_the_whole_life_of_a_warning(site: Screens, page: Page) -> None:
    site.configure(["lobby"])
    await site.staff()
    async with site.daemon() as daemon, site.client() as client:
        await page.goto(f"{site.base}enroll/lobby?t={TOKEN}")
        await title(page, IDLE)
        short = await warn(client, ["lobby"], 4)
        await page.wait_for_selector("#stage .danger")
        shown = await fate(client, short)
        assert (shown.state, shown.targets[0].proof) == ("delivered", "device")
        # A drill says so on the screen as well.
        assert await page.locator(".drill").text_content() == "演练"
        # It falls back by itself, and tells for how long it was there.
        await title(page, IDLE)
        gone = await fate(client, short, hidden=True)
        assert 2000 < gone.targets[0].duration_ms < 4500
        long = await warn(client, ["lobby"], 300)
        headline = await page.locator("#stage .danger h1").text_content() or ""
        await fate(client, long)
        # A daemon that hangs is found by its missing heartbeats; the warning stays.
        daemon.signal(signal.SIGSTOP)
        await mark(page, "○")
        await title(page, headline)
        daemon.signal(signal.SIGCONT)
        await mark(page, "")
        await daemon.kill()
        await mark(page, "○")
        async with site.daemon():
            await mark(page, "", within=30)
            await title(page, headline)

            async def up() -> bool:
                (channel,) = (await client.status()).channels
                return channel.state == "up"

            await ask_until(up, "the screen is live again")
            # Two warnings were shown: none twice, none forgotten.
            (channel,) = (await client.status()).channels
            assert channel.counters.delivered == 2
            assert await page.evaluate("fz.reports.waiting()") == 0
            for id in (short, long):
                view = await client.warning(id)
                assert view is not None
                assert view.state == "delivered"


async def test_a_person_pairs_a_screen_and_programs_do_too(
    site: Screens, page: Page, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.configure(["lobby", "hall"])
    token = await site.staff()
    monkeypatch.setenv("FZALERT_CONFIG", str(site.config))

    async def sooner(route: Route) -> None:
        """Let the page ask every quarter of a second; the hub says how often."""
        answer = await route.fetch()
        await route.fulfill(response=answer, json={**await answer.json(), "poll_ms": 250})

    await page.route("**/pair/code", sooner)
    async with site.daemon():
        await page.goto(f"{site.base}screen/")
        code = await page.wait_for_function(
            "() => { const shown = document.getElementById('code').textContent;"
            " return /^[2-9A-Z]{4}-/.test(shown) && shown; }"
        )
        desk = await browser.new_page()
        # On this machine the page may be read; to change something a person signs in.
        await desk.goto(site.base)
        assert desk.url == f"{site.base}pair/"
        await desk.click('a[href="/login"]')
        await desk.fill("input[name=token]", token)
        await desk.keyboard.press("Enter")
        await desk.wait_for_url(f"{site.web}/")
        await desk.goto(f"{site.base}pair/")
        # A page gets its focus with its first frame, which may come after its load.
        await expect(desk.locator("#code")).to_be_focused()
        await desk.keyboard.type(await code.json_value())
        await desk.select_option("#display", "hall")
        await desk.click("button.main")
        await desk.wait_for_url("**/pair/?paired=hall")
        await page.wait_for_url("**/screen/hall/", timeout=15_000)
        await title(page, IDLE)
        await desk.close()
        # The same for programs.
        with pytest.raises(fzalert.AccessDenied, match="person"):
            await list_screens()
        monkeypatch.setenv("FZALERT_TOKEN", "wrong")
        with pytest.raises(fzalert.AccessDenied):
            await list_screens()
        monkeypatch.setenv("FZALERT_TOKEN", token)
        rows = {row.display: row for row in await list_screens()}
        assert (rows["lobby"].enrolled, rows["hall"].enrolled, rows["hall"].live) == (
            False,
            True,
            True,
        )
        with pytest.raises(fzalert.InputError, match="No screen shows that code"):
            await pair("2222-2222", "lobby")
        assert (await revoke("hall")).revoked == "hall"
        fresh = await page.wait_for_function(
            "old => { const shown = (document.getElementById('code') || {}).textContent || '';"
            " return /^[2-9A-Z]{4}-/.test(shown) && shown !== old && shown; }",
            arg=await code.json_value(),
        )
        # Its address says which screen it is.
        assert (await pair(await fresh.json_value())).paired == "hall"
        await title(page, IDLE)


async def test_a_thousand_screens(site: Screens, page: Page) -> None:
    names = [f"s{number:04d}" for number in range(MANY)]
    site.configure(names)
    await site.staff()
    heard: list[Told] = []
    crowd = Crowd(site.base, names[1:], TOKEN, heard=heard.append)
    loop = asyncio.get_running_loop()
    async with site.daemon() as daemon:
        await page.goto(f"{site.base}enroll/{names[0]}?t={TOKEN}")
        await title(page, IDLE)
        async with crowd.connected():
            heard.clear()
            began = loop.time()
            async with site.client() as client:
                await warn(client, names, 300)
            told: dict[str, float] = {}

            async def all_told() -> bool:
                for one in heard:
                    if one.event == "state" and one.cards:
                        told.setdefault(one.screen, one.at - began)
                heard.clear()
                return len(told) == len(names) - 1

            await ask_until(all_told, "every screen is told")
            await page.wait_for_selector("#stage .danger")
            # A busy machine of two processors needs a third of a second.
            assert max(told.values()) < 5
            assert memory_mb(daemon.pid) < 150
            asked = loop.time()
            ended = await daemon.stop()
            assert loop.time() - asked < 3
            assert ended.code == 0
            await crowd.until(lambda: crowd.live == 0)
            heard.clear()
            async with site.daemon():
                # All come back, spread by chance, and find the warning that still holds.
                await crowd.until(lambda: crowd.live == len(names) - 1)
                await mark(page, "")
                states = {one.screen for one in heard if one.event == "state" and one.cards}
                assert len(states) == len(names) - 1
                assert await page.locator("#stage .danger").count() == 1


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
