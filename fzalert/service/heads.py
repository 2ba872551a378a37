"""The daily head of heads: after each day one signed record says where every chain ended.

It is kept in the store, in a file elsewhere, and, where a second unit is named, mailed to it. A day
that ended while nothing ran is made up at the start and marked late. A day has one record, however
often it is looked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from typing_extensions import override

from fzalert.access.keys import verify as verify_signature
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.delivery import Caps, Prepared, prepare
from fzalert.errors import FzalertError, InputError
from fzalert.evidence import (
    HEAD_DOMAIN,
    HEADS,
    START,
    DayHead,
    Head,
    Link,
    day_head,
    encode_line,
    facts_of,
    known_ends,
    loads,
    read_head,
)
from fzalert.log import get_logger
from fzalert.messages import (
    ActorId,
    Lane,
    Mail,
    Rendition,
    ScriptRef,
    Target,
    TargetKind,
    Warning,
    WarningId,
    mailbox,
)
from fzalert.ports import Capabilities, Signer
from fzalert.service.building import Building
from fzalert.store import ChangeSet, EvidenceEntry, Store

__all__ = ["DailyHeads", "HeadKeeper"]

log = get_logger("fzalert.service")

LEGAL_TIME = ZoneInfo("Asia/Shanghai")
LONGEST_SLEEP = 600.0
"""Seconds: the machine's clock may be set meanwhile."""
AGAIN_AFTER = 60.0
ON_TIME = timedelta(hours=1)
"""A record that is made up to so long after its day is not late."""
MADE_UP = timedelta(days=30)
DAY_CHAIN = "store/"
MAIL_WITHIN = timedelta(hours=24)
MAKER = "machine:heads"
SCRIPT = "evidence-head"
"""What stands in the outbox where a warning names its script."""


class HeadKeeper:
    """Makes the record of each day in a store and in a file.

    Args:
        store: Whose chains they are.
        signer: Signs the records.
        file: Where they are kept besides.
        clock: Reader of time.
    """

    def __init__(self, store: Store, signer: Signer, file: Path, clock: Clock) -> None:
        self._store = store
        self._signer = signer
        self._file = file
        self._clock = clock
        self._recorded: list[str] = []

    async def run(self) -> None:
        """Make what is missing, then the record of each day as it ends, until cancelled."""
        while True:
            try:
                await self.make()
                wait = self._until_midnight()
            except FzalertError as error:
                log.warning("heads.failed", code=error.code)
                wait = AGAIN_AFTER
            await self._clock.sleep(min(wait, LONGEST_SLEEP))

    async def make(self) -> int:
        """Make the records of all days that have ended and have none; returns how many.

        Raises:
            StoreError: The disk refuses; it is tried again.
            IntegrityError: The records of the days before cannot be read.
        """
        rows = await self._rows()
        made = 0
        missing = await self._missing(rows)
        if missing:
            heads = await asyncio.to_thread(_read, rows)  # the first of them may be long
            for day in missing:
                made += await self._make(day, heads)
        if made:
            rows = await self._rows()
        await asyncio.to_thread(self._copy, rows)
        return made

    async def _rows(self) -> list[Link]:
        found = await self._store.evidence(HEADS)
        return [Link(row.seq, row.body, row.hash) for row in found]

    async def _missing(self, rows: Sequence[Link]) -> list[date]:
        """The days since the store's first that have ended and have no record, within a month.

        What is older is covered by the records that come after it. So a clock that was years off
        for an hour leaves a month of records, not thousands, and the true days get theirs.
        """
        yesterday = self._today() - timedelta(days=1)
        chains = await self._store.chains()
        first = min((name for name, _, _ in chains if name.startswith(DAY_CHAIN)), default="")
        day = date.fromisoformat(first.removeprefix(DAY_CHAIN)) if first else yesterday
        day = max(day, yesterday - MADE_UP)
        for row in rows[len(self._recorded) :]:
            event = loads(row.body)
            self._recorded.append(str(event.get("day", "")) if isinstance(event, Mapping) else "")
        days = [day + timedelta(days=n) for n in range((yesterday - day).days + 1)]
        return [one for one in days if one.isoformat() not in self._recorded]

    async def _make(self, day: date, heads: list[DayHead]) -> bool:
        end = datetime.combine(day + timedelta(days=1), time(), LEGAL_TIME)
        ends = {
            name: Head(seq, digest) for name, seq, digest in await self._store.ends(_millis(end))
        }
        ends.pop(HEADS, None)
        if not ends:
            return False  # there was no store yet
        now = self._clock.now()
        behind = now - end
        late = round(behind.total_seconds()) if behind > ON_TIME else 0
        # Of ten thousand chains it takes a good part of a second, which no warning waits for.
        head, signature = await asyncio.to_thread(self._signed, day, ends, heads, now, late)
        facts = facts_of(head, self._signer.public_key, signature)
        await self._keep(EvidenceEntry(HEADS, MAKER, "evidence.head", facts), head, signature)
        heads.append(head)
        log.info("heads.made", day=head.day, chains=head.count, late=head.late)
        return True

    async def _keep(self, entry: EvidenceEntry, head: DayHead, signature: bytes) -> None:
        """Write a record down."""
        del head, signature
        await self._store.commit(ChangeSet(evidence=(entry,)))

    def _signed(
        self, day: date, ends: dict[str, Head], heads: list[DayHead], now: datetime, late: int
    ) -> tuple[DayHead, bytes]:
        known = {name: one for name, (_, one) in known_ends(heads).items()}
        # A chain never gets shorter, whatever the clock said when the records before were made.
        ends |= {name: one for name, one in known.items() if one.seq > ends.get(name, START).seq}
        head = day_head(
            day.isoformat(),
            store=self._store.store_id,
            made_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            late=late,
            ends=ends,
            before=known,
        )
        return head, self._signer.sign(HEAD_DOMAIN, head.document)

    def _copy(self, rows: Sequence[Link]) -> None:
        """Add to the file what it has not; a file that says otherwise is left as it is, and told.

        It is written only at its end, so it may lie where nothing can be rewritten.
        """
        path = self._file
        whole = b"".join(encode_line(row) for row in rows)
        try:
            there = path.read_bytes() if path.exists() else b""
            if not whole.startswith(there):
                log.warning("heads.differ", file=path.name)
                return
            if there == whole:
                return
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(handle, whole[len(there) :])
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            log.warning("heads.not_copied", file=path.name, why=str(error.strerror))

    def _today(self) -> date:
        return self._clock.now().astimezone(LEGAL_TIME).date()

    def _until_midnight(self) -> float:
        end = datetime.combine(self._today() + timedelta(days=1), time(), LEGAL_TIME)
        return max(0.0, (end - self._clock.now()).total_seconds()) + 1.0


class DailyHeads(HeadKeeper):
    """Makes the record of each day, and mails it to a second unit.

    Args:
        building: The store, what signs the records, and the channel that mails them.
        settings: Where the records are kept besides, and who gets them.
        clock: Reader of time.
    """

    def __init__(self, building: Building, settings: Settings, clock: Clock) -> None:
        super().__init__(building.store, building.signer, settings.heads_file, clock)
        self._building = building
        self._settings = settings

    @override
    async def _keep(self, entry: EvidenceEntry, head: DayHead, signature: bytes) -> None:
        """Write a record down, and its mail in the same commit."""
        engine = self._building.engine
        async with engine.routing.shared():
            mail = await self._mailed(head, signature)
            accepts = () if mail is None else (mail.acceptance,)
            await self._store.commit(ChangeSet(evidence=(entry,), accepts=accepts))
            if mail is not None:
                engine.poke(mail.channels)
                engine.note_change()

    async def _mailed(self, head: DayHead, signature: bytes) -> Prepared | None:
        """The mail to the second unit; None where there is none, or nothing that mails."""
        address = self._settings.evidence.mail_to
        if not address:
            return None
        serving = {
            name: one
            for name, one in self._building.engine.channels.items()
            if one.serves(TargetKind.MAILBOX, address)
        }
        if not serving:
            log.warning("heads.not_mailed", day=head.day, why="no channel serves mailboxes")
            return None
        drill = self._settings.drill.enabled
        lines = (
            head.document.decode(),
            self._building.signer.public_key.hex(),
            signature.hex(),
            "",
        )
        mail = Mail(
            f"存证日首 {head.day}",
            "\n".join(lines),
            ScriptRef(SCRIPT, "general", "zh", 1, ""),
            drill,
        )
        now = self._clock.now()
        key = f"{SCRIPT}/{head.store}/{head.day}"
        warning = Warning(
            WarningId(self._building.ids.one()),
            SCRIPT,
            "zh",
            (mailbox(address),),
            {},
            Lane.BULK,
            _millis(now),
            _millis(now + MAIL_WITHIN),
            key,
            ActorId(MAKER),
            drill,
        )

        def render(target: Target, capabilities: Capabilities) -> Rendition:
            del target, capabilities
            return mail

        try:
            return await prepare(
                warning,
                hashlib.sha256(key.encode()).digest(),
                serving,
                render,
                self._building.store,
                self._building.ids,
                Caps(),
                lambda _: None,
            )
        except InputError as error:  # the record stands also where nobody can be mailed
            log.warning("heads.not_mailed", day=head.day, why=error.code)
            return None


def _read(rows: Sequence[Link]) -> list[DayHead]:
    return [read_head(row.body, verify_signature) for row in rows]


def _millis(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)
