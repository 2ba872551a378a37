"""The real store on a disk that fails: `python -m fzalert.testing.crashes FOLDER SEED KIND POINTS`.

KIND is `torn` or `power`. A warm process first counts the disk operations of one undisturbed run;
then it forks a run for each of POINTS operations, which ends there, and looks at what is left with
Python's own SQLite: the file must be whole, everything that was acknowledged must be there, a
transaction whole or not at all, and every chain of evidence unbroken. It prints one object of JSON.

Everything in a run is seeded: `@POINT.CACHE` in place of POINTS repeats the one that a finding
names. A fifth argument names a planted bug.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sqlite3
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from threading import Event
from typing import Any
from unittest import mock

from fzalert.errors import StoreRolledBack
from fzalert.evidence import Link, verify
from fzalert.messages import DeliveryReport, Lane, ReportKind
from fzalert.store import (
    ChangeSet,
    Claimed,
    EvidenceEntry,
    Lease,
    PartState,
    ResultRow,
    SqliteStore,
    TickInput,
)
from fzalert.store.sqlite.anchor import LAYOUT, MAGIC
from fzalert.testing.apswdb import over
from fzalert.testing.clock import FakeClock
from fzalert.testing.parcels import Parcels, make_vault
from fzalert.testing.unsafedisk import CRASHED, UnsafeDisk

__all__ = ["BUGS", "Crashes"]

ROUNDS = 15
CHAIN = "case/1"
_VFS = "unsafe"
_SHOWN = 5


@dataclass(slots=True)
class Crashes:
    """What came out of all crashes.

    Attributes:
        operations: Disk operations of an undisturbed run.
        crashes: Runs that ended at their operation.
        acknowledged: What was acknowledged before, all runs together.
        lost: Points after which something acknowledged was gone.
        halves: Points after which a transaction was there in part.
        damaged: Points after which the file was not whole, or could not be opened or written.
        broken: Points after which a chain of evidence was broken.
        details: The first findings, in words.
    """

    operations: int = 0
    crashes: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    halves: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


class _Run:
    """One run of the store: what it does is the same every time.

    Args:
        folder: For the store and its journal.
        seed: Of everything in it.
    """

    def __init__(self, folder: Path, seed: str) -> None:
        self._path = folder / "fz.db"
        self._journal = os.open(folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._chance = Random(seed)  # noqa: S311  seeded chance is wanted
        self._clock = FakeClock()
        self._parcels = Parcels(self._clock)
        self._claimed: list[Claimed] = []
        self._sent: list[bytes] = []
        self._carrier = 0

    def _say(self, word: str, id_: int, count: int = 0) -> None:
        os.write(self._journal, f"{word} {id_} {count}\n".encode())

    async def live(self) -> None:
        """Open, do all of it, close; open once more and close."""
        store = SqliteStore(self._path, self._clock, make_vault)
        await store.open()
        lease = await store.acquire("sms", 0, "crashing", 10.0)
        if lease is None:
            raise RuntimeError("the only owner got no lease")
        for number in range(ROUNDS):
            await self._together(store, [self._accept(store) for _ in range(self._some(3))])
            await self._tick(store, lease)
            entry = EvidenceEntry(CHAIN, "tester", "act", {"number": number})
            await store.commit(ChangeSet(evidence=(entry,)))
            self._say("evidence", number)
        await store.close()
        await store.open()
        await store.close()

    def _some(self, most: int) -> int:
        return self._chance.randint(1, most)

    async def _together(self, store: SqliteStore, works: list[Awaitable[None]]) -> None:
        """Let these works into one transaction, all of them: the writer is held meanwhile."""
        entered, gate = Event(), Event()

        def hold(db: sqlite3.Connection) -> None:
            del db
            entered.set()
            gate.wait()

        write: Callable[..., Awaitable[object]] = getattr(store, "_write")  # noqa: B009  for tests alone
        holding = asyncio.ensure_future(write(hold))
        await asyncio.to_thread(entered.wait)
        tasks = [asyncio.ensure_future(work) for work in works]
        await asyncio.sleep(0)  # each of them has put its work by now
        gate.set()
        await asyncio.gather(holding, *tasks)

    async def _accept(self, store: SqliteStore) -> None:
        lane = Lane.URGENT if self._chance.random() < 0.3 else Lane.BULK
        acceptance = self._parcels.accept(self._some(6), lane=lane, parts=self._some(2))
        ids = [message.id for message in acceptance.messages]
        self._say("try", acceptance.warning.id, len(ids))
        await store.commit(ChangeSet(accepts=(acceptance,)))
        for id_ in ids:
            self._say("accepted", id_)

    async def _tick(self, store: SqliteStore, lease: Lease) -> None:
        output = await store.tick(lease, TickInput(want={Lane.URGENT: 4, Lane.BULK: 6}))
        self._claimed += output.claimed
        done = self._claimed[: self._some(8)]
        del self._claimed[: len(done)]
        rows: list[ResultRow] = []
        for one in done:
            self._carrier += 1
            name = b"c%d" % self._carrier
            self._sent.append(name)
            part = one.submission
            rows.append(ResultRow(part.id, part.part, PartState.SENT, "sent", carrier_id=name))
        told = self._sent[: self._some(6)]
        del self._sent[: len(told)]
        reports = [DeliveryReport(ReportKind.DELIVERED, name) for name in told]
        await store.tick(lease, TickInput(rows, reports))
        for row in rows:
            self._say("result", row.id, row.part)
        for name in told:
            self._say("report", int(name[1:]))


def _fork(work: Callable[[], None]) -> int:
    """Do something in a process of its own; its exit code."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:  # noqa: BLE001  a fork must never return into its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run(
    folder: Path, seed: str, fails_at: int, *, by_power: bool, bug: str, cache: int = 0
) -> None:
    """One run, in this process, over the disk that fails."""
    random = Random(seed)  # noqa: S311  the same
    disk = UnsafeDisk(
        _VFS,
        fails_at=fails_at,
        by_power=by_power,
        chance=Random(f"{seed}/{fails_at}/{cache}"),  # noqa: S311  the same
    )
    with (
        over(_VFS, BUGS[bug]),
        mock.patch.object(os, "urandom", random.randbytes),
        mock.patch.object(secrets, "token_hex", lambda size: random.randbytes(size).hex()),
    ):
        asyncio.run(_Run(folder, seed).live())
    (folder / "operations").write_text(str(disk.operations), encoding="ascii")


async def _look(folder: Path, found: Crashes, point: str) -> None:
    """Open what is left with Python's own SQLite, and compare it with the journal."""
    path = folder / "fz.db"
    lines = [line.split() for line in (folder / "journal").read_text().splitlines()]
    said: dict[str, list[tuple[int, int]]] = {}
    for word, first, second in lines:
        said.setdefault(word, []).append((int(first), int(second)))
    store = SqliteStore(path, FakeClock(), make_vault)
    await store.open()
    try:
        for chain, _, _ in await store.chains():
            rows = [Link(row.seq, row.body, row.hash) for row in await store.evidence(chain)]
            if not verify(rows).is_intact:
                found.broken.append(point)
        kept = len(await store.evidence(CHAIN))
        await store.commit(Parcels(FakeClock(), first=900_000).change(3))
    finally:
        await store.close()
    connection = sqlite3.connect(path)
    try:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            found.damaged.append(point)
        _compare(connection, said, kept, found, point)
    finally:
        connection.close()
    found.acknowledged += sum(len(pairs) for word, pairs in said.items() if word != "try")


def _compare(
    connection: sqlite3.Connection,
    said: dict[str, list[tuple[int, int]]],
    evidence: int,
    found: Crashes,
    point: str,
) -> None:
    def ask(sql: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql).fetchall()

    messages = {row[0] for row in ask("SELECT id FROM message")}
    states = {(row[0], row[1]): row[2] for row in ask("SELECT id, part, state FROM flight")}
    reported = {
        int(bytes(row[0])[1:])
        for row in ask(
            "SELECT carrier_id FROM flight WHERE state = 3 UNION SELECT carrier_id FROM orphan"
        )
    }
    counts = dict(ask("SELECT warning, count(*) FROM message GROUP BY warning"))
    settled = {key for key, state in states.items() if state in (2, 3)}
    lost = [f"acceptance {id_}" for id_, _ in said.get("accepted", ()) if id_ not in messages]
    lost += [f"result {key}" for key in said.get("result", ()) if key not in settled]
    lost += [f"report {name}" for name, _ in said.get("report", ()) if name not in reported]
    lost += [f"evidence {number}" for number, _ in said.get("evidence", ()) if number >= evidence]
    halves = [
        f"warning {id_}" for id_, size in said.get("try", ()) if counts.get(id_, 0) not in (0, size)
    ]
    if lost:
        found.lost.append(point)
    if halves:
        found.halves.append(point)
    found.details += [f"point {point}: {what}" for what in (*lost, *halves)][:_SHOWN]


def _age_anchor(path: Path, chance: Random) -> None:
    """The anchor is mapped, never synced: after a power cut it may say any number that it said."""
    if not path.exists():
        return
    octets = path.read_bytes()
    magic, store_id, number, complement = LAYOUT.unpack_from(octets, 0)
    if magic == MAGIC and chance.random() < 0.5:
        mask = number ^ complement
        number = chance.randint(0, number)
        aged = LAYOUT.pack(magic, store_id, number, number ^ mask)
        path.write_bytes(aged + octets[LAYOUT.size :])


def _crash(
    folder: Path, seed: str, operation: int, found: Crashes, *, cache: int, **how: Any
) -> None:
    """Let one run end at one operation, and look."""
    point = f"{operation}.{cache}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    code = _fork(lambda: _run(folder, seed, operation, cache=cache, **how))
    if code != CRASHED:
        raise SystemExit(f"point {point} of seed {seed} ended with {code}")
    found.crashes += 1
    if how["by_power"]:
        _age_anchor(folder / "fz.db.anchor", Random(f"{seed}/{point}"))  # noqa: S311  the same
    try:
        asyncio.run(_look(folder, found, point))
    except StoreRolledBack as error:
        found.lost.append(point)
        found.details.append(f"point {point}: {error}")
    except Exception as error:  # noqa: BLE001  whatever stops the store is a finding
        found.damaged.append(point)
        found.details.append(f"point {point}: {error!r}")


def _often(sql: str) -> str:
    """The log is folded into the file after a few pages, so that this is hit as well."""
    return "PRAGMA wal_autocheckpoint=40" if sql.startswith("PRAGMA wal_autocheckpoint") else sql


def _synced(how: str) -> Callable[[str], str]:
    """Commits are synced less: NORMAL is what many take for safe, OFF leaves it to the system."""

    def reword(sql: str) -> str:
        right = "PRAGMA synchronous=FULL"
        return f"PRAGMA synchronous={how}" if sql == right else _often(sql)

    return reword


BUGS: dict[str, Callable[[str], str]] = {
    "": _often,
    "synchronous-normal": _synced("NORMAL"),
    "synchronous-off": _synced("OFF"),
}
"""What is changed in the store's statements; the empty name is the sound store."""


def _chosen(operations: int, points: str, seed: str) -> list[tuple[int, int]]:
    """Which operations end a run, each with the number of a cache: so many, or the one named."""
    if points.startswith("@"):
        at, _, cache = points[1:].partition(".")
        return [(int(at), int(cache or 0))]
    # Once each operation was had, the same ones again, with other things left in the cache.
    order = list(range(1, operations + 1))
    Random(seed).shuffle(order)  # noqa: S311  seeded chance is wanted
    return [(order[n % operations], n // operations) for n in range(int(points))]


def main() -> None:
    """Crash, look, tell."""
    place, seed, kind, points, *bug = sys.argv[1:]
    how: dict[str, Any] = {"by_power": kind == "power", "bug": bug[0] if bug else ""}
    folder, found = Path(place), Crashes()
    first = folder / "undisturbed"
    first.mkdir(parents=True)
    if code := _fork(lambda: _run(first, seed, 0, **how)):
        raise SystemExit(f"the undisturbed run ended with {code}")
    found.operations = int((first / "operations").read_text())
    for point, cache in _chosen(found.operations, points, seed):
        _crash(folder / "run", seed, point, found, cache=cache, **how)
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
