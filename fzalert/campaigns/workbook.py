"""Rows of an XLSX workbook, read by a parser that sees only what passed the gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from fzalert.campaigns.gate import broken, let_pass
from fzalert.campaigns.table import Cell, Row
from fzalert.errors import ConfigError, InputError


def read_workbook(file: BinaryIO, name: str) -> Iterator[Row]:
    """Give sheet, row number (from 1) and cells of every row.

    Args:
        file: Able to seek; it is left open.
        name: What people call it.

    Raises:
        InputError: No workbook, a broken one, or one that unpacks to too much.
        ConfigError: The package that reads workbooks is not installed.
    """
    let_pass(file, name)
    file.seek(0)
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise ConfigError(
            "Workbooks cannot be read here.", hint="Install fzalert[audience], or save it as .csv."
        ) from error
    try:
        with CalamineWorkbook.from_filelike(file) as workbook:
            for sheet in workbook.sheet_names:
                rows = workbook.get_sheet_by_name(sheet).iter_rows()
                for number, cells in enumerate(rows, start=1):
                    yield sheet, number, [_cell(value) for value in cells]
    except (CalamineError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise broken(name, str(error)[:100]) from None
    except BaseException as error:
        # A panic of the parser is no Exception; a cancellation or a closed generator is not ours.
        if type(error).__name__ != "PanicException":
            raise
        raise broken(name, "the parser gave up") from None


def _cell(value: object) -> Cell:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return float(value)
    return str(value)
