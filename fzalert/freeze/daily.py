"""How much one person and one unit may do in a day, and the alarm before that is reached.

What counts is written in the commit of the act itself, and acts that count are decided one after
another, so no two of them use the last place together. What the program does by itself (it sends
again, it fires a deadline) never counts: a limit is a brake on people.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fzalert.errors import AccessDenied
from fzalert.evidence import Json
from fzalert.freeze.commands import Approve, Authority, Command, MarkSent, Prepare
from fzalert.freeze.events import (
    Event,
    InstructionApproved,
    InstructionPrepared,
    InstructionSent,
)
from fzalert.freeze.policy import Policy
from fzalert.freeze.values import legal_day
from fzalert.log import get_logger
from fzalert.store import ChangeSet, EvidenceEntry, StateRow, Store

log = get_logger("fzalert.freeze")

__all__ = ["COUNTS", "LIMITS", "Alarm", "Daily", "alarms_of_day"]

COUNTS = "freeze-count"
"""Namespace of the rows by which a day's instructions of a person and of a unit are counted."""
SENDS = "freeze-sent-count"
"""The same for what was sent."""
LIMITS = "freeze-limit"
"""Namespace of the alarms of a day: who is near a limit, or has reached it."""
REVEALS = "freeze-reveal-count"
"""The same for looks at data in plain."""
_NAMESPACES = {"measures": COUNTS, "sends": SENDS, "reveals": REVEALS}
_LIMIT_NAMES = {
    "measures": ("officer_daily", "unit_daily"),
    "sends": ("officer_sends_daily", "unit_sends_daily"),
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Somebody is near a limit of the day, or has reached it.

    Attributes:
        of: The person's actor id, or the code of the unit.
        kind: measures (prepared and approved), sends, or reveals (looks at data in plain).
        count: How many so far, this one included.
        limit: How many there may be.
        is_new: Whether this act crossed the line; otherwise it was crossed before.
    """

    of: str
    kind: str
    count: int
    limit: int
    is_new: bool = False

    @property
    def reached(self) -> bool:
        """Whether the next act is refused."""
        return self.count >= self.limit

    def tell(self) -> None:
        """Tell the log."""
        log.warning("freeze.limit", of=self.of, kind=self.kind, count=self.count, limit=self.limit)

    def entry(self, actor: str) -> EvidenceEntry:
        """The row of the record."""
        facts: dict[str, Json] = {
            "of": self.of,
            "kind": self.kind,
            "count": self.count,
            "limit": self.limit,
        }
        what = "limit.reached" if self.reached else "limit.near"
        return EvidenceEntry("store", actor, what, facts)


class Daily:
    """Counts a day's acts by person and by unit.

    Args:
        store: Where the counts stand.
        policy: Its limits.
    """

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._policy = policy
        self._one_by_one = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def turn(self, command: Command) -> AsyncIterator[None]:
        """Held from the count to the commit of an act that counts; others pass at once."""
        if not _counts(command):
            yield
            return
        async with self._one_by_one:
            yield

    async def informed(self, command: Command, now: datetime) -> Command:
        """The same command, and the day's counts with who asks."""
        if not _counts(command):
            return command
        by = command.by
        told = replace(
            by,
            today=await self.counted(by.actor, now),
            unit_today=await self.counted(by.unit, now),
            sent_today=await self.counted(by.actor, now, "sends"),
            unit_sent_today=await self.counted(by.unit, now, "sends"),
        )
        return replace(command, by=told)

    @contextlib.asynccontextmanager
    async def look(
        self, who: str, now: datetime
    ) -> AsyncIterator[tuple[list[StateRow], list[EvidenceEntry]]]:
        """Count a look of a person at data in plain; the rows go into the commit that records it.

        Raises:
            AccessDenied: The person has looked as often as anybody may in a day; on record.
        """
        limit = self._policy.limit("officer_reveals_daily")
        async with self._one_by_one:
            count = await self.counted(who, now, "reveals") + 1
            alarm = Alarm(who, "reveals", count, limit, count in {self._near(limit), limit})
            if count > limit:
                facts: dict[str, Json] = {"of": who, "kind": "reveals", "limit": limit}
                entry = EvidenceEntry("store", who, "limit.refused", facts)
                await self._store.commit(ChangeSet(evidence=(entry,)))
                raise AccessDenied(
                    f"Nobody looks at more than {limit} cases in plain in a day.",
                    hint="A head raises officer_reveals_daily in the policy, or another person"
                    " looks; it is on record.",
                )
            key = f"{legal_day(now)}/{who}/{count:06d}"
            near = [alarm] if count >= self._near(limit) else []
            rows = [StateRow(REVEALS, key, b"1"), *await self.alarm_rows(near, now)]
            yield rows, [alarm.entry(who)] if alarm.is_new else []
        if alarm.is_new:
            alarm.tell()

    def _near(self, limit: int) -> int:
        return -(-limit * self._policy.limit("daily_alarm_percent") // 100)

    async def counted(self, who: str, now: datetime, kind: str = "measures") -> int:
        """How many acts of a person, by actor id, or of a unit, by its code, there are today."""
        if not who:
            return 0
        return len(await self._store.state(_NAMESPACES[kind], f"{legal_day(now)}/{who}/"))

    def rows(self, case_id: str, events: Sequence[Event], by: Authority) -> list[StateRow]:
        """The rows that count what happens, for its commit."""
        rows = []
        for event in () if by.machine else events:
            kind = _kind_of(event)
            if kind:
                step = getattr(event, "step", "")
                one = f"{case_id}/{getattr(event, 'id', '')}/{event.type}/{step}".rstrip("/")
                rows += [
                    StateRow(_NAMESPACES[kind], f"{legal_day(event.at)}/{who}/{one}", b"1")
                    for who in _who(by)
                ]
        return rows

    def alarms(self, events: Sequence[Event], by: Authority) -> list[Alarm]:
        """Who is near a limit, or at it, once this has happened.

        Args:
            events: What happens.
            by: Who asks, with the day's counts as `informed` told them.
        """
        found = []
        for kind in [] if by.machine else [_kind_of(event) for event in events]:
            if not kind:
                continue
            before = (by.today, by.unit_today)
            if kind == "sends":
                before = (by.sent_today, by.unit_sent_today)
            names = zip((by.actor, by.unit), before, _LIMIT_NAMES[kind], strict=True)
            for who, count, name in names:
                limit = self._policy.limit(name)
                near = self._near(limit)
                now = count + 1
                if who and now >= near:
                    found.append(Alarm(who, kind, now, limit, now in {near, limit}))
        return found

    async def alarm_rows(self, alarms: Sequence[Alarm], now: datetime) -> list[StateRow]:
        """The rows by which the status knows of alarms; those of earlier days go."""
        if not alarms:
            return []
        day = legal_day(now)
        kept = await self._store.state(LIMITS)
        old = [StateRow(LIMITS, key, None) for key, _ in kept if not key.startswith(f"{day}/")]
        return old + [
            StateRow(
                LIMITS, f"{day}/{one.kind}/{one.of}", json.dumps([one.count, one.limit]).encode()
            )
            for one in alarms
        ]


async def alarms_of_day(store: Store, now: datetime) -> list[Alarm]:
    """Who is near a limit today, or has reached it."""
    found = []
    for key, value in await store.state(LIMITS, f"{legal_day(now)}/"):
        _, kind, who = key.split("/", 2)
        found.append(Alarm(who, kind, *json.loads(value)))
    return found


def _counts(command: Command) -> bool:
    return isinstance(command, Prepare | Approve | MarkSent) and not command.by.machine


def _kind_of(event: Event) -> str:
    if isinstance(event, InstructionPrepared | InstructionApproved):
        return "measures"
    return "sends" if isinstance(event, InstructionSent) else ""


def _who(by: Authority) -> list[str]:
    return [by.actor, *([by.unit] if by.unit else [])]
