"""From the form of an act to what the service is asked; what is wrong stands beside its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from fzalert.freeze.events import TermsData
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.results import Receipt
from fzalert.freeze.values import Account, AttachmentType, Duty, Officer, Transfer
from fzalert.service import freeze_models as asks
from fzalert.service.freeze_models import CaseView, CheckView, FreezeAsk, MeasureView, TaskView
from fzalert.web.freeze_forms import Form, Values, local_moment, yuan

__all__ = [
    "About",
    "build",
    "first_values",
    "open_tasks",
    "read_account",
    "read_officers",
    "read_transfer",
]

_LINE = re.compile(r"^(?P<who>.{1,64}?)[\s:：，,]+(?P<amount>[\d,.]+万?)\s*元?$")


@dataclass(frozen=True, slots=True)
class About:
    """What an act is about.

    Attributes:
        case: The case.
        measure: The measure, or None for an act about the case.
        upload: Under which name a document was put.
        check: What stands against it, for an instruction that is prepared.
    """

    case: CaseView
    measure: MeasureView | None
    upload: str = ""
    check: CheckView | None = None

    @property
    def measure_id(self) -> str:
        """The measure's id, or empty."""
        return "" if self.measure is None else self.measure.id


def build(act: str, values: Values, about: About) -> FreezeAsk | None:
    """Make the request of an act; None where something is wrong, which `values` then holds."""
    found = _BUILDERS[act](values, about)
    return None if values.faults else found


def read_account(values: Values, prefix: str = "") -> Account | None:
    """Read an account from the fields with a prefix."""
    kind = values.text(f"{prefix}kind") or "card"
    given = {
        "kind": kind,
        "number": values.number(f"{prefix}number", required=True),
        "name": values.prose(f"{prefix}name", required=True, most=120),
        "holder": "02" if kind == "corporate" else "01",
        "bank_name": values.prose(f"{prefix}bank_name", most=150),
        "bank_code": values.number(f"{prefix}bank_code"),
        "institution": values.text(f"{prefix}institution").lower(),
        "protected": values.text(f"{prefix}protected"),
    }
    names = {name: f"{prefix}{name}" for name in given}
    return values.made(Account, given, names)


def read_transfer(values: Values, prefix: str = "", payer: str = "") -> Transfer | None:
    """Read the transfer into an account.

    Args:
        values: The form.
        prefix: Of the transfer's fields.
        payer: Prefix of the payer's fields, where they stand apart.
    """
    serial = values.text(f"{prefix}serial")
    given = {
        "from_account": values.number(f"{payer}from_account", required=True),
        "from_name": values.prose(f"{payer}from_name", most=120),
        "from_bank": values.prose(f"{payer}from_bank", most=150),
        "amount": values.money(f"{prefix}amount", required=True),
        "at": values.moment(f"{prefix}at", required=True),
        "channel": values.text(f"{prefix}channel") or "other",
        "serials": tuple(serial.replace(",", " ").split()),
    }
    if values.faults and (given["amount"] is None or given["at"] is None):
        return None
    own = {name: f"{prefix}{name}" for name in ("amount", "at", "channel")}
    payers = {name: f"{payer}{name}" for name in ("from_account", "from_name", "from_bank")}
    return values.made(Transfer, given, {**own, **payers, "serials": f"{prefix}serial"})


def read_officers(values: Values) -> tuple[Officer, ...]:
    """Read the two officers; the second assists."""
    found = []
    for place, role in ((1, "handling"), (2, "assisting")):
        given = {
            "name": values.prose(f"o{place}-name", required=True, most=40),
            "certificate": values.text(f"o{place}-certificate", required=True),
            "phone": values.number(f"o{place}-phone", required=True),
        }
        names = {name: f"o{place}-{name}" for name in given}
        officer = values.made(Officer, {**given, "role": role}, names)
        if officer is not None:
            found.append(officer)
    if len(found) == 2 and found[0].certificate == found[1].certificate:
        values.fault(
            "o2-certificate",
            "两名民警的证件号相同，须为两人",
            "Both officers have the same certificate; two are needed.",
        )
    return tuple(found)


def first_values(act: str, about: About, now: datetime) -> Form:
    """What stands in the fields of an act at first."""
    measure = about.measure
    first: dict[str, str] = {}
    if act == "freeze" and measure is not None:
        first = {"amount": f"{measure.amount:.2f}", "end": _day(now, 6)}
    elif act == "renew" and measure is not None:
        first = {"end": _day(measure.expires_at or now, 6)}
    elif act == "receipt":
        first = {"started_at": local_moment(now)}
    elif act == "correct" and measure is not None:
        first = {"bank_name": measure.institution, "amount": f"{measure.amount:.2f}"}
    elif act == "file":
        first = {"at": local_moment(now)}
    elif act == "return" and measure is not None and measure.frozen is not None:
        first = {"allocation": f"{about.case.report} {measure.frozen:.2f}"}
    elif act == "duty":
        first = {"unit_name": about.case.unit, "phone": about.case.duty_phone}
    return Form({name: [value] for name, value in first.items() if value})


def _day(start: datetime, months: int) -> str:
    """The day before the same day some months on: the longest period that the law allows."""
    from dateutil.relativedelta import relativedelta

    end = start + relativedelta(months=months) - timedelta(days=1)
    return local_moment(end)[:10]


def _measure_id(about: About) -> str:
    if about.measure is None:
        raise ValueError("this act is about a measure")
    return about.measure.id


def _submit(values: Values, about: About) -> FreezeAsk:
    waived = []
    findings = [] if about.check is None else about.check.findings
    codes = [one.code for one in findings if one.severity == "warning"]
    if about.check is not None and any(one.id == "duplicate" for one in about.check.unmet):
        codes.append("duplicate")
    for code in dict.fromkeys(codes):
        reason = values.prose(f"waive-{code}", required=True, most=200)
        waived.append((code, reason))
    return asks.PrepareAsk(
        case=about.case.id,
        measure=_measure_id(about),
        kind=InstructionKind.STOP,
        reason=values.prose("reason"),
        waived=tuple(waived),
    )


def _prepared(
    kind: InstructionKind, terms: Callable[[Values], dict[str, object]]
) -> Callable[[Values, About], FreezeAsk | None]:
    def make(values: Values, about: About) -> FreezeAsk | None:
        submitted = _submit(values, about)
        given = terms(values)
        reason = values.prose("reason", required=True)
        found = values.made(TermsData, given, {name: name for name in given})
        if found is None or not isinstance(submitted, asks.PrepareAsk):
            return None
        return submitted.model_copy(update={"kind": kind, "reason": reason, "terms": found})

    return make


def _no_terms(values: Values) -> dict[str, object]:
    del values
    return {}


def _freeze_terms(values: Values) -> dict[str, object]:
    whole = values.text("mode") == "02"
    return {
        "mode": "02" if whole else "01",
        "amount": None if whole else values.money("amount", required=True),
        "end": values.last_of_day("end", required=True),
        "necessity": values.prose("necessity", required=whole),
        "major": values.flag("major"),
        "offline": values.prose("offline"),
        "local_police": values.prose("local_police", most=150),
    }


def _renew_terms(values: Values) -> dict[str, object]:
    return {
        "end": values.last_of_day("end", required=True),
        "legal_review": values.text("legal_review", required=True),
        "major": values.flag("major"),
    }


def _return_terms(values: Values) -> dict[str, object]:
    shares = read_lines(values, "allocation")
    return {
        "method": values.text("method") or "direct",
        "allocation": [{"claimant": who, "amount": amount} for who, amount in shares.items()],
        "notice_from": values.moment("notice_from"),
    }


def read_lines(values: Values, name: str) -> dict[str, Decimal]:
    """Read lines of a word and an amount: 受害人1 386000."""
    found: dict[str, Decimal] = {}
    for line in values.lines(name):
        match = _LINE.match(line)
        amount = yuan(match["amount"]) if match else None
        if match is None or not amount or match["who"] in found:
            values.fault(name, "每行写代号和金额", "Write a word and an amount on each line.")
            return {}
        found[match["who"]] = amount
    if not found:
        values.fault(name, "请填写", "Fill this in.")
    return found


def _reject(values: Values, about: About) -> FreezeAsk:
    reason = values.prose("reason", required=True)
    return asks.RejectAsk(case=about.case.id, measure=_measure_id(about), reason=reason)


def _approve(values: Values, about: About) -> FreezeAsk:
    del values
    return asks.ApproveAsk(case=about.case.id, measure=_measure_id(about))


def _send(values: Values, about: About) -> FreezeAsk:
    del values
    return asks.SendAsk(case=about.case.id, measure=_measure_id(about))


def _send_paper(values: Values, about: About) -> FreezeAsk:
    del values
    return asks.SendAsk(case=about.case.id, measure=_measure_id(about), paper=True)


def _acknowledge(values: Values, about: About) -> FreezeAsk | None:
    measure = about.measure
    desk = values.prose("desk", most=80)
    if measure is None:
        return None
    return asks.AcknowledgeAsk(case=about.case.id, application_id=measure.application_id, desk=desk)


def open_tasks(about: About) -> list[TaskView]:
    """The calls that wait to be made for a measure, the oldest first."""
    return [] if about.measure is None else [one for one in about.measure.tasks if one.is_open]


def _task(values: Values, about: About) -> FreezeAsk | None:
    tasks = open_tasks(about)
    chosen = values.text("task")
    task = next((one for one in tasks if one.id == chosen or not chosen), None)
    if task is None:
        if chosen:
            values.fault("task", "这项催办已有结果", "Somebody has told of this call already.")
        else:
            values.fault("result", "没有待办的催办任务", "No call waits to be made.")
        return None
    given = {
        "case": about.case.id,
        "task": task.id,
        "result": values.text("result", required=True),
        "note": values.prose("note", most=300),
    }
    return values.made(asks.TaskDoneAsk, given, {name: name for name in given})


def _receipt(values: Values, about: About) -> FreezeAsk | None:
    given: dict[str, object] = {
        "application_id": "" if about.measure is None else about.measure.application_id,
        "code": values.text("code", required=True),
        "account_number": values.number("account_number", required=True),
        "started_at": values.moment("started_at"),
        "expires_at": values.moment("expires_at"),
        "balance": values.money("balance", zero=True),
        "frozen": values.money("frozen", zero=True),
        "earlier_authority": values.prose("earlier_authority", most=150),
        "earlier_expires_at": values.moment("earlier_expires_at"),
        "cause": values.prose("cause", most=300),
        "operator": values.prose("operator", most=40),
        "phone": values.text("phone"),
        "grade": values.text("grade") or "B",
        "proof": values.prose("proof", most=200),
    }
    if given["grade"] == "C" and not given["proof"]:
        values.fault("proof", "电话告知的须写录音编号", "Give the number of the recorded call.")
    receipt = values.made(Receipt, given, {name: name for name in given})
    return None if receipt is None else asks.ReceiptAsk(case=about.case.id, receipt=receipt)


def _correct(values: Values, about: About) -> FreezeAsk | None:
    account, transfer = read_account(values), read_transfer(values)
    reason = values.prose("reason", required=True)
    if account is None or transfer is None or not reason:
        return None
    return asks.CorrectAsk(
        case=about.case.id,
        measure=_measure_id(about),
        account=account,
        inflow=(transfer,),
        reason=reason,
    )


def _reasoned(action: str) -> Callable[[Values, About], FreezeAsk | None]:
    def make(values: Values, about: About) -> FreezeAsk | None:
        given = {
            "action": action,
            "case": about.case.id,
            "measure": _measure_id(about),
            "reason": values.prose("reason", required=True),
        }
        return values.made(asks.ReasonAsk, given, {"reason": "reason"})

    return make


def _complaint(values: Values, about: About) -> FreezeAsk | None:
    given = {
        "case": about.case.id,
        "measure": _measure_id(about),
        "number": values.text("number", required=True),
    }
    return values.made(asks.ComplaintAsk, given, {"number": "number"})


def _add(values: Values, about: About) -> FreezeAsk | None:
    account, transfer = read_account(values), read_transfer(values)
    if account is None or transfer is None:
        return None
    return asks.AddAccountAsk(
        case=about.case.id, account=account, inflow=(transfer,), parent=about.measure_id
    )


def _officers(values: Values, about: About) -> FreezeAsk:
    return asks.OfficersAsk(case=about.case.id, officers=read_officers(values))


def _duty(values: Values, about: About) -> FreezeAsk | None:
    given = {
        "phone": values.number("phone", required=True),
        "unit_name": values.prose("unit_name", required=True, most=150),
        "unit_code": values.number("unit_code", required=True),
        "prefecture": values.number("prefecture"),
    }
    duty = values.made(Duty, given, {name: name for name in given})
    return None if duty is None else asks.DutyAsk(case=about.case.id, duty=duty)


def _attach(values: Values, about: About) -> FreezeAsk | None:
    given = {
        "case": about.case.id,
        "type": values.text("type") or AttachmentType.IDENTITY,
        "upload": about.upload,
    }
    return values.made(asks.AttachAsk, given, {"type": "type"})


def _file(values: Values, about: About) -> FreezeAsk | None:
    basis = tuple(values.lines("legal_basis"))
    if not basis:
        values.fault("legal_basis", "请填写", "Fill this in.")
    given = {
        "case": about.case.id,
        "case_number": values.text("case_number", required=True),
        "at": values.moment("at", required=True),
        "legal_basis": basis,
        "case_money": values.money("case_money"),
        "upload": about.upload,
    }
    if given["at"] is None:
        return None
    return values.made(asks.FileAsk, given, {name: name for name in given})


_KIND = InstructionKind
_BUILDERS: Mapping[str, Callable[[Values, About], FreezeAsk | None]] = {
    "submit": _submit,
    "approve": _approve,
    "reject": _reject,
    "send": _send,
    "send-paper": _send_paper,
    "acknowledge": _acknowledge,
    "task": _task,
    "receipt": _receipt,
    "correct": _correct,
    "extend": _prepared(_KIND.EXTEND, _no_terms),
    "freeze": _prepared(_KIND.FREEZE, _freeze_terms),
    "renew": _prepared(_KIND.RENEW, _renew_terms),
    "release": _prepared(_KIND.RELEASE, _no_terms),
    "return": _prepared(_KIND.RETURN, _return_terms),
    "irrelevant": _reasoned("irrelevant"),
    "cancel": _reasoned("cancel"),
    "complaint": _complaint,
    "follow": _add,
    "add": _add,
    "officers": _officers,
    "duty": _duty,
    "attach": _attach,
    "file": _file,
}
KIND_OF: Mapping[str, InstructionKind] = {
    "submit": _KIND.STOP,
    "extend": _KIND.EXTEND,
    "freeze": _KIND.FREEZE,
    "renew": _KIND.RENEW,
    "release": _KIND.RELEASE,
    "return": _KIND.RETURN,
}
"""Acts that prepare an instruction, and which."""
