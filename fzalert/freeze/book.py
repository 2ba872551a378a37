"""The book of cases: every change is decided, sealed and written in one commit.

One commit holds the events (sealed with the case's key), the deadlines that come and go with them,
a row of the case's evidence chain for each, and, where something goes to a bank, its message. What
is refused changes nothing but the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from weakref import WeakValueDictionary

from fzalert.clock import Clock
from fzalert.errors import GuardsUnmet, InputError, IntegrityError, StaleVersion, StoreError
from fzalert.evidence import Json, Link
from fzalert.freeze.commands import Authority, Command, Facts, OpenCase
from fzalert.freeze.daily import COUNTS, Daily
from fzalert.freeze.deadlines import Due, command_for, due
from fzalert.freeze.decide import Refusal, Refusals, decide
from fzalert.freeze.events import (
    Event,
    Refused,
    dump_event,
    load_event,
)
from fzalert.freeze.evolve import evolve, replay
from fzalert.freeze.keys import KEYS, CaseKey, Sealer
from fzalert.freeze.model import FreezeCase
from fzalert.freeze.next_steps import next_steps
from fzalert.freeze.policy import Policy
from fzalert.freeze.shelf import Shelf
from fzalert.store import (
    Acceptance,
    ChangeSet,
    Committed,
    Deadline,
    EvidenceEntry,
    StateRow,
    Store,
)
from fzalert.store import Event as StoredEvent

__all__ = ["Around", "CaseBook", "Change", "Entry", "Exhibit", "Look", "stream_of"]

ACCOUNTS = "freeze-account"
"""Namespace of the rows that find open measures by the blind index of their account."""
CASES = "freeze-case"
"""Namespace of the rows that list the cases; the value is `open` or `ended`."""
DOCUMENTS = "freeze-document"
"""Namespace of the documents of cases, each sealed with its case's key."""
ONCE = "freeze-once"
"""Namespace of the keys under which changes were asked for; see `commands.Once`."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TRIES = 5


def stream_of(case_id: str) -> str:
    """Name of a case's stream, of its evidence chain, and of its deadlines' owner."""
    return f"case/{case_id}"


@dataclass(frozen=True, slots=True)
class Around:
    """What lies outside a case and goes with a decision about it.

    Attributes:
        facts: What the decision rests on.
        accepts: Messages that go out with it, in the same commit.
        state: Rows that are written in the same commit.
    """

    facts: Facts = field(default_factory=Facts)
    accepts: Sequence[Acceptance] = ()
    state: Sequence[StateRow] = ()


Look: TypeAlias = Callable[[FreezeCase, datetime], Awaitable[Around]]
"""Asked with the very case and time that are decided about, so that nothing lies between."""


Fire: TypeAlias = Callable[[str, Due, Deadline, Authority], Awaitable[None]]
"""Does what a deadline of a case asks for, and removes its row in the same commit."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a command led to.

    Attributes:
        case: The case afterwards.
        events: What happened; empty where nothing changed.
        committed: The store's answer, with the accepted messages.
    """

    case: FreezeCase
    events: tuple[Event, ...]
    committed: Committed | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a case, as history shows it."""

    version: int
    event: Event


@dataclass(frozen=True, slots=True, repr=False)
class Exhibit:
    """A case as it is stored, and the key that opens it.

    Attributes:
        key: The case's key, 32 bytes.
        events: Name, sealed body and plain body of each event.
        chain: The case's evidence chain.
    """

    key: bytes
    events: Sequence[tuple[str, bytes, bytes]]
    chain: Sequence[Link]


class CaseBook:
    """Opens, reads and changes cases.

    Args:
        store: Where everything stands.
        sealer: The store's vault.
        policy: The rules in force.
        clock: Reader of time.

    Attributes:
        policy: The rules in force.
        on_change: Called after every event that was written, by whomever: pages look again.
    """

    def __init__(self, store: Store, sealer: Sealer, policy: Policy, clock: Clock) -> None:
        self.policy = policy
        self.on_change: Callable[[], None] = _nobody
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._daily = Daily(store, policy)
        # A lock lives as long as somebody holds it or waits for it.
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._shelf = Shelf()
        self._stuck = 0

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.fromtimestamp(self._clock.millis() / 1000, UTC)

    # -- reading ---------------------------------------------------------------------------

    async def case(self, case_id: str) -> FreezeCase:
        """A case as it stands.

        Raises:
            InputError: There is no such case, or its key was destroyed.
            IntegrityError: An event was altered.
        """
        known = self._shelf.get(case_id)
        if known is not None:
            return known
        drops = self._shelf.drops
        history = await self.history(case_id)
        case = replay((entry.event for entry in history), case_id, self._stop)
        if case is None:
            raise InputError("There is no such case.", field="case")
        return self._shelf.put(case, drops)

    async def history(self, case_id: str) -> list[Entry]:
        """Every event of a case, in order.

        Raises:
            InputError: There is no such case, or its key was destroyed.
            IntegrityError: An event was altered.
        """
        key = await self._key(case_id)
        return [
            Entry(version, load_event(key.open(version, event.body)))
            for version, _, event in await self._store.events(stream_of(case_id))
        ]

    async def exhibit(self, case_id: str) -> Exhibit:
        """Everything that an evidence bundle is made of.

        Raises:
            InputError: There is no such case, or its key was destroyed.
            IntegrityError: An event was altered.
        """
        key = await self._key(case_id)
        stream = stream_of(case_id)
        return Exhibit(
            key.raw,
            [
                (event.name, event.body, key.open(version, event.body))
                for version, _, event in await self._store.events(stream)
            ],
            [Link(row.seq, row.body, row.hash) for row in await self._store.evidence(stream)],
        )

    async def bodies(self, chain: str) -> list[bytes]:
        """The events of an evidence chain, as they stand in the store."""
        return [row.body for row in await self._store.evidence(chain)]

    def forget(self, case_id: str) -> None:
        """Keep nothing of a case at hand, since its key was destroyed."""
        self._shelf.drop(case_id)

    async def cases(self, *, ended: bool = False) -> list[str]:
        """The ids of the open cases, or of all of them."""
        rows = await self._store.state(CASES)
        return [case_id for case_id, value in rows if ended or value == b"open"]

    async def find_account(self, account_key: str) -> list[tuple[str, str]]:
        """Where an account has an open measure: case and measure. Nothing is decrypted for it."""
        rows = await self._store.state(ACCOUNTS, self._index(account_key) + "/")
        found = []
        for key, value in rows:
            _, case_id, measure = key.split("/", 2)
            if value == b"open":
                found.append((case_id, measure))
        return found

    async def counted(self, who: str) -> int:
        """How many instructions a person prepared or approved today, or of a unit by its code."""
        return await self._daily.counted(who, self.now())

    @contextlib.asynccontextmanager
    async def look_at_plain(
        self, who: str
    ) -> AsyncIterator[tuple[list[StateRow], list[EvidenceEntry]]]:
        """Count a look at data in plain; what is given goes into the commit that records the look.

        Args:
            who: The person, by actor id.

        Raises:
            AccessDenied: The person has looked as often as anybody may in a day.
        """
        async with self._daily.look(who, self.now()) as counted:
            yield counted

    async def sealed_document(self, case_id: str, name: str, body: bytes) -> StateRow:
        """The row that keeps a document, for the commit that attaches it.

        Args:
            case_id: The case.
            name: Under which it is found, such as its hash.
            body: Its bytes.

        Raises:
            InputError: There is no such case.
        """
        key = await self._key(case_id)
        return StateRow(DOCUMENTS, f"{case_id}/{name}", key.seal_document(name, body))

    async def documents(self, case_id: str, prefix: str = "") -> dict[str, bytes]:
        """The documents of a case by name, or those whose name begins with a text.

        Raises:
            InputError: There is no such case.
            IntegrityError: One was altered.
        """
        key = await self._key(case_id)
        rows = await self._store.state(DOCUMENTS, f"{case_id}/{prefix}")
        named = [(found.removeprefix(f"{case_id}/"), blob) for found, blob in rows]
        return {name: key.open_document(name, blob) for name, blob in named}

    async def _key(self, case_id: str) -> CaseKey:
        key = await CaseKey.load(case_id, self._store, self._sealer)
        if key is None:
            raise InputError(
                "There is no such case, or its key was destroyed.",
                hint="`fzalert freeze board` lists the cases.",
                field="case",
            )
        return key

    # -- changing --------------------------------------------------------------------------

    async def do(
        self,
        case_id: str,
        command: Command,
        facts: Facts | None = None,
        *,
        accepts: Sequence[Acceptance] = (),
        look: Look | None = None,
        fired: Deadline | None = None,
    ) -> Change:
        """Decide about a command and write what follows.

        Args:
            case_id: The case; for `OpenCase` the id that it gets.
            command: What is asked.
            facts: What lies outside the case; what other cases hold is looked up here.
            accepts: Messages that go out with it, in the same commit.
            look: Asked for facts, messages and rows, instead of the two before.
            fired: The deadline that asks, removed in the same commit.

        Raises:
            GuardsUnmet: Against the rules; every unmet guard is named, and it is on record.
            InputError: There is no such case.
            StoreError: The disk refuses, or others kept changing the case meanwhile.
        """
        lock = self._changing.setdefault(case_id, asyncio.Lock())
        async with lock:
            around = Around(facts or Facts(), accepts)
            return await self._decided(case_id, command, around, look, fired)

    async def unmet(
        self, case_id: str, *commands: Command, facts: Facts | None = None
    ) -> list[tuple[Refusal, ...]]:
        """What would stand against commands, one after another; nothing is done or recorded.

        Args:
            case_id: The case.
            commands: Each is asked of the case as it would be after those before.
            facts: What lies outside the case; what other cases hold is looked up here.

        Returns:
            The refusals of each command, none where it may be done; it ends with the first that
            is refused.

        Raises:
            InputError: There is no such case.
        """
        case = await self.case(case_id)
        found: list[tuple[Refusal, ...]] = []
        for command in commands:
            looked = await self._looked_up(case, command, facts or Facts())
            asked = await self._daily.informed(command, self.now())
            answer = decide(case, asked, self.policy, self.now(), looked)
            if isinstance(answer, Refusals):
                return [*found, answer.refusals]
            for event in answer:
                case = evolve(case, event, case_id, self._stop)
            found.append(())
        return found

    async def _decided(
        self,
        case_id: str,
        command: Command,
        around: Around,
        look: Look | None,
        fired: Deadline | None,
    ) -> Change:
        for _ in range(_MOST_TRIES):
            case = None if isinstance(command, OpenCase) else await self.case(case_id)
            now = self.now()
            if look is not None and case is not None:
                around = await look(case, now)
            facts = await self._looked_up(case, command, around.facts)
            async with self._daily.turn(command):
                change = await self._settled(case_id, case, command, now, facts, around, fired)
            if change is not None:
                return change
        raise StoreError("The case kept changing meanwhile.", hint="Try again.")

    async def _settled(
        self,
        case_id: str,
        case: FreezeCase | None,
        command: Command,
        now: datetime,
        facts: Facts,
        around: Around,
        fired: Deadline | None,
    ) -> Change | None:
        """Decide and write; None where somebody else changed the case meanwhile."""
        command = await self._daily.informed(command, now)
        answer = decide(case, command, self.policy, now, facts)
        refused = isinstance(answer, Refusals)
        events = (
            (self._refusal(case, answer, command, now),)
            if isinstance(answer, Refusals)
            else tuple(answer)
        )
        if isinstance(answer, Refusals) and case is None:
            await self._refused_outside(answer, command)
            raise _unmet(answer)
        if not events:
            gone = () if fired is None else (_removed(fired),)
            rows = _once_rows(case_id, (), command.by)
            if gone or rows:
                await self._store.commit(ChangeSet(deadlines=gone, state=tuple(rows)))
            return Change(await self.case(case_id), (), None)
        try:
            with_it = Around() if refused else around
            after, committed = await self._write(case_id, case, events, with_it, command.by, fired)
        except BaseException as error:
            self._shelf.drop(case_id)
            if isinstance(error, StaleVersion):
                return None
            raise
        _ = self._shelf.put(after)
        self.on_change()
        if isinstance(answer, Refusals):
            raise _unmet(answer)
        for alarm in self._daily.alarms(events, command.by):
            if alarm.is_new:
                alarm.tell()
        return Change(after, events, committed)

    async def _write(
        self,
        case_id: str,
        case: FreezeCase | None,
        events: Sequence[Event],
        around: Around,
        by: Authority,
        fired: Deadline | None,
    ) -> tuple[FreezeCase, Committed]:
        key = (
            CaseKey.new(case_id)
            if case is None
            else await CaseKey.load(case_id, self._store, self._sealer)
        )
        if key is None:
            raise IntegrityError("The case's key is gone.", hint="Restore the store's backup.")
        after = case
        sealed: list[StoredEvent] = []
        evidence: list[EvidenceEntry] = []
        version = 0 if case is None else case.version
        for event in events:
            version += 1
            after = evolve(after, event, case_id, self._stop)
            body = key.seal(version, dump_event(event))
            sealed.append(StoredEvent(event.type, body, event.by))
            evidence.append(self._record(case_id, version, event, body))
        if after is None:
            raise ValueError("a change without events")
        rows = [] if case is not None else [key.row(self._sealer)]
        rows += self._index_rows(case, after)
        alarms = self._daily.alarms(events, by)
        evidence += [alarm.entry(by.actor) for alarm in alarms if alarm.is_new]
        rows += self._daily.rows(case_id, events, by)
        rows += await self._daily.alarm_rows(alarms, self.now())
        rows += _once_rows(case_id, events, by)
        rows += around.state
        before = () if case is None else due(case, self.policy)
        changes = ChangeSet(
            events=tuple(sealed),
            stream=stream_of(case_id),
            expected_version=0 if case is None else case.version,
            accepts=tuple(around.accepts),
            deadlines=tuple(self._deadlines(case_id, before, due(after, self.policy), fired)),
            evidence=tuple(evidence),
            state=tuple(rows),
        )
        return after, await self._store.commit(changes)

    # -- deadlines -------------------------------------------------------------------------

    async def run_due(self, by: Authority, limit: int = 200, *, fire: Fire | None = None) -> int:
        """Fire what has fallen due, soonest first; returns how many.

        Args:
            by: Who acts.
            limit: How many at most.
            fire: Does what a standing deadline asks for; its command alone unless given.

        A deadline that no longer stands in its case is removed. One that fails stays, and the
        others go on; the first error is raised at the end.
        """
        # Those that failed last time lie in front; they must not keep the others from their turn.
        rows = await self._store.deadlines(self._clock.millis(), limit + self._stuck)
        mine = [row for row in rows if row.owner.startswith("case/")]
        broken: list[Exception] = []
        for row in mine:
            try:
                await self._fire(row, by, fire)
            except (InputError, IntegrityError, StoreError) as error:
                broken.append(error)
        self._stuck = len(broken)
        if broken:
            raise broken[0]
        return len(mine)

    async def next_due(self) -> datetime | None:
        """When the next deadline falls due."""
        rows = await self._store.deadlines(2**62, 1)
        if not rows or rows[0].due_at is None:
            return None
        return datetime.fromtimestamp(rows[0].due_at / 1000, UTC)

    async def _fire(self, row: Deadline, by: Authority, fire: Fire | None) -> None:
        case_id = row.owner.removeprefix("case/")
        case = await self.case(case_id)
        standing = {_name(one): one for one in due(case, self.policy)}
        one = standing.get(row.name)
        if one is None:
            await self._store.commit(ChangeSet(deadlines=(_removed(row),)))
        elif _millis(one.due_at) != row.due_at:
            # Set under other rules; it falls due when the present ones say.
            moved = Deadline(row.owner, row.name, _millis(one.due_at), _body(one))
            await self._store.commit(ChangeSet(deadlines=(moved,)))
        elif fire is None:
            await self.do(case_id, command_for(one, by), fired=row)
        else:
            await fire(case_id, one, row, by)

    def _deadlines(
        self, case_id: str, before: Sequence[Due], after: Sequence[Due], fired: Deadline | None
    ) -> list[Deadline]:
        """What is set and removed; one that stands in both was set already, or has fired."""
        owner = stream_of(case_id)
        old = {_name(one): one for one in before}
        new = {_name(one): one for one in after}
        rows = [Deadline(owner, name, None) for name in old.keys() - new.keys()]
        rows += [
            Deadline(owner, name, _millis(one.due_at), _body(one))
            for name, one in new.items()
            if name not in old or old[name].due_at != one.due_at
        ]
        # A command may have set the very deadline anew; otherwise what fired is gone.
        if fired is not None and all(row.name != fired.name for row in rows):
            rows.append(_removed(fired))
        return rows

    # -- parts -----------------------------------------------------------------------------

    @property
    def _stop(self) -> timedelta:
        return self.policy.hours("stop_hours")

    def _index(self, account_key: str) -> str:
        return self._sealer.blind_index(f"account/{account_key}").hex()

    async def _looked_up(self, case: FreezeCase | None, command: Command, facts: Facts) -> Facts:
        measure = None if case is None else case.measures.get(getattr(command, "measure", ""))
        if case is None or measure is None:
            return facts
        found = await self.find_account(measure.account.key)
        elsewhere = {measure.account.key} if any(id_ != case.id for id_, _ in found) else set()
        return replace(facts, open_elsewhere=frozenset(facts.open_elsewhere | elsewhere))

    def _index_rows(self, before: FreezeCase | None, after: FreezeCase) -> list[StateRow]:
        rows = []
        state = b"ended" if after.has_ended else b"open"
        rows.append(StateRow(CASES, after.id, state))
        known = {} if before is None else before.measures
        for id_, measure in after.measures.items():
            old = known.get(id_)
            if old is not None and old.account.key != measure.account.key:
                rows.append(StateRow(ACCOUNTS, self._row_key(after.id, id_, old.account.key), None))
            value = b"ended" if measure.is_final else b"open"
            changed = old is None or old.is_final != measure.is_final
            if changed or old is None or old.account.key != measure.account.key:
                key = self._row_key(after.id, id_, measure.account.key)
                rows.append(StateRow(ACCOUNTS, key, value))
        return rows

    def _row_key(self, case_id: str, measure: str, account_key: str) -> str:
        return f"{self._index(account_key)}/{case_id}/{measure}"

    def _record(self, case_id: str, version: int, event: Event, body: bytes) -> EvidenceEntry:
        """One row of the case's chain: what happened and the hash of its sealed body."""
        facts: dict[str, Json] = {
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "version": version,
            "policy": f"{self.policy.name} {self.policy.version}",
        }
        measure = getattr(event, "measure", "")
        if measure:
            facts["measure"] = measure
        if isinstance(event, Refused):
            facts["command"] = event.command
            facts["guards"] = list(event.guards)
        return EvidenceEntry(stream_of(case_id), event.by, event.type, facts)

    async def _refused_outside(self, answer: Refusals, command: Command) -> None:
        """Put on the store's own chain what was refused before there was a case."""
        facts: dict[str, Json] = {"command": answer.command, "guards": list(answer.guards)}
        entry = EvidenceEntry("store", command.by.actor, "case.refused", facts)
        await self._store.commit(ChangeSet(evidence=(entry,)))

    def _refusal(
        self, case: FreezeCase | None, answer: Refusals, command: Command, now: datetime
    ) -> Refused:
        # Whoever took an account's number for the name of a measure does not put it on record.
        is_known = case is not None and answer.measure in case.measures
        return Refused(
            at=now,
            by=command.by.actor,
            measure=answer.measure if is_known else "",
            command=answer.command,
            guards=answer.guards,
        )


def _once_rows(case_id: str, events: Sequence[Event], by: Authority) -> list[StateRow]:
    """The row of the key that the change was asked for under; a refusal uses no key up."""
    once = by.once
    if once is None or any(isinstance(event, Refused) for event in events):
        return []
    value = {
        "for": once.stands_for,
        "case": case_id,
        "at": once.at,
        "left": list(once.left),
        "told": list(once.told),
    }
    return [StateRow(ONCE, once.name, json.dumps(value).encode())]


def _nobody() -> None:
    """Nobody wants to know."""


def _unmet(answer: Refusals) -> GuardsUnmet:
    reasons = tuple((one.guard, one.zh, one.en, one.source) for one in answer.refusals)
    details = "; ".join(
        f"{one.guard}: {one.en}" + (f" ({one.detail})" if one.detail else "")
        for one in answer.refusals
    )
    return GuardsUnmet(
        f"{answer.command} is refused. {details}",
        reasons=reasons,
        details=tuple(_exactly(one) for one in answer.refusals),
        hint=f"{next_steps(one.guard for one in answer.refusals)} 没有执行，已记录在案。"
        "Nothing was done; the refusal is on record.",
    )


def _exactly(refusal: Refusal) -> str:
    """What exactly is not met, and at which field."""
    return " · ".join(part for part in (refusal.detail, refusal.field) if part)


def _removed(row: Deadline) -> Deadline:
    return Deadline(row.owner, row.name, None)


def _name(one: Due) -> str:
    return f"{one.measure}/{one.application_id}/{one.name}"


def _millis(moment: datetime) -> int:
    """Milliseconds since the epoch, rounded up: nothing fires before its time."""
    return -(-((moment - _EPOCH) // timedelta(microseconds=1)) // 1000)


def _body(one: Due) -> bytes:
    return json.dumps({"kind": one.kind, "base": one.base_at.isoformat()}).encode()


__all__ += ["ACCOUNTS", "CASES", "COUNTS", "DOCUMENTS", "KEYS", "ONCE"]
