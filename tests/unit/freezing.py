"""A small world for the tests of freeze requests: people, accounts, and one walk through a case.

Every number is made up: cards of a prefix that no bank issues for this use, an identity number of
a county that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fzalert.access import Role
from fzalert.freeze import commands as c
from fzalert.freeze.deadlines import command_for, due
from fzalert.freeze.decide import Refusals, decide
from fzalert.freeze.events import Event, TermsData
from fzalert.freeze.evolve import evolve
from fzalert.freeze.model import FreezeCase, InstructionKind, Measure
from fzalert.freeze.policy import Policy, load_policy
from fzalert.freeze.results import Grade, Receipt
from fzalert.freeze.values import (
    Account,
    AccountKind,
    Attachment,
    AttachmentType,
    CaseReport,
    Duty,
    Filing,
    Officer,
    Rank,
    Transfer,
    TransferChannel,
    Victim,
)

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
BANK = "102100099996"
OTHER_BANK = "103100000026"
CARD = "6222021234567890128"
SHA = "ab" * 32


def attachment(kind: AttachmentType) -> Attachment:
    return Attachment(type=kind, format="pdf", sha256=SHA, size=1000)


def account(number: str = CARD, **more: object) -> Account:
    values: dict[str, object] = {
        "kind": AccountKind.CARD,
        "number": number,
        "name": "李四",
        "bank_code": BANK,
        "bank_name": "中国工商银行",
        **more,
    }
    return Account.model_validate(values)


def transfer(amount: str = "50000.00", at: datetime = START - timedelta(minutes=20)) -> Transfer:
    return Transfer(
        from_account="6228480402564890018",
        from_bank="中国农业银行",
        from_name="张三",
        amount=Decimal(amount),
        at=at,
        channel=TransferChannel.COUNTER,
        serials=("20261124SERIAL01",),
    )


VICTIM = Victim(name="张三", id_number="11010519491231002X", phone="13800138000")
REPORT = CaseReport(number="110-20261124-0007", at=START - timedelta(minutes=5))
DUTY = Duty(
    phone="010-12345678", unit_name="青山县公安局", unit_code="110105000000", prefecture="1101"
)
OFFICERS = (
    Officer(name="王一", certificate="P0001", phone="13800138001"),
    Officer(name="赵二", certificate="P0002", phone="13800138002", role="assisting"),
)


@dataclass
class World:
    """One case, a clock that the test moves, and the people around it."""

    policy: Policy = field(default_factory=load_policy)
    now: datetime = START
    case: FreezeCase | None = None
    log: list[Event] = field(default_factory=list)
    facts: c.Facts = field(
        default_factory=lambda: c.Facts(desks=frozenset({BANK, OTHER_BANK}), package_sha256=SHA)
    )
    number: int = 0

    def person(self, name: str, rank: Rank = Rank.COUNTY, **more: object) -> c.Authority:
        roles = frozenset({Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER})
        made = c.Authority(name, roles, rank, "110105000000", proved_at=self.now)
        return replace(made, **more)  # type: ignore[arg-type]

    @property
    def author(self) -> c.Authority:
        return self.person("author", Rank.STATION)

    @property
    def second(self) -> c.Authority:
        return self.person("second", Rank.COUNTY)

    @property
    def chief(self) -> c.Authority:
        return self.person("chief", Rank.PREFECTURE)

    @property
    def system(self) -> c.Authority:
        return c.Authority("system", machine=True)

    @property
    def desk(self) -> c.Authority:
        return c.Authority("desk", frozenset({Role.BANK_DESK}))

    def ask(self, command: c.Command) -> tuple[Event, ...] | Refusals:
        """Decide, and apply what follows."""
        answer = decide(self.case, command, self.policy, self.now, self.facts)
        if not isinstance(answer, Refusals):
            for event in answer:
                self.log.append(event)
                self.case = evolve(self.case, event, "case-1", self.policy.hours("stop_hours"))
        return answer

    def do(self, command: c.Command) -> tuple[Event, ...]:
        """Ask, and insist on a yes."""
        answer = self.ask(command)
        assert not isinstance(answer, Refusals), answer
        return answer

    def no(self, command: c.Command) -> tuple[str, ...]:
        """Ask, and insist on a no; returns the guards."""
        answer = self.ask(command)
        assert isinstance(answer, Refusals), answer
        assert all(refusal.zh and refusal.en and refusal.source for refusal in answer.refusals)
        return answer.guards

    def measure(self, name: str = "m1") -> Measure:
        assert self.case is not None
        return self.case.measures[name]

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def fire_due(self) -> list[str]:
        """Let the clock's deadlines act, in their order; returns the names of what fired."""
        assert self.case is not None
        fired = []
        for one in due(self.case, self.policy):
            if one.due_at <= self.now:
                self.do(command_for(one, self.system))
                fired.append(one.name)
        return fired

    def opened(self, *, papers: bool = True) -> None:
        report = REPORT.model_copy(update={"at": self.now - timedelta(minutes=5)})
        self.do(c.OpenCase(self.author, report, VICTIM, DUTY))
        self.do(c.NameOfficers(self.author, OFFICERS))
        if papers:
            for kind in (AttachmentType.IDENTITY, AttachmentType.STOP_FORM):
                self.do(c.AttachDocument(self.author, attachment(kind)))
        self.do(c.AddAccount(self.author, "m1", account(), (self.paid(),)))

    def paid(self) -> Transfer:
        """The victim's transfer, twenty minutes ago."""
        return transfer(at=self.now - timedelta(minutes=20))

    def filed(self, money: str | None = None) -> None:
        filing = Filing(
            case_number="A1101050000002026110001",
            at=self.now,
            decision=attachment(AttachmentType.FILING_DECISION),
            legal_basis=("中华人民共和国反电信网络诈骗法第二十条",),
            case_money=None if money is None else Decimal(money),
        )
        self.do(c.FileCase(self.author, filing))

    def prepare(
        self, kind: InstructionKind = InstructionKind.STOP, measure: str = "m1", **more: object
    ) -> c.Prepare:
        self.number += 1
        terms = TermsData.model_validate(more.pop("terms", {}))
        reason = more.pop("reason", "受害人报案，资金正在转移")
        made = c.Prepare(self.author, measure, f"app-{self.number}", kind, str(reason), terms)
        return replace(made, **more)  # type: ignore[arg-type]

    def freeze_terms(self, amount: str = "50000.00", days: int = 180) -> dict[str, object]:
        return {"amount": amount, "start": self.now, "end": self.now + timedelta(days=days)}

    def sent(
        self, kind: InstructionKind = InstructionKind.STOP, terms: dict[str, object] | None = None
    ) -> None:
        self.do(self.prepare(kind, terms=terms or {}))
        self.do(c.Approve(self.chief, "m1"))
        self.do(c.MarkSent(self.system, "m1", "bank-https"))

    def receipt(self, code: str = "0000", **more: object) -> c.RecordReceipt:
        current = self.measure().current or self.measure().past[-1]
        values: dict[str, object] = {
            "application_id": current.id,
            "code": code,
            "account_number": self.measure().account.number,
            "started_at": self.now,
            "grade": Grade.SIGNED,
            "proof": "sha256:00",
            **more,
        }
        return c.RecordReceipt(self.system, Receipt.model_validate(values))

    def stopped(self) -> None:
        self.opened()
        self.sent()
        self.do(self.receipt())

    def frozen(self) -> None:
        self.stopped()
        self.filed()
        self.sent(InstructionKind.FREEZE, terms=self.freeze_terms())
        self.do(self.receipt(frozen="50000.00"))
