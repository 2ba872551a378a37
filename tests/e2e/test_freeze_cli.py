"""A detective at the terminal, a real daemon, two officers: on paper, and with the power cut."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import fzalert
from fzalert.access.keys import FileSigner
from fzalert.clock import SystemClock
from fzalert.config import read_settings
from fzalert.service import freeze_models as asks
from fzalert.service import open_or_connect
from fzalert.testing.house import House
from fzalert.testing.processes import Ended, Program, Site
from tests.e2e.test_freeze_service import Station
from tests.unit.freezing import CARD

CONFIG = """
[web]
port = 0
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
prefecture = "1101"
duty_phone = "010-12345678"
"""
CASE = """
[report]
number = "110-20261124-0007"
at = {report}
[victim]
name = "张三"
id_number = "11010519491231002X"
phone = "13800138000"
[[officers]]
name = "王一"
certificate = "P0001"
phone = "13800138001"
[[officers]]
name = "赵二"
certificate = "P0002"
phone = "13800138002"
role = "assisting"
[[documents]]
type = "identity"
file = "paper.pdf"
[[documents]]
type = "stop-form"
file = "paper.pdf"
[[accounts]]
kind = "card"
number = "6222021234567890128"
name = "李四"
bank_code = "102100099996"
bank_name = "中国工商银行"
[[accounts.inflow]]
from_account = "6228480402564890018"
from_name = "张三"
amount = 50000.00
at = {paid}
serials = ["20261124SERIAL01"]
"""
SLIP = (
    "【工商银行】您尾号0018的卡11月24日16:40向李四(账号6222021234567890128)转账人民币50,000.00元，"
    "流水号20261124SERIAL01。"
)


class Terminal:
    """A folder with a case in it, and the commands that are typed there."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def run(self, *words: str, by: str = "") -> Ended:
        token = ("--token-file", f"{by}.token") if by else ()
        return await self.site.fzalert("--json", "freeze", *words, *token)

    async def ok(self, *words: str, by: str = "ma") -> list[dict[str, Any]]:
        ended = await self.run(*words, by=by)
        assert ended.code == 0, ended
        return [json.loads(line) for line in ended.out.splitlines()]

    async def no(self, *words: str, by: str, code: int = 4) -> dict[str, Any]:
        ended = await self.run(*words, by=by)
        assert ended.code == code, ended
        found: dict[str, Any] = json.loads(ended.err.splitlines()[-1])["error"]
        return found

    async def opened(self) -> str:
        (case,) = await self.ok("new", "case.toml")
        return str(case["id"])

    async def state(self, case: str) -> dict[str, Any]:
        (found,) = await self.ok("status", case)
        measure: dict[str, Any] = found["measures"][0]
        return measure


@pytest.fixture
async def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.config.write_text(CONFIG, encoding="utf-8")
    now = SystemClock().now()
    text = CASE.format(
        report=(now - timedelta(minutes=5)).isoformat(),
        paid=(now - timedelta(minutes=20)).isoformat(),
    )
    (tmp_path / "case.toml").write_text(text, encoding="utf-8")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7 made up")
    async with open_or_connect(read_settings(site.config), delivers=False) as api:
        for name in ("ma", "li"):
            token = await api.add_user(name, ["detective"])
            (tmp_path / f"{name}.token").write_text(token, encoding="utf-8")
    return site


@pytest.fixture
async def daemon(site: Site) -> AsyncIterator[Program]:
    async with site.daemon() as daemon:
        yield daemon


@pytest.mark.usefixtures("daemon")
async def test_a_report_becomes_a_stop_that_is_confirmed_by_hand(site: Site) -> None:
    terminal = Terminal(site)
    assert await terminal.ok("check", "case.toml", by="") == []
    case = await terminal.opened()
    application = f"{case}-m1-1"
    (found,) = await terminal.ok("submit", case)
    assert found["measures"][0]["account"] == "622202*********0128"
    # The same person may not approve, and is told by which rule.
    refused = await terminal.no("approve", case, by="ma")
    assert [one["guard"] for one in refused["guards"]] == ["second-person"]
    assert all(one["zh"] and one["source"] for one in refused["guards"])
    await terminal.ok("approve", case, by="li")
    paper, _ = await terminal.ok("send", case)
    assert (site.folder / paper["file"]).read_bytes().startswith(b"%PDF-1.")
    assert (site.folder / paper["file"]).stat().st_mode & 0o077 == 0
    told = ("--code", "0000", "--account", CARD, "--grade", "B")
    await terminal.ok("receipt", case, application, *told)
    measure = await terminal.state(case)
    assert (measure["state"], measure["next"]["deadline"]) == ("stopped", "stop-expiry")
    (row,) = await terminal.ok("board")
    assert (row["case"], row["measure"]["next"]["zh"]) == (case, "决定：冻结、延期或解除")
    (whole,) = await terminal.ok("status", case, "--reveal")
    assert whole["victim"] == "张三"
    (trail,) = await terminal.ok("trace", case)
    assert trail["estimate"] == "50000.00"
    history = await terminal.ok("status", case, "--history")
    assert [one["event"] for one in history if one["event"].startswith("instruction")] == [
        "instruction.prepared",
        "instruction.approved",
        "instruction.sent",
        "instruction.answered",
    ]
    (bundle,) = await terminal.ok("bundle", case)
    (report,) = await terminal.ok("verify", bundle["file"], by="")
    assert report["papers"] == [f"{application}.pdf"]
    altered = bytearray((site.folder / bundle["file"]).read_bytes())
    altered[len(altered) // 2] ^= 1
    (site.folder / "altered.zip").write_bytes(altered)
    await terminal.no("verify", "altered.zip", by="", code=9)


@pytest.mark.usefixtures("daemon")
async def test_who_is_behind_a_case_is_named_later_and_a_file_is_entered_once(site: Site) -> None:
    terminal = Terminal(site)
    text = (site.folder / "case.toml").read_text(encoding="utf-8")
    head, first, rest = text.partition("[[officers]]")
    officers, documents, tail = (first + rest).partition("[[documents]]")
    (site.folder / "late.toml").write_text(head + documents + tail, encoding="utf-8")
    (site.folder / "officers.toml").write_text(officers, encoding="utf-8")
    twice = [await terminal.ok("new", "late.toml", "--key", "report-7") for _ in range(2)]
    (one,), (same,) = twice
    assert (one["id"], one["version"]) == (same["id"], same["version"])
    assert len(same["measures"]) == 1
    case = one["id"]
    await terminal.ok("submit", case)
    refused = await terminal.no("approve", case, by="li")
    assert [guard["guard"] for guard in refused["guards"]] == ["two-officers"]
    (named,) = await terminal.ok("officers", case, "officers.toml")
    assert len(named["officers"]) == 2
    told = ("--unit", "青山县公安局", "--code", "110105000000", "--phone", "010-87654321")
    (known,) = await terminal.ok("duty", case, *told)
    assert known["duty_phone"] == "010-87654321"
    (moved,) = await terminal.ok("complaint", case, "m1", "--number", "申诉-7")
    assert "appeal" in moved["measures"][0]["flags"]
    await terminal.ok("approve", case, by="li")
    # What a bank's desk is given is the key that the daemon signs with.
    (key,) = await terminal.ok("key", by="")
    assert (
        FileSigner.load(read_settings(site.config).data_directory / "signing.key").public_key.hex()
        == key["public_key"]
    )


@pytest.mark.usefixtures("daemon")
async def test_what_is_wrong_in_a_file_is_named_and_nothing_is_opened(site: Site) -> None:
    terminal = Terminal(site)
    text = (site.folder / "case.toml").read_text(encoding="utf-8")
    wrong = text.replace("amount = 50000.00", "amount = 0").replace('"13800138000"', '"x"')
    (site.folder / "wrong.toml").write_text(wrong, encoding="utf-8")
    refused = await terminal.no("new", "wrong.toml", by="ma", code=2)
    assert "accounts.0.inflow.0.amount" in refused["text"]
    assert "victim.phone" in refused["text"]
    bad = text.replace("6222021234567890128", "6222021234567890127")
    (site.folder / "bad.toml").write_text(bad, encoding="utf-8")
    ended = await terminal.run("check", "bad.toml")
    assert ended.code == 4
    assert "6222021234567890127" not in ended.out
    assert await terminal.ok("board") == []
    (site.folder / "slip.txt").write_text(SLIP, encoding="utf-8")
    (draft,) = await terminal.ok("paste", "slip.txt", by="")
    assert (draft["payee_number"], draft["amount"]) == (CARD, "50000.00")


async def test_a_power_cut_between_any_two_steps_loses_nothing_and_sends_once(site: Site) -> None:
    """Killed after each step; the step that is asked again does not happen twice."""
    house = House(site.folder)
    tokens = {
        name: (site.folder / f"{name}.token").read_text(encoding="utf-8").strip()
        for name in ("ma", "li")
    }
    async with site.daemon() as daemon, site.client() as client:
        station = Station(house, client, tokens)
        case = await station.opened()
        await station.prepared(case)
        await station.change("li", asks.ApproveAsk(case=case, measure="m1"))
        await daemon.kill()
    async with site.daemon() as daemon, site.client() as client:
        station = Station(house, client, tokens)
        shown = await station.change("ma", asks.ShowAsk(case=case))
        assert shown.measures[0].stage == "approved"
        await station.ask("ma", asks.SendAsk(case=case))
        await daemon.kill()
    receipt = station.receipt(case, grade="C", proof="call 7")
    async with site.daemon() as daemon, site.client() as client:
        station = Station(house, client, tokens)
        shown = await station.change("ma", asks.ShowAsk(case=case))
        assert shown.measures[0].stage == "sent"
        with pytest.raises(fzalert.InputError, match="Nothing of the case waits"):
            await station.ask("ma", asks.SendAsk(case=case))
        await station.change("ma", receipt)
        await daemon.kill()
    async with site.daemon(), site.client() as client:
        station = Station(house, client, tokens)
        again = await station.change("ma", receipt)
        assert again.measures[0].state == "stopped"
        assert again.measures[0].receipts == [f"{case}-m1-1 0000 C"]
        told = await station.ask("ma", asks.HistoryAsk(case=case))
        history = [one.event for one in told.events]
        assert history.count("instruction.sent") == 1
        assert history.count("instruction.answered") == 1
        assert history.count("instruction.answer-repeated") == 1
    ended = await site.fzalert("evidence", "verify")
    assert ended.code == 0, ended
