"""The adapter `display.kiosk` by its port and its routes, with a clock that a test pushes."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from typing_extensions import override

from fzalert.errors import StoreFull
from fzalert.messages import (
    DeliveryReport,
    DisplayContent,
    Lane,
    Proof,
    Receipt,
    ReceiptKind,
    ReportKind,
    Scope,
    Severity,
    counter,
    display,
)
from fzalert.ports import AdapterContext, HealthState, MountedRequest, MountedResponse, Submission
from fzalert.testing import SCRIPT, FakeClock, MemoryState, RecordingWire, make_context
from fzalert_display.kiosk import KioskConfig, KioskDisplays, ScreenConfig

BASE = "https://hub.example/channels/screens/"
CONTENT = DisplayContent(
    title="没有安全账户",
    lines=("公安不会电话办案", "挂断电话，打110"),
    footer="96110",
    severity=Severity.DANGER,
    priority=700,
    script=SCRIPT,
)


class Browser:
    """What a browser does at the routes."""

    def __init__(self, adapter: KioskDisplays, name: str = "lobby") -> None:
        self.name = name
        self.cookies: dict[str, str] = {}
        self.headers = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
        self.secure = False
        self._adapter = adapter
        self._handlers = {(r.method, r.path): r.handler for r in adapter.routes()}

    async def call(
        self, method: str, path: str, query: dict[str, str] | None = None, body: bytes = b"",
        *, file: str = "",
    ) -> MountedResponse:  # fmt: skip
        request = MountedRequest(
            method, {"display": self.name, "file": file}, query or {}, self.headers, self.cookies,
            body, "127.0.0.1", BASE, self.secure,
        )  # fmt: skip
        return await self._handlers[method, path](request)

    async def enrol(self) -> MountedResponse:
        token = self._adapter.enrolment_links(BASE)[self.name].partition("?t=")[2]
        answer = await self.call("GET", "enroll/{display}", {"t": token})
        name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
        self.cookies = {name: value}
        return answer

    async def stream(self, page: str = "one") -> AsyncGenerator[bytes]:
        answer = await self.call("GET", "screen/{display}/stream", {"page": page})
        assert answer.status == 200
        assert isinstance(answer.body, AsyncGenerator)
        assert (await anext(answer.body)).startswith(b"retry: ")
        return answer.body

    async def report(self, *rows: dict[str, object]) -> MountedResponse:
        body = json.dumps({"reports": rows}).encode()
        return await self.call("POST", "screen/{display}/report", body=body)

    async def document(self) -> Any:
        answer = await self.call("GET", "screen/{display}/state")
        assert isinstance(answer.body, bytes)
        return json.loads(json.loads(answer.body)["state"]["doc"])


def row(number: int, event: str, card: str, **more: object) -> dict[str, object]:
    return {"report_id": f"0123456789abcdef-{number}", "event": event, "card": card, "at": 0} | more


def config(**more: Any) -> KioskConfig:
    screens = (ScreenConfig(name="lobby", title="城关支行"), ScreenConfig(name="hall"))
    given: dict[str, Any] = {"displays": screens, "commit_seconds": 0.2}
    return KioskConfig(name="screens", **given | more)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def state() -> MemoryState:
    return MemoryState()


@pytest.fixture
async def context(clock: FakeClock, state: MemoryState) -> AsyncIterator[AdapterContext]:
    async with make_context(clock=clock, state=state) as context:
        yield context


@pytest.fixture
async def kiosk(context: AdapterContext) -> AsyncIterator[KioskDisplays]:
    async with KioskDisplays(config(), context) as kiosk:
        yield kiosk


@pytest.fixture
async def lobby(kiosk: KioskDisplays) -> Browser:
    browser = Browser(kiosk)
    await browser.enrol()
    return browser


def one(clock: FakeClock, id: int = 1, **more: Any) -> Submission:
    given: dict[str, Any] = {
        "id": id, "part": 0, "lane": Lane.URGENT, "target": display("lobby"),
        "rendition": CONTENT, "not_after": clock.millis() + 600_000,
    }  # fmt: skip
    return Submission(**given | more)


async def submit(kiosk: KioskDisplays, *batch: Submission) -> list[Receipt]:
    wire = RecordingWire()
    await kiosk.submit(batch, wire)
    wire.check()
    return [wire.receipts[s.id, s.part] for s in batch]


async def rows_of(kiosk: KioskDisplays, *, commit: bool = True) -> tuple[DeliveryReport, ...]:
    rows = kiosk.inbound()
    async with asyncio.timeout(2):
        async for batch in rows:
            if commit:
                batch.acknowledge()
            return tuple(row for row in batch.rows if isinstance(row, DeliveryReport))
    raise AssertionError("inbound ended")


class TestSubmit:
    async def test_a_screen_that_is_away_is_told_in_words_and_asked_again(
        self, kiosk: KioskDisplays, clock: FakeClock
    ) -> None:
        (receipt,) = await submit(kiosk, one(clock))
        assert (receipt.kind, receipt.scope) == (ReceiptKind.TEMPORARY, Scope.RECIPIENT)
        assert 0 < receipt.retry_after <= 5
        assert "屏幕 lobby 未连接" in receipt.detail
        assert "screen lobby is not connected" in receipt.detail

    async def test_sent_means_on_disk_and_pushed(
        self, kiosk: KioskDisplays, lobby: Browser, clock: FakeClock, state: MemoryState
    ) -> None:
        stream = await lobby.stream()
        first = await anext(stream)
        (receipt,) = await submit(kiosk, one(clock))
        assert (receipt.kind, receipt.proof) == (ReceiptKind.SENT, Proof.TAKEN)
        assert receipt.carrier_id == b""
        assert "没有安全账户".encode() in state.rows["screen/lobby"]
        assert (await anext(stream)).startswith(b"event: hb")
        second = await anext(stream)
        assert b"event: state" in first
        assert int(second.split(b"\n")[0][4:]) > int(first.split(b"\n")[0][4:])
        await stream.aclose()

    async def test_the_same_part_again_changes_nothing(
        self, kiosk: KioskDisplays, lobby: Browser, clock: FakeClock
    ) -> None:
        stream = await lobby.stream()
        again = one(clock)
        await submit(kiosk, again)
        before = await lobby.document()
        (receipt,) = await submit(kiosk, again)
        assert receipt.kind is ReceiptKind.SENT
        assert await lobby.document() == before
        await stream.aclose()

    async def test_bulk_rolls_and_urgent_takes_the_screen(
        self, kiosk: KioskDisplays, lobby: Browser, clock: FakeClock
    ) -> None:
        stream = await lobby.stream()
        await submit(kiosk, one(clock, 1, lane=Lane.BULK))
        await submit(kiosk, one(clock, 2, target=counter("lobby")))
        document = await lobby.document()
        assert [card["id"] for card in document["overrides"]] == ["2.0"]
        assert [card["id"] for card in document["rolling"]] == ["1.0"]
        await stream.aclose()

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"target": display("attic")}, "unknown-screen"),
            ({"rendition": replace(CONTENT, title="骗" * 100)}, "unfit"),
            ({"rendition": replace(CONTENT, lines=("a\u202eb",))}, "unfit"),
            ({"not_after": 1}, "expired"),
        ],
    )
    async def test_what_cannot_be_shown_is_refused_for_good(
        self, kiosk: KioskDisplays, clock: FakeClock, more: dict[str, Any], code: str
    ) -> None:
        (receipt,) = await submit(kiosk, one(clock, **more))
        assert (receipt.kind, receipt.code) == (ReceiptKind.PERMANENT, code)

    async def test_a_full_screen_asks_to_come_again(
        self, context: AdapterContext, clock: FakeClock
    ) -> None:
        async with KioskDisplays(config(max_overrides=2), context) as kiosk:
            lobby = Browser(kiosk)
            await lobby.enrol()
            stream = await lobby.stream()
            receipts = await submit(kiosk, *(one(clock, id) for id in (1, 2, 3)))
            assert [receipt.kind.value for receipt in receipts] == ["sent", "sent", "temporary"]
            assert receipts[2].code == "full"
            await stream.aclose()

    async def test_a_store_that_is_full_leaves_everything_as_it_was(self, clock: FakeClock) -> None:
        class Full(MemoryState):
            full = False

            @override
            async def put_many(self, rows: dict[str, bytes | None]) -> None:
                if self.full:
                    raise StoreFull("no room")
                await super().put_many(rows)

        state = Full()
        async with (
            make_context(clock=clock, state=state) as context,
            KioskDisplays(config(), context) as kiosk,
        ):
            lobby = Browser(kiosk)
            await lobby.enrol()
            stream = await lobby.stream()
            before = await lobby.document()
            state.full = True
            with pytest.raises(StoreFull):
                await submit(kiosk, one(clock))
            assert await lobby.document() == before
            state.full = False
            (receipt,) = await submit(kiosk, one(clock))
            assert receipt.kind is ReceiptKind.SENT
            await stream.aclose()


class TestRestart:
    async def test_live_warnings_stay_stale_ones_go_and_the_sequence_grows(
        self, context: AdapterContext, clock: FakeClock
    ) -> None:
        async with KioskDisplays(config(), context) as kiosk:
            browser = Browser(kiosk)
            await browser.enrol()
            stream = await browser.stream()
            soon = clock.millis() + 5_000
            await submit(kiosk, one(clock, 1, not_after=soon), one(clock, 2))
            await submit(kiosk, one(clock, 3, not_after=soon, lane=Lane.BULK))
            before = await browser.document()
            await stream.aclose()
        clock.advance(6)
        async with KioskDisplays(config(), context) as kiosk:
            again = Browser(kiosk)
            again.cookies = browser.cookies
            after = await again.document()
            assert [card["id"] for card in after["overrides"]] == ["2.0"]
            assert after["rolling"] == []
            assert dict((await kiosk.health()).figures)["warnings_held"] == 1
            assert after["sequence"] > before["sequence"]
            # The engine submits again after a crash: held already, so sent though nobody watches.
            held = one(clock, 2, not_after=after["overrides"][0]["not_after"])
            (receipt,) = await submit(kiosk, held)
            assert receipt.kind is ReceiptKind.SENT

    async def test_a_repeated_report_counts_once_over_a_restart(
        self, context: AdapterContext, clock: FakeClock
    ) -> None:
        cookies: dict[str, str] = {}
        for run in range(2):
            async with KioskDisplays(config(), context) as kiosk, asyncio.TaskGroup() as group:
                browser = Browser(kiosk)
                if run == 0:
                    await browser.enrol()
                    stream = await browser.stream()
                    await submit(kiosk, one(clock, 1))
                    await stream.aclose()
                    cookies = browser.cookies
                browser.cookies = cookies
                reading = group.create_task(rows_of(kiosk))
                await asyncio.sleep(0)
                answers = [await browser.report(row(1, "shown", "1.0")) for _ in range(2)]
                assert [answer.status for answer in answers] == [204, 204]
                if run == 0:
                    assert [(r.kind, r.id) for r in await reading] == [(ReportKind.SHOWN, 1)]
                else:
                    assert not reading.done()
                    reading.cancel()

    async def test_reports_that_were_owed_are_made_again(
        self, context: AdapterContext, clock: FakeClock
    ) -> None:
        async with KioskDisplays(config(), context) as kiosk:
            browser = Browser(kiosk)
            await browser.enrol()
            stream = await browser.stream()
            await submit(kiosk, one(clock, 5))
            await kiosk.withdraw([(5, 0), (6, 0)])
            await stream.aclose()
        async with KioskDisplays(config(), context) as kiosk:
            assert [(r.kind, r.id) for r in await rows_of(kiosk)] == [(ReportKind.WITHDRAWN, 5)]


class TestReports:
    async def test_204_comes_only_after_the_commit(
        self, kiosk: KioskDisplays, lobby: Browser, clock: FakeClock, state: MemoryState
    ) -> None:
        stream = await lobby.stream()
        await submit(kiosk, one(clock, 1))
        hidden = row(1, "hidden", "1.0", duration_ms=4200, viewport=[1920, 1080])
        assert (await lobby.report(hidden)).status == 503
        assert "seen/lobby" not in state.rows
        (committed,) = await rows_of(kiosk)
        assert (committed.kind, committed.duration_ms) == (ReportKind.HIDDEN, 4200)
        assert committed.proof is Proof.DEVICE
        answer = await lobby.report(hidden)
        assert answer.status == 204
        assert int(answer.headers["X-Fz-Now"]) == clock.millis()
        assert b"0123456789abcdef-1" in state.rows["seen/lobby"]
        await stream.aclose()

    async def test_a_card_that_was_never_here_makes_no_row(
        self, kiosk: KioskDisplays, lobby: Browser
    ) -> None:
        assert (await lobby.report(row(1, "shown", "999.0"))).status == 204
        assert dict((await kiosk.health()).figures)["reports_dropped"] == 1

    async def test_a_screen_that_went_away_is_reported_as_expired(
        self, kiosk: KioskDisplays, lobby: Browser, clock: FakeClock
    ) -> None:
        stream = await lobby.stream()
        await submit(kiosk, one(clock, 1, not_after=clock.millis() + 10_000))
        await stream.aclose()
        for _ in range(6):
            await clock.until_sleeping()
            clock.advance(15)
        (expired,) = await rows_of(kiosk)
        assert (expired.kind, expired.id) == (ReportKind.EXPIRED, 1)

    @pytest.mark.parametrize(
        ("headers", "body", "status"),
        [
            ({"sec-fetch-site": "cross-site"}, b'{"reports":[]}', 403),
            ({"content-type": "text/plain"}, b'{"reports":[]}', 415),
            ({}, b"{", 400),
            ({}, b'{"reports":[]}', 204),
        ],
    )
    async def test_what_is_no_report_is_refused(
        self, lobby: Browser, headers: dict[str, str], body: bytes, status: int
    ) -> None:
        lobby.headers.update(headers)
        answer = await lobby.call("POST", "screen/{display}/report", body=body)
        assert answer.status == status


class TestAccess:
    async def test_enrolling_gives_a_cookie_and_leads_to_the_page(
        self, kiosk: KioskDisplays, state: MemoryState
    ) -> None:
        browser = Browser(kiosk)
        browser.secure = True
        answer = await browser.enrol()
        assert answer.status == 303
        assert answer.headers["Location"].startswith("../screen/lobby/#key=03a107bff3ce")
        cookie = answer.headers["Set-Cookie"]
        for part in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/channels/screens/"):
            assert part in cookie
        (token,) = browser.cookies.values()
        assert token.encode() not in b"".join(state.rows.values())
        assert state.rows["device/lobby"][:32] == hashlib.sha256(token.encode()).digest()

    @pytest.mark.parametrize("token", ["", "wrong", "é"])
    async def test_a_wrong_token_enrols_nobody(self, kiosk: KioskDisplays, token: str) -> None:
        answer = await Browser(kiosk).call("GET", "enroll/{display}", {"t": token})
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize("path", ["", "state", "stream", "worker.js"])
    async def test_without_the_cookie_everything_is_401(
        self, kiosk: KioskDisplays, lobby: Browser, path: str
    ) -> None:
        stranger = Browser(kiosk)
        stranger.cookies = {"fz-screen-lobby": "guess"}
        assert (await stranger.call("GET", f"screen/{{display}}/{path}")).status == 401
        assert (await stranger.report()).status == 401
        # The cookie of one screen opens no other.
        lobby.name = "hall"
        assert (await lobby.call("GET", f"screen/{{display}}/{path}")).status == 401

    async def test_a_new_enrolment_shuts_the_old_browser_out(
        self, kiosk: KioskDisplays, lobby: Browser
    ) -> None:
        stream = await lobby.stream()
        await Browser(kiosk).enrol()
        rest = [frame async for frame in stream]
        assert rest[-1].startswith(b"event: gone")
        assert (await lobby.call("GET", "screen/{display}/state")).status == 401

    async def test_a_pinned_token_gives_the_same_link(self, context: AdapterContext) -> None:
        pinned = ScreenConfig(name="lobby", token=SecretStr("geheim/1"))
        links = [
            KioskDisplays(config(displays=(pinned,)), context).enrolment_links(BASE)
            for _ in range(2)
        ]
        assert links[0] == links[1]
        assert links[0]["lobby"] == BASE + "enroll/lobby?t=geheim/1"

    async def test_the_page_carries_its_policy(self, lobby: Browser) -> None:
        page = await lobby.call("GET", "screen/{display}/")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"

    async def test_files_are_kept_for_ever_under_their_version(self, lobby: Browser) -> None:
        page = await lobby.call("GET", "screen/{display}/")
        assert isinstance(page.body, bytes)
        version = page.body.decode().partition("kiosk.js?v=")[2][:12]
        files = "assets/{file}"
        fresh = await lobby.call("GET", files, {"v": version}, file="kiosk.js")
        assert "immutable" in fresh.headers["Cache-Control"]
        stale = await lobby.call("GET", files, {"v": "old"}, file="kiosk.js")
        assert stale.headers["Cache-Control"] == "no-cache"
        assert (await lobby.call("GET", files, file="../secret")).status == 404


class TestStream:
    async def test_it_starts_with_the_whole_state_and_beats(
        self, kiosk: KioskDisplays, lobby: Browser, clock: FakeClock
    ) -> None:
        answer = await lobby.call("GET", "screen/{display}/stream", {"page": "one"})
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.media_type.startswith("text/event-stream")
        stream = await lobby.stream()
        assert b"event: state" in await anext(stream)
        assert (await anext(stream)).startswith(b"event: hb")
        await clock.until_sleeping()
        clock.advance(15)
        async with asyncio.timeout(2):
            beat = await anext(stream)
        assert json.loads(beat.split(b"data: ")[1])["now"] == clock.millis()
        await stream.aclose()

    async def test_closing_says_bye(self, context: AdapterContext) -> None:
        async with KioskDisplays(config(), context) as kiosk:
            browser = Browser(kiosk)
            await browser.enrol()
            stream = await browser.stream()
        async with asyncio.timeout(2):
            assert [frame async for frame in stream][-1].startswith(b"event: bye")

    async def test_another_browser_displaces_and_shows(
        self, kiosk: KioskDisplays, lobby: Browser
    ) -> None:
        first = await lobby.stream("one")
        second = await lobby.stream("two")
        assert [frame async for frame in first][-1].startswith(b"event: displaced")
        assert "two browsers" in (await kiosk.health()).detail
        await second.aclose()

    async def test_the_same_page_coming_back_displaces_nobody(
        self, kiosk: KioskDisplays, lobby: Browser
    ) -> None:
        first = await lobby.stream("one")
        second = await lobby.stream("one")
        assert [frame async for frame in first][-1].startswith(b"event: bye")
        assert "two browsers" not in (await kiosk.health()).detail
        await second.aclose()


class TestHealth:
    async def test_down_slow_up(self, kiosk: KioskDisplays, lobby: Browser) -> None:
        assert (await kiosk.health()).state is HealthState.DOWN
        first = await lobby.stream()
        health = await kiosk.health()
        assert health.state is HealthState.SLOW
        assert "hall" in health.detail
        hall = Browser(kiosk, "hall")
        await hall.enrol()
        second = await hall.stream()
        assert (await kiosk.health()).state is HealthState.UP
        await first.aclose()
        await second.aclose()

    async def test_a_page_that_goes_quiet_is_stale(
        self, kiosk: KioskDisplays, lobby: Browser, clock: FakeClock
    ) -> None:
        stream = await lobby.stream()
        clock.advance(89)
        await lobby.report(row(1, "alive", ""))
        clock.advance(89)
        assert (await kiosk.health()).state is HealthState.SLOW
        clock.advance(2)
        health = await kiosk.health()
        assert health.state is HealthState.DOWN
        assert dict(health.figures)["screens_stale"] == 1
        await stream.aclose()

    async def test_a_blocked_card_shows_until_one_is_painted(
        self, kiosk: KioskDisplays, lobby: Browser, clock: FakeClock
    ) -> None:
        stream = await lobby.stream()
        await submit(kiosk, one(clock, 1))
        await lobby.report(row(1, "blocked", "1.0", reason="page-hidden"))
        assert "page-hidden" in (await kiosk.health()).detail
        clock.advance(0.25)
        await lobby.report(row(2, "shown", "1.0"))
        health = await kiosk.health()
        assert "page-hidden" not in health.detail
        assert health.latency_ms == 250
        await stream.aclose()


class TestSettings:
    def test_a_screen_named_twice_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="named twice: lobby"):
            config(displays=(ScreenConfig(name="lobby"), ScreenConfig(name="lobby")))

    def test_an_idle_card_that_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="does not fit"):
            config(idle=({"title": "骗" * 40},))

    async def test_a_preview_is_the_card_without_scripts(self, kiosk: KioskDisplays) -> None:
        card = replace(CONTENT, title="<script>x()</script>", drill=True)
        kind, page = await kiosk.preview(card, display("lobby"))
        assert kind.startswith("text/html")
        assert "&lt;script&gt;" in page.decode()
        assert "<script" not in page.decode()
        assert "演练" in page.decode()
