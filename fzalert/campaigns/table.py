"""Rows of a table as a village hands it in: XLSX, or CSV and tab-separated text in any charset.

Text is decoded by rule, never by guess: byte order mark, else strict UTF-8, else strict GB18030.
A guesser called short GBK files Korean. An XLSX file passes a gate before any parser sees it: a
workbook of 300 kB can unpack to gigabytes.
"""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from fzalert.errors import InputError

Cell = str | float | None

MOST_BYTES = 64 * 1024 * 1024
MOST_UNPACKED = 200 * 1024 * 1024
MOST_RATIO = 100
MOST_MEMBERS = 1000
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_rows(path: Path) -> Iterator[tuple[str, int, list[Cell]]]:
    """Give sheet, row number (from 1, as a person counts) and cells of every row.

    Raises:
        InputError: Not a table that can be read; the text says what to do with the file.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path.name}.", field="file")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(
            f"{path.name} is larger than 64 MiB.", hint="Split it by village.", field="file"
        )
    suffix = path.suffix.lower()
    if suffix in {".xlsx", ".xlsm"}:
        yield from _xlsx(path)
    elif suffix in {".csv", ".txt", ".tsv"}:
        yield from _text(path)
    else:
        raise InputError(
            f"{path.name}: {suffix or 'no suffix'} is no table that can be imported.",
            hint="Save it as .xlsx or .csv; Word, PDF and photographs must be typed in.",
            field="file",
        )


def _text(path: Path) -> Iterator[tuple[str, int, list[Cell]]]:
    text = decode(path.read_bytes(), path.name)
    first = text[:4096]
    tabs, commas = first.count("\t"), max(first.count(","), first.count("，"))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if tabs > commas else ",")
    try:
        for cells in reader:
            yield "", reader.line_num, list(cells)
    except csv.Error as error:
        raise InputError(
            f"{path.name}, line {reader.line_num}: {error}.",
            hint="Save it again as CSV from the spreadsheet.",
            field="file",
            row=reader.line_num,
        ) from None


def decode(data: bytes, name: str) -> str:
    """Decode by rule.

    Raises:
        InputError: Neither UTF-8 nor GB18030; `row` is the first line that is not.
    """
    for mark, charset in _BOMS:
        if data.startswith(mark):
            return _strict(data, charset, name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _strict(data, "gb18030", name)


def _strict(data: bytes, charset: str, name: str) -> str:
    try:
        return data.decode(charset)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}, line {line}: these bytes are neither UTF-8 nor GBK text.",
            hint="Open it in the program that made it and save it as UTF-8 or XLSX.",
            field="file",
            row=line,
        ) from None


def _xlsx(path: Path) -> Iterator[tuple[str, int, list[Cell]]]:
    _gate(path)
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(str(path))
        for name in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(name)
            start = sheet.start[0] if sheet.start else 0
            for number, cells in enumerate(sheet.iter_rows(), start=start + 1):
                yield name, number, [_cell(value) for value in cells]
    except CalamineError as error:
        raise InputError(
            f"{path.name} is no workbook that can be read: {error}.",
            hint="Open it and save it again as .xlsx.",
            field="file",
        ) from None


def _cell(value: object) -> Cell:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return float(value)
    return str(value)


def _gate(path: Path) -> None:
    """Look at the archive's directory before unpacking anything."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError):
        raise InputError(
            f"{path.name} is no .xlsx workbook.",
            hint="Open it in the spreadsheet and save it as .xlsx, or as .csv.",
            field="file",
        ) from None
    unpacked = sum(member.file_size for member in members)
    crowded = len(members) > MOST_MEMBERS
    bomb = any(member.file_size > MOST_RATIO * max(1, member.compress_size) for member in members)
    if unpacked > MOST_UNPACKED or crowded or (bomb and unpacked > 1_000_000):
        raise InputError(
            f"{path.name} unpacks to {unpacked // 1_000_000} MB from"
            f" {path.stat().st_size // 1000} kB; no list of residents does.",
            hint="Copy the list into a new workbook.",
            field="file",
        )
