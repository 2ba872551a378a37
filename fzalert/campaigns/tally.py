"""What an audience comes to, batch by batch; it grows with the groups and not with the list."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["GROUPS", "JOINED", "MOST_VALUES", "OTHERS", "Groups", "groups_of", "values_of"]

GROUPS = ("town", "village", "group", "school", "class", "elderly", "age", "tag")
"""What people of a list are told apart by, in the order in which a person reads it."""

MOST_VALUES = 200
"""Values of one key that are counted by name; a list of half a million has few villages."""
OTHERS = "…"
"""Under this stands what further values come to."""

JOINED = "、"
"""Between the free tags of one person, as they are kept."""


def groups_of(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every group that a person belongs to, as key and value.

    A class is named with its school, since every school has a class 1; free tags are one each.
    """
    for key in GROUPS:
        value = tags.get("tags" if key == "tag" else key, "")
        if not value:
            continue
        if key == "tag":
            for one in value.split(JOINED):
                yield key, one
        elif key == "class" and tags.get("school"):
            yield key, f"{tags['school']} {value}"
        else:
            yield key, value


def values_of(tags: Mapping[str, str], key: str) -> frozenset[str]:
    """What a person may be chosen by under one key: a class with its school, and alone too."""
    value = tags.get("tags" if key == "tag" else key, "")
    if not value:
        return frozenset()
    if key == "tag":
        return frozenset(value.split(JOINED))
    if key == "class" and tags.get("school"):
        return frozenset({value, f"{tags['school']} {value}"})
    return frozenset({value})


@dataclass(slots=True)
class Groups:
    """How many people each group has.

    Attributes:
        counts: By key, and then by value.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def take(self, tags: Mapping[str, str]) -> None:
        """Count one person."""
        for key, value in groups_of(tags):
            counter = self.counts.setdefault(key, Counter())
            known = value in counter or len(counter) < MOST_VALUES
            counter[value if known else OTHERS] += 1

    def take_text(self, tags: str) -> None:
        """Count one person by the tags as the store keeps them."""
        if tags not in {"", "{}"}:
            self.take(json.loads(tags))

    def document(self) -> dict[str, dict[str, int]]:
        """The counts in plain values, the largest group of each key first."""
        return {key: dict(self.counts[key].most_common()) for key in GROUPS if key in self.counts}
