"""camt.029.001.09 into what a case knows: done, pending, or refused with a platform code.

`CNCL` (or `ACCR`) means that the money is held; `PDCR` that the bank has it and works on it, which
is an acknowledgement and no receipt; `RJCR` that it is refused. A reason that is one of the
platform's four-digit codes stands under `Prtry` and is taken as it is; a reason of the ISO list is
translated, and named in the cause. A message says nothing of when a measure took effect, so the
earlier, safe reading counts: when we sent.

Source: ISO 20022 external code lists, PaymentCancellationRejection1Code.
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fzalert.errors import InputError
from fzalert.freeze.iso20022.messages import need_libraries, parse
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import Package
from fzalert.freeze.results import Grade, Outcome, Receipt, result_of

__all__ = ["RESOLUTION", "Resolution", "ResolutionStatus", "read_resolution"]

RESOLUTION = "urn:iso:std:iso:20022:tech:xsd:camt.029.001.09"
"""The one version that is read."""


class ResolutionStatus(enum.StrEnum):
    """What the bank says of the request."""

    DONE = "CNCL"
    PENDING = "PDCR"
    REFUSED = "RJCR"


_STATUS = {
    "CNCL": ResolutionStatus.DONE,
    "ACCR": ResolutionStatus.DONE,
    "ACNR": ResolutionStatus.DONE,
    "PDCR": ResolutionStatus.PENDING,
    "PDNG": ResolutionStatus.PENDING,
    "RJCR": ResolutionStatus.REFUSED,
}
_REASONS = {
    "NOOR": "0400",  # no original transaction received
    "AC04": "0399",  # closed account
    "AC01": "0300",  # the account number is wrong
    "BE01": "0301",  # the name does not fit the account
    "AM09": "0200",  # another amount
    "LEGL": "1300",  # a rule of law stands against it
    "AM04": "1300",  # no money left
    "ARDT": "1300",  # returned already
    "AGNT": "1300",
    "CUST": "1300",
    "INDM": "1300",
    "NOAS": "1300",
    "NARR": "1300",
}
"""Platform code of each reason; one that is not listed is 1300, with its name in the cause."""
_CODE = re.compile(r"[0-9]{4}")
_GOOD = frozenset({Outcome.DONE, Outcome.PARTIAL})


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a message says about one request.

    Attributes:
        status: Done, pending or refused.
        receipt: For the case; None while it is pending.
        message_id: The message's own id.
        sender: Name or clearing code of who sent it, as it says; unproved.
    """

    status: ResolutionStatus
    receipt: Receipt | None
    message_id: str
    sender: str


def read_resolution(
    xml: bytes, package: Package, *, grade: Grade = Grade.AUTHENTICATED
) -> Resolution:
    """Read the answer to a package.

    Args:
        xml: The message as it came; hostile until it is read.
        package: What was asked.
        grade: How well it is known where the message came from; a message alone is never A.

    Raises:
        ConfigError: The extra `iso20022` is not installed.
        InputError: It is no such message, is about another request, account or bank, or says two
            things at once.
    """
    if grade is Grade.SIGNED:
        raise InputError("A message without a signature of the desk is no receipt of grade A.")
    need_libraries()
    import pyiso20022.camt.camt_029_001_09 as camt

    found: Any = parse(xml, camt.Document, RESOLUTION).rsltn_of_invstgtn
    told = [one for group in found.cxl_dtls for one in group.tx_inf_and_sts]
    _is_about(found, told, package)
    status = _status(found, told)
    digest = hashlib.sha256(xml).hexdigest()
    message_id, sender = found.assgnmt.id, _sender(found)
    if status is ResolutionStatus.PENDING:
        return Resolution(status, None, message_id, sender)
    code, cause = _code(told, status)
    freezing = package.measure.kind is InstructionKind.FREEZE
    receipt = Receipt(
        application_id=package.application_id,
        code=code,
        account_number=package.account.number,
        frozen=_amount(told) if freezing and result_of(code).outcome in _GOOD else None,
        cause=cause,
        grade=grade,
        proof=f"camt.029 {message_id} sha256:{digest}",
    )
    return Resolution(status, receipt, message_id, sender)


def _is_about(found: Any, told: list[Any], package: Package) -> None:
    cases = {one.rslvd_case.id for one in told if one.rslvd_case is not None}
    if found.rslvd_case is not None:
        cases.add(found.rslvd_case.id)
    if cases != {package.application_id}:
        raise InputError(
            "The message is not about this request.",
            hint="Its RslvdCase/Id has to be the application id.",
            field="xml",
        )
    accounts = {number for one in told if (number := _account_of(one.orgnl_tx_ref))}
    if accounts - {package.account.number}:
        raise InputError("The message is about another account.", field="xml")
    bank = _clearing_code(found.assgnmt.assgnr.agt)
    if bank and bank != package.account.bank_code:
        raise InputError("The message is of another bank than was asked.", field="xml")


def _account_of(reference: Any) -> str:
    account = None if reference is None else reference.cdtr_acct
    generic = None if account is None else account.id.othr
    return "" if generic is None else str(generic.id)


def _clearing_code(agent: Any) -> str:
    member = None if agent is None else agent.fin_instn_id.clr_sys_mmb_id
    return "" if member is None else str(member.mmb_id)


def _sender(found: Any) -> str:
    assigner = found.assgnmt.assgnr
    if assigner.pty is not None:
        return str(assigner.pty.nm or "")
    institution = assigner.agt.fin_instn_id
    return str(institution.nm or _clearing_code(assigner.agt) or institution.bicfi or "")


def _status(found: Any, told: list[Any]) -> ResolutionStatus:
    words = [found.sts.conf] if found.sts.conf else []
    words += [one.tx_cxl_sts.value for one in told if one.tx_cxl_sts is not None]
    unknown = sorted(set(words) - _STATUS.keys())
    if unknown or not words:
        raise InputError(
            f"The message has no status that is known here ({', '.join(unknown) or 'none'}).",
            field="xml",
        )
    said = {_STATUS[word] for word in words}
    if len(said) != 1:
        raise InputError(
            "The message says two things at once: " + ", ".join(sorted(said)) + ".",
            hint="Ask the bank by telephone.",
            field="xml",
        )
    return said.pop()


def _code(told: list[Any], status: ResolutionStatus) -> tuple[str, str]:
    reasons = [reason for one in told for reason in one.cxl_sts_rsn_inf]
    notes = [note for reason in reasons for note in reason.addtl_inf]
    given = [reason.rsn.prtry or reason.rsn.cd for reason in reasons if reason.rsn is not None]
    platform = [word for word in given if _CODE.fullmatch(word)]
    others = [word for word in given if word not in platform]
    good = status is ResolutionStatus.DONE
    if len(set(platform)) > 1:
        raise InputError("The message gives several result codes.", field="xml")
    if platform:
        code = platform[0]
    elif good:
        code = "0000"
    else:
        code = _REASONS.get(others[0], "1300") if others else "1300"
    if (result_of(code).outcome in _GOOD) is not good:
        raise InputError("Status and result code of the message do not agree.", field="xml")
    cause = "; ".join([*others, *notes])
    if not good and not cause:
        cause = f"camt.029 {status}"
    return code, cause[:300]


def _amount(told: list[Any]) -> Decimal | None:
    amounts = [
        one.orgnl_intr_bk_sttlm_amt.value for one in told if one.orgnl_intr_bk_sttlm_amt is not None
    ]
    return sum(amounts, Decimal(0)) if amounts else None
