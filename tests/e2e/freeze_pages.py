"""A police station with real pages, for the tests of the freeze desk in a browser."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from fzalert.access import Actor
from fzalert.clock import Clock
from fzalert.freeze.results import Receipt
from fzalert.freeze.values import AttachmentType
from fzalert.service import Service
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_handle import CaseHandle, Freeze
from fzalert.service.models import UserChange
from fzalert.testing.house import House
from fzalert.web import Stopping, WebServer, build_app
from tests.unit.freezing import BANK, CARD, OFFICERS, OTHER_BANK, REPORT, VICTIM, account, transfer

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
UNIT = """
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
prefecture = "1101"
duty_phone = "010-12345678"
"""
PDF = b"%PDF-1.7 made up"
SECOND_CARD = "6217000010012345677"
PEOPLE = (
    ("ma", "detective", "station"),
    ("li", "detective", "county"),
    ("zhao", "approver", "prefecture"),
    ("sun", "auditor", "station"),
    ("wang", "teller", "station"),
)
SMS = (
    "【农业银行】您尾号0018账户11月24日16时40分完成转账交易人民币-50000.00元，"
    "收款人：李四，收款账号：6222021234567890128，流水号20261124SERIAL01，余额1200.00元。"
)


@dataclass
class Station:
    """A running station: its service, its people, the address of its pages."""

    house: House
    service: Service
    url: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def clock(self) -> Clock:
        return self.house.clock

    async def by(self, name: str) -> Actor:
        """The person, who shows the token now."""
        return await self.service.authenticate(self.tokens[name])

    async def case(
        self,
        cards: Sequence[str] = (CARD,),
        *,
        papers: bool = True,
        number: str = REPORT.number,
        minutes: int = 5,
    ) -> CaseHandle:
        """A case with one account for each card, ready to be submitted."""
        ma, now = await self.by("ma"), self.clock.now()
        report = REPORT.model_copy(
            update={"at": now - timedelta(minutes=minutes), "number": number}
        )
        case = await Freeze(self.service).open_case(report=report, victim=VICTIM, by=ma)
        await case.name_officers(OFFICERS, by=ma)
        if papers:
            await case.attach(PDF, type=AttachmentType.IDENTITY, by=ma)
            await case.attach(PDF, type=AttachmentType.STOP_FORM, by=ma)
        for card in cards:
            paid = [transfer(at=now - timedelta(minutes=minutes + 15))]
            bank = BANK if card == CARD else OTHER_BANK
            await case.add_account(account(card, bank_code=bank, bank_name=""), inflow=paid, by=ma)
        return case

    async def stopped(self, case: CaseHandle, measure: str = "m1", **more: Any) -> None:
        """Walk one measure to its stop, by paper and a receipt entered by hand."""
        ma, zhao = await self.by("ma"), await self.by("zhao")
        one = case.measure(measure)
        found = await self.service.freeze(asks.CheckAsk(case=case.id, measure=measure), ma)
        assert found.check is not None
        waived = {f.code: "已向付款银行核实" for f in found.check.findings}
        await one.submit(by=ma, waived=waived)
        await one.approve(by=zhao)
        _ = await self.service.freeze(asks.SendAsk(case=case.id, measure=measure, paper=True), ma)
        receipt = {
            "application_id": one.view.application_id or f"{case.id}-{measure}-1",
            "code": "0000",
            "account_number": CARD if measure == "m1" else SECOND_CARD,
            "started_at": self.clock.now(),
            "grade": "B",
            **more,
        }
        await one.record_receipt(Receipt.model_validate(receipt), by=ma)

    async def case_view(self, case: str) -> asks.CaseView:
        """A case as it stands."""
        found = (await self.service.freeze(asks.ShowAsk(case=case), await self.by("sun"))).case
        assert found is not None
        return found

    async def on_record(self, act: str) -> list[bytes]:
        """The rows of the evidence about an act."""
        rooms = self.service._rooms
        assert rooms is not None
        store = rooms.building.store
        names = [chain[0] for chain in await store.chains()]
        rows = [row.body for name in names for row in await store.evidence(name)]
        return [body for body in rows if f'"{act}"'.encode() in body]

    def later(self, **more: float) -> None:
        """Let time go on."""
        self.house.clock.set(self.house.clock.now() + timedelta(**more))


@asynccontextmanager
async def station(folder: Path, toml: str = UNIT) -> AsyncIterator[Station]:
    """Run a station on a port of its own."""
    house = House(folder, toml=toml)
    stopping = Stopping()
    async with house.service() as service:
        app = build_app(service, house.settings, stopping=stopping, clock=house.clock)
        async with WebServer(app, house.settings.web, stopping).serving() as url:
            found = Station(house, service, url)
            for name, role, rank in PEOPLE:
                change = UserChange(action="add", name=name, roles=[role], rank=rank)
                found.tokens[name] = await service.change_user(change)
            yield found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A real browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


class Seat:
    """A person at a browser: signed in, and what went wrong on the pages is kept."""

    def __init__(self, context: BrowserContext, page: Page, at: Station) -> None:
        self.context = context
        self.page = page
        self.at = at
        self.errors: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, kind: str, text: str) -> None:
        # A refusal is answered with 403 or 422, which the browser itself puts on its console.
        if kind in {"error", "warning"} and "the server responded with a status of" not in text:
            self.errors.append(text)

    @property
    def keyboard(self) -> Any:
        return self.page.keyboard

    async def goto(self, path: str) -> None:
        await self.page.goto(self.at.url.rstrip("/") + path)

    async def axe(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 AA."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[str] = await self.page.evaluate(
            "tags => axe.run(document, {runOnly: tags}).then(r => r.violations.map("
            "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 160)).join(' | ')))",
            WCAG,
        )
        return found

    async def sideways(self) -> int:
        """Pixels by which the page is wider than its window."""
        wide: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide

    async def small(self) -> list[str]:
        """Targets of less than 24 by 24 pixels."""
        found: list[str] = await self.page.evaluate(
            "() => [...document.querySelectorAll('a, button, input, select, textarea')]"
            ".filter(e => { const r = e.getBoundingClientRect();"
            " return r.width > 1 && r.top >= 0 && (r.width < 24 || r.height < 24) })"
            ".map(e => e.outerHTML.slice(0, 120))"
        )
        return found

    async def shoot(self, name: str) -> None:
        SCREENS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENS / f"freeze-{name}.png", full_page=True)


class Visitor:
    """A person who sends forms without a browser, as one without a script does.

    Args:
        at: The station.
    """

    def __init__(self, at: Station) -> None:
        self.at = at
        self.web = httpx.AsyncClient(base_url=at.url, headers={"accept": "text/html"}, timeout=60)

    async def sign_in(self, name: str) -> None:
        """Sign in; whoever was here before is gone."""
        answer = await self.web.post("/login", data={"token": self.at.tokens[name]})
        assert answer.status_code == 303

    async def act(self, path: str, values: Mapping[str, str] | None = None) -> httpx.Response:
        """Send the form of an act."""
        return await self.web.post(path, data=dict(values or {"do": "act"}))

    async def did(self, path: str, values: Mapping[str, str] | None = None) -> None:
        """Send a form that has to be taken."""
        answer = await self.act(path, values)
        assert answer.status_code == 303, answer.text
        assert "/prove" not in answer.headers["location"], path


@asynccontextmanager
async def visitor(at: Station, name: str) -> AsyncIterator[Visitor]:
    """Somebody who is signed in and sends forms."""
    found = Visitor(at)
    async with found.web:
        await found.sign_in(name)
        yield found


async def sit_down(browser: Browser, at: Station, name: str, **options: Any) -> Seat:
    """Sign somebody in at a browser of his own, by keyboard."""
    given = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark", **options}
    context = await browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai", **given)
    page = await context.new_page()
    page.set_default_timeout(30_000)
    seat = Seat(context, page, at)
    await seat.goto("/login?next=/freeze")
    await page.locator("#token").focus()
    await page.keyboard.type(at.tokens[name])
    await page.keyboard.press("Enter")
    await expect(page.locator(".who")).to_contain_text(name)
    if given.get("java_script_enabled", True):
        await expect(page.locator("#link")).to_contain_text("实时")
    return seat


__all__ = [
    "CARD",
    "PDF",
    "SECOND_CARD",
    "SMS",
    "Seat",
    "Station",
    "Visitor",
    "chromium",
    "sit_down",
    "station",
    "visitor",
]
