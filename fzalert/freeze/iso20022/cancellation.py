"""camt.056.001.08 from a package: please hold this payment, it is fraud.

One message asks one institution about one account, and names nothing but that account and the
transfers into it. The reason is `FRAD`. The clearing code of a Chinese bank goes under `CNAPS`.
What the schema has no field for stands in `AddtlInf`, as a profile of ours: the kind of the
instruction (`FZ.STOP`, `FZ.FREEZE`), and the hash of the package that was approved.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fzalert.errors import InputError
from fzalert.freeze.iso20022.messages import need_libraries, write
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import DocumentKind, Package, package_hashes, write_package
from fzalert.freeze.values import Transfer, legal_day

if TYPE_CHECKING:
    import pyiso20022.camt.camt_056_001_08 as camt

__all__ = ["CANCELLATION", "write_cancellation"]

CANCELLATION = "urn:iso:std:iso:20022:tech:xsd:camt.056.001.08"
"""The one version that is written."""
FRAUD = "FRAD"
_CLEARING = "CNAPS"
_KINDS = {
    InstructionKind.STOP: "FZ.STOP",
    InstructionKind.EXTEND: "FZ.EXTEND",
    InstructionKind.FREEZE: "FZ.FREEZE",
}
_UETR = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}")
_LONGEST_ID = 35


def write_cancellation(package: Package, now: datetime) -> bytes:
    """Write the cancellation request of one package.

    Args:
        package: A binding instruction to stop or freeze an account at a bank.
        now: The present, aware.

    Raises:
        ConfigError: The extra `iso20022` is not installed.
        InputError: The package is no such instruction, or something in it is longer than the
            schema takes; nothing is cut off silently.
    """
    need_libraries()
    import pyiso20022.camt.camt_056_001_08 as camt

    kind = _KINDS.get(package.measure.kind)
    if kind is None or package.document is not DocumentKind.INSTRUCTION:
        raise InputError(
            "camt.056 asks to hold money: only an instruction to stop or freeze becomes one.",
            hint="Send other instructions as packages or on paper.",
            field="measure.kind",
        )
    if not package.account.bank_code:
        raise InputError(
            "camt.056 needs the clearing code of a bank.",
            hint="A payment institution gets the package or the paper.",
            field="account.bank_code",
        )
    unit = _unit(camt, package)
    bank = _bank(camt, package.account.bank_code, package.account.bank_name)
    case = camt.Case5(id=package.application_id, cretr=unit)
    notes = _notes(package, kind)
    paid = [
        _transaction(camt, package, transfer, number, bank, notes)
        for number, transfer in enumerate(package.inflow, 1)
    ]
    request = camt.FitoFipaymentCancellationRequestV08(
        assgnmt=camt.CaseAssignment5(
            id=package.application_id,
            assgnr=unit,
            assgne=camt.Party40Choice(agt=bank),
            cre_dt_tm=_moment(now),
        ),
        case=case,
        ctrl_data=camt.ControlData1(
            nb_of_txs=str(len(paid)),
            ctrl_sum=sum((one.amount for one in package.inflow), Decimal(0)),
        ),
        undrlyg=[camt.UnderlyingTransaction23(tx_inf=paid)],
    )
    return write(camt.Document(fito_fipmt_cxl_req=request), CANCELLATION)


def _unit(camt: Any, package: Package) -> camt.Party40Choice:
    sender = package.sender
    named = camt.GenericOrganisationIdentification1(
        id=sender.unit_code,
        schme_nm=camt.OrganisationIdentificationSchemeName1Choice(prtry="FZ.UNIT"),
    )
    identity = camt.Party38Choice(org_id=camt.OrganisationIdentification29(othr=[named]))
    contact = camt.Contact4(phne_nb=_phone(sender.duty_phone))
    party = camt.PartyIdentification135(nm=sender.unit_name, id=identity, ctct_dtls=contact)
    return camt.Party40Choice(pty=party)


def _phone(number: str) -> str | None:
    """A duty telephone as the schema writes one, or None where it has another shape."""
    digits = number.replace("-", "").removeprefix("+86").removeprefix("0")
    return f"+86-{digits}" if digits.isdigit() else None


def _bank(camt: Any, code: str, name: str) -> camt.BranchAndFinancialInstitutionIdentification6:
    member = camt.ClearingSystemMemberIdentification2(
        clr_sys_id=camt.ClearingSystemIdentification2Choice(cd=_CLEARING), mmb_id=code
    )
    institution = camt.FinancialInstitutionIdentification18(
        clr_sys_mmb_id=member if code else None, nm=name or None
    )
    return camt.BranchAndFinancialInstitutionIdentification6(fin_instn_id=institution)


def _account(camt: Any, number: str, currency: str) -> camt.CashAccount38:
    generic = camt.GenericAccountIdentification1(id=number)
    return camt.CashAccount38(id=camt.AccountIdentification4Choice(othr=generic), ccy=currency)


def _notes(package: Package, kind: str) -> list[str]:
    measure = package.measure
    notes = [kind, f"package sha256 {package_hashes(write_package(package))[0]}"]
    if package.drill:
        notes.insert(0, "DRILL 演练: nothing is to be stopped")
    if measure.duration_hours is not None:
        notes.append(f"for {measure.duration_hours} hours from its start")
    if measure.amount is not None:
        notes.append(f"amount {measure.amount}")
    if measure.end_at is not None:
        notes.append(f"until {measure.end_at.isoformat(timespec='seconds')}")
    return notes


def _transaction(
    camt: Any,
    package: Package,
    transfer: Transfer,
    number: int,
    bank: camt.BranchAndFinancialInstitutionIdentification6,
    notes: list[str],
) -> camt.PaymentTransaction106:
    uetr = next((one for one in transfer.serials if _UETR.fullmatch(one)), None)
    serials = [one for one in transfer.serials if one != uetr]
    amount = camt.ActiveOrHistoricCurrencyAndAmount(value=transfer.amount, ccy=transfer.currency)
    payer = transfer.from_bank
    code = payer if re.fullmatch(r"[0-9]{12}", payer) else ""
    reference = camt.OriginalTransactionReference28(
        dbtr=_person(camt, transfer.from_name),
        dbtr_acct=_account(camt, transfer.from_account, transfer.currency),
        dbtr_agt=_bank(camt, code, "" if code else payer) if payer else None,
        cdtr_agt=bank,
        cdtr=_person(camt, package.account.name),
        cdtr_acct=_account(camt, package.account.number, transfer.currency),
    )
    short = [one for one in serials if len(one) <= _LONGEST_ID]
    more = [f"serial {one}" for one in serials if one not in short[:1]]
    return camt.PaymentTransaction106(
        cxl_id=f"{package.application_id}/{number}",
        orgnl_tx_id=short[0] if short else None,
        orgnl_uetr=uetr,
        orgnl_intr_bk_sttlm_amt=amount,
        orgnl_intr_bk_sttlm_dt=_day(transfer.at),
        cxl_rsn_inf=[
            camt.PaymentCancellationReason5(
                rsn=camt.CancellationReason33Choice(cd=FRAUD), addtl_inf=[*notes, *more]
            )
        ],
        orgnl_tx_ref=reference,
    )


def _person(camt: Any, name: str) -> camt.Party40Choice | None:
    if not name:
        return None
    return camt.Party40Choice(pty=camt.PartyIdentification135(nm=name))


def _moment(moment: datetime) -> Any:
    from xsdata.models.datatype import XmlDateTime

    return XmlDateTime.from_datetime(moment.replace(microsecond=0))


def _day(moment: datetime) -> Any:
    from xsdata.models.datatype import XmlDate

    return XmlDate.from_date(legal_day(moment))
