"""The status page in a real browser: live, whole without a script, usable with the keyboard."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from fzalert.config import parse_settings
from fzalert.service.models import (
    CampaignView,
    ChannelView,
    CountersView,
    OutcomeView,
    WarningView,
)
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


@pytest.fixture
def service() -> FakeService:
    service = FakeService({"zhang": ["teller"]}, drill=True)
    service.channels = [
        ChannelView(
            name="cmpp-1",
            adapter="sms.cmpp",
            kinds=["phone"],
            state="up",
            window=16,
            in_flight=14,
            ready_bulk=1204,
            rate=400,
            per_second=312,
            latency_ms=84,
            counters=CountersView(accepted=13700, open=14, delivered=12480, failed=96),
        ),
        ChannelView(
            name="sgip-1",
            adapter="sms.sgip",
            kinds=["phone"],
            state="slow",
            detail="对方自 14:28 起返回 8（流量超限），发送速度减半，每 30 秒再试提速",
            window=16,
            in_flight=16,
            ready_urgent=2,
            rate=200,
            per_second=6.4,
            latency_ms=4100,
            last_error="8 流量超限",
            counters=CountersView(delivered=930, failed=4, unknown=3),
        ),
        ChannelView(
            name="smgp-1",
            adapter="sms.smgp",
            kinds=["phone"],
            state="down",
            detail="自 14:11 起登录失败，第 6 次；14:33 再连。紧急消息改走 cmpp-1",
            last_error="认证失败 (status 3)",
            window=16,
        ),
        ChannelView(
            name="lobby",
            adapter="display.kiosk",
            kinds=["display", "counter"],
            state="up",
            window=64,
            figures={"screens": 3, "screens_live": 3, "blocked": 0},
        ),
    ]
    service.warnings = [warning(number) for number in range(4)]
    service.planned = [
        CampaignView(
            id="9000000000000",
            name="冒充客服 十一月",
            warning="",
            script="impersonating-support/general/1",
            state="running",
            total=8000,
            fed=3200,
            refused=12,
        )
    ]
    return service


def warning(number: int) -> WarningView:
    states = ["delivered", "open", "unknown", "failed"]
    words = {"delivered": "delivered", "open": "sent", "unknown": "unknown", "failed": "permanent"}
    targets = ["phone:138****8000", "phone:139****1234", "display:lobby", "speaker:atm-1"]
    return WarningView(
        id=str(7_000_000_000_000 + number),
        script="impersonating-police/general/1",
        language="zh",
        lane="urgent" if number % 2 else "bulk",
        accepted_at="2026-11-24T06:32:05+00:00",
        not_after="2026-11-24T06:42:05+00:00",
        by="user:zhang",
        drill=True,
        state="partly",
        targets=[
            OutcomeView(
                message=f"{number}-{place}",
                target=target,
                channel="cmpp-1",
                state=state,
                proof="device" if state == "delivered" else "none",
                word=words[state],
                at="2026-11-24T06:32:07+00:00",
            )
            for place, (target, state) in enumerate(zip(targets, states, strict=True))
        ],
    )


@pytest.fixture
def stopping() -> Stopping:
    return Stopping()


@pytest.fixture
async def url(service: FakeService, stopping: Stopping, tmp_path: Path) -> AsyncIterator[str]:
    settings = parse_settings("[web]\nport = 0\n[drill]\nenabled = true", tmp_path / "f.toml")
    app = build_app(service, settings, stopping=stopping)
    async with WebServer(app, settings.web, stopping).serving() as url:
        yield url


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


class Watched:
    """A page and what went wrong on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((url, "data:")) else self.foreign.append(request.url)
            ),
        )

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.errors.append(text)


async def open_page(browser: Browser, url: str, **options: Any) -> Watched:
    given = {"viewport": {"width": 1366, "height": 768}, **options}
    page = await browser.new_page(locale="zh-CN", timezone_id="Asia/Shanghai", **given)
    page.set_default_timeout(10_000)
    return Watched(page, url)


async def shoot(page: Page, name: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENS / f"{name}.png", full_page=True)


async def test_the_page_lives_and_keeps_the_focus(
    browser: Browser, url: str, service: FakeService
) -> None:
    seen = await open_page(browser, url)
    await seen.page.goto(url)
    await expect(seen.page.locator("#link")).to_contain_text("实时")
    await shoot(seen.page, "status-1366")
    link = seen.page.locator("#warning-7000000000000 a")
    await link.focus()
    service.channels[2] = service.channels[2].model_copy(update={"state": "up", "detail": ""})
    service.warnings.append(warning(9))
    await service.touch()
    await expect(seen.page.locator("#channel-smgp-1")).to_contain_text("正常")
    await expect(seen.page.locator("#recent tbody tr").first).to_have_id("warning-7000000000009")
    await expect(link).to_be_focused()
    assert (seen.errors, seen.foreign) == ([], [])


async def test_the_page_says_when_it_is_no_longer_live(
    browser: Browser, url: str, stopping: Stopping
) -> None:
    seen = await open_page(browser, url)
    await seen.page.goto(url)
    await expect(seen.page.locator("#link")).to_contain_text("实时")
    stopping.set()
    await expect(seen.page.locator("#link")).to_contain_text("数据停在")
    await shoot(seen.page, "status-stopped")


async def test_without_a_script_the_page_is_whole(browser: Browser, url: str) -> None:
    seen = await open_page(browser, url, java_script_enabled=False)
    await seen.page.goto(url)
    await expect(seen.page.locator("#link")).to_contain_text("静态页面")
    for text in ("断开", "认证失败", "138****8000", "结果未知"):
        await expect(seen.page.locator("main")).to_contain_text(text)
    clock = await seen.page.locator("#as-of").text_content()
    assert clock
    assert len(clock) == 8


async def test_no_clock_is_ever_empty_while_the_page_changes(
    browser: Browser, url: str, service: FakeService
) -> None:
    seen = await open_page(browser, url)
    await seen.page.goto(url)
    await expect(seen.page.locator("#link")).to_contain_text("实时")
    await seen.page.evaluate(
        """() => { window.empty = 0; window.frames_ = 0;
        const look = () => { window.frames_++;
          for (const c of document.querySelectorAll('.clock')) if (!c.textContent) window.empty++;
          requestAnimationFrame(look); };
        requestAnimationFrame(look); }"""
    )
    for number in range(20, 24):
        service.warnings.append(warning(number))
        await service.touch()
        await expect(seen.page.locator("#recent tbody tr").first).to_have_id(
            f"warning-{7_000_000_000_000 + number}"
        )
    assert await seen.page.evaluate("window.empty") == 0
    assert await seen.page.evaluate("window.frames_") > 10


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("1366", {}),
        ("1920", {"viewport": {"width": 1920, "height": 1080}}),
        ("200-percent", {"viewport": {"width": 683, "height": 384}, "device_scale_factor": 2}),
        ("phone", {"viewport": {"width": 360, "height": 740}}),
        ("390", {"viewport": {"width": 390, "height": 844}}),
    ],
)
async def test_pages_are_accessible_at_every_size(
    name: str, options: dict[str, Any], browser: Browser, url: str
) -> None:
    seen = await open_page(browser, url, **options)
    axe = AXE.read_text(encoding="utf-8")
    for page, path in (("status", ""), ("warning", "warnings/7000000000001"), ("login", "login")):
        await seen.page.goto(url + path)
        if page == "status":
            await expect(seen.page.locator("#link")).to_contain_text("实时")
        await shoot(seen.page, f"{page}-{name}")
        await seen.page.evaluate(axe)
        found = await seen.page.evaluate(
            "tags => axe.run(document, {runOnly: tags}).then(r => r.violations.map("
            "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | ')))",
            WCAG,
        )
        assert found == []
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await seen.page.evaluate(wide) <= 0
        small = await seen.page.evaluate(
            "() => [...document.querySelectorAll('a, button, input')].filter(e => {"
            " const r = e.getBoundingClientRect();"
            " return r.width && r.top >= 0 && (r.width < 24 || r.height < 24) })"
            ".map(e => e.outerHTML.slice(0, 120))"
        )
        assert small == []
    assert seen.foreign == []


async def test_on_a_telephone_a_channel_is_a_card_and_nothing_is_cut_off(
    browser: Browser, url: str
) -> None:
    seen = await open_page(browser, url, viewport={"width": 390, "height": 844})
    await seen.page.goto(url)
    row = seen.page.locator("#channel-sgip-1")
    for text in ("变慢", "起，已", "6.4/200", "16/16", "4.1 s", "8 流量超限"):
        await expect(row).to_contain_text(text)
    cut = (
        "() => [...document.querySelectorAll('.stack')].filter(e => e.scrollWidth > e.clientWidth)"
    )
    assert await seen.page.evaluate(f"({cut})().length") == 0
    await expect(seen.page.get_by_role("rowheader", name="sgip-1")).to_be_visible()


async def test_a_person_signs_in_and_out_with_the_keyboard(
    browser: Browser, url: str, service: FakeService
) -> None:
    seen = await open_page(browser, url)
    await seen.page.goto(url + "login")
    await expect(seen.page.locator("#token")).to_be_focused()
    await seen.page.keyboard.type("wrong-token")
    await seen.page.keyboard.press("Enter")
    await expect(seen.page.get_by_role("alert")).to_contain_text("令牌无效")
    await expect(seen.page.locator("#token")).to_be_focused()
    await seen.page.keyboard.type(service.tokens["zhang"])
    await seen.page.keyboard.press("Enter")
    await expect(seen.page.locator(".who")).to_contain_text("zhang")
    await seen.page.get_by_role("button", name="退出").press("Enter")
    await expect(seen.page.locator(".who")).to_contain_text("登录")
