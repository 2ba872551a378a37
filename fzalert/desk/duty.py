"""Who sits at the desk: the A and the B person on duty, and what one shift tells the next."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from fzalert.access import Actor, Role
from fzalert.clock import Clock
from fzalert.errors import InputError
from fzalert.evidence import Json
from fzalert.store import ChangeSet, EvidenceEntry, StateRow, Store
from fzalert.store.port import Vault

__all__ = ["Duty", "DutyBook"]

NAMESPACE = "desk-duty"
_COLUMN = "state.value"
_LONGEST_NOTE = 500
_LONGEST_NAME = 40
_KEPT = 60


@dataclass(frozen=True, slots=True)
class Duty:
    """One shift, from its hand-over on.

    Attributes:
        at: When it began, ISO 8601 in UTC.
        a: Who answers (A 角).
        b: Who stands in (B 角), or empty.
        note: What the shift before tells.
        by: Who handed over.
        waiting: How many instructions waited then.
    """

    at: str
    a: str
    b: str
    note: str
    by: str
    waiting: int


class DutyBook:
    """Keeps the shifts.

    Args:
        store: The desk's own.
        vault: Of that store.
        clock: Reader of time.
    """

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock

    async def hand_over(self, a: str, b: str, note: str, waiting: int, by: Actor) -> Duty:
        """Begin a shift.

        Args:
            a: Who answers.
            b: Who stands in, or empty.
            note: What the next shift has to know; sealed, and never in the record.
            waiting: How many instructions wait.
            by: Who hands over.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: Nobody is named, both are the same, or a text is too long.
        """
        by.require(Role.BANK_DESK)
        a, b, note = a.strip(), b.strip(), note.strip()
        if not a or a == b:
            raise InputError(
                "A shift has an A person, and another one as B.",
                hint="Name who is on duty.",
                field="a",
            )
        if max(len(a), len(b)) > _LONGEST_NAME or len(note) > _LONGEST_NOTE:
            raise InputError(f"A note has up to {_LONGEST_NOTE} characters.", field="note")
        now = self._clock.millis()
        at = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="seconds")
        duty = Duty(at, a, b, note, by.name, waiting)
        key = f"{now:013d}"
        plain = json.dumps(asdict(duty), ensure_ascii=False).encode()
        sealed = self._vault.encrypt(_COLUMN, f"{NAMESPACE}/{key}", plain)
        kept = await self._store.state(NAMESPACE)
        gone = [StateRow(NAMESPACE, old, None) for old, _ in kept[: max(0, len(kept) + 1 - _KEPT)]]
        facts: dict[str, Json] = {"a": a, "b": b, "waiting": waiting, "note": bool(note)}
        await self._store.commit(
            ChangeSet(
                state=(*gone, StateRow(NAMESPACE, key, sealed)),
                evidence=(EvidenceEntry("store", by.id, "desk.duty", facts),),
            )
        )
        return duty

    async def all(self) -> list[Duty]:
        """The shifts, the present one first."""
        found = [
            Duty(**json.loads(self._vault.decrypt(_COLUMN, f"{NAMESPACE}/{key}", value)))
            for key, value in await self._store.state(NAMESPACE)
        ]
        return found[::-1]

    async def now(self) -> Duty | None:
        """The present shift, or None before the first."""
        found = await self.all()
        return found[0] if found else None
