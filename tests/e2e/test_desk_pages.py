"""The pages of a bank's desk in a real browser: a real desk process, real signed packages."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from fzalert.clock import SystemClock
from fzalert.evidence import canonical
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import DocumentKind, write_package
from fzalert.ports import sign_request
from tests.e2e.test_desk import COUNTY, STRANGER, Bank
from tests.unit.freezing import CARD
from tests.unit.test_freeze_package import approved, built

ROOT = Path(__file__).parents[2]
SCREENS = ROOT / "build" / "screens"
AXE = ROOT / "tests" / "cases" / "vendor" / "axe.min.js"
CHROMIUM = os.environ.get("FZ_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PASSWORD = "correct horse battery"
PATIENT = 45_000
PATH = "/desk/v1/packages"
PHONE = '\nphone = "0971-7654321"\ncontact = "反诈中心值班室"\n'


class Branch(Bank):
    """A desk with two people and a telephone number of its own."""

    def __init__(self, folder: Path, *, hook: str = "") -> None:
        super().__init__(folder, hook=hook)
        text = self.config.read_text(encoding="utf-8")
        key = f'public_key = "{COUNTY.public_key.hex()}"'
        self.config.write_text(text.replace(key, key + PHONE), encoding="utf-8")
        self.secret = folder / "password"
        self.secret.write_text(PASSWORD, encoding="utf-8")

    async def person(self, name: str, display: str, role: str = "operator") -> None:
        ended = await self.desk(
            *("add-user", name, "--role", role, "--display", display),
            *("--password-file", str(self.secret), "--json"),
        )
        assert ended.code == 0, ended.err

    async def post(self, url: str, body: bytes, *, signer: Any = COUNTY) -> int:
        headers = sign_request(signer, "POST", PATH, body, SystemClock().now())
        return (await self.send(url, PATH, body, headers))[0]


def package(application: str, kind: InstructionKind = InstructionKind.STOP, **more: Any) -> bytes:
    made = json.loads(write_package(built(approved(kind), **more)))
    return canonical({**made, "application_id": application})


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@asynccontextmanager
async def signed_in(
    browser: Browser, bank: Branch, name: str = "wang", **options: Any
) -> AsyncIterator[Page]:
    given = {"viewport": {"width": 1280, "height": 800}, **options}
    context = await browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai", **given)
    page = await context.new_page()
    page.set_default_timeout(PATIENT)
    expect.set_options(timeout=PATIENT)
    await page.goto(bank.staff)
    await expect(page.locator("#name")).to_be_focused()
    await page.keyboard.type(name)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#link")).to_contain_text("实时")  # so its keys are there too
    yield page
    await context.close()


async def shoot(page: Page, name: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENS / f"desk-{name}.png", full_page=True)


async def faults(page: Page) -> list[str]:
    """What axe finds, what is cut off at the side, and what is too small to hit."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = await page.evaluate(
        "tags => axe.run(document, {runOnly: tags}).then(r => r.violations.map("
        "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | ')))",
        WCAG,
    )
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    if await page.evaluate(wide) > 0:
        found.append("wider than the screen")
    found += await page.evaluate(
        "() => [...document.querySelectorAll('a, button, input')].filter(e => {"
        " const r = e.getBoundingClientRect();"
        " return r.width && r.top >= 0 && (r.width < 24 || r.height < 24) })"
        ".map(e => 'small: ' + e.outerHTML.slice(0, 120))"
    )
    return found


def record(bank: Branch) -> str:
    with sqlite3.connect(bank.folder / "data" / "desk.db") as db:
        rows = db.execute("SELECT body FROM evidence").fetchall()
    db.close()
    return "\n".join(row[0].decode() if isinstance(row[0], bytes) else row[0] for row in rows)


async def test_an_instruction_is_compared_carried_out_and_refused_with_the_keyboard_alone(
    browser: Browser, tmp_path: Path
) -> None:
    bank = Branch(tmp_path)
    await bank.person("wang", "王", "supervisor")
    await bank.person("zhao", "赵")
    async with bank.running() as (_, url), signed_in(browser, bank) as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await expect(page.locator("#link")).to_contain_text("实时")
        await expect(page.locator("#live")).to_contain_text("没有待办")
        assert await bank.post(url, package("app-1")) == 200
        pre = package("app-1", document=DocumentKind.PRE_ALERT)
        assert await bank.post(url, pre) == 200
        assert await bank.post(url, package("app-2")) == 200
        await expect(page.locator(".items li")).to_have_count(3)  # live, nobody reloads
        first = page.locator(".items li").first
        for words in ("指令", "紧急止付", "签名有效", "青山县公安局", "查看", "6222"):
            await expect(first).to_contain_text(words)
        assert CARD not in await page.content()
        await expect(page.locator(".items li.pre_alert")).to_contain_text("只提请查看")
        await page.keyboard.press("j")
        await expect(page.locator(".items a.open").first).to_be_focused()
        await page.keyboard.press("j")
        await page.keyboard.press("k")
        await page.keyboard.press("Enter")
        await expect(page.locator("#value-name")).to_have_text("李四")
        await expect(page.locator("#value-number")).to_have_text("6222 0212 3456 7890 128")
        for words in ("青山县公安局", "110105000000", COUNTY.key_id, "fz:county"):
            await expect(page.locator("#genuine ~ dl")).to_contain_text(words)
        await expect(page.locator("#callback ~ .phone")).to_contain_text("0971-7654321")
        assert "010-12345678" not in await page.content()  # the message's own number
        # Three ticks are not four: nothing is answered, and what was ticked stays ticked.
        for key in "123":
            await page.keyboard.press(key)
        await page.keyboard.press("a")
        await expect(page.locator("#problem")).to_contain_text("没有全部核对一致")
        await expect(page.locator("input[name=tick]:checked")).to_have_count(3)
        # While somebody types, no key acts.
        await page.locator("#balance").focus()
        await page.keyboard.type("120.5a4")
        await expect(page.locator("input[name=tick]:checked")).to_have_count(3)
        await page.locator("#balance").fill("120.55")
        await page.keyboard.press("Escape")
        await page.keyboard.press("4")
        await page.keyboard.press("a")
        # Signed in a moment ago: that is proof enough, and one key was.
        await expect(page.locator("#told")).to_contain_text("app-1 已答复 0000")
        await page.keyboard.press("d")
        await expect(page.locator(".items li.instruction").first).to_contain_text("0000")
        await page.locator(".items a.open", has_text="0000").first.press("Enter")
        await expect(page.locator("#strip")).to_contain_text("止付到期")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="下载签名回执").press("Enter")
        signed = json.loads((await (await download.value).path()).read_text("utf-8"))
        assert json.loads(signed["document"])["balance"] == "120.55"
        await page.keyboard.press("p")
        await expect(page.locator(".sheet")).to_contain_text(signed["signature"])
        await shoot(page, "receipt")
        # A pre-alert is another document: no tick, no answer.
        await page.goto(f"{bank.staff}item?id=app-1&document=pre_alert")
        await expect(page.locator(".pre-banner")).to_contain_text("不具止付效力")
        assert await page.locator("button.main, input[name=tick], #refuse").count() == 0
        # A refusal takes its reason from the list.
        await page.goto(f"{bank.staff}item?id=app-2&document=instruction")
        await page.keyboard.press("r")
        await expect(page.locator("#code")).to_be_focused()
        await page.locator("#code").select_option("0301")
        await page.get_by_role("button", name="退回", exact=True).press("Enter")
        await expect(page.locator("#told")).to_contain_text("0301")
        assert errors == []
    told = record(bank)
    assert told.count('"desk.answer"') == 2
    assert CARD not in told
    checked = await bank.fzalert("evidence", "verify", "--store", str(tmp_path / "data/desk.db"))
    assert checked.code == 0, checked.out + checked.err


async def test_of_two_who_answer_at_once_one_wins_and_the_other_is_told(
    browser: Browser, tmp_path: Path
) -> None:
    bank = Branch(tmp_path)
    await bank.person("wang", "王")
    await bank.person("zhao", "赵")
    async with bank.running() as (_, url):
        assert await bank.post(url, package("app-1")) == 200
        async with signed_in(browser, bank) as one, signed_in(browser, bank, "zhao") as other:
            for page in (one, other):
                await page.goto(f"{bank.staff}item?id=app-1&document=instruction")
                for key in "1234":
                    await page.keyboard.press(key)
                await expect(page.locator("input[name=tick]:checked")).to_have_count(4)
            await asyncio.gather(one.keyboard.press("a"), other.keyboard.press("a"))
            for page in (one, other):
                await expect(page.locator("#told, #problem")).to_have_count(1)
            texts = sorted(
                [
                    await page.locator("#told, #problem").inner_text(timeout=PATIENT)
                    for page in (one, other)
                ]
            )
            assert sum("已签名并送出" in text for text in texts) == 1
            assert sum("先行答复，您的答复没有送出" in text for text in texts) == 1
    assert record(bank).count('"desk.answer"') == 1


async def test_what_is_forged_replayed_or_without_a_good_certificate_is_shown_as_refused(
    browser: Browser, tmp_path: Path
) -> None:
    bank = Branch(tmp_path)
    await bank.person("wang", "王")
    old = bank.authority.issue("old", until=timedelta(minutes=-1))
    async with bank.running() as (_, url):
        body = package("app-9")
        assert await bank.post(url, body, signer=STRANGER) == 403
        headers = sign_request(COUNTY, "POST", PATH, body, SystemClock().now())
        assert (await bank.send(url, PATH, body.replace(b"app-9", b"app-8"), headers))[0] == 403
        assert (await bank.send(url, PATH, body, headers))[0] == 200
        assert (await bank.send(url, PATH, body, headers))[0] == 403
        with pytest.raises(Exception):  # noqa: B017,PT011  the line is closed in the handshake
            await bank.send(url, PATH, body, headers, old)
        async with signed_in(browser, bank) as page:
            await page.keyboard.press("x")
            await expect(page).to_have_url(f"{bank.staff}?tab=refused")
            for why in ("密钥不认识", "签名与内容不符", "重放", "证书已过期"):
                await expect(page.locator("#list")).to_contain_text(why)
            await shoot(page, "refused")
            assert await faults(page) == []
            await page.keyboard.press("w")
            await expect(page.locator(".items li")).to_have_count(1)
            await expect(page.locator(".items li")).to_have_id("row-app-9-instruction")
    assert record(bank).count('"desk.refused"') == 4


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("1280-dark", {"color_scheme": "dark"}),
        ("390-light", {"color_scheme": "light", "viewport": {"width": 390, "height": 844}}),
    ],
)
async def test_every_page_is_accessible(
    name: str, options: dict[str, Any], browser: Browser, tmp_path: Path
) -> None:
    bank = Branch(tmp_path)
    await bank.person("wang", "王")
    async with bank.running() as (_, url):
        for application, more in (
            ("app-1", {}),
            ("app-2", {"drill": True}),
            ("app-3", {"document": DocumentKind.PRE_ALERT}),
        ):
            assert await bank.post(url, package(application, **more)) == 200
        frozen = package("app-4", InstructionKind.FREEZE)
        assert await bank.post(url, frozen) == 200
        async with signed_in(browser, bank, **options) as page:
            await page.goto(f"{bank.staff}duty")
            await page.locator("#a").fill("王")
            await page.locator("#b").fill("赵")
            await page.locator("#note").fill("青山县 0007 号已电话核实，等回执。")
            await page.get_by_role("button", name="交班").press("Enter")
            await expect(page.locator("#shifts")).to_be_visible()
            for shot, path in (
                *(("duty", "duty"), ("inbox", ""), ("paper", "paper")),
                ("item", "item?id=app-1&document=instruction"),
                ("drill", "item?id=app-2&document=instruction"),
                ("pre-alert", "item?id=app-3&document=pre_alert"),
                ("freeze", "item?id=app-4&document=instruction"),
                ("print", "item/print?id=app-1&document=instruction"),
            ):
                await page.goto(bank.staff + path)
                if shot == "inbox":
                    await expect(page.locator("#link")).to_contain_text("实时")
                await shoot(page, f"{shot}-{name}")
                assert (shot, await faults(page)) == (shot, [])
            await page.goto(f"{bank.staff}item?id=app-2&document=instruction")
            await expect(page.locator(".drill-banner")).to_contain_text("演练")


async def test_proof_that_is_old_is_asked_again_and_the_ticks_are_kept(
    browser: Browser, tmp_path: Path
) -> None:
    bank = Branch(tmp_path)
    await bank.person("wang", "王")
    async with bank.running() as (program, url):
        assert await bank.post(url, package("app-4", InstructionKind.FREEZE)) == 200
        async with signed_in(browser, bank) as page:
            assert (await program.stop()).code == 0
            _age_sessions(bank)
            async with bank.running():
                await page.goto(f"{bank.staff}item?id=app-4&document=instruction")
                await expect(page.locator("#link")).to_contain_text("实时")
                await page.locator("#frozen").fill("30,000.00")
                await page.keyboard.press("Escape")
                for key in "1234a":
                    await page.keyboard.press(key)
                await expect(page.locator("#secret")).to_be_focused()
                assert await faults(page) == []
                await page.keyboard.type("wrong password")
                await page.keyboard.press("Enter")
                await expect(page.locator("#problem")).to_contain_text("口令不对")
                assert record(bank).count('"desk.answer"') == 0
                await page.keyboard.type(PASSWORD)
                await page.keyboard.press("Enter")
                # Less than was asked is a partial freeze.
                await expect(page.locator("#told")).to_contain_text("app-4 已答复 1200")
                await page.goto(f"{bank.staff}item/receipt?id=app-4")
                await expect(page.locator(".sheet")).to_contain_text("30,000.00")


def _age_sessions(bank: Branch) -> None:
    """Make every proof ten minutes older, as if the people had been at it for that long."""
    with sqlite3.connect(bank.folder / "data" / "desk.db") as db:
        rows = db.execute("SELECT key, value FROM state WHERE namespace = 'session'").fetchall()
        assert rows
        for key, value in rows:
            session = json.loads(value)
            session[-1] -= 600_000
            older = (json.dumps(session).encode(), key)
            db.execute("UPDATE state SET value = ? WHERE namespace = 'session' AND key = ?", older)
    db.close()


CORE = """
import json, os, signal, sys
from pathlib import Path
package = json.load(sys.stdin)
folder = Path(sys.argv[1])
with (folder / "asked").open("a") as file:
    file.write(os.environ["FZALERT_APPLICATION_ID"] + "\\n")
mode = (folder / "mode").read_text()
if mode == "fails":
    sys.exit(3)
if mode == "kills":
    os.kill(os.getppid(), signal.SIGKILL)
print(json.dumps({"code": "0000", "balance": "120.55"}))
"""


async def test_what_core_banking_did_not_do_is_not_answered_and_a_crash_asks_the_same_again(
    browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "core.py").write_text(CORE, encoding="utf-8")
    mode, asked = tmp_path / "mode", tmp_path / "asked"
    mode.write_text("fails", encoding="utf-8")
    command = json.dumps([sys.executable, str(tmp_path / "core.py"), str(tmp_path)])
    bank = Branch(tmp_path, hook=f'[hook]\ncommand = {command}\nask = "person"\ntimeout = 60.0')
    await bank.person("wang", "王")

    async def press(page: Page) -> None:
        await page.goto(f"{bank.staff}item?id=app-1&document=instruction")
        await expect(page.locator("#link")).to_contain_text("实时")
        for key in "1234a":
            await page.keyboard.press(key)

    async with bank.running() as (program, url):
        assert await bank.post(url, package("app-1")) == 200
        async with signed_in(browser, bank) as page:
            assert not asked.exists()  # nobody has compared it yet
            await press(page)
            await expect(page.locator("#problem")).to_contain_text("核心系统没有办成")
            await expect(page.locator("#problem")).to_contain_text("exit code 3")
            await expect(page.locator("#core")).to_contain_text("核心系统没有办成")
            await expect(page.locator("input[name=by_hand]")).to_be_visible()
            mode.write_text("kills", encoding="utf-8")
            await press(page)
            assert (await program.ended()).code == -9
            assert record(bank).count('"desk.answer"') == 0
            mode.write_text("does", encoding="utf-8")
            async with bank.running():
                await page.goto(f"{bank.staff}item?id=app-1&document=instruction")
                await expect(page.locator("#core")).to_contain_text("上次询问中断")
                await press(page)
                await expect(page.locator("#told")).to_contain_text("0000")
    assert asked.read_text("utf-8").split() == ["app-1"] * 3  # always the same id
    assert record(bank).count('"desk.answer"') == 1


async def test_a_paper_is_entered_called_back_answered_and_is_the_package_that_comes_later(
    browser: Browser, tmp_path: Path
) -> None:
    bank = Branch(tmp_path)
    await bank.person("wang", "王")
    body = package("app-5")
    code = f"app-5|{sha256(body).hexdigest()[:16]}"
    async with bank.running() as (_, url), signed_in(browser, bank) as page:

        async def enter(code: str) -> None:
            await page.goto(f"{bank.staff}paper")
            await page.locator("#code").fill(code)
            await page.locator("#sender").select_option("青山县公安局")
            await page.locator("#kind").select_option("stop")
            await page.locator("#number").fill("6222 0212 3456 7890 128")
            await page.locator("#name").fill("李四")
            await page.locator("#amount").fill("50,000")
            await page.locator("#at").fill("2026-11-24T16:40:00")
            await page.get_by_role("button", name="录入").press("Enter")

        await enter("app-5|123")
        await expect(page.locator("#problem")).to_contain_text("16 hex digits")
        await enter(code)
        await expect(page.locator("#genuine")).to_contain_text("纸质件 · 无电子签名")
        await expect(page.locator("#callback ~ .phone")).to_contain_text("0971-7654321")
        await expect(page.locator("#link")).to_contain_text("实时")
        for key in "1234a":
            await page.keyboard.press(key)
        await expect(page.locator("#problem")).to_contain_text("回拨核实")
        await page.locator("#call-note").fill("值班员确认")
        await page.get_by_role("button", name="对方确认").press("Enter")
        await expect(page.locator(".calls")).to_contain_text("已确认")
        await expect(page.locator("#link")).to_contain_text("实时")
        for key in "1234a":
            await page.keyboard.press(key)
        await expect(page.locator("#told")).to_contain_text("app-5 已答复 0000")
        # The package comes at last: the same object, and its sender now gets the answer.
        assert await bank.post(url, body) == 200
        await page.goto(f"{bank.staff}item?id=app-5&document=instruction")
        await expect(page.locator("#genuine")).to_contain_text("签名有效")
        await expect(page.locator("#genuine ~ p").first).to_contain_text("与电子件哈希一致")
        path = "/desk/v1/answers"
        headers = sign_request(COUNTY, "GET", path, b"", SystemClock().now())
        status, page_of = await bank.send(url, path, b"", headers)
        assert status == 200
        (receipt,) = [json.loads(json.loads(one)["document"]) for one in page_of["items"]]
        assert (receipt["application_id"], receipt["account_number"]) == ("app-5", CARD)
        # A paper with another hash than the package that is here is not it.
        assert await bank.post(url, package("app-6")) == 200
        await enter("app-6|0123456789abcdef")
        await expect(page.locator("#problem")).to_contain_text("another hash")
