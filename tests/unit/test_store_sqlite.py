"""What only the SQLite store promises: its file, its locks, its one writer, its secrets."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fzalert.clock import SystemClock
from fzalert.errors import IntegrityError, StoreError
from fzalert.messages import DeliveryReport, Lane, ReportKind, Uplink
from fzalert.store import (
    AudienceRow,
    ChangeSet,
    Event,
    EvidenceEntry,
    Lease,
    PartState,
    SqliteStore,
    StateRow,
    TickInput,
    Vault,
)
from fzalert.testing import FakeClock
from fzalert.testing.parcels import Parcels, make_vault, number

NOTE = ChangeSet(evidence=(EvidenceEntry("case/1", "officer", "note", {"n": 1}),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fz.db"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def parcels(clock: FakeClock) -> Parcels:
    return Parcels(clock)


@pytest.fixture
async def store(path: Path, clock: FakeClock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, clock, make_vault)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def lease(store: SqliteStore) -> Lease:
    lease = await store.acquire("sms", 0, "first", 10)
    assert lease is not None
    return lease


def sql(path: Path, text: str, *values: object) -> list[tuple[object, ...]]:
    """Run one statement beside the store, as somebody with a tool would."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(text, values).fetchall()
    finally:
        connection.close()


# -- the file ------------------------------------------------------------------------------


async def test_every_commit_is_synced_and_the_log_is_folded_at_the_end(
    path: Path, clock: FakeClock
) -> None:
    store = SqliteStore(path, clock, make_vault)
    await store.open()
    await store.commit(NOTE)
    assert sql(path, "PRAGMA journal_mode") == [("wal",)]
    assert path.with_name("fz.db-wal").stat().st_size > 0
    await store.close()
    assert not path.with_name("fz.db-wal").exists()


async def test_a_commit_waits_for_the_disk_and_not_for_its_cache_only(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[sqlite3.Connection] = []

    class Noted(sqlite3.Connection):
        def __init__(self, *args: Any, **kinds: Any) -> None:
            super().__init__(*args, **kinds)
            made.append(self)

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Noted))
    store = SqliteStore(path, clock, make_vault)
    await store.open()
    await store.commit(NOTE)
    full = 2
    assert made[0].execute("PRAGMA synchronous").fetchone() == (full,)
    await store.close()


async def test_nobody_else_may_read_the_file_or_its_log(store: SqliteStore, path: Path) -> None:
    await store.commit(NOTE)
    for name in ("fz.db", "fz.db-wal", "fz.db-shm", "fz.db.lock"):
        assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600, name


async def test_a_path_may_hold_any_characters(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "预警 #1?mode=ro%20&x" / "fz.db"
    store = SqliteStore(path, clock, make_vault)
    await store.open()
    await store.commit(NOTE)
    await store.close()
    assert path.exists()


async def test_a_newer_schema_is_left_alone(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock, make_vault)
    await store.open()
    await store.close()
    sql(path, "INSERT INTO schema_version VALUES (999, '0999_later.sql', 'x')")
    with pytest.raises(StoreError, match="999"):
        await store.open()
    sql(path, "DELETE FROM schema_version WHERE number = 999")
    sql(path, "UPDATE schema_version SET sha256 = 'another'")
    with pytest.raises(StoreError, match="another"):
        await store.open()


async def test_a_failed_open_leaves_the_store_free(path: Path, clock: FakeClock) -> None:
    def no_vault(
        keys: list[tuple[int, str, bytes, int]], keep: Callable[[int, str, bytes, int], None]
    ) -> Vault:
        raise IntegrityError("another master key")

    store = SqliteStore(path, clock, no_vault)
    with pytest.raises(IntegrityError):
        await store.open()
    good = SqliteStore(path, clock, make_vault)
    await good.open()
    await good.close()


async def test_a_store_opens_again_after_its_close(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock, make_vault)
    for number_ in (1, 2):
        await store.open()
        await store.commit(NOTE)
        assert len(await store.evidence("case/1")) == number_
        await store.close()


# -- evidence ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE evidence SET body = x'7b7d'",
        "UPDATE evidence SET seq = 7",
        "DELETE FROM evidence",
        "REPLACE INTO evidence SELECT chain, seq, at, x'7b7d', h FROM evidence",
    ],
)
async def test_evidence_is_not_changed_by_a_statement(
    store: SqliteStore, path: Path, text: str
) -> None:
    await store.commit(NOTE)
    before = await store.evidence("case/1")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        sql(path, text)
    assert await store.evidence("case/1") == before


# -- the writer ----------------------------------------------------------------------------


async def test_many_commits_share_their_disk_syncs(store: SqliteStore, parcels: Parcels) -> None:
    before = store.transactions
    await asyncio.gather(*(store.commit(parcels.change()) for _ in range(200)))
    assert store.transactions - before <= 20
    assert await store.queued("sms", Lane.BULK) == 200


async def test_a_cancelled_caller_harms_neither_its_write_nor_the_next(
    store: SqliteStore, parcels: Parcels
) -> None:
    writes = [asyncio.ensure_future(store.commit(parcels.change(key="k"))) for _ in range(20)]
    writes.append(asyncio.ensure_future(store.commit(parcels.change(key="k", body="other"))))
    await asyncio.sleep(0)
    for write in writes:
        write.cancel()
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(answer) for answer in answers} == {asyncio.CancelledError}
    again = (await store.commit(parcels.change(key="k"))).accepted[0]
    assert again.existing
    assert await store.queued("sms", Lane.BULK) == 1


async def test_what_was_taken_is_finished_before_the_close(
    path: Path, clock: FakeClock, parcels: Parcels
) -> None:
    store = SqliteStore(path, clock, make_vault)
    await store.open()
    writes = [asyncio.ensure_future(store.commit(parcels.change())) for _ in range(30)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.wait_for(asyncio.gather(*writes), 5)
    assert sql(path, "SELECT count(*) FROM message") == [(30,)]


async def test_a_closed_store_refuses_at_once(store: SqliteStore, parcels: Parcels) -> None:
    await store.close()
    for call in (store.commit(parcels.change()), store.counters()):
        with pytest.raises(RuntimeError, match="not open"):
            await asyncio.wait_for(call, 5)


async def test_a_mistake_in_one_work_leaves_the_writer_running(
    store: SqliteStore, parcels: Parcels
) -> None:
    twice = parcels.change()
    await store.commit(twice)
    bad = [
        twice,  # the same ids again
        ChangeSet(state=(StateRow("a", "\ud800", b""),)),
        ChangeSet(events=(Event("x", b"", "y"),), stream="s", expected_version=2**70),
    ]
    answers = await asyncio.gather(
        *map(store.commit, [*bad, parcels.change()]), return_exceptions=True
    )
    assert [isinstance(answer, Exception) for answer in answers] == [True, True, True, False]
    assert isinstance(answers[0], StoreError)
    assert await store.queued("sms", Lane.BULK) == 2


async def test_a_lock_that_outlasts_the_patience_is_an_error_and_nothing_is_lost(
    path: Path, parcels: Parcels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fzalert.store.sqlite.connection.BUSY_TIMEOUT_MS", 20)
    store = SqliteStore(path, SystemClock(), make_vault)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError):
        await store.commit(parcels.change())
    other.execute("ROLLBACK")
    other.close()
    await store.commit(parcels.change())
    assert await store.queued("sms", Lane.BULK) == 1
    await store.close()


# -- secrets -------------------------------------------------------------------------------


async def test_no_phone_stands_in_any_file(
    store: SqliteStore, path: Path, lease: Lease, parcels: Parcels
) -> None:
    people = [number(n) for n in range(50)]
    await store.commit(parcels.change(targets=people))
    await store.commit(parcels.change(targets=people, lane=Lane.URGENT, claim=lease))
    await store.commit(
        ChangeSet(
            audience=((1, tuple(AudienceRow(n, p, "[]") for n, p in enumerate(people))),),
            suppress=tuple((p, "opted out") for p in people),
        )
    )
    rows = [
        row
        for person in people
        for row in (
            Uplink(person, "退订", 0, is_opt_out=True),
            DeliveryReport(ReportKind.DELIVERED, b"c", target=person),
        )
    ]
    await store.tick(lease, TickInput(reports=rows, want={Lane.BULK: 99}))
    names = [p.address.removeprefix("+86").encode() for p in people]
    seen = 0
    for _ in range(2):
        for file in path.parent.iterdir():
            text = file.read_bytes()
            seen += len(text)
            assert not any(name in text for name in names), file.name
            assert "退订".encode() not in text, file.name
            assert "城关支行".encode() not in text, file.name
        await store.close()
    assert seen > 100_000


async def test_one_altered_row_stops_neither_the_line_nor_a_restart(
    store: SqliteStore, path: Path, lease: Lease, parcels: Parcels
) -> None:
    change = parcels.change(3)
    await store.commit(change)
    first, second, third = (message.id for message in change.accepts[0].messages)
    sql(path, "UPDATE message SET target = (SELECT target FROM message WHERE id = ?)", first)
    # Every row holds the first one's blob now, which opens in its own row alone.
    output = await store.tick(lease, TickInput(want={Lane.BULK: 9}))
    assert [one.submission.id for one in output.claimed] == [first]
    assert set(output.touched) == {second, third}
    sql(path, "UPDATE message SET target = x'00' WHERE id = ?", first)
    assert await store.recover(lease) == []
    counted = {row.state: row.n for row in await store.counters() if row.n}
    assert counted == {PartState.FAILED: 3}
    with pytest.raises(IntegrityError):
        await store.outcome(first)
