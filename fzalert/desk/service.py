"""The desk as a service: its store, its inbox, who may send, who may answer, core banking.

One process owns the desk's store. Everything that counts is on disk before it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import NamedTuple, Self

from fzalert.access import Actor, Directory, Role
from fzalert.access.directory import UserRow
from fzalert.access.keys import FileSigner
from fzalert.access.requests import KnownKey, RequestGate
from fzalert.access.vault import KeyRow, Vault
from fzalert.background import Background
from fzalert.clock import Clock, SystemClock
from fzalert.desk.hook import HookFailed, ask_hook
from fzalert.desk.inbox import DeskAnswer, Inbox, InboxItem
from fzalert.desk.settings import DeskSettings
from fzalert.errors import FzalertError, InputError, StoreFull
from fzalert.freeze.package import Receipt, write_package
from fzalert.http import HttpPool
from fzalert.log import get_logger
from fzalert.ports import Signer
from fzalert.store import ChangeSet, EvidenceEntry, SqliteStore

__all__ = ["AnswersPage", "DeskService", "desk_signer"]

LONGEST_WAIT = 60.0
"""Seconds that a question for answers may be held open."""
_PAGE_BYTES = 40_000
_log = get_logger("fzalert.desk")


class AnswersPage(NamedTuple):
    """Signed receipts for one sender.

    Attributes:
        store: Names the desk's store.
        last: Position up to which the page goes.
        items: Receipts in their wire form.
    """

    store: str
    last: int
    items: tuple[str, ...]


def desk_signer(settings: DeskSettings) -> FileSigner:
    """The desk's own key, made at the first start.

    Raises:
        ConfigError: It cannot be read or made.
    """
    return FileSigner.load_or_create(settings.store.with_suffix(".signing.key"))


class DeskService:
    """The desk, open.

    Args:
        settings: What `desk.toml` says.
        clock: Reader of time; the machine's unless given.
        hooked: Whether core banking is asked; a command that opens the store for a moment leaves
            that to the service.
    """

    signer: Signer
    inbox: Inbox
    gate: RequestGate

    def __init__(
        self, settings: DeskSettings, clock: Clock | None = None, *, hooked: bool = True
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._hooked = hooked and settings.hook is not None
        self._http = HttpPool()
        self._background = Background(_crashed)
        self._asking = asyncio.Semaphore(settings.hook.at_once if settings.hook else 1)
        self._given = 0
        self._has_given = asyncio.Condition()
        self._directory = Directory(
            UserRow(
                user.name,
                user.display or user.name,
                (str(Role.BANK_DESK),),
                bytes.fromhex(user.token_sha256),
                0,
                machine=user.machine,
            )
            for user in settings.user
        )

    async def __aenter__(self) -> Self:
        settings, folder = self.settings, self.settings.store.parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreFull(
                f"The data folder {folder.name} cannot be made ({error.strerror}).",
                hint="Let this account write there, or name another store.",
            ) from error
        vaults: list[Vault] = []

        def make(
            keys: list[tuple[int, str, bytes, int]], keep: Callable[[int, str, bytes, int], None]
        ) -> Vault:
            master = settings.store.with_suffix(".master.key")
            vault = Vault.create(master, [KeyRow(*key) for key in keys])
            if not vault.has_active_key:
                for row in vault.new_key(self._clock.millis()):
                    keep(*row)
            vaults.append(vault)
            return vault

        self._store = SqliteStore(settings.store, self._clock, make)
        await self._store.open()
        try:
            self.signer = await asyncio.to_thread(desk_signer, settings)
            self.inbox = Inbox(
                self._store,
                vaults[-1],
                self._clock,
                self.signer,
                settings.name,
                frozenset(settings.institutions),
            )
            senders = [
                KnownKey(bytes.fromhex(one.public_key), one.name, one.not_after)
                for one in settings.sender
            ]
            self.gate = RequestGate(self._store, self._clock, senders)
            if self._hooked:
                for item in await self.inbox.items(waiting=True):
                    self._offer(item)
        except BaseException:
            await self._store.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._background.close()
        await self._http.aclose()
        await self._store.close()

    # -- the police side -------------------------------------------------------------------

    async def take(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Take a package that was posted; the acknowledgement's wire form.

        Args:
            path: With its query, as it came.
            headers: Names in lower case.
            body: As it came.

        Raises:
            AccessDenied: The signature is not one that is believed.
            InputError: As `Inbox.take`.
            DuplicateKey: As `Inbox.take`.
        """
        sender = await self.gate.check("POST", path, headers, body)
        acknowledgement = await self.inbox.take(body, sender.name)
        if self._hooked:
            application = str(_application(body))
            item = await self.inbox.item(application)
            if item is not None and item.waiting:
                self._offer(item)
        return acknowledgement.wire()

    async def answers(
        self,
        path: str,
        headers: Mapping[str, str],
        *,
        after: int,
        store: str,
        limit: int,
        wait: float,
    ) -> AnswersPage:
        """Give a sender the receipts to its packages after a position; wait for the first.

        Raises:
            AccessDenied: The signature is not one that is believed.
        """
        sender = await self.gate.check("GET", path, headers, b"")
        if store != self._store.store_id:
            after = 0  # positions of another store, or of none
        until = self._clock.monotonic() + min(max(wait, 0.0), LONGEST_WAIT)
        while True:
            seen = self._given
            last, found = await self.inbox.answers_to(sender.name, after, limit, _PAGE_BYTES)
            left = until - self._clock.monotonic()
            if found or left <= 0:
                return AnswersPage(self._store.store_id, last, tuple(w.decode() for w in found))
            after = last
            await self._next(seen, left)

    async def _next(self, seen: int, most: float) -> None:
        """Wait until an answer was given after those seen, or a time is over."""
        try:
            async with asyncio.timeout(most), self._has_given:
                await self._has_given.wait_for(lambda: self._given != seen)
        except TimeoutError:
            return

    # -- the bank's people -----------------------------------------------------------------

    def now_ms(self) -> int:
        """Milliseconds since the epoch, by the desk's clock."""
        return self._clock.millis()

    def authenticate(self, token: str) -> Actor:
        """Issue the actor whose token this is. Raises `AccessDenied`."""
        return self._directory.authenticate(token, self._clock.millis())

    async def reveal(self, application_id: str, by: Actor) -> InboxItem:
        """Give one item in plain, and put on record who saw it.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: There is no such item.
        """
        by.require(Role.BANK_DESK)
        item = await self.inbox.item(application_id)
        if item is None:
            raise InputError("There is no such application here.", field="application_id")
        facts = {"application_id": item.package.application_id}
        await self._store.commit(
            ChangeSet(evidence=(EvidenceEntry("store", by.id, "desk.reveal", {**facts}),))
        )
        return item

    async def answer(
        self, application_id: str, answer: DeskAnswer, by: Actor, *, proof: str = "B"
    ) -> Receipt:
        """Answer an instruction; raises as `Inbox.answer`."""
        receipt = await self.inbox.answer(application_id, answer, by, proof=proof)
        async with self._has_given:
            self._given += 1
            self._has_given.notify_all()
        return receipt

    # -- core banking ----------------------------------------------------------------------

    def _offer(self, item: InboxItem) -> None:
        application = item.package.application_id
        name = f"hook-{application}"
        if name not in self._background.running:
            _ = self._background.once(name, lambda: self._hook(application, item))

    async def _hook(self, application: str, item: InboxItem) -> None:
        hook = self.settings.hook
        if hook is None:
            return
        async with self._asking:
            try:
                answer = await ask_hook(hook, write_package(item.package), self._http)
                if answer is None:
                    return
                core = Directory().machine_actor("core", roles=frozenset({Role.BANK_DESK}))
                _ = await self.answer(application, answer, core)
            except HookFailed as error:
                _log.error("desk.hook_failed", application=application, why=str(error.args[0]))
            except FzalertError as error:  # it does not fit, or somebody was faster
                _log.warning("desk.hook_refused", application=application, code=error.code)


def _application(body: bytes) -> object:
    from fzalert.evidence import loads

    value = loads(body)
    return value.get("application_id") if isinstance(value, dict) else None


def _crashed(name: str, error: Exception) -> timedelta:
    _log.error("desk.crashed", work=name, exc_info=error)
    return timedelta(seconds=1)
