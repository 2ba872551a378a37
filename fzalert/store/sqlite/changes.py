"""One change set, written inside a transaction that the writer opened."""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from fzalert.errors import DuplicateKey, StaleVersion
from fzalert.evidence import START, Head, append
from fzalert.messages import Lane, Rendition
from fzalert.ports import Submission
from fzalert.store.port import Vault
from fzalert.store.records import (
    Acceptance,
    Accepted,
    AudienceRow,
    ChangeSet,
    Claimed,
    Committed,
    EvidenceEntry,
    Flag,
    Move,
    NewMessage,
    PartState,
)
from fzalert.store.settling import Settled
from fzalert.store.sqlite.capping import over_the_caps
from fzalert.store.sqlite.moving import keep_fallbacks, move
from fzalert.store.sqlite.optouts import restore, suppress
from fzalert.store.sqlite.rows import (
    LANE_CODE,
    RANK,
    FeedTuple,
    Moves,
    body_id,
    channel_id,
    count,
    index_of,
    marks,
    seal_recipient,
    seal_target,
    write_feed,
)
from fzalert.store.sqlite.settling import settle

BEIJING = timezone(timedelta(hours=8))


def write_changes(
    connection: sqlite3.Connection, vault: Vault, changes: ChangeSet, now: int
) -> Committed:
    """Write everything of one change set; an exception leaves nothing of it."""
    _append_events(connection, changes, now)
    moves: Moves = Moves()
    feed: list[FeedTuple] = []
    accepted = tuple(_accept(connection, vault, item, now, moves, feed) for item in changes.accepts)
    added = sum(
        _add_audience(connection, vault, campaign, rows) for campaign, rows in changes.audience
    )
    _write_rows(connection, changes)
    if changes.sooner > 0:
        _bring_nearer(connection, changes.sooner, now)
    opted_out = sum(
        suppress(connection, vault, target, reason, now) for target, reason in changes.suppress
    )
    opted_in = restore(connection, vault, changes.restore) if changes.restore else 0
    feed += _withdraw(connection, changes.withdraw, now, moves)
    moved, settled = _move(connection, changes.moves, now, moves), list[Settled]()
    for settlement in changes.settle:
        answers, told, entry = settle(connection, settlement, now, moves)
        settled += answers
        feed += told
        if entry is not None:
            append_evidence(connection, entry, now)
    write_feed(connection, feed)
    count(connection, moves)
    # The same key asked again adds nothing, so there is nothing to put on record.
    repeated = bool(accepted) and all(one.existing for one in accepted)
    for record in () if repeated else changes.evidence:
        append_evidence(connection, record, now)
    seq: int = connection.execute("SELECT coalesce(max(seq), 0) FROM feed").fetchone()[0]
    return Committed(accepted, added, seq, tuple(settled), opted_out, opted_in, moved)


def _move(connection: sqlite3.Connection, wanted: Sequence[Move], now: int, moves: Moves) -> int:
    """Move what waits on channels that are down; on record where something moved."""
    total = 0
    for one in wanted:
        moved, entry = move(connection, one, now, moves)
        total += moved
        if entry is not None:
            append_evidence(connection, entry, now)
    return total


def _bring_nearer(connection: sqlite3.Connection, sooner: int, now: int) -> None:
    """Bring nearer what waits for a later time; nothing falls due before now."""
    connection.execute(
        "UPDATE queue SET due_at = max(?, due_at - ?) WHERE due_at > ?", (now, sooner, now)
    )


def _write_rows(connection: sqlite3.Connection, changes: ChangeSet) -> None:
    """Write what is a plain row of a table."""
    for campaign in changes.campaigns:
        connection.execute("REPLACE INTO campaign VALUES (?, ?, ?, ?, ?, ?, ?, ?)", campaign)
    for deadline in changes.deadlines:
        if deadline.due_at is None:
            connection.execute(
                "DELETE FROM deadline WHERE owner = ? AND name = ?", (deadline.owner, deadline.name)
            )
        else:
            connection.execute(
                "REPLACE INTO deadline VALUES (?, ?, ?, ?)",
                (deadline.owner, deadline.name, deadline.due_at, deadline.body),
            )
    for state in changes.state:
        if state.value is None:
            connection.execute(
                "DELETE FROM state WHERE namespace = ? AND key = ?", (state.namespace, state.key)
            )
        else:
            connection.execute("REPLACE INTO state VALUES (?, ?, ?)", state)
    for user in changes.users:
        connection.execute("REPLACE INTO user VALUES (?, ?, ?, ?, ?, ?, ?)", user)


def append_evidence(connection: sqlite3.Connection, entry: EvidenceEntry, now: int) -> None:
    """Add one record to its chain: sequence, time and hash are given here."""
    chain = entry.chain
    at = datetime.fromtimestamp(now / 1000, UTC)
    if chain == "store":
        chain = f"store/{at.astimezone(BEIJING):%Y-%m-%d}"
    last = connection.execute(
        "SELECT seq, h FROM evidence WHERE chain = ? ORDER BY seq DESC LIMIT 1", (chain,)
    ).fetchone()
    head = Head(last[0], last[1]) if last else START
    record = append(
        head,
        {
            **entry.facts,
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "what": entry.what,
            "who": entry.who,
        },
    )
    connection.execute(
        "INSERT INTO evidence VALUES (?, ?, ?, ?, ?)",
        (chain, record.seq, now, record.body, record.hash),
    )


def _append_events(connection: sqlite3.Connection, changes: ChangeSet, now: int) -> None:
    if not changes.events:
        return
    stream = changes.stream
    version: int = connection.execute(
        "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?", (stream,)
    ).fetchone()[0]
    if version != changes.expected_version:
        raise StaleVersion(
            f"{stream} is at version {version}, not {changes.expected_version}.",
            hint="Somebody changed it meanwhile: read it again and decide anew.",
        )
    connection.executemany(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)",
        [
            (stream, version + number, now, event.by, event.name, event.body)
            for number, event in enumerate(changes.events, start=1)
        ],
    )


def _accept(
    connection: sqlite3.Connection,
    vault: Vault,
    item: Acceptance,
    now: int,
    moves: Moves,
    feed: list[FeedTuple],
) -> Accepted:
    warning = item.warning
    if item.new:
        if warning.key:
            earlier = connection.execute(
                "SELECT id, key_hash FROM warning WHERE key = ?", (warning.key,)
            ).fetchone()
            if earlier is not None:
                if not hmac.compare_digest(earlier[1], item.key_hash):
                    raise DuplicateKey(
                        f"The key {warning.key!r} was used for another warning.",
                        hint="Use a new key for a new warning.",
                        field="key",
                    )
                return Accepted(earlier[0], True, ())
        values = json.dumps(dict(warning.values), ensure_ascii=False, sort_keys=True)
        connection.execute(
            "INSERT INTO warning VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                warning.id,
                warning.script,
                warning.language,
                LANE_CODE[warning.lane],
                warning.not_before,
                warning.not_after,
                warning.key,
                item.key_hash,
                warning.by,
                int(warning.drill),
                now,
                vault.encrypt("warning.vals", str(warning.id), values.encode()),
            ),
        )
    bodies = [body_id(connection, vault, body) for body in item.bodies]
    if item.fallbacks:
        keep_fallbacks(connection, item, bodies)
    claimed = _insert_messages(connection, vault, item, bodies, now, moves, feed)
    return Accepted(warning.id, False, claimed)


def _insert_messages(
    connection: sqlite3.Connection,
    vault: Vault,
    item: Acceptance,
    bodies: list[int],
    now: int,
    moves: Moves,
    feed: list[FeedTuple],
) -> tuple[Claimed, ...]:
    warning = item.warning
    lane = LANE_CODE[warning.lane]
    channels: dict[str, int] = {}
    messages: list[tuple[object, ...]] = []
    queued: list[tuple[object, ...]] = []
    flights: list[tuple[object, ...]] = []
    contacts: list[tuple[object, ...]] = []
    claimed: list[Claimed] = []
    over = over_the_caps(connection, vault, item)
    for wanted in item.messages:
        new = wanted
        if new.id in over:
            new = new._replace(claim=None, refused=over[new.id])
        channel = channels.get(new.channel)
        if channel is None:
            channel = channels[new.channel] = channel_id(connection, new.channel)
        index = index_of(vault, new.target)
        messages.append(
            (
                new.id,
                warning.id,
                channel,
                lane,
                seal_target(vault, new.id, new.target),
                index,
                bodies[new.body],
                warning.not_after,
                new.parts,
            )
        )
        if new.refused:
            state = int(PartState.SUPPRESSED)
            flights += [
                (new.id, part, channel, 0, 0, lane, now, state, "suppressed", new.refused, now)
                for part in range(new.parts)
            ]
            feed += [
                ("receipt", new.id, part, channel, "suppressed", "", 0, now, 0, None)
                for part in range(new.parts)
            ]
        elif new.claim is not None:
            state = int(PartState.CLAIMED)
            lease = new.claim
            flights += [
                (new.id, part, channel, lease.slot, lease.epoch, lane, now, state, "", "", now)
                for part in range(new.parts)
            ]
            claimed += _handed_over(new, item.bodies[new.body], warning.lane, warning.not_after)
        else:
            state = int(PartState.QUEUED)
            queued += [(channel, lane, new.due_at, new.id, part, 1) for part in range(new.parts)]
        moves[channel, lane, state] += new.parts
        if not new.refused:
            contacts.append((index, lane, now // 3_600_000))
    connection.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", messages)
    connection.executemany(
        "INSERT INTO queue (channel, lane, due_at, id, part, attempt) VALUES (?, ?, ?, ?, ?, ?)",
        queued,
    )
    connection.executemany(
        "INSERT INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at, state,"
        " word, detail, changed_at) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
        flights,
    )
    connection.executemany(
        "INSERT INTO contact VALUES (?, ?, ?, 1)"
        " ON CONFLICT (target_index, lane, hour) DO UPDATE SET n = n + 1",
        contacts,
    )
    return tuple(claimed)


def _handed_over(
    new: NewMessage, rendition: Rendition, lane: Lane, not_after: int
) -> list[Claimed]:
    lease = new.claim
    assert lease is not None  # noqa: S101  only called for claimed messages
    return [
        Claimed(
            Submission(new.id, part, lane, new.target, rendition, not_after),
            new.channel,
            lease.slot,
            Flag.NONE,
        )
        for part in range(new.parts)
    ]


def _add_audience(
    connection: sqlite3.Connection, vault: Vault, campaign: int, rows: Sequence[AudienceRow]
) -> int:
    before = connection.total_changes
    connection.executemany(
        "INSERT OR IGNORE INTO audience VALUES (?, ?, ?, ?, ?)",
        [
            (
                campaign,
                row.row,
                seal_recipient(vault, campaign, row.row, row.target),
                index_of(vault, row.target),
                row.tags,
            )
            for row in rows
        ],
    )
    return connection.total_changes - before


def _withdraw(
    connection: sqlite3.Connection, messages: Sequence[int], now: int, moves: Moves
) -> list[FeedTuple]:
    """Take queued parts back, on whichever channel they wait by now; returns rows of the feed."""
    feed: list[FeedTuple] = []
    for start in range(0, len(messages), 500):
        chunk = messages[start : start + 500]
        # The queue is ordered by due time, so this reads all of it, once for all messages.
        parts = connection.execute(
            f"DELETE FROM queue WHERE id IN ({marks(chunk)})"  # noqa: S608  question marks only
            " RETURNING channel, lane, id, part, attempt, flags",
            chunk,
        ).fetchall()
        for channel, lane, message, part, attempt, flags in parts:
            # A pending resend keeps its fate, unknown; only the second attempt is taken back.
            pending = connection.execute(
                "UPDATE flight SET resend_due = NULL WHERE id = ? AND part = ?", (message, part)
            ).rowcount
            if pending:
                continue
            unsure = flags & Flag.UNSURE  # an attempt before may have been taken
            state = PartState.UNKNOWN if unsure else PartState.WITHDRAWN
            word = state.name.lower()
            connection.execute(
                "INSERT INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at,"
                " state, word, rank, changed_at) VALUES (?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?)",
                (
                    message,
                    part,
                    channel,
                    lane,
                    attempt,
                    now,
                    state,
                    word,
                    RANK[word],
                    now,
                ),
            )
            moves[channel, lane, PartState.QUEUED] -= 1
            moves[channel, lane, state] += 1
            feed.append(("receipt", message, part, channel, word, "", 0, now, 0, None))
    return feed
