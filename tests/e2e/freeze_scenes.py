"""For each rule of freeze requests a scene, reached by public acts alone, and the act it refuses.

The doors of `test_freeze_doors.py` try the same act of the same scene, each in its own way.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from fzalert.access import Actor
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.results import Receipt
from fzalert.freeze.values import AttachmentType
from fzalert.service import Service
from fzalert.service import contact_models as contacts
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_models import CaseView
from fzalert.service.models import UserChange
from fzalert.testing.house import House
from tests.unit.freezing import (
    DUTY,
    OFFICERS,
    OTHER_BANK,
    REPORT,
    VICTIM,
    account,
    transfer,
)

KIND = InstructionKind
PDF = b"%PDF-1.7 made up"
PEOPLE = (
    ("ma", "detective", "station"),
    ("li", "detective", "county"),
    ("zhao", "approver", "prefecture"),
    ("wu", "approver", "county"),
    ("qian", "approver", "station"),
    ("sun", "detective", "station"),
    ("he", "viewer", "station"),
)


@dataclass(frozen=True)
class Attempt:
    """An act that has to be refused.

    Attributes:
        who: Who asks.
        ask: What for.
        stale: Whether the person proved who he is too long ago.
        words: What is typed at the terminal, where it is not what the act says.
        early: Where a door's own form refuses the input before the rule is asked, its word for it.
    """

    who: str
    ask: asks.FreezeAsk
    stale: bool = False
    words: tuple[str, ...] = ()
    early: Mapping[str, str] | None = None


class Stage:
    """A station in which scenes are played; each has a card and a day of its own."""

    def __init__(self, house: House, service: Service) -> None:
        self.house = house
        self.service = service
        self.tokens: dict[str, str] = {}
        self._cards = 0

    async def hire(self) -> None:
        """Let everybody in, each with one token; the file for the terminal lies in the folder."""
        for name, role, rank in PEOPLE:
            change = UserChange(action="add", name=name, roles=[role], rank=rank)
            self.tokens[name] = await self.service.change_user(change)
            file = self.house.folder / f"{name}.token"
            file.write_text(self.tokens[name], encoding="utf-8")

    async def list_bank(self) -> None:
        """Let the directory have a bank of another prefecture; it is used from the next day on."""
        desk: dict[str, Any] = {
            "code": OTHER_BANK,
            "name": "中国农业银行",
            "prefecture": "4403",
            "phone": "0755-66660000",
            "person_a": {"name": "陈一", "phone": "13900139001"},
            "person_b": {"name": "刘二", "phone": "13900139002"},
            "valid_from": "2026-01-01T00:00:00+08:00",
            "ways": [{"kind": "paper"}],
        }
        asked = contacts.ProposeAsk(code=OTHER_BANK, desk=desk, reason="登记")
        (change,) = (await self.service.contacts(asked, await self.by("ma"))).changes
        agree = contacts.ApproveAsk(change=change.id)
        await self.service.contacts(agree, await self.by("zhao"))

    def tomorrow(self) -> None:
        """The next scene is of another day: what was counted before counts no more."""
        self.house.clock.set(self.house.clock.now() + timedelta(days=1))

    def card(self) -> str:
        """A card that no scene had before."""
        self._cards += 1
        digits = f"622202{self._cards:012d}"
        total = 0
        for place, digit in enumerate(reversed(digits)):
            value = int(digit) * (2 if place % 2 == 0 else 1)
            total += value - 9 if value > 9 else value
        return digits + str(-total % 10)

    async def by(self, name: str) -> Actor:
        """The person, who shows the token now."""
        return await self.service.authenticate(self.tokens[name])

    async def do(self, name: str, ask: asks.FreezeAsk) -> CaseView:
        """Do what is asked; it has to go well."""
        answer = await self.service.freeze(ask, await self.by(name))
        assert answer.case is not None
        return answer.case

    # -- the way through a case ------------------------------------------------------------

    async def put(self, name: str, upload: str = "ab" * 8) -> str:
        data = base64.b64encode(PDF).decode()
        ask = asks.PutAsk(upload=upload, offset=0, data=data)
        await self.service.freeze(ask, await self.by(name))
        return upload

    async def attach(self, case: str, kind: AttachmentType) -> None:
        upload = await self.put("ma")
        await self.do("ma", asks.AttachAsk(case=case, type=kind, upload=upload))

    async def opened(
        self, *, papers: bool = True, duty: bool = True, amount: str = "50000.00", **more: object
    ) -> str:
        now = self.house.clock.now()
        report = REPORT.model_copy(update={"at": now - timedelta(minutes=5)})
        ask = asks.OpenAsk(report=report, victim=VICTIM, duty=DUTY if duty else None)
        case = (await self.do("ma", ask)).id
        await self.do("ma", asks.OfficersAsk(case=case, officers=OFFICERS))
        if papers:
            await self.attach(case, AttachmentType.IDENTITY)
            await self.attach(case, AttachmentType.STOP_FORM)
        await self.add(case, amount, **more)
        return case

    async def add(self, case: str, amount: str = "50000.00", **more: object) -> None:
        values = {"number": self.card(), **more}
        paid = transfer(amount, at=self.house.clock.now() - timedelta(minutes=20))
        made = account(**values)  # type: ignore[arg-type]
        await self.do("ma", asks.AddAccountAsk(case=case, account=made, inflow=(paid,)))

    def prepare(
        self, case: str, kind: InstructionKind = KIND.STOP, measure: str = "m1", **more: Any
    ) -> asks.PrepareAsk:
        terms = more.pop("terms", {})
        if kind is KIND.FREEZE:
            end = self.house.clock.now() + timedelta(days=170)
            terms = {"amount": "50000.00", "end": end, **terms}
        values = {"reason": "资金正在转移", **more, "terms": terms}
        values |= {"case": case, "measure": measure, "kind": kind}
        return asks.PrepareAsk.model_validate(values)

    async def approved(
        self, case: str, kind: InstructionKind = KIND.STOP, measure: str = "m1", **terms: Any
    ) -> None:
        await self.do("ma", self.prepare(case, kind, measure, terms=terms))
        await self.do("zhao", asks.ApproveAsk(case=case, measure=measure))

    async def sent(self, case: str, kind: InstructionKind = KIND.STOP, **terms: Any) -> None:
        await self.approved(case, kind, **terms)
        await self.do("li", asks.SendAsk(case=case, measure="m1"))

    async def receipt(self, case: str, **more: Any) -> asks.ReceiptAsk:
        view = (await self.do("ma", asks.ShowAsk(case=case))).measures[0]
        plain = (await self.do("ma", asks.ShowAsk(case=case, reveal=True))).measures[0]
        values = {
            "application_id": view.application_id,
            "code": "0000",
            "account_number": plain.account,
            "started_at": self.house.clock.now(),
            "grade": "B",
            **more,
        }
        return asks.ReceiptAsk(case=case, receipt=Receipt.model_validate(values))

    async def stopped(self, **more: Any) -> str:
        case = await self.opened(**more)
        await self.sent(case)
        await self.do("ma", await self.receipt(case))
        return case

    def filing(self, case: str, upload: str, **more: Any) -> asks.FileAsk:
        values = {
            "case": case,
            "case_number": "A1101050000002026110001",
            "at": self.house.clock.now(),
            "legal_basis": ("中华人民共和国反电信网络诈骗法第二十条",),
            "upload": upload,
            **more,
        }
        return asks.FileAsk.model_validate(values)

    async def filed(self, **more: Any) -> str:
        case = await self.stopped(**more)
        await self.do("ma", self.filing(case, await self.put("ma")))
        return case

    async def frozen(self) -> str:
        case = await self.filed()
        await self.sent(case, KIND.FREEZE)
        await self.do("ma", await self.receipt(case, frozen="50000.00"))
        return case

    async def freeze(self, by: str = "zhao", **terms: Any) -> Attempt:
        """The approval of a freeze whose terms are not right."""
        case = await self.filed()
        await self.do("ma", self.prepare(case, KIND.FREEZE, terms=terms))
        return Attempt(by, asks.ApproveAsk(case=case, measure="m1"))


Scene = Callable[[Stage], Awaitable[Attempt]]


async def role(s: Stage) -> Attempt:
    """Who may not even read a case is shown no form of it."""
    early = {"page": "没有权限"}
    return Attempt("he", s.prepare(await s.opened()), early=early)


async def step_up(s: Stage) -> Attempt:
    case = await s.opened()
    await s.do("ma", s.prepare(case))
    return Attempt("li", asks.ApproveAsk(case=case, measure="m1"), stale=True)


async def daily_limit(s: Stage) -> Attempt:
    case = await s.opened()
    for measure in ("m2", "m3"):
        await s.add(case)
        await s.do("sun", s.prepare(case, measure=measure))
    return Attempt("sun", s.prepare(case))


async def daily_sends(s: Stage) -> Attempt:
    case = await s.opened()
    await s.add(case)
    for measure in ("m1", "m2"):
        await s.approved(case, KIND.STOP, measure)
    await s.do("sun", asks.SendAsk(case=case, measure="m2"))
    return Attempt("sun", asks.SendAsk(case=case, measure="m1"))


async def clean(s: Stage) -> Attempt:
    right = s.card()
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    return Attempt("ma", s.prepare(await s.opened(number=wrong)))


async def duplicate(s: Stage) -> Attempt:
    """The page asks at once for the reason with which it may be waived."""
    card = s.card()
    await s.opened(number=card)
    ask = s.prepare(await s.opened(number=card))
    return Attempt("ma", ask, early={"page": "waive-duplicate"})


async def protected(s: Stage) -> Attempt:
    return Attempt("ma", s.prepare(await s.opened(protected="never")))


async def protected_whole(s: Stage) -> Attempt:
    case = await s.opened(protected="not_whole")
    terms = {"mode": "02", "necessity": "全部为涉案资金", "amount": None}
    return Attempt("ma", s.prepare(case, KIND.FREEZE, terms=terms))


async def two_officers(s: Stage) -> Attempt:
    """The page has fields for two, and wants both."""
    ask = asks.OfficersAsk(case=await s.opened(), officers=OFFICERS[:1])
    return Attempt("ma", ask, early={"page": "o2-certificate"})


async def second_person(s: Stage) -> Attempt:
    case = await s.opened()
    await s.do("ma", s.prepare(case))
    return Attempt("ma", asks.ApproveAsk(case=case, measure="m1"))


async def documents(s: Stage) -> Attempt:
    case = await s.opened(papers=False)
    await s.do("ma", s.prepare(case))
    return Attempt("li", asks.ApproveAsk(case=case, measure="m1"))


async def reason(s: Stage) -> Attempt:
    """The page's field may not be empty."""
    ask = s.prepare(await s.stopped(), KIND.RELEASE, reason=" ")
    return Attempt("ma", ask, early={"page": "reason"})


async def stop_count(s: Stage) -> Attempt:
    case = await s.stopped()
    await s.sent(case, KIND.EXTEND)
    await s.do("ma", await s.receipt(case))
    return Attempt("ma", s.prepare(case, KIND.EXTEND))


async def in_force(s: Stage) -> Attempt:
    case = await s.stopped()
    s.house.clock.set(s.house.clock.now() + timedelta(hours=49))
    return Attempt("ma", s.prepare(case, KIND.EXTEND))


async def filed(s: Stage) -> Attempt:
    case = await s.stopped()
    await s.do("ma", s.prepare(case, KIND.FREEZE))
    return Attempt("zhao", asks.ApproveAsk(case=case, measure="m1"))


async def legal_basis(s: Stage) -> Attempt:
    """Every form asks for it, so none without it comes to a case; an old stream may have one."""
    case = await s.stopped()
    ask = s.filing(case, await s.put("ma"), legal_basis=())
    early = {"library": "legal_basis", "cli": "legal_basis", "http": "/legal_basis"}
    early["page"] = "legal_basis"
    return Attempt("ma", ask, early=early)


async def amount(s: Stage) -> Attempt:
    return await s.freeze(amount="50000.01")


async def period(s: Stage) -> Attempt:
    return await s.freeze(end=s.house.clock.now() + timedelta(days=190))


async def rank(s: Stage) -> Attempt:
    return await s.freeze("qian")


async def whole_reason(s: Stage) -> Attempt:
    return await s.freeze(mode="02", necessity=" ", amount=None)


async def mass(s: Stage) -> Attempt:
    case = await s.filed(amount="2000000.01")
    await s.do("ma", s.prepare(case, KIND.FREEZE, terms={"amount": "2000000.01"}))
    return Attempt("wu", asks.ApproveAsk(case=case, measure="m1"))


async def online(s: Stage) -> Attempt:
    return await s.freeze(offline="无")


async def duty_phone(s: Stage) -> Attempt:
    case = await s.opened(duty=False)
    await s.do("ma", s.filing(case, await s.put("ma")))
    await s.do("ma", s.prepare(case, KIND.FREEZE))
    return Attempt("zhao", asks.ApproveAsk(case=case, measure="m1"))


async def legal_review(s: Stage) -> Attempt:
    """The page's field for the number of the review may not be empty."""
    end = s.house.clock.now() + timedelta(days=200)
    ask = s.prepare(await s.frozen(), KIND.RENEW, terms={"end": end})
    return Attempt("ma", ask, early={"page": "legal_review"})


async def local_police(s: Stage) -> Attempt:
    card = "6228480" + f"{s._cards:011d}"
    total = 0
    for place, digit in enumerate(reversed(card)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    case = await s.opened(
        number=card + str(-total % 10), bank_code=OTHER_BANK, bank_name="中国农业银行"
    )
    await s.do("ma", s.filing(case, await s.put("ma")))
    terms = {"offline": "该机构尚未接入平台"}
    await s.do("ma", s.prepare(case, KIND.FREEZE, terms=terms))
    return Attempt("zhao", asks.ApproveAsk(case=case, measure="m1"))


async def same_rank(s: Stage) -> Attempt:
    case = await s.frozen()
    await s.do("ma", s.prepare(case, KIND.RELEASE))
    return Attempt("wu", asks.ApproveAsk(case=case, measure="m1"))


async def package(s: Stage) -> Attempt:
    case = await s.opened()
    await s.approved(case)
    await s.attach(case, AttachmentType.POLICE_CARD)
    return Attempt("ma", asks.SendAsk(case=case, measure="m1"))


async def receipt_account(s: Stage) -> Attempt:
    case = await s.opened()
    await s.sent(case)
    return Attempt("ma", await s.receipt(case, account_number="6222021234567890136"))


async def receipt_proof(s: Stage) -> Attempt:
    """The page asks for the number of the recorded call where it was told by telephone."""
    case = await s.opened()
    await s.sent(case)
    return Attempt("ma", await s.receipt(case, grade="C"), early={"page": "proof"})


async def receipt_time(s: Stage) -> Attempt:
    case = await s.opened()
    await s.sent(case)
    ahead = s.house.clock.now() + timedelta(hours=2)
    return Attempt("ma", await s.receipt(case, started_at=ahead))


async def not_sent(s: Stage) -> Attempt:
    case = await s.opened()
    await s.sent(case)
    ask = asks.ReasonAsk(action="cancel", case=case, measure="m1", reason="报错账户")
    return Attempt("li", ask)


async def allocation(s: Stage) -> Attempt:
    """The terminal divides what is frozen by itself, so it never asks for more."""
    case = await s.frozen()
    terms = {"method": "direct", "allocation": [{"claimant": "张", "amount": "50000.01"}]}
    ask = s.prepare(case, KIND.RETURN, terms=terms)
    words = ("return", case, "m1", "--loss", "张=0", "--reason", "返还")
    return Attempt("ma", ask, words=words, early={"cli": "loss"})


async def notice(s: Stage) -> Attempt:
    case = await s.frozen()
    terms = {
        "method": "proportional",
        "allocation": [{"claimant": "张", "amount": Decimal("100.00")}],
        "notice_from": s.house.clock.now() - timedelta(days=29),
    }
    await s.do("ma", s.prepare(case, KIND.RETURN, terms=terms))
    return Attempt("zhao", asks.ApproveAsk(case=case, measure="m1"))


SCENES: dict[str, Scene] = {
    "role": role,
    "step-up": step_up,
    "daily-limit": daily_limit,
    "daily-sends": daily_sends,
    "clean": clean,
    "duplicate": duplicate,
    "protected": protected,
    "protected-whole": protected_whole,
    "two-officers": two_officers,
    "second-person": second_person,
    "documents": documents,
    "reason": reason,
    "stop-count": stop_count,
    "in-force": in_force,
    "filed": filed,
    "legal-basis": legal_basis,
    "amount": amount,
    "period": period,
    "rank": rank,
    "whole-reason": whole_reason,
    "mass": mass,
    "online": online,
    "duty-phone": duty_phone,
    "legal-review": legal_review,
    "local-police": local_police,
    "same-rank": same_rank,
    "package": package,
    "receipt-account": receipt_account,
    "receipt-proof": receipt_proof,
    "receipt-time": receipt_time,
    "not-sent": not_sent,
    "allocation": allocation,
    "notice": notice,
}
"""A scene for each rule."""
OPEN_ROAD = frozenset({"recipient"})
"""Rules that no door reaches: where no channel reaches a desk, the instruction is printed."""
SMALL = frozenset({"daily-limit", "daily-sends", "in-force", "duty-phone"})
"""Scenes of a station with small limits, no unit in its settings, and no clock that fires."""
