"""Forms of the freeze desk: read leniently, told about by field, and never emptied by a fault.

What people paste is cleaned (full-width digits, blanks inside numbers, thousands separators); what
is wrong after that is a `Fault` beside its field, and the typed text stays.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from fzalert.web import multipart
from fzalert.web.bodies import read_body, require_media_type
from fzalert.web.problems import ProblemError
from fzalert.web.writing import BEIJING

__all__ = ["Fault", "File", "Form", "Values", "local_moment", "read_form", "yuan"]

URLENCODED = "application/x-www-form-urlencoded"
LONGEST = 65_536
LONGEST_WITH_FILES = 42 * 1024 * 1024
"""Two documents of the longest kind and the rest of the form."""
_FIGURE = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,6})?")
_TOO_MUCH = Decimal(10) ** 13
_BLANKS = re.compile(r"[\s\-]+")
_Model = TypeVar("_Model", bound=BaseModel)

_MESSAGES: Mapping[str, tuple[str, str]] = {
    "missing": ("请填写", "Fill this in."),
    "string_too_short": ("请填写", "Fill this in."),
    "string_too_long": ("内容太长", "This is too long."),
    "string_pattern_mismatch": ("格式不对，请核对", "The shape is wrong; look at it again."),
    "literal_error": ("请从所列中选择", "Choose one of those listed."),
    "enum": ("请从所列中选择", "Choose one of those listed."),
    "decimal_max_digits": ("金额太大", "The amount is too large."),
    "decimal_whole_digits": ("金额太大", "The amount is too large."),
}
_ANY = ("内容不对，请核对", "This is wrong; look at it again.")


class Fault(NamedTuple):
    """What is wrong with one field.

    Attributes:
        field: Its id on the page; empty where it is about the whole.
        zh: What to do, in Chinese.
        en: The same in English.
    """

    field: str
    zh: str
    en: str


class File(NamedTuple):
    """A chosen file."""

    name: str
    body: bytes


@dataclass(slots=True, repr=False)
class Form:
    """What a browser sent.

    Attributes:
        fields: Every value, by field.
        files: Chosen files that are not empty, by field.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)

    def first(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return self.fields.get(name, [default])[0]


async def read_form(request: Request) -> Form:
    """Read a form, with files or without.

    Raises:
        ProblemError: 408, 413, 415 or 422.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith(multipart.MEDIA_TYPE):
        require_media_type(request, URLENCODED)
        raw = await read_body(request, LONGEST)
        try:
            return Form(parse_qs(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=600))
        except ValueError:
            raise ProblemError(422, "invalid", "The form cannot be read.") from None
    boundary = multipart.boundary_of(content_type)
    body = await read_body(request, LONGEST_WITH_FILES)
    form = Form()
    for part in await asyncio.to_thread(multipart.parse_multipart, body, boundary):
        if part.file_name is None:
            form.fields.setdefault(part.name, []).append(part.body.decode("utf-8", "replace"))
        elif part.body:
            form.files[part.name] = File(part.file_name[-100:], part.body)
    return form


def local_moment(moment: datetime) -> str:
    """Write a moment as a browser's field of date and time has it, in Beijing time."""
    return moment.astimezone(BEIJING).strftime("%Y-%m-%dT%H:%M")


def yuan(text: str) -> Decimal | None:
    """Read an amount in yuan as people write it: 1,200.50, ¥300, 1.2万; None where it is none."""
    plain = unicodedata.normalize("NFKC", text).replace(",", "").strip("¥元 ")
    factor = 10_000 if plain.endswith("万") else 1
    if not _FIGURE.fullmatch(plain.removesuffix("万").strip()):
        return None
    amount = Decimal(plain.removesuffix("万").strip()) * factor
    cents = amount.quantize(Decimal("0.01"))
    return cents if cents == amount and amount < _TOO_MUCH else None


class Values:
    """Reads values out of a form and collects what is wrong with them.

    Args:
        form: What was sent.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self.faults: list[Fault] = []

    def fault(self, name: str, zh: str, en: str) -> None:
        """Note a fault; the first of a field stays."""
        if all(known.field != name for known in self.faults):
            self.faults.append(Fault(name, zh, en))

    def text(self, name: str, *, required: bool = False) -> str:
        """A line of text, trimmed, full-width letters made plain."""
        text = unicodedata.normalize("NFKC", self._form.first(name)).strip()
        if required and not text:
            self.fault(name, "请填写", "Fill this in.")
        return text

    def prose(self, name: str, *, required: bool = False, most: int = 500) -> str:
        """Text of people, as it is written; line ends become blanks."""
        text = " ".join(self._form.first(name).split())
        if required and not text:
            self.fault(name, "请填写", "Fill this in.")
        if len(text) > most:
            self.fault(name, f"不超过 {most} 字", f"{most} characters at most.")
        return text[:most]

    def lines(self, name: str) -> list[str]:
        """The lines of a text that are not empty."""
        text = unicodedata.normalize("NFKC", self._form.first(name))
        return [line.strip() for line in text.splitlines() if line.strip()]

    def number(self, name: str, *, required: bool = False) -> str:
        """An account, card or identity number without its blanks and dashes."""
        return _BLANKS.sub("", self.text(name, required=required)).upper()

    def flag(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self._form.first(name))

    def money(self, name: str, *, required: bool = False, zero: bool = False) -> Decimal | None:
        """An amount in yuan; 万 and thousands separators are understood."""
        text = self.text(name, required=required)
        if not text:
            return None
        amount = yuan(text)
        if amount is None or (amount == 0 and not zero):
            self.fault(
                name,
                "请填写大于零、最多两位小数的金额，如 50000.00",
                "An amount above zero with two decimals at most: 50000.00.",
            )
            return None
        return amount

    def moment(self, name: str, *, required: bool = False) -> datetime | None:
        """A moment in Beijing time."""
        text = self.text(name, required=required).replace("/", "-").replace(" ", "T")
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fault(name, "请填写日期和时间，如 2026-11-24 16:40", "Give date and time.")
            return None
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=BEIJING)

    def last_of_day(self, name: str, *, required: bool = False) -> datetime | None:
        """The last second of a day in Beijing time."""
        text = self.text(name, required=required).replace("/", "-")
        if not text:
            return None
        try:
            day = datetime.fromisoformat(text[:10])
        except ValueError:
            self.fault(name, "请填写日期，如 2027-05-24", "Give a date.")
            return None
        return day.replace(tzinfo=BEIJING) + timedelta(days=1) - timedelta(seconds=1)

    def made(
        self, model: type[_Model], given: Mapping[str, object], names: Mapping[str, str]
    ) -> _Model | None:
        """Make a model, or note what is wrong with it beside the fields.

        Args:
            model: What to make.
            given: Its values.
            names: The form's field for each of the model's, where they differ or are meant.
        """
        try:
            return model.model_validate(given)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            for one in found:
                steps = [str(step) for step in one["loc"]]
                name = next((names[step] for step in steps if step in names), "")
                zh, en = _MESSAGES.get(one["type"], _ANY)
                self.fault(name, zh, en)
            return None
