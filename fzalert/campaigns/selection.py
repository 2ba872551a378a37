"""Which people of a list a campaign is for: `--only village=东沟村 --except tag=商户`.

Each row is chosen by its own tags, before numbers that stand twice are looked for: a parent of two
pupils is found by either class. Values of one key are alternatives, several keys hold together.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from fzalert.campaigns.tally import GROUPS, MOST_VALUES, values_of
from fzalert.errors import InputError

__all__ = ["MOST_CHOICES", "Selection"]

MOST_CHOICES = 50
_NAMED = 8


class Selection:
    """Chosen groups, and groups left out.

    Args:
        only: As key=value; nothing chooses everybody.
        excluded: The same; whoever belongs to one of them is left out.

    Raises:
        InputError: Not of that form, or no key of a list.
    """

    def __init__(self, only: Sequence[str] = (), excluded: Sequence[str] = ()) -> None:
        self._only = _read(only, "only")
        self._excluded = _read(excluded, "excluded")
        self._met: set[tuple[str, str]] = set()
        self._seen: dict[str, set[str]] = {key: set() for key, _ in (*self._all(),)}

    def __bool__(self) -> bool:
        return bool(self._only or self._excluded)

    def takes(self, tags: Mapping[str, str]) -> bool:
        """Whether a row with these tags is chosen; what is met is remembered."""
        if not self:
            return True
        values = {key: values_of(tags, key) for key in self._seen}
        for key, found in values.items():
            if len(self._seen[key]) < MOST_VALUES:
                self._seen[key].update(found)
        self._met.update((key, one) for key, one in self._all() if one in values[key])
        if any(not wanted.intersection(values[key]) for key, wanted in self._only.items()):
            return False
        return not any(out.intersection(values[key]) for key, out in self._excluded.items())

    def must_be_met(self, name: str) -> None:
        """Let pass only where each named group has at least one row: a slip reaches the wrong ones.

        Args:
            name: What people call the list.

        Raises:
            InputError: A value stands in no row; the text names those that do.
        """
        for key, value in sorted(self._all()):
            if (key, value) in self._met:
                continue
            there = sorted(self._seen[key])
            if not there:
                hint = f"The list has no column for {key}, or nothing in it; see docs/lists.md."
            else:
                near = get_close_matches(value, there, _NAMED, 0.1) or there[:_NAMED]
                hint = f"It has, among others: {', '.join(near)}."
            raise InputError(
                f"{name}: {key}={value} stands in no row.",
                hint=hint,
                field="excluded" if value in self._excluded.get(key, ()) else "only",
            )

    def _all(self) -> Iterable[tuple[str, str]]:
        for choice in (self._only, self._excluded):
            for key, values in choice.items():
                for value in values:
                    yield key, value


def _read(choices: Sequence[str], field: str) -> dict[str, frozenset[str]]:
    if len(choices) > MOST_CHOICES:
        raise InputError(f"More than {MOST_CHOICES} groups are named.", field=field)
    found: dict[str, frozenset[str]] = {}
    for choice in choices:
        key, equals, text = choice.partition("=")
        key, value = key.strip(), unicodedata.normalize("NFKC", text).strip()
        if not equals or not value or key not in GROUPS:
            raise InputError(
                f"{choice[:40]!r} names no group.",
                hint=f"Write key=value with one of {', '.join(GROUPS)}, such as village=东沟村.",
                field=field,
            )
        found[key] = found.get(key, frozenset()) | {value}
    return found
