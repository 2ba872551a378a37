"""Who may come in: the users of an open service, on disk before they count.

What a user has beside name, roles and token (expiry, certificates, whether it is a machine) stands
as one row of state beside its row, written in the same commit.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from fzalert.access import directory as access
from fzalert.access.actors import Actor, Role
from fzalert.access.directory import Directory
from fzalert.clock import Clock
from fzalert.errors import AccessDenied, CredentialExpired, InputError
from fzalert.evidence import Json
from fzalert.service.models import UserChange, UserView
from fzalert.service.views import time_text
from fzalert.store import ChangeSet, EvidenceEntry, StateRow, Store, UserRow

CREDENTIALS = "credentials"
SAME_REFUSAL_MS = 3_600_000
LONGEST_DAYS = 3650
DAY_MS = 86_400_000

MAY_WARN = (
    Role.TELLER,
    Role.BRANCH_MANAGER,
    Role.BANK_DESK,
    Role.DUTY_OFFICER,
    Role.DETECTIVE,
    Role.ADMIN,
)
MAY_CAMPAIGN = (Role.BRANCH_MANAGER, Role.DUTY_OFFICER, Role.ADMIN)
MAY_SETTLE = (Role.BRANCH_MANAGER, Role.DUTY_OFFICER, Role.ADMIN)


def require(actor: Actor, *roles: Role, drill: bool) -> None:
    """Go on only with one of these roles, and never from a drill into real channels.

    Raises:
        AccessDenied: It has none of them, or is a person of a drill and this is none.
    """
    actor.require(*roles)
    if actor.drill and not drill:
        raise AccessDenied(
            "A person of a drill cannot act on real channels.",
            hint="Sign in as yourself, or enable [drill].",
        )


class People:
    """Issues actors from the table of users, and changes the table.

    Args:
        store: Keeps the table.
        clock: Reader of time.
        drill: Whether new users are persons of a drill.
    """

    def __init__(self, store: Store, clock: Clock, *, drill: bool) -> None:
        self._store = store
        self._clock = clock
        self._drill = drill
        self._directory = Directory()
        self._stale = True
        self._changing = asyncio.Lock()
        self._refused: dict[tuple[str, str], int] = {}

    async def load(self) -> None:
        """Read the table; needed once, and again after a write whose end is not known."""
        if self._stale:
            async with self._changing:
                await self._reload()

    async def _reload(self) -> None:
        if not self._stale:
            return
        more = {name: json.loads(value) for name, value in await self._store.state(CREDENTIALS)}
        self._directory = Directory(
            access.UserRow(
                row.name,
                row.display,
                tuple(role for role in row.roles.split(",") if role),
                row.token_hash,
                row.created_ms,
                row.disabled,
                row.drill,
                *_credentials(more.get(row.name, {})),
            )
            for row in await self._store.users()
        )
        self._stale = False

    async def authenticate(self, token: str) -> Actor:
        """Tell who holds a token. Raises `AccessDenied`; an expired token is put on record."""
        await self.load()
        try:
            return self._directory.authenticate(token, self._clock.millis())
        except CredentialExpired as error:
            await self._put_on_record(f"user:{token.partition('.')[0]}", error.code)
            raise

    async def by_certificate(self, fingerprint: str, names: Sequence[str]) -> Actor:
        """Tell which machine a verified client certificate stands for.

        Raises:
            CertificateUnknown: None; it is put on record.
            CredentialRevoked: It was revoked, or its machine is disabled; put on record too.
        """
        await self.load()
        try:
            return self._directory.by_certificate(fingerprint, names)
        except AccessDenied as error:
            await self._put_on_record(fingerprint, error.code)
            raise

    async def _put_on_record(self, who: str, why: str) -> None:
        """Put a refusal into the evidence, once an hour for the same one: no flood gets in."""
        now = self._clock.millis()
        self._refused = {key: at for key, at in self._refused.items() if now - at < SAME_REFUSAL_MS}
        if (who, why) in self._refused:
            return
        self._refused[who, why] = now
        entry = EvidenceEntry(
            "store", self.local_actor().id, "access.refused", {"of": who, "why": why}
        )
        await self._store.commit(ChangeSet(evidence=(entry,)))

    def local_actor(self) -> Actor:
        """The actor of this process's own operating-system user."""
        return self._directory.local_actor()

    async def views(self) -> list[UserView]:
        """Every user and machine, without credentials."""
        await self.load()
        return [
            UserView(
                name=row.name,
                display=row.display,
                roles=list(row.roles),
                disabled=row.disabled,
                drill=row.drill,
                created_at=time_text(row.created_ms),
                machine=row.machine,
                expires_at=time_text(row.expires_ms),
                certificates=list(row.certificates),
            )
            for row in self._directory.rows
        ]

    async def add(
        self,
        name: str,
        roles: list[str],
        *,
        machine: bool = False,
        days: float = 0,
        certificates: Sequence[str] = (),
    ) -> str:
        """Add a user; returns the token, which is kept nowhere.

        Args:
            name: Its name.
            roles: Its roles.
            machine: Whether it is a program.
            days: For how long the token is good; 0 for good.
            certificates: What its client certificates are known by; see `Directory.bind`.

        Raises:
            InputError: The name is malformed or taken, or a role is none.
            StoreError: It could not be put on disk; there is no such user.
        """
        async with self._changing:
            await self._reload()
            row, token = self._directory.add_user(
                name,
                roles,
                created_ms=self._clock.millis(),
                drill=self._drill,
                machine=machine,
                expires_ms=self._expires(days),
            )
            try:
                for certificate in certificates:
                    row = self._directory.bind(name, certificate)
            except InputError:
                self._stale = True
                raise
            await self._keep(row, "user.add")
        return token

    async def renew(self, name: str, days: float = 0) -> str:
        """Give a user a new token; the old one is worth nothing. Raises as `add`."""
        async with self._changing:
            await self._reload()
            row, token = self._directory.renew_token(name, self._expires(days))
            await self._keep(row, "user.renew")
        return token

    async def bind(self, name: str, certificate: str) -> None:
        """Let a client certificate stand for a machine. Raises as `Directory.bind`."""
        await self._change(lambda: self._directory.bind(name, certificate), "user.bind")

    async def unbind(self, name: str, certificate: str) -> None:
        """Let a client certificate in no more. Raises as `Directory.unbind`."""
        await self._change(lambda: self._directory.unbind(name, certificate), "user.unbind")

    async def revoke(self, name: str) -> None:
        """Make a user's token and certificates worth nothing. Raises as `Directory.revoke`."""
        await self._change(lambda: self._directory.revoke(name), "user.revoke")

    async def _change(self, change: Callable[[], access.UserRow], what: str) -> None:
        async with self._changing:
            await self._reload()
            await self._keep(change(), what)

    async def change(self, wanted: UserChange) -> str:
        """Do what a request asks for; returns a new token, or an empty text.

        Raises:
            InputError: As the method of that name.
            StoreError: It could not be put on disk.
        """
        match wanted.action:
            case "add":
                return await self.add(
                    wanted.name,
                    wanted.roles,
                    machine=wanted.machine,
                    days=wanted.days,
                    certificates=wanted.certificates,
                )
            case "renew":
                return await self.renew(wanted.name, wanted.days)
            case "bind":
                for certificate in wanted.certificates:
                    await self.bind(wanted.name, certificate)
            case "unbind":
                for certificate in wanted.certificates:
                    await self.unbind(wanted.name, certificate)
            case "revoke":
                await self.revoke(wanted.name)
        return ""

    def _expires(self, days: float) -> int:
        if not 0 <= days <= LONGEST_DAYS:
            raise InputError(
                f"A token is good for up to {LONGEST_DAYS} days; 0 is for good.", field="days"
            )
        return self._clock.millis() + int(days * DAY_MS) if days else 0

    async def disable(self, name: str) -> None:
        """Keep a user from acting. Raises `InputError` for an unknown one, and as `add`."""
        await self._change(lambda: self._directory.disable(name), "user.disable")

    async def _keep(self, row: access.UserRow, what: str) -> None:
        roles = ",".join(row.roles)
        kept = UserRow(
            row.name,
            row.display,
            roles,
            row.token_hash,
            row.created_ms,
            row.disabled,
            row.drill,
        )
        more: dict[str, Json] = {
            "machine": row.machine,
            "expires": row.expires_ms,
            "certificates": row.certificates,
        }
        beside = StateRow(CREDENTIALS, row.name, json.dumps(more).encode())
        facts: dict[str, Json] = {"user": row.name, "roles": roles, **more}
        entry = EvidenceEntry("store", self.local_actor().id, what, facts)
        try:
            await self._store.commit(ChangeSet(users=(kept,), state=(beside,), evidence=(entry,)))
        except BaseException:
            self._stale = True  # the directory has what the disk may not have
            raise


def _credentials(kept: dict[str, Any]) -> tuple[bool, int, tuple[str, ...]]:
    """What the row of state says: machine, expiry, certificates."""
    return (
        bool(kept.get("machine", False)),
        int(kept.get("expires", 0)),
        tuple(kept.get("certificates", ())),
    )
