"""What is read: on a connection of its own, in one reader thread, never the writer's."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from fzalert.messages import (
    FeedKind,
    FeedRow,
    Lane,
    MessageId,
    Outcome,
    Proof,
    Target,
    WarningId,
)
from fzalert.store.port import Vault
from fzalert.store.records import (
    AudienceRow,
    CampaignRow,
    CounterRow,
    Deadline,
    Event,
    EvidenceRow,
    Flag,
    PartState,
    UserRow,
    WarningRow,
)
from fzalert.store.sqlite.rows import (
    LANE_CODE,
    LANE_OF,
    OUTCOME_OF,
    index_of,
    marks,
    open_recipient,
    open_target,
)

_OUTCOME_SQL = (
    "SELECT m.id, m.warning, m.target, m.parts, coalesce(fc.name, mc.name), f.state, f.proof,"
    " f.word, f.code, f.detail, f.changed_at, f.duration, f.flags"
    " FROM message m JOIN channel mc ON mc.id = m.channel"
    " LEFT JOIN flight f ON f.id = m.id LEFT JOIN channel fc ON fc.id = f.channel WHERE "
)
# A message is as bad as its worst part: a person who misses one part misses the warning.
_WORST_FIRST = (
    PartState.FAILED,
    PartState.EXPIRED,
    PartState.SUPPRESSED,
    PartState.WITHDRAWN,
    PartState.UNKNOWN,
    PartState.QUEUED,
    PartState.CLAIMED,
    PartState.SENT,
    PartState.DELIVERED,
)


def outcomes(
    db: sqlite3.Connection, vault: Vault, where: str, values: Sequence[object]
) -> list[Outcome]:
    """Read messages with their parts and fold each into one outcome."""
    found: dict[int, list[tuple[object, ...]]] = {}
    for row in db.execute(f"{_OUTCOME_SQL}{where} ORDER BY m.id, f.part", values):
        found.setdefault(row[0], []).append(row)
    return [_fold(vault, rows) for rows in found.values()]


def _fold(vault: Vault, rows: list[tuple[object, ...]]) -> Outcome:
    id_, warning, sealed, parts = rows[0][:4]
    assert isinstance(id_, int)  # noqa: S101  columns of the schema, narrowed for the checker
    assert isinstance(warning, int)  # noqa: S101
    assert isinstance(sealed, bytes)  # noqa: S101
    assert isinstance(parts, int)  # noqa: S101
    states = [
        PartState(int(str(row[5]))) if row[5] is not None else PartState.QUEUED for row in rows
    ]
    states += [PartState.QUEUED] * (parts - len(states))
    worst = next(state for state in _WORST_FIRST if state in states)
    at = states.index(worst) if states.index(worst) < len(rows) else 0
    row = rows[at]
    word = str(row[7] or "queued")
    if worst is PartState.QUEUED:
        word = "queued"
    return Outcome(
        MessageId(id_),
        WarningId(warning),
        open_target(vault, id_, sealed),
        str(row[4]),
        OUTCOME_OF[worst],
        Proof(min(int(str(r[6] or 0)) for r in rows) if len(rows) == parts else Proof.NONE),
        word,
        str(row[8] or ""),
        str(row[9] or ""),
        max(int(str(r[10] or 0)) for r in rows),
        parts,
        max(int(str(r[11] or 0)) for r in rows),
        any(int(str(r[12] or 0)) & Flag.RESENT for r in rows),
    )


def warning_rows(db: sqlite3.Connection, where: str, values: Sequence[object]) -> list[WarningRow]:
    """Read warnings."""
    return [
        WarningRow(id_, script, language, LANE_OF[lane], start, end, key, by, bool(drill), created)
        for id_, script, language, lane, start, end, key, by, drill, created in db.execute(
            "SELECT id, script, language, lane, not_before, not_after, key, by, drill, created"  # noqa: S608  `where` is ours
            f" FROM warning WHERE {where}",
            values,
        )
    ]


def feed(db: sqlite3.Connection, vault: Vault, after: int, limit: int) -> list[FeedRow]:
    """Read the outcome feed from a cursor on."""
    return [
        FeedRow(
            seq,
            FeedKind(kind),
            id_,
            part,
            warning or 0,
            name,
            word,
            code,
            Proof(proof),
            at,
            duration,
            _payload(vault, kind, id_, part, payload or b""),
        )
        for seq, kind, id_, part, warning, name, word, code, proof, at, duration, payload in (
            db.execute(
                "SELECT f.seq, f.kind, f.id, f.part, m.warning, c.name, f.word, f.code, f.proof,"
                " f.at, f.duration, f.payload FROM feed f JOIN channel c ON c.id = f.channel"
                " LEFT JOIN message m ON m.id = f.id WHERE f.seq > ? ORDER BY f.seq LIMIT ?",
                (after, limit),
            )
        )
    ]


def _payload(vault: Vault, kind: str, message: int, part: int, payload: bytes) -> bytes:
    """What a bank's desk answered; a row from before answers were sealed has it in plain."""
    if kind != FeedKind.ANSWER or not payload.startswith(b"\x01"):
        return payload
    return vault.decrypt("feed.payload", f"answer/{message}/{part}", payload)


def counters(db: sqlite3.Connection) -> list[CounterRow]:
    """Read the counters."""
    return [
        CounterRow(name, LANE_OF[lane], PartState(state), n)
        for name, lane, state, n in db.execute(
            "SELECT c.name, k.lane, k.state, k.n FROM counter k JOIN channel c"
            " ON c.id = k.channel ORDER BY c.name, k.lane, k.state"
        )
    ]


def queued(db: sqlite3.Connection, channel: str, lane: Lane) -> int:
    """Read one counter: the parts that wait in a queue."""
    row = db.execute(
        "SELECT k.n FROM counter k JOIN channel c ON c.id = k.channel"
        " WHERE c.name = ? AND k.lane = ? AND k.state = ?",
        (channel, LANE_CODE[lane], PartState.QUEUED),
    ).fetchone()
    return int(row[0]) if row else 0


def deadlines(db: sqlite3.Connection, until: int, limit: int) -> list[Deadline]:
    """Read what falls due, soonest first."""
    return [
        Deadline(*row)
        for row in db.execute(
            "SELECT owner, name, due_at, body FROM deadline WHERE due_at <= ?"
            " ORDER BY due_at, owner, name LIMIT ?",
            (until, limit),
        )
    ]


def events(db: sqlite3.Connection, stream: str) -> list[tuple[int, int, Event]]:
    """Read one stream."""
    return [
        (version, at, Event(name, body, by))
        for version, at, name, body, by in db.execute(
            "SELECT version, at, name, body, by FROM event WHERE stream = ? ORDER BY version",
            (stream,),
        )
    ]


def users(db: sqlite3.Connection) -> list[UserRow]:
    """Read every user."""
    return [
        UserRow(name, shown, roles, token, created, bool(disabled), bool(drill))
        for name, shown, roles, token, created, disabled, drill in db.execute(
            "SELECT name, display, roles, token_hash, created, disabled, drill FROM user"
            " ORDER BY name"
        )
    ]


def evidence(db: sqlite3.Connection, chain: str) -> list[EvidenceRow]:
    """Read one chain, whole."""
    return [
        EvidenceRow(*row)
        for row in db.execute(
            "SELECT chain, seq, at, body, h FROM evidence WHERE chain = ? ORDER BY seq", (chain,)
        )
    ]


def chains(db: sqlite3.Connection) -> list[tuple[str, int, bytes]]:
    """Read name, length and head of every chain."""
    # One look-up a chain: a grouping would read every record.
    found: list[tuple[str, int, bytes]] = []
    name = ""
    while True:
        row = db.execute(
            "SELECT chain FROM evidence WHERE chain > ? ORDER BY chain LIMIT 1", (name,)
        ).fetchone()
        if row is None:
            return found
        name = row[0]
        seq, head = db.execute(
            "SELECT seq, h FROM evidence WHERE chain = ? ORDER BY seq DESC LIMIT 1", (name,)
        ).fetchone()
        found.append((name, seq + 1, head))


def ends(db: sqlite3.Connection, before: int) -> list[tuple[str, int, bytes]]:
    """Read name, last number and hash of every chain as it was before a moment."""
    found: list[tuple[str, int, bytes]] = []
    for name, _, _ in chains(db):
        row = db.execute(
            "SELECT seq, h FROM evidence WHERE chain = ? AND at < ? ORDER BY seq DESC LIMIT 1",
            (name, before),
        ).fetchone()
        if row is not None:
            found.append((name, *row))
    return found


def suppressed(
    db: sqlite3.Connection, vault: Vault, targets: Sequence[Target]
) -> dict[Target, str]:
    """Find which of the targets may not be written to."""
    by_index = {index_of(vault, target): target for target in targets}
    found: dict[Target, str] = {}
    for chunk in _chunks(list(by_index)):
        for index, reason in db.execute(
            "SELECT target_index, reason FROM suppression"  # noqa: S608  question marks only
            f" WHERE target_index IN ({marks(chunk)})",
            chunk,
        ):
            found[by_index[index]] = reason
    return found


def contacts(
    db: sqlite3.Connection, vault: Vault, targets: Sequence[Target], lane: Lane, since: int
) -> dict[Target, int]:
    """Count what each target was given since a time, to the hour."""
    by_index = {index_of(vault, target): target for target in targets}
    found: dict[Target, int] = {}
    for chunk in _chunks(list(by_index)):
        for index, n in db.execute(
            "SELECT target_index, sum(n) FROM contact WHERE target_index IN"  # noqa: S608
            f" ({marks(chunk)}) AND lane = ? AND hour > ? GROUP BY target_index",
            [*chunk, LANE_CODE[lane], since // 3_600_000],
        ):
            found[by_index[index]] = n
    return found


def _chunks(values: list[bytes]) -> list[list[bytes]]:
    return [values[start : start + 500] for start in range(0, len(values), 500)]


def campaigns(db: sqlite3.Connection) -> list[CampaignRow]:
    """Read every campaign."""
    return [
        CampaignRow(*row)
        for row in db.execute(
            "SELECT id, name, warning, state, cursor, total, created, document FROM campaign"
            " ORDER BY id"
        )
    ]


def audience(
    db: sqlite3.Connection, vault: Vault, campaign: int, after: int, limit: int
) -> list[AudienceRow]:
    """Read recipients after a row, in order."""
    return [
        AudienceRow(row, open_recipient(vault, campaign, row, sealed), tags)
        for row, sealed, tags in db.execute(
            "SELECT row, target, tags FROM audience WHERE campaign = ? AND row > ?"
            " ORDER BY row LIMIT ?",
            (campaign, after, limit),
        )
    ]
