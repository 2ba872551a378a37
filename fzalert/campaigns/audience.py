"""From a table to recipients: headers found by their names, every refused row with its reason.

A name column is not kept at all. Nothing is dropped silently: a row ends as a recipient or as a
refusal with its number, its column, a code and what to do.
"""

from __future__ import annotations

import enum
import functools
import json
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from fzalert.campaigns.table import Cell, read_rows
from fzalert.errors import InputError
from fzalert.messages import Target, mask_digits, phone

HEADER_ROWS = 10
_SPLIT = re.compile(r"[/、;；,，]|或|\s{2,}")
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+?\d+")
_LANDLINE = re.compile(r"0\d{2,3}[- ]?\d{7,8}")
LARGEST_EXACT = 2**53


class RowCode(enum.StrEnum):
    """Why a row was refused, or what was noted about it; stable, for tables and tests."""

    NO_PHONE = "E01"
    BAD_NUMBER = "E02"
    DIGITS_LOST = "E03"
    DUPLICATE = "W01"
    LANDLINE = "W02"
    SPLIT = "W04"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person to be written to.

    Attributes:
        row: Row of the table, as a person counts.
        target: The phone.
        tags: Village and group; no name.
        note: A code where something was noted (several numbers in one cell).
    """

    row: int
    target: Target
    tags: Mapping[str, str]
    note: str = ""

    def tags_text(self) -> str:
        """The tags as the store keeps them."""
        return json.dumps(dict(self.tags), ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row, or one number of a row, that is not written to.

    Attributes:
        sheet: Name of the sheet, or empty.
        row: Row of the table, as a person counts.
        column: Header of the column.
        code: Why, stable.
        reason: Why, in Chinese and English; numbers masked.
    """

    sheet: str
    row: int
    column: str
    code: RowCode
    reason: str


@dataclass(slots=True)
class AudienceSummary:
    """What an import came to.

    Attributes:
        rows: Rows with anything in them, below the header.
        recipients: Numbers that will be written to.
        duplicates: Numbers that stood in the file before.
        refused: Other refusals.
        by_code: Refusals and notes by their code.
        villages: Recipients by village.
        refusals: Every refusal, in order.
    """

    rows: int = 0
    recipients: int = 0
    duplicates: int = 0
    refused: int = 0
    by_code: Counter[str] = field(default_factory=Counter)
    villages: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)


@functools.cache
def _columns() -> dict[str, str]:
    text = (files("fzalert.campaigns") / "columns.toml").read_text(encoding="utf-8")
    return {
        _plain(synonym): name
        for name, synonyms in tomllib.loads(text)["columns"].items()
        for synonym in synonyms
    }


@functools.cache
def _stop_words() -> tuple[str, ...]:
    text = (files("fzalert.campaigns") / "columns.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["stop_words"])


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def read_audience(path: Path) -> Iterator[Recipient | Refusal]:
    """Read a list of residents, row by row.

    Raises:
        InputError: The file is no table, or has no column of phone numbers; nothing is imported.
    """
    reader = _Reader(path.name)
    for sheet, number, cells in read_rows(path):
        yield from reader.take(sheet, number, cells)
    reader.finish()


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._sheet: str | None = None
        self._columns: dict[str, int] = {}
        self._headers: list[str] = []
        self._seen_rows = 0
        self._filled: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._found_any = False
        self._ended = False

    def take(self, sheet: str, number: int, cells: list[Cell]) -> Iterator[Recipient | Refusal]:
        if sheet != self._sheet:
            self._sheet, self._columns, self._seen_rows = sheet, {}, 0
            self._filled, self._ended = {}, False
        if not any(cells) or self._ended:
            return
        if not self._columns:
            self._seen_rows += 1
            if self._seen_rows <= HEADER_ROWS:
                self._look_for_header(cells)
            return
        texts = [_text(cell) for cell in cells]
        if any(text.startswith(_stop_words()) for text in texts):
            self._ended = True
            return
        yield from self._row(sheet, number, cells, texts)

    def _look_for_header(self, cells: Sequence[Cell]) -> None:
        found: dict[str, int] = {}
        for index, cell in enumerate(cells):
            if isinstance(cell, str) and (name := _columns().get(_plain(cell))):
                found.setdefault(name, index)
        if "phone" in found:
            self._columns, self._found_any = found, True
            self._headers = [_text(cell) for cell in cells]

    def _row(
        self, sheet: str, number: int, cells: Sequence[Cell], texts: Sequence[str]
    ) -> Iterator[Recipient | Refusal]:
        tags = self._tags(texts)
        at = self._columns["phone"]
        column = self._headers[at]
        cell = cells[at] if at < len(cells) else None

        def refuse(code: RowCode, reason: str) -> Refusal:
            return Refusal(sheet, number, column, code, reason)

        if cell is None or not _text(cell):
            yield refuse(RowCode.NO_PHONE, "没有电话号码 / the row has no phone number")
            return
        for text, note in _numbers(cell):
            if isinstance(note, RowCode) and note is RowCode.DIGITS_LOST:
                yield refuse(
                    note,
                    f"{text} 是科学计数法，号码丢了位数，请把这一列设为文本后重填"
                    " / scientific notation: digits are lost; format the column as text",
                )
                continue
            if _LANDLINE.fullmatch(text):
                yield refuse(
                    RowCode.LANDLINE,
                    f"{mask_digits(text)} 是固定电话，收不到短信"
                    " / a landline takes no SMS: call, or visit",
                )
                continue
            try:
                target = phone(text)
            except InputError as error:
                yield refuse(
                    RowCode.BAD_NUMBER, f"不是有效的手机号 / {error.args[0]} {error.hint}".strip()
                )
                continue
            earlier = self._numbers.setdefault(target.address, number)
            if earlier != number:
                yield refuse(
                    RowCode.DUPLICATE,
                    f"{target.masked()} 与第 {earlier} 行重复 / stands in row {earlier} already",
                )
                continue
            yield Recipient(number, target, tags, str(note))

    def _tags(self, texts: Sequence[str]) -> dict[str, str]:
        """Village and group; a merged cell's value holds for the rows below it."""
        tags: dict[str, str] = {}
        for name in ("town", "village", "group", "class", "tags"):
            index = self._columns.get(name)
            if index is None:
                continue
            value = texts[index] if index < len(texts) else ""
            if value:
                self._filled[name] = value
            elif name in {"town", "village"}:
                value = self._filled.get(name, "")
            if value:
                tags[name] = value[:40]
        return tags

    def finish(self) -> None:
        if not self._found_any:
            raise InputError(
                f"{self._name} has no column of phone numbers in its first {HEADER_ROWS} rows.",
                hint="Give the column a header such as 手机号, 联系电话 or phone.",
                field="file",
            )


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        if cell.is_integer() and abs(cell) < LARGEST_EXACT:
            return str(int(cell))
        return repr(cell)
    return unicodedata.normalize("NFKC", cell).strip().lstrip("'")


def _numbers(cell: Cell) -> Iterator[tuple[str, str]]:
    """Split a cell into numbers; a phone column of floats is read exactly."""
    text = _text(cell)
    if _SCIENTIFIC.fullmatch(text):
        yield text, RowCode.DIGITS_LOST
        return
    pieces = [piece.strip() for piece in _SPLIT.split(text) if piece.strip()]
    note = RowCode.SPLIT if len(pieces) > 1 else ""
    for piece in pieces or [text]:
        yield piece, note


def summarise(path: Path) -> tuple[list[Recipient], AudienceSummary]:
    """Read a whole list, with its summary. Raises as `read_audience`."""
    summary = AudienceSummary()
    recipients: list[Recipient] = []
    rows: set[tuple[str, int]] = set()
    for item in read_audience(path):
        if isinstance(item, Recipient):
            rows.add(("", item.row))
            recipients.append(item)
            summary.recipients += 1
            summary.villages[item.tags.get("village", "")] += 1
            if item.note:
                summary.by_code[item.note] += 1
        else:
            rows.add(("", item.row))
            summary.by_code[item.code] += 1
            summary.refusals.append(item)
            if item.code is RowCode.DUPLICATE:
                summary.duplicates += 1
            else:
                summary.refused += 1
    summary.rows = len(rows)
    return recipients, summary
