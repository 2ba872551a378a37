"""How a browser becomes a screen by a code, and how a screen is shut out."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.async_api import expect

from fzalert.messages import ReportKind

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Route

    from tests.e2e.test_kiosk.conftest import Harness, Screen

CODE = re.compile(r"[23456789ABCDEFGHJKMNPQRSTVWXYZ]{4}-[23456789ABCDEFGHJKMNPQRSTVWXYZ]{4}")
STAFF = {"authorization": "Bearer staff", "content-type": "application/json"}


@pytest.fixture
async def quick(browsing: BrowserContext) -> None:
    """Let pages ask every quarter of a second whether they are paired; the hub says how often."""

    async def sooner(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        await route.fulfill(response=answer, json={**told, "poll_ms": 250})

    await browsing.route("**/pair/code", sooner)


async def code_of(screen: Screen, *, within: float = 10) -> str:
    found = await screen.page.wait_for_function(
        "() => { const shown = (document.getElementById('code') || {}).textContent || '';"
        " return /^[2-9A-Z]{4}-[2-9A-Z]{4}$/.test(shown) && shown; }",
        timeout=within * 1000,
    )
    code: str = await found.json_value()
    assert CODE.fullmatch(code)
    return code


async def confirm(harness: Harness, code: str, display: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=harness.base) as client:
        return await client.post(
            "pair/confirm", json={"code": code, "display": display}, headers=STAFF
        )


async def test_a_code_makes_a_browser_a_screen(
    harness: Harness, fresh: Screen, quick: None
) -> None:
    await fresh.page.goto(harness.base + "screen/")
    code = await code_of(fresh)
    assert await fresh.page.locator(".where").text_content() == harness.base + "pair/"
    answer = await confirm(harness, code.lower().replace("-", " "), "lobby")
    assert (answer.status_code, answer.json()) == (200, {"paired": "lobby"})
    await fresh.page.wait_for_url("**/screen/lobby/", timeout=15_000)
    await fresh.idle()
    one = await harness.show(harness.POLICE)
    await harness.report(ReportKind.SHOWN, one)
    # The same address leads to the screen from now on; the code is used up.
    await fresh.page.goto(harness.base + "screen/")
    await fresh.title(harness.POLICE.title)
    assert fresh.page.url.endswith("/screen/lobby/")
    assert (await confirm(harness, code, "hall")).status_code == 404


async def test_the_address_may_say_which_screen_it_is(
    harness: Harness, fresh: Screen, quick: None
) -> None:
    answer = await fresh.page.goto(harness.base + "screen/hall/")
    assert answer is not None
    assert answer.status == 401
    paired = await confirm(harness, await code_of(fresh), "")
    assert paired.json() == {"paired": "hall"}
    await fresh.idle(within=15)
    assert fresh.page.url.endswith("/screen/hall/")


async def test_a_person_pairs_and_revokes_by_keyboard_alone(
    harness: Harness, fresh: Screen, browsing: BrowserContext, quick: None
) -> None:
    await fresh.page.goto(harness.base + "screen/")
    code = await code_of(fresh)
    await browsing.add_cookies([{"name": "fz", "value": "staff", "url": harness.base}])
    desk = harness.watch(await browsing.new_page())
    await desk.page.goto(harness.base)
    assert desk.page.url == harness.base + "pair/"
    assert await desk.page.locator("script").count() == 0
    assert await desk.accessible() == []
    await desk.picture("kiosk-staff")
    # The field has the focus: type, choose the second screen by its letter, send.
    await expect(desk.page.locator("#code")).to_be_focused()
    await desk.page.keyboard.type("wrong-22")
    await desk.page.keyboard.press("Enter")
    await desk.page.wait_for_selector(".notice.bad")
    assert "No screen shows that code" in (await desk.page.locator(".notice").text_content() or "")
    assert await desk.accessible() == []
    await desk.picture("kiosk-staff-wrong")
    await expect(desk.page.locator("#code")).to_be_focused()
    await desk.page.keyboard.press("Control+A")
    await desk.page.keyboard.type(code)
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.type("hall")
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.press("Enter")
    await desk.page.wait_for_url("**/pair/?paired=hall")
    await fresh.idle(within=15)
    await desk.page.goto(harness.base + "pair/?q=hall")
    assert "● 在线" in (await desk.page.locator("tbody").text_content() or "")
    assert await desk.page.locator("tbody tr").count() == 1
    one = await harness.show(harness.POLICE, to="hall")
    await harness.report(ReportKind.SHOWN, one)
    await desk.page.locator("summary").focus()
    await desk.page.keyboard.press("Enter")
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.press("Enter")
    await desk.page.wait_for_url("**/pair/?revoked=hall")
    # The warning goes at once, and the screen shows a new code.
    again = await code_of(fresh, within=5)
    assert again != code
    assert (
        await fresh.evaluate("localStorage.getItem('fz:' + location.pathname + ':state')") is None
    )
    desk.check()


async def test_who_is_not_signed_in_reads_and_changes_nothing(
    harness: Harness, fresh: Screen
) -> None:
    await fresh.page.goto(harness.base + "pair/")
    assert await fresh.page.locator("form[method=post]").count() == 0
    assert await fresh.page.locator('a[href="/login"]').count() == 1
    assert await fresh.accessible() == []
    async with httpx.AsyncClient(base_url=harness.base) as client:
        answer = await client.post("pair/confirm", json={"code": "", "display": ""})
        assert answer.status_code == 401


async def test_without_the_hub_there_is_no_code(
    harness: Harness, fresh: Screen, quick: None
) -> None:
    await fresh.page.goto(harness.base + "screen/")
    before = await code_of(fresh)
    await harness.stop()
    await harness.start()
    # The hub has forgotten it: the page asks for another one.
    async with asyncio.timeout(20):
        while await code_of(fresh) == before:
            await harness.context.clock.sleep(0.1)


async def test_the_code_is_large_and_accessible(harness: Harness, fresh: Screen) -> None:
    await fresh.page.goto(harness.base + "screen/")
    await code_of(fresh)
    for across, down in ((1920, 1080), (1080, 1920), (1366, 768)):
        await fresh.page.set_viewport_size({"width": across, "height": down})
        assert await fresh.accessible() == []
        await fresh.picture(f"kiosk-pairing-{across}x{down}")
        box = await fresh.page.locator("#code").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= across
        assert box["height"] > 0.1 * min(across, down)
