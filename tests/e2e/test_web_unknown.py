"""The page of unknown fates in a real browser: by keyboard, without a script, at every size."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from fzalert.config import parse_settings
from fzalert.service.models import CampaignView, ChannelView, UnknownView
from fzalert.testing.service import FakeService
from fzalert.web import Stopping, WebServer, build_app

ROOT = Path(__file__).parents[2]
SCREENS = ROOT / "build" / "screens"
AXE = ROOT / "tests" / "cases" / "vendor" / "axe.min.js"
CHROMIUM = os.environ.get("FZ_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CAMPAIGN = "9000000000000"


def unknown(number: int) -> UnknownView:
    return UnknownView(
        message=str(7_000_000_000_000 + number),
        warning=str(6_000_000_000_000 + number),
        campaign=CAMPAIGN if number % 2 else "",
        script="impersonating-police/general/1",
        channel="cmpp-1" if number % 3 else "sgip-1",
        lane="bulk" if number % 2 else "urgent",
        target=f"phone:138****{8000 + number}",
        since="2026-11-24T06:32:05+00:00",
        not_after="2026-11-25T06:32:05+00:00",
        parts=2,
        unknown_parts=1,
        word="unknown",
        detail="the process ended before an answer came",
        resent=number == 2,
        resend_at="2026-11-24T06:33:05+00:00" if number == 4 else "",
        can_resend=number not in {2, 4},
    )


@pytest.fixture
def service() -> FakeService:
    service = FakeService({"zhao": ["duty_officer"], "wang": ["teller"]})
    service.channels = [
        ChannelView(name=name, adapter="sms.cmpp", kinds=["phone"], state="up")
        for name in ("cmpp-1", "sgip-1")
    ]
    service.planned = [
        CampaignView(
            id=CAMPAIGN,
            name="冒充客服 十一月",
            warning="",
            script="x/general/1",
            state="running",
            total=8,
            fed=8,
        )
    ]
    service.unknowns = [unknown(number) for number in range(60)]
    return service


@pytest.fixture
async def url(service: FakeService, tmp_path: Path) -> AsyncIterator[str]:
    settings = parse_settings("[web]\nport = 0", tmp_path / "f.toml")
    stopping = Stopping()
    async with WebServer(
        build_app(service, settings, stopping=stopping), settings.web, stopping
    ).serving() as url:
        yield url


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


async def open_page(browser: Browser, **options: Any) -> Page:
    given = {"viewport": {"width": 1366, "height": 768}, **options}
    page = await browser.new_page(locale="zh-CN", timezone_id="Asia/Shanghai", **given)
    page.set_default_timeout(20_000)
    return page


async def sign_in(page: Page, url: str, token: str) -> None:
    await page.goto(url + "login")
    await expect(page.locator("#token")).to_be_focused()
    await page.keyboard.type(token)
    await page.keyboard.press("Enter")
    await expect(page.locator(".who")).to_contain_text("退出")


async def shoot(page: Page, name: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENS / f"{name}.png", full_page=True)


@pytest.mark.parametrize("with_script", [True, False])
async def test_a_selection_is_settled_with_the_keyboard_after_its_number_is_confirmed(
    browser: Browser, url: str, service: FakeService, with_script: bool
) -> None:
    page = await open_page(browser, java_script_enabled=with_script)
    await sign_in(page, url, service.tokens["zhao"])
    await page.goto(url + "unknown?channel=cmpp-1")
    await expect(page.locator("#total")).to_contain_text("40")
    for number in (1, 5, 7):
        box = page.locator(f"#message-{7_000_000_000_000 + number} input")
        await box.focus()
        await page.keyboard.press("Space")
        await expect(box).to_be_checked()
    choice = page.get_by_role("radio", name="认定已送达")
    await choice.focus()
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await expect(page.locator("#reason")).to_be_focused()
    await page.keyboard.type("逐个回访，本人已看到")
    await page.keyboard.press("Enter")
    await expect(page.locator("#count")).to_have_text("3")
    assert service.settled == []
    await page.get_by_role("button", name="认定已送达").press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("3 条已处理")
    (settled,) = service.settled
    assert settled.messages == [str(7_000_000_000_000 + number) for number in (1, 5, 7)]
    assert (settled.decision, settled.count) == ("delivered", 3)
    assert settled.reason == "逐个回访，本人已看到"
    await page.goto(url + "unknown")
    await expect(page.locator("#total")).to_contain_text("57")
    await expect(page.locator("#message-7000000000005")).to_have_count(0)


async def test_pages_follow_one_another_and_the_filter_stays(
    browser: Browser, url: str, service: FakeService
) -> None:
    service.unknowns += [unknown(number) for number in range(60, 200)]
    page = await open_page(browser)
    await page.goto(f"{url}unknown?campaign={CAMPAIGN}")
    await expect(page.locator("#total")).to_contain_text("100")
    first = await page.locator("tbody tr").evaluate_all("rows => rows.map(r => r.id)")
    await page.get_by_role("link", name="下一页").press("Enter")
    await expect(page.locator("#campaign")).to_have_value(CAMPAIGN)
    second = await page.locator("tbody tr").evaluate_all("rows => rows.map(r => r.id)")
    assert (len(first), len(second)) == (50, 50)
    assert not {*first} & {*second}


async def test_who_may_not_sees_no_form_and_cannot_send_one(
    browser: Browser, url: str, service: FakeService
) -> None:
    page = await open_page(browser)
    await page.goto(url + "unknown")
    await expect(page.locator(".decide")).to_have_count(0)
    await sign_in(page, url, service.tokens["wang"])
    await page.goto(url + "unknown")
    await expect(page.locator(".decide")).to_have_count(0)
    forged = await page.request.post(
        url + "unknown/settle",
        form={"message": "7000000000001", "decision": "delivered", "reason": "xx", "count": "1"},
        headers={"sec-fetch-site": "same-origin"},
    )
    assert forged.status == 403
    assert service.settled == []


async def test_nothing_chosen_or_no_reason_is_said_before_anything_is_done(
    browser: Browser, url: str, service: FakeService
) -> None:
    page = await open_page(browser)
    await sign_in(page, url, service.tokens["zhao"])
    await page.goto(url + "unknown")
    await page.get_by_role("radio", name="再发一次").check()
    await page.locator("#reason").fill("核实过")
    await page.get_by_role("button", name="下一步").press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("请先选择消息")
    assert service.settled == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("1366", {}),
        ("390", {"viewport": {"width": 390, "height": 844}}),
    ],
)
async def test_it_is_accessible_at_every_size(
    name: str, options: dict[str, Any], browser: Browser, url: str, service: FakeService
) -> None:
    service.unknowns = service.unknowns[:6]
    page = await open_page(browser, **options)
    await sign_in(page, url, service.tokens["zhao"])
    axe = AXE.read_text(encoding="utf-8")
    for step in ("unknown", "confirm"):
        if step == "unknown":
            await page.goto(url + "unknown")
        else:
            await page.locator("#message-7000000000001 input").check()
            await page.get_by_role("radio", name="再发一次").check()
            await page.locator("#reason").fill("本人说没有收到")
            await page.get_by_role("button", name="下一步").click()
            await expect(page.locator("#count")).to_have_text("1")
        await shoot(page, f"{step}-{name}")
        await page.evaluate(axe)
        found = await page.evaluate(
            "tags => axe.run(document, {runOnly: tags}).then(r => r.violations.map("
            "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | ')))",
            WCAG,
        )
        assert found == []
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wide) <= 0
        small = await page.evaluate(
            "() => [...document.querySelectorAll('a, button, input, select')].filter(e => {"
            " const r = e.getBoundingClientRect();"
            " return r.width && r.top >= 0 && (r.width < 24 || r.height < 24) })"
            ".map(e => e.outerHTML.slice(0, 120))"
        )
        assert small == []
