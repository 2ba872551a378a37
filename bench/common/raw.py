"""Raw ceilings: the store's tables driven alone, and a CMPP session without an engine."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.common.carrier import ACCOUNT, SECRET
from bench.common.road import TEXT
from fzalert.store.sqlite.connection import connect, migrate
from fzalert_sms.carrier.session import (
    Answered,
    Delivered,
    Event,
    Limits,
)
from fzalert_sms.carrier.transport import Flight, Link, Token
from fzalert_sms.cmpp.codec import NO_ID, V30, Submit, SubmitTemplate
from fzalert_sms.cmpp.session import ClientSession, Credentials


class Cost(NamedTuple):
    """What a run cost.

    Attributes:
        rate: Messages a second.
        cpu: Processor microseconds a message, of this process.
    """

    rate: float
    cpu: float


def raw_cycle(folder: Path, batch: int, batches: int) -> Cost:
    """Accept, claim, result, report on the store's own tables, a transaction each.

    `executemany` in one thread: no encryption, blind index, feed, evidence, counters, contacts,
    savepoints or Python objects.
    """
    path = folder / "raw.db"
    db = connect(path)
    migrate(db, path)
    ids = itertools.count(1)
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
        _raw_batch(db, [next(ids) for _ in range(batch)])
    took, used = time.perf_counter() - began, time.process_time() - cpu
    db.close()
    return Cost(batch * batches / took, used * 1e6 / (batch * batches))


def _raw_batch(db: sqlite3.Connection, ids: list[int]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "INSERT INTO message VALUES (?, 1, 1, 1, ?, ?, 1, 9, 1)",
        [(id_, f"139{id_:08d}", f"{id_:016d}") for id_ in ids],
    )
    db.executemany(
        "INSERT INTO queue (channel, lane, due_at, id, part, attempt) VALUES (1, 1, 0, ?, 0, 1)",
        [(id_,) for id_ in ids],
    )
    db.execute("COMMIT")
    db.execute("BEGIN IMMEDIATE")
    rows = db.execute(
        "SELECT q.due_at, q.id, q.part, m.target FROM queue q JOIN message m ON m.id = q.id"
        " WHERE q.channel = 1 AND q.lane = 1 AND q.due_at <= 1 ORDER BY q.due_at, q.id LIMIT ?",
        (len(ids),),
    ).fetchall()
    db.executemany(
        "DELETE FROM queue WHERE channel = 1 AND lane = 1 AND due_at = ? AND id = ? AND part = ?",
        [row[:3] for row in rows],
    )
    db.executemany(
        "INSERT INTO flight (id, part, channel, slot, epoch, lane, attempt, claimed_at, state)"
        " VALUES (?, ?, 1, 0, 1, 1, 1, 0, 1)",
        [row[1:3] for row in rows],
    )
    db.execute("COMMIT")
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "UPDATE flight SET state = 2, word = 'sent', carrier_id = ? WHERE id = ? AND part = 0",
        [(b"c%d" % id_, id_) for id_ in ids],
    )
    db.execute("COMMIT")
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "UPDATE flight SET state = 3, word = 'delivered' WHERE channel = 1 AND carrier_id = ?",
        [(b"c%d" % id_,) for id_ in ids],
    )
    db.execute("COMMIT")


class _Pump:
    """Keeps the window full and acknowledges every report at once."""

    def __init__(self, messages: int) -> None:
        self.done = asyncio.Event()
        self.opened = asyncio.Event()
        self._messages = messages
        self._left = messages
        self._reports = 0
        self._flight = Flight(self)
        submit = Submit(
            0, NO_ID, 1, 1, 1, 0, "BENCH", 2, "", 0, 0, 0, 8, ACCOUNT, "01", "000000", "", "",
            "106500001", ("",), 0, TEXT.encode("utf-16-be"), b"",
        )  # fmt: skip
        self._template = SubmitTemplate(submit, V30)

    def settle(self, id: int, part: int, receipt: object) -> None:
        """Nobody listens."""

    def fill(self, link: Link) -> None:
        """Write what the window takes."""
        session = link.session
        requests: list[tuple[int, bytes, Token]] = []
        for _ in range(min(link.room, self._left)):
            sequence = session.next_sequence()
            frame = self._template.frame(sequence, b"13800000000")
            requests.append((sequence, frame, Token(self._flight, sequence, 0)))
        self._left -= len(requests)
        session.send_many(requests, 0.0)

    def on_events(self, link: Link, events: Sequence[Event]) -> None:
        """Take what happened."""
        answered = False
        for event in events:
            if type(event) is Answered:
                answered = True
            elif type(event) is Delivered:
                self._reports += 1
                link.session.acknowledge(event.frame.sequence, event.frame.msg_id)
            else:
                self.opened.set()
        if answered:
            self.fill(link)
        if self._reports >= self._messages:
            self.done.set()

    def on_lost(self, link: Link, reason: str) -> None:
        """The run is over either way."""
        del link, reason
        self.done.set()


async def raw_wire(port: int, messages: int, window: int) -> Cost:
    """Submit, answer, report, acknowledgement: codec, session and socket, with nothing on disk."""
    loop = asyncio.get_running_loop()
    pump = _Pump(messages)
    session: ClientSession[Token] = ClientSession(
        Credentials(ACCOUNT, SECRET), limits=Limits(window=window)
    )
    link = Link(session, pump, now=loop.time, began_at=0, slot=0)
    await loop.create_connection(lambda: link, "127.0.0.1", port)
    session.login(1124120000, loop.time())
    link.flush()
    await pump.opened.wait()
    began, cpu = time.perf_counter(), time.process_time()
    pump.fill(link)
    link.flush()
    await pump.done.wait()
    took, used = time.perf_counter() - began, time.process_time() - cpu
    link.abort("done")
    return Cost(messages / took, used * 1e6 / messages)
