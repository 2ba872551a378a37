"""The screen's page in a real Chromium, against the real adapter behind a real HTTP server."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as WebRoute
from typing_extensions import override

from fzalert.messages import (
    DeliveryReport,
    DisplayContent,
    Lane,
    Proof,
    ReceiptKind,
    ReportKind,
    Severity,
    display,
)
from fzalert.ports import AdapterContext, HealthState, MountedRequest, Route, Submission
from fzalert.testing import SCRIPT, MemoryState, RecordingWire, make_context
from fzalert_display.kiosk import IdleCard, KioskConfig, KioskDisplays, ScreenConfig

ROOT = Path(__file__).parents[2]
SCREENS = ROOT / "build" / "screens"
VENDOR = ROOT / "tests" / "cases" / "vendor"
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
AXE = (
    "axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa',"
    "'best-practice']}).then(r => r.violations.map(v => v.id + ': ' + v.nodes[0].html))"
)
# From the library: impersonating-police, general and elderly, zh and en.
POLICE = DisplayContent(
    title="没有安全账户",
    lines=("公安不会电话办案", "叫您保密的是骗子", "挂断电话，打110"),
    footer="城关支行 · 反诈专线 96110",
    severity=Severity.DANGER,
    priority=700,
    script=SCRIPT,
)
ENGLISH = DisplayContent(
    title='There is no "safe account"',
    lines=(
        "Police do not handle cases by phone",
        "“Keep it secret” means scam",
        "Hang up, call 110",
    ),
    footer="Chengguan branch · 96110",
    severity=Severity.DANGER,
    priority=700,
    script=SCRIPT,
    locale="en",
)
IDLE = (
    IdleCard(
        title="刷单都是诈骗",
        lines=("先返小钱是诱饵", "连单卡单提不出钱", "别再垫钱，打96110"),
        severity=Severity.WARN,
    ),
    IdleCard(
        title="转钱之前停一停", lines=("没见过面的人不转钱", "叫您保密的是骗子", "先打96110问清楚")
    ),
)


class _Server(uvicorn.Server):
    """A server that leaves the test runner's signals alone."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Harness:
    """Plays the daemon (mounts the routes) and the engine (commits what comes in).

    Attributes:
        state: Rows that outlive a restart.
        rows: What was committed.
        acknowledging: Whether commits succeed.
        faults: What the next streams suffer: `503`, `mute` (opens and never says a word).
    """

    def __init__(self, config: KioskConfig, group: asyncio.TaskGroup) -> None:
        self.config = config
        self.state = MemoryState()
        self.rows: list[DeliveryReport] = []
        self.acknowledging = True
        self.faults: list[str] = []
        self.port = 0
        self.adapter: KioskDisplays
        self.context: AdapterContext
        self._group = group
        self._arrived = asyncio.Condition()
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        self._ids = iter(range(4_611_686_018_427_387_905, 4_611_686_018_427_388_999))

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/channels/lobby-screens/"

    async def start(self) -> None:
        """Open adapter and server, on the same port as before."""
        ready = asyncio.Event()
        self._stop, self._ended = asyncio.Event(), asyncio.Event()
        self._group.create_task(self._run(ready))
        async with asyncio.timeout(10):
            await ready.wait()

    async def stop(self) -> None:
        """Take both away."""
        self._stop.set()
        async with asyncio.timeout(10):
            await self._ended.wait()

    async def _run(self, ready: asyncio.Event) -> None:
        async with make_context(state=self.state) as context:
            self.context = context
            self.adapter = KioskDisplays(self.config, context)
            async with self._served(), asyncio.TaskGroup() as group, self.adapter:
                group.create_task(self._engine())
                ready.set()
                await self._stop.wait()
        self._ended.set()

    @asynccontextmanager
    async def _served(self) -> AsyncIterator[None]:
        app = Starlette(routes=[self._mounted(route) for route in self.adapter.routes()])
        server = _Server(
            uvicorn.Config(
                app, log_level="error", lifespan="off", timeout_graceful_shutdown=1, ws="none"
            )
        )
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", self.port))
            self.port = sock.getsockname()[1]
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve([sock]))
                yield
                server.should_exit = True

    def _mounted(self, route: Route) -> WebRoute:
        async def endpoint(request: Request) -> Response:
            mounted = MountedRequest(
                method=request.method,
                path={key: str(value) for key, value in request.path_params.items()},
                query=dict(request.query_params),
                headers={key.lower(): value for key, value in request.headers.items()},
                cookies=request.cookies,
                body=await request.body(),
                client="127.0.0.1",
                base_url=self.base,
            )
            if route.stream and self.faults:
                fault = self.faults.pop(0)
                if fault == "503":
                    return Response(status_code=503)
                return StreamingResponse(self._mute(), 200, media_type="text/event-stream")
            answer = await route.handler(mounted)
            headers = {**answer.headers, "Content-Type": answer.media_type}
            if isinstance(answer.body, bytes):
                return Response(answer.body, answer.status, headers)
            return StreamingResponse(answer.body, answer.status, headers)

        path = "/channels/lobby-screens/" + route.path
        return WebRoute(path, endpoint, methods=[route.method])

    async def _mute(self) -> AsyncIterator[bytes]:
        yield b": open\n\n"
        await self._stop.wait()

    async def _engine(self) -> None:
        async for batch in self.adapter.inbound():
            if not self.acknowledging:
                continue
            batch.acknowledge()
            async with self._arrived:
                self.rows += [row for row in batch.rows if isinstance(row, DeliveryReport)]
                self._arrived.notify_all()

    async def show(
        self,
        content: DisplayContent,
        *,
        seconds: float = 60,
        lane: Lane = Lane.URGENT,
        to: str = "lobby",
        within: float = 10,
    ) -> Submission:
        """Submit until the screen is there; the receipt must then be `sent`."""
        now = self.context.clock.millis()
        one = Submission(next(self._ids), 0, lane, display(to), content, now + int(seconds * 1000))
        async with asyncio.timeout(within):
            while True:
                wire = RecordingWire()
                await self.adapter.submit([one], wire)
                receipt = wire.receipts[one.id, 0]
                if receipt.kind is not ReceiptKind.TEMPORARY:
                    break
                await self.context.clock.sleep(0.05)
        assert receipt.kind is ReceiptKind.SENT
        assert receipt.proof is Proof.TAKEN
        return one

    async def report(
        self, kind: ReportKind, one: Submission, *, within: float = 10
    ) -> DeliveryReport:
        """Wait for the row."""

        def found() -> DeliveryReport | None:
            return next((row for row in self.rows if (row.kind, row.id) == (kind, one.id)), None)

        async with asyncio.timeout(within), self._arrived:
            await self._arrived.wait_for(lambda: found() is not None)
        row = found()
        assert row is not None
        return row


class Screen:
    """One page, and everything that it must not do."""

    def __init__(self, page: Page, harness: Harness) -> None:
        self.page = page
        self.outside: list[str] = []
        self.violations: list[str] = []
        self.errors: list[str] = []
        base = f"http://127.0.0.1:{harness.port}/"
        page.on("request", lambda r: None if r.url.startswith(base) else self.outside.append(r.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda line: (
                self.violations.append(line.text) if "Content Security" in line.text else None
            ),
        )

    async def title(self, text: str, *, within: float = 10) -> None:
        """Wait for a headline."""
        await self.page.wait_for_function(
            "text => document.querySelector('#stage h1')"
            " && document.querySelector('#stage h1').textContent === text",
            arg=text,
            timeout=within * 1000,
        )

    async def idle(self, *, within: float = 10) -> None:
        """Wait until no warning has the screen."""
        titles = [card.title for card in IDLE]
        await self.page.wait_for_function(
            "titles => titles.includes(document.querySelector('#stage h1').textContent)",
            arg=titles,
            timeout=within * 1000,
        )

    async def mark(self, text: str, *, within: float = 10) -> None:
        """Wait for the staff's mark."""
        await self.page.wait_for_function(
            "text => document.getElementById('mark').textContent === text",
            arg=text,
            timeout=within * 1000,
        )

    async def picture(self, name: str) -> None:
        SCREENS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENS / f"{name}.png")

    def check(self) -> None:
        assert (self.outside, self.violations, self.errors) == ([], [], [])


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    config = KioskConfig(
        name="lobby-screens",
        displays=(
            ScreenConfig(name="lobby", title="城关支行 · 县公安局反诈中心"),
            ScreenConfig(name="hall", title="河东支行"),
        ),
        idle=IDLE,
        heartbeat_seconds=1,
        commit_seconds=2,
    )
    async with asyncio.TaskGroup() as group:
        harness = Harness(config, group)
        await harness.start()
        yield harness
        await harness.stop()


@pytest.fixture
async def browsing(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(
        viewport={"width": 1920, "height": 1080}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    yield context
    await context.close()


@pytest.fixture
async def lobby(harness: Harness, browsing: BrowserContext) -> AsyncIterator[Screen]:
    """The screen `lobby`, enrolled and showing its first idle card."""
    screen = Screen(await browsing.new_page(), harness)
    await screen.page.goto(harness.adapter.enrolment_links(harness.base)["lobby"])
    await screen.title(IDLE[0].title)
    yield screen
    screen.check()


async def evaluate(screen: Screen, script: str, *args: object) -> Any:
    return await screen.page.evaluate(script, *args)


async def test_a_warning_is_painted_and_proved(harness: Harness, lobby: Screen) -> None:
    one = await harness.show(POLICE, seconds=1800)
    shown = await harness.report(ReportKind.SHOWN, one)
    assert shown.proof is Proof.DEVICE
    assert shown.detail == "1920x1080 visible"
    assert shown.target == display("lobby")
    assert abs(shown.at - harness.context.clock.millis()) < 5000
    await lobby.title(POLICE.title)
    await lobby.picture("kiosk-urgent")
    card = lobby.page.locator("#stage .card")
    assert await card.get_attribute("role") == "alert"
    assert await card.get_attribute("lang") == "zh-CN"
    assert await lobby.page.locator(".word").text_content() == "紧急"
    health = await harness.adapter.health()
    assert dict(health.figures)["last_paint_ms"] != 0
    assert health.state is HealthState.SLOW
    assert "hall" in health.detail


async def test_it_leaves_the_address_bar_without_key_and_token(lobby: Screen) -> None:
    assert lobby.page.url.endswith("/channels/lobby-screens/screen/lobby/")


async def test_a_withdrawn_warning_goes_and_its_time_is_told(
    harness: Harness, lobby: Screen
) -> None:
    one = await harness.show(POLICE)
    await harness.report(ReportKind.SHOWN, one)
    await harness.adapter.withdraw([(one.id, 0)])
    await lobby.idle()
    await harness.report(ReportKind.WITHDRAWN, one)
    hidden = await harness.report(ReportKind.HIDDEN, one)
    assert hidden.code == "withdrawn"
    assert 0 < hidden.duration_ms < 10_000


async def test_it_falls_back_by_itself_while_the_hub_is_gone(
    harness: Harness, lobby: Screen
) -> None:
    high = replace(POLICE, title="先挂断电话", lines=("找柜员",), priority=800)
    low = await harness.show(POLICE, seconds=7)
    top = await harness.show(high, seconds=4)
    await harness.report(ReportKind.SHOWN, top)
    ends = top.not_after / 1000
    await harness.stop()
    await lobby.mark("○")
    await lobby.title(POLICE.title)
    assert abs(await evaluate(lobby, "Date.now()") / 1000 - ends) < 1.0
    await lobby.idle()
    await lobby.picture("kiosk-offline-idle")
    # The hub comes back on its port: the reports arrive once, nothing is shown again.
    await harness.start()
    hidden = await harness.report(ReportKind.HIDDEN, top, within=15)
    assert 1500 < hidden.duration_ms < 4100
    assert hidden.code == "expired"
    await harness.report(ReportKind.HIDDEN, low, within=15)
    await lobby.mark("")
    assert [row.kind for row in harness.rows if row.id == top.id].count(ReportKind.HIDDEN) == 1
    # What was live is still live after the restart; a new warning is painted.
    again = await harness.show(POLICE)
    await harness.report(ReportKind.SHOWN, again)


async def test_a_warning_outlives_a_restart_of_the_hub(harness: Harness, lobby: Screen) -> None:
    one = await harness.show(POLICE, seconds=60)
    await harness.report(ReportKind.SHOWN, one)
    await harness.stop()
    await lobby.mark("○")
    await harness.start()
    await lobby.mark("", within=15)
    await lobby.title(POLICE.title)
    assert [row.kind for row in harness.rows if row.id == one.id] == [ReportKind.SHOWN]


@pytest.mark.parametrize("fault", ["503", "mute"])
async def test_a_stream_that_fails_is_made_again(
    harness: Harness, lobby: Screen, fault: str
) -> None:
    harness.faults += [fault, fault]
    await harness.stop()
    await lobby.mark("○")
    await harness.start()
    one = await harness.show(POLICE, within=30)
    await harness.report(ReportKind.SHOWN, one)
    assert harness.faults == []
    await lobby.mark("")


async def test_a_flipped_byte_changes_nothing_but_the_mark(harness: Harness, lobby: Screen) -> None:
    await harness.show(POLICE)
    await lobby.title(POLICE.title)
    refused = await evaluate(
        lobby,
        """async () => {
          const body = await (await fetch('state')).json();
          const seen = [];
          for (let at = 0; at < body.state.doc.length; at += 7) {
            const doc = body.state.doc;
            const flipped = doc.slice(0, at) +
              String.fromCharCode(doc.charCodeAt(at) ^ 1) + doc.slice(at + 1);
            seen.push(fz.trust.judge(Object.assign({}, body.state, {doc: flipped})).refused);
          }
          const sig = body.state.sig;
          const other = (sig[0] === '0' ? '1' : '0') + sig.slice(1);
          seen.push(fz.trust.judge(Object.assign({}, body.state, {sig: other})).refused);
          const changed = body.state.doc.replace('没有安全账户', '快去转账吧');
          fz.link.offer(Object.assign({}, body.state, {doc: changed}));
          return Array.from(new Set(seen));
        }""",
    )
    assert refused == ["signature"]
    await lobby.mark("◇")
    await lobby.title(POLICE.title)
    async with asyncio.timeout(5):
        while "refused" not in (await harness.adapter.health()).detail:
            await harness.context.clock.sleep(0.05)


async def test_another_display_an_older_sequence_and_a_foreign_key_are_refused(
    harness: Harness, lobby: Screen, browsing: BrowserContext
) -> None:
    old = await evaluate(lobby, "fetch('state').then(a => a.json()).then(b => b.state)")
    await harness.show(POLICE)
    await lobby.title(POLICE.title)
    assert (await evaluate(lobby, "old => fz.trust.judge(old)", old))["refused"] == "sequence"
    hall = Screen(await browsing.new_page(), harness)
    await hall.page.goto(harness.adapter.enrolment_links(harness.base)["hall"])
    await hall.title(IDLE[0].title)
    other = await evaluate(hall, "fetch('state').then(a => a.json()).then(b => b.state)")
    assert (await evaluate(lobby, "s => fz.trust.judge(s)", other))["refused"] == "display"
    hall.check()
    other["key"] = "ab" * 32
    await evaluate(lobby, "s => fz.link.offer(s)", other)
    await lobby.mark("◆")
    await lobby.title("转账之前，停一停")
    await lobby.picture("kiosk-safe")


async def test_markup_is_shown_as_text(harness: Harness, lobby: Screen) -> None:
    payload = "<script>x()</script>"
    image = "<img src=x onerror=x()>&amp;"
    content = replace(POLICE, title=payload, lines=(image, "拨打 96110"))
    one = await harness.show(content)
    await harness.report(ReportKind.SHOWN, one)
    assert await lobby.page.locator("#stage h1").text_content() == payload
    assert await lobby.page.locator("#stage p.line").text_content() == image
    assert await lobby.page.locator("#stage script, #stage img").count() == 0


@pytest.mark.parametrize(("across", "down"), [(1920, 1080), (1080, 1920), (1366, 768)])
async def test_every_card_is_readable_and_accessible(
    harness: Harness, lobby: Screen, across: int, down: int
) -> None:
    await lobby.page.set_viewport_size({"width": across, "height": down})
    drill = replace(POLICE, title="电话警察是假的", drill=True)
    longest = replace(
        POLICE,
        title="叫您转账又叫您保密不许告诉人",
        lines=(
            "冒充公检法要求转到安全账户的都是诈骗",
            "叫您不要告诉家人和柜员的一定是骗子",
            "立即停止转账并拨打96110或者报警110",
        ),
        severity=Severity.WARN,
    )
    source = (VENDOR / "axe.min.js").read_text(encoding="utf-8")
    await evaluate(lobby, source)
    await lobby.picture(f"kiosk-idle-{across}x{down}")
    assert await evaluate(lobby, AXE) == []
    contents: Sequence[tuple[str, DisplayContent]] = (
        ("urgent", POLICE),
        ("drill", drill),
        ("long", longest),
        ("english", ENGLISH),
    )
    for at, (name, content) in enumerate(contents):
        one = await harness.show(replace(content, priority=700 + at))
        await harness.report(ReportKind.SHOWN, one)
        await lobby.picture(f"kiosk-{name}-{across}x{down}")
        assert await evaluate(lobby, AXE) == []
        least = await evaluate(
            lobby,
            "Math.min(...Array.from(document.querySelectorAll('#stage h1, #stage p'),"
            " e => parseFloat(getComputedStyle(e).fontSize))) / Math.min(innerHeight, innerWidth)",
        )
        assert least >= 0.049
        edge = "document.querySelector('.clock').getBoundingClientRect().right / innerWidth"
        assert await evaluate(lobby, edge) > 0.9
        wide = "Array.from(document.querySelectorAll('.band, .foot, .head, .body')).filter(e =>"
        assert await evaluate(lobby, wide + " e.scrollWidth > e.clientWidth).length") == 0
    assert not (await harness.adapter.health()).detail.count("could not paint")


async def test_a_drill_is_marked(harness: Harness, lobby: Screen) -> None:
    await harness.show(replace(POLICE, drill=True))
    await lobby.title(POLICE.title)
    assert await lobby.page.locator(".drill").is_visible()
    assert await lobby.page.locator(".drill").text_content() == "演练"


async def test_a_hidden_page_proves_nothing(harness: Harness, lobby: Screen) -> None:
    await evaluate(
        lobby,
        "Object.defineProperty(document, 'visibilityState',"
        " {configurable: true, get: () => 'hidden'})",
    )
    one = await harness.show(POLICE)
    async with asyncio.timeout(5):
        while "page-hidden" not in (await harness.adapter.health()).detail:
            await harness.context.clock.sleep(0.05)
    assert not [row for row in harness.rows if row.id == one.id]
    await evaluate(
        lobby,
        "delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))",
    )
    await harness.report(ReportKind.SHOWN, one)


async def test_a_fast_clock_on_the_screen_changes_nothing(
    harness: Harness, browsing: BrowserContext
) -> None:
    await browsing.add_init_script("const real = Date.now; Date.now = () => real() + 3600000;")
    screen = Screen(await browsing.new_page(), harness)
    await screen.page.goto(harness.adapter.enrolment_links(harness.base)["lobby"])
    await screen.title(IDLE[0].title)
    one = await harness.show(POLICE, seconds=3)
    shown = await harness.report(ReportKind.SHOWN, one)
    assert abs(shown.at - harness.context.clock.millis()) < 2000
    await screen.idle()
    assert abs(harness.context.clock.millis() - one.not_after) < 2000
    await harness.report(ReportKind.HIDDEN, one)
    screen.check()


async def test_a_browser_that_was_shut_out_goes_blank(harness: Harness, lobby: Screen) -> None:
    await harness.show(POLICE)
    await lobby.title(POLICE.title)
    await harness.adapter.revoke("lobby")
    await lobby.title("本屏未登记", within=20)
    await lobby.picture("kiosk-not-enrolled")
    answer = await lobby.page.goto(harness.base + "screen/lobby/")
    assert answer is not None
    assert answer.status == 401
    assert await lobby.page.locator("h1").text_content() == "本屏未登记"


async def test_the_page_starts_while_the_hub_is_gone(harness: Harness, lobby: Screen) -> None:
    one = await harness.show(POLICE, seconds=60)
    await harness.report(ReportKind.SHOWN, one)
    await evaluate(lobby, "navigator.serviceWorker.ready.then(() => true)")
    await harness.stop()
    await lobby.mark("○")
    await lobby.page.reload()
    await lobby.title(POLICE.title)
    await harness.start()
    await lobby.mark("", within=20)
    hidden = await harness.report(ReportKind.HIDDEN, one)
    assert hidden.code == "restarted"


async def test_reports_wait_until_they_are_on_disk(harness: Harness, lobby: Screen) -> None:
    harness.acknowledging = False
    one = await harness.show(POLICE)
    await lobby.title(POLICE.title)
    async with lobby.page.expect_response(lambda r: r.url.endswith("/report") and r.status == 503):
        pass
    assert await evaluate(lobby, "fz.reports.waiting()") == 1
    harness.acknowledging = True
    await harness.adapter.withdraw([(one.id, 0)])
    await harness.report(ReportKind.HIDDEN, one, within=20)


async def test_a_campaign_card_rolls_with_the_idle_content(harness: Harness, lobby: Screen) -> None:
    content = replace(
        POLICE, title="网恋谈钱就是骗", severity=Severity.WARN, priority=200, min_show_ms=0
    )
    one = await harness.show(content, lane=Lane.BULK, seconds=600)
    shown = await harness.report(ReportKind.SHOWN, one, within=40)
    assert shown.proof is Proof.DEVICE
    assert await lobby.page.locator("#stage .card").get_attribute("role") is None


async def test_the_order_of_warnings_is_the_rule(lobby: Screen) -> None:
    cases = json.loads((ROOT / "tests/cases/kiosk/winner.json").read_text(encoding="utf-8"))
    for case in cases:
        ids = await evaluate(
            lobby,
            """case_ => fz.show.order(case_.overrides.map(o => ({id: o.id, priority: o.p,
              not_before: o.nb, not_after: o.na, version: o.v})), case_.now).map(o => o.id)""",
            case,
        )
        assert ids == case["order"]


async def test_the_scripts_are_es2017(harness: Harness, browsing: BrowserContext) -> None:
    page = await browsing.new_page()
    await page.goto("about:blank")
    await page.evaluate((VENDOR / "acorn.js").read_text(encoding="utf-8"))
    assets = ROOT / "adapters/fzalert_display/kiosk/assets"
    for script in sorted(assets.rglob("*.js")):
        await page.evaluate(
            "text => { acorn.parse(text, {ecmaVersion: 2017}); }",
            script.read_text(encoding="utf-8"),
        )


async def test_two_browsers_on_one_screen_are_noticed(
    harness: Harness, lobby: Screen, browsing: BrowserContext
) -> None:
    copy = Screen(await browsing.new_page(), harness)
    await copy.page.goto(lobby.page.url)
    await lobby.mark("◎")
    assert "two browsers" in (await harness.adapter.health()).detail
    await copy.title(IDLE[0].title)
    copy.check()
