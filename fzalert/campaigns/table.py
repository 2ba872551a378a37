"""Rows of a table as a village hands it in: XLSX, or CSV and tab-separated text in any charset.

Text is decoded by rule, never by guess: byte order mark, else strict UTF-8, else strict GB18030.
A guesser called short GBK files Korean.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from fzalert.errors import InputError

Cell = str | float | None

MOST_BYTES = 64 * 1024 * 1024
SAMPLE = 4096
PROVEN = 12
"""So many bytes of valid UTF-8 beside ASCII are no GBK by chance."""
_DELIMITERS = (",", "\t", ";", "，")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


def read_rows(path: Path) -> Iterator[tuple[str, int, list[Cell]]]:
    """Give sheet, row number (from 1, as a person counts) and cells of every row.

    Raises:
        InputError: Not a table that can be read; the text says what to do with the file.
    """
    suffix = path.suffix.lower()
    try:
        _look_at(path)
        if suffix in {".xlsx", ".xlsm"}:
            from fzalert.campaigns.workbook import read_workbook

            yield from read_workbook(path)
        elif suffix in {".csv", ".txt", ".tsv"}:
            yield from _read_text(path)
        else:
            raise InputError(
                f"{path.name}: {suffix[:20] or 'no suffix'} is no table that can be imported.",
                hint="Save it as .xlsx or .csv; Word, PDF and photographs must be typed in.",
                field="file",
            )
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise InputError(
            f"{path.name} cannot be read ({why}).",
            hint="Name a file that this account may read.",
            field="file",
        ) from error


def _look_at(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"There is no file {path.name}.", hint="Give the path of the list.", field="file"
        )
    if path.stat().st_size > MOST_BYTES:
        raise InputError(
            f"{path.name} is larger than 64 MiB.", hint="Split it by village.", field="file"
        )


def _read_text(path: Path) -> Iterator[tuple[str, int, list[Cell]]]:
    text = decode(path.read_bytes(), path.name)
    first = text[:SAMPLE]
    delimiter = max(_DELIMITERS, key=first.count)
    # Strict: a lone quotation mark would make one cell of all the rows below it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            yield "", number, list(cells)
    except csv.Error as error:
        raise InputError(
            f"{path.name}, row {number + 1}: {error}.",
            hint="Look at the quotation marks there, or save it as .xlsx.",
            field="file",
            row=number + 1,
        ) from None


def decode(data: bytes, name: str) -> str:
    """Decode by rule.

    Raises:
        InputError: Neither UTF-8 nor GB18030; `row` is the first line that is not.
    """
    for mark, charset, spoken in _BOMS:
        if data.startswith(mark):
            try:
                return data.decode(charset)
            except UnicodeDecodeError as error:
                raise _undecodable(data, error, name, spoken) from None
    if data.startswith(b"PK\x03\x04"):
        raise InputError(
            f"{name} is a workbook, no text.", hint="Name it .xlsx and import it.", field="file"
        )
    text = _without_mark(data, name)
    if "\0" in text[:SAMPLE]:
        raise InputError(
            f"{name} is no text in UTF-8 or GBK.",
            hint="Open it in the program that made it and save it as UTF-8 or XLSX.",
            field="file",
        )
    return text


def _without_mark(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        as_utf8 = error
    begun = data[: as_utf8.start]
    if len(begun) - len(begun.decode("ascii", "ignore")) >= PROVEN:
        raise _undecodable(data, as_utf8, name, "UTF-8")
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError as error:
        # The charset that holds longer is the file's own; its first bad line is to be mended.
        further = error if error.start > as_utf8.start else as_utf8
        raise _undecodable(data, further, name, "UTF-8 or GBK") from None


def _undecodable(data: bytes, error: UnicodeDecodeError, name: str, charset: str) -> InputError:
    line = data[: error.start].decode(error.encoding, "ignore").count("\n") + 1
    return InputError(
        f"{name}, line {line}: these bytes are no {charset} text.",
        hint="Open it in the program that made it and save it as UTF-8 or XLSX.",
        field="file",
        row=line,
    )
