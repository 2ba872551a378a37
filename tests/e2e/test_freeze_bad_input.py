"""What bad input gets: at the terminal and over HTTP the same refusal, by name, and on record.

Nothing is sent for it, and what stood before stands as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fzalert.cli.app import main
from fzalert.client import connect
from fzalert.service import Service
from fzalert.service import freeze_models as asks
from fzalert.service.models import UserChange
from fzalert.testing.house import House
from fzalert.web import build_app
from fzalert.web.freeze_calls import BASE
from tests.e2e.freeze_scenes import KIND, PDF, Stage
from tests.unit.freezing import CARD, OFFICERS, REPORT, VICTIM, account, transfer

PLAIN = """
[identity]
county = "青山县"
branch = "城关支行"
sign = "城关支行"
[limits.quiet_hours]
enabled = false
[web]
port = 0
"""
UNIT = """
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
prefecture = "1101"
duty_phone = "010-12345678"
"""


@dataclass
class Doors:
    """A station with its terminal and its interface for programs."""

    stage: Stage
    http: httpx.AsyncClient

    async def typed(self, *words: str, by: str = "ma") -> dict[str, Any]:
        """A command that has to fail; what it said."""
        token = ("--token-file", str(self.stage.house.folder / f"{by}.token"))
        code, err = await asyncio.to_thread(self._run, [*words, *token])
        assert code != 0
        found: dict[str, Any] = json.loads(err.strip().splitlines()[-1])["error"]
        return found

    def _run(self, words: list[str]) -> tuple[int, str]:
        err = io.StringIO()
        config = str(self.stage.house.folder / "fzalert.toml")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            code = main(["--config", config, "--json", "freeze", *words], opener=connect)
        return code, err.getvalue()

    async def posted(self, path: str, body: Any = None, by: str = "ma") -> dict[str, Any]:
        """A call that has to fail; its problem."""
        headers = {
            "authorization": f"Bearer {self.stage.tokens[by]}",
            "idempotency-key": uuid.uuid4().hex,
        }
        answer = await self.http.post(BASE + path, headers=headers, json=body)
        assert answer.status_code >= 400, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def file(self, name: str, value: Any) -> str:
        path = self.stage.house.folder / name
        path.write_text(json.dumps(value), encoding="utf-8")
        return str(path)

    async def record(self) -> list[dict[str, Any]]:
        """Everything that was refused so far, in any chain."""
        rooms = self.stage.service._rooms
        assert rooms is not None
        store = rooms.building.store
        found = []
        for name, *_ in await store.chains():
            rows = [json.loads(row.body) for row in await store.evidence(name)]
            found += [one for one in rows if one["what"] in {"case.refused", "case.input-refused"}]
        return found

    async def sent(self) -> int:
        return (await self.stage.service.status()).totals.accepted


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    house = House(tmp_path, toml=UNIT)
    (tmp_path / "fzalert.toml").write_text(PLAIN + UNIT, encoding="utf-8")
    async with Service(house.settings, clock=house.clock, delivers=False) as service:
        stage = Stage(house, service)
        await stage.hire()
        app = build_app(service, house.settings, clock=house.clock)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Doors(stage, http)


def entry(stage: Stage, *, amount: str = "50000.00", ahead: int = 0, **more: Any) -> dict[str, Any]:
    """An account with its transfer, as a program writes it."""
    paid = transfer(at=stage.house.clock.now() - timedelta(minutes=20))
    said = paid.model_dump(mode="json", exclude_defaults=True)
    at = stage.house.clock.now() + timedelta(minutes=ahead or -20)
    made = account(stage.card()).model_dump(mode="json", exclude_defaults=True)
    return {**made, **more, "inflow": [{**said, "amount": amount, "at": at.isoformat()}]}


def split(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "account": {name: value for name, value in entry.items() if name != "inflow"},
        "inflow": entry["inflow"],
    }


Said = dict[str, Any]
Try = Callable[[Doors, str], Awaitable[tuple[Said, Said]]]


def added(**wrong: Any) -> Try:
    """An account with something wrong in it, added to a case."""

    async def ask(doors: Doors, case: str) -> tuple[Said, Said]:
        made = entry(doors.stage, **wrong)
        path = doors.file("add.json", {"accounts": [made]})
        typed = await doors.typed("add", case, path)
        return typed, await doors.posted(f"/cases/{case}/measures", split(made))

    return ask


def submitted(**wrong: Any) -> Try:
    """An account with something wrong in it, whose stop is submitted."""

    async def ask(doors: Doors, case: str) -> tuple[Said, Said]:
        await doors.stage.add(case, **wrong)
        typed = await doors.typed("submit", case, "m2")
        return typed, await doors.posted(f"/cases/{case}/measures/m2/submit", {})

    return ask


def wrong_digit(stage: Stage) -> str:
    right = stage.card()
    return right[:-1] + str((int(right[-1]) + 1) % 10)


async def check_digit(doors: Doors, case: str) -> tuple[Said, Said]:
    return await submitted(number=wrong_digit(doors.stage))(doors, case)


def named(*certificates: str) -> Try:
    async def ask(doors: Doors, case: str) -> tuple[Said, Said]:
        officers = [
            {**one.model_dump(mode="json"), "certificate": certificate}
            for one, certificate in zip(OFFICERS, certificates, strict=False)
        ]
        now = doors.stage.house.clock.now()
        report = REPORT.model_copy(update={"at": now}).model_dump(mode="json")
        whole = {"report": report, "victim": VICTIM.model_dump(mode="json"), "officers": officers}
        typed = await doors.typed("new", doors.file("case.json", whole))
        return typed, await doors.posted(f"/cases/{case}/officers", {"officers": officers})

    return ask


async def third_stop(doors: Doors, case: str) -> tuple[Said, Said]:
    stage = doors.stage
    await stage.sent(case)
    await stage.do("ma", await stage.receipt(case))
    await stage.sent(case, KIND.EXTEND)
    await stage.do("ma", await stage.receipt(case))
    typed = await doors.typed("extend", case, "m1", "--reason", "再延")
    return typed, await doors.posted(f"/cases/{case}/measures/m1/extend", {"reason": "再延"})


async def no_filing(doors: Doors, case: str) -> tuple[Said, Said]:
    await doors.stage.do("ma", doors.stage.prepare(case, KIND.FREEZE))
    typed = await doors.typed("approve", case, "m1", by="zhao")
    return typed, await doors.posted(f"/cases/{case}/measures/m1/approve", by="zhao")


async def no_filing_number(doors: Doors, case: str) -> tuple[Said, Said]:
    stage = doors.stage
    (stage.house.folder / "paper.pdf").write_bytes(PDF)
    paper = str(stage.house.folder / "paper.pdf")
    typed = await doors.typed("file", case, "", "--decision", paper, "--basis", "反诈法第二十条")
    body = {
        "case_number": "",
        "at": stage.house.clock.now().isoformat(),
        "legal_basis": ["反诈法第二十条"],
        "upload": await stage.put("ma"),
    }
    return typed, await doors.posted(f"/cases/{case}/filing", body)


async def told(doors: Doors, case: str, **wrong: Any) -> dict[str, Any]:
    """A receipt with something wrong in it."""
    await doors.stage.sent(case)
    right = (await doors.stage.receipt(case)).receipt.model_dump(mode="json", exclude_none=True)
    return {**right, **wrong}


async def other_account(doors: Doors, case: str) -> tuple[Said, Said]:
    body = await told(doors, case, account_number=CARD)
    words = ("receipt", case, body["application_id"], "--code", "0000", "--account", CARD)
    return await doors.typed(*words, "--grade", "B"), await doors.posted(
        f"/cases/{case}/receipts", body
    )


async def forged(doors: Doors, case: str) -> tuple[Said, Said]:
    """Only a desk's verified signature is of grade A; the terminal does not even offer it."""
    body = await told(doors, case, grade="A", proof="key of the desk")
    words = ("receipt", case, body["application_id"], "--code", "0x00", "--account", CARD)
    typed = await doors.typed(*words, "--grade", "B")
    return typed, await doors.posted(f"/cases/{case}/receipts", body)


@pytest.mark.parametrize(
    ("ask", "guard", "word", "pointer"),
    [
        (check_digit, "clean", "card-check-digit", ""),
        (submitted(bank_code="102100099997"), "clean", "bank-code-check-digit", ""),
        (submitted(bank_code=""), "clean", "bank-missing", ""),
        (submitted(number="9999991234567890123", kind="card"), "clean", "card-", ""),
        (added(amount="0"), "", "amount", "/inflow/0/amount"),
        (added(ahead=90), "clean", "transfer-future", ""),
        (named("P0001"), "two-officers", "Two officers", ""),
        (named("P0001", "P0001"), "two-officers", "Two officers", ""),
        (third_stop, "stop-count", "as often as the rules allow", ""),
        (no_filing, "filed", "No freeze before the case is filed", ""),
        (no_filing_number, "", "case_number", "/case_number"),
        (other_account, "receipt-account", "another account", ""),
        (forged, "", "", ""),
    ],
    ids=[
        "check-digit",
        "unknown-bank",
        "no-bank",
        "unknown-prefix",
        "amount-zero",
        "transfer-in-the-future",
        "missing-officer",
        "same-officer-twice",
        "third-stop",
        "no-filing",
        "no-filing-number",
        "other-account",
        "forged-receipt",
    ],
)
async def test_bad_input_is_refused_by_name_and_on_record(
    ask: Try, guard: str, word: str, pointer: str, doors: Doors
) -> None:
    case = await doors.stage.opened()
    typed, problem = await ask(doors, case)
    both = [(typed["text"] + typed["hint"], typed), (problem["detail"], problem)]
    for text, said in both:
        assert said["code"] in {"guards-unmet", "input", "invalid"}
        ids = {one.get("guard") or one.get("id") for one in said.get("guards", ())}
        assert (guard in ids) if guard else not ids, said
        for secret in (VICTIM.phone, VICTIM.id_number):
            assert secret not in text
    assert word in both[0][0]
    if guard:
        assert word in both[1][0]
    if pointer:
        assert problem["errors"][0]["pointer"] == pointer
    assert typed["hint"] or problem["detail"], "it says what to do next"
    assert len(await doors.record()) == 2, "each door's refusal is on record, once"
    assert await doors.sent() == 0
    view = await doors.stage.do("ma", asks.ShowAsk(case=case))
    assert view.measures[0].account.startswith("622202")


async def test_a_repeated_receipt_is_noted_and_changes_nothing(doors: Doors) -> None:
    stage = doors.stage
    case = await stage.opened()
    await stage.sent(case)
    ask = await stage.receipt(case)
    first = await stage.do("ma", ask)
    again = await stage.do("ma", ask)
    assert again.measures[0].receipts == first.measures[0].receipts
    assert again.measures[0].stop_no == 1
    events = (await stage.service.freeze(asks.HistoryAsk(case=case), await stage.by("ma"))).events
    assert events[-1].event == "instruction.answer-repeated"


async def test_who_comes_with_an_expired_credential_is_told_so_and_does_nothing(
    doors: Doors,
) -> None:
    stage = doors.stage
    case = await stage.opened()
    made = UserChange(action="add", name="core", roles=["detective"], machine=True, days=0.01)
    stage.tokens["core"] = await stage.service.change_user(made)
    (stage.house.folder / "core.token").write_text(stage.tokens["core"], encoding="utf-8")
    stage.house.clock.set(stage.house.clock.now() + timedelta(minutes=20))
    typed = await doors.typed("submit", case, "m1", by="core")
    problem = await doors.posted(f"/cases/{case}/measures/m1/submit", {}, by="core")
    assert (typed["code"], problem["code"]) == ("credential-expired", "credential-expired")
    assert "renew" in typed["hint"]
    assert "已过期" in problem["detail"]
    view = await stage.do("ma", asks.ShowAsk(case=case))
    assert view.measures[0].state == "draft"


async def test_what_was_typed_never_comes_on_record(doors: Doors) -> None:
    case = await doors.stage.opened()
    body = {**split(entry(doors.stage)), VICTIM.phone: 1}
    await doors.posted(f"/cases/{case}/measures", body)
    await doors.posted(f"/cases/{VICTIM.phone}/measures/m1/submit", {"reason": 5})
    await doors.posted(f"/cases/{case[:4]}/measures/m1/submit", {"reason": 5})
    rows = await doors.record()
    assert [one["fields"] for one in rows] == [["?"], ["reason"], ["reason"]]
    assert [one.get("case") for one in rows] == [case, None, None], "how an id begins is no case"
    assert VICTIM.phone not in json.dumps(rows)
