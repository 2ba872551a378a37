"""The SQLite store: the port over one writer thread and one reader thread."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, TypeVar

from typing_extensions import override

from fzalert.clock import Clock
from fzalert.errors import StoreDamaged, StoreError, StoreFull
from fzalert.log import get_logger
from fzalert.messages import FeedRow, Lane, Outcome, Target
from fzalert.store.port import Store, Vault
from fzalert.store.records import (
    AudienceRow,
    CampaignRow,
    ChangeSet,
    Committed,
    CounterRow,
    Deadline,
    Event,
    EvidenceEntry,
    EvidenceRow,
    Lease,
    OpenPart,
    OptOutRow,
    TickInput,
    TickOutput,
    UserRow,
    WarningRow,
)
from fzalert.store.settling import UnknownQuery, UnknownRow
from fzalert.store.sqlite import reading
from fzalert.store.sqlite.anchor import Anchor, rolled_back, why_older
from fzalert.store.sqlite.changes import append_evidence, write_changes
from fzalert.store.sqlite.claims import open_parts
from fzalert.store.sqlite.connection import (
    OwnerLock,
    connect,
    in_our_words,
    migrate,
    no_room,
    quick_check,
)
from fzalert.store.sqlite.optouts import opt_outs
from fzalert.store.sqlite.purging import purge
from fzalert.store.sqlite.resealing import Resealing, SealedPlaces, keys_in_use
from fzalert.store.sqlite.reserve import Reserve
from fzalert.store.sqlite.resuming import resume_as_unknown
from fzalert.store.sqlite.rows import channel_id
from fzalert.store.sqlite.settling import count_unknowns, unknowns
from fzalert.store.sqlite.shredding import Shredding, empty_log, is_in, last_events, shred
from fzalert.store.sqlite.ticking import check_lease, tick
from fzalert.store.sqlite.writer import Writer

T = TypeVar("T")

log = get_logger("fzalert.store")

STOPPED_MS = 1_000


class SqliteStore(Store):
    """One file, one owner.

    Args:
        path: The database; `<path>.lock` beside it names the owner.
        clock: For the times of rows.
        make_vault: Called at open with the wrapped data keys that the store holds, as
            (id, state, wrapped, created), and a function that keeps a new one; returns the vault.
        anchor: Remembers how far the database was; `<path>.anchor` unless given.
        reserve: Bytes kept free for the last things to be written on a full disk; 0 keeps none.
        resume_by: Who wants to go on with an older copy, everything in it unknown; nobody unless
            given.
    """

    writer: ClassVar[type[Writer]] = Writer
    """What writes; a simulation has one without a thread."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        make_vault: Callable[
            [list[tuple[int, str, bytes, int]], Callable[[int, str, bytes, int], None]], Vault
        ],
        *,
        anchor: Path | None = None,
        reserve: int = 0,
        resume_by: str = "",
    ) -> None:
        self._path = path
        self._anchor_path = anchor or path.with_name(path.name + ".anchor")
        self._resume_by = resume_by
        self._reserve = Reserve(path.with_name(path.name + ".reserve"), clock, reserve)
        self._damage: StoreDamaged | None = None
        self.suspicion = asyncio.Event()
        self._clock = clock
        self._make_vault = make_vault
        self._lock = OwnerLock(path.with_name(path.name + ".lock"))
        self._reader: sqlite3.Connection | None = None
        self._reading: ThreadPoolExecutor | None = None
        self._writer: Writer | None = None
        self._the_vault: Vault | None = None
        self.store_id = ""

    # -- life ------------------------------------------------------------------------------

    @override
    async def open(self) -> None:
        """Lock, check, migrate, start; see the port."""
        self._lock.take()
        try:
            await asyncio.to_thread(self._open)
        except BaseException:
            self._lock.free()
            raise

    def _open(self) -> None:
        connection: sqlite3.Connection | None = None
        anchor: Anchor | None = None
        try:
            # Made before SQLite makes it, so that its log beside it is as private.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._path.chmod(0o600)
            connection = connect(self._path)
            self._prepare(connection)
            anchor = Anchor(self._anchor_path)
            self._drop_anchor(connection, anchor)
            self._reader = connect(self._path, read_only=True)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if anchor is not None:
                anchor.close()
            if isinstance(error, sqlite3.Error):
                raise in_our_words(error, self._path) from error
            if isinstance(error, OSError):
                raise no_room(self._path, error) from error
            raise
        self._reserve.make()
        self._reading = ThreadPoolExecutor(1, "fzalert-read")
        self._writer = self.writer(connection, self._path)
        self._writer.anchor = anchor

    def _drop_anchor(self, connection: sqlite3.Connection, anchor: Anchor) -> None:
        """Compare the database with what is remembered of it outside.

        Raises:
            StoreRolledBack: It is an older copy, and nobody wants to go on with it.
        """
        (number,) = connection.execute("SELECT n FROM generation").fetchone()
        why = why_older(anchor.found, self.store_id, number)
        if why:
            if not self._resume_by:
                raise rolled_back(self._path, why)
            if anchor.found is not None:
                number = max(number, anchor.found.number)
            number += 1
            connection.execute("BEGIN IMMEDIATE")
            parts = resume_as_unknown(connection, self._resume_by, why, self._clock.millis())
            connection.execute("UPDATE generation SET n = ?", (number,))
            connection.execute("COMMIT")
            log.warning("store.resumed", why=why, parts=parts)
        anchor.begin(self.store_id, number)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        quick_check(connection, self._path)
        migrate(connection, self._path)
        self.store_id = self._identify(connection)
        keys = connection.execute(
            "SELECT id, state, wrapped, created FROM data_key ORDER BY id"
        ).fetchall()

        def keep(number: int, state: str, wrapped: bytes, created: int) -> None:
            connection.execute(
                "REPLACE INTO data_key VALUES (?, ?, ?, ?)", (number, state, wrapped, created)
            )

        connection.execute("BEGIN IMMEDIATE")  # what is kept of keys is kept whole
        try:
            self._the_vault = self._make_vault(keys, keep)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @staticmethod
    def _identify(connection: sqlite3.Connection) -> str:
        connection.execute(
            "INSERT OR IGNORE INTO meta VALUES ('store_id', ?)", (secrets.token_hex(8),)
        )
        row = connection.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()
        return str(row[0])

    @override
    async def close(self) -> None:
        """Finish what was taken, then unlock; see the port."""
        # The reader first: only the last connection folds the log into the file.
        reading, self._reading = self._reading, None
        reader, self._reader = self._reader, None
        if reading is not None and reader is not None:
            await asyncio.get_running_loop().run_in_executor(reading, reader.close)
            reading.shutdown(wait=False)
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.stop()
            if writer.anchor is not None:
                writer.anchor.close()
            self._reserve.remove()
        self._lock.free()

    @property
    def transactions(self) -> int:
        """How many transactions were committed, for benchmarks and the status page."""
        return self._writer.transactions if self._writer else 0

    @property
    def vault(self) -> Vault:
        """The vault of the open store."""
        if self._the_vault is None:
            raise RuntimeError("the store is not open")
        return self._the_vault

    async def _write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        if self._writer is None:
            raise RuntimeError("the store is not open")
        if self._damage is not None:
            raise StoreDamaged(str(self._damage.args[0]), hint=self._damage.hint)
        try:
            return await self._writer.write(run)
        except StoreFull as error:
            self._reserve.refused(error)
            raise
        except StoreDamaged:
            self.suspicion.set()
            raise

    async def _is_stopped(self) -> StoreError | None:
        """Why nothing new is taken, after a look whether that is over."""
        if self._reserve.may_look:
            await self._reserve.look()
        return self._reserve.refusal

    async def _read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        reader, reading = self._reader, self._reading
        if reader is None or reading is None:
            raise RuntimeError("the store is not open")

        def work() -> T:
            try:
                return run(reader)
            except sqlite3.Error as error:
                raise in_our_words(error, self._path) from error

        try:
            return await asyncio.get_running_loop().run_in_executor(reading, work)
        except StoreDamaged:
            self.suspicion.set()
            raise

    @property
    def stopped(self) -> str:
        """The code of what keeps the store from taking anything new; empty while all is well."""
        refusal = self._damage or self._reserve.refusal
        return "" if refusal is None else refusal.code

    async def check(self) -> None:
        """Check the file on a connection of its own; what is damaged takes and gives nothing more.

        A page that cannot be read once looks like damage too, so what raised the suspicion counts
        for nothing here.

        Raises:
            StoreDamaged: It is.
        """

        def run() -> None:
            try:
                connection = connect(self._path, read_only=True)
                try:
                    quick_check(connection, self._path)
                finally:
                    connection.close()
            except sqlite3.Error as error:
                raise in_our_words(error, self._path) from error

        try:
            await asyncio.to_thread(run)
        except StoreDamaged as error:
            self._damage = error
            raise

    # -- writing ---------------------------------------------------------------------------

    @override
    async def commit(self, changes: ChangeSet) -> Committed:
        """Write one change set; see the port."""
        if changes.is_intake:
            refusal = await self._is_stopped()
            if refusal is not None:
                raise type(refusal)(str(refusal.args[0]), hint=refusal.hint)
        return await self._write(
            lambda db: write_changes(db, self.vault, changes, self._clock.millis())
        )

    @override
    async def tick(self, lease: Lease, work: TickInput) -> TickOutput:
        """Move one slot forward; see the port. On a full disk it claims nothing."""
        if await self._is_stopped() is not None:
            output = await self._tick(lease, replace(work, want={}))
            again = self._clock.millis() + STOPPED_MS
            later = {lane: max(due, again) for lane, due in output.dues.items()}
            return replace(output, dues=later)
        return await self._tick(lease, work)

    async def _tick(self, lease: Lease, work: TickInput) -> TickOutput:
        return await self._write(lambda db: tick(db, self.vault, lease, work, self._clock.millis()))

    @override
    async def purge(self, before: int, limit: int) -> int:
        """Remove what is kept no longer; see the port."""
        return await self._write(lambda db: purge(db, before, self._clock.millis(), limit))

    async def keep_keys(
        self, keys: Sequence[tuple[int, str, bytes, int]], entry: EvidenceEntry
    ) -> None:
        """Write the table of wrapped data keys as it has to stand, on record.

        Raises:
            StoreError: The disk refuses; nothing is written.
        """
        now = self._clock.millis()

        def run(db: sqlite3.Connection) -> None:
            db.executemany("REPLACE INTO data_key VALUES (?, ?, ?, ?)", keys)
            append_evidence(db, entry, now)

        await self._write(run)

    async def reseal(self, walk: Resealing, limit: int) -> None:
        """Seal anew what old data keys sealed, so many rows at most; see `Resealing.step`."""
        await self._write(lambda db: walk.step(db, self.vault, limit, self._clock.millis()))

    async def last_events(self, prefix: str) -> dict[str, int]:
        """When the last event of each stream was written whose name begins with a text."""
        return await self._read(lambda db: last_events(db, prefix))

    async def shred(self, what: Shredding, secret: bytes) -> bool:
        """Destroy rows for good.

        Args:
            what: The rows.
            secret: Bytes that must be gone with them.

        Returns:
            Whether they are: False where the file still has a copy in a page that is not in use.

        Raises:
            InputError: A message of it waits or is out; nothing was destroyed.
            StoreError: The disk refuses, or the log was in use; the rows may be destroyed.
        """
        await self._write(lambda db: shred(db, what, self._clock.millis()))

        def look() -> bool:
            try:
                empty_log(self._path)
                return not is_in(self._path, secret)
            except sqlite3.Error as error:
                raise in_our_words(error, self._path) from error

        return await asyncio.to_thread(look)

    async def keys_in_use(self, places: SealedPlaces) -> Counter[int]:
        """How many values each data key has sealed, by its number."""
        return await self._read(lambda db: keys_in_use(db, places))

    @override
    async def recover(self, lease: Lease) -> list[OpenPart]:
        """Read what the former owner left open; see the port."""

        def run(db: sqlite3.Connection) -> list[OpenPart]:
            check_lease(db, lease)
            return open_parts(db, self.vault, lease)

        return await self._write(run)

    @override
    async def acquire(self, channel: str, slot: int, owner: str, ttl: float) -> Lease | None:
        """Take a slot. The lock file proves that no other owner lives, so it is always free."""
        expires = self._clock.millis() + int(ttl * 1000)

        def run(db: sqlite3.Connection) -> Lease:
            number = channel_id(db, channel)
            (epoch,) = db.execute(
                "INSERT INTO lease (channel, slot, owner, epoch, expires_at) VALUES (?, ?, ?, 1, ?)"
                " ON CONFLICT (channel, slot) DO UPDATE SET owner = excluded.owner,"
                " epoch = epoch + 1, expires_at = excluded.expires_at RETURNING epoch",
                (number, slot, owner, expires),
            ).fetchone()
            return Lease(channel, number, slot, owner, epoch)

        return await self._write(run)

    @override
    async def release(self, lease: Lease) -> None:
        """Give a slot back; see the port."""
        await self._write(
            lambda db: (
                db.execute(
                    "UPDATE lease SET expires_at = 0 WHERE channel = ? AND slot = ? AND epoch = ?",
                    (lease.channel_id, lease.slot, lease.epoch),
                ).rowcount
            )
        )

    # -- reading ---------------------------------------------------------------------------

    @override
    async def outcomes(self, warning: int, most: int = 1000) -> list[Outcome]:
        """Read the fates of a warning; see the port."""
        return await self._read(
            lambda db: reading.outcomes(
                db,
                self.vault,
                "m.id IN (SELECT id FROM message WHERE warning = ? ORDER BY id LIMIT ?)",
                (warning, most),
            )
        )

    @override
    async def outcome(self, message: int) -> Outcome | None:
        """Read the fate of one message; see the port."""
        found = await self._read(
            lambda db: reading.outcomes(db, self.vault, "m.id = ?", (message,))
        )
        return found[0] if found else None

    @override
    async def warning(self, warning: int) -> WarningRow | None:
        """Read one warning; see the port."""
        found = await self._read(lambda db: reading.warning_rows(db, "id = ?", (warning,)))
        return found[0] if found else None

    @override
    async def warnings(self, limit: int, before: int | None = None) -> list[WarningRow]:
        """Read warnings, newest first; see the port."""
        return await self._read(
            lambda db: reading.warning_rows(
                db, "id < ? ORDER BY id DESC LIMIT ?", (before or 2**63 - 1, limit)
            )
        )

    @override
    async def feed(self, after: int, limit: int) -> list[FeedRow]:
        """Read the outcome feed; see the port."""
        return await self._read(lambda db: reading.feed(db, self.vault, after, limit))

    @override
    async def counters(self) -> list[CounterRow]:
        """Read the counters; see the port."""
        return await self._read(reading.counters)

    @override
    async def orphans(self) -> int:
        """Count the reports that match nothing; see the port."""
        return await self._read(
            lambda db: int(db.execute("SELECT count(*) FROM orphan").fetchone()[0])
        )

    @override
    async def state(self, namespace: str, prefix: str = "") -> list[tuple[str, bytes]]:
        """Read rows of one namespace; see the port."""
        # A range of the primary key: one row of ten thousand is found without reading the others.
        end = prefix + "\U0010ffff"
        return await self._read(
            lambda db: db.execute(
                "SELECT key, value FROM state WHERE namespace = ? AND key >= ? AND key < ?"
                " ORDER BY key",
                (namespace, prefix, end),
            ).fetchall()
        )

    @override
    async def events(self, stream: str) -> list[tuple[int, int, Event]]:
        """Read one stream; see the port."""
        return await self._read(lambda db: reading.events(db, stream))

    @override
    async def users(self) -> list[UserRow]:
        """Read every user; see the port."""
        return await self._read(reading.users)

    @override
    async def evidence(self, chain: str) -> list[EvidenceRow]:
        """Read one chain; see the port."""
        return await self._read(lambda db: reading.evidence(db, chain))

    @override
    async def chains(self) -> list[tuple[str, int, bytes]]:
        """Read every chain's head; see the port."""
        return await self._read(reading.chains)

    @override
    async def ends(self, before: int) -> list[tuple[str, int, bytes]]:
        """Read where every chain ended; see the port."""
        return await self._read(lambda db: reading.ends(db, before))

    @override
    async def suppressed(self, targets: Sequence[Target]) -> dict[Target, str]:
        """Find suppressed targets; see the port."""
        return await self._read(lambda db: reading.suppressed(db, self.vault, targets))

    @override
    async def opt_outs(self, before: int, limit: int) -> list[OptOutRow]:
        """Read who opted out; see the port."""
        return await self._read(lambda db: opt_outs(db, self.vault, before, limit))

    @override
    async def contacts(
        self, targets: Sequence[Target], lane: Lane, since: int
    ) -> dict[Target, int]:
        """Count contacts; see the port."""
        return await self._read(lambda db: reading.contacts(db, self.vault, targets, lane, since))

    @override
    async def campaigns(self) -> list[CampaignRow]:
        """Read every campaign; see the port."""
        return await self._read(reading.campaigns)

    @override
    async def audience(self, campaign: int, after: int, limit: int) -> list[AudienceRow]:
        """Read recipients; see the port."""
        return await self._read(lambda db: reading.audience(db, self.vault, campaign, after, limit))

    @override
    async def unknowns(self, query: UnknownQuery) -> tuple[list[UnknownRow], int]:
        """Read a page of unknown fates; see the port."""
        return await self._read(
            lambda db: (unknowns(db, self.vault, query), count_unknowns(db, query))
        )

    @override
    async def deadlines(self, until: int, limit: int) -> list[Deadline]:
        """Read what falls due; see the port."""
        return await self._read(lambda db: reading.deadlines(db, until, limit))

    @override
    async def queued(self, channel: str, lane: Lane) -> int:
        """Read one queue's length; see the port."""
        return await self._read(lambda db: reading.queued(db, channel, lane))
