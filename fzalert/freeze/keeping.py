"""How long cases are kept: after it the key of a case is destroyed, and with it what it sealed.

A case is closed once none of its measures is open; its time runs from its last entry. A legal hold
stops it. What is destroyed with the key: the documents, the messages to banks with their answers,
and the index of accounts. What stays is the evidence: that there was such a case, who did what when
under which number, and the hash of each sealed event. It verifies as before.

Source: PIPL art. 19 (no longer than necessary), art. 47 (deletion).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dateutil.relativedelta import relativedelta

from fzalert.clock import Clock
from fzalert.errors import FzalertError, InputError
from fzalert.evidence import Json
from fzalert.freeze.book import ACCOUNTS, CASES, DOCUMENTS, CaseBook, stream_of
from fzalert.freeze.keys import KEYS, CaseKey, Sealer
from fzalert.log import get_logger
from fzalert.store import ChangeSet, EvidenceEntry, SqliteStore, StateRow
from fzalert.store.sqlite.shredding import Shredding

__all__ = ["HOLDS", "KEEP_YEARS", "Expiring", "Keeping"]

log = get_logger("fzalert.service")

HOLDS = "freeze-hold"
"""Namespace of legal holds: one row a case, that names the document with the reason."""
KEEP_YEARS = "case_keep_years"
"""The limit of the policy; without it nothing is ever destroyed."""
_PREFIX = "case/"


@dataclass(frozen=True, slots=True)
class Expiring:
    """A closed case and its time.

    Attributes:
        case: Its id.
        closed_at: Its last entry.
        keep_until: When its key is to be destroyed.
        held: Whether a legal hold stops that.
        due: Whether the time has come.
    """

    case: str
    closed_at: datetime
    keep_until: datetime
    held: bool
    due: bool


class Keeping:
    """Finds the cases whose time is over, and destroys their keys.

    Args:
        store: Where they stand.
        book: Reads them.
        sealer: The store's vault.
        clock: Reader of time.
    """

    def __init__(self, store: SqliteStore, book: CaseBook, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._sealer = sealer
        self._clock = clock

    async def expiring(self, within: timedelta = timedelta()) -> list[Expiring]:
        """The closed cases whose time is over within a span from now, the oldest first."""
        limit = self._book.policy.limits.get(KEEP_YEARS)
        if limit is None:
            return []
        now = self._book.now()
        state = dict(await self._store.state(CASES))
        held = {case for case, _ in await self._store.state(HOLDS)}
        found: list[Expiring] = []
        for stream, at in (await self._store.last_events(_PREFIX)).items():
            case = stream.removeprefix(_PREFIX)
            closed = datetime.fromtimestamp(at / 1000, UTC)
            until = closed + relativedelta(years=limit.value)
            if until > now + within or case not in state:
                continue
            if state[case] != b"ended" and not await self._has_ended(case):
                continue
            found.append(Expiring(case, closed, until, case in held, until <= now))
        return sorted(found, key=lambda one: one.keep_until)

    async def _has_ended(self, case_id: str) -> bool:
        case = await self._book.case(case_id)
        return all(one.is_final for one in case.measures.values())

    async def hold(self, case_id: str, reason: str, by: str) -> None:
        """Keep a case beyond its time.

        Args:
            case_id: The case.
            reason: Why; it is sealed with the case's key.
            by: The actor's id.

        Raises:
            InputError: There is no such case, or its key was destroyed.
        """
        await self._write(case_id, "hold", reason, by)

    async def lift(self, case_id: str, reason: str, by: str) -> None:
        """Keep a case no longer than its time.

        Args:
            case_id: The case.
            reason: Why; it is sealed with the case's key.
            by: The actor's id.

        Raises:
            InputError: There is no such case, or nothing holds it.
        """
        if case_id not in {case for case, _ in await self._store.state(HOLDS, case_id)}:
            raise InputError("No legal hold is on this case.", field="case")
        await self._write(case_id, "unhold", reason, by)

    async def _write(self, case_id: str, what: str, reason: str, by: str) -> None:
        """One commit: the hold or its end, the reason sealed as a document, and the record."""
        key = await self._key(case_id)
        at = self._book.now().isoformat(timespec="milliseconds")
        name = f"{what}-{at}"
        plain = json.dumps({"reason": reason, "by": by, "at": at}, ensure_ascii=False).encode()
        sealed = key.seal_document(name, plain)
        digest = hashlib.sha256(sealed).hexdigest()
        held = name.encode() if what == "hold" else None
        await self._store.commit(
            ChangeSet(
                state=(
                    StateRow(HOLDS, case_id, held),
                    StateRow(DOCUMENTS, f"{case_id}/{name}", sealed),
                ),
                evidence=(
                    EvidenceEntry(stream_of(case_id), by, f"case.{what}", {"sha256": digest}),
                ),
            )
        )

    async def destroy_due(self, by: str) -> list[str]:
        """Destroy the key of every case whose time is over and that nothing holds; returns them.

        One that cannot be destroyed now stays, and is tried again.
        """
        gone = []
        for one in await self.expiring():
            if one.held:
                continue
            try:
                await self._destroy(one, by)
            except FzalertError as error:
                log.warning("freeze.not_destroyed", case=one.case, code=error.code)
                continue
            gone.append(one.case)
        return gone

    async def _destroy(self, one: Expiring, by: str) -> None:
        rows = {key: value for key, value in await self._store.state(KEYS, one.case)}
        wrapped = rows.get(one.case)
        if wrapped is None:
            return
        accounts = [
            (ACCOUNTS, key)
            for key, _ in await self._store.state(ACCOUNTS)
            if key.split("/", 2)[1] == one.case
        ]
        limit = self._book.policy.limits[KEEP_YEARS]
        closed = one.closed_at.isoformat(timespec="seconds")
        facts: dict[str, Json] = {"closed": closed, "years": limit.value}
        what = Shredding(
            [(KEYS, one.case), (CASES, one.case), (HOLDS, one.case), *accounts],
            [(DOCUMENTS, f"{one.case}/")],
            f"freeze/{one.case}-",
            stream_of(one.case),
            EvidenceEntry(stream_of(one.case), by, "case.destroy", facts),
        )
        is_gone = await self._store.shred(what, wrapped)
        self._book.forget(one.case)
        log.info("freeze.destroyed", case=one.case)
        if not is_gone:
            log.warning("freeze.key_residue", case=one.case)

    async def _key(self, case_id: str) -> CaseKey:
        key = await CaseKey.load(case_id, self._store, self._sealer)
        if key is None:
            raise InputError("There is no such case, or its key was destroyed.", field="case")
        return key
