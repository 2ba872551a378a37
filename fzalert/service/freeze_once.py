"""A change that is asked for under a key is made once, however often the question is repeated.

The key is written in the commit of the change itself, so a power cut leaves both or neither. It
stands for what was asked: another question under the same key is refused. A refusal uses no key up,
since nothing was done. Keys are kept for thirty days.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from fzalert.clock import Clock
from fzalert.errors import DuplicateKey
from fzalert.freeze.book import ONCE
from fzalert.freeze.commands import Once
from fzalert.service.freeze_models import FreezeAsk
from fzalert.store import ChangeSet, StateRow, Store
from fzalert.store.port import Vault

__all__ = ["KEPT", "KeyedChanges", "MadeBefore"]

KEPT = timedelta(days=30)
"""How long a key stands for what was done under it."""
_SWEEP_EVERY = 1000


@dataclass(frozen=True, slots=True)
class MadeBefore:
    """What was done under a key.

    Attributes:
        case: The case that was changed.
        left: Measures that were still to be sent when it was cut.
        told: What was told of those that were sent.
    """

    case: str
    left: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


class KeyedChanges:
    """Knows what was done under which key.

    Args:
        store: Keeps the keys.
        vault: Makes what a key stands for unreadable.
        clock: Reader of time.
    """

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._asked: dict[str, asyncio.Lock] = {}
        self._since_sweep = 0

    @asynccontextmanager
    async def asking(
        self, actor: str, key: str, ask: FreezeAsk
    ) -> AsyncIterator[tuple[Once, MadeBefore | None]]:
        """Hold a key for one question; the same question beside it waits.

        Args:
            actor: Who asks; a key is the actor's own.
            key: As it was given.
            ask: The question.

        Raises:
            DuplicateKey: The key stands for another question.
        """
        name = f"{sha256(actor.encode()).hexdigest()[:32]}/{sha256(key.encode()).hexdigest()}"
        lock = self._asked.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                stands_for = self._vault.blind_index(f"{ONCE}/{ask.model_dump_json()}").hex()
                rows = await self._store.state(ONCE, name)
                before = None
                if rows:
                    known = json.loads(rows[0][1])
                    if known["for"] != stands_for:
                        raise DuplicateKey(
                            "The key was used for another change.",
                            hint="Take a new key for each new change.",
                            field="key",
                        )
                    before = MadeBefore(known["case"], tuple(known["left"]), tuple(known["told"]))
                else:
                    await self._sweep()
                yield Once(name, stands_for, self._clock.millis()), before
        finally:
            if not lock.locked():
                self._asked.pop(name, None)

    async def _sweep(self) -> None:
        """Forget old keys, now and then."""
        self._since_sweep += 1
        if self._since_sweep < _SWEEP_EVERY:
            return
        self._since_sweep = 0
        oldest = self._clock.millis() - KEPT // timedelta(milliseconds=1)
        rows = [
            StateRow(ONCE, name, None)
            for name, value in await self._store.state(ONCE)
            if json.loads(value)["at"] < oldest
        ]
        if rows:
            await self._store.commit(ChangeSet(state=tuple(rows)))
