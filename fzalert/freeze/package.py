"""The package that one institution gets: its own account, the inbound transfers, nothing else.

Canonical JSON (RFC 8785 on NFC text; amounts are texts) hashed with SHA-256 and SM3. The bytes are
fixed by the approval: whoever builds the package again from the same case gets the same bytes.

A pre-alert (预警通知) asks a desk to look now; it binds nobody and stops nothing by itself. A
binding instruction (指令) does. They are different documents, and each says which it is.
"""

from __future__ import annotations

import enum
import hashlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from fzalert.errors import InputError
from fzalert.evidence import Json, canonical, loads
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.results import Grade, Outcome, Outflow, Receipt, result_of
from fzalert.freeze.values import Account, Money, Rank, Transfer, _Value, mask_name, mask_number

if TYPE_CHECKING:
    from fzalert.freeze.model import FreezeCase, Instruction, Measure
    from fzalert.freeze.policy import Policy

__all__ = [
    "MESSAGE_CODES",
    "ApprovalBlock",
    "AttachmentName",
    "CaseBlock",
    "DocumentKind",
    "Grade",
    "InstructionKind",
    "MeasureBlock",
    "OfficerBlock",
    "Outcome",
    "Outflow",
    "Package",
    "Receipt",
    "SenderBlock",
    "build_package",
    "mask_name",
    "mask_number",
    "package_hashes",
    "read_package",
    "result_of",
    "write_package",
]

MESSAGE_CODES = {
    "stop": "100101",
    "release_stop": "100103",
    "extend": "100105",
    "freeze": "100201",
    "release_freeze": "100203",
    "renew": "100205",
    "return": "",
}
"""The national platform's message code of each kind; returning money has none there."""


class DocumentKind(enum.StrEnum):
    """Whether a document binds."""

    PRE_ALERT = "pre_alert"
    INSTRUCTION = "instruction"


class CaseBlock(_Value):
    """What a bank has to know of the case."""

    report_number: Annotated[str, Field(max_length=30)]
    report_at: AwareDatetime
    kind: Annotated[str, Field(max_length=50)]
    case_number: Annotated[str, Field(max_length=30)] = ""
    filed_at: AwareDatetime | None = None
    legal_basis: tuple[Annotated[str, Field(max_length=150)], ...] = ()


class MeasureBlock(_Value):
    """What is asked."""

    kind: InstructionKind
    stop_number: int = 0
    mode: Literal["01", "02", ""] = ""
    amount: Money | None = None
    start_at: AwareDatetime | None = None
    end_at: AwareDatetime | None = None
    includes_interest: bool | None = None
    reason: Annotated[str, Field(max_length=500)] = ""
    original_application_id: Annotated[str, Field(max_length=36)] = ""
    duration_hours: int | None = None


class OfficerBlock(_Value):
    """One of the two officers."""

    name: Annotated[str, Field(max_length=40, repr=False)]
    certificate: Annotated[str, Field(max_length=30, repr=False)]
    phone: Annotated[str, Field(max_length=30, repr=False)]
    role: Literal["handling", "assisting"]


class SenderBlock(_Value):
    """The unit that asks, and who answers there day and night."""

    unit_name: Annotated[str, Field(max_length=150)]
    unit_code: Annotated[str, Field(pattern=r"^[0-9]{12}$")]
    duty_phone: Annotated[str, Field(max_length=30)]


class ApprovalBlock(_Value):
    """Who approved it, by office, and when."""

    rank: Rank
    approved_at: AwareDatetime


class AttachmentName(_Value):
    """A document that goes with it, under the platform's name for it."""

    name: Annotated[str, Field(max_length=120)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0)]


class Package(_Value):
    """What one institution gets about one account.

    Attributes:
        document: Pre-alert or binding instruction.
        application_id: Under which it answers.
        message_code: The platform's code for it.
        urgency: 02 urgent.
        created_at: When the instruction was prepared.
        policy: Name and version of the rules that it was made under.
        drill: A rehearsal: nothing is to be stopped.
    """

    schema_version: Literal["fzalert-freeze-package/1"] = "fzalert-freeze-package/1"
    document: DocumentKind
    application_id: Annotated[str, Field(min_length=1, max_length=36)]
    message_code: Annotated[str, Field(max_length=6)]
    urgency: Literal["01", "02"] = "02"
    created_at: AwareDatetime
    policy: str
    drill: bool = False
    sender: SenderBlock
    case: CaseBlock
    account: Account
    inflow: Annotated[tuple[Transfer, ...], Field(min_length=1)]
    measure: MeasureBlock
    officers: tuple[OfficerBlock, ...]
    approval: ApprovalBlock | None = None
    attachments: tuple[AttachmentName, ...] = ()


def build_package(
    case: FreezeCase,
    measure: Measure,
    instruction: Instruction,
    policy: Policy,
    *,
    document: DocumentKind = DocumentKind.INSTRUCTION,
    drill: bool = False,
) -> Package:
    """Build the package of one instruction, for the one institution that has the account.

    Args:
        case: The case; nothing of it but the report's number and the filing goes in.
        measure: The account's measure.
        instruction: The instruction, with its approval for a binding document.
        policy: The rules in force.
        document: What it is to be.
        drill: Whether it is a rehearsal.

    Raises:
        InputError: Without the unit, or a binding document without its approval.
    """
    duty = case.duty
    binding = document is DocumentKind.INSTRUCTION
    if duty is None or (binding and instruction.approved_at is None):
        raise InputError(
            "A package needs the unit's duty telephone, and a binding one its approval.",
            hint="Name the unit; have the instruction approved.",
            field="approval",
        )
    approval = None
    if binding and instruction.approved_at is not None:
        approval = ApprovalBlock(
            rank=instruction.approved_rank, approved_at=instruction.approved_at
        )
    filing = case.filing
    return Package(
        document=document,
        application_id=instruction.id,
        message_code=_message_code(instruction, measure),
        created_at=instruction.prepared_at,
        policy=f"{policy.name} {policy.version}",
        drill=drill,
        sender=SenderBlock(
            unit_name=duty.unit_name, unit_code=duty.unit_code, duty_phone=duty.phone
        ),
        case=CaseBlock(
            report_number=case.report.number,
            report_at=case.report.at,
            kind=case.report.kind,
            case_number="" if filing is None else filing.case_number,
            filed_at=None if filing is None else filing.at,
            legal_basis=() if filing is None else filing.legal_basis,
        ),
        account=measure.account,
        inflow=measure.inflow,
        measure=_measure(measure, instruction, policy),
        officers=tuple(
            OfficerBlock(
                name=officer.name,
                certificate=officer.certificate,
                phone=officer.phone,
                role=officer.role,
            )
            for officer in case.officers
        ),
        approval=approval,
        attachments=tuple(
            AttachmentName(
                name=f"{paper.type}{paper.format}_{instruction.id}_{number}",
                sha256=paper.sha256,
                size=paper.size,
            )
            for number, paper in enumerate(case.attachments, 1)
        ),
    )


def write_package(package: Package) -> bytes:
    """The package's one spelling."""
    return canonical(_plain(package))


def read_package(body: bytes) -> Package:
    """Read a package strictly, in its one spelling only.

    Raises:
        InputError: It is no package, or spelled differently; the text names the field and never
            repeats a value.
    """
    try:
        value = loads(body)
        package = Package.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"The package is wrong at {place or 'its top'}: {first['msg']}.", field=place
        ) from None
    if canonical(value) != body or write_package(package) != body:
        raise InputError("The package is not in its canonical spelling.", field="package")
    return package


def package_hashes(body: bytes) -> tuple[str, str]:
    """SHA-256 and SM3 (GB/T 32905-2016) of a package's bytes, hex."""
    from cryptography.hazmat.primitives.hashes import SM3, Hash

    sm3 = Hash(SM3())
    sm3.update(body)
    return hashlib.sha256(body).hexdigest(), sm3.finalize().hex()


def _plain(package: Package) -> Json:
    value: Json = json.loads(package.model_dump_json(exclude_none=True), parse_float=_no_float)
    return value


def _no_float(text: str) -> Json:
    raise InputError(f"A number with a point is in the package ({len(text)} characters).")


def _message_code(instruction: Instruction, measure: Measure) -> str:
    kind = str(instruction.kind)
    if kind == "release":
        kind = "release_freeze" if measure.frozen is not None else "release_stop"
    return MESSAGE_CODES[kind]


def _measure(measure: Measure, instruction: Instruction, policy: Policy) -> MeasureBlock:
    terms = instruction.terms
    kind = instruction.kind
    freezing = kind in {InstructionKind.FREEZE, InstructionKind.RENEW}
    stopping = kind in {InstructionKind.STOP, InstructionKind.EXTEND}
    amount: Decimal | None = terms.amount if freezing else None
    if kind is InstructionKind.RETURN:
        amount = sum((share.amount for share in terms.allocation), Decimal(0))
    earlier = [one.id for one in measure.past if one.sent_at is not None]
    return MeasureBlock(
        kind=kind,
        stop_number=measure.stop_no + 1 if stopping else 0,
        mode=terms.mode.value if freezing else "",
        amount=amount,
        start_at=terms.start if freezing else None,
        end_at=terms.end if freezing else None,
        includes_interest=terms.includes_interest if freezing else None,
        reason=instruction.reason,
        original_application_id=earlier[-1] if earlier and kind is not InstructionKind.STOP else "",
        duration_hours=policy.limit("stop_hours") if stopping else None,
    )
