"""Wrong passwords cost a growing wait, kept in the store; nobody is locked out by an outsider.

Three counts grow: of the name from one address, of the address, and of the name from everywhere.
Whoever came in from an address before is held back there by the first one alone: a guesser
elsewhere delays strangers, not the owner. What is not known is counted like what is, so that a wait
tells nobody which names exist. A try is counted before it is checked, so that many at once are not
one; a try that has to wait is not counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta

from fzalert.clock import Clock
from fzalert.errors import SignInDelayed
from fzalert.store import ChangeSet, StateRow, Store

__all__ = ["Delays"]

TRIES = "sign-in-delay"
KNOWN = "sign-in-known"
FREE_OF_PAIR = 5
FREE_OF_ONE = 20
LONGEST_MS = 60_000
FORGOTTEN_MS = 3_600_000
KNOWN_MS = 90 * 86_400_000
_MOST = 10_000
_SWEEP_EVERY = 200


class Delays:
    """Counts wrong passwords, and tells who has to wait.

    Args:
        store: Keeps the counts.
        clock: Reader of time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counting = asyncio.Lock()
        self._writes = 0

    async def count(self, name: str, address: str) -> None:
        """Count a try that is about to be checked.

        Args:
            name: Of whom a password is tried.
            address: Where the try comes from.

        Raises:
            SignInDelayed: It has to wait; it was not counted.
        """
        who, where = _hash(name), _hash(address)
        async with self._counting:
            now = self._clock.millis()
            kept = {key: json.loads(value) for key, value in await self._rows(who, where)}
            known = await self._is_known(who, where, now)
            counted = {f"pair/{who}/{where}": FREE_OF_PAIR}
            if not known:
                counted |= {f"from/{where}": FREE_OF_ONE, f"name/{who}": FREE_OF_ONE}
            rows = []
            for key, free in counted.items():
                count, until = kept.get(key, (0, 0))
                if not now - FORGOTTEN_MS <= until <= now + LONGEST_MS:
                    count, until = 0, 0  # long ago; or set by a clock that ran ahead
                if count >= free and until > now:
                    raise SignInDelayed(
                        "Too many wrong passwords; this one was not looked at.",
                        hint="Wait, then try again.",
                        retry_after=timedelta(milliseconds=until - now),
                    )
                wait = min(LONGEST_MS, 1000 * 2 ** min(6, max(0, count + 1 - free)))
                rows.append(StateRow(TRIES, key, json.dumps([count + 1, now + wait]).encode()))
            await self._store.commit(ChangeSet(state=(*rows, *await self._old(now))))

    async def right(self, name: str, address: str) -> None:
        """Forget the tries of a person at an address, who is known there from now on."""
        who, where = _hash(name), _hash(address)
        async with self._counting:
            now = self._clock.millis()
            mine = [] if await self._is_known(who, where, now) else await self._taken_back(who)
            await self._store.commit(
                ChangeSet(
                    state=(
                        *mine,
                        StateRow(TRIES, f"pair/{who}/{where}", None),
                        StateRow(TRIES, f"from/{where}", None),
                        StateRow(KNOWN, f"{who}/{where}", json.dumps(now).encode()),
                    )
                )
            )

    async def _taken_back(self, who: str) -> list[StateRow]:
        """The name's count without the try that was right; guesses from elsewhere still count."""
        rows = await self._store.state(TRIES, f"name/{who}")
        found = [(key, *json.loads(value)) for key, value in rows]
        return [
            StateRow(TRIES, key, json.dumps([max(0, count - 1), until]).encode())
            for key, count, until in found
        ]

    async def _rows(self, who: str, where: str) -> list[tuple[str, bytes]]:
        keys = (f"pair/{who}/{where}", f"from/{where}", f"name/{who}")
        return [row for key in keys for row in await self._store.state(TRIES, key)]

    async def _is_known(self, who: str, where: str, now: int) -> bool:
        rows = await self._store.state(KNOWN, f"{who}/{where}")
        return any(now - json.loads(value) < KNOWN_MS for _, value in rows)

    async def _old(self, now: int) -> list[StateRow]:
        """Rows to remove: what is forgotten by now, and the oldest where there are too many."""
        self._writes += 1
        if self._writes % _SWEEP_EVERY != 1:
            return []
        tries = [(key, json.loads(value)[1]) for key, value in await self._store.state(TRIES)]
        tries.sort(key=lambda row: row[1])
        old = [key for key, until in tries if until < now - FORGOTTEN_MS]
        old += [key for key, _ in tries[len(old) : len(tries) - _MOST]]
        places = await self._store.state(KNOWN)
        away = [key for key, value in places if now - json.loads(value) >= KNOWN_MS]
        return [StateRow(TRIES, key, None) for key in old] + [
            StateRow(KNOWN, key, None) for key in away
        ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
