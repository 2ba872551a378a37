"""Faults of a file as lines that a person can act on: file, line, key, what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from fzalert.config.lines import Loc
from fzalert.config.sources import Place
from fzalert.config.types import model_in
from fzalert.errors import ConfigError

__all__ = ["Fault", "Faults", "suggest"]

# Chinese for the commonest kinds of fault, by pydantic's type.
_CHINESE = {
    "missing": "缺少这一项",
    "extra_forbidden": "没有这一项",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "float_type": "应为数字",
    "float_parsing": "应为数字",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "string_type": "应为文字，加引号",
    "string_pattern_mismatch": "格式不对",
    "string_too_long": "太长",
    "string_too_short": "太短",
    "literal_error": "只能取列出的值",
    "enum": "只能取列出的值",
    "greater_than": "太小",
    "greater_than_equal": "太小",
    "less_than": "太大",
    "less_than_equal": "太大",
    "model_type": "应为一个表",
    "dict_type": "应为一个表",
    "list_type": "应为一个数组",
    "tuple_type": "应为一个数组",
    "time_parsing": '时间应写成 "21:00"',
    "value_error": "",
}

_MOST_NAMES = 12


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        loc: Path of keys, as pydantic gives it.
        text: What is wrong and, where it can be said, what to write.
    """

    loc: Loc
    text: str


class Faults:
    """Collects the faults of one configuration, so that all of them are told at once.

    Args:
        path: Its file, named where a fault stands nowhere.
        places: Where each key stands.
    """

    def __init__(self, path: Path, places: Mapping[Loc, Place]) -> None:
        self._nowhere = Place(0, path.name, 0)
        self._places = places
        self._faults: list[Fault] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, loc: Loc, text: str) -> None:
        """Note one fault."""
        self._faults.append(Fault(loc, text))

    def add_validation(
        self, error: ValidationError, model: type[BaseModel], *, under: Loc = ()
    ) -> None:
        """Note every fault that pydantic found, with a suggestion for an unknown key."""
        for item in error.errors(include_url=False, include_input=False):
            text = item["msg"].removeprefix("Value error, ")
            loc = tuple(item["loc"])
            if item["type"] == "extra_forbidden":
                text = f"there is no such setting{suggest(str(loc[-1]), _keys_of(model, loc))}"
            elif item["type"] == "missing":
                text = "this setting is required"
            chinese = _CHINESE.get(item["type"], "")
            self.add((*under, *loc), f"{text} {chinese}".rstrip())

    def lines(self) -> list[str]:
        """Give one line a fault, in the order of the files."""
        placed = [(self._place_of(fault.loc), fault) for fault in self._faults]
        placed.sort(key=lambda pair: (pair[0].rank, pair[0].line))
        return [_format(place, fault) for place, fault in placed]

    def _place_of(self, loc: Loc) -> Place:
        """Find a key; steps that stand on no line of their own are dropped."""
        while loc:
            if loc in self._places:
                return self._places[loc]
            loc = loc[:-1]
        return self._nowhere

    def raise_if_any(self) -> None:
        """Raise one `ConfigError` that names them all.

        Raises:
            ConfigError: There is at least one fault.
        """
        lines = self.lines()
        if lines:
            raise ConfigError("\n".join(lines), hint=_hint(len(lines)))


def _format(place: Place, fault: Fault) -> str:
    key = ".".join(str(step) for step in fault.loc)
    return f"{place}: {key}: {fault.text}" if key else f"{place}: {fault.text}"


def _hint(count: int) -> str:
    faults = "One fault was" if count == 1 else f"{count} faults were"
    return f"\n{faults} found; every setting is described in docs/config.md."


def suggest(wrong: str, known: Iterable[str]) -> str:
    """Say which known word may have been meant, as the end of a sentence."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    shown = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
    return f"; known are {shown}" if names else ""


def _keys_of(model: type[BaseModel], loc: Loc) -> list[str]:
    """Name the settings of the table that the last step of `loc` stands in."""
    for step in loc[:-1]:
        if isinstance(step, int):
            continue
        found = model.model_fields.get(step)
        nested = None if found is None else model_in(found.annotation)
        if nested is None:
            return []
        model = nested
    return [name for name, info in model.model_fields.items() if not info.exclude]
