"""One tick of one slot: results, late receipts, reports, change sets, claims, in one transaction.

Results come before reports, so that a report that overtook its response still finds its part. The
hot statements run once a batch (`executemany`), never once a message.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from fzalert.errors import LeaseLost
from fzalert.messages import (
    Answer,
    DeliveryReport,
    Lane,
    LateReceipt,
    Rendition,
    Uplink,
)
from fzalert.ports import Submission
from fzalert.store.port import (
    Claimed,
    EvidenceEntry,
    Flag,
    Lease,
    OpenPart,
    PartState,
    ResultRow,
    TickInput,
    TickOutput,
    Vault,
)
from fzalert.store.sqlite.changes import append_evidence, suppress, write_changes
from fzalert.store.sqlite.rows import (
    LANE_CODE,
    LANE_OF,
    RANK,
    REPORT_STATE,
    Moves,
    channel_id,
    count,
    index_of,
    open_target,
    rendition_of,
)

FeedTuple = tuple[str, int, int, int, str, str, int, int, int, bytes | None]


class Tick:
    """The working state of one tick; made, run and thrown away inside the writer thread."""

    def __init__(
        self, connection: sqlite3.Connection, vault: Vault, lease: Lease, now: int
    ) -> None:
        self._db = connection
        self._vault = vault
        self._lease = lease
        self._now = now
        self._moves: Moves = Moves()
        self._feed: list[FeedTuple] = []
        self._touched: dict[int, None] = {}
        self._orphans = 0
        self._expired = 0

    def run(self, work: TickInput) -> TickOutput:
        """Do all of it.

        Raises:
            LeaseLost: The stored epoch is another one.
        """
        self._check_lease()
        if work.results:
            self._results(work.results)
        for late, row in work.late:
            self._late(late, row)
        for entry in work.reports:
            self._inbound(entry)
        for changes in work.change_sets:
            write_changes(self._db, self._vault, changes, self._now)
        claimed = self._claim(work.want) if work.want else ()
        self._write_feed()
        count(self._db, self._moves)
        if self._feed:
            self._seal()
        next_due, waiting = self._queue_ahead()
        return TickOutput(
            claimed, tuple(self._touched), self._expired, self._orphans, waiting, next_due
        )

    # -- lease -----------------------------------------------------------------------------

    def _check_lease(self) -> None:
        lease = self._lease
        row = self._db.execute(
            "SELECT epoch FROM lease WHERE channel = ? AND slot = ?",
            (lease.channel_id, lease.slot),
        ).fetchone()
        if row is None or row[0] != lease.epoch:
            raise LeaseLost(
                f"Channel {lease.channel}, connection {lease.slot}: another owner holds it."
            )

    # -- results ---------------------------------------------------------------------------

    def _results(self, results: Sequence[ResultRow]) -> None:
        channel, now = self._lease.channel_id, self._now
        lanes = self._lanes((row.id, row.part) for row in results)
        updates: list[tuple[object, ...]] = []
        gone: list[tuple[int, int]] = []
        queued: list[tuple[object, ...]] = []
        sent_with_id: list[tuple[bytes, int, int]] = []
        for row in results:
            known = lanes.get((row.id, row.part))
            if known is None or known[1] != PartState.CLAIMED:
                continue  # settled by an earlier tick; a second answer changes nothing
            lane = known[0]
            self._touch(row)
            again = row.requeue
            resend_due: int | None = None
            if again is not None:
                target = channel
                if again.channel != self._lease.channel:
                    target = channel_id(self._db, again.channel)
                queued.append(
                    (
                        target,
                        lane,
                        again.due_at,
                        row.id,
                        row.part,
                        again.attempt,
                        again.flags,
                        again.wire_key or None,
                    )
                )
                if row.state is PartState.QUEUED:
                    gone.append((row.id, row.part))
                    self._move(lane, PartState.CLAIMED, None)
                    self._moves[target, lane, PartState.QUEUED] += 1
                    continue
                resend_due = again.due_at
            updates.append(
                (
                    row.state,
                    row.word,
                    RANK.get(row.word, 40),
                    row.code,
                    row.detail,
                    row.carrier_id or None,
                    row.proof,
                    now,
                    row.wire_key or None,
                    resend_due,
                    row.id,
                    row.part,
                )
            )
            self._move(lane, PartState.CLAIMED, row.state)
            if row.carrier_id:
                sent_with_id.append((row.carrier_id, row.id, row.part))
            if row.suppress:
                self._suppress(row.id)
        self._db.executemany(
            "UPDATE flight SET state = ?, word = ?, rank = ?, code = ?, detail = ?,"
            " carrier_id = ?, proof = ?, changed_at = ?, wire_key = ?, resend_due = ?"
            " WHERE id = ? AND part = ?",
            updates,
        )
        self._db.executemany("DELETE FROM flight WHERE id = ? AND part = ?", gone)
        self._db.executemany(
            "REPLACE INTO queue (channel, lane, due_at, id, part, attempt, flags, wire_key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            queued,
        )
        if sent_with_id:
            self._match_orphans(sent_with_id)

    def _lanes(self, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, int]]:
        """Lane and state of each part; one statement for the batch."""
        found: dict[tuple[int, int], tuple[int, int]] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), 400):
            chunk = wanted[start : start + 400]
            pairs = ",".join(["(?,?)"] * len(chunk))
            sql = (
                f"WITH k(id, part) AS (VALUES {pairs})"  # noqa: S608  question marks only
                " SELECT f.id, f.part, f.lane, f.state FROM k JOIN flight f"
                " ON f.id = k.id AND f.part = k.part"
            )
            flat = [value for key in chunk for value in key]
            for id_, part, lane, state in self._db.execute(sql, flat):
                found[id_, part] = (lane, state)
        return found

    def _touch(self, row: ResultRow) -> None:
        self._touched[row.id] = None
        self._feed.append(
            (
                "receipt",
                row.id,
                row.part,
                self._lease.channel_id,
                row.word,
                row.code,
                row.proof,
                self._now,
                0,
                None,
            )
        )

    def _move(self, lane: int, old: PartState, new: PartState | None) -> None:
        channel = self._lease.channel_id
        self._moves[channel, lane, old] -= 1
        if new is not None:
            self._moves[channel, lane, new] += 1

    def _suppress(self, message: int) -> None:
        row = self._db.execute(
            "SELECT target_index FROM message WHERE id = ?", (message,)
        ).fetchone()
        if row is not None:
            suppress(self._db, row[0], "opted out", self._now)

    # -- reports ---------------------------------------------------------------------------

    def _match_orphans(self, sent: Sequence[tuple[bytes, int, int]]) -> None:
        if self._db.execute("SELECT 1 FROM orphan LIMIT 1").fetchone() is None:
            return
        for carrier_id, id_, part in sent:
            early = self._db.execute(
                "DELETE FROM orphan WHERE channel = ? AND carrier_id = ?"
                " RETURNING word, code, proof, at, duration",
                (self._lease.channel_id, carrier_id),
            ).fetchall()
            for word, code, proof, _, duration in sorted(early, key=lambda row: RANK[row[0]]):
                self._report(id_, part, word, code, proof, duration, "")

    def _inbound(self, entry: DeliveryReport | Uplink | Answer) -> None:
        if isinstance(entry, DeliveryReport):
            self._match_report(entry)
        elif isinstance(entry, Uplink):
            index = index_of(self._vault, entry.source)
            if entry.is_opt_out:
                suppress(self._db, index, "opted out", self._now)
            sealed = self._vault.encrypt(
                "feed.payload", "uplink", f"{entry.source.address}\n{entry.text}".encode()
            )
            self._add_feed("uplink", 0, 0, "opt-out" if entry.is_opt_out else "uplink", sealed)
        else:
            self._touched[entry.id] = None
            self._add_feed("answer", entry.id, entry.part, "answer", entry.payload)

    def _add_feed(self, kind: str, id_: int, part: int, word: str, payload: bytes) -> None:
        self._feed.append(
            (kind, id_, part, self._lease.channel_id, word, "", 0, self._now, 0, payload)
        )

    def _match_report(self, report: DeliveryReport) -> None:
        if report.id:
            id_, part = report.id, report.part
        else:
            # Carriers recycle their ids: the newest part with this one is meant.
            row = self._db.execute(
                "SELECT id, part FROM flight WHERE channel = ? AND carrier_id = ?"
                " ORDER BY claimed_at DESC LIMIT 1",
                (self._lease.channel_id, report.carrier_id),
            ).fetchone()
            if row is None:
                self._keep_orphan(report)
                return
            id_, part = row
        self._report(
            id_, part, report.kind, report.code, report.proof, report.duration_ms, report.detail
        )

    def _keep_orphan(self, report: DeliveryReport) -> None:
        target = report.target
        self._db.execute(
            "INSERT OR IGNORE INTO orphan (channel, carrier_id, target_index, word, code, proof,"
            " at, duration, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._lease.channel_id,
                report.carrier_id,
                index_of(self._vault, target) if target else b"",
                report.kind,
                report.code,
                report.proof,
                report.at,
                report.duration_ms,
                self._now,
            ),
        )
        self._orphans += 1

    def _report(
        self,
        id_: int,
        part: int,
        word: str,
        code: str,
        proof: int,
        duration: int,
        detail: str,
    ) -> None:
        row = self._db.execute(
            "SELECT lane, state, rank, proof, resend_due, channel FROM flight"
            " WHERE id = ? AND part = ?",
            (id_, part),
        ).fetchone()
        if row is None:
            return
        lane, state, rank, had_proof, resend_due, channel = row
        if RANK[word] <= rank:
            return  # a duplicate, or a word that does not go further
        new = REPORT_STATE[word]
        self._db.execute(
            "UPDATE flight SET state = ?, word = ?, rank = ?, code = ?, detail = ?, proof = ?,"
            " changed_at = ?, duration = max(duration, ?), resend_due = NULL"
            " WHERE id = ? AND part = ?",
            (
                new,
                word,
                RANK[word],
                code,
                detail,
                max(proof, had_proof),
                self._now,
                duration,
                id_,
                part,
            ),
        )
        self._moves[channel, lane, state] -= 1
        self._moves[channel, lane, new] += 1
        if resend_due is not None:
            self._cancel_resend(channel, lane, resend_due, id_, part)
        self._touched[id_] = None
        self._feed.append(
            ("report", id_, part, channel, word, code, proof, self._now, duration, None)
        )

    def _cancel_resend(self, channel: int, lane: int, due: int, id_: int, part: int) -> None:
        self._db.execute(
            "DELETE FROM queue WHERE channel = ? AND lane = ? AND due_at = ? AND id = ?"
            " AND part = ?",
            (channel, lane, due, id_, part),
        )

    def _late(self, late: LateReceipt, row: ResultRow) -> None:
        """The answer to an unknown part replaces it, once."""
        found = self._db.execute(
            "SELECT lane, state, word, resend_due FROM flight WHERE id = ? AND part = ?",
            (late.id, late.part),
        ).fetchone()
        if found is None or found[1] != PartState.UNKNOWN or found[2] != "unknown":
            return
        lane, _, _, resend_due = found
        if resend_due is not None:
            self._cancel_resend(self._lease.channel_id, lane, resend_due, late.id, late.part)
        self._db.execute(
            "UPDATE flight SET state = ? WHERE id = ? AND part = ?",
            (PartState.CLAIMED, late.id, late.part),
        )
        self._move(lane, PartState.UNKNOWN, PartState.CLAIMED)
        self._results([row])

    # -- claims ----------------------------------------------------------------------------

    def _claim(self, want: Mapping[Lane, int]) -> tuple[Claimed, ...]:
        claimed: list[Claimed] = []
        renditions: dict[int, Rendition] = {}
        for lane in (Lane.URGENT, Lane.BULK):
            number = want.get(lane, 0)
            if number > 0:
                claimed += self._claim_lane(lane, number, renditions)
        return tuple(claimed)

    def _claim_lane(
        self, lane: Lane, number: int, renditions: dict[int, Rendition]
    ) -> list[Claimed]:
        lease, now, code = self._lease, self._now, LANE_CODE[lane]
        rows = self._db.execute(
            "SELECT q.due_at, q.id, q.part, q.attempt, q.flags, q.wire_key, m.target, m.body,"
            " m.not_after FROM queue q JOIN message m ON m.id = q.id"
            " WHERE q.channel = ? AND q.lane = ? AND q.due_at <= ?"
            " ORDER BY q.due_at, q.id, q.part LIMIT ?",
            (lease.channel_id, code, now, number),
        ).fetchall()
        if not rows:
            return []
        claimed: list[Claimed] = []
        flights: list[tuple[object, ...]] = []
        for _, id_, part, attempt, flags, wire_key, target, body, not_after in rows:
            if not_after <= now:
                self._expire(id_, part, code, attempt, flags)
                continue
            rendition = renditions.get(body)
            if rendition is None:
                digest, data = self._db.execute(
                    "SELECT hash, data FROM body WHERE id = ?", (body,)
                ).fetchone()
                rendition = renditions[body] = rendition_of(digest, data)
            flights.append(
                (
                    id_,
                    part,
                    lease.channel_id,
                    lease.slot,
                    lease.epoch,
                    code,
                    attempt,
                    flags,
                    now,
                    PartState.CLAIMED,
                    now,
                )
            )
            claimed.append(
                Claimed(
                    Submission(
                        id_,
                        part,
                        lane,
                        open_target(self._vault, id_, target),
                        rendition,
                        not_after,
                        attempt,
                        wire_key or b"",
                    ),
                    lease.channel,
                    lease.slot,
                    Flag(flags),
                )
            )
        self._db.executemany(
            "DELETE FROM queue WHERE channel = ? AND lane = ? AND due_at = ? AND id = ?"
            " AND part = ?",
            [(lease.channel_id, code, row[0], row[1], row[2]) for row in rows],
        )
        self._count_claims(code, claimed)
        self._db.executemany(
            "REPLACE INTO flight (id, part, channel, slot, epoch, lane, attempt, flags,"
            " claimed_at, state, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            flights,
        )
        return claimed

    def _count_claims(self, lane: int, claimed: Sequence[Claimed]) -> None:
        """A part that is resent was unknown until now; every other one was queued."""
        channel = self._lease.channel_id
        resent = [c for c in claimed if c.flags & Flag.RESENT]
        known = self._lanes((c.submission.id, c.submission.part) for c in resent)
        self._moves[channel, lane, PartState.QUEUED] -= len(claimed) - len(known)
        for _, state in known.values():
            self._moves[channel, lane, state] -= 1
        self._moves[channel, lane, PartState.CLAIMED] += len(claimed)

    def _expire(self, id_: int, part: int, lane: int, attempt: int, flags: int) -> None:
        lease, now = self._lease, self._now
        self._expired += 1
        if flags & Flag.RESENT and self._lanes([(id_, part)]):
            # Too late to resend: what is known of the first attempt stays.
            self._db.execute(
                "UPDATE flight SET resend_due = NULL WHERE id = ? AND part = ?", (id_, part)
            )
            return
        self._db.execute(
            "REPLACE INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at, state,"
            " word, rank, detail, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'expired', 45,"
            " 'its window ended before it could be sent', ?)",
            (
                id_,
                part,
                lease.channel_id,
                lease.slot,
                lease.epoch,
                lane,
                attempt,
                now,
                PartState.EXPIRED,
                now,
            ),
        )
        self._moves[lease.channel_id, lane, PartState.QUEUED] -= 1
        self._moves[lease.channel_id, lane, PartState.EXPIRED] += 1
        self._touched[id_] = None
        self._feed.append(("receipt", id_, part, lease.channel_id, "expired", "", 0, now, 0, None))

    def _queue_ahead(self) -> tuple[int | None, bool]:
        dues = [
            row[0]
            for code in LANE_OF
            if (
                row := self._db.execute(
                    "SELECT due_at FROM queue WHERE channel = ? AND lane = ?"
                    " ORDER BY due_at LIMIT 1",
                    (self._lease.channel_id, code),
                ).fetchone()
            )
        ]
        if not dues:
            return None, False
        return min(dues), min(dues) <= self._now

    # -- feed and evidence -----------------------------------------------------------------

    def _write_feed(self) -> None:
        self._db.executemany(
            "INSERT INTO feed (kind, id, part, channel, word, code, proof, at, duration, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._feed,
        )

    def _seal(self) -> None:
        digest = hashlib.sha256()
        for kind, id_, part, channel, word, code, proof, *_ in self._feed:
            digest.update(f"{kind}|{id_}|{part}|{channel}|{word}|{code}|{int(proof)}\n".encode())
        append_evidence(
            self._db,
            EvidenceEntry(
                "store",
                "engine",
                "tick",
                {
                    "channel": self._lease.channel,
                    "rows": len(self._feed),
                    "sha256": digest.hexdigest(),
                },
            ),
            self._now,
        )


def open_parts(connection: sqlite3.Connection, vault: Vault, lease: Lease) -> list[OpenPart]:
    """What the slot's former owner claimed and never settled."""
    rows = connection.execute(
        "SELECT f.id, f.part, f.lane, f.attempt, f.flags, m.target, b.hash, b.data, m.not_after,"
        " f.wire_key FROM flight f JOIN message m ON m.id = f.id JOIN body b ON b.id = m.body"
        " WHERE f.channel = ? AND f.slot = ? AND f.state = 1 ORDER BY f.id, f.part",
        (lease.channel_id, lease.slot),
    ).fetchall()
    return [
        OpenPart(
            Submission(
                id_,
                part,
                LANE_OF[lane],
                open_target(vault, id_, target),
                rendition_of(digest, data),
                not_after,
                attempt,
                wire_key or b"",
            ),
            Flag(flags),
        )
        for id_, part, lane, attempt, flags, target, digest, data, not_after, wire_key in rows
    ]
