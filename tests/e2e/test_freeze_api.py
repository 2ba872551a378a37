"""Freeze requests over HTTP: every act, keys that do it once, proofs, files, and following."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from fzalert.service import Service
from fzalert.service import freeze_models as asks
from fzalert.service.models import UserChange
from fzalert.testing.house import House
from fzalert.web import build_app, freeze_api, freeze_calls
from fzalert.web.freeze_calls import BASE, REPEATED
from fzalert.web.peers import STATE, PeerCertificate
from tests.unit.freezing import CARD, OFFICERS, REPORT, VICTIM, account, transfer

UNIT = """
[freeze]
unit_name = "青山县公安局"
unit_code = "110105000000"
prefecture = "1101"
duty_phone = "010-12345678"
"""
PDF = b"%PDF-1.7 made up"
PEOPLE = (
    ("ma", "detective", "station"),
    ("li", "detective", "county"),
    ("zhao", "approver", "prefecture"),
    ("he", "viewer", "station"),
)


def plain(value: Any) -> Any:
    """What a program would send of a model."""
    return value.model_dump(mode="json", exclude_defaults=True)


class Programs:
    """People with tokens, who call the interface with programs of their own."""

    def __init__(self, house: House, service: Service, http: httpx.AsyncClient) -> None:
        self.house = house
        self.service = service
        self.http = http
        self.tokens: dict[str, str] = {}

    async def hire(self) -> None:
        for name, role, rank in PEOPLE:
            change = UserChange(action="add", name=name, roles=[role], rank=rank)
            self.tokens[name] = await self.service.change_user(change)

    async def post(
        self, by: str, path: str, body: Any = None, *, key: str = "", **more: Any
    ) -> httpx.Response:
        headers = {
            "authorization": f"Bearer {self.tokens[by]}",
            "idempotency-key": key or uuid.uuid4().hex,
            **more.pop("headers", {}),
        }
        more |= {} if body is None else {"json": body}
        return await self.http.post(BASE + path, headers=headers, **more)

    async def get(self, by: str, path: str, **query: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.tokens[by]}"}
        return await self.http.get(BASE + path, headers=headers, params=query)

    async def ok(self, by: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        answer = await self.post(by, path, body, **more)
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def upload(self, by: str, body: bytes = PDF) -> str:
        answer = await self.post(
            by, "/uploads", content=body, headers={"content-type": "application/pdf"}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["upload"])

    async def opened(self, number: str = CARD) -> str:
        now = self.house.clock.now()
        report = plain(REPORT.model_copy(update={"at": now - timedelta(minutes=5)}))
        case = await self.ok("ma", "/cases", {"report": report, "victim": plain(VICTIM)})
        at = f"/cases/{case['id']}"
        await self.ok("ma", f"{at}/officers", {"officers": [plain(one) for one in OFFICERS]})
        for kind in ("04", "03"):
            upload = await self.upload("ma")
            await self.ok("ma", f"{at}/documents", {"type": kind, "upload": upload})
        paid = plain(transfer(at=now - timedelta(minutes=20)))
        body = {"account": plain(account(number)), "inflow": [paid]}
        view = await self.ok("ma", f"{at}/measures", body)
        assert view["measures"][0]["account"] == "622202*********0128"
        return at

    async def stopped(self, number: str = CARD) -> str:
        at = await self.opened(number)
        await self.ok("ma", f"{at}/measures/m1/submit", {"reason": "资金正在转移"})
        await self.ok("li", f"{at}/measures/m1/approve")
        await self.ok("ma", f"{at}/send", {})
        view = await self.ok("ma", f"{at}/receipts", self.receipt(at, number))
        assert view["measures"][0]["state"] == "stopped"
        return at

    def receipt(self, at: str, number: str = CARD, **more: Any) -> dict[str, Any]:
        return {
            "application_id": f"{at.removeprefix('/cases/')}-m1-1",
            "code": "0000",
            "account_number": number,
            "started_at": self.house.clock.now().isoformat(),
            "grade": "B",
            **more,
        }

    async def events(self, at: str) -> list[str]:
        items = (await self.get("ma", f"{at}/history")).json()["items"]
        return [one["event"] for one in items]


@asynccontextmanager
async def programs_of(house: House) -> AsyncIterator[Programs]:
    async with house.service() as service:
        app = build_app(service, house.settings, clock=house.clock)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Programs(house, service, http)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, toml=UNIT)


@pytest.fixture
async def programs(house: House) -> AsyncIterator[Programs]:
    async with programs_of(house) as programs:
        await programs.hire()
        yield programs


async def test_a_report_becomes_a_freeze_and_is_given_back_over_http(programs: Programs) -> None:
    at = await programs.stopped()
    end = (programs.house.clock.now() + timedelta(days=90)).isoformat()
    filing = {
        "case_number": "A1101050000002026110001",
        "at": programs.house.clock.now().isoformat(),
        "legal_basis": ["中华人民共和国反电信网络诈骗法第二十条"],
        "upload": await programs.upload("ma", PDF + b" decision"),
    }
    await programs.ok("ma", f"{at}/filing", filing)
    terms = {"amount": "50000.00", "end": end}
    await programs.ok("ma", f"{at}/measures/m1/convert", {"reason": "已立案", "terms": terms})
    await programs.ok("zhao", f"{at}/measures/m1/approve")
    sent = await programs.ok("li", f"{at}/send", {"measure": "m1"})
    assert sent["note"] == "m1: paper"
    case = at.removeprefix("/cases/")
    paper = await programs.post("ma", f"{at}/measures/m1/paper", {"paper": "instruction"})
    assert paper.headers["content-type"] == "application/pdf"
    assert len(paper.content) == int(paper.headers["content-length"]) == sent["papers"][0]["size"]
    assert hashlib.sha256(paper.content).hexdigest() == sent["papers"][0]["sha256"]
    assert f'filename="{case}-m1-instruction.pdf"' in paper.headers["content-disposition"]
    told = programs.receipt(at, application_id=f"{case}-m1-2", frozen="50000.00")
    frozen = await programs.ok("ma", f"{at}/receipts", told)
    assert (frozen["measures"][0]["state"], frozen["measures"][0]["frozen"]) == (
        "frozen",
        "50000.00",
    )
    shares = await programs.ok("ma", f"{at}/measures/m1/shares", {"losses": {"张": "90000"}})
    assert shares == {"shares": {"张": "50000.00"}}
    trail = (await programs.get("ma", f"{at}/trace")).json()
    assert [one["estimate"] for one in trail["items"]] == ["50000.00"]
    allocation = [{"claimant": "张", "amount": "50000.00"}]
    body = {"reason": "返还", "terms": {"method": "direct", "allocation": allocation}}
    await programs.ok("ma", f"{at}/measures/m1/return", body)
    await programs.ok("zhao", f"{at}/measures/m1/approve")
    await programs.ok("ma", f"{at}/send", {})
    told = programs.receipt(at, application_id=f"{case}-m1-3")
    returned = await programs.ok("ma", f"{at}/receipts", told)
    assert returned["measures"][0]["state"] == "returned"
    bundle = await programs.post("ma", f"{at}/bundle")
    assert bundle.headers["content-type"] == "application/zip"
    assert bundle.content.startswith(b"PK")
    assert (await programs.get("ma", "/board")).json()["items"] == []
    assert len((await programs.get("ma", "/board", ended=True)).json()["items"]) == 1


async def test_every_other_act_is_there(programs: Programs) -> None:
    at = await programs.opened()
    case = at.removeprefix("/cases/")
    await programs.ok(
        "ma",
        f"{at}/duty",
        {"phone": "010-7654321", "unit_name": "青山县公安局", "unit_code": "110105000000"},
    )
    check = (await programs.get("ma", f"{at}/measures/m1/check")).json()
    assert check["act"] == "prepare"
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    await programs.ok("li", f"{at}/measures/m1/reject", {"reason": "再核对"})
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    await programs.ok("li", f"{at}/measures/m1/approve")
    await programs.ok("ma", f"{at}/send", {"paper": True})
    told = {"application_id": f"{case}-m1-2", "desk": "工号 7"}
    acked = await programs.ok("ma", f"{at}/acknowledgements", told)
    assert acked["measures"][0]["state"] == "acked"
    wrong = programs.receipt(at, application_id=f"{case}-m1-2", code="0100")
    mismatch = await programs.ok("ma", f"{at}/receipts", wrong)
    assert mismatch["measures"][0]["state"] == "mismatch"
    paid = plain(transfer(at=programs.house.clock.now() - timedelta(minutes=20)))
    right = {"account": plain(account(name="李四四")), "inflow": [paid], "reason": "户名有误"}
    await programs.ok("ma", f"{at}/measures/m1/correct", right)
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    await programs.ok("li", f"{at}/measures/m1/approve")
    await programs.ok("ma", f"{at}/send", {})
    await programs.ok("ma", f"{at}/receipts", programs.receipt(at, application_id=f"{case}-m1-3"))
    await programs.ok("ma", f"{at}/measures/m1/extend", {"reason": "继续核查"})
    await programs.ok("li", f"{at}/measures/m1/reject", {"reason": "不必"})
    complained = await programs.ok("ma", f"{at}/measures/m1/complaints", {"number": "S-1"})
    assert complained["measures"][0]["flags"] == ["appeal"]
    await programs.ok("ma", f"{at}/measures/m1/irrelevant", {"reason": "查明无关"})
    await programs.ok("ma", f"{at}/measures/m1/release", {"reason": "查明无关"})
    body = {"account": plain(account("6222021234567890136")), "inflow": [paid]}
    await programs.ok("ma", f"{at}/measures", body)
    ended = await programs.ok("li", f"{at}/measures/m2/cancel", {"reason": "报错账户"})
    assert ended["measures"][1]["state"] == "cancelled"


async def test_figures_come_over_http_and_from_the_library_alike(programs: Programs) -> None:
    at = await programs.stopped()
    (bank, whole) = (await programs.get("ma", "/figures")).json()["items"]
    assert (bank["stopped"], bank["money_stopped"], whole["desk"]) == (1, "50000.00", "")
    month = bank["month"]
    assert (await programs.get("li", "/figures", month=month)).json()["items"] == [bank, whole]
    assert (await programs.get("ma", "/figures", month="1999-01")).json() == {"items": []}
    assert (await programs.get("ma", "/figures", month="1999-13")).status_code == 422
    assert (await programs.get("he", "/figures")).status_code == 403
    actor = await programs.service.authenticate(programs.tokens["ma"])
    known = await programs.house.door(programs.service).freeze.figures(month, by=actor)
    assert [one.model_dump(mode="json") for one in known] == [bank, whole]
    told = await programs.get("ma", f"{at}/trace")
    assert CARD not in told.text


async def test_the_same_key_does_it_once_also_after_a_restart(house: House) -> None:
    async with programs_of(house) as programs:
        await programs.hire()
        at = await programs.opened()
        await programs.ok("ma", f"{at}/measures/m1/submit", {"reason": "x"}, key="s")
        first = await programs.post("li", f"{at}/measures/m1/approve", key="a")
        await programs.ok("ma", f"{at}/send", {}, key="z")
        tokens, before = programs.tokens, await programs.events(at)
    async with programs_of(house) as programs:
        programs.tokens = tokens
        again = await programs.post("li", f"{at}/measures/m1/approve", key="a")
        assert (first.status_code, again.status_code) == (200, 200)
        assert (REPEATED in first.headers, again.headers[REPEATED]) == (False, "true")
        sent = await programs.post("ma", f"{at}/send", {}, key="z")
        assert sent.headers[REPEATED] == "true"
        assert (sent.json()["note"], len(sent.json()["papers"])) == ("m1: paper", 1)
        assert await programs.events(at) == before, "nothing was done twice"
        other = await programs.post("ma", f"{at}/measures/m1/submit", {"reason": "y"}, key="s")
        assert (other.status_code, other.json()["code"]) == (409, "duplicate-key")
        # A key is its owner's: the same word of another person is another key.
        theirs = await programs.post("li", f"{at}/measures/m1/submit", {"reason": "x"}, key="s")
        assert theirs.json()["guards"][0]["id"] == "state"
        bare = await programs.http.post(
            f"{BASE}{at}/measures/m1/approve",
            headers={"authorization": f"Bearer {tokens['li']}"},
        )
        assert (bare.status_code, bare.json()["code"]) == (400, "idempotency-key")


async def test_a_sending_that_was_cut_short_goes_on_under_its_key(tmp_path: Path) -> None:
    policy = resources.files("fzalert.freeze").joinpath("policies", "cn-2024.toml")
    text = policy.read_text("utf-8")
    text = re.sub(r"(?m)^(officer_sends_daily\s*= { value = )\d+", r"\g<1>1", text)
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    house = House(tmp_path, toml=UNIT + 'policy = "own.toml"\n')
    async with programs_of(house) as programs:
        await programs.hire()
        at = await programs.opened()
        paid = plain(transfer(at=house.clock.now() - timedelta(minutes=20)))
        body = {"account": plain(account("6222021234567890136")), "inflow": [paid]}
        await programs.ok("ma", f"{at}/measures", body)
        for measure in ("m1", "m2"):
            await programs.ok("ma", f"{at}/measures/{measure}/submit", {})
            await programs.ok("li", f"{at}/measures/{measure}/approve")
        cut = await programs.post("ma", f"{at}/send", {}, key="both")
        assert [one["id"] for one in cut.json()["guards"]] == ["daily-sends"]
        assert (await programs.events(at)).count("instruction.sent") == 1
        house.clock.set(house.clock.now() + timedelta(days=1))
        rest = await programs.post("ma", f"{at}/send", {}, key="both")
        assert (rest.status_code, rest.json()["note"]) == (200, "m1: paper; m2: paper")
        assert len(rest.json()["papers"]) == 2
        again = await programs.post("ma", f"{at}/send", {}, key="both")
        assert (again.headers[REPEATED], again.json()["note"]) == ("true", rest.json()["note"])
        assert (await programs.events(at)).count("instruction.sent") == 2


async def test_a_case_is_opened_once_however_often_it_is_asked_at_once(programs: Programs) -> None:
    report = plain(REPORT.model_copy(update={"at": programs.house.clock.now()}))
    body = {"report": report, "victim": plain(VICTIM)}
    answers = await asyncio.gather(*(programs.post("ma", "/cases", body, key="o") for _ in "12345"))
    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["id"] for one in answers}) == 1
    assert sum(REPEATED in one.headers for one in answers) == 4
    assert answers[0].headers["location"] == f"{BASE}/cases/{answers[0].json()['id']}"


async def test_a_refusal_uses_no_key_up(programs: Programs) -> None:
    at = await programs.opened()
    path = f"{at}/measures/m1/approve"
    early = await programs.post("li", path, key="k")
    assert (early.status_code, early.json()["guards"][0]["id"]) == (409, "state")
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    assert REPEATED not in (await programs.post("li", path, key="k")).headers
    assert REPEATED in (await programs.post("li", path, key="k")).headers


async def test_a_key_stands_also_for_what_was_done_already(programs: Programs) -> None:
    at = await programs.opened()
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    await programs.ok("li", f"{at}/measures/m1/approve")
    sent = await programs.ok("ma", f"{at}/send", {})
    told = {"application_id": sent["case"]["measures"][0]["application_id"], "desk": "王"}
    await programs.ok("ma", f"{at}/acknowledgements", told)
    before = await programs.events(at)
    path = f"{at}/acknowledgements"
    assert REPEATED not in (await programs.post("ma", path, told, key="n")).headers
    assert REPEATED in (await programs.post("ma", path, told, key="n")).headers
    other = await programs.post("ma", path, {**told, "desk": "李"}, key="n")
    assert (other.status_code, other.json()["code"]) == (409, "duplicate-key")
    assert await programs.events(at) == before


async def test_a_refusal_names_every_rule_in_two_languages_with_its_source(
    programs: Programs,
) -> None:
    at = await programs.opened()
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    answer = await programs.post("ma", f"{at}/measures/m1/approve")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "guards-unmet")
    assert problem["guards"] == [
        {
            "id": "second-person",
            "zh": "提出人与批准人不得为同一人",
            "en": "Whoever prepared it may not approve it.",
            "source": "银监发〔2014〕53号；本系统内控",
            "detail": "",
        }
    ]
    assert problem["detail"].startswith("提出人与批准人不得为同一人 ")
    refused = await programs.post("he", f"{at}/measures/m1/reject", {"reason": " "})
    assert [one["id"] for one in refused.json()["guards"]] == ["role", "reason"]
    assert (await programs.get("he", at)).status_code == 403


async def test_a_signed_in_person_proves_again_where_the_rules_ask_for_it(
    programs: Programs,
) -> None:
    at = await programs.opened()
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    cookie = await programs.service.sign_in(programs.tokens["li"])
    page = {"idempotency-key": "p1", "sec-fetch-site": "same-origin", "cookie": f"fz={cookie}"}
    path = f"{BASE}{at}/measures/m1/approve"
    foreign = await programs.http.post(path, headers={**page, "sec-fetch-site": "cross-site"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign-page")
    programs.house.clock.set(programs.house.clock.now() + timedelta(minutes=6))
    late = await programs.http.post(path, headers=page)
    assert late.status_code == 403
    assert [one["id"] for one in late.json()["guards"]] == ["step-up"]
    assert "请重新验证身份" in late.json()["detail"]
    shown = await programs.http.post(f"{BASE}{at}/reveal", headers=page)
    assert (shown.status_code, shown.json()["code"]) == (403, "access-denied")
    assert "请重新验证身份" in shown.json()["detail"]
    # What asks for no fresh proof goes on without one.
    assert (await programs.http.get(f"{BASE}{at}", headers=page)).status_code == 200
    fresh = await programs.service.prove_anew(cookie, programs.tokens["li"])
    page["cookie"] = f"fz={fresh}"
    assert (await programs.http.post(path, headers=page)).status_code == 200
    shown = await programs.http.post(f"{BASE}{at}/reveal", headers=page)
    assert (shown.json()["victim"], shown.json()["measures"][0]["account"]) == ("张三", CARD)
    assert (await programs.http.get(f"{BASE}{at}")).status_code == 401


async def test_a_machine_is_told_by_name_that_a_person_does_this(programs: Programs) -> None:
    made = UserChange(action="add", name="platform", roles=["detective"], machine=True)
    programs.tokens["platform"] = await programs.service.change_user(made)
    at = await programs.opened()
    await programs.ok("platform", f"{at}/measures/m1/submit", {})
    path = f"{at}/measures/m1/approve"
    refused = await programs.post("platform", path)
    assert "step-up" in {one["id"] for one in refused.json()["guards"]}
    assert "peer:platform is a machine" in refused.json()["detail"]
    assert (await programs.get("platform", "/tasks")).json() == {"items": []}
    assert (await programs.post("platform", "/tasks/reveal")).status_code == 403
    for act, body in (("/reveal", None), ("/bundle", None), ("/measures/m1/paper", {})):
        refused = await programs.post("platform", at + act, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "access-denied"), act
        assert "peer:platform is a machine" in refused.json()["detail"]
    assert (await programs.events(at)).count("case.refused") == 1


async def test_a_client_certificate_opens_what_its_machine_may(programs: Programs) -> None:
    made = UserChange(action="add", name="platform", roles=["detective"], machine=True)
    await programs.service.change_user(made)
    print_ = "sha256:" + "ab" * 32
    bound = UserChange(action="bind", name="platform", certificates=[print_])
    await programs.service.change_user(bound)
    at = await programs.opened()
    app = build_app(programs.service, programs.house.settings, clock=programs.house.clock)

    async def shown(scope: Scope, receive: Receive, send: Send) -> None:
        """What the second listener adds once TLS has verified a certificate."""
        scope["state"] = {STATE: PeerCertificate(print_, (), 4e9)}
        await app(scope, receive, send)

    transport = httpx.ASGITransport(shown)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as machine:
        path, key = f"{BASE}{at}/measures/m1", {"idempotency-key": "m"}
        taken = await machine.post(f"{path}/submit", json={}, headers=key)
        assert taken.json()["measures"][0]["prepared_by"] == "peer:platform"
        refused = await machine.post(f"{path}/approve", headers={"idempotency-key": "a"})
        assert "peer:platform is a machine" in refused.json()["detail"]


async def test_what_is_not_there_is_404_and_what_is_wrong_is_422(programs: Programs) -> None:
    at = await programs.opened()
    for path in ("/cases/none", "/cases/" + "x" * 50, f"{at}x/history", f"{at}x/events"):
        answer = await programs.get("ma", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-case"), path
    answer = await programs.post("ma", f"{at}/measures/m9/submit", {})
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-measure")
    answer = await programs.post("ma", f"{at}/measures/m9/approve")
    assert (answer.status_code, answer.json()["guards"][0]["id"]) == (404, "unknown")
    paid = plain(transfer(at=programs.house.clock.now()))
    body = {"account": plain(account()), "inflow": [{**paid, "amount": "0"}], "more": 1}
    answer = await programs.post("ma", f"{at}/measures", body)
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["errors"]} == {"/inflow/0/amount", "/more"}
    answer = await programs.post("ma", f"{at}/documents", {"type": "04", "upload": "ab" * 32})
    assert (answer.status_code, answer.json()["code"]) == (422, "input")
    for raw, kind, status in (
        (b"MZ a program", "application/pdf", 422),
        (PDF, "text/plain", 415),
        (b"%PDF-1." + bytes(20 * 1024 * 1024), "application/pdf", 413),
    ):
        headers = {"content-type": kind}
        answer = await programs.post("ma", "/uploads", content=raw, headers=headers)
        assert answer.status_code == status


async def test_what_happens_is_followed_by_waiting_and_as_a_stream(programs: Programs) -> None:
    at = await programs.opened()
    seen = (await programs.get("ma", f"{at}/history")).json()
    assert [one["version"] for one in seen["items"]] == [*range(1, seen["version"] + 1)]
    nothing = await programs.get("ma", f"{at}/history", after=seen["version"])
    assert nothing.json() == {"items": [], "version": seen["version"]}
    waiting = asyncio.ensure_future(
        programs.get("ma", f"{at}/history", after=seen["version"], wait=60)
    )
    await asyncio.sleep(0)
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    news = (await waiting).json()
    assert [one["event"] for one in news["items"]] == ["instruction.prepared"]
    stream = (await programs.get("ma", f"{at}/history")).json()["version"]
    assert stream == news["version"]


async def _lines(url: str, token: str, found: Callable[[str], bool]) -> list[str]:
    lines: list[str] = []
    headers = {"authorization": f"Bearer {token}", "last-event-id": "1"}
    async with (
        httpx.AsyncClient(timeout=60) as http,
        http.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            lines.append(line)
            if found(line):
                break
    return lines


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(programs: Programs) -> None:
    from fzalert.web import Stopping, WebServer

    at = await programs.opened()
    stopping = Stopping()
    app = build_app(
        programs.service, programs.house.settings, stopping=stopping, clock=programs.house.clock
    )
    async with WebServer(app, programs.house.settings.web, stopping).serving() as url:
        where = f"{url.rstrip('/')}{BASE}{at}/events"
        reading = asyncio.ensure_future(
            _lines(where, programs.tokens["ma"], lambda line: "instruction.prepared" in line)
        )
        await programs.ok("ma", f"{at}/measures/m1/submit", {})
        lines = await reading
    ids = [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]
    known = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert ids[:1] == [2]
    assert known == (await programs.events(at))[1:]


def test_every_act_that_the_service_knows_has_an_endpoint() -> None:
    """What is new in `freeze_models` comes to programs too; a refused input is the door's own."""
    source = inspect.getsource(freeze_api) + inspect.getsource(freeze_calls)
    known = [one.__name__ for one in get_args(get_args(asks.FreezeAsk)[0])]
    assert len(known) >= 29
    assert [name for name in known if f"asks.{name}" not in source] == []


async def test_an_instruction_is_read_as_the_message_of_the_trade(programs: Programs) -> None:
    at = await programs.opened()
    await programs.ok("ma", f"{at}/measures/m1/submit", {})
    await programs.ok("li", f"{at}/measures/m1/approve")
    answer = await programs.post("ma", f"{at}/measures/m1/iso20022")
    assert answer.headers["content-type"].partition(";")[0] == "application/xml", answer.text
    assert b"camt.056.001.08" in answer.content
    wrong = await programs.post("ma", f"{at}/measures/m1/iso20022-answers", {"xml": "<no/>"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "input")


# -- the document ----------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def _shaped(
    schema: dict[str, Any], known: dict[str, Any], depth: int = 0
) -> st.SearchStrategy[Any]:
    """What nearly fits a schema: the right names, with right and wrong values."""
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    if "anyOf" in schema:
        return st.one_of(*(_shaped(one, known, depth) for one in schema["anyOf"]))
    if schema.get("type") == "object" and "properties" in schema and depth < 4:
        parts = {name: _shaped(one, known, depth + 1) for name, one in schema["properties"].items()}
        needed = {name: parts.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(needed, optional=parts)
    if schema.get("type") == "array" and depth < 4:
        return st.lists(_shaped(schema.get("items", {}), known, depth + 1), max_size=2)
    if schema.get("type") == "string":
        good = ("1", "m1", "0000", "50000.00", CARD, "张三", "2026-11-24T16:40:00+08:00", "a" * 32)
        return st.sampled_from(good) | st.text(max_size=40)
    return _JSON


def tried(bodies: st.SearchStrategy[object]) -> list[object]:
    """A few bodies, the same in each run."""
    found: list[object] = []

    @settings(max_examples=6, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(bodies)
    def collect(body: object) -> None:
        found.append(body)

    collect()
    return found


async def test_every_operation_answers_as_its_document_says(programs: Programs) -> None:
    """Right and wrong bodies at every path: a documented status, a problem, and never a crash."""
    document = (await programs.http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    at = await programs.opened()
    ids = {"case": at.removeprefix("/cases/"), "measure": "m1", "task": "m1-t1"}
    operations = [
        (path, method, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        if path.startswith(BASE)
    ]
    assert len(operations) >= 30
    statuses: set[int] = set()

    async def asked(path: str, method: str, told: dict[str, Any], body: object) -> None:
        headers = {
            "authorization": f"Bearer {programs.tokens['ma']}",
            "idempotency-key": uuid.uuid4().hex,
        }
        sent: dict[str, Any] = {}
        if "requestBody" in told:
            kind = next(iter(told["requestBody"]["content"]))
            headers["content-type"] = kind
            sent = {"content": json.dumps(body).encode()}
        answer = await programs.http.request(method, path.format(**ids), headers=headers, **sent)
        assert str(answer.status_code) in told["responses"], (path, body, answer.text)
        assert answer.status_code < 500, (path, body, answer.text)
        content = told["responses"][str(answer.status_code)]["content"]
        assert answer.headers["content-type"].partition(";")[0] in content, path
        if answer.status_code >= 400:
            problem = answer.json()
            assert (problem["status"], problem["instance"]) == (
                answer.status_code,
                path.format(**ids),
            )
            assert "13800138000" not in answer.text
        statuses.add(answer.status_code)

    for path, method, told in operations:
        if path.endswith("/events"):
            continue  # it never ends; it has a test of its own
        content = told.get("requestBody", {}).get("content", {})
        schema = next(iter(content.values()))["schema"] if content else {}
        bodies = tried(_shaped(schema, schemas) | _JSON) if content else [None]
        for body in bodies:
            await asked(path, method, told, body)
    assert {200, 403, 409, 422} <= statuses or {200, 409, 422} <= statuses
