"""Many cases at once, for benches and for tests of a full house.

A case is written as one commit of all its events, where people would take a dozen: what lies in the
store afterwards is the same. Every number is made up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from fzalert.access import Role
from fzalert.freeze import commands as c
from fzalert.freeze.book import Around, CaseBook
from fzalert.freeze.decide import Refusals, decide
from fzalert.freeze.events import Event, MeasureOpened, TermsData
from fzalert.freeze.evolve import evolve
from fzalert.freeze.model import FreezeCase, InstructionKind
from fzalert.freeze.policy import Policy
from fzalert.freeze.results import Grade, Receipt
from fzalert.freeze.values import (
    Account,
    AccountKind,
    Attachment,
    AttachmentType,
    CaseReport,
    Duty,
    Officer,
    Rank,
    Transfer,
    Victim,
)
from fzalert.testing.desks import card

__all__ = ["CaseWriter", "fill"]

BANK = "102100099996"
_SHA = "ab" * 32
_AT_ONCE = 200


@dataclass
class CaseWriter:
    """Writes the events of cases, as the rules allow them.

    Attributes:
        policy: The rules.
        now: When everything happens.
    """

    policy: Policy
    now: datetime

    def stopped(self) -> tuple[Event, ...]:
        """An account that is stopped, and its clock runs."""
        return tuple(self._events(released=False))

    def released(self) -> tuple[Event, ...]:
        """An account that was stopped and let go."""
        return tuple(self._events(released=True))

    def _person(self, name: str, rank: Rank) -> c.Authority:
        roles = frozenset({Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER})
        return c.Authority(name, roles, rank, "110105000000", proved_at=self.now)

    def _events(self, *, released: bool) -> Iterator[Event]:
        case: FreezeCase | None = None
        for command in self._commands(released=released):
            facts = c.Facts(desks=frozenset({BANK}), package_sha256=_SHA)
            answer = decide(case, command, self.policy, self.now, facts)
            if isinstance(answer, Refusals):
                raise TypeError(f"refused: {answer.guards}")
            for event in answer:
                case = evolve(case, event, "case", self.policy.hours("stop_hours"))
                yield event

    def _commands(self, *, released: bool) -> Iterator[c.Command]:
        ma, li = self._person("user:ma", Rank.STATION), self._person("user:li", Rank.COUNTY)
        machine = c.Authority("machine:answers", machine=True)
        yield c.OpenCase(
            ma,
            CaseReport(number="110-20261124-0007", at=self.now - timedelta(minutes=5)),
            Victim(name="张三", id_number="11010519491231002X", phone="13800138000"),
            Duty(phone="010-12345678", unit_name="青山县公安局", unit_code="110105000000"),
        )
        yield c.NameOfficers(ma, _OFFICERS)
        for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
            paper = Attachment(type=kind, format="pdf", sha256=_SHA, size=1000)
            yield c.AttachDocument(ma, paper)
        account = Account(
            kind=AccountKind.CARD,
            number=card(0),
            name="李四",
            bank_code=BANK,
            bank_name="中国工商银行",
        )
        paid = Transfer(
            from_account="6228480402564890018",
            from_name="张三",
            amount=Decimal("50000.00"),
            at=self.now - timedelta(minutes=20),
            serials=("20261124SERIAL01",),
        )
        yield c.AddAccount(ma, "m1", account, (paid,))
        asked = [InstructionKind.STOP, *([InstructionKind.RELEASE] if released else [])]
        for number, instruction in enumerate(asked, start=1):
            yield c.Prepare(ma, "m1", f"app-{number}", instruction, "资金正在转移", TermsData())
            yield c.Approve(li, "m1")
            yield c.MarkSent(ma, "m1", "desk")
            yield c.Acknowledge(machine, f"app-{number}", "banks")
            said = {
                "application_id": f"app-{number}",
                "code": "0000",
                "account_number": account.number,
                "started_at": self.now,
                "grade": Grade.SIGNED,
                "proof": "sha256:00",
            }
            yield c.RecordReceipt(machine, Receipt.model_validate(said))


_OFFICERS = (
    Officer(name="王一", certificate="P0001", phone="13800138001"),
    Officer(name="赵二", certificate="P0002", phone="13800138002", role="assisting"),
)


async def fill(book: CaseBook, cases: Sequence[tuple[Event, ...]]) -> list[str]:
    """Write so many cases, each about an account of its own; their ids in this order."""
    by = c.Authority("user:ma", frozenset({Role.DETECTIVE}), Rank.STATION)
    ids = [f"20261124-{number:08x}" for number in range(len(cases))]

    async def write(number: int) -> None:
        events = [
            one.model_copy(
                update={"account": one.account.model_copy(update={"number": card(number)})}
            )
            if isinstance(one, MeasureOpened)
            else one
            for one in cases[number]
        ]
        _ = await book._write(ids[number], None, events, Around(), by, None)

    for first in range(0, len(ids), _AT_ONCE):
        some = range(first, min(first + _AT_ONCE, len(ids)))
        await asyncio.gather(*map(write, some))
    return ids
