"""Sessions of people at pages: kept in the store, known by a cookie of which only the hash is kept.

A session holds no credential. It ends by itself after half an hour without use and after twelve
hours in any case, and at once with the person's access: with a new token, a revoked or a disabled
one. It survives a restart. Whoever shows a credential anew gets a new cookie, and the old one is
worth nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from fzalert.access.actors import Actor
from fzalert.access.directory import Directory
from fzalert.clock import Clock
from fzalert.errors import AccessDenied
from fzalert.evidence import Json
from fzalert.store import ChangeSet, Committed, EvidenceEntry, StateRow

__all__ = ["SESSION_IDLE_S", "SESSION_LIFE_S", "SessionRow", "Sessions"]

SESSION_IDLE_S = 30 * 60
SESSION_LIFE_S = 12 * 3600
NAMESPACE = "session"
MOST_OF_ONE = 20
"""Sessions that one person may have; the one used longest ago ends for a new one."""
_SEEN_EVERY_MS = 60_000
"""How exactly the last use is written down: not every page costs a write."""


class Rows(Protocol):
    """What sessions need of a store."""

    async def state(self, namespace: str, prefix: str = "") -> list[tuple[str, bytes]]:
        """Rows of one namespace, by key."""
        ...

    async def commit(self, changes: ChangeSet) -> Committed:
        """Write rows and their evidence."""
        ...


class SessionRow(NamedTuple):
    """One session, as the store keeps it.

    Attributes:
        key: SHA-256 of the cookie in hex.
        user: Name of the person.
        stamp: Of the credential that it was opened with; another one ends it.
        born_ms: When it was opened.
        seen_ms: When it was last used, to the minute.
        proved_ms: When the person last showed a credential in it.
    """

    key: str
    user: str
    stamp: str
    born_ms: int
    seen_ms: int
    proved_ms: int

    @property
    def id(self) -> str:
        """A short name for lists and records; it opens nothing."""
        return self.key[:12]

    def is_over(self, now_ms: int) -> bool:
        """Whether its time is over, or lies in the future: then the clock was set back."""
        idle = now_ms - self.seen_ms > SESSION_IDLE_S * 1000
        return idle or not -_SEEN_EVERY_MS <= now_ms - self.born_ms <= SESSION_LIFE_S * 1000

    def stored(self) -> StateRow:
        """The row to write."""
        value = json.dumps(self[1:]).encode()
        return StateRow(NAMESPACE, self.key, value)

    def removed(self) -> StateRow:
        """The row that removes it."""
        return StateRow(NAMESPACE, self.key, None)


class Sessions:
    """Opens, finds and ends sessions.

    Args:
        store: Keeps them.
        clock: Reader of time.
        directory: Gives the table of users as it stands.
    """

    def __init__(self, store: Rows, clock: Clock, directory: Callable[[], Directory]) -> None:
        self._store = store
        self._clock = clock
        self._directory = directory
        self._changing = asyncio.Lock()

    async def open(
        self,
        actor: Actor,
        *,
        password: bool = False,
        stamp: str = "",
        proved_ms: int | None = None,
    ) -> str:
        """Open a session for somebody who has just shown a credential; returns the cookie.

        Args:
            actor: Who.
            password: Whether it was the password, not the token.
            stamp: Of another credential, such as a passkey.
            proved_ms: When the person showed it, where that was not now; 0 for unknown.

        Raises:
            AccessDenied: It is nobody of the table.
            StoreError: It could not be put on disk; there is no such session.
        """
        # Before anything can change the credential that it stands for.
        cookie, row = self._new(actor, password, stamp)
        if proved_ms is not None:
            row = row._replace(proved_ms=min(proved_ms, row.proved_ms))
        async with self._changing:
            known = await self.all()
            now = self._clock.millis()
            gone = [one for one in known if one.is_over(now)]
            mine = [one for one in known if one.user == row.user and one not in gone]
            mine.sort(key=lambda one: one.seen_ms)
            gone += mine[: max(0, len(mine) + 1 - MOST_OF_ONE)]
            await self._write(actor, "session.open", row, gone)
        return cookie

    async def actor(self, cookie: str) -> Actor | None:
        """Who a session belongs to, proved when it was; None where it is over or unknown."""
        row = await self._row(_hash(cookie))
        if row is None:
            return None
        now = self._clock.millis()
        actor = self._issue(row, now)
        if actor is not None and now - row.seen_ms >= _SEEN_EVERY_MS:
            async with self._changing:
                # It may have been ended meanwhile; what is over is not brought back.
                if await self._row(row.key) is None:
                    return None
                await self._store.commit(ChangeSet(state=(row._replace(seen_ms=now).stored(),)))
        return actor

    async def prove(
        self, cookie: str, actor: Actor, *, password: bool = False, stamp: str = ""
    ) -> str:
        """Note that the person of a session has shown a credential anew; returns a new cookie.

        The session stands for that credential from here on. The time after which it ends in any
        case stays what it was.

        Raises:
            AccessDenied: The session is over, or it is another person's.
            StoreError: It could not be put on disk; the session is as it was.
        """
        async with self._changing:
            old = await self._row(_hash(cookie))
            owner = None if old is None else self._issue(old, self._clock.millis())
            if old is None or owner is None or owner.id != actor.id:
                raise AccessDenied(
                    "The session is over, or another person's.", hint="Sign in again."
                )
            fresh, row = self._new(actor, password, stamp)
            await self._write(actor, "session.prove", row._replace(born_ms=old.born_ms), [old])
        return fresh

    async def close(self, cookie: str) -> None:
        """End a session; one that is unknown or over is none."""
        async with self._changing:
            row = await self._row(_hash(cookie))
            if row is not None:
                facts: dict[str, Json] = {"user": row.user, "session": row.id}
                entry = EvidenceEntry("store", f"user:{row.user}", "session.end", facts)
                await self._store.commit(ChangeSet(state=(row.removed(),), evidence=(entry,)))

    async def close_all(self, user: str) -> None:
        """End every session of a person."""
        async with self._changing:
            await self._store.commit(ChangeSet(state=await self.ending(user)))

    async def stamp(self, cookie: str) -> str:
        """Of which credential a session is; empty where it is over or unknown."""
        row = await self._row(_hash(cookie))
        return "" if row is None else row.stamp

    async def all(self) -> list[SessionRow]:
        """Every session that is kept, also those whose time is over."""
        return [_read(key, value) for key, value in await self._store.state(NAMESPACE)]

    async def current(self) -> list[SessionRow]:
        """Every session by which somebody may come in, the newest first."""
        now = self._clock.millis()
        found = [row for row in await self.all() if self._issue(row, now) is not None]
        return sorted(found, key=lambda row: -row.born_ms)

    async def ending(self, user: str) -> tuple[StateRow, ...]:
        """Rows that end every session of a person, for a commit that says why."""
        return tuple(row.removed() for row in await self.all() if row.user == user)

    def ending_one_by_one(self) -> asyncio.Lock:
        """Held while rows of `ending` are written, so that no use brings a session back."""
        return self._changing

    def _new(self, actor: Actor, password: bool, stamp: str) -> tuple[str, SessionRow]:
        cookie = secrets.token_urlsafe(32)
        now = self._clock.millis()
        user = actor.id.partition(":")[2]
        stamp = stamp or self._directory().stamp(user, password=password)
        return cookie, SessionRow(_hash(cookie), user, stamp, now, now, now)

    def _issue(self, row: SessionRow, now_ms: int) -> Actor | None:
        if row.is_over(now_ms):
            return None
        try:
            return self._directory().by_session(row.user, row.stamp, row.proved_ms, now_ms)
        except AccessDenied:
            return None

    async def _row(self, key: str) -> SessionRow | None:
        rows = await self._store.state(NAMESPACE, key)
        return _read(*rows[0]) if rows and rows[0][0] == key else None

    async def _write(
        self, actor: Actor, what: str, row: SessionRow, gone: Sequence[SessionRow]
    ) -> None:
        facts: dict[str, Json] = {"user": row.user, "session": row.id}
        await self._store.commit(
            ChangeSet(
                state=(*(one.removed() for one in gone), row.stored()),
                evidence=(EvidenceEntry("store", actor.id, what, facts),),
            )
        )


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


def _read(key: str, value: bytes) -> SessionRow:
    return SessionRow(key, *json.loads(value))
