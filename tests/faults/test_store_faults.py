"""The SQLite store on a disk that fails, in a process that dies, in a file that is damaged."""

import asyncio
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fzalert.clock import SystemClock
from fzalert.errors import StoreDamaged, StoreFull, StoreInUse
from fzalert.messages import DeliveryReport, Lane, ReportKind, Uplink
from fzalert.store import (
    ChangeSet,
    Claimed,
    EvidenceEntry,
    Flag,
    Lease,
    PartState,
    Requeue,
    ResultRow,
    SqliteStore,
    TickInput,
)
from fzalert.testing import FakeClock
from fzalert.testing.parcels import Parcels, make_vault, number

DYING = (sys.executable, "-m", "fzalert.testing.dying")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fz.db"


def made(path: Path) -> SqliteStore:
    return SqliteStore(path, SystemClock(), make_vault)


async def kept(path: Path) -> set[int]:
    """The messages of a store that opens and passes its check."""
    store = made(path)
    await store.open()
    await store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = {row[0] for row in connection.execute("SELECT id FROM message")}
    connection.close()
    return found


def accepted(text: str) -> set[int]:
    lines = (line.split() for line in text.splitlines())
    return {int(line[1]) for line in lines if line[0] == "accepted"}


# -- processes -----------------------------------------------------------------------------


@contextmanager
def owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the store."""
    with subprocess.Popen(
        [*DYING, "hold", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


async def test_a_second_process_is_told_who_owns_the_store(path: Path) -> None:
    with owner(path) as process:
        store = made(path)
        with pytest.raises(StoreInUse, match=str(process.pid)):
            await store.open()
        process.kill()
        process.wait(10)
        await store.open()
        await store.close()


async def test_what_was_answered_outlives_a_process_that_dies_at_once(path: Path) -> None:
    for after in (1, 7, 40):
        ended = subprocess.run(  # noqa: ASYNC221  nothing else runs beside it
            [*DYING, "exit", str(path.with_suffix(f".{after}")), str(after)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        told = accepted(ended.stdout)
        assert len(told) >= after
        assert told <= await kept(path.with_suffix(f".{after}"))


@pytest.mark.parametrize("room", [0, 3_000, 40_000, 150_000])
async def test_a_limit_of_the_file_size_is_a_full_disk_and_costs_nothing_accepted(
    path: Path, room: int
) -> None:
    ended = subprocess.run(  # noqa: ASYNC221  nothing else runs beside it
        [*DYING, "fill", str(path), str(room)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.splitlines()[-1] == "lifted"
    assert "refused 0" not in ended.stdout
    assert await kept(path) == accepted(ended.stdout)


@pytest.mark.root
async def test_a_full_disk_refuses_and_recovers_without_a_restart(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=True)  # noqa: ASYNC221
    try:
        parcels = Parcels(SystemClock())
        store = made(disk / "fz.db")
        await store.open()
        stored: set[int] = set()
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(800_000))
        with pytest.raises(StoreFull):
            for _ in range(1000):
                change = parcels.change(50)
                await store.commit(change)
                stored |= {message.id for message in change.accepts[0].messages}
        assert len(await store.warnings(9999)) == len(stored) // 50
        ballast.unlink()
        change = parcels.change()
        await store.commit(change)
        stored.add(change.accepts[0].messages[0].id)
        await store.close()
        assert await kept(disk / "fz.db") == stored
    finally:
        subprocess.run(["umount", disk], check=True)  # noqa: ASYNC221


async def test_a_folder_that_cannot_be_written_is_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFull):
        await made(tmp_path / "file" / "fz.db").open()


# -- damage --------------------------------------------------------------------------------


def damaged(whole: bytes) -> Iterator[bytes]:
    """The same file with its head, two of its pages or its end spoiled."""
    size = int.from_bytes(whole[16:18], "big")
    for at, what in ((0, b"no database"), (5 * size, b"\xff" * 100), (9 * size + 8, bytes(60))):
        yield whole[:at] + what + whole[at + len(what) :]
    yield whole[: len(whole) // 2]


@pytest.fixture
async def whole(path: Path) -> bytes:
    """The bytes of a store of five hundred messages, closed."""
    store = made(path)
    await store.open()
    await store.commit(Parcels(SystemClock()).change(500))
    await store.close()
    return await asyncio.to_thread(path.read_bytes)


async def test_a_damaged_file_is_never_opened(path: Path, whole: bytes) -> None:
    for spoiled in damaged(whole):
        await asyncio.to_thread(path.write_bytes, spoiled)
        with pytest.raises(StoreDamaged):
            await made(path).open()
    await asyncio.to_thread(path.write_bytes, whole)
    assert len(await kept(path)) == 500


# -- the n-th statement fails --------------------------------------------------------------


class Failing(sqlite3.Connection):
    """Fails at a statement, counted from when it is armed.

    Attributes:
        at: Which; 0 fails none.
        undoes: Whether SQLite undoes the whole transaction by itself, as it may.
    """

    at = 0
    undoes = False
    code = sqlite3.SQLITE_IOERR

    @override
    def execute(self, *args: Any) -> sqlite3.Cursor:
        self._count()
        return super().execute(*args)

    @override
    def executemany(self, *args: Any) -> sqlite3.Cursor:
        self._count()
        return super().executemany(*args)

    def _count(self) -> None:
        if Failing.at:
            Failing.at -= 1
            if not Failing.at:
                if Failing.undoes and self.in_transaction:
                    super().execute("ROLLBACK")
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = Failing.code
                error.sqlite_errorname = "SQLITE_IOERR"
                raise error


@pytest.fixture
async def failing(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Failing))
    store = SqliteStore(path, FakeClock(), make_vault)
    await store.open()
    yield store
    Failing.at = 0
    await store.close()


class Everything:
    """A change set and a tick that use every table of the hot path."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.parcels = Parcels(FakeClock())

    async def prepare(self) -> None:
        """Six parts out, one unknown with its resend, one orphan waiting."""
        lease = await self.store.acquire("sms", 0, "x", 10)
        assert lease is not None
        self.lease: Lease = lease
        await self.store.commit(self.parcels.change(7, lane=Lane.URGENT))
        claimed = (await self.store.tick(lease, TickInput(want={Lane.URGENT: 7}))).claimed
        self.one, *self.out = claimed
        again = Requeue("sms", FakeClock().millis() + 1, 2, Flag.RESENT)
        early = DeliveryReport(ReportKind.DELIVERED, b"c1")
        row = self._row(self.one, PartState.UNKNOWN, "unknown", requeue=again)
        await self.store.tick(lease, TickInput([row], [early]))
        await self.store.commit(self.parcels.change(5))
        self.gone = self.parcels.change(2, due_at=FakeClock().millis() + 9)
        await self.store.commit(self.gone)

    @staticmethod
    def _row(one: Claimed, state: PartState, word: str, **more: Any) -> ResultRow:
        return ResultRow(one.submission.id, one.submission.part, state, word, **more)

    def tick(self) -> TickInput:
        """Results of every kind, reports of every kind, claims of both lanes."""
        now = FakeClock().millis()
        first, second, third, fourth, *_ = self.out
        return TickInput(
            [
                self._row(first, PartState.SENT, "sent", carrier_id=b"c1"),
                self._row(second, PartState.FAILED, "failed", suppress=True),
                self._row(third, PartState.QUEUED, "x", requeue=Requeue("sms", now, 2)),
                self._row(fourth, PartState.QUEUED, "x", requeue=Requeue("other", now, 1)),
            ],
            [
                DeliveryReport(ReportKind.DELIVERED, id=self.one.submission.id),
                DeliveryReport(ReportKind.DELIVERED, b"c9"),
                Uplink(number(1), "退订", 0, is_opt_out=True),
            ],
            (),
            (),
            {Lane.URGENT: 9, Lane.BULK: 3},
        )

    def change(self) -> ChangeSet:
        """An acceptance, a withdrawal, a suppression, evidence."""
        return ChangeSet(
            accepts=(self.parcels.accept(2), self.parcels.accept(2, refused="no")),
            evidence=(EvidenceEntry("store", "x", "y", {}),),
            suppress=((number(2), "asked"),),
            withdraw=tuple(message.id for message in self.gone.accepts[0].messages),
        )


def dump(path: Path) -> list[str]:
    """Everything that stands in the tables."""
    connection = sqlite3.connect(path)
    found = [line for line in connection.iterdump() if "INSERT" in line]
    connection.close()
    return found


def assert_counted(path: Path) -> None:
    connection = sqlite3.connect(path)
    found = connection.execute(
        "SELECT state, sum(n) FROM counter WHERE n <> 0 GROUP BY state"
    ).fetchall()
    states = Counter(row[0] for row in connection.execute("SELECT state FROM flight"))
    waiting = connection.execute(
        "SELECT count(*) FROM queue q LEFT JOIN flight f ON f.id = q.id AND f.part = q.part"
        " WHERE f.id IS NULL"
    ).fetchone()[0]
    connection.close()
    states[PartState.QUEUED] += waiting
    assert {state: n for state, n in found if n} == {s: n for s, n in states.items() if n}


@pytest.mark.parametrize("what", ["tick", "commit"])
@pytest.mark.parametrize("undoes", [False, True])
async def test_whichever_statement_fails_the_work_is_written_whole_or_not_at_all(
    failing: SqliteStore, path: Path, what: str, *, undoes: bool
) -> None:
    work = Everything(failing)
    await work.prepare()
    before = dump(path)
    Failing.undoes = undoes
    for at in range(1, 500):
        Failing.at = at
        try:
            if what == "tick":
                await failing.tick(work.lease, work.tick())
            else:
                await failing.commit(work.change())
        except StoreFull:
            Failing.at = 0
            assert dump(path) == before
            continue
        assert Failing.at > 0, "the fault was swallowed"
        assert at > 15
        break
    Failing.at = 0
    assert dump(path) != before
    assert_counted(path)


@pytest.mark.parametrize("at", range(1, 60, 3))
async def test_a_full_disk_refuses_everybody_who_waited_by_its_name(
    failing: SqliteStore, path: Path, at: int
) -> None:
    work = Everything(failing)
    await work.prepare()
    before = dump(path)
    Failing.undoes, Failing.at = True, at
    changes = [work.parcels.change() for _ in range(9)]
    answers = await asyncio.gather(
        failing.tick(work.lease, work.tick()),
        *map(failing.commit, changes),
        return_exceptions=True,
    )
    Failing.at = 0
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {type(answer) for answer in refused} <= {StoreFull}
    assert len({id(answer) for answer in refused}) == len(refused), "each caller has its own"
    assert_counted(path)
    if len(refused) == len(answers):
        assert dump(path) == before
