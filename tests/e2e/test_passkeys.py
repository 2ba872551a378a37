"""Passkeys in a real browser with a virtual device: made, used, removed, and every wrong answer."""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, CDPSession, Page, async_playwright, expect

from fzalert.access import Actor
from fzalert.config import parse_settings
from fzalert.errors import AccessDenied, GuardsUnmet
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.values import AttachmentType
from fzalert.service import Service
from fzalert.service import freeze_models as asks
from fzalert.service.models import UserChange, UserView
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.web import Stopping, WebServer, build_app
from tests.unit.freezing import OFFICERS, REPORT, VICTIM, account, transfer

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
SMALL = """() => [...document.querySelectorAll('a, button, input')].filter(e => {
  const r = e.getBoundingClientRect();
  return r.width && r.top >= 0 && (r.width < 24 || r.height < 24) }).map(e => e.outerHTML)"""
UNIT = """
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
prefecture = "1101"
duty_phone = "010-12345678"
"""
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


ANSWER = """async challenge => {
  const found = await navigator.credentials.get({publicKey: {
    challenge: Uint8Array.from(atob(challenge.replace(/-/g, '+').replace(/_/g, '/')),
      c => c.charCodeAt(0)), rpId: 'localhost', userVerification: 'required'}});
  return found.toJSON();
}"""
"""What a foreign page does with a question of ours that it was given."""


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"sms": FarSide(capabilities=sms(reports=False)).make}, UNIT)


@dataclass
class Desk:
    """A service, its pages, and a browser with a device."""

    service: Service
    url: str
    page: Page
    devices: CDPSession
    device: str
    looks: bool = False

    async def told(self, name: str = "wang") -> UserView:
        (found,) = [user for user in await self.service.users() if user.name == name]
        return found

    async def credential(self) -> dict[str, Any]:
        answer = await self.devices.send(
            "WebAuthn.getCredentials", {"authenticatorId": self.device}
        )
        (found,) = answer["credentials"]
        return dict(found)

    async def wind_back(self, counter: int) -> None:
        """Let the device be a copy that was made when it counted so far."""
        known = {**await self.credential(), "signCount": counter}
        await self.devices.send("WebAuthn.clearCredentials", {"authenticatorId": self.device})
        await self.devices.send(
            "WebAuthn.addCredential", {"authenticatorId": self.device, "credential": known}
        )

    async def press(self, purpose: str) -> None:
        """Start with the keyboard alone."""
        await self.page.locator(f'[data-passkey="{purpose}"]').focus()
        await self.page.keyboard.press("Enter")

    async def enrol(self, name: str = "wang") -> None:
        code = await self.service.change_user(UserChange(action="enrol", name=name))
        await self.page.goto(self.url + "enrol")
        await expect(self.page.locator("#code")).to_be_focused()
        if self.looks:
            assert await axe(self.page) == []
        await self.page.keyboard.type(code)
        await self.press("enrol")
        await expect(self.page.locator(".keys li")).to_have_count(1)

    async def leave(self) -> None:
        await self.page.get_by_role("button", name="退出 Sign out").first.click()
        await expect(self.page.locator(".who")).to_contain_text("登录")

    async def sign_in(self) -> None:
        await self.page.goto(self.url + "login")
        await self.press("sign-in")

    async def refused(self) -> str:
        said = self.page.locator("#passkey-said")
        await expect(said).to_be_focused()
        return await said.inner_text()

    async def cookie(self) -> str:
        cookies = await self.page.context.cookies()
        return next((str(one["value"]) for one in cookies if one["name"] == "fz"), "")

    async def acts(self) -> list[str]:
        store = self.service._open.building.store
        rows = [row for chain, *_ in await store.chains() for row in await store.evidence(chain)]
        return [str(json.loads(row.body)["what"]) for row in rows]


@asynccontextmanager
async def pages(house: House, service: Service, toml: str = "") -> AsyncIterator[str]:
    settings = parse_settings(toml or "[web]\nport = 0", house.folder / "f.toml")
    stopping = Stopping()
    app = build_app(service, settings, stopping=stopping, clock=house.clock)
    async with WebServer(app, settings.web, stopping).serving() as url:
        yield url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@asynccontextmanager
async def desk_at(browser: Browser, service: Service, url: str) -> AsyncIterator[Desk]:
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(30_000)
    devices = await context.new_cdp_session(page)
    await devices.send("WebAuthn.enable")
    made = await devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    try:
        yield Desk(service, url, page, devices, made["authenticatorId"])
    finally:
        await context.close()


@pytest.fixture
async def desk(house: House, browser: Browser) -> AsyncIterator[Desk]:
    async with house.service() as service:
        await service.add_user("wang", ["approver"])
        async with (
            pages(house, service) as url,
            desk_at(browser, service, url) as desk,
        ):
            yield desk


async def proved(desk: Desk) -> Actor:
    actor = await desk.service.session(await desk.cookie())
    assert actor is not None
    assert actor.proved_at is not None
    return actor


async def axe(page: Page) -> list[Any]:
    """What is wrong with a page for somebody who sees, hears or points badly, at two widths."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    wrong: list[Any] = []
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        found = await page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", WCAG
        )
        wrong += [(one["id"], [n["html"] for n in one["nodes"]]) for one in found["violations"]]
        wrong += await page.evaluate(SMALL)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        wrong += [f"too wide at {width}"] * (await page.evaluate(wide) > 0)
    return wrong


async def test_a_person_makes_a_passkey_with_a_code_signs_in_with_it_and_proves_himself(
    desk: Desk, house: House
) -> None:
    desk.looks = True
    await desk.enrol()
    assert await axe(desk.page) == []
    SCREENS.mkdir(parents=True, exist_ok=True)
    await desk.page.screenshot(path=SCREENS / "account.png", full_page=True)
    (key,) = (await desk.told()).passkeys
    assert (key.label, key.blocked) == ("我的设备", False)
    await desk.leave()
    await desk.page.goto(desk.url + "login")
    assert await axe(desk.page) == []
    await desk.page.screenshot(path=SCREENS / "login.png", full_page=True)
    await desk.sign_in()
    await expect(desk.page.locator(".me")).to_have_text("wang")
    first = await proved(desk)
    assert first.id == "user:wang"
    house.clock.set(house.clock.now() + timedelta(minutes=10))
    old = await desk.cookie()
    await desk.page.goto(desk.url + "prove?next=/account")
    assert await axe(desk.page) == []
    await desk.press("prove")
    await expect(desk.page).to_have_url(desk.url + "account")
    assert await desk.cookie() != old
    assert await desk.service.session(old) is None
    again = await proved(desk)
    assert first.proved_at is not None
    assert again.proved_at is not None
    assert again.proved_at - first.proved_at >= timedelta(minutes=9)
    acts = [one for one in await desk.acts() if "passkey" in one or "enrol" in one]
    assert acts == ["user.enrol", "user.passkey_add", "user.passkey_use", "user.passkey_use"]


async def waiting(service: Service, house: House) -> str:
    """A case whose stop waits for the second officer; returns its id."""
    token = await service.change_user(
        UserChange(action="add", name="ma", roles=["detective"], unit="110105000000")
    )

    async def do(ask: asks.FreezeAsk) -> str:
        answer = await service.freeze(ask, await service.authenticate(token))
        return "" if answer.case is None else answer.case.id

    now = house.clock.now()
    report = REPORT.model_copy(update={"at": now - timedelta(minutes=5)})
    case = await do(asks.OpenAsk(report=report, victim=VICTIM))
    await do(asks.OfficersAsk(case=case, officers=OFFICERS))
    paid = (transfer(at=now - timedelta(minutes=20)),)
    await do(asks.AddAccountAsk(case=case, account=account(), inflow=paid))
    for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
        data = base64.b64encode(b"%PDF-1.7 made up").decode()
        await do(asks.PutAsk(upload="ab" * 8, offset=0, data=data))
        await do(asks.AttachAsk(case=case, type=kind, upload="ab" * 8))
    await do(asks.PrepareAsk(case=case, measure="m1", kind=InstructionKind.STOP, reason="止付"))
    return case


async def test_an_approval_asks_for_the_passkey_of_the_last_five_minutes(
    desk: Desk, house: House
) -> None:
    case = await waiting(desk.service, house)
    rank = UserChange(action="appoint", name="wang", rank="county", unit="110105000000")
    await desk.service.change_user(rank)
    await desk.enrol()
    house.clock.set(house.clock.now() + timedelta(minutes=6))
    wanted = asks.ApproveAsk(case=case, measure="m1")
    with pytest.raises(GuardsUnmet) as caught:
        await desk.service.freeze(wanted, await proved(desk))
    assert caught.value.guards == ("step-up",)
    await desk.page.goto(desk.url + "prove?next=/account")
    await desk.press("prove")
    await expect(desk.page).to_have_url(desk.url + "account")
    answer = await desk.service.freeze(wanted, await proved(desk))
    assert answer.case is not None
    assert [one.id for one in answer.case.measures] == ["m1"]
    assert (await desk.acts()).count("instruction.approved") == 1


async def test_a_passkey_is_asked_for_by_name_named_removed_and_then_opens_nothing(
    desk: Desk,
) -> None:
    await desk.enrol()
    await desk.page.locator(".keys input[name=label]").fill("办公室的钥匙")
    await desk.page.get_by_role("button", name="改名").click()
    await expect(desk.page.locator(".keys b")).to_have_text("办公室的钥匙")
    await desk.leave()
    await desk.page.goto(desk.url + "login")
    await desk.page.locator("#name").fill("wang")
    await desk.press("sign-in")
    await expect(desk.page.locator(".me")).to_have_text("wang")
    (key,) = (await desk.told()).passkeys
    assert key.used_at
    await desk.page.goto(desk.url + "account")
    await desk.page.get_by_role("button", name="删除 办公室的钥匙").click()
    await expect(desk.page).to_have_url(desk.url + "login")
    assert (await desk.told()).passkeys == []
    await desk.sign_in()
    assert "opens nothing here" in await desk.refused()
    assert await desk.cookie() == ""


async def test_only_who_has_just_proved_himself_makes_names_and_removes_passkeys(
    desk: Desk, house: House
) -> None:
    token = await desk.service.change_user(UserChange(action="renew", name="wang"))
    await desk.page.goto(desk.url + "login")
    await desk.page.locator("#token").fill(token)
    await desk.page.keyboard.press("Enter")
    await expect(desk.page.locator(".me")).to_have_text("wang")
    await desk.page.goto(desk.url + "account")
    await desk.press("register")
    await expect(desk.page.locator(".keys li")).to_have_count(1)
    house.clock.set(house.clock.now() + timedelta(minutes=6))
    await desk.press("register")
    assert "has just proved himself" in await desk.refused()
    await desk.page.get_by_role("button", name="删除 我的设备").click()
    await expect(desk.page).to_have_url(desk.url + "prove?next=/account")
    assert len((await desk.told()).passkeys) == 1


async def test_a_copy_of_a_passkey_is_found_closed_and_on_record(desk: Desk) -> None:
    await desk.enrol()
    before = (await desk.credential())["signCount"]
    await desk.leave()
    await desk.sign_in()
    await expect(desk.page.locator(".me")).to_have_text("wang")
    cookie = await desk.cookie()
    await desk.page.context.clear_cookies()
    await desk.wind_back(before - 1)
    await desk.sign_in()
    assert "used by two devices" in await desk.refused()
    (key,) = (await desk.told()).passkeys
    assert key.blocked
    assert await desk.service.session(cookie) is None, "what it opened before is closed too"
    await desk.sign_in()
    assert "opens nothing here" in await desk.refused()
    assert (await desk.acts()).count("user.passkey_cloned") == 1


async def answered(desk: Desk, purpose: str) -> tuple[list[dict[str, Any]], Any]:
    """Press a button, and see what the browser sends."""
    sent: list[dict[str, Any]] = []

    def note(request: Any) -> None:
        if request.url.endswith(f"/passkeys/{purpose}"):
            sent.append(json.loads(request.post_data))

    desk.page.on("request", note)
    await desk.press(purpose)
    await expect(desk.page.locator(".me")).to_have_text("wang")
    return sent, note


async def post(desk: Desk, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    """Send what a hostile program would, with every cookie of the browser."""
    cookies = {str(c["name"]): str(c["value"]) for c in await desk.page.context.cookies()}
    async with httpx.AsyncClient(cookies=cookies, timeout=60) as client:
        return await client.post(
            desk.url + path, json=body, headers={"sec-fetch-site": "same-origin", **headers}
        )


async def test_an_answer_is_good_once_from_one_page_and_for_one_purpose(desk: Desk) -> None:
    await desk.enrol()
    await desk.leave()
    await desk.page.goto(desk.url + "login")
    sent, _ = await answered(desk, "sign-in")
    replayed = await post(desk, "passkeys/sign-in", sent[0])
    assert (replayed.status_code, replayed.json()["code"]) == (401, "passkey-refused")
    assert "set-cookie" not in replayed.headers
    await desk.page.goto(desk.url + "prove?next=//evil.example")
    await desk.press("prove")
    await expect(desk.page).to_have_url(desk.url)
    foreign = await post(desk, "passkeys/sign-in", sent[0], **{"sec-fetch-site": "cross-site"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign-page")


async def test_an_answer_that_another_site_coaxed_out_of_a_person_fits_nowhere(
    desk: Desk, house: House
) -> None:
    await desk.enrol()
    await desk.leave()
    asked = await post(desk, "passkeys/ask", {"purpose": "sign-in"})
    browser = asked.cookies["fz-try"]
    async with pages(house, desk.service) as other:
        await desk.page.goto(other + "login")
        answer = await desk.page.evaluate(ANSWER, asked.json()["challenge"])
    async with httpx.AsyncClient(cookies={"fz-try": browser}, timeout=60) as client:
        told = await client.post(desk.url + "passkeys/sign-in", json={"answer": answer})
    assert (told.status_code, told.json()["code"]) == (401, "passkey-refused")
    assert "set-cookie" not in told.headers
    assert [one.name for one in await desk.service.sessions()] == []
    assert "user.passkey_use" not in await desk.acts()


async def test_a_code_is_good_once_for_its_person_and_its_time(desk: Desk, house: House) -> None:
    code = await desk.service.change_user(UserChange(action="enrol", name="wang"))
    later = await desk.service.change_user(UserChange(action="enrol", name="wang"))
    for good in (code, "made-up", ""):
        asked = await post(desk, "passkeys/ask", {"purpose": "enrol", "code": good})
        assert asked.status_code == 401, "the newest code alone"
    spaced = later.replace("-", " ").upper()
    asked = await post(desk, "passkeys/ask", {"purpose": "enrol", "code": spaced})
    assert asked.json()["user"]["name"] == "wang"
    assert asked.json()["authenticatorSelection"]["userVerification"] == "required"
    house.clock.set(house.clock.now() + timedelta(days=1, minutes=1))
    asked = await post(desk, "passkeys/ask", {"purpose": "enrol", "code": later})
    assert asked.status_code == 401
    await desk.enrol()
    kept = b"".join(path.read_bytes() for path in house.folder.rglob("*") if path.is_file())
    assert code.encode() not in kept
    rows = await desk.service._open.building.store.state("credentials", "wang")
    assert json.loads(rows[0][1])["enrol"] == ["", 0], "used up with the passkey"


async def test_names_cannot_be_told_apart_by_the_question(desk: Desk) -> None:
    await desk.service.add_user("li", ["teller"])
    await desk.enrol()
    seen = {}
    for name in ("wang", "li", "nobody"):
        asked = [
            (await post(desk, "passkeys/ask", {"purpose": "sign-in", "name": name})).json()
            for _ in range(2)
        ]
        ids = [[one["id"] for one in each["allowCredentials"]] for each in asked]
        assert ids[0] == ids[1], "the same answer each time"
        assert sorted(asked[0]) == sorted(asked[1])
        seen[name] = ids[0]
        assert [len(one) for one in ids[0]] == [43]
    assert len({tuple(ids) for ids in seen.values()}) == 3


async def test_an_admin_lists_and_removes_a_passkey_and_revoking_removes_all(desk: Desk) -> None:
    await desk.enrol()
    cookie = await desk.cookie()
    (key,) = (await desk.told()).passkeys
    teller = await desk.service.authenticate(await desk.service.add_user("li", ["teller"]))
    wanted = UserChange(action="remove_passkey", name="wang", passkey=key.id)
    with pytest.raises(AccessDenied):
        await desk.service.change_user(wanted, teller)
    with pytest.raises(AccessDenied):
        await desk.service.change_user(UserChange(action="enrol", name="wang"), teller)
    await desk.service.change_user(wanted)
    assert await desk.service.session(cookie) is None
    await desk.devices.send("WebAuthn.clearCredentials", {"authenticatorId": desk.device})
    await desk.enrol()
    await desk.service.change_user(UserChange(action="revoke", name="wang"))
    assert (await desk.told()).passkeys == []


async def test_whoever_signs_out_everywhere_is_in_nowhere(desk: Desk) -> None:
    await desk.enrol()
    token = await desk.service.change_user(UserChange(action="renew", name="wang"))
    elsewhere = await desk.service.sign_in(token)
    await desk.sign_in()
    await expect(desk.page.locator(".me")).to_have_text("wang")
    here = await desk.cookie()
    await desk.page.goto(desk.url + "account")
    await desk.page.get_by_role("button", name="在所有设备上退出").click()
    await expect(desk.page).to_have_url(desk.url + "login")
    assert await desk.service.session(here) is None
    assert await desk.service.session(elsewhere) is None
