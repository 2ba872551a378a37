"""The shipped contract, with a page that speaks the routes but has no browser."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from typing_extensions import override

from fzalert.messages import ReceiptKind, ReportKind
from fzalert.ports import AdapterContext, MountedRequest, Route
from fzalert.testing import AdapterContract, LifecycleContract, LinkContract, ReportsContract
from fzalert_display.kiosk import KioskConfig, KioskDisplays, ScreenConfig

BASE = "http://127.0.0.1/channels/screens/"


class Page:
    """One screen: enrolled, connected, and it reports what it is told to report."""

    can_refuse = False
    can_go_silent = False
    can_drop = True

    def __init__(self, adapter: KioskDisplays, group: asyncio.TaskGroup) -> None:
        self._routes: dict[str, Route] = {route.path: route for route in adapter.routes()}
        self._link = adapter.enrolment_links(BASE)["lobby"]
        self._group = group
        self._cookies: dict[str, str] = {}
        self._cards: dict[str, tuple[str, str]] = {}
        self._changed = asyncio.Event()
        self._acknowledged = 0
        self._reports = 0
        self._reader: asyncio.Task[None] | None = None

    def request(
        self, method: str, query: dict[str, str] | None = None, body: bytes = b""
    ) -> MountedRequest:
        return MountedRequest(
            method=method,
            path={"display": "lobby"},
            query=query or {},
            headers={"content-type": "application/json"},
            cookies=self._cookies,
            body=body,
            client="127.0.0.1",
            base_url=BASE,
        )

    async def enrol(self) -> None:
        token = self._link.partition("?t=")[2]
        answer = await self._routes["enroll/{display}"].handler(self.request("GET", {"t": token}))
        assert answer.status == 303
        name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
        self._cookies = {name: value}
        await self.connect()

    async def connect(self) -> None:
        answer = await self._routes["screen/{display}/stream"].handler(
            self.request("GET", {"page": "one"})
        )
        assert isinstance(answer.body, AsyncGenerator)
        self._reader = self._group.create_task(self._read(answer.body))

    async def _read(self, body: AsyncGenerator[bytes]) -> None:
        try:
            async for chunk in body:
                lines = chunk.decode("utf-8").split("\n")
                if "event: state" in lines:
                    data = next(line[6:] for line in lines if line.startswith("data: "))
                    self._take(json.loads(json.loads(data)["doc"]))
        finally:
            await body.aclose()

    def _take(self, document: dict[str, list[dict[str, object]]]) -> None:
        for card in document["overrides"] + document["rolling"]:
            lines = card["lines"]
            assert isinstance(lines, list)
            text = "\n".join([str(card["title"]), *lines])
            self._cards.setdefault(str(card["id"]), ("lobby", text))
        self._changed.set()

    async def received(self, n: int, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109  the contract's own shape
        try:
            async with asyncio.timeout(timeout):
                while len(self._cards) < n:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass  # fewer came; the caller sees which
        return list(self._cards.values())

    def refuse_next(self, kind: ReceiptKind) -> None:
        raise NotImplementedError

    def silent(self) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        assert self._reader is not None
        self._reader.cancel()
        self._group.create_task(self.connect())

    def report(self, kind: ReportKind) -> None:
        self._group.create_task(self._post(kind))

    async def _post(self, kind: ReportKind) -> None:
        self._reports += 1
        row = {
            "report_id": f"00000000-{self._reports}",
            "event": kind.value,
            "card": list(self._cards)[-1],
            "at": 0,
        }
        body = json.dumps({"reports": [row]}).encode()
        answer = await self._routes["screen/{display}/report"].handler(
            self.request("POST", body=body)
        )
        assert answer.status == 204
        self._acknowledged += 1
        self._changed.set()

    async def acknowledged(self, n: int, timeout: float) -> int:  # noqa: ASYNC109  the contract's own shape
        async with asyncio.timeout(timeout):
            while self._acknowledged < n:
                self._changed.clear()
                await self._changed.wait()
        return self._acknowledged


class TestKioskDisplays(ReportsContract, LinkContract, LifecycleContract, AdapterContract):
    factory = KioskDisplays

    @pytest.fixture
    def config(self) -> KioskConfig:
        return KioskConfig(name="screens", displays=(ScreenConfig(name="lobby"),))

    @pytest.fixture
    @override
    async def adapter(
        self, config: KioskConfig, context: AdapterContext
    ) -> AsyncIterator[KioskDisplays]:
        async with KioskDisplays(config, context) as adapter:
            yield adapter

    @pytest.fixture
    async def peer(self, adapter: KioskDisplays) -> AsyncIterator[Page]:
        async with asyncio.TaskGroup() as group:
            page = Page(adapter, group)
            await page.enrol()
            yield page
            assert page._reader is not None
            page._reader.cancel()
