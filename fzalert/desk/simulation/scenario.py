"""What fake banks do, as data: their books, rules that come first, and seeded chances.

```toml
seed = 7

[[bank]]
code = "102100099996"
name = "模拟工商银行"
latency = [0.2, 0.8]

[[bank.account]]
number = "6222021234567890128"
name = "李四"
balance = "18000.00"

[[bank.rule]]
kind = "stop"
account = "6222021234567890136"
does = "refuse"
code = "0400"
```
"""

from __future__ import annotations

import enum
import tomllib
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fzalert.errors import InputError
from fzalert.freeze.package import InstructionKind, Outcome, Outflow, result_of

__all__ = ["BookAccount", "Chances", "Does", "FakeBankPlan", "Rule", "Scenario", "read_scenario"]

_Amount = Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=2)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Seconds = Annotated[float, Field(ge=0, le=590)]
_Code = Annotated[str, Field(pattern=r"^[0-9]{4}$")]


class Does(enum.StrEnum):
    """What a fake bank does with a package."""

    BOOKS = "books"
    """As its books say: a mismatch where they differ, else done."""
    DONE = "done"
    PARTIAL = "partial"
    """In force, for less than was asked."""
    MISMATCH_NAME = "mismatch-name"
    MISMATCH_ACCOUNT = "mismatch-account"
    MISMATCH_AMOUNT = "mismatch-amount"
    MISMATCH_IDENTITY = "mismatch-identity"
    REFUSE = "refuse"
    """With the rule's own code."""
    HELD = "held"
    """Stopped by somebody else already."""
    QUEUED = "queued"
    """A freeze behind an earlier authority's (轮候)."""
    COUNT = "count"
    """Stopped too often."""
    OVER = "over"
    """The measure had ended before."""
    AGAIN = "again"
    """The bank's own line is down; nothing was done."""
    SILENT = "silent"
    """It is acknowledged, and nobody ever answers."""
    DEAF = "deaf"
    """The connection is taken, and not even an acknowledgement comes."""
    BROKEN = "broken"
    """The hook into core banking fails; the item waits for a person who does not come."""


CODES = {
    Does.DONE: "0000",
    Does.PARTIAL: "1200",
    Does.MISMATCH_NAME: "0301",
    Does.MISMATCH_ACCOUNT: "0300",
    Does.MISMATCH_AMOUNT: "0200",
    Does.MISMATCH_IDENTITY: "0100",
    Does.REFUSE: "1300",
    Does.HELD: "1301",
    Does.QUEUED: "0000",
    Does.COUNT: "1304",
    Does.OVER: "1800",
    Does.AGAIN: "1101",
}
"""The platform's code of each reaction that answers."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class BookAccount(_Section):
    """One account in a fake bank's books.

    Attributes:
        number: Account number.
        name: Its holder.
        balance: What lies there.
        paid: What the victim paid in; another amount in a package is a mismatch. None takes any.
        outflows: Where the money had gone on.
    """

    number: Annotated[str, Field(min_length=4, max_length=50, repr=False)]
    name: Annotated[str, Field(min_length=1, max_length=120, repr=False)]
    balance: _Amount = Decimal(0)
    paid: _Amount | None = None
    outflows: tuple[Outflow, ...] = ()


class Rule(_Section):
    """What happens to packages that fit; the first rule that fits decides.

    Attributes:
        does: What.
        code: Another result code than the reaction's own.
        kind: Only for this kind of instruction.
        account: Only for this account.
        times: Only for so many packages; None for all.
        latency: Seconds until the answer, from and to; those of the bank unless given.
        since: Seconds ago that the measure took effect, as the answer says: 48 hours in seconds.
        twice: The signed answer is delivered twice.
        after_file: The answer waits until this file is there: a trainer lets it go, and it is late.
    """

    does: Does
    code: _Code | None = None
    kind: InstructionKind | None = None
    account: Annotated[str, Field(repr=False)] = ""
    times: Annotated[int, Field(ge=1)] | None = None
    latency: tuple[_Seconds, _Seconds] | None = None
    since: Annotated[float, Field(ge=0)] = 0.0
    twice: bool = False
    after_file: Path | None = None

    @model_validator(mode="after")
    def _code_fits(self) -> Self:
        if self.code is not None:
            if self.does not in CODES:
                raise ValueError(f"a bank that is {self.does} gives no code")
            if _good(self.code) != _good(CODES[self.does]):
                raise ValueError(f"code {self.code} is not what {self.does} means")
        return self

    @property
    def answer_code(self) -> str:
        """The code that it answers with."""
        return self.code or CODES[self.does]


class Chances(_Section):
    """Shares of the packages that no rule fits, drawn by the seed; the rest is done by the books.

    Attributes:
        refuse: Refused, original transaction not found.
        mismatch: Refused for a name that differs.
        partial: In force for less.
        silent: Acknowledged and never answered.
        broken: The hook fails.
        twice: Of the answers, delivered twice.
    """

    refuse: _Share = 0.0
    mismatch: _Share = 0.0
    partial: _Share = 0.0
    silent: _Share = 0.0
    broken: _Share = 0.0
    twice: _Share = 0.0

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        total = self.refuse + self.mismatch + self.partial + self.silent + self.broken
        if total > 1:
            raise ValueError("the shares are more than all packages together")
        return self

    def draw(self, chance: Random) -> Rule:
        """What happens to one package."""
        at = chance.random()
        twice = chance.random() < self.twice
        for share, does, code in (
            (self.refuse, Does.REFUSE, "0400"),
            (self.mismatch, Does.MISMATCH_NAME, None),
            (self.partial, Does.PARTIAL, None),
            (self.silent, Does.SILENT, None),
            (self.broken, Does.BROKEN, None),
        ):
            if at < share:
                return Rule(does=does, code=code, twice=twice)
            at -= share
        return Rule(does=Does.BOOKS, twice=twice)


class FakeBankPlan(_Section):
    """One fake bank.

    Attributes:
        code: Its CNAPS code, or a payment institution's name: by it packages find the bank.
        name: As its acknowledgements say it; 模拟 leads where it is not there.
        latency: Seconds until an answer, from and to.
        account: Its books; without any, every account is right.
        rule: What comes before the books.
        chances: Shares of what no rule fits.
    """

    code: Annotated[str, Field(pattern=r"^(?:[0-9]{12}|[a-z][a-z0-9_\-]{0,39})$")]
    name: Annotated[str, Field(max_length=70)] = ""
    latency: tuple[_Seconds, _Seconds] = (0.05, 0.3)
    account: tuple[BookAccount, ...] = ()
    rule: tuple[Rule, ...] = ()
    chances: Chances = Field(default_factory=Chances)

    @property
    def title(self) -> str:
        """Its name, with 模拟 in it."""
        return self.name if "模拟" in self.name else f"模拟{self.name or self.code}"


class Scenario(_Section):
    """Fake banks and the seed of everything left to chance."""

    seed: int = 0
    bank: Annotated[tuple[FakeBankPlan, ...], Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        codes = [one.code for one in self.bank]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"two banks have the code {twice[0]}")
        return self


def read_scenario(path: Path) -> Scenario:
    """Read a scenario's file.

    Raises:
        InputError: It cannot be read, or says something wrong; every fault is named.
    """
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).", field="scenario") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}", field="scenario") from None
    try:
        return Scenario.model_validate(value)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}"
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise InputError(f"{path}: " + "; ".join(faults), field="scenario") from None


def _good(code: str) -> bool:
    return result_of(code).outcome in {Outcome.DONE, Outcome.PARTIAL}
