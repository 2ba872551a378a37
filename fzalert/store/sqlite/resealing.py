"""Encrypting anew what an old data key encrypted, a little at a time, beside everything else.

Each piece is one transaction of the one writer, so no row is changed by another meanwhile. What is
done has the new key's number in its blob; a walk that was cut short begins again, and passes over
what is done.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fzalert.evidence import Json
from fzalert.store.port import Vault
from fzalert.store.records import EvidenceEntry
from fzalert.store.sqlite.changes import append_evidence

__all__ = ["Resealing", "SealedPlaces", "keys_in_use"]


@dataclass(frozen=True, slots=True)
class SealedPlaces:
    """What the rooms above have the vault seal, besides the store's own columns.

    Attributes:
        states: Column name by the namespace of rows of state.
        streams: Column name by the stream of events.
    """

    states: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[str, str] = field(default_factory=dict)


class _Place(NamedTuple):
    """One sealed column.

    Attributes:
        table: Its table.
        value: Its name there.
        keys: The table's key.
        column: What its cells are bound to: the column's name, and `row`, an SQL expression.
        where: Which rows, in SQL; `name` fills its one question mark.
        stream: Whether the record has the hash of each cell, so that the change goes on record.
    """

    table: str
    value: str
    keys: tuple[str, ...]
    column: str
    row: str
    where: str = "1"
    name: str = ""
    stream: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        return (self.name,) if self.name else ()


_OWN = (
    _Place("warning", "vals", ("id",), "warning.vals", "CAST(id AS TEXT)"),
    _Place("message", "target", ("id",), "message.target", "CAST(id AS TEXT)"),
    _Place("body", "data", ("id",), "body.data", "lower(hex(hash))"),
    _Place("audience", "target", ("campaign", "row"), "audience.target", "campaign || '/' || row"),
    _Place(
        *("suppression", "target", ("seq",), "suppression.target", "lower(hex(target_index))"),
        where="target IS NOT NULL",
    ),
    _Place("feed", "payload", ("seq",), "feed.payload", "'uplink'", "kind = 'uplink'"),
    _Place(
        *("feed", "payload", ("seq",), "feed.payload", "'answer/' || id || '/' || part"),
        where="kind = 'answer'",
    ),
)


def _places(more: SealedPlaces) -> list[_Place]:
    return [
        *_OWN,
        *(
            _Place(
                *("state", "value", ("namespace", "key"), column, "namespace || '/' || key"),
                where="namespace = ?",
                name=namespace,
            )
            for namespace, column in more.states.items()
        ),
        *(
            _Place(
                *("event", "body", ("stream", "version"), column, "stream || '/' || version"),
                where="stream = ?",
                name=stream,
                stream=True,
            )
            for stream, column in more.streams.items()
        ),
    ]


class Resealing:
    """One walk over everything that is sealed.

    Args:
        places: What is sealed besides the store's own columns.
        keys: Numbers of the old data keys.
    """

    def __init__(self, places: SealedPlaces, keys: set[int]) -> None:
        self._places = _places(places)
        self._keys = keys
        self._after: tuple[object, ...] = ()
        self.done = 0

    @property
    def is_over(self) -> bool:
        """Whether it has come to the end."""
        return not self._places

    def step(self, db: sqlite3.Connection, vault: Vault, limit: int, now: int) -> None:
        """Look at the next rows, so many at most, and seal anew what old keys sealed.

        Args:
            db: The writing connection, inside a transaction.
            vault: Has the old keys, and the new one that encrypts.
            limit: How many rows at most.
            now: Milliseconds.

        Raises:
            IntegrityError: A value was altered.
        """
        if self.is_over:
            return
        place = self._places[0]
        rows = _next_rows(db, place, self._after, limit)
        changed: list[list[Json]] = []
        for *key, row, blob in rows:
            if not _is_sealed(blob) or int.from_bytes(blob[1:3], "big") not in self._keys:
                continue
            fresh = vault.encrypt(place.column, row, vault.decrypt(place.column, row, blob))
            where = " AND ".join(f"{name} = ?" for name in place.keys)
            db.execute(
                f"UPDATE {place.table} SET {place.value} = ? WHERE {where}",  # noqa: S608  our names
                (fresh, *key),
            )
            self.done += 1
            changed.append([row, _hash(blob), _hash(fresh)])
        if changed and place.stream:
            facts: dict[str, Json] = {"stream": place.name, "events": changed}
            append_evidence(db, EvidenceEntry("store", "engine", "key.reseal", facts), now)
        if len(rows) < limit:
            self._places, self._after = self._places[1:], ()
        else:
            self._after = tuple(rows[-1][: len(place.keys)])


def keys_in_use(db: sqlite3.Connection, places: SealedPlaces) -> Counter[int]:
    """How many values each data key has sealed, by its number."""
    found: Counter[int] = Counter()
    for place in _places(places):
        query = (
            f"SELECT substr({place.value}, 1, 3), count(*) FROM {place.table}"  # noqa: S608  our names
            f" WHERE {place.where} GROUP BY 1"
        )
        for head, count in db.execute(query, place.values):
            if _is_sealed(head):
                found[int.from_bytes(head[1:3], "big")] += count
    return found


def _next_rows(
    db: sqlite3.Connection, place: _Place, after: Sequence[object], limit: int
) -> list[tuple[Any, ...]]:
    names = ", ".join(place.keys)
    begin = ""
    if after:
        begin = f" AND ({names}) > ({', '.join('?' * len(after))})"
    return db.execute(
        f"SELECT {names}, {place.row}, {place.value} FROM {place.table}"  # noqa: S608  our names
        f" WHERE {place.where}{begin} ORDER BY {names} LIMIT ?",
        (*place.values, *after, limit),
    ).fetchall()


def _is_sealed(blob: object) -> bool:
    return isinstance(blob, bytes) and len(blob) >= 3 and blob[0] == 1


def _hash(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()
