"""Every rule of freeze requests through every door: it refuses, by its name, and nothing moves.

One running station, real logins, and the same scene for each door: the library, the terminal
(some acts as a process of their own), and over a socket the HTTP interface and the forms of pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import io
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest

import fzalert
from fzalert.access import Actor
from fzalert.cli.app import main
from fzalert.client import connect
from fzalert.evidence import verify
from fzalert.evidence.chain import Link
from fzalert.freeze.events import TermsData
from fzalert.freeze.policy import GUARDS
from fzalert.messages import RenditionKind, TargetKind
from fzalert.service import Service
from fzalert.service import freeze_models as asks
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.testing.processes import Site
from fzalert.web import Stopping, WebServer, build_app
from fzalert.web.freeze_calls import BASE
from tests.e2e.freeze_scenes import KIND, OPEN_ROAD, PDF, SCENES, SMALL, Attempt, Stage
from tests.unit.freezing import BANK, REPORT, VICTIM

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
AS_PROCESS = frozenset(
    {"role", "second-person", "reason", "stop-count", "protected-whole", "package", "legal-review"}
    | {"receipt-account", "not-sent", "two-officers", "legal-basis", "allocation"}
)
"""Scenes whose act is typed in a process of its own: each command of the terminal once."""


@dataclass
class Refusal:
    """What a door said.

    Attributes:
        guards: The rules that it named.
        texts: Chinese, English and source of each.
        word: Where its own form refused the input, what it named.
        by: Who asked, as the record has to have it.
        case: The case that it was about, where the door opened one of its own.
        details: What exactly is not met, for each rule.
    """

    guards: list[str]
    texts: list[tuple[str, str, str]]
    word: str = ""
    by: str = ""
    case: str = ""
    details: list[str] = field(default_factory=list)


@dataclass
class Town:
    """A station with all its doors open."""

    stage: Stage
    site: Site
    http: httpx.AsyncClient
    far: FarSide

    # -- doors -----------------------------------------------------------------------------

    async def library(self, attempt: Attempt, actor: Actor, cookie: str) -> Refusal:
        """`fz.freeze`, in the process that owns the store."""
        del cookie
        freeze = self.stage.house.door(self.stage.service).freeze
        ask = attempt.ask
        case = await freeze.case(getattr(ask, "case"), by=await self.stage.by("ma"))  # noqa: B009
        try:
            await case.change(ask, actor)
        except fzalert.GuardsUnmet as error:
            exactly = list(error.details)
            return Refusal(list(error.guards), list(error.reasons), by=actor.id, details=exactly)
        except fzalert.InputError as error:
            return Refusal([], [], word=error.field, by=actor.id)
        raise AssertionError("the library let it through")

    async def terminal(self, attempt: Attempt, *, process: bool) -> Refusal:
        """`fzalert freeze …`, beside the running station."""
        file = self.stage.house.folder / f"{attempt.who}.token"
        # Who comes without a token is the account of the system, and proved nothing.
        token = () if attempt.stale else ("--token-file", str(file))
        words = ["--json", "freeze", *(attempt.words or self._typed(attempt.ask)), *token]
        if process:
            ended = await self.site.fzalert(*words)
            code, err = ended.code, ended.err
        else:
            code, err = await asyncio.to_thread(self._in_thread, words)
        assert code != 0, words
        by = self.stage.house.local.id if attempt.stale else f"user:{attempt.who}"
        opened = re.search(r"opened (\S+)", err)
        case = opened[1] if opened else ""
        last = err.strip().splitlines()[-1]
        error: dict[str, Any] = {"text": err}
        if last.startswith("{"):
            error = json.loads(last)["error"]
        guards: list[dict[str, str]] = error.get("guards", [])
        texts = [(one["zh"], one["en"], one["source"]) for one in guards]
        word = "" if guards else str(error["text"])
        exactly = [one["detail"] for one in guards]
        return Refusal([one["guard"] for one in guards], texts, word, by, case, exactly)

    def _in_thread(self, words: list[str]) -> tuple[int, str]:
        err = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            code = main(["--config", str(self.site.config), *words], opener=connect)
        return code, err.getvalue()

    async def web(self, attempt: Attempt, cookie: str) -> Refusal:
        """The HTTP interface, over a socket."""
        path, body = asked_for(attempt.ask)
        headers = {"idempotency-key": uuid.uuid4().hex}
        if attempt.stale:
            headers |= {"cookie": f"fz={cookie}", "sec-fetch-site": "same-origin"}
        else:
            headers["authorization"] = f"Bearer {self.stage.tokens[attempt.who]}"
        answer = await self.http.post(BASE + path, headers=headers, json=body)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        assert problem["status"] == answer.status_code
        guards = problem["guards"]
        texts = [(one["zh"], one["en"], one["source"]) for one in guards]
        word = problem["errors"][0]["pointer"] if problem["errors"] else ""
        exactly = [one["detail"] for one in guards]
        by = f"user:{attempt.who}"
        return Refusal([one["id"] for one in guards], texts, word, by, details=exactly)

    async def page(self, attempt: Attempt, cookie: str) -> Refusal:
        """The form of the act at the pages, sent by somebody who is signed in."""
        where, form = filled(attempt.ask)
        page = {"sec-fetch-site": "same-origin", "accept": "text/html", "cookie": f"fz={cookie}"}
        answer = await self.http.post(f"/freeze{where}", headers=page, data={**form, "do": "act"})
        by = f"user:{attempt.who}"
        if answer.headers.get("location", "").startswith("/prove?"):
            return Refusal(["step-up"], [], by=by)  # it asks for the proof, and keeps the form
        assert answer.status_code in {403, 422}, (answer.status_code, answer.text)
        listed = re.findall(
            r"<li><strong>(.+?)</strong>.*?<span lang=\"en\">(.+?)</span>"
            r"(?: <small>(.+?)</small>)?.*?依据 (.+?) · <code>([a-z-]+)</code>",
            answer.text,
        )
        faults = re.findall(r"<li><a href=\"#([\w-]+)\">", answer.text)
        texts = [(zh, en, source) for zh, en, _, source, _ in listed]
        exactly = [html.unescape(one[2]) for one in listed]
        word = " ".join(faults) or answer.text
        return Refusal([one[4] for one in listed], texts, word, by, details=exactly)

    # -- what is typed ---------------------------------------------------------------------

    def _typed(self, ask: asks.FreezeAsk) -> list[str]:
        folder = self.stage.house.folder
        match ask:
            case asks.PrepareAsk():
                return _prepared(ask)
            case asks.ApproveAsk():
                return ["approve", ask.case, ask.measure]
            case asks.SendAsk():
                return ["send", ask.case, ask.measure]
            case asks.ReasonAsk():
                return [ask.action, ask.case, ask.measure, "--reason", ask.reason]
            case asks.ReceiptAsk(receipt=told):
                words = ["receipt", ask.case, told.application_id, "--code", told.code]
                words += ["--account", told.account_number, "--grade", told.grade]
                assert told.started_at is not None
                return [*words, "--started", _iso(told.started_at)]
            case asks.FileAsk():
                (folder / "paper.pdf").write_bytes(PDF)
                paper = str(folder / "paper.pdf")
                return ["file", ask.case, ask.case_number, "--decision", paper, "--basis", ""]
            case asks.OfficersAsk():
                return ["new", str(self._case_file(ask))]
        raise TypeError(ask.action)

    def _case_file(self, ask: asks.OfficersAsk) -> Path:
        """A whole case with the officers that are asked for; the terminal names them there."""
        now = self.stage.house.clock.now()
        report = REPORT.model_copy(update={"at": now - timedelta(minutes=5)})
        told = {
            "report": report.model_dump(mode="json"),
            "victim": VICTIM.model_dump(mode="json"),
            "officers": [one.model_dump(mode="json") for one in ask.officers],
        }
        file = self.stage.house.folder / "case.json"
        file.write_text(json.dumps(told), encoding="utf-8")
        return file

    # -- what is on record -----------------------------------------------------------------

    async def history(self, case: str) -> list[asks.EventView]:
        by = await self.stage.by("ma")
        return (await self.stage.service.freeze(asks.HistoryAsk(case=case), by)).events

    async def stands(self, case: str) -> dict[str, Any]:
        """All of a case that only people and banks move; what the clock does is left out."""
        view = await self.stage.do("ma", asks.ShowAsk(case=case))
        left = {"next", "flags", "escalation", "tasks"}
        whole = view.model_dump(exclude={"version"})
        whole["measures"] = [
            {name: value for name, value in one.items() if name not in left}
            for one in whole["measures"]
        ]
        return whole

    async def arrived(self, case: str) -> int:
        """Wait until every package of a case that was sent has reached its bank; how many."""
        told = [one for one in await self.history(case) if one.event == "instruction.sent"]
        over = sum(one.facts["channel"] != "paper" for one in told)
        await self.far.until(lambda: self.sent(case) >= over, timeout=60)
        return over

    def sent(self, case: str) -> int:
        """How many packages of a case reached a bank."""
        parts = (part for batch in self.far.submitted for part in batch)
        return sum(case in str(getattr(part.rendition, "application_id", "")) for part in parts)

    async def evidence(self, case: str) -> list[dict[str, Any]]:
        rooms = self.stage.service._rooms
        assert rooms is not None
        rows = await rooms.building.store.evidence(f"case/{case}")
        assert verify([Link(row.seq, row.body, row.hash) for row in rows]).is_intact
        return [json.loads(row.body) for row in rows]


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _prepared(ask: asks.PrepareAsk) -> list[str]:
    command = {KIND.STOP: "submit", KIND.FREEZE: "convert"}.get(ask.kind, str(ask.kind))
    words = [command, ask.case, ask.measure, "--reason", ask.reason]
    terms: TermsData = ask.terms
    if ask.kind in {KIND.FREEZE, KIND.RENEW}:
        assert terms.end is not None
        words += ["--end", _iso(terms.end)]
    if ask.kind is KIND.RENEW:
        words += ["--review", terms.legal_review]
    if ask.kind is KIND.FREEZE:
        words += ["--whole", terms.necessity]
    return words


def asked_for(ask: asks.FreezeAsk) -> tuple[str, Any]:
    """Path and body of an act at the HTTP interface."""
    said = ask.model_dump(mode="json", exclude_defaults=True)
    at = f"/cases/{said.pop('case')}"
    said.pop("action", None)
    measure = f"{at}/measures/{said.get('measure', '')}"
    match ask:
        case asks.PrepareAsk():
            kind = {KIND.STOP: "submit", KIND.FREEZE: "convert"}.get(ask.kind, str(ask.kind))
            del said["measure"], said["kind"]
            return f"{measure}/{kind}", said
        case asks.ApproveAsk():
            return f"{measure}/approve", None
        case asks.SendAsk():
            return f"{at}/send", said
        case asks.ReasonAsk():
            del said["measure"]
            return f"{measure}/{ask.action}", said
        case asks.ReceiptAsk():
            return f"{at}/receipts", said["receipt"]
        case asks.FileAsk():
            return f"{at}/filing", said
        case asks.OfficersAsk():
            return f"{at}/officers", said
    raise TypeError(ask.action)


def filled(ask: asks.FreezeAsk) -> tuple[str, dict[str, str]]:
    """Where the form of an act is, and what stands in its fields."""
    at = f"/case/{getattr(ask, 'case')}/"  # noqa: B009  every act here is about a case
    match ask:
        case asks.PrepareAsk(kind=kind, terms=terms):
            form = {"reason": ask.reason, "mode": str(terms.mode), "necessity": terms.necessity}
            form |= {"legal_review": terms.legal_review, "method": terms.method}
            if terms.amount is not None:
                form["amount"] = str(terms.amount)
            if terms.end is not None:
                form["end"] = f"{terms.end:%Y-%m-%d}"
            form["allocation"] = "\n".join(f"{a.claimant} {a.amount}" for a in terms.allocation)
            return f"{at}{ask.measure}/{'submit' if kind is KIND.STOP else kind}", form
        case asks.ApproveAsk():
            return f"{at}{ask.measure}/approve", {}
        case asks.SendAsk():
            return f"{at}{ask.measure}/send", {}
        case asks.ReasonAsk():
            return f"{at}{ask.measure}/{ask.action}", {"reason": ask.reason}
        case asks.ReceiptAsk(receipt=told):
            assert told.started_at is not None
            form = {"code": told.code, "account_number": told.account_number}
            form |= {"started_at": told.started_at.isoformat(), "grade": str(told.grade)}
            return f"{at}m1/receipt", form
        case asks.FileAsk():
            form = {"case_number": ask.case_number, "at": ask.at.isoformat()}
            return f"{at}case/file", form
        case asks.OfficersAsk():
            (one,) = ask.officers
            names = ("name", "certificate", "phone")
            return f"{at}case/officers", {f"o1-{name}": getattr(one, name) for name in names}
    raise TypeError(ask.action)


@contextlib.asynccontextmanager
async def town_of(folder: Path, *, small: bool) -> AsyncIterator[Town]:
    """Open a station: a real store, a real socket, a real web server."""
    toml = UNIT
    if small:
        policy = resources.files("fzalert.freeze").joinpath("policies", "cn-2024.toml")
        text = policy.read_text("utf-8")
        for limit, value in (("officer_daily", 2), ("officer_sends_daily", 1)):
            text = re.sub(rf"(?m)^({limit}\s*= {{ value = )\d+", rf"\g<1>{value}", text)
        (folder / "own.toml").write_text(text, encoding="utf-8")
        toml = '[freeze]\npolicy = "own.toml"\n'
    bank = replace(
        sms(reports=False),
        kinds=frozenset({TargetKind.BANK_DESK}),
        rendition=RenditionKind.BANK,
        addresses=frozenset({BANK}),
    )
    far = FarSide(capabilities=bank)
    house = House(folder, {"bank": far.make}, toml)
    site = Site(folder)
    site.config.write_text(PLAIN + toml, encoding="utf-8")
    # Where nothing is delivered no deadline fires by itself: what has ended is still to be told so.
    service = Service(house.settings, clock=house.clock, delivers=not small)
    stopping = Stopping()
    async with service:
        app = build_app(service, house.settings, stopping=stopping, clock=house.clock)
        async with (
            WebServer(app, house.settings.web, stopping).serving() as url,
            httpx.AsyncClient(base_url=url.rstrip("/"), timeout=60) as http,
        ):
            stage = Stage(house, service)
            await stage.hire()
            await stage.list_bank()
            yield Town(stage, site, http, far)


@pytest.fixture(scope="module")
async def large(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town_of(tmp_path_factory.mktemp("large"), small=False) as town:
        yield town


@pytest.fixture(scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town_of(tmp_path_factory.mktemp("small"), small=True) as town:
        yield town


def test_every_rule_has_its_scene() -> None:
    assert {*SCENES, *OPEN_ROAD} == GUARDS
    assert {*SCENES} >= SMALL | AS_PROCESS


@pytest.mark.parametrize("guard", sorted(SCENES))
async def test_a_rule_refuses_through_every_door(guard: str, large: Town, small: Town) -> None:
    town = small if guard in SMALL else large
    stage = town.stage
    stage.tomorrow()
    attempt = await SCENES[guard](stage)
    case = str(getattr(attempt.ask, "case"))  # noqa: B009  every act here is about a case
    actor = await stage.by(attempt.who)
    cookie = await stage.service.sign_in(stage.tokens[attempt.who])
    if attempt.stale:
        stage.house.clock.set(stage.house.clock.now() + timedelta(minutes=6))
    before, sent = await town.stands(case), await town.arrived(case)
    doors: dict[str, Callable[[], Awaitable[Refusal]]] = {
        "library": lambda: town.library(attempt, actor, cookie),
        "cli": lambda: town.terminal(attempt, process=guard in AS_PROCESS),
        "http": lambda: town.web(attempt, cookie),
        "page": lambda: town.page(attempt, cookie),
    }
    exactly: dict[str, str] = {}
    for door, ask in doors.items():
        known = len(await town.history(case))
        said = await ask()
        early = (attempt.early or {}).get(door)
        if early is not None:
            assert (said.guards, early in said.word) == ([], True), (door, said)
        else:
            assert guard in said.guards, (door, said)
            assert all(zh and en and source for zh, en, source in said.texts), door
            if said.details and not said.case:
                told = dict(zip(said.guards, said.details, strict=True))
                exactly[door] = told[guard]
            about = said.case or case
            refused = [
                one
                for one in (await town.history(about))[0 if said.case else known :]
                if one.event == "case.refused"
            ]
            assert [one.by for one in refused] == [said.by], (door, refused)
            assert guard in refused[0].facts["guards"].split(", "), door
            kept = [one for one in await town.evidence(about) if one["what"] == "case.refused"]
            assert guard in kept[-1]["guards"], door
        assert await town.stands(case) == before, door
        assert (await town.arrived(case), town.sent(case)) == (sent, sent), door
    # Each door says what exactly is missing, in the same words.
    assert len(set(exactly.values())) <= 1 or guard.startswith("daily-"), exactly


async def test_where_no_channel_reaches_a_desk_it_is_printed_and_nobody_is_told(
    small: Town,
) -> None:
    """No door asks for a channel by its name, so the rule `recipient` is never reached by one."""
    stage = small.stage
    stage.tomorrow()
    case = await stage.opened()
    await stage.approved(case)
    answer = await stage.service.freeze(asks.SendAsk(case=case, measure="m1"), await stage.by("li"))
    assert answer.note == "m1: paper"
    assert len(answer.files) == 1
    assert small.far.submitted == []
