"""One desk of five accepts and never answers, drips a byte, closes in mid answer: the others stop.

A real daemon, five desks behind mutual TLS, and glass in each line. While the one is bad the other
four accounts are stopped; once it is well again the fifth is, too, once.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from stdnum.iso7064 import mod_11_10

from fzalert.clock import SystemClock
from fzalert.desk.service import DeskService
from fzalert.desk.settings import load_desk
from fzalert.freeze.values import Account, AccountKind, AttachmentType
from fzalert.service import Fzalert
from fzalert.service.freeze_handle import CaseHandle
from fzalert.testing.desks import Bank, Precinct, serves
from fzalert.testing.glass import Whim
from fzalert.testing.processes import ask_until
from fzalert.web.desk import desk_doors
from tests.unit.freezing import OFFICERS, REPORT, VICTIM, transfer

DESKS = 5
WITHIN = 240.0
TIMEOUT = 120.0
"""Seconds that a desk may take to acknowledge: whoever waits for the bad one is late."""
IN_TIME = 90.0


@pytest.fixture
async def precinct(tmp_path: Path) -> AsyncIterator[Precinct]:
    """A daemon's folder and five banks; their desks serve in this process, by their own doors."""
    async with Precinct(tmp_path) as precinct, AsyncExitStack() as desks:
        for number in range(DESKS):
            body = f"3131000{number:04d}"
            bank = await precinct.bank(body + str(mod_11_10.calc_check_digit(body)))
            desk = await desks.enter_async_context(DeskService(load_desk(bank.config)))
            doors = await desks.enter_async_context(desk_doors(desk))
            serves(bank, {"staff": doors.staff, "police": doors.police})
        precinct.configure(answer_timeout=TIMEOUT)
        await precinct.hire()
        yield precinct


async def _sent(precinct: Precinct, fz: Fzalert, number: int) -> CaseHandle:
    """A case with an account at each bank, sent to all at once."""
    now = SystemClock().now()
    ma, li = [await fz.actor(precinct.tokens[name]) for name in ("ma", "li")]
    report = REPORT.model_copy(update={"at": now - timedelta(minutes=5)})
    case = await fz.freeze.open_case(report=report, victim=VICTIM, by=ma)
    await case.name_officers(OFFICERS, by=ma)
    for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
        await case.attach(b"%PDF-1.7 made up", type=kind, by=ma)
    for bank in precinct.banks:
        account = Account(
            kind=AccountKind.CORPORATE,
            number=f"{number}{bank.institution}",
            name="李四",
            bank_code=bank.institution,
            bank_name="银行",
        )
        paid = transfer(at=now - timedelta(minutes=20))
        measure = await case.add_account(account, inflow=[paid], by=ma)
        await measure.submit(by=ma)
        await measure.approve(by=li)
    await case.send(by=ma)
    return case


async def _stopped(
    precinct: Precinct, fz: Fzalert, case: CaseHandle, many: int, within: float = WITHIN
) -> list[str]:
    """Wait until so many accounts are stopped; the states of all."""
    ma = await fz.actor(precinct.tokens["ma"])

    async def look() -> list[str] | None:
        found = await fz.freeze.case(case.id, by=ma)
        states = [one.state for one in found.view.measures]
        return states if states.count("stopped") >= many else None

    return await ask_until(look, f"{many} accounts are stopped", within=within)


async def _line_is_up(fz: Fzalert) -> None:
    async def look() -> bool:
        (channel,) = (await fz.status()).channels
        return channel.state == "up"

    await ask_until(look, "every desk answers", within=WITHIN)


def _acts(bank: Bank) -> list[str]:
    lines = bank.core_log.read_text("utf-8").splitlines() if bank.core_log.exists() else []
    return [line for line in lines if line.startswith("did ")]


async def test_a_bad_desk_costs_the_others_nothing(precinct: Precinct) -> None:
    bad, *others = precinct.banks
    whims = [Whim.SWALLOW, Whim.DRIP, Whim.CUT]
    async with precinct.daemon() as daemon, precinct.client() as client:
        fz = Fzalert(client, await precinct.by(client, "ma"), owns_store=False)
        for number, whim in enumerate(whims, 1):
            await _line_is_up(fz)
            bad.glass.whim = whim
            began = time.monotonic()
            case = await _sent(precinct, fz, number)
            states = await _stopped(precinct, fz, case, DESKS - 1, IN_TIME)
            sys.stdout.write(f"{whim.name}: four stopped after {time.monotonic() - began:.1f} s\n")
            assert states[1:] == ["stopped"] * (DESKS - 1)
            assert states[0] == "sent", "the bad desk has told nothing yet"
            bad.glass.whim = Whim.CARRY
            bad.glass.cut()
            assert await _stopped(precinct, fz, case, DESKS) == ["stopped"] * DESKS
        for bank in (bad, *others):
            assert len(_acts(bank)) == len(whims)
        assert (await daemon.stop()).code == 0
