"""The desk as a service: its store, its inbox, who may send, who may answer, core banking.

One process owns the desk's store. Everything that counts is on disk before it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from fzalert.access import Actor, Directory, Role
from fzalert.access.directory import UserRow
from fzalert.access.keys import FileSigner
from fzalert.access.requests import KnownKey, RequestGate, refusal_reason
from fzalert.access.vault import KeyRow, Vault
from fzalert.background import Background
from fzalert.clock import Clock, SystemClock
from fzalert.desk.duty import DutyBook
from fzalert.desk.handling import Handling
from fzalert.desk.hook import HookFailed, ask_hook
from fzalert.desk.inbox import DeskAnswer, Inbox, InboxItem
from fzalert.desk.refusals import Refusals, reason_of_line
from fzalert.desk.rows import Core, Line, Origin
from fzalert.desk.settings import DeskSettings
from fzalert.errors import AccessDenied, DuplicateKey, FzalertError, InputError, StoreFull
from fzalert.freeze.package import DocumentKind, Receipt, package_hashes, write_package
from fzalert.http import HttpPool
from fzalert.log import get_logger
from fzalert.ports import Signer
from fzalert.store import SqliteStore

__all__ = ["AnswersPage", "DeskService", "desk_signer"]

LONGEST_WAIT = 60.0
"""Seconds that a question for answers may be held open."""
STEP_UP = timedelta(minutes=5)
"""How long ago a person may have shown a credential where an act needs it fresh."""
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
    handling: Handling
    refusals: Refusals
    duty: DutyBook

    def __init__(
        self, settings: DeskSettings, clock: Clock | None = None, *, hooked: bool = True
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._hooked = hooked and settings.hook is not None
        self._http = HttpPool()
        self._background = Background(_crashed)
        self._asking = asyncio.Semaphore(settings.hook.at_once if settings.hook else 1)
        self._application_locks: dict[str, asyncio.Lock] = {}
        self._given = 0
        self._changes = 0
        self._has_changed = asyncio.Condition()
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
            vault = Vault.create(settings.master_key, [KeyRow(*key) for key in keys])
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
            self.refusals = Refusals(self._store, vaults[-1], self._clock)
            self.duty = DutyBook(self._store, vaults[-1], self._clock)
            self.handling = Handling(self)
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

    async def take(
        self, path: str, headers: Mapping[str, str], body: bytes, line: Line | None = None
    ) -> bytes:
        """Take a package that was posted; the acknowledgement's wire form.

        What is refused is noted for the bank's people, and never stands in the inbox.

        Args:
            path: With its query, as it came.
            headers: Names in lower case.
            body: As it came.
            line: The client certificate of the line.

        Raises:
            AccessDenied: The signature is not one that is believed.
            InputError: As `Inbox.take`.
            DuplicateKey: As `Inbox.take`.
        """
        try:
            sender = await self.gate.check("POST", path, headers, body)
            origin = Origin(sender.key.key_id, sender.at, line)
            acknowledgement = await self.inbox.take(body, sender.name, origin)
        except (AccessDenied, InputError) as error:
            await self._refused(error, headers, body, line)
            raise
        await self.changed()
        if self._hooked:
            application = str(_application(body))
            item = await self.inbox.item(application)
            if item is not None and item.waiting:
                self._offer(item)
        return acknowledgement.wire()

    async def _refused(
        self,
        error: AccessDenied | InputError,
        headers: Mapping[str, str],
        body: bytes,
        line: Line | None,
    ) -> None:
        if isinstance(error, AccessDenied):
            reason = refusal_reason(error) or "malformed"
        elif isinstance(error, DuplicateKey):
            reason = "changed"
        elif getattr(error, "field", "") == "account.bank_code":
            reason = "other-institution"
        else:
            reason = "malformed" if "fz-signature" in headers else "unsigned"
        noted = await self.refusals.note(
            reason,
            key_id=headers.get("fz-key", "")[:16],
            certificate="" if line is None else line.fingerprint,
            application_id=_claimed(body),
            sha256=package_hashes(body)[0],
        )
        if noted:
            await self.changed()

    def line_refused(self, why: str) -> None:
        """Note that TLS let a client not in; `why` is what it says of the certificate."""

        async def note() -> None:
            if await self.refusals.note(reason_of_line(why)):
                await self.changed()

        if "line-refused" not in self._background.running:
            _ = self._background.once("line-refused", note)

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

    @property
    def store(self) -> SqliteStore:
        """The desk's own store; its people and their sessions lie there too."""
        return self._store

    @property
    def clock(self) -> Clock:
        """The desk's reader of time."""
        return self._clock

    def knows(self, name: str) -> bool:
        """Whether the file has a token of that name."""
        return self._directory.knows(name)

    def displays(self) -> dict[str, str]:
        """How the file writes the ids of its people and programs."""
        rows = self._directory.rows
        return {f"{'peer' if row.machine else 'user'}:{row.name}": row.display for row in rows}

    def now_ms(self) -> int:
        """Milliseconds since the epoch, by the desk's clock."""
        return self._clock.millis()

    def authenticate(self, token: str) -> Actor:
        """Issue the actor whose token this is. Raises `AccessDenied`."""
        return self._directory.authenticate(token, self._clock.millis())

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Let work go on beside the service until it closes; it is started again after a crash."""
        _ = self._background.keep(name, work)

    async def changed(self) -> None:
        """Tell every page that something is different."""
        async with self._has_changed:
            self._changes += 1
            self._has_changed.notify_all()

    @property
    def changes(self) -> int:
        """How often something changed since the desk was opened."""
        return self._changes

    async def next_change(self, seen: int, most: float) -> int:
        """Wait until something changed after what was seen, or seconds are over; counts changes."""
        try:
            async with asyncio.timeout(most), self._has_changed:
                await self._has_changed.wait_for(lambda: self._changes != seen)
        except TimeoutError:
            pass  # the caller asked for a wait with an end
        return self._changes

    def is_fresh(self, by: Actor) -> bool:
        """Whether a person has shown a credential a short time ago."""
        if by.proved_at is None:
            return False
        age = self._clock.millis() / 1000 - by.proved_at.timestamp()
        return 0 <= age <= STEP_UP.total_seconds()

    async def reveal(
        self, application_id: str, by: Actor, document: DocumentKind | None = None
    ) -> InboxItem:
        """Give one item in plain, and put on record who saw it.

        Args:
            application_id: Which one.
            by: Who looks.
            document: Which of the two documents; the instruction where there is one.

        Raises:
            AccessDenied: The actor has not the role of a desk.
            InputError: There is no such item.
        """
        by.require(Role.BANK_DESK)
        item = await self.inbox.item(application_id, document)
        if item is None:
            raise InputError("There is no such application here.", field="application_id")
        first = item.opened_at is None
        item = await self.inbox.change(
            item.package.application_id,
            item.package.document,
            lambda row, now: (
                replace(row, opened_by=by.id, opened_at=now) if row.opened_at is None else row
            ),
            "desk.reveal",
            by,
            {"document": str(item.package.document)},
        )
        if first:
            await self.changed()
        return item

    async def answer(
        self,
        application_id: str,
        answer: DeskAnswer,
        by: Actor,
        *,
        proof: str = "B",
        only_first: bool = False,
    ) -> Receipt:
        """Answer an instruction; raises as `Inbox.answer`."""
        receipt = await self.inbox.answer(
            application_id, answer, by, proof=proof, only_first=only_first
        )
        async with self._has_given:
            self._given += 1
            self._has_given.notify_all()
        await self.changed()
        return receipt

    # -- core banking ----------------------------------------------------------------------

    @property
    def asks_core(self) -> bool:
        """Whether there is a way into core banking here."""
        return self._hooked

    async def ask_core(self, item: InboxItem, by: Actor) -> DeskAnswer | None:
        """Ask core banking about an item; the caller holds its lock. What it says is noted.

        Raises:
            HookFailed: It gave no answer that can be entered.
        """
        hook = self.settings.hook
        if hook is None or item.package.drill:
            return None
        package = item.package
        noted = partial(self._note_core, package.application_id, package.document, by)
        async with self._asking:
            await noted("asking", "")
            try:
                answer = await ask_hook(
                    hook, write_package(package), self._http, package.application_id
                )
            except HookFailed as error:
                await noted("failed", str(error.args[0]))
                raise
        await noted("left" if answer is None else "done", "" if answer is None else answer.code)
        return answer

    async def _note_core(
        self, application: str, document: DocumentKind, by: Actor, state: str, why: str
    ) -> None:
        await self.inbox.change(
            application,
            document,
            lambda row, now: replace(row, core=Core(state, now, why)),
            "desk.hook",
            by,
            {"state": state},
        )
        await self.changed()

    def application_lock(self, application: str) -> asyncio.Lock:
        """Held while core banking is asked about one application, so that it is asked once."""
        return self._application_locks.setdefault(application, asyncio.Lock())

    def _offer(self, item: InboxItem) -> None:
        hook = self.settings.hook
        if hook is None or hook.ask != "arrival" or item.package.drill:
            return
        application = item.package.application_id
        name = f"hook-{application}"
        if name not in self._background.running:
            _ = self._background.once(name, lambda: self._hook(application))

    async def _hook(self, application: str) -> None:
        core = Directory().machine_actor("core", roles=frozenset({Role.BANK_DESK}))
        async with self.application_lock(application):
            item = await self.inbox.item(application)
            if item is None or not item.waiting or not item.sender:
                return
            try:
                answer = await self.ask_core(item, core)
                if answer is not None:
                    _ = await self.answer(application, answer, core)
            except HookFailed as error:
                _log.error("desk.hook_failed", application=application, why=str(error.args[0]))
            except FzalertError as error:  # it does not fit, or somebody was faster
                _log.warning("desk.hook_refused", application=application, code=error.code)


def _application(body: bytes) -> object:
    from fzalert.evidence import loads

    value = loads(body)
    return value.get("application_id") if isinstance(value, dict) else None


def _claimed(body: bytes) -> str:
    """The application id that a refused body claims, or an empty text."""
    import json

    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    found = value.get("application_id") if isinstance(value, dict) else None
    return found[:36] if isinstance(found, str) and found.isprintable() else ""


def _crashed(name: str, error: Exception) -> timedelta:
    _log.error("desk.crashed", work=name, exc_info=error)
    return timedelta(seconds=1)
