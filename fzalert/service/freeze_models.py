"""What may be asked about freeze requests, and what is answered: plain data, the same everywhere.

A request is one of the classes of `FreezeAsk`, told apart by `action`. Names, numbers and accounts
in an answer are masked unless the request reveals them, which is an act on record.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from fzalert.access.actors import Role
from fzalert.freeze.events import TaskResult, TermsData
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.results import Receipt
from fzalert.freeze.values import (
    Account,
    AttachmentType,
    CaseReport,
    Duty,
    Money,
    Officer,
    Transfer,
    Victim,
)

__all__ = [
    "MAY_READ",
    "BoardRow",
    "CallView",
    "CaseView",
    "CheckView",
    "DocumentView",
    "EscalationView",
    "EventView",
    "FigureView",
    "FileView",
    "FindingView",
    "FreezeAnswer",
    "FreezeAsk",
    "GuardView",
    "MeasureView",
    "NextView",
    "TaskRow",
    "TaskView",
    "read_ask",
]

MAY_READ = (Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER, Role.AUDITOR)
"""Who may read cases."""
PIECE = 512 * 1024
"""Most bytes of a document in one request; a longer one is put in pieces."""
_Case = Annotated[str, Field(min_length=1, max_length=36)]
_Measure = Annotated[str, Field(min_length=1, max_length=36)]
_Reason = Annotated[str, Field(max_length=500)]


class _Ask(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class OpenAsk(_Ask):
    """Enter a report; the answer has the case's id."""

    action: Literal["open"] = "open"
    report: CaseReport
    victim: Victim
    duty: Duty | None = None


class OfficersAsk(_Ask):
    """Name the two officers."""

    action: Literal["officers"] = "officers"
    case: _Case
    officers: tuple[Officer, ...]


class DutyAsk(_Ask):
    """Name the unit and who answers there day and night."""

    action: Literal["duty"] = "duty"
    case: _Case
    duty: Duty


class PutAsk(_Ask):
    """Put a piece of a document; `attach` or `file` then names the upload."""

    action: Literal["put"] = "put"
    upload: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    offset: Annotated[int, Field(ge=0)]
    data: Annotated[str, Field(max_length=PIECE * 4 // 3 + 8, repr=False)]


class AttachAsk(_Ask):
    """Attach a document that was put before."""

    action: Literal["attach"] = "attach"
    case: _Case
    type: AttachmentType
    upload: str


class FileAsk(_Ask):
    """立案, with the decision that was put before."""

    action: Literal["file"] = "file"
    case: _Case
    case_number: str
    at: AwareDatetime
    legal_basis: tuple[str, ...]
    case_money: Money | None = None
    upload: str


class AddAccountAsk(_Ask):
    """Add an account; the answer's last measure is the new one."""

    action: Literal["add-account"] = "add-account"
    case: _Case
    account: Account
    inflow: tuple[Transfer, ...]
    parent: str = ""


class PrepareAsk(_Ask):
    """Prepare an instruction: a stop, and later what follows it."""

    action: Literal["prepare"] = "prepare"
    case: _Case
    measure: _Measure
    kind: InstructionKind
    reason: _Reason = ""
    terms: TermsData = Field(default_factory=TermsData)
    waived: tuple[tuple[str, str], ...] = ()


class ApproveAsk(_Ask):
    """Approve what another person prepared."""

    action: Literal["approve"] = "approve"
    case: _Case
    measure: _Measure


class RejectAsk(_Ask):
    """Send a prepared instruction back."""

    action: Literal["reject"] = "reject"
    case: _Case
    measure: _Measure
    reason: _Reason


class SendAsk(_Ask):
    """Send what is approved: one measure, or all of the case."""

    action: Literal["send"] = "send"
    case: _Case
    measure: str = ""
    paper: bool = False


class AcknowledgeAsk(_Ask):
    """Note that the institution's desk has it."""

    action: Literal["acknowledge"] = "acknowledge"
    case: _Case
    application_id: str
    desk: str = ""


class ReceiptAsk(_Ask):
    """Enter an institution's answer by hand."""

    action: Literal["receipt"] = "receipt"
    case: _Case
    receipt: Receipt


class CorrectAsk(_Ask):
    """Correct an account after a mismatch or a refusal."""

    action: Literal["correct"] = "correct"
    case: _Case
    measure: _Measure
    account: Account
    inflow: tuple[Transfer, ...]
    reason: _Reason


class ReasonAsk(_Ask):
    """Find the money irrelevant, or cancel a measure."""

    action: Literal["irrelevant", "cancel"]
    case: _Case
    measure: _Measure
    reason: _Reason


class ComplaintAsk(_Ask):
    """Record a holder's complaint or appeal by its number."""

    action: Literal["complaint"] = "complaint"
    case: _Case
    measure: _Measure
    number: Annotated[str, Field(min_length=1, max_length=60)]


class ShowAsk(_Ask):
    """Read a case, its history or its board row."""

    action: Literal["show"] = "show"
    case: _Case
    reveal: bool = False


class HistoryAsk(_Ask):
    """Read what happened in a case; `after` is the version that is known already."""

    action: Literal["history"] = "history"
    case: _Case
    after: Annotated[int, Field(ge=0)] = 0


class CheckAsk(_Ask):
    """Ask what stands against the next act of a measure; nothing is done or recorded."""

    action: Literal["check"] = "check"
    case: _Case
    measure: _Measure
    kind: InstructionKind | None = None


class TasksAsk(_Ask):
    """List what persons have to do because a desk is silent; to reveal is put on record."""

    action: Literal["tasks"] = "tasks"
    case: Annotated[str, Field(max_length=80)] = ""
    reveal: bool = False


class TaskDoneAsk(_Ask):
    """Say what came of a task; `taken` counts as the desk's acknowledgement."""

    action: Literal["task-done"] = "task-done"
    case: _Case
    task: Annotated[str, Field(pattern=r"^m[0-9]{1,5}-t[0-9]{1,5}$")]
    result: TaskResult
    note: Annotated[str, Field(max_length=300)] = ""


class BoardAsk(_Ask):
    """Read every measure with its clock."""

    action: Literal["board"] = "board"
    ended: bool = False


class FiguresAsk(_Ask):
    """Read the key figures by institution and month; nothing in them is about a person."""

    action: Literal["figures"] = "figures"
    month: Annotated[str, Field(pattern=r"^([0-9]{4}-(0[1-9]|1[0-2]))?$")] = ""


class RefusedAsk(_Ask):
    """Put on record that a door refused an input by its form; no value is told."""

    action: Literal["refused"] = "refused"
    act: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    fields: Annotated[
        tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=20, repr=False)
    ] = ()
    case: Annotated[str, Field(max_length=80)] = ""


class PaperAsk(_Ask):
    """Make or read a paper of a measure."""

    action: Literal["paper"] = "paper"
    case: _Case
    measure: _Measure
    paper: Literal["instruction", "pre_alert", "owner_notice"] = "instruction"


class BundleAsk(_Ask):
    """Make the evidence bundle of a case."""

    action: Literal["bundle"] = "bundle"
    case: _Case


class TraceAsk(_Ask):
    """Estimate how the case's money went on, by the accounts that the case knows."""

    action: Literal["trace"] = "trace"
    case: _Case
    order: Literal["fifo", "lifo", "proportional"] = "fifo"


class DepositData(_Ask):
    """One transfer of one claimant's into an account that is frozen."""

    claimant: Annotated[str, Field(min_length=1, max_length=120, repr=False)]
    amount: Money
    at: AwareDatetime


class ShareAsk(_Ask):
    """Divide what is frozen on an account among those who lost it."""

    action: Literal["share"] = "share"
    case: _Case
    measure: _Measure
    method: Literal["direct", "timestamp", "proportional"] = "proportional"
    losses: Annotated[
        dict[str, Money],
        Field(
            max_length=1000,
            repr=False,
            description="What each lost there; for direct and proportional.",
        ),
    ] = Field(default_factory=dict)
    deposits: Annotated[
        tuple[DepositData, ...],
        Field(max_length=5000, description="Each transfer with its time; for timestamp."),
    ] = ()


class Iso20022Ask(_Ask):
    """Write the approved instruction as camt.056.001.08; it goes on record who took it."""

    action: Literal["iso20022"] = "iso20022"
    case: _Case
    measure: _Measure


class Iso20022AnswerAsk(_Ask):
    """Read a bank's camt.029.001.09 as its receipt, or as its acknowledgement."""

    action: Literal["iso20022-answer"] = "iso20022-answer"
    case: _Case
    measure: _Measure
    xml: Annotated[str, Field(min_length=1, max_length=300_000, repr=False)]


FreezeAsk = Annotated[
    OpenAsk
    | OfficersAsk
    | DutyAsk
    | PutAsk
    | AttachAsk
    | FileAsk
    | AddAccountAsk
    | PrepareAsk
    | ApproveAsk
    | RejectAsk
    | SendAsk
    | AcknowledgeAsk
    | ReceiptAsk
    | CorrectAsk
    | ReasonAsk
    | ComplaintAsk
    | ShowAsk
    | HistoryAsk
    | CheckAsk
    | TasksAsk
    | TaskDoneAsk
    | BoardAsk
    | FiguresAsk
    | RefusedAsk
    | PaperAsk
    | BundleAsk
    | TraceAsk
    | ShareAsk
    | Iso20022Ask
    | Iso20022AnswerAsk,
    Field(discriminator="action"),
]
"""Anything that may be asked."""
_ASK: TypeAdapter[FreezeAsk] = TypeAdapter(FreezeAsk, config=ConfigDict(hide_input_in_errors=True))


def read_ask(value: object) -> FreezeAsk:
    """Read a request. Raises pydantic's `ValidationError`."""
    return _ASK.validate_python(value, strict=False)


class _View(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NextView(_View):
    """What has to be decided next, and until when."""

    zh: str
    en: str
    deadline: str = ""
    due_at: datetime | None = None
    seconds: int | None = Field(default=None, description="Left; negative once it is over.")


class CallView(_View):
    """Whom to telephone, by our own book; persons are masked unless they are revealed."""

    role: str = Field(description="desk, person-a, person-b, supervisor or centre.")
    name: str
    phone: str


class TaskView(_View):
    """What a person has to do because a desk is silent."""

    id: str
    kind: str = Field(description="phone, supervisor or centre.")
    waits_for: str = Field(description="acknowledge or result.")
    application_id: str
    opened_at: datetime
    calls: list[CallView] = Field(default_factory=list)
    zh: str = Field(description="What to say; it names no account and no person.")
    en: str
    done_at: datetime | None = None
    done_by: str = ""
    result: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody has to do it."""
        return self.done_at is None


class EscalationView(_View):
    """The last step of the ladder that was climbed for the instruction in progress."""

    waits_for: str = Field(description="acknowledge or result.")
    step: int
    to: str = Field(description="next-channel, phone, supervisor or centre.")
    channel: str = ""
    at: datetime
    why: str = Field(description="deadline, or refused where the desk was out of reach.")


class TaskRow(_View):
    """One open task of some case."""

    case: str
    measure: str
    institution: str
    task: TaskView


class MeasureView(_View):
    """One account at one institution, as it stands."""

    id: str
    state: str
    institution: str
    account: str = Field(repr=False)
    holder: str = Field(repr=False)
    amount: Decimal
    level: int
    parent: str
    application_id: str = ""
    kind: str = ""
    stage: str = ""
    prepared_by: str = ""
    approved_by: str = ""
    package_sha256: str = ""
    sent_at: datetime | None = None
    acked_at: datetime | None = None
    stop_no: int = 0
    started_at: datetime | None = None
    expires_at: datetime | None = None
    frozen: Decimal | None = None
    balance: Decimal | None = None
    flags: list[str] = Field(default_factory=list)
    receipts: list[str] = Field(default_factory=list)
    ended: str = ""
    sent_over: list[str] = Field(
        default_factory=list, description="Channels that the instruction went by, in order."
    )
    escalation: EscalationView | None = None
    tasks: list[TaskView] = Field(default_factory=list, description="Open ones and done ones.")
    next: NextView


class DocumentView(_View):
    """One document of a case."""

    type: str
    format: str
    sha256: str
    size: int


class CaseView(_View):
    """A case as it stands."""

    id: str
    version: int
    report: str
    reported_at: datetime
    kind: str
    victim: str = Field(repr=False)
    victim_id: str = Field(repr=False)
    victim_phone: str = Field(repr=False)
    opened_by: str
    opened_at: datetime
    unit: str = ""
    duty_phone: str = ""
    officers: list[str] = Field(default_factory=list, repr=False)
    case_number: str = ""
    documents: list[DocumentView] = Field(default_factory=list)
    measures: list[MeasureView] = Field(default_factory=list)


class BoardRow(_View):
    """One measure of some case on the board."""

    case: str
    report: str
    measure: MeasureView


class EventView(_View):
    """One event of a case, without personal data."""

    version: int
    at: datetime
    by: str
    event: str
    measure: str = ""
    facts: dict[str, str] = Field(default_factory=dict)


class FileView(_View):
    """A file, its bytes in base64."""

    name: str
    sha256: str
    size: int
    data: str = Field(repr=False)


class TraceView(_View):
    """One transfer on the way of the money, with the estimated part of the case's."""

    source: str
    target: str
    at: datetime
    amount: Decimal
    estimate: Decimal


class GuardView(_View):
    """One guard that is not met."""

    id: str
    zh: str
    en: str
    source: str
    detail: str = ""
    field: str = ""
    personal: bool = Field(default=False, description="Whether it is about who acts.")


class FindingView(_View):
    """One thing that the check of account and transfer found; a warning may be waived."""

    code: str
    severity: str
    field: str
    zh: str
    en: str


class CheckView(_View):
    """What stands against the next act of a measure."""

    act: str = Field(default="", description="prepare, approve, send, answer, or empty: none.")
    kind: str = ""
    unmet: list[GuardView] = Field(default_factory=list, description="Against doing it now.")
    later: list[GuardView] = Field(
        default_factory=list, description="What the approval will need of the case."
    )
    findings: list[FindingView] = Field(default_factory=list)


class LengthsView(_View):
    """How long a step took, in seconds."""

    number: int = Field(description="How many of them there are.")
    p50: float | None = Field(description="Half of them took no longer.")
    p90: float | None = Field(description="Nine of ten took no longer.")


class FigureView(_View):
    """The figures of one institution in one month; see `fzalert.freeze.figures.FigureRow`."""

    month: str
    desk: str = Field(description="Code of the institution; empty for all together.")
    name: str
    sent: int
    acked: int
    stopped: int
    mismatched: int
    refused: int
    report_to_send: LengthsView
    send_to_ack: LengthsView
    ack_to_stop: LengthsView
    report_to_stop: LengthsView
    asked: Decimal
    money_stopped: Decimal
    frozen: Decimal
    returned: Decimal


class FreezeAnswer(_View):
    """The answer to a request; what it has depends on what was asked."""

    case: CaseView | None = None
    board: list[BoardRow] = Field(default_factory=list)
    tasks: list[TaskRow] = Field(default_factory=list)
    events: list[EventView] = Field(default_factory=list)
    files: list[FileView] = Field(default_factory=list)
    trace: list[TraceView] = Field(default_factory=list)
    shares: dict[str, Decimal] = Field(default_factory=dict)
    figures: list[FigureView] = Field(default_factory=list)
    check: CheckView | None = None
    note: str = ""
    repeated: bool = Field(
        default=False, description="Whether the change was made before, under the same key."
    )
