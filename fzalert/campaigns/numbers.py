"""From a cell to telephone numbers, each good or refused with its reason."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

from fzalert.errors import InputError
from fzalert.messages import Target, mask_digits, phone

_SPLIT = re.compile(r"[/、;,|\\\n\r]|或|\s{2,}")
_SIDE_BY_SIDE = re.compile(r"[+\d-]{7,}(?:\s+[+\d-]{7,})+")
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+?\d+")
_FLOAT = re.compile(r"(\d{7,15})\.0+")
_LANDLINE = re.compile(r"0\d{9,11}|[2-8]\d{6,7}", re.ASCII)
_BETWEEN = re.compile(r"[\s\-()]+")
_NUMBER = re.compile(r"[\d\s\-+().·\u2010-\u2015\u200b\u2060\ufeff]+", re.ASCII)


MOST_IN_A_CELL = 10
"""More numbers than that are no person's: the cell is refused whole."""


class RowCode(enum.StrEnum):
    """Why a row was refused, or what was noted about it; stable, for tables and tests."""

    NO_PHONE = "E01"
    BAD_NUMBER = "E02"
    DIGITS_LOST = "E03"
    MINOR = "E05"
    NO_COLUMN = "E07"
    TOO_MANY = "E08"
    DUPLICATE = "W01"
    LANDLINE = "W02"
    SHARED = "W03"
    SPLIT = "W04"
    FOOTER = "W07"


def numbers_in(text: str) -> list[str]:
    """Split the text of a cell into the numbers that stand in it."""
    found: list[str] = []
    for piece in _SPLIT.split(text):
        together = piece.strip()
        side_by_side = _SIDE_BY_SIDE.fullmatch(together)
        for one in together.split() if side_by_side else [together]:
            exact = _FLOAT.fullmatch(one)
            if one:
                found.append(exact[1] if exact else one)
    return found


def target_of(text: str) -> Target | tuple[RowCode, str]:
    """Make a target of one number, or tell why not: code and reason, no number in clear."""
    if _SCIENTIFIC.fullmatch(text):
        return (
            RowCode.DIGITS_LOST,
            f"{text[:20]} 是科学计数法，号码丢了位数，请把这一列设为文本后重填"
            " / scientific notation: digits are lost; format the column as text",
        )
    if _LANDLINE.fullmatch(_BETWEEN.sub("", text)):
        return (
            RowCode.LANDLINE,
            f"{mask_digits(_BETWEEN.sub('', text))} 是固定电话，收不到短信"
            " / a landline takes no SMS: call, or visit",
        )
    if not _NUMBER.fullmatch(text):
        # What stands beside the digits may be a name, so it is not repeated.
        return (
            RowCode.BAD_NUMBER,
            "不是有效的手机号，有数字以外的字符 / it has characters that are no digits",
        )
    try:
        return phone(text)
    except InputError as error:
        said = f"{error.args[0]} {error.hint}".strip()
        return RowCode.BAD_NUMBER, f"不是有效的手机号 / {said}"


def read_cell(text: str) -> Iterator[tuple[Target | tuple[RowCode, str], str]]:
    """Every number of a cell with what became of it, and a note where there are several."""
    found = numbers_in(text) or [text]
    if len(found) > MOST_IN_A_CELL:
        reason = (
            f"一格里有 {len(found)} 个号码，请一人一行 / {len(found)} numbers in a cell: one a row"
        )
        yield (RowCode.TOO_MANY, reason), ""
        return
    note = RowCode.SPLIT if len(found) > 1 else ""
    for one in found:
        yield target_of(one), note
