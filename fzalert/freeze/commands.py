"""What somebody may ask of a case; `decide` answers with events or refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from fzalert.access import Role
from fzalert.freeze.events import CallData, TaskResult, TermsData
from fzalert.freeze.ladder import LadderName
from fzalert.freeze.model import InstructionKind
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
)

__all__ = ["Authority", "Command", "Facts", "Once"]


@dataclass(frozen=True, slots=True)
class Once:
    """The key under which a change is asked for; it is written with the change.

    Attributes:
        name: The key's name in the store.
        stands_for: What was asked, unreadable.
        at: When, in milliseconds since the epoch.
        left: Measures that are still to be sent after this change.
        told: What was told of those that were sent.
    """

    name: str
    stands_for: str
    at: int
    left: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """Who asks, as the directory knows the person; made of an Actor by the service.

    Attributes:
        actor: The actor's id.
        roles: What it may do.
        rank: The level of its office.
        unit: Code of its unit.
        machine: Whether it is the program itself: a deadline, an institution's signed answer.
        proved_at: When it last proved its identity anew (step-up).
        today: Instructions that it prepared or approved today.
        unit_today: The same of its unit.
        sent_today: Instructions that it sent today.
        unit_sent_today: The same of its unit.
        once: The key under which it asks, so that a repeated question changes nothing more.
    """

    actor: str
    roles: frozenset[Role] = frozenset()
    rank: Rank = Rank.STATION
    unit: str = ""
    machine: bool = False
    proved_at: datetime | None = None
    today: int = 0
    unit_today: int = 0
    sent_today: int = 0
    unit_sent_today: int = 0
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What lies outside the case and matters to a decision.

    Attributes:
        open_elsewhere: Account keys that have an open measure in another case.
        desks: Institutions that the directory has a desk of.
        prefectures: First four digits of the area of each institution, by its desk's name.
        package_sha256: Hash of the package as it would be built now, hex.
        way: A channel of the desk's entry by which the instruction did not go yet, or empty.
        calls: Whom a rung of the ladder calls, by the rung's name.
    """

    open_elsewhere: frozenset[str] = frozenset()
    desks: frozenset[str] = frozenset()
    prefectures: dict[str, str] = field(default_factory=dict)
    package_sha256: str = ""
    way: str = ""
    calls: dict[str, tuple[CallData, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenCase:
    """Enter a report."""

    by: Authority
    report: CaseReport
    victim: Victim
    duty: Duty | None = None


@dataclass(frozen=True, slots=True)
class NameOfficers:
    """Name the two officers."""

    by: Authority
    officers: tuple[Officer, ...]


@dataclass(frozen=True, slots=True)
class SetDuty:
    """Name the unit and its 24-hour telephone."""

    by: Authority
    duty: Duty


@dataclass(frozen=True, slots=True)
class AttachDocument:
    """Add a document."""

    by: Authority
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class FileCase:
    """立案."""

    by: Authority
    filing: Filing


@dataclass(frozen=True, slots=True)
class RecordComplaint:
    """Record a holder's complaint or appeal."""

    by: Authority
    measure: str
    number: str


@dataclass(frozen=True, slots=True)
class AddAccount:
    """Add an account; `measure` is the id it gets."""

    by: Authority
    measure: str
    account: Account
    inflow: tuple[Transfer, ...]
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Prepare an instruction; `id` is the application id it gets."""

    by: Authority
    measure: str
    id: str
    kind: InstructionKind
    reason: str = ""
    terms: TermsData = field(default_factory=TermsData)
    waived: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """Send a prepared instruction back."""

    by: Authority
    measure: str
    reason: str


@dataclass(frozen=True, slots=True)
class Approve:
    """Approve a prepared instruction."""

    by: Authority
    measure: str


@dataclass(frozen=True, slots=True)
class MarkSent:
    """The approved instruction goes out over a channel."""

    by: Authority
    measure: str
    channel: str
    step: int = 1


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The institution's desk has it."""

    by: Authority
    application_id: str
    desk: str = ""


@dataclass(frozen=True, slots=True)
class RecordReceipt:
    """The institution answered."""

    by: Authority
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Correct:
    """After a mismatch or refusal: the account as it has to be."""

    by: Authority
    measure: str
    account: Account
    inflow: tuple[Transfer, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FindIrrelevant:
    """The money is not of the case."""

    by: Authority
    measure: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give a measure up; `author` proposed it, `by` agrees."""

    by: Authority
    measure: str
    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class Expire:
    """A period ended: the deadline fired."""

    by: Authority
    measure: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Remind:
    """A reminder fired."""

    by: Authority
    measure: str
    deadline: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Escalate:
    """No acknowledgement or no result in time; or, `refused`, a channel cannot reach the desk."""

    by: Authority
    measure: str
    application_id: str
    step: int
    due_at: datetime
    ladder: LadderName = "acknowledge"
    why: Literal["deadline", "refused"] = "deadline"


@dataclass(frozen=True, slots=True)
class FinishTask:
    """A person did what the ladder asked for."""

    by: Authority
    measure: str
    task: str
    result: TaskResult
    note: str = ""


Command: TypeAlias = (
    OpenCase
    | NameOfficers
    | SetDuty
    | AttachDocument
    | FileCase
    | RecordComplaint
    | AddAccount
    | Prepare
    | Reject
    | Approve
    | MarkSent
    | Acknowledge
    | RecordReceipt
    | Correct
    | FindIrrelevant
    | Cancel
    | Expire
    | Remind
    | Escalate
    | FinishTask
)
"""Anything that may be asked."""
