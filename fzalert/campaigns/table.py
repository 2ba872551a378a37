"""Rows of a table as a village hands it in: XLSX, or CSV and tab-separated text in any charset.

A text is read line by line and never held whole. Whose hands a file comes from is not known, so
the daemon reads it in a process of its own: see `reading`.
"""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fzalert.campaigns.charset import open_text, sample_of
from fzalert.errors import InputError

__all__ = ["Cell", "Row", "open_list", "read_rows"]

Cell = str | float | None
Row = tuple[str, int, list[Cell]]
"""Sheet, row number (from 1, as a person counts) and cells."""

MOST_BYTES = 64 * 1024 * 1024
_DELIMITERS = (",", "\t", ";", "，")
_BOOKS = frozenset({".xlsx", ".xlsm"})
_TEXTS = frozenset({".csv", ".txt", ".tsv"})


def open_list(path: Path) -> BinaryIO:
    """Open a list that a person named; nothing of it is read.

    Raises:
        InputError: It is no file, is too large, or may not be read; the text says what to do.
    """
    try:
        # A pipe or a device would hold the opening up for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise _no_file(path) from None
        raise unreadable(path.name, error) from error
    refusal = _why_not(path, os.fstat(descriptor))
    if refusal is not None:
        os.close(descriptor)
        raise refusal
    return open(descriptor, "rb")


def _why_not(path: Path, status: os.stat_result) -> InputError | None:
    if not stat.S_ISREG(status.st_mode):
        return _no_file(path)
    if status.st_size > MOST_BYTES:
        return InputError(
            f"{path.name} is larger than 64 MiB.", hint="Split it by village.", field="file"
        )
    return None


def read_rows(file: BinaryIO, name: str) -> Iterator[Row]:
    """Give sheet, row number and cells of every row.

    Args:
        file: At its start, and able to seek; it is left open.
        name: What people call it; what stands behind its last dot says what it is.

    Raises:
        InputError: Not a table that can be read; the text says what to do with the file.
    """
    suffix = Path(name).suffix.lower()
    try:
        if suffix in _BOOKS:
            from fzalert.campaigns.workbook import read_workbook

            yield from read_workbook(file, name)
        elif suffix in _TEXTS:
            yield from _read_text(file, name)
        else:
            raise InputError(
                f"{name}: {suffix[:20] or 'no suffix'} is no table that can be imported.",
                hint="Save it as .xlsx or .csv; Word, PDF and photographs must be typed in.",
                field="file",
            )
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise unreadable(name, error) from error


def unreadable(name: str, error: OSError | ValueError) -> InputError:
    """The error for a file that the machine does not give out."""
    why = error.strerror if isinstance(error, OSError) else type(error).__name__
    return InputError(
        f"{name} cannot be read ({why}).",
        hint="Name a file that this account may read.",
        field="file",
    )


def _no_file(path: Path) -> InputError:
    return InputError(
        f"There is no file {path.name}.", hint="Give the path of the list.", field="file"
    )


def _read_text(file: BinaryIO, name: str) -> Iterator[Row]:
    text = open_text(file, name)
    try:
        delimiter = max(_DELIMITERS, key=sample_of(text).count)
        # Strict: a lone quotation mark would make one cell of all the rows below it.
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        number = 0
        try:
            for number, cells in enumerate(reader, start=1):
                yield "", number, list(cells)
        except csv.Error as error:
            raise InputError(
                f"{name}, row {number + 1}: {error}.",
                hint="Look at the quotation marks there, or save it as .xlsx.",
                field="file",
                row=number + 1,
            ) from None
    finally:
        text.detach()
