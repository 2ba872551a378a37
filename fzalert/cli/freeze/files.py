"""What `fzalert freeze` reads: a case in TOML or JSON, documents, a pasted bank message."""

from __future__ import annotations

import json
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fzalert.errors import InputError
from fzalert.freeze.values import (
    Account,
    AttachmentType,
    CaseReport,
    Duty,
    Officer,
    Transfer,
    Victim,
)

__all__ = [
    "AccountEntry",
    "CaseFile",
    "document_type",
    "read_accounts",
    "read_case",
    "read_officers",
    "read_text",
]

LONGEST = 1_048_576
M = TypeVar("M", bound=BaseModel)


def document_type(word: object) -> AttachmentType:
    """A document's type by the platform's code or by its name, such as `identity`.

    Raises:
        InputError: There is no such type.
    """
    text = str(word)
    for one in AttachmentType:
        if text in {one.value, one.name.lower(), one.name.lower().replace("_", "-")}:
            return one
    known = ", ".join(one.name.lower().replace("_", "-") for one in AttachmentType)
    raise InputError(f"There is no type {text[:30]!r}.", hint=f"Types: {known}.", field="type")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class AccountEntry(Account):
    """An account with the transfers into it, as a file has it."""

    inflow: Annotated[tuple[Transfer, ...], Field(min_length=1)]

    @property
    def account(self) -> Account:
        """The account alone."""
        return Account.model_validate(self.model_dump(exclude={"inflow"}))


class DocumentEntry(_Entry):
    """A document by its file; a relative path is taken from the case's file."""

    type: Annotated[AttachmentType, BeforeValidator(document_type)]
    file: Path


class CaseFile(_Entry):
    """A whole case, as it is entered."""

    report: CaseReport
    victim: Victim
    duty: Duty | None = None
    officers: tuple[Officer, ...] = ()
    documents: tuple[DocumentEntry, ...] = ()
    accounts: tuple[AccountEntry, ...] = ()


class _Accounts(_Entry):
    accounts: Annotated[tuple[AccountEntry, ...], Field(min_length=1)]


class _Officers(_Entry):
    officers: Annotated[tuple[Officer, ...], Field(min_length=2)]


def read_text(file: Path) -> str:
    """The text of a file, `-` for standard input.

    Raises:
        InputError: It cannot be read, is too long, or is no UTF-8.
    """
    try:
        raw = sys.stdin.buffer.read(LONGEST + 1) if str(file) == "-" else file.read_bytes()
        if len(raw) > LONGEST:
            raise InputError(f"{file} is longer than one mebibyte.", field="file")
        return raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({type(error).__name__}).", field="file") from None


def read_case(file: Path) -> CaseFile:
    """A case from TOML or JSON.

    Raises:
        InputError: Every wrong field is named, and no value is repeated.
    """
    return _read(file, CaseFile)


def read_accounts(file: Path) -> tuple[AccountEntry, ...]:
    """The `[[accounts]]` of a file. Raises as `read_case`."""
    return _read(file, _Accounts).accounts


def read_officers(file: Path) -> tuple[Officer, ...]:
    """The `[[officers]]` of a file, at least two. Raises as `read_case`."""
    return _read(file, _Officers).officers


def _read(file: Path, model: type[M]) -> M:
    text = read_text(file)
    try:
        if text.lstrip().startswith("{"):
            value: Any = json.loads(text, parse_float=Decimal)
        else:
            value = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is neither TOML nor JSON: {error}", field="file") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise InputError(f"{file}: " + "; ".join(faults), field="file") from None
