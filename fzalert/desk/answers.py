"""What a desk answers: the shape of it, and which answer can be meant."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fzalert.errors import InputError
from fzalert.freeze.package import Outcome, Outflow, Package, Receipt, result_of

__all__ = ["DeskAnswer", "fits", "is_good", "same"]

_AHEAD = timedelta(minutes=2)
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,13}(?:\.[0-9]{1,2})?$")]
"""An amount in yuan, as text."""


class DeskAnswer(BaseModel):
    """What a desk person enters.

    Attributes:
        code: Result code of the platform, four digits.
        started_at: When the measure took effect.
        balance: Balance before, in yuan.
        frozen: What is frozen, in yuan.
        earlier_authority: Who has frozen it before.
        earlier_expires_at: Until when.
        cause: Why not.
        phone: Where the police may ask.
        outflows: Where money had gone on before: to which account, how much, when.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    code: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    started_at: AwareDatetime | None = None
    balance: Amount | None = None
    frozen: Amount | None = None
    earlier_authority: Annotated[str, Field(max_length=150)] = ""
    earlier_expires_at: AwareDatetime | None = None
    cause: Annotated[str, Field(max_length=300)] = ""
    phone: Annotated[str, Field(max_length=30, repr=False)] = ""
    outflows: Annotated[tuple[Outflow, ...], Field(max_length=500, repr=False)] = ()


def is_good(code: str) -> bool:
    """Whether a code says that the measure is in force."""
    return result_of(code).outcome in {Outcome.DONE, Outcome.PARTIAL}


def fits(package: Package, answer: DeskAnswer, now: datetime) -> None:
    """Refuse an answer that cannot be meant.

    Raises:
        InputError: The text says which field, and why.
    """
    good = is_good(answer.code)
    if good and answer.started_at is not None and answer.started_at > now + _AHEAD:
        raise InputError("The start lies in the future.", field="started_at")
    if not answer.cause and result_of(answer.code).outcome is Outcome.REFUSED:
        raise InputError("A refusal needs its cause.", field="cause")
    measure = package.measure
    asked = measure.amount if measure.mode == "01" else None
    frozen = None if answer.frozen is None else Decimal(answer.frozen)
    if good and asked is not None and frozen is not None and frozen > asked:
        raise InputError("More is frozen than was asked.", field="frozen")


def same(one: Receipt, other: Receipt) -> bool:
    """Whether two answers say the same; times that the desk filled in itself apart."""
    blank = {"started_at": None, "expires_at": None, "operator": ""}
    return one.model_copy(update=blank) == other.model_copy(update=blank)
