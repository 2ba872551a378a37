"""The keys of an open store: another master key while it runs, and everything sealed anew.

The new master key is on disk before anything is under it; the table of data keys comes under it in
one transaction; then the file takes its place. After a crash the rows say which key is the right
one. From then on nothing needs the old master key. The values that the old data key sealed are
sealed anew in small pieces; a walk that was cut short begins again at the next start; and the old
data key is destroyed once nothing is left that it opens.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from fzalert.access import vault as keyring
from fzalert.access.actors import Actor, Role
from fzalert.access.vault import KeyState, Vault
from fzalert.clock import Clock
from fzalert.desk.duty import NAMESPACE as DUTY
from fzalert.desk.inbox import ITEMS
from fzalert.desk.refusals import NAMESPACE as REFUSED
from fzalert.errors import ConfigError, FzalertError, InputError, IntegrityError
from fzalert.log import get_logger
from fzalert.service.custody_models import (
    CustodyAnswer,
    DataKeyView,
    KeysAsk,
    KeysView,
    RotateAsk,
)
from fzalert.service.people import require
from fzalert.service.views import time_text
from fzalert.store import EvidenceEntry, SqliteStore
from fzalert.store.sqlite.resealing import Resealing, SealedPlaces

__all__ = ["DESK_PLACES", "HOUSE_PLACES", "Custody"]

log = get_logger("fzalert.service")

HOUSE_PLACES = SealedPlaces(
    states={"freeze-key": "state.value"},
    streams={"desks": "state.value"},
)
"""What the rooms seal with the store's vault: the keys of cases, and the directory of desks."""
DESK_PLACES = SealedPlaces(
    states={name: "state.value" for name in (ITEMS, DUTY, REFUSED)},
)
"""What a desk seals: its items with their answers, its shifts, and what it refused."""
AT_ONCE = 500
PAUSE = 0.05
"""Seconds between two pieces, so that no warning waits behind them."""
SETTLED_AFTER = 30.0
"""Seconds after which nothing is on its way any more that was sealed before the change."""
AGAIN_AFTER = 60.0


class Custody:
    """Changes the keys, and tells of them.

    Args:
        store: The open store, with its vault.
        master: The file of the master key.
        places: What the rooms seal with the vault, besides the store itself.
        clock: Reader of time.
        named: Whether the configuration names the master key, instead of the file.
        drill: Whether persons of a drill may act.
    """

    def __init__(
        self,
        store: SqliteStore,
        master: Path,
        places: SealedPlaces,
        clock: Clock,
        *,
        named: bool = False,
        drill: bool = False,
    ) -> None:
        self._store = store
        self._master = master
        self._places = places
        self._clock = clock
        self._named = named
        self._drill = drill
        self._wake = asyncio.Event()
        self._changing = asyncio.Lock()
        self._changed_at: float | None = None
        self._problem = ""

    @property
    def _vault(self) -> Vault:
        vault = self._store.vault
        if not isinstance(vault, Vault):
            raise TypeError("the store has another vault")
        return vault

    async def answer(self, ask: KeysAsk | RotateAsk, by: Actor) -> CustodyAnswer:
        """Do what is asked.

        Raises:
            AccessDenied: The actor is no admin.
            InputError: The configuration names the master key, or the change before is not over.
            StoreError: The disk refuses; the keys are what they were.
        """
        require(by, Role.ADMIN, Role.AUDITOR, drill=self._drill)
        if isinstance(ask, RotateAsk):
            require(by, Role.ADMIN, drill=self._drill)
            await self._rotate(by)
        return CustodyAnswer(keys=await self._view())

    # -- the change ------------------------------------------------------------------------

    async def _rotate(self, by: Actor) -> None:
        if self._named:
            raise InputError(
                "The configuration names the master key, so fzalert cannot change it.",
                hint="Put the new key there, the old one into [store] former_master_key, and"
                " restart.",
                field="master_key",
            )
        async with self._changing:
            vault = self._vault
            if _old(vault):
                raise InputError(
                    "Values of the change before are still being sealed anew.",
                    hint="`fzalert keys status` shows how many are left.",
                )
            path = self._master
            master = await asyncio.to_thread(keyring.prepare, path, vault.master_id)
            other = vault.renewed(master, self._clock.millis())
            entry = EvidenceEntry(
                "store", by.id, "key.rotate", {"was": vault.master_id, "now": other.master_id}
            )
            await self._store.keep_keys(other.rows, entry)
            vault.adopt(other)
            self._changed_at = self._clock.monotonic()
            try:
                _ = await asyncio.to_thread(keyring.follow, path)
            except ConfigError as error:  # it is done all the same; the next start moves the file
                log.warning("keys.file_waits", why=str(error.args[0]))
        log.info("keys.rotated", master=other.master_id)
        self._wake.set()

    async def run(self) -> None:
        """Seal anew what old data keys sealed, whenever there is one, until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.reseal()
                self._problem = ""
            except FzalertError as error:
                self._problem = error.code
                log.warning("keys.reseal_failed", code=error.code)
                await self._clock.sleep(AGAIN_AFTER)
                continue
            await self._wake.wait()

    async def reseal(self) -> int:
        """Seal everything anew that old data keys sealed, and destroy them; returns how many.

        Raises:
            StoreError: The disk refuses; what was done stays done.
            IntegrityError: A value was altered.
        """
        total = 0
        while old := _old(self._vault):
            walk = Resealing(self._places, set(old))
            while not walk.is_over:
                await self._store.reseal(walk, AT_ONCE)
                await self._clock.sleep(PAUSE)
            total += walk.done
            if self._changed_at is not None:
                # A change that was sealed just before may be on its way to the disk.
                left = self._changed_at + SETTLED_AFTER - self._clock.monotonic()
                self._changed_at = None
                if left > 0:
                    await self._clock.sleep(left)
                    continue
            used = await self._store.keys_in_use(self._places)
            if not any(used[number] for number in old):
                await self._destroy(old)
            elif not walk.done:
                raise IntegrityError("Something is sealed with an old data key, and is not found.")
        if total:
            log.info("keys.resealed", values=total)
        return total

    async def _destroy(self, old: list[int]) -> None:
        async with self._changing:
            vault = self._vault
            gone = [
                row._replace(state=KeyState.DESTROYED, wrapped=b"")
                for row in vault.rows
                if row.id in old
            ]
            entry = EvidenceEntry("store", "engine", "key.destroy", {"keys": old})
            await self._store.keep_keys(gone, entry)
            for number in old:
                _ = vault.destroy(number)

    # -- what is -----------------------------------------------------------------------------

    async def _view(self) -> KeysView:
        vault = self._vault
        used = await self._store.keys_in_use(self._places)
        by_file = not self._named
        return KeysView(
            master=vault.master_id,
            kept_in="file" if by_file else "reference",
            former=[one.name for one in keyring.former_keys(self._master)] if by_file else [],
            keys=[
                DataKeyView(
                    id=row.id,
                    state=row.state,
                    created_at=time_text(row.created),
                    values=used[row.id],
                )
                for row in vault.rows
            ],
            waiting=sum(used[number] for number in _old(vault)),
            problem=self._problem,
        )


def _old(vault: Vault) -> list[int]:
    return [row.id for row in vault.rows if row.state == KeyState.OLD]
