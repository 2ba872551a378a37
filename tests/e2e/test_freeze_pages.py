"""The freeze desk in a real browser: by keyboard alone, at every size, in light and dark, live."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.freeze_pages import (
    CARD,
    PDF,
    SECOND_CARD,
    SMS,
    Seat,
    Station,
    chromium,
    sit_down,
    station,
)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Station]:
    async with station(tmp_path) as found:
        yield found


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


async def write(seat: Seat, name: str, text: str) -> None:
    """Write into the field that has the focus, and go on to the next by Tab."""
    await expect(seat.page.locator(f'[name="{name}"]')).to_be_focused()
    await seat.keyboard.type(text)
    await seat.keyboard.press("Tab")


async def tab_to(seat: Seat, name: str) -> None:
    """Press Tab until a field or button has the focus."""
    here = f"document.activeElement.name === '{name}' || document.activeElement.id === '{name}'"
    for _ in range(60):
        if await seat.page.evaluate(here):
            return
        await seat.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {name}")


async def press(seat: Seat, words: str) -> None:
    """Press Tab until the button with some words has the focus, then Enter."""
    for _ in range(60):
        here = "document.activeElement.matches('button') && document.activeElement.textContent"
        if words in " ".join(str(await seat.page.evaluate(here)).split()):
            await seat.keyboard.press("Enter")
            return
        await seat.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {words}")


async def test_a_report_is_entered_approved_and_sent_by_keyboard_alone(
    at: Station, browser: Browser, tmp_path: Path
) -> None:
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(PDF)
    ma = await sit_down(browser, at, "ma")
    await ma.page.keyboard.press("n")
    await expect(ma.page.locator("#paste")).to_be_focused()
    when = at.clock.now()
    sms = SMS.replace("11月24日16时40分", f"{when:%Y年%m月%d日}00时01分")
    await ma.keyboard.type(sms)
    await tab_to(ma, "read")
    await ma.keyboard.press("Enter")
    await expect(ma.page.locator('[name="p1-number"]')).to_have_value(CARD)
    await expect(ma.page.locator('[name="p1-amount"]')).to_have_value("50000.00")
    await expect(ma.page.locator("#from_account-doubt")).to_contain_text("0018")
    await ma.shoot("entry-pasted")
    await write(ma, "report-number", "110-20261124-0007")
    await tab_to(ma, "victim-name")
    await write(ma, "victim-name", "张三")
    await tab_to(ma, "victim-id_number")
    await write(ma, "victim-id_number", "11010519491231002X")
    await write(ma, "victim-phone", "13800138000")
    await write(ma, "from_account", "6228480402564890018")
    await tab_to(ma, "p1-bank_code")
    await write(ma, "p1-bank_code", "102100099995")
    await expect(ma.page.locator("#p1-bank_code-fault")).to_contain_text("校验位不符")
    await ma.page.locator('[name="p1-bank_code"]').fill("102100099996")
    await ma.keyboard.press("Tab")
    await expect(ma.page.locator("#p1-bank_code-fault")).to_have_count(0)
    await tab_to(ma, "o1-name")
    for place in (1, 2):
        await write(ma, f"o{place}-name", "王一" if place == 1 else "赵二")
        await write(ma, f"o{place}-certificate", f"P000{place}")
        await write(ma, f"o{place}-phone", f"1380013800{place}")
    # The dialogue of a file belongs to the system; a browser under test is given the file.
    await ma.page.locator("#identity").set_input_files(paper)
    await ma.page.locator("#stop_form").set_input_files(paper)
    await ma.page.locator("#stop_form").focus()
    await press(ma, "录入案件 Enter")
    await expect(ma.page.locator(".done")).to_contain_text("案件已录入")
    case = ma.page.url.partition("?")[0].rpartition("/")[2]
    assert ma.errors == []

    await ma.goto("/freeze")
    await ma.keyboard.press("1")
    await expect(ma.page.locator("h1")).to_contain_text("提交止付申请")
    await expect(ma.page.locator("#reason")).to_be_focused()
    await press(ma, "提交止付申请")
    await expect(ma.page.locator("#m1 .badge").first).to_contain_text("待审批")

    li = await sit_down(browser, at, "li", viewport={"width": 390, "height": 844})
    await li.keyboard.press("j")
    await expect(li.page.locator("a.next")).to_be_focused()
    await li.keyboard.press("Enter")
    await expect(li.page.locator("h1")).to_contain_text("批准紧急止付")
    await expect(li.page.locator(".check")).to_contain_text("没有未满足的规则")
    await li.keyboard.press("Enter")  # the button has the focus
    await expect(li.page.locator("#m1 .badge").first).to_contain_text("已批准")
    await li.goto("/freeze")
    await li.keyboard.press("1")
    await expect(li.page.locator("h1")).to_contain_text("发送紧急止付")
    await li.keyboard.press("Enter")
    await expect(li.page.locator("#m1 .badge").first).to_contain_text("已发送，银行未受理")
    view = (await at.case_view(case)).measures[0]
    assert (view.state, view.prepared_by, view.approved_by) == ("sent", "user:ma", "user:li")
    assert li.errors == []


SIZES: list[tuple[str, dict[str, Any]]] = [
    (f"{width}-{scheme}", {"viewport": {"width": width, "height": 844}, "color_scheme": scheme})
    for width in (1280, 390)
    for scheme in ("dark", "light")
]


async def test_every_page_is_accessible_at_every_size_in_light_and_dark(
    at: Station, browser: Browser
) -> None:
    case = await at.case([CARD, SECOND_CARD], minutes=45)
    await at.stopped(case)
    ma = await at.by("ma")
    await case.measure("m1").extend(by=ma, reason="资金正在转移")
    pages = {
        "board": "/freeze",
        "found": "/freeze?q=0128",
        "new": "/freeze/new",
        "case": f"/freeze/case/{case.id}",
        "submit": f"/freeze/case/{case.id}/m2/submit",
        "approve": f"/freeze/case/{case.id}/m1/approve",
        "correct": f"/freeze/case/{case.id}/m2/correct",
        "file": f"/freeze/case/{case.id}/case/file",
    }
    for name, options in SIZES:
        seat = await sit_down(browser, at, "ma", **options)
        for page, path in pages.items():
            await seat.goto(path)
            if page in {"board", "case"}:
                await expect(seat.page.locator("#link")).to_contain_text("实时")
            await seat.shoot(f"{page}-{name}")
            assert await seat.axe() == [], (page, name)
            assert await seat.sideways() <= 0, (page, name)
            assert await seat.small() == [], (page, name)
        await seat.goto(f"/freeze/case/{case.id}/m1/approve")  # his own: refused
        await seat.page.get_by_role("button", name="批准").press("Enter")
        await expect(seat.page.locator("#faults")).to_be_focused()
        await seat.shoot(f"refused-{name}")
        assert await seat.axe() == [], name
        await seat.goto(f"/freeze/case/{case.id}")
        await seat.page.get_by_role("button", name="显示完整信息").press("Enter")
        await expect(seat.page.locator("main")).to_contain_text("13800138000")
        assert await seat.axe() == [], name
        assert await seat.sideways() <= 0, name
        assert seat.errors == []
        await seat.context.close()


async def test_the_focus_stays_on_its_row_while_the_board_changes(
    at: Station, browser: Browser
) -> None:
    first = await at.case([CARD], minutes=10)
    seat = await sit_down(browser, at, "ma")
    await expect(seat.page.locator("#link")).to_contain_text("实时")
    step = seat.page.locator(f"#row-{first.id}-m1 a.next")
    await seat.keyboard.press("j")
    await expect(step).to_be_focused()
    await seat.page.evaluate(
        """() => { window.empty = 0; window.drawn = 0;
        const look = () => { window.drawn++;
          for (const c of document.querySelectorAll('.clock')) if (!c.textContent) window.empty++;
          requestAnimationFrame(look); };
        requestAnimationFrame(look); }"""
    )
    second = await at.case([SECOND_CARD], minutes=25, number="110-20261124-0012")
    rows = seat.page.locator("tbody tr")
    await expect(rows.first).to_have_id(f"row-{second.id}-m1")
    await expect(step).to_be_focused()
    ma = await at.by("ma")
    await first.measure("m1").submit(by=ma)
    await expect(step).to_contain_text("批准紧急止付")
    await expect(rows.first).to_have_id(f"row-{first.id}-m1")  # it moved itself
    await expect(step).to_be_focused()
    assert await seat.page.evaluate("window.empty") == 0
    assert await seat.page.evaluate("window.drawn") > 10
    clock = seat.page.locator(f"#row-{second.id}-m1 .count")
    await expect(clock).to_contain_text("30 分钟录入")
    before = await clock.locator(".clock").text_content()
    await expect(clock.locator(".clock")).not_to_have_text(before or "")
    await seat.goto(f"/freeze/case/{first.id}")
    await expect(seat.page.locator("#link")).to_contain_text("实时")
    reject = seat.page.get_by_role("link", name="退回紧急止付")
    await reject.focus()
    await first.measure("m1").approve(by=await at.by("li"))
    await expect(seat.page.locator("#m1 .badge").first).to_contain_text("已批准，未发送")
    await expect(seat.page.locator("#history li").first).to_contain_text("li 批准")
    assert seat.errors == []


async def test_the_keys_can_be_turned_off_and_are_explained(at: Station, browser: Browser) -> None:
    _ = await at.case()
    seat = await sit_down(browser, at, "ma")
    await seat.keyboard.press("?")
    await expect(seat.page.locator("dialog")).to_be_visible()
    await seat.keyboard.press("Escape")
    await seat.keyboard.press("/")
    await expect(seat.page.locator("#q")).to_be_focused()
    await seat.keyboard.type("j1n")
    await expect(seat.page.locator("#q")).to_have_value("j1n")
    await seat.page.locator("#keys-toggle").press("Enter")
    await expect(seat.page.locator("#keys-toggle")).to_contain_text("关")
    await seat.keyboard.press("j")
    await expect(seat.page.locator("#keys-toggle")).to_be_focused()
    await seat.keyboard.press("?")
    await expect(seat.page.locator("dialog")).to_be_hidden()


async def test_the_entry_is_whole_without_a_script(
    at: Station, browser: Browser, tmp_path: Path
) -> None:
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(PDF)
    seat = await sit_down(browser, at, "ma", java_script_enabled=False)
    await seat.goto("/freeze/new")
    page = seat.page
    when = f"{at.clock.now():%Y年%m月%d日}00时01分"
    await page.locator("#paste").fill(SMS.replace("11月24日16时40分", when))
    await page.get_by_role("button", name="识别并填入").press("Enter")
    given = {
        "report-number": "110-20261124-0007",
        "victim-name": "张三",
        "victim-id_number": "11010519491231002X",
        "victim-phone": "13800138000",
        "from_account": "6228 4804 0256 4890 018",
        "p1-bank_code": "102100099996",
        "o1-name": "王一",
        "o1-certificate": "P0001",
        "o1-phone": "13800138001",
        "o2-name": "赵二",
        "o2-certificate": "P0001",
        "o2-phone": "13800138002",
    }
    for name, text in given.items():
        await page.locator(f'[name="{name}"]').fill(text)
    await page.locator("#identity").set_input_files(paper)
    await page.locator("#stop_form").set_input_files(paper)
    await page.get_by_role("button", name="再加一个收款账户").press("Enter")
    await page.locator('[name="p2-number"]').fill("6217000010012345675")
    await page.locator('[name="p2-name"]').fill("王五")
    await page.locator('[name="p2-bank_code"]').fill("103100000026")
    await page.locator('[name="p2-amount"]').fill("1.2万")
    await page.locator('[name="p2-at"]').fill(f"{at.clock.now():%Y-%m-%d}T00:02")
    await page.get_by_role("button", name="录入案件 Enter").press("Enter")
    # Two faults, each with a way to its field; nothing typed or chosen is lost.
    await expect(page.locator("#faults")).to_contain_text("请更正 2 处")
    await expect(page.locator("#p2-number-fault")).to_contain_text("校验位不符")
    await expect(page.locator("#o2-certificate-fault")).to_contain_text("须为两人")
    await expect(page.locator("#stop_form-field")).to_contain_text("已收到 paper.pdf")
    await expect(page.locator('[name="p2-amount"]')).to_have_value("1.2万")
    assert await page.locator('#faults a[href="#p2-number"]').count() == 1
    await seat.shoot("entry-faults")
    await page.locator('[name="p2-number"]').fill(SECOND_CARD)
    await page.locator('[name="o2-certificate"]').fill("P0002")
    await page.get_by_role("button", name="录入案件 Enter").press("Enter")
    await expect(page.locator(".done")).to_contain_text("案件已录入")
    await expect(page.locator("#documents li")).to_have_count(2)
    await expect(page.locator("article.measure")).to_have_count(2)
    await expect(page.locator("#m2")).to_contain_text("¥12,000.00")
    text = await page.locator("main").inner_text()
    assert "13800138000" not in text
    assert SECOND_CARD not in text.replace(" ", "")
