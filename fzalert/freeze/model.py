"""A case, its measures and their instructions, as they stand after every event so far.

`FreezeCase` (案件) is one report of a crime; a `Measure` (措施) is one account at one institution,
with a state and clocks of its own; an `Instruction` is one binding request about it (stop, extend,
freeze, renew, release, return), prepared by one person and approved by another.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

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

__all__ = [
    "FINAL",
    "IN_FORCE",
    "Allocation",
    "FreezeCase",
    "FreezeMode",
    "Instruction",
    "InstructionKind",
    "Measure",
    "MeasureState",
    "Rung",
    "Stage",
    "Task",
    "Terms",
]


class MeasureState(enum.StrEnum):
    """Where a measure is."""

    DRAFT = "draft"
    REVIEW = "review"
    APPROVED = "approved"
    SENT = "sent"
    ACKED = "acked"
    STOPPED = "stopped"
    MISMATCH = "mismatch"
    REFUSED = "refused"
    FREEZE_DRAFT = "freeze_draft"
    FREEZE_APPROVED = "freeze_approved"
    FREEZE_SENT = "freeze_sent"
    FROZEN = "frozen"
    QUEUED = "queued"
    RELEASE_SENT = "release_sent"
    RETURNING = "returning"
    RELEASED = "released"
    EXPIRED = "expired"
    RETURNED = "returned"
    CANCELLED = "cancelled"


FINAL = frozenset(
    {
        MeasureState.RELEASED,
        MeasureState.EXPIRED,
        MeasureState.RETURNED,
        MeasureState.CANCELLED,
    }
)
"""States that nothing leaves but a late truth."""
IN_FORCE = frozenset(
    {
        MeasureState.STOPPED,
        MeasureState.FREEZE_DRAFT,
        MeasureState.FREEZE_APPROVED,
        MeasureState.FREEZE_SENT,
        MeasureState.FROZEN,
        MeasureState.QUEUED,
        MeasureState.RELEASE_SENT,
        MeasureState.RETURNING,
    }
)
"""States in which the account may be stopped or frozen at the institution."""


class InstructionKind(enum.StrEnum):
    """What an institution is asked to do."""

    STOP = "stop"
    EXTEND = "extend"
    FREEZE = "freeze"
    RENEW = "renew"
    RELEASE = "release"
    RETURN = "return"


class Stage(enum.StrEnum):
    """How far an instruction is."""

    REVIEW = "review"
    APPROVED = "approved"
    SENT = "sent"
    ACKED = "acked"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


class FreezeMode(enum.StrEnum):
    """How much of an account; the values are the platform's."""

    LIMITED = "01"
    WHOLE = "02"


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one victim gets back; `claimant` is the case's own word for the person."""

    claimant: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Terms:
    """What is particular to one instruction.

    Attributes:
        mode: Limited or whole, for a freeze.
        amount: What to freeze, for a limited freeze.
        start: First moment of the period.
        end: Last moment; the day printed on the paper rules.
        includes_interest: Whether interest is frozen with it.
        necessity: Why the whole account.
        legal_review: Number of the legal review of a renewal.
        major: Whether the case is major or complex (一年).
        offline: Why not over the platform, where it is not.
        local_police: Which police helps, for offline work in another place.
        method: direct, timestamp or proportional, for a return.
        allocation: Who gets how much back.
        notice_from: First day of the public notice of a proportional return.
    """

    mode: FreezeMode = FreezeMode.LIMITED
    amount: Decimal | None = None
    start: datetime | None = None
    end: datetime | None = None
    includes_interest: bool = True
    necessity: str = ""
    legal_review: str = ""
    major: bool = False
    offline: str = ""
    local_police: str = ""
    method: str = ""
    allocation: tuple[Allocation, ...] = ()
    notice_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder that was climbed.

    Attributes:
        ladder: acknowledge or result: what was waited for.
        step: From 1.
        to: next-channel, phone, supervisor or centre.
        due_at: When it was due; the next one counts from here.
        at: When it was climbed.
        channel: By which the instruction went once more, or empty.
        why: deadline, or refused where a channel could not reach the desk.
    """

    ladder: str
    step: int
    to: str
    due_at: datetime
    at: datetime
    channel: str = ""
    why: str = "deadline"


@dataclass(frozen=True, slots=True)
class Task:
    """Something that a person has to do because a desk is silent.

    Attributes:
        id: Its name in the case, such as m1-t1.
        kind: phone, supervisor or centre: whom to call.
        application_id: About which instruction.
        ladder: acknowledge or result: what is waited for.
        opened_at: When.
        calls: Whom, in order: role, name, telephone, as our own book has them.
        done_at: When it was done, or what it waited for came.
        done_by: Who did it; a machine where it became needless.
        result: taken, told, no-answer, acknowledged, answered or ended; empty while it is open.
        note: What was said.
    """

    id: str
    kind: str
    application_id: str
    ladder: str
    opened_at: datetime
    calls: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    done_at: datetime | None = None
    done_by: str = ""
    result: str = ""
    note: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody has to do it."""
        return self.done_at is None


@dataclass(frozen=True, slots=True)
class Instruction:
    """One binding request about one account.

    Attributes:
        id: Application id, at most 36 characters; the institution answers under it.
        kind: What is asked.
        stage: How far it is.
        prepared_by: Actor who prepared it.
        prepared_at: When.
        reason: Why.
        terms: What is particular to it.
        waived: Warnings of the check that were waived, each with its reason.
        approved_by: Actor who approved it, or empty.
        approved_rank: That person's rank.
        approved_at: When.
        package_sha256: Hash of the package at the approval, hex.
        sent_at: When it left.
        acked_at: When the desk took it.
        result: Result code of the last answer.
        sent_over: The channels that it went by, in their order; `paper` where it was printed.
        rungs: The steps of the ladder that were climbed.
    """

    id: str
    kind: InstructionKind
    stage: Stage
    prepared_by: str
    prepared_at: datetime
    reason: str = ""
    terms: Terms = field(default_factory=Terms)
    waived: tuple[tuple[str, str], ...] = ()
    approved_by: str = ""
    approved_rank: Rank = Rank.STATION
    approved_at: datetime | None = None
    package_sha256: str = ""
    sent_at: datetime | None = None
    acked_at: datetime | None = None
    result: str = ""
    sent_over: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """One account at one institution.

    Attributes:
        id: Its name in the case.
        account: The account.
        inflow: The transfers into it.
        parent: The measure whose money went on to this one, or empty.
        level: 1 for the account that the victim paid, 2 for the next, and so on.
        state: Where it is.
        author: Actor who opened it.
        opened_at: When.
        current: The instruction in progress, or None.
        past: Instructions that are answered or withdrawn.
        stop_no: How many times it was stopped.
        started_at: When what is in force took effect.
        expires_at: When it ends by itself.
        frozen: Amount frozen.
        mode: Limited or whole, once frozen.
        balance: Last known balance.
        freeze_rank: Rank that approved the freeze.
        held_from: The state before a release or return was sent.
        irrelevant_at: When it was found not to be case money.
        flags: Words such as partial, late-receipt, stop-lapsed, escalated, appeal.
        receipts: Results in the order they came: application id, code, grade.
        ended: Why it ended.
        tasks: What persons had to do because the desk was silent.
        prefecture: First four digits of the institution's area, as the directory had it when a
            freeze was approved; or empty.
        outflow: What the institution told of money that had gone on; None where it told nothing.
    """

    id: str
    account: Account
    inflow: tuple[Transfer, ...]
    author: str
    opened_at: datetime
    parent: str = ""
    level: int = 1
    state: MeasureState = MeasureState.DRAFT
    current: Instruction | None = None
    past: tuple[Instruction, ...] = ()
    stop_no: int = 0
    started_at: datetime | None = None
    expires_at: datetime | None = None
    frozen: Decimal | None = None
    mode: FreezeMode | None = None
    balance: Decimal | None = None
    freeze_rank: Rank = Rank.STATION
    held_from: MeasureState | None = None
    irrelevant_at: datetime | None = None
    flags: frozenset[str] = frozenset()
    receipts: tuple[tuple[str, str, str], ...] = ()
    ended: str = ""
    tasks: tuple[Task, ...] = ()
    prefecture: str = ""
    outflow: Decimal | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL

    @property
    def amount(self) -> Decimal:
        """What flowed in, in all."""
        return sum((transfer.amount for transfer in self.inflow), Decimal(0))

    def instruction(self, application_id: str) -> Instruction | None:
        """The instruction of that id, in progress or past."""
        if self.current is not None and self.current.id == application_id:
            return self.current
        return next((one for one in self.past if one.id == application_id), None)


@dataclass(frozen=True, slots=True)
class FreezeCase:
    """One report of a crime with all its measures.

    Attributes:
        id: Its name in the store.
        report: What was reported.
        victim: Who was defrauded.
        duty: The unit and its 24-hour telephone.
        opened_by: Actor.
        opened_at: When it was entered.
        version: Number of events so far.
        officers: The two of the case.
        filing: 立案, once it is filed.
        attachments: Documents of the case.
        measures: By id, in the order they were added.
        complaints: Numbers of complaints and appeals.
    """

    id: str
    report: CaseReport
    victim: Victim
    duty: Duty | None
    opened_by: str
    opened_at: datetime
    version: int = 1
    officers: tuple[Officer, ...] = ()
    filing: Filing | None = None
    attachments: tuple[Attachment, ...] = ()
    measures: Mapping[str, Measure] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether it has measures and all of them are final."""
        return bool(self.measures) and all(one.is_final for one in self.measures.values())

    def of_application(self, application_id: str) -> Measure | None:
        """The measure that an application id belongs to."""
        return next(
            (m for m in self.measures.values() if m.instruction(application_id) is not None), None
        )

    def frozen_total(self, besides: str = "") -> Decimal:
        """What is frozen or asked to be frozen in the case, but for one measure."""
        total = Decimal(0)
        for measure in self.measures.values():
            if measure.id == besides or measure.is_final:
                continue
            if measure.frozen is not None:
                total += measure.frozen
            elif measure.current is not None and measure.current.kind is InstructionKind.FREEZE:
                total += measure.current.terms.amount or Decimal(0)
        return total
