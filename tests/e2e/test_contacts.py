"""The directory of desks as people meet it: at the terminal, over the socket, and as mail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from fzalert.access import Actor
from fzalert.client import connect
from fzalert.config import Settings
from fzalert.config.load import parse_settings
from fzalert.errors import AccessDenied, InputError
from fzalert.messages import RenditionKind, TargetKind
from fzalert.registry import Registry
from fzalert.service import Service
from fzalert.service import contact_models as asks
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House, ShiftedClock
from fzalert.testing.processes import Site, poll
from tests.contract.bank_mail_peer import MAILBOX, SENDER, MailServer, Pair, issue, openssl
from tests.e2e.test_freeze_service import UNIT, Station
from tests.unit.freezing import BANK, OTHER_BANK

DAY = timedelta(days=1)
NUMBERS = ("6222021234567890136", "6222021234567890144")
ENTRY = f"""
code = "{BANK}"
name = "中国工商银行"
prefecture = "5401"
phone = "010-66660000"
person_a = {{ name = "陈一", phone = "13900139001" }}
person_b = {{ name = "刘二", phone = "13900139002" }}
valid_from = 2026-01-01T00:00:00+08:00

[[ways]]
kind = "mail"
channel = "bank-mail"
address = "{MAILBOX}"
certificate_file = "desk.pem"
"""


def entry(pem: str, **more: Any) -> dict[str, Any]:
    return {
        "code": BANK,
        "name": "中国工商银行",
        "phone": "010-66660000",
        "person_a": {"name": "陈一", "phone": "13900139001"},
        "person_b": {"name": "刘二", "phone": "13900139002"},
        "valid_from": "2026-01-01T00:00:00+08:00",
        "ways": [{"kind": "mail", "channel": "bank-mail", "address": MAILBOX, "certificate": pem}],
        **more,
    }


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    server = MailServer()
    await server.start()
    yield server
    await server.close()


def settings(folder: Path, server: MailServer, ours: Pair) -> Settings:
    text = f"""
[identity]
county = "青山县"
[web]
port = 0
[[channel]]
name = "bank-mail"
adapter = "bank.mail"
host = "127.0.0.1"
port = {server.port}
tls = "none"
sender = "{SENDER}"
certificate = "{ours.certificate}"
key = "{ours.key}"
"""
    return parse_settings(text, folder / "fzalert.toml", registry=Registry.installed())


async def person(service: Service, name: str, *roles: str) -> tuple[Actor, str]:
    token = await service.add_user(name, list(roles))
    return await service.authenticate(token), token


async def test_two_persons_a_day_and_then_a_test_goes_out_and_is_measured(
    tmp_path: Path, server: MailServer
) -> None:
    ours = await asyncio.to_thread(issue, tmp_path, "ours", SENDER)
    theirs = await asyncio.to_thread(issue, tmp_path, "desk", MAILBOX)
    pem = theirs.certificate.read_text(encoding="ascii")
    clock = ShiftedClock()
    found = settings(tmp_path, server, ours)
    async with Service(found, clock=clock) as service, connect(found) as far:
        li, _ = await person(service, "li", "duty_officer", "approver")
        _, token = await person(service, "wang", "approver")
        fax = {"kind": "paper", "address": "010-66660001"}
        for one in (entry(pem), entry(pem, code=OTHER_BANK, name="中国农业银行", ways=[fax])):
            asked = asks.ProposeAsk(code=one["code"], desk=one, reason="首次登记 13900139001")
            (change,) = (await service.contacts(asked, li)).changes
            assert "13900139001" not in change.reason
            with pytest.raises(AccessDenied, match="cannot approve"):
                await service.contacts(asks.ApproveAsk(change=change.id), li)
            # The second person is asked over the socket, as the terminal does it.
            wang = await far.authenticate(token)
            (approved,) = (await far.contacts(asks.ApproveAsk(change=change.id), wang)).changes
            assert approved.use_from
        wrong = entry(pem, code="102100099997")
        with pytest.raises(InputError, match="check digit"):
            await service.contacts(asks.ProposeAsk(code=wrong["code"], desk=wrong, reason="x"), li)
        answer = await service.contacts(asks.ListAsk(), li)
        assert (answer.desks, len(answer.changes)) == ([], 2)
        assert (await service.contacts(asks.DrillAsk(), li)).drills == []
        with pytest.raises(InputError, match="no such desk"):
            await service.contacts(asks.DrillAsk(code=BANK), li)

        clock.set(clock.now() + DAY)
        drills = {one.code: one for one in (await service.contacts(asks.DrillAsk(), li)).drills}
        assert [one.problem for one in drills.values()] == ["", ""]
        assert (drills[OTHER_BANK].channel, drills[OTHER_BANK].phone) == ("paper", "010-66660000")
        await server.arrived(1, 30)
        ((recipient, mail),) = server.mails
        assert recipient == MAILBOX
        application = drills[BANK].application_id
        assert f"Subject: [DRILL] PRE-ALERT (not binding) {application}\r\n".encode() in mail
        opened = openssl(
            *("cms", "-decrypt", "-inkey", theirs.key, "-recip", theirs.certificate), data=mail
        )
        verified = openssl("smime", "-verify", "-CAfile", ours.certificate, data=opened.stdout)
        assert (opened.returncode, verified.returncode) == (0, 0)

        clock.set(clock.now() + timedelta(seconds=90))
        asked_ = asks.AnsweredAsk(application_id=application)
        (measured,) = (await service.contacts(asked_, li)).drills
        assert measured.code == BANK
        assert measured.seconds is not None
        assert 90 <= measured.seconds < 600
        listed = {one.code: one for one in (await service.contacts(asks.ListAsk(), li)).desks}
        assert listed[BANK].last_seconds == measured.seconds
        assert "陈一" not in listed[BANK].person_a
        (shown,) = (await service.contacts(asks.ShowAsk(code=BANK), li)).desks
        assert shown.person_a == "陈一 13900139001"


async def test_a_desk_whose_channel_is_gone_costs_the_others_nothing(
    tmp_path: Path, server: MailServer
) -> None:
    ours = await asyncio.to_thread(issue, tmp_path, "ours", SENDER)
    theirs = await asyncio.to_thread(issue, tmp_path, "desk", MAILBOX)
    pem = theirs.certificate.read_text(encoding="ascii")
    clock = ShiftedClock()
    gone = {"kind": "mail", "channel": "gone", "address": MAILBOX, "certificate": pem}
    async with Service(settings(tmp_path, server, ours), clock=clock) as service:
        li, _ = await person(service, "li", "duty_officer")
        wang, _ = await person(service, "wang", "approver")
        for one in (entry(pem, ways=[gone]), entry(pem, code=OTHER_BANK)):
            asked = asks.ProposeAsk(code=one["code"], desk=one, reason="登记")
            (change,) = (await service.contacts(asked, li)).changes
            await service.contacts(asks.ApproveAsk(change=change.id), wang)
        clock.set(clock.now() + DAY)
        drills = {one.code: one for one in (await service.contacts(asks.DrillAsk(), li)).drills}
        assert drills[BANK].problem
        assert drills[OTHER_BANK].problem == ""
        await server.arrived(1, 30)
        assert len(server.mails) == 1


async def test_a_daemon_tells_of_a_desk_that_was_not_tested_for_long(
    tmp_path: Path, server: MailServer
) -> None:
    ours = await asyncio.to_thread(issue, tmp_path, "ours", SENDER)
    theirs = await asyncio.to_thread(issue, tmp_path, "desk", MAILBOX)
    clock = ShiftedClock()
    found = settings(tmp_path, server, ours)
    async with Service(found, clock=clock) as service:
        li, _ = await person(service, "li", "duty_officer")
        wang, _ = await person(service, "wang", "approver")
        pem = theirs.certificate.read_text(encoding="ascii")
        asked = asks.ProposeAsk(code=BANK, desk=entry(pem), reason="登记")
        (change,) = (await service.contacts(asked, li)).changes
        await service.contacts(asks.ApproveAsk(change=change.id), wang)
    clock.set(clock.now() + 37 * DAY)
    with structlog.testing.capture_logs() as logs:
        async with Service(found, clock=clock) as service:
            await poll(
                lambda: any(one["event"] == "desk.alarm" for one in logs), "the log tells of it"
            )
            alarms = (await service.contacts(asks.ListAsk(), li)).alarms
    (told,) = (one for one in logs if one["event"] == "desk.alarm")
    assert (told["code"], told["kind"]) == (BANK, "stale")
    assert [one.kind for one in alarms] == ["stale"]
    assert "演练" in alarms[0].zh


def banks() -> FarSide:
    """A channel that would take any desk's package, as mail does."""
    any_bank = replace(
        sms(reports=False),
        kinds=frozenset({TargetKind.BANK_DESK}),
        rendition=RenditionKind.BANK,
    )
    return FarSide(capabilities=any_bank)


async def test_a_package_goes_by_the_first_way_of_its_desk_or_is_printed(tmp_path: Path) -> None:
    first, second = banks(), banks()
    house = House(tmp_path, {"first": first.make, "second": second.make}, UNIT)
    async with house.service() as service:
        station = Station(house, service)
        await station.hire()
        # Nobody knows the desk: no channel guesses, the paper is printed.
        unknown = await station.sent(await station.opened())
        assert unknown.note == "m1: paper"
        ways = [{"kind": "mail", "channel": "second", "address": MAILBOX, "certificate": "PEM"}]
        li, _ = await person(service, "desk-keeper", "duty_officer")
        wang, _ = await person(service, "desk-approver", "approver")
        asked = asks.ProposeAsk(code=BANK, desk=entry("PEM", ways=ways), reason="登记")
        (change,) = (await service.contacts(asked, li)).changes
        await service.contacts(asks.ApproveAsk(change=change.id), wang)
        waits = await station.sent(await station.opened(number=NUMBERS[0]))
        assert waits.note == "m1: paper"
        house.clock.set(house.clock.now() + DAY)
        known = await station.sent(await station.opened(number=NUMBERS[1]))
        assert known.note == "m1: desk"
        await second.until(lambda: bool(second.written), timeout=60)
        assert len(second.written) == 1
        assert first.written == []


async def test_the_terminal_proposes_approves_lists_and_takes_back(tmp_path: Path) -> None:
    await asyncio.to_thread(issue, tmp_path, "desk", MAILBOX)
    site = Site(tmp_path)
    site.config.write_text("[web]\nport = 0\n", encoding="utf-8")
    (tmp_path / "icbc.toml").write_text(ENTRY, encoding="utf-8")

    async def run(*words: str) -> Any:
        ended = await site.fzalert("--json", *words)
        assert ended.code == 0, ended
        return json.loads(ended.out)

    made = await run("user", "add", "wang", "--role", "approver")
    token = tmp_path / "wang.token"
    token.write_text(made["token"], encoding="utf-8")
    token.chmod(0o600)
    (change,) = (await run("contacts", "add", "icbc.toml", "--reason", "首次登记"))["changes"]
    alone = await site.fzalert("contacts", "approve", change["id"])
    assert alone.code != 0
    assert "approver" in alone.err
    words = ("contacts", "approve", change["id"], "--token-file", str(token))
    (approved,) = (await run(*words))["changes"]
    assert approved["use_from"]
    listed = await run("contacts", "list")
    assert listed["desks"] == []
    assert [one["id"] for one in listed["changes"]] == [change["id"]]
    answer = await run("contacts", "drop", change["id"])
    assert (answer["desks"], answer["changes"]) == ([], [])
