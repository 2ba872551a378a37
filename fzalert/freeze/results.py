"""What an institution answers: the platform's result codes, and the receipt that carries one.

A public bank-side structure spells its one-digit result once as "0 done, 1 failed" and once the
other way round, so only the four-digit code is ever read.
"""

from __future__ import annotations

import enum
import functools
import importlib.resources
import tomllib
from decimal import Decimal
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, AwareDatetime, Field
from typing_extensions import override

from fzalert.freeze.values import Account, Personal, Transfer, _Value, mask_number

__all__ = ["Grade", "Outcome", "Outflow", "Receipt", "Result", "result_of"]


class Outcome(enum.StrEnum):
    """What a result code leads to."""

    DONE = "done"
    PARTIAL = "partial"
    """In force, for less than was asked."""
    MISMATCH = "mismatch"
    """Account, name, amount or time differ: the institution must not stop (银发〔2016〕86号)."""
    REFUSED = "refused"
    HELD = "held"
    """Somebody has stopped or frozen the account already."""
    COUNT = "count"
    """Stopped too often."""
    OVER = "over"
    """The measure had ended before."""
    AGAIN = "again"
    """Nothing was done; the same may be asked again."""


class Grade(enum.StrEnum):
    """How well a receipt is proved. C alone ends no measure and stands for no legal export."""

    SIGNED = "A"
    AUTHENTICATED = "B"
    TELEPHONE = "C"


class Result(NamedTuple):
    """One result code, explained."""

    code: str
    outcome: Outcome
    zh: str
    en: str


def _cents_or_zero(amount: Decimal) -> Decimal:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount < 0 or -exponent > 2:
        raise ValueError("an amount is zero or more, with at most two decimals")
    return amount.quantize(Decimal("0.01"))


Balance = Annotated[
    Decimal, Field(max_digits=15, allow_inf_nan=False), AfterValidator(_cents_or_zero)
]
"""An amount that may be zero."""


class Outflow(_Value):
    """Money that had left the account already: where to, how much, when."""

    account: Account
    transfer: Transfer


class Receipt(_Value):
    """An institution's answer to one instruction.

    Attributes:
        application_id: The instruction that it answers.
        code: Four-digit result code.
        account_number: The account that it is about.
        started_at: When the measure took effect.
        expires_at: Until when, as the institution says.
        balance: Balance before.
        frozen: What is frozen.
        earlier_authority: Who froze the account before, where this one is queued (轮候).
        earlier_expires_at: Until when that one holds.
        cause: Why not, in the institution's words.
        operator: Who did it there.
        phone: Where to ask.
        grade: How well the receipt is proved.
        proof: Signature's fingerprint, user, or number of the recorded call.
        outflows: Where money went on.
    """

    application_id: Annotated[str, Field(min_length=1, max_length=36)]
    code: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    account_number: Annotated[Personal, Field(min_length=4, max_length=50)]
    started_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    balance: Balance | None = None
    frozen: Balance | None = None
    earlier_authority: Annotated[str, Field(max_length=150)] = ""
    earlier_expires_at: AwareDatetime | None = None
    cause: Annotated[str, Field(max_length=300)] = ""
    operator: Annotated[str, Field(max_length=40, repr=False)] = ""
    phone: Annotated[str, Field(max_length=30, repr=False)] = ""
    grade: Grade = Grade.TELEPHONE
    proof: Annotated[str, Field(max_length=200)] = ""
    outflows: Annotated[tuple[Outflow, ...], Field(max_length=500)] = ()

    @override
    def __repr__(self) -> str:
        return f"Receipt({self.application_id} {self.code} {mask_number(self.account_number)})"

    __str__ = __repr__


def result_of(code: str) -> Result:
    """Explain a result code; an unlisted one is a refusal, `xx99` of its family."""
    known = _table()
    if code in known:
        return known[code]
    family = known.get(code[:2] + "99") or known.get(code[:2] + "00")
    if family is not None and family.outcome not in {Outcome.DONE, Outcome.PARTIAL}:
        return Result(code, family.outcome, family.zh, family.en)
    return Result(code, Outcome.REFUSED, "其他结果", "another result")


@functools.cache
def _table() -> dict[str, Result]:
    file = importlib.resources.files(__package__).joinpath("data", "results.toml")
    rows = tomllib.loads(file.read_text("utf-8"))["codes"]
    return {
        code: Result(code, Outcome(row["outcome"]), row["zh"], row["en"])
        for code, row in rows.items()
    }
