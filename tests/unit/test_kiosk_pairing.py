"""Pairing by a code: codes, guesses, tokens, and the routes of both sides."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.ports import AdapterContext, AuthKind, MountedRequest, MountedResponse
from fzalert.testing import FakeClock, MemoryState, make_context
from fzalert_display.kiosk import KioskConfig, KioskDisplays, ScreenConfig
from fzalert_display.kiosk.devices import TOKEN_MS, Device, device_hash
from fzalert_display.kiosk.pairing import (
    ALPHABET,
    CODE_SECONDS,
    GUESS_WINDOW,
    Guesses,
    Pairing,
    plain_code,
)

BASE = "http://hub.example/channels/screens/"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class TestCodes:
    def test_a_code_is_eight_symbols_that_no_one_mixes_up(self) -> None:
        begun = Pairing().begin("a", "", 0.0)
        assert begun is not None
        assert len(begun.code) == 8
        assert set(begun.code) <= set(ALPHABET)
        assert len(ALPHABET) == 30
        assert not set("01ILOU") & set(ALPHABET)
        assert len(begun.secret) >= 40

    def test_it_is_confirmed_once_and_told_to_its_page_alone(self) -> None:
        pairing = Pairing()
        one, other = pairing.begin("a", "", 0.0), pairing.begin("a", "", 0.0)
        assert one is not None
        assert other is not None
        assert pairing.asked(one.secret, 1.0) == ""
        assert pairing.confirm(one.code, "lobby", 1.0) == "lobby"
        assert pairing.confirm(one.code, "hall", 1.0) == ""
        assert pairing.asked(one.secret, 2.0) == "lobby"
        assert pairing.asked(one.secret, 3.0) == "lobby"
        assert pairing.asked(other.secret, 2.0) == ""
        assert pairing.asked(one.code, 2.0) is None

    def test_it_holds_for_ten_minutes(self) -> None:
        pairing = Pairing()
        begun = pairing.begin("a", "", 0.0)
        assert begun is not None
        assert pairing.waiting(CODE_SECONDS - 1) == 1
        assert pairing.confirm(begun.code, "lobby", CODE_SECONDS) == ""
        assert pairing.asked(begun.secret, CODE_SECONDS) is None
        assert pairing.waiting(CODE_SECONDS) == 0

    def test_somebody_says_which_screen_it_is(self) -> None:
        pairing = Pairing()
        hinted, plain = pairing.begin("a", "hall", 0.0), pairing.begin("a", "", 0.0)
        assert hinted is not None
        assert plain is not None
        with pytest.raises(ValueError, match="which screen"):
            pairing.confirm(plain.code, "", 1.0)
        assert pairing.confirm(hinted.code, "", 1.0) == "hall"
        assert pairing.confirm(plain.code, "lobby", 1.0) == "lobby"

    def test_one_address_holds_only_so_many(self) -> None:
        pairing = Pairing()
        for _ in range(256):
            assert pairing.begin("a", "", 0.0) is not None
        assert pairing.begin("a", "", 1.0) is None
        assert pairing.begin("b", "", 1.0) is not None
        assert pairing.begin("a", "", CODE_SECONDS) is not None

    @given(st.text(alphabet=ALPHABET, min_size=8, max_size=8))
    def test_it_is_read_however_it_is_typed(self, code: str) -> None:
        wide = "".join(chr(ord(one) + 0xFEE0) for one in code)
        for typed in (code.lower(), f" {code[:4]}-{code[4:]} ", f"{code[:4]} {code[4:]}", wide):
            assert plain_code(typed) == code


class TestGuesses:
    def test_a_person_has_five_an_address_twenty_within_an_hour(self) -> None:
        guesses = Guesses()
        for number in range(5):
            assert guesses.wait("anna", "10.0.0.1", float(number)) == 0
            guesses.wrong("anna", "10.0.0.1", float(number))
        assert guesses.wait("anna", "10.0.0.9", 5.0) == GUESS_WINDOW - 5
        assert guesses.wait("anna", "10.0.0.9", GUESS_WINDOW) == 0
        for number in range(15):
            assert guesses.wait(f"p{number}", "10.0.0.1", 5.0) == 0
            guesses.wrong(f"p{number}", "10.0.0.1", 5.0)
        assert guesses.wait("new", "10.0.0.1", 6.0) > 0
        assert guesses.wait("new", "10.0.0.2", 6.0) == 0

    def test_a_right_code_clears_the_person_not_the_address(self) -> None:
        guesses = Guesses()
        for _ in range(20):
            guesses.wrong("anna", "10.0.0.1", 0.0)
        guesses.right("anna")
        assert guesses.wait("anna", "10.0.0.2", 1.0) == 0
        assert guesses.wait("anna", "10.0.0.1", 1.0) > 0

    def test_memory_is_bounded(self) -> None:
        guesses = Guesses()
        for number in range(9000):
            guesses.wrong(f"s{number}", f"c{number}", 0.0)
        assert guesses.wait("s0", "c0", 1.0) == 0


class TestDevice:
    @given(st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1), st.booleans())
    def test_a_row_is_read_as_it_was_written(self, hashed: bytes, since: int, more: bool) -> None:
        device = Device(hashed, since, bytes(32) if more else b"")
        assert Device.read(device.write()) == device

    def test_a_row_from_before_is_due(self) -> None:
        device = Device.read(device_hash("t"))
        assert device is not None
        assert device.admits(device_hash("t"))
        assert device.is_due(device_hash("t"), TOKEN_MS + 1)

    @pytest.mark.parametrize("length", [0, 31, 33, 71])
    def test_a_damaged_row_is_an_error(self, length: int) -> None:
        with pytest.raises(ValueError, match="damaged"):
            Device.read(bytes(length))


class Site:
    """The adapter's routes as browsers and programs call them."""

    def __init__(self, adapter: KioskDisplays) -> None:
        self.adapter = adapter
        self.cookies: dict[str, str] = {}
        self._routes = {(route.method, route.path): route for route in adapter.routes()}

    async def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        client: str = "10.0.0.1",
        display: str = "lobby",
    ) -> MountedResponse:
        request = MountedRequest(
            method, {"display": display, "file": ""}, query or {}, headers or JSON, self.cookies,
            body, client, BASE,
        )  # fmt: skip
        return await self._routes[method, path].handler(request)

    def auth(self, method: str, path: str) -> AuthKind:
        return self._routes[method, path].auth

    async def ask(self, path: str, **fields: str) -> tuple[int, Any]:
        answer = await self.call("POST", path, json.dumps(fields).encode())
        assert isinstance(answer.body, bytes)
        if "Set-Cookie" in answer.headers:
            name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, json.loads(answer.body)

    async def confirm(self, code: str, display: str, by: str = "anna") -> tuple[int, Any]:
        body = json.dumps({"code": code, "display": display}).encode()
        headers = {**JSON, "authorization": f"Bearer {by}"}
        answer = await self.call("POST", "pair/confirm", body, headers)
        assert isinstance(answer.body, bytes)
        return answer.status, json.loads(answer.body)


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
async def site(context: AdapterContext) -> AsyncIterator[Site]:
    screens = (ScreenConfig(name="lobby", title="<b>城关</b>"), ScreenConfig(name="hall"))
    async with KioskDisplays(KioskConfig(name="screens", displays=screens), context) as adapter:
        yield Site(adapter)


class TestRoutes:
    async def test_a_page_is_paired(self, site: Site, state: MemoryState) -> None:
        status, begun = await site.ask("pair/code")
        assert status == 200
        assert (begun["valid_ms"], begun["poll_ms"]) == (600_000, 5_000)
        assert await site.ask("pair/poll", secret=begun["secret"]) == (200, {"status": "waiting"})
        assert await site.confirm(begun["code"], "lobby") == (200, {"paired": "lobby"})
        assert state.rows.get("device/lobby") is None  # nobody is a screen before it has come
        status, told = await site.ask("pair/poll", secret=begun["secret"])
        assert (told["status"], told["display"], len(told["key"])) == ("paired", "lobby", 64)
        assert (await site.call("GET", "screen/{display}/state")).status == 200
        (token,) = site.cookies.values()
        assert token.encode() not in b"".join(state.rows.values())
        # An answer that was lost is made again, with a token of its own.
        await site.ask("pair/poll", secret=begun["secret"])
        assert site.cookies["fz-screen-lobby"] != token
        assert (await site.call("GET", "screen/{display}/state")).status == 200

    async def test_who_may_call_what(self, site: Site) -> None:
        for method, path in (("GET", ""), ("GET", "pair/"), ("GET", "pair/screens")):
            assert site.auth(method, path) is AuthKind.STAFF
        for path in ("pair/confirm", "pair/revoke"):
            assert site.auth("POST", path) is AuthKind.STAFF
        for path in ("pair/code", "pair/poll"):
            assert site.auth("POST", path) is AuthKind.OWN

    async def test_an_old_code_and_an_old_secret_are_refused(
        self, site: Site, clock: FakeClock
    ) -> None:
        _, begun = await site.ask("pair/code")
        clock.advance(CODE_SECONDS)
        assert (await site.confirm(begun["code"], "lobby"))[0] == 404
        assert (await site.ask("pair/poll", secret=begun["secret"]))[0] == 410

    async def test_guessing_is_stopped(self, site: Site, clock: FakeClock) -> None:
        _, begun = await site.ask("pair/code")
        for _ in range(5):
            assert (await site.confirm("2222-2222", "lobby"))[0] == 404
        assert (await site.confirm(begun["code"], "lobby"))[0] == 429
        # Another way to write the same token is the same person.
        body = json.dumps({"code": begun["code"], "display": "lobby"}).encode()
        answer = await site.call(
            "POST", "pair/confirm", body, {**JSON, "authorization": "bearer  anna "}
        )
        assert answer.status == 429
        assert 3500 < int(answer.headers["Retry-After"]) <= 3601
        assert (await site.confirm(begun["code"], "lobby", by="bela"))[0] == 200

    @pytest.mark.parametrize(("display", "status"), [("attic", 422), ("", 422), ("lobby", 200)])
    async def test_the_screen_must_be_known(self, site: Site, display: str, status: int) -> None:
        _, begun = await site.ask("pair/code")
        assert (await site.confirm(begun["code"], display))[0] == status

    @pytest.mark.parametrize("body", [b"[]", b"{", b'{"code": 7}', b"\xff", b"[" * 3000])
    async def test_what_is_no_object_of_texts_is_refused(self, site: Site, body: bytes) -> None:
        for path in ("pair/code", "pair/poll", "pair/confirm", "pair/revoke"):
            assert (await site.call("POST", path, body[:2048])).status == 400

    async def test_a_foreign_page_asks_for_no_code(self, site: Site) -> None:
        foreign = {**JSON, "sec-fetch-site": "cross-site"}
        assert (await site.call("POST", "pair/code", b"{}", foreign)).status == 403
        assert (await site.call("POST", "pair/code", b"{}", FORM)).status == 415

    async def test_a_form_gets_pages(self, site: Site) -> None:
        site.cookies["fz"] = "session"
        _, begun = await site.ask("pair/code", hint="hall")
        form = urlencode({"code": "ZZZZ-<b>", "display": "hall"}).encode()
        wrong = await site.call("POST", "pair/confirm", form, FORM)
        assert isinstance(wrong.body, bytes)
        assert wrong.status == 404
        assert "ZZZZ-&lt;b&gt;" in wrong.body.decode()
        form = urlencode({"code": begun["code"], "display": ""}).encode()
        right = await site.call("POST", "pair/confirm", form, FORM)
        assert (right.status, right.headers["Location"]) == (303, "./?paired=hall")
        page = await site.call("GET", "pair/", query={"paired": "hall", "q": "<i>"})
        assert isinstance(page.body, bytes)
        text = page.body.decode()
        assert "hall is paired" in text
        assert 'scope="row"' not in text  # the search found nothing
        assert "<i>" not in text
        policy = page.headers["Content-Security-Policy"]
        assert "script-src" not in policy
        assert "form-action 'self'" in policy
        assert page.headers["Referrer-Policy"] == "same-origin"

    async def test_the_page_writes_names_as_text(self, site: Site) -> None:
        page = await site.call("GET", "pair/")
        assert isinstance(page.body, bytes)
        assert "&lt;b&gt;城关&lt;/b&gt;" in page.body.decode()
        assert "<b>" not in page.body.decode()
        assert "<script" not in page.body.decode()

    async def test_a_revoked_screen_is_told_and_refused(self, site: Site) -> None:
        _, begun = await site.ask("pair/code")
        await site.confirm(begun["code"], "lobby")
        await site.ask("pair/poll", secret=begun["secret"])
        opened = await site.call("GET", "screen/{display}/stream")
        assert (await site.ask("pair/revoke", display="lobby")) == (200, {"revoked": "lobby"})
        assert not isinstance(opened.body, bytes)
        frames = [frame async for frame in opened.body]
        assert frames[-1].startswith(b"event: gone")
        assert (await site.call("GET", "screen/{display}/state")).status == 401
        assert (await site.ask("pair/revoke", display="attic"))[0] == 422

    async def test_programs_get_the_list(self, site: Site) -> None:
        answer = await site.call("GET", "pair/screens")
        assert isinstance(answer.body, bytes)
        lobby, hall = json.loads(answer.body)["screens"]
        assert (lobby["display"], lobby["enrolled"], hall["live"]) == ("lobby", False, False)


class TestTokens:
    async def test_a_token_is_changed_every_week_and_no_screen_is_lost(
        self, site: Site, clock: FakeClock
    ) -> None:
        _, begun = await site.ask("pair/code")
        await site.confirm(begun["code"], "lobby")
        await site.ask("pair/poll", secret=begun["secret"])
        first = dict(site.cookies)
        assert "Set-Cookie" not in (await site.call("GET", "screen/{display}/state")).headers
        clock.advance(7 * 86_400 + 1)
        answer = await site.call("GET", "screen/{display}/state")
        fresh = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
        assert fresh != first["fz-screen-lobby"]
        # A second request that was under way with the old one gets no third.
        second = await site.call("GET", "screen/{display}/state")
        assert (second.status, "Set-Cookie" in second.headers) == (200, False)
        # The answer was lost: later the old one is changed once more.
        clock.advance(61)
        again = await site.call("GET", "screen/{display}/state")
        newest = again.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
        site.cookies = {"fz-screen-lobby": fresh}
        assert (await site.call("GET", "screen/{display}/state")).status == 401
        # The new one was seen, so the old one is worth nothing any more.
        site.cookies = {"fz-screen-lobby": newest}
        assert (await site.call("GET", "screen/{display}/state")).status == 200
        site.cookies = first
        assert (await site.call("GET", "screen/{display}/state")).status == 401
