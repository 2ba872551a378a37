"""Small pieces that reading and writing share: codes for words, targets, renditions."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fzalert.messages import (
    Lane,
    OutcomeState,
    Rendition,
    Target,
    TargetKind,
    decode_rendition,
    encode_rendition,
)
from fzalert.store.port import Vault
from fzalert.store.records import (
    PartState,
)

LANE_CODE = {Lane.URGENT: 0, Lane.BULK: 1}
LANE_OF = {code: lane for lane, code in LANE_CODE.items()}

# How far a word of the channel goes; a report counts only if it goes further than the last one.
# `delivered` may follow anything and is never left.
RANK = {
    "sent": 10,
    "unknown": 5,
    "no_report": 20,
    "settled": 30,
    "expired": 50,
    "undelivered": 50,
    "interrupted": 55,
    "shown": 60,
    "played": 65,
    "hidden": 70,
    "acknowledged": 80,
    "withdrawn": 75,
    "delivered": 100,
}
REPORT_STATE = {
    "delivered": PartState.DELIVERED,
    "shown": PartState.DELIVERED,
    "hidden": PartState.DELIVERED,
    "played": PartState.DELIVERED,
    "acknowledged": PartState.DELIVERED,
    "undelivered": PartState.FAILED,
    "interrupted": PartState.FAILED,
    "expired": PartState.EXPIRED,
    "withdrawn": PartState.WITHDRAWN,
    "no_report": PartState.UNKNOWN,
}
OUTCOME_OF = {
    PartState.QUEUED: OutcomeState.OPEN,
    PartState.CLAIMED: OutcomeState.OPEN,
    PartState.SENT: OutcomeState.OPEN,
    PartState.DELIVERED: OutcomeState.DELIVERED,
    PartState.FAILED: OutcomeState.FAILED,
    PartState.EXPIRED: OutcomeState.EXPIRED,
    PartState.UNKNOWN: OutcomeState.UNKNOWN,
    PartState.SUPPRESSED: OutcomeState.SUPPRESSED,
    PartState.WITHDRAWN: OutcomeState.WITHDRAWN,
}

Moves = Counter[tuple[int, int, int]]
"""How a transaction changes the counters: (channel, lane code, PartState) to a difference."""
FeedTuple = tuple[str, int, int, int, str, str, int, int, int, bytes | None]
"""One row of the feed: kind, id, part, channel, word, code, proof, at, duration, payload."""

_BODY_COLUMN = "body.data"
_TARGET_COLUMN = "message.target"
_KINDS = {str(kind): kind for kind in TargetKind}
_renditions: dict[bytes, Rendition] = {}


def seal_target(vault: Vault, message: int, target: Target) -> bytes:
    """Encrypt an address for its row."""
    return vault.encrypt(_TARGET_COLUMN, str(message), f"{target.kind}:{target.address}".encode())


def open_target(vault: Vault, message: int, blob: bytes) -> Target:
    """Decrypt an address of a row."""
    return _target(vault.decrypt(_TARGET_COLUMN, str(message), blob))


def seal_recipient(vault: Vault, campaign: int, row: int, target: Target) -> bytes:
    """Encrypt an address of an audience."""
    return vault.encrypt(
        "audience.target", f"{campaign}/{row}", f"{target.kind}:{target.address}".encode()
    )


def open_recipient(vault: Vault, campaign: int, row: int, blob: bytes) -> Target:
    """Decrypt an address of an audience."""
    return _target(vault.decrypt("audience.target", f"{campaign}/{row}", blob))


def seal_opt_out(vault: Vault, index: bytes, target: Target) -> bytes:
    """Encrypt an address of the list of opt-outs."""
    return vault.encrypt(
        "suppression.target", index.hex(), f"{target.kind}:{target.address}".encode()
    )


def open_opt_out(vault: Vault, index: bytes, blob: bytes) -> Target:
    """Decrypt an address of the list of opt-outs."""
    return _target(vault.decrypt("suppression.target", index.hex(), blob))


def _target(plain: bytes) -> Target:
    kind, _, address = plain.decode().partition(":")
    return Target(_KINDS[kind], address)


def index_of(vault: Vault, target: Target) -> bytes:
    """The blind index of an address."""
    return vault.blind_index(f"{target.kind}:{target.address}")


def channel_id(connection: sqlite3.Connection, name: str) -> int:
    """The number of a channel, given at its first use."""
    row = connection.execute("SELECT id FROM channel WHERE name = ?", (name,)).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO channel (name) VALUES (?) RETURNING id", (name,)
        ).fetchone()
    number: int = row[0]
    return number


def body_id(connection: sqlite3.Connection, vault: Vault, rendition: Rendition) -> int:
    """The number of a rendition; equal renditions are stored once, encrypted.

    A text to one person may name an amount or the end of a card. The hash is keyed: a plain one
    of so small a choice of texts could be guessed.
    """
    data = encode_rendition(rendition)
    digest = vault.blind_index(f"body:{hashlib.sha256(data).hexdigest()}")
    row = connection.execute("SELECT id FROM body WHERE hash = ?", (digest,)).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO body (hash, data) VALUES (?, ?) RETURNING id",
            (digest, vault.encrypt(_BODY_COLUMN, digest.hex(), data)),
        ).fetchone()
    number: int = row[0]
    return number


def rendition_of(vault: Vault, digest: bytes, data: bytes) -> Rendition:
    """Decode a rendition; the decoded ones are kept by their hash, never by their number."""
    known = _renditions.get(digest)
    if known is None:
        if len(_renditions) > 512:
            _renditions.clear()
        known = _renditions[digest] = decode_rendition(
            vault.decrypt(_BODY_COLUMN, digest.hex(), data)
        )
    return known


def count(connection: sqlite3.Connection, moves: Moves) -> None:
    """Apply the differences to the counters."""
    connection.executemany(
        "INSERT INTO counter (channel, lane, state, n) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (channel, lane, state) DO UPDATE SET n = n + excluded.n",
        [(*key, n) for key, n in moves.items() if n],
    )


def write_feed(connection: sqlite3.Connection, rows: Sequence[FeedTuple]) -> None:
    """Append to the outcome feed."""
    connection.executemany(
        "INSERT INTO feed (kind, id, part, channel, word, code, proof, at, duration, payload)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def cancel_resend(
    connection: sqlite3.Connection, channel: int, lane: int, due: int, id_: int, part: int
) -> None:
    """Take a pending resend out of the queue; it was never counted there."""
    connection.execute(
        "DELETE FROM queue WHERE channel = ? AND lane = ? AND due_at = ? AND id = ? AND part = ?",
        (channel, lane, due, id_, part),
    )


_SIZES = (1, 8, 64, 512)


def padded(keys: Sequence[tuple[object, ...]], width: int) -> Iterator[tuple[list[object], str]]:
    """Cut keys into chunks of a few sizes, filled up with nulls, so that statements are reused.

    Yields:
        The values of a chunk, one after another, and their marks for a VALUES clause:
        `(?,?),(?,?)`.
    """
    one = f"({','.join('?' * width)})"
    for start in range(0, len(keys), _SIZES[-1]):
        chunk = keys[start : start + _SIZES[-1]]
        size = next(size for size in _SIZES if size >= len(chunk))
        flat = [value for key in chunk for value in key]
        yield flat + [None] * (width * (size - len(chunk))), ",".join([one] * size)


def marks(values: Iterable[object]) -> str:
    """As many question marks as there are values, for an IN list."""
    return ",".join("?" for _ in values)
