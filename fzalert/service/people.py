"""Who may come in: the users of an open service, on disk before they count."""

from __future__ import annotations

import asyncio

from fzalert.access import directory as access
from fzalert.access.actors import Actor, Role
from fzalert.access.directory import Directory
from fzalert.clock import Clock
from fzalert.errors import AccessDenied
from fzalert.service.models import UserView
from fzalert.service.views import time_text
from fzalert.store import ChangeSet, EvidenceEntry, Store, UserRow

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

    async def load(self) -> None:
        """Read the table; needed once, and again after a write whose end is not known."""
        if self._stale:
            async with self._changing:
                await self._reload()

    async def _reload(self) -> None:
        if not self._stale:
            return
        self._directory = Directory(
            access.UserRow(
                row.name,
                row.display,
                tuple(role for role in row.roles.split(",") if role),
                row.token_hash,
                row.created_ms,
                row.disabled,
                row.drill,
            )
            for row in await self._store.users()
        )
        self._stale = False

    async def authenticate(self, token: str) -> Actor:
        """Tell who holds a token. Raises `AccessDenied`."""
        await self.load()
        return self._directory.authenticate(token)

    def local_actor(self) -> Actor:
        """The actor of this process's own operating-system user."""
        return self._directory.local_actor()

    async def views(self) -> list[UserView]:
        """Every user, without credentials."""
        return [
            UserView(
                name=row.name,
                display=row.display,
                roles=[role for role in row.roles.split(",") if role],
                disabled=row.disabled,
                drill=row.drill,
                created_at=time_text(row.created_ms),
            )
            for row in await self._store.users()
        ]

    async def add(self, name: str, roles: list[str]) -> str:
        """Add a user; returns the token, which is kept nowhere.

        Raises:
            InputError: The name is malformed or taken, or a role is none.
            StoreError: It could not be put on disk; there is no such user.
        """
        async with self._changing:
            await self._reload()
            row, token = self._directory.add_user(
                name, roles, created_ms=self._clock.millis(), drill=self._drill
            )
            await self._keep(row, "user.add")
        return token

    async def disable(self, name: str) -> None:
        """Keep a user from acting. Raises `InputError` for an unknown one, and as `add`."""
        async with self._changing:
            await self._reload()
            await self._keep(self._directory.disable(name), "user.disable")

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
        facts = {"user": row.name, "roles": roles}
        entry = EvidenceEntry("store", self.local_actor().id, what, facts)
        try:
            await self._store.commit(ChangeSet(users=(kept,), evidence=(entry,)))
        except BaseException:
            self._stale = True  # the directory has what the disk may not have
            raise
