"""What may be asked about the directory of bank desks, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

__all__ = [
    "AlarmView",
    "ChangeView",
    "ContactAnswer",
    "ContactAsk",
    "DeskView",
    "DrillView",
    "read_contact_ask",
]

_Code = Annotated[str, Field(min_length=1, max_length=40)]
_Id = Annotated[str, Field(min_length=1, max_length=36)]


class _Ask(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ListAsk(_Ask):
    """List desks, open changes and alarms; names and telephones of persons are masked."""

    action: Literal["list"] = "list"


class ShowAsk(_Ask):
    """Show one entry in plain; that is put on record."""

    action: Literal["show"] = "show"
    code: _Code


class ProposeAsk(_Ask):
    """Ask for an entry to be added or changed, or, without `desk`, removed."""

    action: Literal["propose"] = "propose"
    code: _Code
    desk: dict[str, JsonValue] | None = Field(default=None, repr=False)
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ApproveAsk(_Ask):
    """Agree to a change, as a second person."""

    action: Literal["approve"] = "approve"
    change: _Id


class DropAsk(_Ask):
    """Take a change back before it is used."""

    action: Literal["drop"] = "drop"
    change: _Id


class DrillAsk(_Ask):
    """Send a test to one desk, or without a code to every desk in use."""

    action: Literal["drill"] = "drill"
    code: Annotated[str, Field(max_length=40)] = ""


class AnsweredAsk(_Ask):
    """Note that a desk acknowledged a test."""

    action: Literal["answered"] = "answered"
    application_id: _Id


ContactAsk = Annotated[
    ListAsk | ShowAsk | ProposeAsk | ApproveAsk | DropAsk | DrillAsk | AnsweredAsk,
    Field(discriminator="action"),
]
_ASKS: TypeAdapter[Any] = TypeAdapter(ContactAsk, config=ConfigDict(hide_input_in_errors=True))


def read_contact_ask(value: object) -> ContactAsk:
    """Read a question. Raises pydantic's `ValidationError`."""
    found: ContactAsk = _ASKS.validate_python(value)
    return found


class DeskView(BaseModel):
    """One entry in use."""

    code: str
    name: str
    prefecture: str = ""
    phone: str
    person_a: str = Field(repr=False)
    person_b: str = Field(repr=False)
    ways: list[str]
    valid_to: str = ""
    last_tested_at: str = ""
    last_seconds: float | None = None
    """How long the desk took to acknowledge its last test."""
    drills: int = 0
    """Tests that are known, twelve at most."""
    missed: int = 0
    """How many of them were not acknowledged."""
    half_seconds: float | None = None
    """Half of the acknowledged ones took no longer."""


class ChangeView(BaseModel):
    """A change that is open, or approved and not used yet."""

    id: str
    code: str
    what: Literal["add", "change", "remove"]
    reason: str
    by: str
    approved_by: str = ""
    use_from: str = ""
    tell: list[str] = Field(default_factory=list)
    """Telephones of the old contact, to be told before it is used."""
    notice: str = ""


class AlarmView(BaseModel):
    """Something to mend."""

    code: str
    kind: str
    zh: str
    en: str
    days: int | None = None


class DrillView(BaseModel):
    """A test that went out, or was acknowledged."""

    code: str
    application_id: str
    channel: str = ""
    phone: str = ""
    problem: str = ""
    seconds: float | None = None


class ContactAnswer(BaseModel):
    """What the service says; what was not asked for is empty."""

    desks: list[DeskView] = Field(default_factory=list)
    changes: list[ChangeView] = Field(default_factory=list)
    alarms: list[AlarmView] = Field(default_factory=list)
    drills: list[DrillView] = Field(default_factory=list)
