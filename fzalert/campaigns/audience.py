"""From a table to recipients: headers found by their names, every refused row with its reason.

A name column is not kept at all. Nothing is dropped silently: a row ends as a recipient or as a
refusal with its number, its column, a code and what to do.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO

from fzalert.campaigns.ages import ELDERLY, MINOR, age_of, band_of
from fzalert.campaigns.columns import (
    AGES,
    KEPT,
    Columns,
    is_footer,
    is_guardians,
    is_yes,
    text_of,
)
from fzalert.campaigns.numbers import RowCode, read_cell
from fzalert.campaigns.selection import Selection
from fzalert.campaigns.table import Cell, open_list, read_rows
from fzalert.campaigns.tally import JOINED, Groups
from fzalert.errors import InputError
from fzalert.messages import Target

HEADER_ROWS = 10
LONGEST_TAG = 40
MOST_SHARING = 20
"""So many rows of one number are a household's; more are a mistake, or somebody's idea."""
MOST_REFUSALS = 1000
MOST_VILLAGES = 200
MOST_TAGS = 10
_FILLED_DOWN = frozenset({"town", "village", "school", "class"})
_BETWEEN_TAGS = re.compile(r"[、,;|/\\\s]+")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person to be written to.

    Attributes:
        row: Row of the table, as a person counts.
        target: The phone.
        tags: Village and group; no name.
        note: A code where something was noted (several numbers in one cell).
        sheet: Name of the sheet, or empty.
    """

    row: int
    target: Target
    tags: Mapping[str, str]
    note: str = ""
    sheet: str = ""

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


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One row of a group that is not chosen.

    Attributes:
        row: Row of the table, as a person counts.
        sheet: Name of the sheet, or empty.
    """

    row: int
    sheet: str = ""


@dataclass(slots=True)
class AudienceSummary:
    """What an import came to; it grows with the kinds of fates, not with the list.

    Attributes:
        rows: Rows with anything in them, below the header; sums and signatures left out.
        recipients: Numbers that will be written to.
        duplicates: Numbers that stood in the file before.
        refused: Other refusals, of rows that may be people.
        by_code: Refusals and notes by their code.
        villages: Recipients by village.
        groups: Recipients by every kind of group.
        left_out: Rows that the chosen groups leave out.
        refusals: The first thousand refusals, in order.
    """

    rows: int = 0
    recipients: int = 0
    duplicates: int = 0
    refused: int = 0
    by_code: Counter[str] = field(default_factory=Counter)
    villages: Counter[str] = field(default_factory=Counter)
    groups: Groups = field(default_factory=Groups)
    left_out: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    _last: tuple[str, int] | None = field(default=None, init=False, repr=False)

    def take(self, item: Recipient | Refusal | LeftOut) -> None:
        """Count what a row came to; what belongs to one row comes together."""
        if isinstance(item, LeftOut):
            self.left_out += 1
        elif isinstance(item, Refusal):
            self.by_code[item.code] += 1
            if len(self.refusals) < MOST_REFUSALS:
                self.refusals.append(item)
            if item.code in {RowCode.FOOTER, RowCode.SHARED}:
                return
            if item.code is RowCode.DUPLICATE:
                self.duplicates += 1
            else:
                self.refused += 1
        else:
            self.recipients += 1
            self.villages[item.tags.get("village", "")] += 1
            self.groups.take(item.tags)
            if item.note:
                self.by_code[item.note] += 1
        if self._last != (item.sheet, item.row):
            self._last = item.sheet, item.row
            self.rows += 1

    def document(self) -> dict[str, object]:
        """The summary as a campaign keeps it, in plain values."""
        return {
            "rows": self.rows,
            "recipients": self.recipients,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "by_code": dict(self.by_code),
            "villages": dict(self.villages.most_common(MOST_VILLAGES)),
            "groups": self.groups.document(),
            "left_out": self.left_out,
            "refusals": [
                {
                    "row": refusal.row,
                    "column": refusal.column,
                    "code": str(refusal.code),
                    "reason": refusal.reason,
                    "sheet": refusal.sheet,
                }
                for refusal in self.refusals
            ],
        }


def read_audience(
    file: BinaryIO,
    name: str,
    selection: Selection | None = None,
    today: date | None = None,
) -> Iterator[Recipient | Refusal | LeftOut]:
    """Read a list of residents, row by row.

    Args:
        file: At its start, and able to seek; it is left open.
        name: What people call it.
        selection: Which rows are chosen; all unless given.
        today: By which an age is reckoned from a birthday; without it birthdays say nothing.

    Raises:
        InputError: The file is no table, has no column of phone numbers, or a chosen group stands
            in no row; nothing is imported.
    """
    reader = _Reader(name, selection or Selection(), today)
    for sheet, number, cells in read_rows(file, name):
        yield from reader.take(sheet, number, cells)
    yield from reader.finish()


class _Reader:
    def __init__(self, name: str, selection: Selection, today: date | None) -> None:
        self._name = name
        self._selection = selection
        self._today = today
        self._sheet: str | None = None
        self._columns: Columns | None = None
        self._first_row = 0
        self._seen_rows = 0
        self._filled: dict[str, str] = {}
        self._numbers: dict[str, tuple[str, int]] = {}
        self._shared: Counter[str] = Counter()
        self._is_list = False
        self._without: list[Refusal] = []

    def take(
        self, sheet: str, number: int, cells: Sequence[Cell]
    ) -> Iterator[Recipient | Refusal | LeftOut]:
        if sheet != self._sheet:
            self._end_sheet()
            self._sheet, self._columns = sheet, None
            self._first_row = self._seen_rows = 0
            self._filled = {}
        texts = [text_of(cell) for cell in cells]
        if not any(texts):
            return
        columns = self._columns
        if columns is None:
            self._look_for_header(number, texts)
        elif columns.is_repeated(texts):
            self._columns = Columns(texts, columns)
        elif is_footer(texts):
            reason = "合计、填表人等，不是名单 / a sum or a signature, not a person"
            yield Refusal(sheet, number, "", RowCode.FOOTER, reason)
        else:
            yield from self._row(sheet, number, texts, columns)

    def _look_for_header(self, number: int, texts: Sequence[str]) -> None:
        self._first_row = self._first_row or number
        self._seen_rows += 1
        found = Columns(texts)
        if self._seen_rows <= HEADER_ROWS and found.is_list:
            self._columns, self._is_list = found, True

    def _end_sheet(self) -> None:
        if self._seen_rows and self._columns is None:
            reason = (
                f"工作表前 {HEADER_ROWS} 行没有电话号码列，整表未导入"
                " / the sheet has no column of phone numbers: none of it was imported"
            )
            self._without.append(
                Refusal(self._sheet or "", self._first_row, "", RowCode.NO_COLUMN, reason)
            )

    def _row(
        self, sheet: str, number: int, texts: Sequence[str], columns: Columns
    ) -> Iterator[Recipient | Refusal | LeftOut]:
        """A row's first column that has a good number decides; what was bad before it is told."""
        tags = self._tags(texts, columns)
        age = self._age(texts, columns)
        tags.update(_tags_of(age))
        if not self._selection.takes(tags):
            yield LeftOut(number, sheet)
            return
        is_empty = True
        for at in columns.phones:
            text = texts[at] if at < len(texts) else ""
            if not text:
                continue
            is_empty = is_good = False
            if _is_minors(age, columns, at):
                yield Refusal(sheet, number, columns.header(at), RowCode.MINOR, _MINORS)
                continue
            for found, note in read_cell(text):
                if isinstance(found, Target):
                    is_good = True
                    yield from self._once(sheet, number, columns.header(at), found, tags, note)
                else:
                    yield Refusal(sheet, number, columns.header(at), *found)
            if is_good:
                return
        if is_empty:
            column = columns.header(columns.phones[0])
            reason = "没有电话号码 / the row has no phone number"
            yield Refusal(sheet, number, column, RowCode.NO_PHONE, reason)

    def _once(
        self,
        sheet: str,
        number: int,
        column: str,
        target: Target,
        tags: Mapping[str, str],
        note: str,
    ) -> Iterator[Recipient | Refusal]:
        earlier = self._numbers.get(target.address)
        if earlier is None:
            self._numbers[target.address] = sheet, number
            yield Recipient(number, target, tags, str(note), sheet)
            return
        where = f"第 {earlier[1]} 行"
        if earlier[0] != sheet:
            where = f"表 {earlier[0][:40]} {where}"
        reason = f"{target.masked()} 与{where}重复 / stands in row {earlier[1]} already"
        yield Refusal(sheet, number, column, RowCode.DUPLICATE, reason)
        self._shared[target.address] += 1
        if self._shared[target.address] == MOST_SHARING:
            reason = (
                f"{target.masked()} 出现在 {MOST_SHARING} 行以上，请核对"
                f" / stands in more than {MOST_SHARING} rows: look whose it is"
            )
            yield Refusal(sheet, number, column, RowCode.SHARED, reason)

    def _tags(self, texts: Sequence[str], columns: Columns) -> dict[str, str]:
        """Village and group; a merged cell's value holds for the rows below it."""
        tags: dict[str, str] = {}
        for name in KEPT:
            index = columns.others.get(name)
            if index is None:
                continue
            value = texts[index][:LONGEST_TAG] if index < len(texts) else ""
            if name in _FILLED_DOWN:
                value = self._filled[name] = value or self._filled.get(name, "")
            if name == "tags":
                free = dict.fromkeys(one for one in _BETWEEN_TAGS.split(value) if one)
                value = JOINED.join(list(free)[:MOST_TAGS])
            elif name == "elderly":
                value = "yes" if is_yes(value) else ""
            if value:
                tags[name] = value
        return tags

    def _age(self, texts: Sequence[str], columns: Columns) -> int | None:
        """The age that a row gives; of what it was read from nothing is kept."""
        for name in AGES:
            index = columns.others.get(name)
            if index is not None and index < len(texts) and texts[index]:
                age = age_of(name, texts[index], self._today)
                if age is not None:
                    return age
        return None

    def finish(self) -> Iterator[Refusal]:
        self._end_sheet()
        if self._sheet is None:
            raise InputError(f"{self._name} is empty.", field="file")
        if not self._is_list:
            raise InputError(
                f"{self._name} has no column of phone numbers in its first {HEADER_ROWS} rows.",
                hint="Give the column a header such as 手机号, 联系电话 or phone.",
                field="file",
            )
        self._selection.must_be_met(self._name)
        yield from self._without


_MINORS = "不满十四周岁，请用家长的号码 / under fourteen: give a parent's number, as under 家长电话"


def _tags_of(age: int | None) -> dict[str, str]:
    if age is None:
        return {}
    return {"age": band_of(age), **({"elderly": "yes"} if age >= ELDERLY else {})}


def _is_minors(age: int | None, columns: Columns, at: int) -> bool:
    """Whether a number is a child's own: in a list of a school it is a parent's."""
    if age is None or age >= MINOR:
        return False
    of_a_school = "school" in columns.others or "class" in columns.others
    return not of_a_school and not is_guardians(columns.header(at))


def summarise(
    path: Path, selection: Selection | None = None, today: date | None = None
) -> tuple[list[Recipient], AudienceSummary]:
    """Read a whole list in this process, into memory; for lists that one trusts.

    Raises:
        InputError: As `read_audience` and `open_list`.
    """
    summary = AudienceSummary()
    recipients: list[Recipient] = []
    with open_list(path) as file:
        for item in read_audience(file, path.name, selection, today):
            summary.take(item)
            if isinstance(item, Recipient):
                recipients.append(item)
    return recipients, summary
