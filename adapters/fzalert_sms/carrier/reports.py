"""What the word of a status report (Stat) means: a table, and what a channel's settings add to it.

The words of the standard are the same everywhere; those of a vendor are not, so that the longest
entry that fits is taken, the settings first. What is in no table is a failure, with its word kept.

Source: CMPP V3.0.0, 8.4.5.1 and annex (Stat); public lists of aggregators for the rest.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from fzalert.messages import ReportKind

ReportWord = Literal[
    "delivered", "undelivered", "expired", "no_report", "ignored", "overflow", "frequency"
]
"""What a setting may say of a Stat."""


class Effect(enum.Enum):
    """What else a report says, beside the fate of its text."""

    NONE = enum.auto()
    OVERFLOW = enum.auto()
    """More than the account may send: the gateway took it and threw it away."""
    FREQUENCY = enum.auto()
    """The number had too many today; the next one would fare the same."""


class Reading(NamedTuple):
    """What a Stat says.

    Attributes:
        kind: The report; None for an intermediate word that changes nothing.
        effect: What else it says.
        words: For people, Chinese first; empty where the word speaks for itself.
    """

    kind: ReportKind | None
    effect: Effect = Effect.NONE
    words: str = ""


_READINGS: Final[dict[ReportWord, Reading]] = {
    "delivered": Reading(ReportKind.DELIVERED),
    "undelivered": Reading(ReportKind.UNDELIVERED),
    "expired": Reading(ReportKind.EXPIRED),
    "no_report": Reading(ReportKind.NO_REPORT),
    "ignored": Reading(None),
    "overflow": Reading(
        ReportKind.UNDELIVERED,
        Effect.OVERFLOW,
        "超过流量，网关收下后丢弃 · over the flow limit: taken, then thrown away",
    ),
    "frequency": Reading(
        ReportKind.UNDELIVERED,
        Effect.FREQUENCY,
        "此号码今日已达上限 · the number has had its limit for today",
    ),
}
TABLE: Final[dict[str, ReportWord]] = {
    "DELIVRD": "delivered",
    "EXPIRED": "expired",
    "UNDELIV": "undelivered",
    "REJECTD": "undelivered",
    "DELETED": "undelivered",
    "UNKNOWN": "no_report",
    "ACCEPTD": "ignored",
    "MO:0008": "overflow",
    "MA:0022": "frequency",
    "HD:29": "frequency",
    "HD:31": "frequency",
    "HD:34": "frequency",
    "00141": "frequency",
    "00142": "frequency",
}


def reading_of(word: ReportWord) -> Reading:
    """What a word of the settings says."""
    return _READINGS[word]


def reader_of(own: Mapping[str, ReportWord]) -> Callable[[str], Reading]:
    """Return a function that reads a Stat, and keeps what it read."""
    table = TABLE | {key.upper(): word for key, word in own.items()}

    @lru_cache(maxsize=1024)
    def read(stat: str) -> Reading:
        known = stat.upper()
        for end in range(len(known), 0, -1):
            word = table.get(known[:end])
            if word is not None:
                return _READINGS[word]
        # XA:nnnn is no response from the next system, XC:nnnn no report from it: not a failure.
        if len(known) > 2 and known[2] == ":" and known[1] in "AC":
            return _READINGS["no_report"]
        return _READINGS["undelivered"]

    return read


_standard = reader_of({})


def report_kind_of(stat: str) -> ReportKind | None:
    """What a Stat says where no setting says otherwise."""
    return _standard(stat).kind
