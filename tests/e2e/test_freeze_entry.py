"""The entry page beside its happy way: cut in the middle, and what it fills in and asks about."""

import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from fzalert.freeze.values import AttachmentType, mask_number
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_uploads import AT_ONCE
from tests.e2e.freeze_pages import (
    CARD,
    PDF,
    SECOND_CARD,
    SMS,
    Seat,
    Station,
    Visitor,
    chromium,
    sit_down,
    station,
    visitor,
)

PAPERS = {
    "identity": ("id.pdf", PDF, "application/pdf"),
    "stop_form": ("form.pdf", PDF + b" 2", "application/pdf"),
}


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Station]:
    async with station(tmp_path) as found:
        yield found


@pytest.fixture
async def ma(at: Station) -> AsyncIterator[Visitor]:
    async with visitor(at, "ma") as found:
        yield found


def written(at: Station, **more: str) -> dict[str, str]:
    """A whole form."""
    now = at.clock.now().astimezone()
    return {
        "once": secrets.token_hex(16),
        "accounts": "1",
        "do": "enter",
        "report-number": "110-20261124-0007",
        "report-at": now.isoformat(),
        "victim-name": "张三",
        "victim-id_number": "11010519491231002X",
        "victim-phone": "13800138000",
        "from_account": "6228480402564890018",
        "p1-number": CARD,
        "p1-name": "李四",
        "p1-bank_code": "102100099996",
        "p1-amount": "50000",
        "p1-at": now.isoformat(),
        "p1-serial": "20261124SERIAL01",
        **{f"o{n}-name": f"民警{n}" for n in (1, 2)},
        **{f"o{n}-certificate": f"P000{n}" for n in (1, 2)},
        **{f"o{n}-phone": f"1380013800{n}" for n in (1, 2)},
        **more,
    }


async def pressed(who: Visitor, form: dict[str, str]) -> httpx.Response:
    return await who.web.post("/freeze/new", data=form, files=PAPERS)


async def test_an_entry_that_was_cut_goes_on_in_the_same_case(at: Station, ma: Visitor) -> None:
    # Others have as many documents on their way as the station takes at once.
    other = await at.case(papers=False, number="110-1")
    zhao = await at.by("zhao")
    for number in range(AT_ONCE):
        put = asks.PutAsk(upload=f"{number:08x}", offset=0, data="JVBERi0xLjcK")
        await at.service.freeze(put, zhao)
    form = written(at)
    cut = await pressed(ma, form)
    assert cut.status_code == 422, cut.text
    assert "documents are on their way" in cut.text
    opened = await at.on_record("case.opened")
    assert len(opened) == 2
    changed = await pressed(ma, form | {"victim-name": "李明"})
    assert changed.status_code == 409
    assert "案件已按先前的填写建立" in changed.text
    for number in range(AT_ONCE):
        kind = AttachmentType.IDENTITY
        attach = asks.AttachAsk(case=other.id, type=kind, upload=f"{number:08x}")
        await at.service.freeze(attach, zhao)
    done = await pressed(ma, form)
    assert done.status_code == 303, done.text
    assert await at.on_record("case.opened") == opened
    case = re.split(r"[/?]", done.headers["location"])[3]
    view = await at.case_view(case)
    assert len(view.officers) == 2
    assert sorted(one.type for one in view.documents) == ["03", "04"]
    (one,) = view.measures
    # The bank's name comes from its code, where nobody wrote it.
    assert (one.account, one.institution) == (mask_number(CARD), "中国工商银行")
    again = await pressed(ma, form)
    assert (again.status_code, (await at.case_view(case)).version) == (303, view.version)


async def test_a_paste_fills_in_the_bank_of_the_card(at: Station, ma: Visitor) -> None:
    now = at.clock.now()
    text = f"您尾号0018卡{now:%m月%d日}00:01向李四(账号{CARD})转账人民币50,000.00元"
    page = await ma.act("/freeze/new", {"accounts": "1", "do": "read", "paste": text})
    assert page.status_code == 200
    assert re.search(r'value="102100099996" name="p1-bank_code"', page.text)
    offered = re.findall(r'<option value="(\d{12})">', page.text)
    assert {"102100099996", "105100000017"} <= set(offered)
    # What a person wrote stays.
    kept = {"accounts": "1", "do": "read", "paste": text, "p1-bank_code": "103100000026"}
    page = await ma.act("/freeze/new", kept)
    assert re.search(r'value="103100000026" name="p1-bank_code"', page.text)


async def test_what_protects_an_account_is_said_on_the_page(at: Station, ma: Visitor) -> None:
    living = await pressed(ma, written(at, **{"p1-protected": "livelihood"}))
    assert living.status_code == 303, re.findall(r"<li>.*</li>", living.text)
    case = living.headers["location"].partition("?")[0]
    told = await ma.act(f"{case}/m1/submit")
    assert told.status_code == 422
    assert "保留生活必需费用" in told.text
    reason = {"do": "act", "waive-account-livelihood": "只止付涉案五万元"}
    await ma.did(f"{case}/m1/submit", reason)
    other = {"p1-number": SECOND_CARD, "p1-bank_code": "105100000017", "report-number": "110-8"}
    never = await pressed(ma, written(at, **{"p1-protected": "never", **other}))
    case = never.headers["location"].partition("?")[0]
    refused = await ma.act(f"{case}/m1/submit")
    assert refused.status_code == 403
    assert "第21条" in refused.text


class Typist:
    """Types at a browser and counts the strokes; nothing is focused or filled but by keys.

    What belongs to the system, the clipboard and the dialogue of a file, is given to the browser
    and counted.

    A Chinese character counts four strokes (pinyin and a choice), a letter or digit one.
    """

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.strokes = 0

    async def press(self, keys: str) -> None:
        self.strokes += len(keys.split("+"))
        await self.seat.keyboard.press(keys)

    async def type(self, text: str) -> None:
        self.strokes += sum(1 if one.isascii() else 4 for one in text)
        await self.seat.keyboard.type(text)

    async def paste(self, text: str) -> None:
        """Control and V; a browser under test has no clipboard, and is given the text."""
        self.strokes += 2
        await self.seat.keyboard.insert_text(text)

    async def go_to(self, name: str) -> None:
        """Press Tab until a field has the focus."""
        here = f"document.activeElement.name === '{name}'"
        for _ in range(40):
            if await self.seat.page.evaluate(here):
                return
            await self.press("Tab")
        raise AssertionError(f"Tab never comes to {name}")

    async def write(self, name: str, text: str) -> None:
        await self.go_to(name)
        await self.type(text)

    async def choose(self, name: str, file: Path) -> None:
        """Come to the field; Enter opens the system's dialogue, in which the name is typed.

        The dialogue belongs to the system; a browser under test is given the file.
        """
        await self.go_to(name)
        await self.seat.page.locator(f"#{name}").set_input_files(file)
        self.strokes += 1 + len(file.name) + 1


SLOW = 200
"""Strokes a minute: 40 words, as somebody types who is no typist."""


async def test_a_report_is_entered_by_keys_alone_in_ninety_seconds(
    at: Station, tmp_path: Path
) -> None:
    identity, signed = tmp_path / "id.pdf", tmp_path / "form.pdf"
    identity.write_bytes(PDF)
    signed.write_bytes(PDF + b" 2")
    message = SMS.replace("11月24日16时40分", f"{at.clock.now():%Y年%m月%d日}00时01分")
    async with chromium() as browser:
        seat = await sit_down(browser, at, "ma")
        typist = Typist(seat)
        await typist.press("n")
        await expect(seat.page.locator("#paste")).to_be_focused()
        await typist.paste(message)
        await expect(seat.page.locator("#paste")).to_have_value(message)
        await typist.press("Tab")
        await typist.press("Enter")
        await expect(seat.page.locator('[name="p1-number"]')).to_have_value(CARD)
        await expect(seat.page.locator('[name="p1-bank_code"]')).to_have_value("102100099996")
        await expect(seat.page.locator('[name="report-number"]')).to_be_focused()
        await typist.write("report-number", "110-20261124-0007")
        await typist.write("victim-name", "张三")
        await typist.write("victim-id_number", "11010519491231002X")
        await typist.write("victim-phone", "13800138000")
        await typist.write("from_account", "6228480402564890018")
        for place, name in ((1, "王一"), (2, "赵二")):
            await typist.write(f"o{place}-name", name)
            await typist.write(f"o{place}-certificate", f"P000{place}")
            await typist.write(f"o{place}-phone", f"1380013800{place}")
        await typist.choose("identity", identity)
        await typist.choose("stop_form", signed)
        await typist.press("Tab")
        await typist.press("Enter")
        await expect(seat.page.locator(".done")).to_contain_text("案件已录入")
        case = seat.page.url.partition("?")[0].rpartition("/")[2]
        assert seat.errors == []
    view = await at.case_view(case)
    assert (len(view.measures), len(view.documents), len(view.officers)) == (1, 2, 2)
    seconds = typist.strokes * 60 / SLOW
    print(  # noqa: T201  the figure of docs/freeze.md
        f"\nentry: {typist.strokes} strokes, {seconds:.0f} s at {SLOW} a minute"
    )
    assert seconds <= 90
    # The next one has the officers filled in.
    async with visitor(at, "ma") as ma:
        page = (await ma.web.get("/freeze/new")).text
    assert 'value="P0001"' in page
