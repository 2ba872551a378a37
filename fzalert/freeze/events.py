"""What happened to a case: the events that its truth is made of, in the order they happened.

Each is strict, frozen, and goes to JSON and back without loss. `by` is the id of an actor.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter

from fzalert.freeze.model import FreezeMode, InstructionKind
from fzalert.freeze.results import Receipt
from fzalert.freeze.values import (
    Account,
    Attachment,
    CaseReport,
    Duty,
    Filing,
    Officer,
    Rank,
    Transfer,
    Victim,
    _Value,
)

__all__ = ["CallData", "Event", "TaskResult", "TermsData", "dump_event", "load_event"]

_Id = Annotated[str, Field(min_length=1, max_length=36)]
_Reason = Annotated[str, Field(max_length=500)]


class _Event(_Value):
    at: AwareDatetime
    by: str


class AllocationData(_Value):
    """What one victim gets back."""

    claimant: Annotated[str, Field(min_length=1, max_length=64)]
    amount: Decimal


class TermsData(_Value):
    """The terms of an instruction, as they are written down; see `model.Terms`."""

    mode: FreezeMode = FreezeMode.LIMITED
    amount: Decimal | None = None
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    includes_interest: bool = True
    necessity: _Reason = ""
    legal_review: Annotated[str, Field(max_length=60)] = ""
    major: bool = False
    offline: _Reason = ""
    local_police: Annotated[str, Field(max_length=150)] = ""
    method: Literal["", "direct", "timestamp", "proportional"] = ""
    allocation: tuple[AllocationData, ...] = ()
    notice_from: AwareDatetime | None = None


class CallData(_Value):
    """Whom to telephone, by our own book."""

    role: Annotated[str, Field(max_length=20)]
    name: Annotated[str, Field(max_length=150)] = ""
    phone: Annotated[str, Field(max_length=30)] = ""


TaskResult: TypeAlias = Literal["taken", "told", "no-answer"]
"""What came of a call: the desk has the instruction, somebody was told, or nobody was reached."""


class CaseOpened(_Event):
    """A report was entered."""

    type: Literal["case.opened"] = "case.opened"
    report: CaseReport
    victim: Victim
    duty: Duty | None = None


class OfficersNamed(_Event):
    """The two officers of the case were named."""

    type: Literal["case.officers"] = "case.officers"
    officers: tuple[Officer, ...]


class DutySet(_Event):
    """The unit and its 24-hour telephone."""

    type: Literal["case.duty"] = "case.duty"
    duty: Duty


class DocumentAttached(_Event):
    """A document was added to the case."""

    type: Literal["case.document"] = "case.document"
    attachment: Attachment


class CaseFiled(_Event):
    """立案: the case was filed."""

    type: Literal["case.filed"] = "case.filed"
    filing: Filing


class ComplaintRecorded(_Event):
    """A holder complained or appealed (反电信网络诈骗法 第32条)."""

    type: Literal["case.complaint"] = "case.complaint"
    measure: str
    number: Annotated[str, Field(min_length=1, max_length=60)]


class MeasureOpened(_Event):
    """An account was added."""

    type: Literal["measure.opened"] = "measure.opened"
    measure: str
    account: Account
    inflow: tuple[Transfer, ...]
    parent: str = ""
    level: Annotated[int, Field(ge=1)] = 1


class InstructionPrepared(_Event):
    """An instruction was prepared and waits for a second person."""

    type: Literal["instruction.prepared"] = "instruction.prepared"
    measure: str
    id: _Id
    kind: InstructionKind
    reason: _Reason = ""
    terms: TermsData = TermsData()
    waived: tuple[tuple[str, str], ...] = ()


class InstructionRejected(_Event):
    """The second person sent it back."""

    type: Literal["instruction.rejected"] = "instruction.rejected"
    measure: str
    id: _Id
    reason: _Reason


class InstructionApproved(_Event):
    """The second person approved it; its package is fixed from here on."""

    type: Literal["instruction.approved"] = "instruction.approved"
    measure: str
    id: _Id
    rank: Rank
    package_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    prefecture: Annotated[str, Field(pattern=r"^(?:[0-9]{4})?$")] = ""
    """First four digits of the institution's area, as the directory had it then."""


class InstructionSent(_Event):
    """It left over a channel, or on paper."""

    type: Literal["instruction.sent"] = "instruction.sent"
    measure: str
    id: _Id
    channel: str
    step: int = 1


class InstructionAcked(_Event):
    """The institution's desk has it."""

    type: Literal["instruction.acked"] = "instruction.acked"
    measure: str
    id: _Id
    desk: str = ""


class Answered(_Event):
    """The institution answered."""

    type: Literal["instruction.answered"] = "instruction.answered"
    measure: str
    receipt: Receipt


class AnswerRepeated(_Event):
    """The institution answered once more, the same: nothing changes."""

    type: Literal["instruction.answer-repeated"] = "instruction.answer-repeated"
    measure: str
    receipt: Receipt


class AccountCorrected(_Event):
    """After a mismatch: the account as it has to be."""

    type: Literal["measure.corrected"] = "measure.corrected"
    measure: str
    account: Account
    inflow: tuple[Transfer, ...]
    reason: _Reason


class FoundIrrelevant(_Event):
    """The money was found not to be of the case: three days to lift."""

    type: Literal["measure.irrelevant"] = "measure.irrelevant"
    measure: str
    reason: _Reason


class MeasureExpired(_Event):
    """The period ended; deemed released until the institution confirms."""

    type: Literal["measure.expired"] = "measure.expired"
    measure: str
    expired_at: AwareDatetime


class StopLapsed(_Event):
    """The stop ended while a freeze was under way."""

    type: Literal["measure.stop-lapsed"] = "measure.stop-lapsed"
    measure: str
    expired_at: AwareDatetime


class MeasureCancelled(_Event):
    """Given up before anything was in force."""

    type: Literal["measure.cancelled"] = "measure.cancelled"
    measure: str
    reason: _Reason
    author: str


class Reminded(_Event):
    """A reminder of a deadline fired."""

    type: Literal["deadline.reminded"] = "deadline.reminded"
    measure: str
    deadline: str
    due_at: AwareDatetime
    late_seconds: int = 0


class Escalated(_Event):
    """No acknowledgement or no result in time, or a desk out of reach: the next rung."""

    type: Literal["deadline.escalated"] = "deadline.escalated"
    measure: str
    id: _Id
    step: int
    to: str
    late_seconds: int = 0
    ladder: Literal["acknowledge", "result"] = "acknowledge"
    channel: str = ""
    due_at: AwareDatetime | None = None
    why: Literal["deadline", "refused"] = "deadline"
    task: str = ""
    calls: tuple[CallData, ...] = ()


class TaskDone(_Event):
    """A person did what the ladder asked for."""

    type: Literal["task.done"] = "task.done"
    measure: str
    id: _Id
    task: str
    result: TaskResult
    note: _Reason = ""


class Refused(_Event):
    """Somebody asked for what the rules do not allow; nothing changed but this record."""

    type: Literal["case.refused"] = "case.refused"
    measure: str = ""
    command: str
    guards: tuple[str, ...]


Event: TypeAlias = Annotated[
    CaseOpened
    | OfficersNamed
    | DutySet
    | DocumentAttached
    | CaseFiled
    | ComplaintRecorded
    | MeasureOpened
    | InstructionPrepared
    | InstructionRejected
    | InstructionApproved
    | InstructionSent
    | InstructionAcked
    | Answered
    | AnswerRepeated
    | AccountCorrected
    | FoundIrrelevant
    | MeasureExpired
    | StopLapsed
    | MeasureCancelled
    | Reminded
    | Escalated
    | TaskDone
    | Refused,
    Field(discriminator="type"),
]
"""Any event of a case."""

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event, config=ConfigDict(hide_input_in_errors=True))


def dump_event(event: Event) -> bytes:
    """Write an event as JSON in UTF-8. It names people: store it encrypted only."""
    return _ADAPTER.dump_json(event)


def load_event(body: bytes) -> Event:
    """Read what `dump_event` wrote.

    Raises:
        pydantic.ValidationError: It is no event.
    """
    return _ADAPTER.validate_json(body)
