"""What desks answer comes over the outcome feed, and becomes what the case knows.

The channel has verified the desk's signature before an answer is in the feed; so a receipt that
comes this way is of grade A, and its signed bytes are kept with the case. The position in the feed
is written in the same commit, so that a crash repeats nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from pydantic import ValidationError

from fzalert.clock import Clock
from fzalert.delivery import Engine
from fzalert.errors import GuardsUnmet, InputError
from fzalert.freeze.book import Around, CaseBook
from fzalert.freeze.commands import Acknowledge, Authority, Command, RecordReceipt
from fzalert.freeze.model import FreezeCase
from fzalert.freeze.results import Grade, Receipt
from fzalert.log import get_logger
from fzalert.messages import FeedKind, FeedRow, Proof, TargetKind
from fzalert.store import ChangeSet, StateRow, Store

__all__ = ["ANSWER", "AnswerReader"]

log = get_logger("fzalert.service")

ANSWER = "answer/"
"""Documents of a case that are a desk's signed answers, by application id and position."""
CURSOR = "freeze-cursor"
READER = "machine:answers"
"""Who acts where a desk's answer comes in."""
KEY = "freeze/"
DRILL = "desk-drill/"
"""Under which key the monthly test of a desk goes out."""
BATCH = 500
PERSIST_EVERY = 1000
IDLE = 30.0
UNREACHED = frozenset({"channel_down", "permanent"})
"""What a channel says where the desk certainly has nothing."""
OPENING = "line-opening"
"""Code of a channel that has not asked the desk yet: it may be reached in a moment."""
Refused: TypeAlias = Callable[[str, str, Authority, Sequence[StateRow]], Awaitable[bool]]


class AnswerReader:
    """Follows the feed for the answers of desks.

    Args:
        book: The cases.
        store: Keeps feed and cursor.
        engine: Tells when something changed.
        clock: Reader of time.
        refused: Told of a desk that a channel could not reach; says whether it wrote the rows.
        drilled: Told of a test that a desk acknowledged under its own signature.
    """

    def __init__(
        self,
        book: CaseBook,
        store: Store,
        engine: Engine,
        clock: Clock,
        refused: Refused | None = None,
        drilled: Callable[[str], Awaitable[object]] | None = None,
    ) -> None:
        self._drilled = drilled
        self._refused = refused
        self._book = book
        self._store = store
        self._engine = engine
        self._clock = clock
        self._cursor = -1
        self._kept = 0

    async def run(self) -> None:
        """Follow the feed, until cancelled."""
        if self._cursor < 0:
            rows = await self._store.state(CURSOR, "cursor")
            self._cursor = self._kept = int(rows[0][1]) if rows else 0
        while True:
            seen = self._engine.changes
            banks = {
                name
                for name, one in self._engine.channels.items()
                if TargetKind.BANK_DESK in one.capabilities.kinds
            }
            if not banks:
                await self._clock.sleep(IDLE)
            elif not await self._step(banks):
                await self._engine.changed(seen, IDLE)

    async def _step(self, banks: set[str]) -> bool:
        rows = await self._store.feed(self._cursor, BATCH)
        for row in rows:
            # An answer is a bank's, also where its channel was taken out of the settings since.
            if row.channel in banks or row.kind is FeedKind.ANSWER:
                await self._take(row)
            self._cursor = row.seq
        if self._cursor - self._kept >= PERSIST_EVERY:
            await self._store.commit(ChangeSet(state=(self._row(self._cursor),)))
            self._kept = self._cursor
        return bool(rows)

    async def _take(self, row: FeedRow) -> None:
        warning = await self._store.warning(row.warning) if row.warning else None
        key = "" if warning is None else warning.key
        if key.startswith(DRILL):
            await self._test_taken(row, key.removeprefix(DRILL))
        if not key.startswith(KEY):
            return
        application = key.removeprefix(KEY).rpartition("/")[0]
        if row.kind is FeedKind.RECEIPT and row.word in UNREACHED and row.code != OPENING:
            await self._unreached(row, application)
            return
        command = self._command(row, application)
        if command is None:
            return
        case_id = application.rsplit("-", 2)[0]
        body = row.payload

        async def look(case: FreezeCase, now: datetime) -> Around:
            del now
            state = [self._row(row.seq)]
            if body:
                name = f"{ANSWER}{application}/{row.seq}"
                state.append(await self._book.sealed_document(case.id, name, body))
            return Around(state=state)

        try:
            await self._book.do(case_id, command, look=look)
        except (GuardsUnmet, InputError) as error:
            # It is on record in the case; a person looks into it.
            why = ", ".join(error.guards) if isinstance(error, GuardsUnmet) else error.code
            log.warning("freeze.answer_refused", application=application, why=why)
            await self._store.commit(ChangeSet(state=(self._row(row.seq),)))

    async def _unreached(self, row: FeedRow, application: str) -> None:
        """Pass the desk over by its next way, where this row is the first to say so."""
        if self._refused is None:
            return
        by = Authority(READER, machine=True)
        try:
            await self._refused(application, row.channel, by, [self._row(row.seq)])
        except (GuardsUnmet, InputError) as error:
            log.warning("freeze.answer_refused", application=application, why=error.code)

    async def _test_taken(self, row: FeedRow, application: str) -> None:
        """Note that a desk signed for a test; said twice, the first time counts."""
        signed = row.kind is FeedKind.RECEIPT and row.word == "sent" and row.proof >= Proof.DEVICE
        if not signed or self._drilled is None:
            return
        try:
            await self._drilled(application)
        except InputError as error:  # a test that was forgotten meanwhile: twelve are kept
            log.warning("freeze.answer_refused", application=application, why=error.code)

    @staticmethod
    def _command(row: FeedRow, application: str) -> Command | None:
        by = Authority(READER, machine=True)
        if row.kind is FeedKind.RECEIPT and row.word == "sent" and row.proof >= Proof.DEVICE:
            return Acknowledge(by, application, row.channel)
        if row.kind is not FeedKind.ANSWER:
            return None
        try:
            receipt = _receipt(row.payload)
        except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
            why = type(error).__name__
            log.warning("freeze.answer_refused", application=application, why=why)
            return None
        if receipt.application_id != application:
            log.warning("freeze.answer_refused", application=application, why="another application")
            return None
        return RecordReceipt(by, receipt)

    @staticmethod
    def _row(seq: int) -> StateRow:
        return StateRow(CURSOR, "cursor", str(seq).encode())


def _receipt(wire: bytes) -> Receipt:
    """The receipt in a desk's signed answer, as well proved as its signature."""
    said = json.loads(wire)
    told = json.loads(said["document"])
    digest = hashlib.sha256(said["document"].encode()).hexdigest()
    proof = f"key {said['key_id']} sha256:{digest}"
    return Receipt.model_validate({**told, "grade": Grade.SIGNED, "proof": proof[:200]})
