"""Which column is which, by the headers that village and school lists use."""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from fzalert.campaigns.table import Cell

LARGEST_EXACT = 2**53
LONGEST_HEADER = 40
KEPT = ("town", "village", "group", "school", "class", "elderly", "tags")
"""Columns that become tags of a recipient; a name is not kept at all."""
AGES = ("age", "birth", "id_number")
"""Columns that an age band is read from; of birthday and identity number nothing else is kept."""

_REMARK = re.compile(r"\([^()]*\)$|[*:]+$|^\*+")
_QUOTES = "'’‘`´"


@functools.cache
def _table() -> dict[str, Any]:
    text = (files("fzalert.campaigns") / "columns.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@functools.cache
def _names() -> dict[str, str]:
    return {
        _plain(synonym): name
        for name, synonyms in _table()["columns"].items()
        for synonym in synonyms
    }


@functools.cache
def _footers() -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFKC", word) for word in _table()["stop_words"])


def load() -> None:
    """Read the table of headers now, for a process that can open no file later."""
    _names()
    _footers()
    _yes_words()


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def text_of(cell: Cell) -> str:
    """A cell as text; a number that a spreadsheet made of a text is read back exactly."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        if cell.is_integer() and abs(cell) < LARGEST_EXACT:
            return str(int(cell))
        return repr(cell)
    return unicodedata.normalize("NFKC", cell).strip().lstrip(_QUOTES)


def name_of(header: str) -> str | None:
    """What a header names, or None; a remark behind it, such as (必填), does no harm."""
    plain = _plain(header)
    return _names().get(plain) or _names().get(_REMARK.sub("", plain))


def is_yes(text: str) -> bool:
    """Whether a cell says yes, as a person fills in a flag."""
    return _plain(text) in _yes_words()


def is_guardians(header: str) -> bool:
    """Whether a column holds the number of a grown-up who answers for the person of the row."""
    plain = _plain(header)
    return any(word in plain for word in ("家长", "监护", "户主", "parent", "guardian"))


@functools.cache
def _yes_words() -> frozenset[str]:
    return frozenset(_plain(word) for word in _table()["yes_words"])


def is_footer(texts: Sequence[str]) -> bool:
    """Whether a row is none of the list: a sum, or who filled it in."""
    first = next((text for text in texts if text), "")
    return first.startswith(_footers())


class Columns:
    """The columns of one sheet.

    Args:
        texts: The row of headers.
        before: Columns of a row of headers above it, which hold where this one names none.
    """

    others: dict[str, int]

    def __init__(self, texts: Sequence[str], before: Columns | None = None) -> None:
        names = [name_of(text) if text else None for text in texts]
        self.phones = [at for at, name in enumerate(names) if name == "phone"]
        others: dict[str, int] = {}
        if before is not None:
            others.update(before.others)
        others.update((name, names.index(name)) for name in (*KEPT, *AGES) if name in names)
        self.others = others
        self._headers = list(texts)

    @property
    def is_list(self) -> bool:
        """Whether there is a column of phone numbers."""
        return bool(self.phones)

    def header(self, at: int) -> str:
        """The header of a column as it is written, cut where it is a whole story."""
        return self._headers[at][:LONGEST_HEADER]

    def is_repeated(self, texts: Sequence[str]) -> bool:
        """Whether a row is the headers once more: a second line of them, or of the next page."""
        return any(at < len(texts) and name_of(texts[at]) == "phone" for at in self.phones)
