"""Fake banks: every reaction of the scenario through a real case, over real mutual TLS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from stdnum import luhn

import fzalert
from fzalert.access import Actor, Directory
from fzalert.cli import main
from fzalert.clock import SystemClock
from fzalert.desk.simulation import count_log, read_scenario
from fzalert.desk.simulation.scenario import Chances, Does
from fzalert.freeze.events import TermsData
from fzalert.freeze.values import AttachmentType
from fzalert.service import Fzalert
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_handle import CaseHandle, MeasureHandle
from fzalert.service.freeze_models import MeasureView
from fzalert.service.models import UserChange
from fzalert.testing.processes import Program, Site, ask_until
from tests.unit.freezing import BANK, OFFICERS, OTHER_BANK, REPORT, VICTIM, account, transfer

PDF = b"%PDF-1.7 made up"
CONFIG = """
[web]
port = 0
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
prefecture = "1101"
duty_phone = "010-12345678"
"""


def card(number: int) -> str:
    """A card with a right check digit and the prefix of the bank that tests use."""
    body = f"622202{number:012d}"
    return body + luhn.calc_check_digit(body)


class Row(NamedTuple):
    """One reaction to a stop: the rule's lines, and where the measure must end."""

    rule: str
    state: str
    code: str
    flags: frozenset[str] = frozenset()


STOPS = (
    Row('does = "done"', "stopped", "0000"),
    Row('does = "done"\ncode = "0900"', "stopped", "0900"),
    Row('does = "done"\ntwice = true', "stopped", "0000"),
    Row('does = "partial"', "stopped", "1200", frozenset({"partial"})),
    Row('does = "mismatch-name"', "mismatch", "0301"),
    Row('does = "mismatch-account"', "mismatch", "0300"),
    Row('does = "mismatch-amount"', "mismatch", "0200"),
    Row('does = "mismatch-identity"', "mismatch", "0100"),
    *(
        Row(f'does = "refuse"\ncode = "{code}"', "refused", code)
        for code in ("0302", "0400", "0600", "1300")
    ),
    Row('does = "held"', "refused", "1301", frozenset({"held-elsewhere"})),
    Row('does = "count"', "refused", "1304"),
    Row('does = "again"', "refused", "1101"),
    Row('does = "over"', "refused", "1800"),
    Row('does = "silent"', "acked", ""),
    Row('does = "broken"', "acked", ""),
)
MARGINS = (4, 40, 120)
"""Seconds from a stop to its end, for the late answer; a starved machine takes a longer one."""
FREEZES = ("done", "partial", "queued", "refuse")


def scenario(folder: Path) -> str:
    lines = ["seed = 7", f'[[bank]]\ncode = "{BANK}"\nname = "工商银行"\nlatency = [0.0, 0.1]']
    for number, row in enumerate(STOPS):
        lines += ["[[bank.rule]]", 'kind = "stop"', f'account = "{card(number)}"', row.rule]
    for number, does in enumerate(FREEZES):
        lines += ["[[bank.rule]]", 'kind = "freeze"', f'account = "{card(100 + number)}"']
        lines += [f'does = "{does}"']
    for number, margin in enumerate(MARGINS):
        number_of = card(200 + number)
        lines += ["[[bank.rule]]", 'kind = "stop"', f'account = "{number_of}"', 'does = "done"']
        lines += [f"since = {48 * 3600 - margin}"]
        lines += ["[[bank.rule]]", 'kind = "extend"', f'account = "{number_of}"', 'does = "done"']
        lines += [f'after_file = "{folder / "late"}"']
    lines += [f'[[bank]]\ncode = "{OTHER_BANK}"\n[[bank.rule]]\ndoes = "deaf"']
    return "\n".join(lines)


class Station:
    """A case at a police station, and what its people do."""

    def __init__(self, fz: Fzalert, tokens: Mapping[str, str]) -> None:
        self.fz = fz
        self.tokens = tokens
        self.case: CaseHandle

    async def by(self, name: str) -> Actor:
        return await self.fz.actor(self.tokens[name])

    async def open(self) -> None:
        ma = await self.by("ma")
        report = REPORT.model_copy(update={"at": _now() - timedelta(minutes=5)})
        self.case = await self.fz.freeze.open_case(report=report, victim=VICTIM, by=ma)
        await self.case.name_officers(OFFICERS, by=ma)
        for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
            await self.case.attach(PDF, type=kind, by=ma)

    async def add(self, number: str, **more: object) -> MeasureHandle:
        paid = [transfer(at=_now() - timedelta(minutes=20))]
        ma = await self.by("ma")
        return await self.case.add_account(account(number, **more), inflow=paid, by=ma)

    async def send(self, *measures: MeasureHandle) -> None:
        for one in measures:
            await one.submit(by=await self.by("ma"), reason="资金正在转移")
            await one.approve(by=await self.by("zhao"))
        assert await self.case.send(by=await self.by("ma")) == []

    async def view(self, measure: MeasureHandle) -> MeasureView:
        found = await self.fz.freeze.case(self.case.id, by=await self.by("ma"))
        return found.measure(measure.id).view

    async def state(self, measure: MeasureHandle, *states: str) -> MeasureView:
        async def reached() -> MeasureView | None:
            view = await self.view(measure)
            return view if view.state in states else None

        return await ask_until(reached, f"{measure.id} is {' or '.join(states)}")

    async def events(self, measure: MeasureHandle) -> list[str]:
        history = await self.case.history(by=await self.by("ma"))
        return [one.event for one in history if one.measure == measure.id]


def _now() -> datetime:
    return SystemClock().now()


async def _hired(fz: Fzalert) -> dict[str, str]:
    tokens = {}
    for name, role, rank in (("ma", "detective", "station"), ("zhao", "approver", "prefecture")):
        change = UserChange(action="add", name=name, roles=[role], rank=rank)
        tokens[name] = await fz.api.change_user(change)
    return tokens


async def _ready(site: Site, banks: Program) -> dict[str, Any]:
    told = await banks.ready()
    conf = site.folder / "conf.d"
    conf.mkdir()
    shutil.copy(told["channel"], conf / "banks.toml")
    return told


async def test_every_reaction_of_the_scenario_ends_in_its_state(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.config.write_text(CONFIG, encoding="utf-8")
    (tmp_path / "scenario.toml").write_text(scenario(tmp_path), encoding="utf-8")
    words = ["simulate", "bank", "--port", "0", "--scenario", "scenario.toml"]
    async with site.program("fzalert.cli", words) as banks:
        told = await _ready(site, banks)
        async with site.daemon(), site.client() as client:
            fz = Fzalert(client, Directory().local_actor(), owns_store=False)
            station = Station(fz, await _hired(fz))
            await station.open()
            deaf = await station.add(
                "6228480402564890018", bank_code=OTHER_BANK, bank_name="中国农业银行"
            )
            stops = [await station.add(card(number)) for number in range(len(STOPS))]
            freezes = [await station.add(card(100 + number)) for number in range(len(FREEZES))]
            await station.send(deaf, *stops, *freezes)
            for measure, row in zip(stops, STOPS, strict=True):
                view = await station.state(measure, row.state)
                assert row.flags <= set(view.flags), row
                codes = [one.split()[1] for one in view.receipts]
                assert codes[-1:] == [row.code] * bool(row.code), row
            await _frozen(station, freezes)
            await _late(station, tmp_path)
            # The deaf bank has the package and says nothing; it has cost the others nothing.
            assert (await station.view(deaf)).state == "sent"
            twice = await station.events(stops[2])
            assert twice.count("instruction.answered") == 1
            assert "instruction.answer-repeated" in twice
        ended = await banks.stop()
    assert ended.code == 0, ended.err
    counted = count_log(Path(told["log"]))
    in_force = sum(row.state == "stopped" for row in STOPS) + len(FREEZES)
    late = counted[BANK].stopped - in_force
    assert 1 <= late <= len(MARGINS)
    assert counted[OTHER_BANK].stopped == 0
    assert counted[OTHER_BANK].faults >= 1
    assert "模拟工商银行" in ended.out
    _masked(Path(told["log"]))


def _masked(log: Path) -> None:
    text = log.read_text(encoding="utf-8")
    assert all(json.loads(line)["mark"] == "模拟" for line in text.splitlines())
    assert not any(card(number) in text for number in range(len(STOPS)))


async def _frozen(station: Station, measures: list[MeasureHandle]) -> None:
    ma = await station.by("ma")
    for measure in measures:
        await station.state(measure, "stopped")
    await station.case.file(
        "A1101050000002026110001",
        at=_now(),
        decision=PDF,
        legal_basis=["中华人民共和国反电信网络诈骗法第二十条"],
        by=ma,
    )
    end = _now() + timedelta(days=90)
    for measure in measures:
        terms = TermsData(amount=Decimal(50000), end=end)
        await measure.convert(terms, by=ma, reason="转为冻结")
        await measure.approve(by=await station.by("zhao"))
    await station.case.send(by=ma)
    done, partial, queued, refused = measures
    assert (await station.state(done, "frozen")).frozen == Decimal(50000)
    view = await station.state(partial, "frozen")
    assert (view.frozen, "partial" in view.flags) == (Decimal(20000), True)
    await station.state(queued, "queued")

    async def refused_once() -> bool:
        return len((await station.view(refused)).receipts) == 2

    await ask_until(refused_once, "the freeze is refused")
    assert (await station.view(refused)).state == "stopped"


async def _late(station: Station, folder: Path) -> None:
    """An answer that comes after the stop has ended opens the measure again, and says so."""
    for number in range(len(MARGINS)):
        measure = await station.add(card(200 + number))
        await station.send(measure)
        await station.state(measure, "stopped", "expired")
        try:
            ma = await station.by("ma")
            await measure.extend(by=ma, reason="尚未立案")
            await measure.approve(by=await station.by("zhao"))
            await station.case.send(by=ma)
        except fzalert.GuardsUnmet:
            continue  # too slow for this one; the next stop ends later
        await station.state(measure, "expired")
        (folder / "late").touch()
        view = await station.state(measure, "stopped")
        assert "late-receipt" in view.flags
        return
    raise AssertionError("no extension was sent before its stop had ended")


async def test_the_books_find_what_differs_and_chances_follow_their_seed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.config.write_text(CONFIG, encoding="utf-8")
    right, wrong = card(1), card(2)
    (tmp_path / "scenario.toml").write_text(
        f"""
[[bank]]
code = "{BANK}"
latency = [0, 0.1]
[[bank.account]]
number = "{right}"
name = "李四"
balance = "18000.00"
paid = "50000.00"
[[bank.account.outflows]]
account = {{ kind = "card", number = "{card(3)}", name = "钱七", bank_code = "{BANK}" }}
[bank.account.outflows.transfer]
from_account = "{right}"
amount = "32000.00"
at = 2026-11-24T17:00:00+08:00
[[bank.account]]
number = "{wrong}"
name = "李四光"
""",
        encoding="utf-8",
    )
    words = ["simulate", "bank", "--port", "0", "--scenario", "scenario.toml"]
    async with site.program("fzalert.cli", words) as banks:
        told = await _ready(site, banks)
        async with site.daemon(), site.client() as client:
            fz = Fzalert(client, Directory().local_actor(), owns_store=False)
            station = Station(fz, await _hired(fz))
            await station.open()
            stopped = await station.add(right)
            differs = await station.add(wrong)
            unknown = await station.add(card(4))
            await station.send(stopped, differs, unknown)
            view = await station.state(stopped, "stopped")
            assert view.balance == Decimal(18000)
            await station.state(differs, "mismatch")
            await station.state(unknown, "mismatch")
            # Corrected and sent again, it is another application, and it is done.
            right_name = asks.CorrectAsk(
                case=station.case.id,
                measure=differs.id,
                account=account(wrong, name="李四光"),
                inflow=(transfer(at=_now() - timedelta(minutes=20)),),
                reason="户名以银行回执为准",
            )
            await station.case.change(right_name, await station.by("ma"))
            await station.send(differs)
            assert (await station.state(differs, "stopped")).application_id.endswith("-2")
        assert (await banks.stop()).code == 0
    assert count_log(Path(told["log"]))[BANK].stopped == 2


ONE = f'[[bank]]\ncode = "{BANK}"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 1", "bank: Field required"),
        ('[[bank]]\ncode = "12"', "bank.0.code"),
        (f'[[bank]]\ncode = "{BANK}"\n[[bank]]\ncode = "{BANK}"', "two banks"),
        (
            f'[[bank]]\ncode = "{BANK}"\n[[bank.rule]]\ndoes = "done"\ncode = "0400"',
            "not what done",
        ),
        (f'[[bank]]\ncode = "{BANK}"\n[bank.chances]\nrefuse = 0.7\nsilent = 0.6', "more than all"),
        ("[[bank]", "no TOML"),
    ],
)
def test_a_wrong_scenario_says_where(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(fzalert.InputError, match=words):
        read_scenario(path)


def test_the_same_seed_draws_the_same() -> None:
    chances = Chances(refuse=0.2, silent=0.2, twice=0.5)
    drawn = [[chances.draw(Random(f"{s}/{n}")) for n in range(300)] for s in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    shares = [sum(rule.does is does for rule in drawn[0]) / 300 for does in Does]
    assert 0.1 < shares[list(Does).index(Does.REFUSE)] < 0.3
    assert 0.4 < shares[list(Does).index(Does.BOOKS)] < 0.8


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--refuse", "0.7", "--silent", "0.6"], "more than all"),
        (["--refuse", "2"], "refuse"),
        (["--banks", "99"], "more in a scenario"),
        (["--scenario", "missing.toml"], "cannot be read"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused_before_anything_opens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    folder = tmp_path / "banks"
    sender = ["--sender", "ab" * 32, "--folder", str(folder)]
    assert main(["simulate", "bank", *sender, *words]) == 2
    assert why in capsys.readouterr().err
    assert not folder.exists()
