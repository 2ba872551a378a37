"""The screen's page in a real Chromium, against the real adapter behind a real HTTP server."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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
from fzalert.ports import AdapterContext, AuthKind, MountedRequest, Route, Submission
from fzalert.testing import SCRIPT, MemoryState, RecordingWire, make_context
from fzalert_display.kiosk import IdleCard, KioskConfig, KioskDisplays, ScreenConfig

ROOT = Path(__file__).parents[3]
SCREENS = ROOT / "build" / "screens"
MEDIA = ROOT / "tests" / "cases" / "kiosk" / "media"
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
    "--disable-features=AutofillServerCommunication",
]
# Whatever the page's policy stops is told, also what a test could not see on the console.
LISTENER = """
addEventListener('securitypolicyviolation', event => console.warn(
  'Content Security: ' + event.effectiveDirective + ' ' + event.blockedURI));
"""
MAKER = re.compile(r"[./ ](google|googleapis|gvt1|gvt2|gstatic)\.com[:/]")
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
        POLICE: An urgent warning in Chinese.
        ENGLISH: The same in English.
        IDLE: The idle cards of the settings, where a test brings no others.
        state: Rows that outlive a restart.
        rows: What was committed.
        acknowledging: Whether commits succeed.
        asked: Every request that came.
        faults: What the next streams suffer: `503`, `mute` (opens and never says a word).
    """

    POLICE = POLICE
    ENGLISH = ENGLISH
    IDLE = IDLE

    def __init__(self, config: KioskConfig, group: asyncio.TaskGroup) -> None:
        self.config = config
        self.state = MemoryState()
        self.rows: list[DeliveryReport] = []
        self.acknowledging = True
        self.faults: list[str] = []
        self.asked: list[str] = []
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
            if route.auth is AuthKind.STAFF and request.method == "POST" and not is_staff(request):
                return Response("{}", 401, media_type="application/json")
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
            self.asked.append(f"{request.method} {request.url.path}")
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

    def watch(self, page: Page) -> "Screen":
        """Take note of everything that a page must not do."""
        return Screen(page, self)

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
        self.harness = harness
        self.outside: list[str] = []
        self.violations: list[str] = []
        self.errors: list[str] = []
        base = f"http://127.0.0.1:{harness.port}/"
        own = (base, f"blob:{base}")
        page.on("request", lambda r: None if r.url.startswith(own) else self.outside.append(r.url))
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
        titles = [card.title for card in self.harness.config.idle]
        await self.page.wait_for_function(
            "titles => titles.includes((document.querySelector('#stage h1') || {}).textContent)",
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

    async def evaluate(self, script: str, *args: object) -> Any:
        return await self.page.evaluate(script, *args)

    async def pinned(self) -> bool:
        """Tell whether a screen's page is here, enrolled and with something verified."""
        return bool(await self.evaluate("!!(window.fz && fz.show && fz.show.sequence() > 0)"))

    async def accessible(self) -> list[str]:
        """What axe finds wrong with the page as it stands."""
        if not await self.evaluate("typeof axe === 'object'"):
            await self.evaluate((VENDOR / "axe.min.js").read_text(encoding="utf-8"))
        found: list[str] = await self.evaluate(AXE)
        return found

    def check(self) -> None:
        assert (self.outside, self.violations, self.errors) == ([], [], [])


@pytest.fixture(scope="session")
async def leaving() -> AsyncIterator[list[str]]:
    """First lines of whatever a browser sent elsewhere than to this machine: it must stay empty.

    The browser is told to go through this proxy, and goes to 127.0.0.1 alone without it. What it
    asks its own maker by itself, whatever page is open, is left out.
    """
    lines: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode("ascii", "replace").strip()
        if not MAKER.search(line):
            lines.append(line)
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", 0) as trap:
        lines.append(str(trap.sockets[0].getsockname()[1]))
        yield lines


@pytest.fixture(scope="session")
async def browser(leaving: list[str]) -> AsyncIterator[Browser]:
    port = leaving.pop()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, f"--proxy-server=http://127.0.0.1:{port}"]
        )
        yield browser
        await browser.close()


@pytest.fixture
def settings() -> dict[str, Any]:
    """Settings of the channel that a test changes; replaced by the tests of pictures."""
    return {}


@pytest.fixture
async def harness(settings: dict[str, Any]) -> AsyncIterator[Harness]:
    given: dict[str, Any] = {
        "displays": (
            ScreenConfig(name="lobby", title="城关支行 · 县公安局反诈中心"),
            ScreenConfig(name="hall", title="河东支行"),
        ),
        "idle": IDLE,
        "heartbeat_seconds": 1,
        "commit_seconds": 2,
    }
    config = KioskConfig(name="lobby-screens", **given | settings)
    async with asyncio.TaskGroup() as group:
        harness = Harness(config, group)
        await harness.start()
        yield harness
        await harness.stop()


@pytest.fixture
async def browsing(browser: Browser, leaving: list[str]) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(
        viewport={"width": 1920, "height": 1080}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    await context.add_init_script(LISTENER)
    yield context
    await context.close()
    assert leaving == [], leaving


@pytest.fixture
async def lobby(harness: Harness, browsing: BrowserContext) -> AsyncIterator[Screen]:
    """The screen `lobby`, enrolled and showing its first idle card."""
    screen = Screen(await browsing.new_page(), harness)
    await screen.page.goto(harness.adapter.enrolment_links(harness.base)["lobby"])
    await screen.idle()
    yield screen
    screen.check()


@pytest.fixture
async def fresh(harness: Harness, browsing: BrowserContext) -> AsyncIterator[Screen]:
    """A page that is nowhere yet."""
    screen = Screen(await browsing.new_page(), harness)
    yield screen
    screen.check()


def is_staff(request: Request) -> bool:
    """Whether a person of the house asks; the real check is the daemon's."""
    return request.headers.get("authorization") == "Bearer staff" or (
        request.cookies.get("fz") == "staff"
    )
