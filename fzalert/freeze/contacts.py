"""The directory of desks on the store: every change is on record, and reaches the channels.

One commit holds the event (sealed, since it names people), a row of evidence that names nobody, and
the rows by which a channel finds the desk. A channel knows an address by these rows alone: what two
persons did not agree on, or what is too new, cannot be sent to.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from pydantic import ValidationError

from fzalert.access import Actor, Role
from fzalert.clock import Clock
from fzalert.errors import AccessDenied, InputError, IntegrityError, StaleVersion
from fzalert.freeze.directory import (
    Change,
    ChangeApproved,
    ChangeDropped,
    ChangeProposed,
    Desk,
    DeskAnswered,
    DeskEvent,
    DeskTested,
    Directory,
    dump_desk_event,
    load_desk_event,
)
from fzalert.freeze.keys import Sealer
from fzalert.log import get_logger
from fzalert.ports import DESK_ROWS, DeskRow
from fzalert.store import Acceptance, ChangeSet, Event, EvidenceEntry, StateRow, Store

__all__ = ["Approval", "ContactBook", "Notice"]

STREAM = "desks"
MONTHLY = "machine:monthly-drill"
"""Who sends the monthly test."""
SIGNED = "machine:answers"
"""Who notes an acknowledgement that a desk has signed."""
_COLUMN = "state.value"
_MOST_TRIES = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROVED_WITHIN = timedelta(minutes=5)
_CHANGES = (Role.ADMIN, Role.DUTY_OFFICER, Role.DETECTIVE)
_log = get_logger("fzalert.freeze")
_Decision: TypeAlias = Callable[[Directory], DeskEvent]


@dataclass(frozen=True, slots=True)
class Notice:
    """What the old contact is told about a change, by its old telephone and by nothing else.

    Attributes:
        phones: The old telephones, the 24-hour one first; empty for a first entry.
        zh: The words, in Chinese.
        en: The same in English.
    """

    phones: tuple[str, ...]
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A change that two persons agreed on.

    Attributes:
        change: With the time from which it is used.
        notice: Whom to tell before then.
    """

    change: Change
    notice: Notice


class ContactBook:
    """Reads and changes the directory.

    Args:
        store: Where it stands.
        sealer: The store's vault.
        clock: Reader of time.
    """

    def __init__(self, store: Store, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock

    def now(self) -> datetime:
        """The present, in UTC."""
        return _EPOCH + timedelta(milliseconds=self._clock.millis())

    async def directory(self) -> Directory:
        """The directory as it stands.

        Raises:
            IntegrityError: An event was altered.
        """
        directory = Directory()
        for version, _, event in await self._store.events(STREAM):
            body = self._sealer.decrypt(_COLUMN, f"{STREAM}/{version}", event.body)
            try:
                directory = directory.after(load_desk_event(body))
            except (ValidationError, KeyError):
                raise IntegrityError(
                    f"Event {version} of the directory of desks cannot be read."
                ) from None
        return directory

    # -- changes ---------------------------------------------------------------------------

    async def propose(self, code: str, desk: Desk | None, reason: str, by: Actor) -> Change:
        """Ask for an entry to be added or changed, or, without a desk, removed.

        Raises:
            AccessDenied: The actor may not.
            InputError: The entry is of another institution, is the same, or is not there.
        """
        by.require(*_CHANGES)
        if not reason.strip():
            raise InputError("A change needs a reason, for the record.", field="reason")
        if desk is not None and desk.code != code:
            raise InputError("The entry is of another institution.", field="code")
        made = uuid.uuid4().hex[:12]

        def decided(directory: Directory) -> DeskEvent:
            now = self.now()
            standing = directory.standing(code)
            if desk is None and not standing.versions:
                raise InputError("The directory has no such desk.", field="code")
            return ChangeProposed(
                at=now, by=by.id, id=made, code=code, desk=desk, reason=reason.strip()
            )

        after = await self._write(decided, by.id, "desk.propose", {"code": code, "change": made})
        return after.changes[made]

    async def approve(self, change_id: str, by: Actor) -> Approval:
        """Agree to a change, as another person than the one who proposed it.

        Raises:
            AccessDenied: The actor may not, proposed it, or did not show a credential just now.
            InputError: There is no such open change.
        """
        by.require(Role.APPROVER)
        if by.proved_at is None or self.now() - by.proved_at > _PROVED_WITHIN:
            raise AccessDenied(
                "An approval needs a credential that was shown within the last five minutes.",
                hint="Show your token again, then approve.",
            )
        approved: list[tuple[Change, Notice]] = []

        def decided(directory: Directory) -> DeskEvent:
            change = _open(directory, change_id)
            if change.by == by.id:
                raise AccessDenied(
                    "Whoever proposed a change of the directory cannot approve it.",
                    hint="Let a second person look at it and approve it.",
                )
            now = self.now()
            use_from = directory.use_from(change, now)
            before = directory.standing(change.code).desk(now)
            approved[:] = [
                (replace(change, approved_by=by.id, use_from=use_from), _notice(before, use_from))
            ]
            return ChangeApproved(at=now, by=by.id, id=change_id, use_from=use_from)

        await self._write(decided, by.id, "desk.approve", {"change": change_id})
        ((change, notice),) = approved
        _log.warning(
            "desk.changed", code=change.code, change=change.id, use_from=str(change.use_from)
        )
        return Approval(change, notice)

    async def drop(self, change_id: str, by: Actor) -> None:
        """Take a change back: one that is open, or one that was approved and is not used yet.

        Either of the two may, and anybody who may propose; a reason to stop needs no second person.

        Raises:
            AccessDenied: The actor may not.
            InputError: There is no such change, or it is in use: propose another one.
        """
        by.require(*_CHANGES, Role.APPROVER)

        def decided(directory: Directory) -> DeskEvent:
            now = self.now()
            waiting = [one.waiting(now) for one in directory.standings.values()]
            known = {one.id for one in waiting if one is not None} | set(directory.changes)
            if change_id not in known:
                raise _no_change()
            return ChangeDropped(at=now, by=by.id, id=change_id)

        await self._write(decided, by.id, "desk.drop", {"change": change_id})

    # -- drills ----------------------------------------------------------------------------

    async def tested(
        self,
        code: str,
        application_id: str,
        channel: str,
        by: Actor | None,
        accepts: Sequence[Acceptance] = (),
    ) -> None:
        """Note that a test goes out; its message is accepted in the same commit.

        Args:
            code: Which desk.
            application_id: Of the test.
            channel: By which way.
            by: Who sends it; None for the monthly one.
            accepts: Its message.

        Raises:
            AccessDenied: The actor may not.
            InputError: The directory has no such desk in use.
        """
        if by is not None:
            by.require(*_CHANGES)
        who = MONTHLY if by is None else by.id

        def decided(directory: Directory) -> DeskEvent:
            now = self.now()
            if directory.standing(code).desk(now) is None:
                raise InputError("The directory has no such desk in use.", field="code")
            return DeskTested(
                at=now, by=who, code=code, application_id=application_id, channel=channel
            )

        facts = {"code": code, "application": application_id}
        await self._write(decided, who, "desk.test", facts, accepts)

    async def answered(self, application_id: str, by: Actor | None) -> float:
        """Note that a desk acknowledged a test; said twice, the first time counts.

        Args:
            application_id: Of the test.
            by: Who says so; None where the desk's own signature does.

        Returns:
            Seconds from the test to its acknowledgement.

        Raises:
            InputError: There is no such test.
        """
        if by is not None:
            by.require(*_CHANGES, Role.BANK_DESK)
        who = SIGNED if by is None else by.id
        directory = await self.directory()
        found = [
            (one.code, drill)
            for one in directory.standings.values()
            for drill in one.drills
            if drill.application_id == application_id
        ]
        if not found:
            raise InputError("There is no such test of a desk.", field="application_id")
        ((code, drill),) = found
        if drill.seconds is not None:
            return drill.seconds

        def decided(_: Directory) -> DeskEvent:
            return DeskAnswered(at=self.now(), by=who, code=code, application_id=application_id)

        facts = {"code": code, "application": application_id}
        after = await self._write(decided, who, "desk.acknowledge", facts)
        (seconds,) = (
            each.seconds
            for each in after.standing(code).drills
            if each.application_id == application_id
        )
        return seconds or 0.0

    # -- writing ---------------------------------------------------------------------------

    async def _write(
        self,
        decided: _Decision,
        who: str,
        what: str,
        facts: dict[str, str],
        accepts: Sequence[Acceptance] = (),
    ) -> Directory:
        for _ in range(_MOST_TRIES):
            before = await self.directory()
            event = decided(before)
            after = before.after(event)
            body = dump_desk_event(event)
            sealed = self._sealer.encrypt(_COLUMN, f"{STREAM}/{after.version}", body)
            told = {**facts, "sha256": hashlib.sha256(sealed).hexdigest()}
            rows = await self._channel_rows(before, after, event)
            try:
                await self._store.commit(
                    ChangeSet(
                        events=(Event(event.type, sealed, who),),
                        stream=STREAM,
                        expected_version=before.version,
                        evidence=(EvidenceEntry("store", who, what, told),),
                        state=tuple(rows),
                        accepts=tuple(accepts),
                    )
                )
            except StaleVersion:
                continue
            return after
        raise StaleVersion("The directory of desks changed all the while.", hint="Ask again.")

    async def _channel_rows(
        self, before: Directory, after: Directory, event: DeskEvent
    ) -> list[StateRow]:
        """The rows of every channel that knows, knew or is to know the desk."""
        if not isinstance(event, ChangeApproved | ChangeDropped):
            return []
        changed = [
            code
            for code in {*before.standings, *after.standings}
            if before.standing(code).versions != after.standing(code).versions
        ]
        rows: list[StateRow] = []
        for code in sorted(changed):
            wanted = _rows_of(after.standing(code).versions)
            channels = {channel for channel, _ in wanted}
            channels |= {channel for channel, _ in _rows_of(before.standing(code).versions)}
            for channel in sorted(channels):
                namespace = f"channel:{channel}"
                keep = {key: row for (at, key), row in wanted.items() if at == channel}
                old = await self._store.state(namespace, f"{DESK_ROWS}{code}/")
                rows += [StateRow(namespace, key, None) for key, _ in old if key not in keep]
                rows += [StateRow(namespace, key, row.dump()) for key, row in keep.items()]
        return rows


def _rows_of(versions: Iterable[Change]) -> dict[tuple[str, str], DeskRow]:
    """Channel and key of every row that these versions of one entry ask for.

    The version in use ends for every channel where the one that waits begins, so that a way that
    is left out ends there too.
    """
    found: dict[tuple[str, str], DeskRow] = {}
    several = list(versions)
    for number, change in enumerate(several):
        if change.desk is None or change.use_from is None:
            continue
        following = several[number + 1] if number + 1 < len(several) else None
        ends = [change.desk.valid_to, None if following is None else following.use_from]
        until = min((_millis(end) for end in ends if end is not None), default=0)
        since = max(_millis(change.use_from), _millis(change.desk.valid_from))
        for way in change.desk.ways:
            if way.kind == "paper":
                continue
            row = DeskRow(
                change.code,
                change.code,
                way.address,
                way.certificate,
                since,
                until,
                way.public_keys,
            )
            found[way.channel, row.key] = row
    return found


def _millis(at: datetime) -> int:
    # Rounded down, as the store's clock counts: what is used from now on is used now.
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _open(directory: Directory, change_id: str) -> Change:
    change = directory.changes.get(change_id)
    if change is None:
        raise _no_change()
    return change


def _no_change() -> InputError:
    return InputError(
        "There is no such open change.",
        hint="`fzalert contacts list` shows the open ones.",
        field="change",
    )


def _notice(before: Desk | None, use_from: datetime) -> Notice:
    phones = () if before is None else (before.phone, before.person_a.phone, before.person_b.phone)
    at = use_from.isoformat(timespec="minutes")
    return Notice(
        phones,
        f"贵机构在反诈通讯录中的登记已变更，{at} 起使用。"
        "如非贵机构提出，请立即告知，变更可以撤回。",
        f"The entry of your desk was changed and is used from {at}. If you did not ask for it, say"
        " so at once: it can be taken back.",
    )
