"""The directory of 24-hour desks: whom to reach at an institution, by which ways, in which order.

A change is proposed by one person and approved by another. Where it brings an address, a telephone
or a key that was not there before, it may be used 24 hours later and not sooner, and until then the
old entry goes on: whoever talked a colleague into a change has a day in which somebody notices. A
way that is only taken out is gone at once.

Everything here is pure: the directory is what its events make of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, model_validator

from fzalert.freeze.codes import bank_code_flaw
from fzalert.freeze.commands import Facts
from fzalert.freeze.values import Personal, _Line, _Value

__all__ = [
    "COOL_DOWN",
    "Change",
    "ChangeApproved",
    "ChangeDropped",
    "ChangeProposed",
    "Desk",
    "DeskAnswered",
    "DeskEvent",
    "DeskTested",
    "Directory",
    "Drill",
    "Person",
    "Standing",
    "Way",
    "dump_desk_event",
    "facts_of",
    "load_desk_event",
]

COOL_DOWN = timedelta(hours=24)
"""How long a new address, telephone or key waits before it is used."""

_Phone = Annotated[Personal, Field(pattern=r"^\+?[0-9][0-9\-]{5,28}$")]
_Code = Annotated[str, Field(pattern=r"^(?:[0-9]{12}|[a-z][a-z0-9_\-]{0,39})$")]
_Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Person(_Value):
    """Somebody at the desk."""

    name: Annotated[Personal, Field(min_length=1, max_length=40)]
    phone: _Phone


class Way(_Value):
    """One way to the desk.

    Attributes:
        kind: How; on paper it is printed and faxed or carried.
        channel: Name of the configured channel; empty for paper.
        address: Mailbox, URL or fax number.
        certificate: The desk's certificate in PEM: for mail with an RSA key; over https the one
            that its server shows, or its authority's, and no other is trusted then.
        public_keys: Keys that the desk signs its answers with (Ed25519, hex).
    """

    kind: Literal["https", "mail", "paper"]
    channel: Annotated[str, Field(pattern=r"^(?:[a-z0-9][a-z0-9_-]{0,31})?$")] = ""
    address: Annotated[str, Field(max_length=2000, pattern=r"^[!-~]*$")] = ""
    certificate: Annotated[str, Field(max_length=20_000)] = ""
    public_keys: Annotated[tuple[_Key, ...], Field(max_length=3)] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.kind != "paper" and not (self.channel and self.address):
            raise ValueError(f"a way by {self.kind} needs channel and address")
        if self.kind == "mail" and not self.certificate:
            raise ValueError("a way by mail needs the desk's certificate")
        if self.kind == "https":
            if not self.address.startswith("https://"):
                raise ValueError("a way by https has an address that begins with https://")
            if not self.public_keys:
                raise ValueError("a way by https needs the keys that the desk signs with")
        return self


class Desk(_Value):
    """The 24-hour desk of one institution.

    Attributes:
        code: The bank's CNAPS code, or the short name of a payment institution; also the name of
            the target, `bank_desk:<code>`.
        name: The institution's name.
        prefecture: First four digits of its area (GB/T 2260), or empty.
        phone: Answered day and night.
        person_a: The first to ask for.
        person_b: The second.
        ways: In the order in which they are tried.
        valid_from: From when on the entry is good.
        valid_to: Until when; None for no end.
    """

    code: _Code
    name: Annotated[str, _Line, Field(min_length=1, max_length=150)]
    prefecture: Annotated[str, Field(pattern=r"^(?:[0-9]{4})?$")] = ""
    phone: _Phone
    person_a: Person
    person_b: Person
    ways: Annotated[tuple[Way, ...], Field(min_length=1, max_length=6)]
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.code.isdigit() and bank_code_flaw(self.code) is not None:
            raise ValueError("the check digit of the bank's code is wrong")
        if self.person_a.phone == self.person_b.phone:
            raise ValueError("persons A and B need telephones of their own")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to has to be after valid_from")
        channels = [way.channel for way in self.ways if way.channel]
        if len(set(channels)) != len(channels):
            raise ValueError("each channel stands once among the ways")
        return self

    @property
    def reaches(self) -> frozenset[str]:
        """Every address, telephone and key: what an impostor would want to put in its place."""
        found = {self.phone, self.person_a.phone, self.person_b.phone}
        for way in self.ways:
            found.add(f"{way.kind} {way.channel} {way.address}")
            found.update((way.certificate.strip(), *way.public_keys))
        return frozenset(found)

    def is_valid(self, now: datetime) -> bool:
        """Whether the entry is good at a time."""
        return self.valid_from <= now and (self.valid_to is None or now < self.valid_to)


class _Event(_Value):
    at: AwareDatetime
    by: Annotated[str, Field(min_length=1, max_length=200)]


class ChangeProposed(_Event):
    """Somebody wants an entry added, changed or, without `desk`, removed."""

    type: Literal["proposed"] = "proposed"
    id: Annotated[str, Field(min_length=1, max_length=36)]
    code: _Code
    desk: Desk | None = None
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ChangeApproved(_Event):
    """A second person agreed."""

    type: Literal["approved"] = "approved"
    id: str
    use_from: AwareDatetime


class ChangeDropped(_Event):
    """A change was taken back before it was used."""

    type: Literal["dropped"] = "dropped"
    id: str


class DeskTested(_Event):
    """A drill was sent to a desk."""

    type: Literal["tested"] = "tested"
    code: _Code
    application_id: str
    channel: str


class DeskAnswered(_Event):
    """A desk acknowledged a drill."""

    type: Literal["answered"] = "answered"
    code: _Code
    application_id: str


DeskEvent: TypeAlias = ChangeProposed | ChangeApproved | ChangeDropped | DeskTested | DeskAnswered
_EVENTS: TypeAdapter[DeskEvent] = TypeAdapter(
    Annotated[DeskEvent, Field(discriminator="type")],
    config=ConfigDict(hide_input_in_errors=True),
)


def dump_desk_event(event: DeskEvent) -> bytes:
    """Spell an event for the store."""
    return event.model_dump_json().encode()


def load_desk_event(body: bytes) -> DeskEvent:
    """Read it back. Raises pydantic's `ValidationError` where it is none."""
    return _EVENTS.validate_json(body)


@dataclass(frozen=True, slots=True)
class Change:
    """A change, from its proposal on.

    Attributes:
        id: By which it is approved.
        code: Which entry.
        desk: The entry afterwards; None removes it.
        by: Who proposed it.
        at: When.
        reason: Why.
        approved_by: Who agreed; empty while it is open.
        use_from: When it comes into use; None while it is open.
    """

    id: str
    code: str
    desk: Desk | None
    by: str
    at: datetime
    reason: str
    approved_by: str = ""
    use_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drill:
    """One test of a desk.

    Attributes:
        application_id: Of the test package.
        sent_at: When it went out.
        channel: By which way.
        answered_at: When the desk acknowledged it; None while it has not.
    """

    application_id: str
    sent_at: datetime
    channel: str
    answered_at: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """How long the desk took to acknowledge; None while it has not."""
        if self.answered_at is None:
            return None
        return (self.answered_at - self.sent_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Standing:
    """What the directory knows of one institution.

    Attributes:
        code: Which.
        versions: The approved changes, the one in use first, then the one that waits.
        drills: The last twelve tests, the oldest first.
    """

    code: str
    versions: tuple[Change, ...] = ()
    drills: tuple[Drill, ...] = ()

    def desk(self, now: datetime) -> Desk | None:
        """The entry in use; None where there is none, or it is not valid now."""
        used = [one for one in self.versions if one.use_from is not None and one.use_from <= now]
        desk = used[-1].desk if used else None
        return desk if desk is not None and desk.is_valid(now) else None

    def waiting(self, now: datetime) -> Change | None:
        """The approved change whose day is not over, if there is one."""
        later = [one for one in self.versions if one.use_from is not None and one.use_from > now]
        return later[-1] if later else None

    @property
    def last_tested_at(self) -> datetime | None:
        """When the desk last acknowledged a test: a test without an answer proves nothing."""
        return max((one.answered_at for one in self.drills if one.answered_at), default=None)


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory as its events made it.

    Attributes:
        standings: By code.
        changes: Open proposals by id.
        version: How many events.
    """

    standings: dict[str, Standing] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    version: int = 0

    def desks(self, now: datetime) -> dict[str, Desk]:
        """The entries in use, by code."""
        found = {code: one.desk(now) for code, one in self.standings.items()}
        return {code: desk for code, desk in sorted(found.items()) if desk is not None}

    def standing(self, code: str) -> Standing:
        """What is known of an institution; empty where nothing is."""
        return self.standings.get(code, Standing(code))

    def use_from(self, change: Change, now: datetime) -> datetime:
        """When a change would come into use if it were approved now."""
        before = self.standing(change.code).desk(now)
        known = frozenset[str]() if before is None else before.reaches
        if change.desk is None or change.desk.reaches <= known | {""}:
            return now
        return now + COOL_DOWN

    def after(self, event: DeskEvent) -> Directory:
        """The directory after an event."""
        standings, changes = dict(self.standings), dict(self.changes)
        match event:
            case ChangeProposed():
                changes[event.id] = Change(
                    event.id, event.code, event.desk, event.by, event.at, event.reason
                )
            case ChangeApproved():
                change = replace(
                    changes.pop(event.id), approved_by=event.by, use_from=event.use_from
                )
                old = self.standing(change.code)
                used = [one for one in old.versions if _is_used(one, event.at)]
                # What waited is superseded: the later decision counts.
                kept = () if event.use_from <= event.at else tuple(used[-1:])
                standings[change.code] = replace(old, versions=(*kept, change))
            case ChangeDropped():
                if changes.pop(event.id, None) is None:
                    for code, one in self.standings.items():
                        left = tuple(each for each in one.versions if each.id != event.id)
                        standings[code] = replace(one, versions=left)
            case DeskTested():
                one = self.standing(event.code)
                drill = Drill(event.application_id, event.at, event.channel)
                standings[event.code] = replace(one, drills=(*one.drills, drill)[-12:])
            case DeskAnswered():
                one = self.standing(event.code)
                drills = tuple(
                    replace(drill, answered_at=event.at)
                    if drill.application_id == event.application_id and drill.answered_at is None
                    else drill
                    for drill in one.drills
                )
                standings[event.code] = replace(one, drills=drills)
        return Directory(standings, changes, self.version + 1)


def facts_of(directory: Directory, now: datetime) -> Facts:
    """What a decision about a case may rest on: which desks there are, and where.

    Args:
        directory: The directory.
        now: The present; entries that wait, have ended or are not valid yet do not count.
    """
    desks = directory.desks(now)
    return Facts(
        desks=frozenset(desks),
        prefectures={code: desk.prefecture for code, desk in desks.items() if desk.prefecture},
    )


def _is_used(change: Change, now: datetime) -> bool:
    return change.use_from is not None and change.use_from <= now
