"""Caps, held where they cannot be passed: in the transaction that accepts.

Two callers who ask at the same moment both find room for one more; only the one that is written
first has it.
"""

from __future__ import annotations

import sqlite3

from fzalert.store.port import Vault
from fzalert.store.records import Acceptance
from fzalert.store.sqlite.rows import LANE_CODE, index_of, marks

_AT_ONCE = 500


def over_the_caps(connection: sqlite3.Connection, vault: Vault, item: Acceptance) -> dict[int, str]:
    """The messages of an acceptance whose person had enough already, each with the reason."""
    refused: dict[int, str] = {}
    if not item.caps:
        return refused
    lane = item.warning.lane
    people = [
        (index_of(vault, new.target), new.id)
        for new in item.messages
        if new.target.is_personal and not new.refused
    ]
    for start in range(0, len(people), _AT_ONCE):
        chunk = dict(people[start : start + _AT_ONCE])
        for cap in item.caps:
            rows = connection.execute(
                "SELECT target_index, sum(n) FROM contact"  # noqa: S608  question marks only
                f" WHERE target_index IN ({marks(chunk)}) AND lane = ? AND hour > ?"
                " GROUP BY target_index HAVING sum(n) >= ?",
                [*chunk, LANE_CODE[lane], cap.since // 3_600_000, cap.most],
            )
            for index, n in rows:
                refused.setdefault(chunk[index], cap.reason(n, lane))
    return refused
