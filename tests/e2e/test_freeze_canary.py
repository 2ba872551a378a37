"""Names and numbers of a case that exist nowhere else, looked for where they must not be."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

import fzalert
from fzalert import messages
from fzalert.cli.logs import start_logging
from fzalert.config import LogSettings
from fzalert.freeze.values import AttachmentType, Officer, Victim
from fzalert.service import freeze_models as asks
from fzalert.service.custody_models import HoldAsk
from fzalert.testing.house import House
from fzalert.testing.processes import Site, ask_until
from fzalert.web import Stopping, WebServer, build_app
from tests.e2e.test_freeze_service import UNIT, Station, desks, signed
from tests.unit.freezing import REPORT, account, transfer


def card(body: str) -> str:
    """A number with its check digit."""
    doubled = [int(d) * 2 if at % 2 == 0 else int(d) for at, d in enumerate(reversed(body))]
    return body + str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def identity(body: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(d) * w for d, w in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]


CARD = card("622202977531864201")
PAYER = card("622848918273645509")
VICTIM = Victim(name="欧阳金雀翎", id_number=identity("11010519370917447"), phone="13897531642")
HOLDER = "慕容铁笛声"
SUSPECT = "13786420975"
SUMMARY = "冒充客服芙蓉渡口"
OFFICERS = (
    Officer(name="尉迟墨玉", certificate="PC7753186", phone="13664209753"),
    Officer(name="司徒青禾", certificate="PC8864297", phone="13553197864", role="assisting"),
)
CANARIES = (
    *(CARD, PAYER, VICTIM.name, VICTIM.id_number, str(VICTIM.phone), HOLDER, SUSPECT, SUMMARY),
    *(text for one in OFFICERS for text in (one.name, one.certificate, one.phone)),
)
PDF = b"%PDF-1.7 " + VICTIM.name.encode()


def found(where: str, text: str | bytes) -> list[tuple[str, str]]:
    """The canaries in a text, with the name of the place."""
    data = text if isinstance(text, bytes) else text.encode()
    spellings = {one: (one.encode(), json.dumps(one).strip('"').encode()) for one in CANARIES}
    return [(where, one) for one, ways in spellings.items() if any(way in data for way in ways)]


def leaked(places: Iterable[tuple[str, str | bytes]]) -> list[tuple[str, str]]:
    return [leak for where, text in places for leak in found(where, text)]


def files_of(folder: Path, *but: str) -> list[tuple[str, str | bytes]]:
    """Everything on the disk: database, log, flight recorder, anchor, heads."""
    return [
        (one.name, one.read_bytes())
        for one in folder.iterdir()
        if one.is_file() and one.name not in but
    ]


class Said:
    """Whatever is said aloud: errors with their trace, reprs of what goes in and comes out."""

    def __init__(self) -> None:
        self.places: list[tuple[str, str | bytes]] = []

    def see(self, value: object) -> None:
        self.places += [(type(value).__name__, repr(value)), (type(value).__name__, str(value))]

    def error(self, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error))
        self.places.append((f"error {type(error).__name__}", text))
        self.places.append((f"hint {type(error).__name__}", str(getattr(error, "hint", ""))))

    async def refused(self, station: Station, name: str, ask: asks.FreezeAsk) -> None:
        with pytest.raises(fzalert.FzalertError) as caught:
            await station.ask(name, ask)
        self.error(caught.value)

    def wrong(self, make: Callable[[], object], name: str) -> None:
        try:
            made = make()
        except ValueError as error:  # pydantic's, and our own
            self.error(error)
        else:
            pytest.fail(f"{name} is taken: {made!r}")


def wrong_values() -> list[Callable[[], object]]:
    """Bad input that holds a canary."""
    officer: dict[str, Any] = {"name": OFFICERS[0].name, "certificate": "", "phone": "x"}
    return [
        lambda: account(CARD, name=HOLDER, kind=HOLDER),
        lambda: Victim(name=VICTIM.name * 9, id_number=VICTIM.id_number, phone="x"),
        lambda: Victim(name=VICTIM.name, id_number=VICTIM.id_number * 9, phone=SUSPECT),
        lambda: Officer.model_validate(officer),
        lambda: asks.read_ask({"action": "add_account", "case": CARD, "account": {"name": HOLDER}}),
        lambda: asks.read_ask({"action": "nonsense", "victim": VICTIM.name}),
        lambda: REPORT.model_validate({"number": "1", "at": HOLDER, "summary": SUMMARY}),
    ]


async def open_case(station: Station, said: Said) -> str:
    now = station.house.clock.now()
    report = REPORT.model_copy(
        update={
            "at": now - timedelta(minutes=5),
            "summary": SUMMARY,
            "suspect_phone": SUSPECT,
        }
    )
    opening = asks.OpenAsk(report=report, victim=VICTIM)
    case = (await station.change("ma", opening)).id
    paid = transfer(at=now - timedelta(minutes=20))
    paid = paid.model_copy(update={"from_account": PAYER, "from_name": VICTIM.name})
    add = asks.AddAccountAsk(case=case, account=account(CARD, name=HOLDER), inflow=(paid,))
    for ask in (opening, asks.OfficersAsk(case=case, officers=OFFICERS), add):
        said.see(ask)
    await station.change("ma", asks.OfficersAsk(case=case, officers=OFFICERS))
    await station.attach(case, AttachmentType.IDENTITY, PDF)
    await station.attach(case, AttachmentType.STOP_FORM, PDF)
    said.see(await station.change("ma", add))
    return case


async def walk(house: House, bank: Any, said: Said) -> None:
    """Open, prepare, refuse, approve, send, answer, err, crash: the whole flow and its errors."""
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        case = await open_case(station, said)
        await station.prepared(case)
        await said.refused(station, "ma", asks.ApproveAsk(case=case, measure="m1"))
        await said.refused(station, "he", asks.ShowAsk(case=case, reveal=True))
        await said.refused(station, "ma", asks.ShowAsk(case=CARD))
        await said.refused(station, "ma", asks.RejectAsk(case=case, measure=CARD, reason="x"))
        await station.change("zhao", asks.ApproveAsk(case=case, measure="m1"))
        await station.ask("li", asks.SendAsk(case=case))
        await bank.until(lambda: bool(bank.submitted), timeout=60)
        message = bank.submitted[0][0].id
        said.see(bank.submitted[0][0])
        bank.crash(RuntimeError(f"the bank says {CARD} of {VICTIM.phone} is unknown"))
        answer = station.receipt(case, account_number=CARD, operator=OFFICERS[0].name)
        said.see(answer)
        bank.bring(messages.Answer(message, 0, signed(answer)))

        async def stopped() -> bool:
            shown = (await station.ask("ma", asks.ShowAsk(case=case))).case
            return shown is not None and shown.measures[0].state == "stopped"

        await ask_until(stopped, "the account is stopped")
        await said.refused(station, "ma", station.receipt(case, 2, account_number=PAYER))
        await service.custody(HoldAsk(case=case, reason=SUMMARY), await station.by("ma"))
        plain: tuple[asks.FreezeAsk, ...] = (
            asks.ShowAsk(case=case),
            asks.HistoryAsk(case=case),
            asks.BoardAsk(),
            asks.TraceAsk(case=case),
        )
        for ask in plain:
            masked = await station.ask("ma", ask)
            said.see(masked)
            said.places.append((f"answer to {ask.action}", masked.model_dump_json()))
        # What shows everything on purpose keeps it out of its repr.
        said.see(await station.ask("ma", asks.ShowAsk(case=case, reveal=True)))
        said.see(await station.ask("ma", asks.BundleAsk(case=case)))
        book = (await service._open.freeze._opened()).book
        said.see(await book.case(case))
        for entry in await book.history(case):
            said.see(entry)
        said.see(await book.exhibit(case))
        for name, _, _ in await service._open.building.store.chains():
            for row in await service._open.building.store.evidence(name):
                said.places.append((name, row.body))
        said.places += files_of(house.folder)
        await over_http(house, service, said)
    said.places += files_of(house.folder)


async def over_http(house: House, service: Any, said: Said) -> None:
    """The pages and the interface, asked with canaries where none belong."""
    server = WebServer(build_app(service, house.settings), house.settings.web, Stopping())
    async with server.serving() as url, httpx.AsyncClient(base_url=url) as client:
        token = await service.add_user("program", ["detective"])
        for credentials in ("", f"Bearer {token}"):
            client.headers["authorization"] = credentials
            for path in ("metrics", "readyz", f"api/v1/freeze/{CARD}", "freeze", "status"):
                answer = await client.get(path)
                body = answer.text.replace(CARD, "") if CARD in path else answer.text
                said.places.append((path.replace(CARD, "CARD"), body))
            bad = {"victim": {"name": VICTIM.name, "id_number": VICTIM.id_number, "phone": "x"}}
            answer = await client.post("api/v1/freeze/cases", json=bad)
            assert answer.status_code >= 400
            said.places.append(("POST a case", answer.text))


async def test_no_name_and_no_number_of_a_case_is_where_it_must_not_be(tmp_path: Path) -> None:
    bank, said = desks(), Said()
    (tmp_path / "house").mkdir()
    house = House(tmp_path / "house", {"bank": bank.make}, UNIT)
    for value in (VICTIM, *OFFICERS, account(CARD, name=HOLDER)):
        said.see(value)
    for number, make in enumerate(wrong_values()):
        said.wrong(make, f"wrong value {number}")
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    file = tmp_path / "fzalert.log"
    running = start_logging(LogSettings(file=file, level="debug"), hide=[], service=True)
    try:
        await walk(house, bank, said)
    finally:
        running.stop()
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
    text = file.read_text(encoding="utf-8")
    assert "channel.crashed" in text
    said.places.append(("the log", text))
    assert len(said.places) > 60
    leaks = leaked(said.places)
    assert not leaks, "\n".join(f"{what} in {where}" for where, what in leaks)


CASE = """
[report]
number = "110-1"
at = {at}
summary = "{summary}"
suspect_phone = "{suspect}"

[victim]
name = "{name}"
id_number = "{id}"
phone = "{phone}"

[[accounts]]
kind = "card"
number = "{card}"
name = "{holder}"
bank_code = "102100099996"
bank_name = "中国工商银行"

[[accounts.inflow]]
from_account = "{payer}"
from_name = "{name}"
amount = {amount}
at = {paid}
serials = ["20261124SERIAL01"]
"""


def case_file(house: House, **wrong: str) -> str:
    now = house.clock.now()
    values = {
        "at": (now - timedelta(minutes=5)).isoformat(),
        "paid": (now - timedelta(minutes=20)).isoformat(),
        "summary": SUMMARY,
        "suspect": SUSPECT,
        "name": VICTIM.name,
        "id": VICTIM.id_number,
        "phone": VICTIM.phone,
        "card": CARD,
        "holder": HOLDER,
        "payer": PAYER,
        "amount": "50000.00",
    }
    return CASE.format(**{**values, **wrong})


async def test_the_terminal_and_the_daemon_keep_them_too(tmp_path: Path) -> None:
    site, house = Site(tmp_path), House(tmp_path, toml=UNIT)
    site.config.write_text(UNIT + '[store]\n[web]\nport = 0\n[log]\nlevel = "debug"\n', "utf-8")
    files = tmp_path / "given"
    files.mkdir()
    inputs = {
        "good.toml": case_file(house),
        "digit.toml": case_file(house, card=CARD[:-1] + str((int(CARD[-1]) + 1) % 10)),
        "broken.toml": case_file(house) + f"\nvictim = {VICTIM.name}",
    }
    for name, text in inputs.items():
        (files / name).write_text(text, "utf-8")
    places: list[tuple[str, str | bytes]] = []

    async def run(*words: str, code: int | None = None) -> str:
        ended = await site.fzalert(*words, "--token-file", str(files / "ma.token"))
        assert code is None or ended.code == code, ended
        places.extend([(" ".join(words), ended.out), (" ".join(words), ended.err)])
        return ended.out

    async with site.daemon() as daemon, site.client() as client:
        (files / "ma.token").write_text(await client.add_user("ma", ["detective"]), "utf-8")
        told = await run("--json", "freeze", "new", str(files / "good.toml"), code=0)
        case = json.loads(told.splitlines()[0])["id"]
        for name in ("digit.toml", "broken.toml"):
            await run("freeze", "new", str(files / name))
        await run("freeze", "status", case, code=0)
        held = await run("freeze", "hold", case, "--reason", SUMMARY, code=0)
        assert "held" in held
        expiring = await run("--json", "freeze", "expiring", "--days", "36500", code=0)
        assert expiring == ""  # it is open, so its time does not run
        await run("freeze", "unhold", case, "--reason", "x", code=4)
        places += files_of(tmp_path)
        process = Path("/proc") / str(daemon.pid)
        if process.exists():
            places += [
                (f"/proc {one}", (process / one).read_bytes()) for one in ("environ", "cmdline")
            ]
        places.append(("the daemon's log", daemon.errors))
        assert "daemon.ready" in daemon.errors
    places += files_of(tmp_path)
    leaks = leaked(places)
    assert not leaks, "\n".join(f"{what} in {where}" for where, what in leaks)
