"""Who may come in: the users of an open service, on disk before they count.

What a user has beside name, roles and token (expiry, certificates, rank and unit, whether it is a
machine) stands as one row of state beside its row, written in the same commit. Only an admin
changes the table, and nobody his own rank or unit: a rank decides what he may approve.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fzalert.access import directory as access
from fzalert.access.actors import Actor, Role
from fzalert.access.directory import Directory
from fzalert.access.passkeys import Passkey
from fzalert.access.passwords import Passwords, check_password
from fzalert.access.ranks import Rank
from fzalert.access.rows import with_code, with_subject, without_passkey, without_subject
from fzalert.access.sessions import Sessions
from fzalert.clock import Clock
from fzalert.errors import AccessDenied, InputError, StoreError
from fzalert.evidence import Json
from fzalert.log import get_logger
from fzalert.service.models import PasskeyView, SessionView, UserChange, UserView
from fzalert.service.views import time_text
from fzalert.store import ChangeSet, EvidenceEntry, StateRow, Store, UserRow

CREDENTIALS = "credentials"
ENDS_SESSIONS = frozenset(
    {
        "user.renew",
        "user.revoke",
        "user.disable",
        "user.sign_out",
        "user.password",
        "user.appoint",  # another rank or unit is another office: its holder comes in anew
    }
)
log = get_logger("fzalert.service")

SAME_REFUSAL_MS = 3_600_000
LONGEST_DAYS = 3650
CODE_DAYS = 1.0
"""How long a code to make a passkey with is good, unless its admin says otherwise."""
LONGEST_CODE_DAYS = 14.0
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
        self.sessions = Sessions(store, clock, lambda: self._directory)
        self.passwords = Passwords()
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
        """Tell who holds a token. Raises `AccessDenied`; a token that is refused is on record."""
        await self.load()
        try:
            return self._directory.authenticate(token, self._clock.millis())
        except AccessDenied as error:
            await self.put_on_record(self.called(token.partition(".")[0]), error.code)
            raise

    def called(self, name: str) -> str:
        """How the record names somebody who was refused; nobody fills it with made-up names."""
        return f"user:{name}" if self._directory.knows(name) else "unknown"

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
            await self.put_on_record(fingerprint, error.code)
            raise

    async def put_on_record(self, who: str, why: str) -> None:
        """Put a refusal into the evidence, once an hour for the same one: no flood gets in.

        A full disk makes it no other refusal; then it stands in the log alone.
        """
        now = self._clock.millis()
        self._refused = {key: at for key, at in self._refused.items() if now - at < SAME_REFUSAL_MS}
        if (who, why) in self._refused:
            return
        self._refused[who, why] = now
        entry = EvidenceEntry(
            "store", self.local_actor().id, "access.refused", {"of": who, "why": why}
        )
        try:
            await self._store.commit(ChangeSet(evidence=(entry,)))
        except StoreError as error:
            log.warning("evidence.not_written", what=entry.what, code=error.code)

    async def set_password(self, name: str, password: str, *, by: Actor | None = None) -> None:
        """Give a person another password: an admin for anybody, everybody for himself.

        Raises:
            AccessDenied: Who asks is neither.
            InputError: No such person, a machine, or the password is too easy to guess.
            StoreError: It could not be put on disk; the old one is good.
        """
        who = self._himself_or_admin(name, by)
        encoded = await self.passwords.hashed(check_password(password, name))
        await self.amend(lambda: self._directory.set_password(name, encoded), "user.password", who)

    async def session_views(self, by: Actor | None = None) -> list[SessionView]:
        """Who is signed in, for an admin. Raises `AccessDenied` for anybody else."""
        self._admin(by)
        await self.load()
        return [
            SessionView(
                id=row.id,
                name=row.user,
                opened_at=time_text(row.born_ms),
                seen_at=time_text(row.seen_ms),
                proved_at=time_text(row.proved_ms),
            )
            for row in await self.sessions.current()
        ]

    @property
    def directory(self) -> Directory:
        """The table of users as it stands."""
        return self._directory

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
                rank=row.rank.name.lower(),
                unit=row.unit,
                has_password=bool(row.password),
                passkeys=[passkey_view(one) for one in row.passkeys],
                subjects=list(row.subjects),
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
        rank: Rank = Rank.STATION,
        unit: str = "",
        display: str = "",
        by: Actor | None = None,
    ) -> str:
        """Add a user; returns the token, which is kept nowhere.

        Args:
            name: Its name.
            roles: Its roles.
            machine: Whether it is a program.
            days: For how long the token is good; 0 for good.
            certificates: What its client certificates are known by; see `Directory.bind`.
            rank: The level of a person's office.
            unit: The code of a person's unit, or empty.
            display: How pages and papers write the person; the name unless given.
            by: The admin; this process's own account unless given.

        Raises:
            AccessDenied: Who asks is no admin.
            InputError: The name is malformed or taken, a role is none, or the unit is malformed.
            StoreError: It could not be put on disk; there is no such user.
        """
        admin = self._admin(by)
        async with self._changing:
            await self._reload()
            row, token = self._directory.add_user(
                name,
                roles,
                display=display,
                created_ms=self._clock.millis(),
                drill=self._drill,
                machine=machine,
                expires_ms=self._expires(days),
                rank=rank,
                unit=unit,
            )
            try:
                for certificate in certificates:
                    row = self._directory.bind(name, certificate)
            except InputError:
                self._stale = True
                raise
            await self._keep(row, "user.add", admin)
        return token

    async def renew(self, name: str, days: float = 0, *, by: Actor | None = None) -> str:
        """Give a user a new token; the old one is worth nothing. Raises as `add`."""
        admin = self._admin(by)
        async with self._changing:
            await self._reload()
            row, token = self._directory.renew_token(name, self._expires(days))
            await self._keep(row, "user.renew", admin)
        return token

    async def appoint(
        self,
        name: str,
        *,
        rank: Rank | None = None,
        unit: str | None = None,
        by: Actor | None = None,
    ) -> None:
        """Give a person another rank or unit, or both; None leaves what it has.

        Raises:
            AccessDenied: Who asks is no admin, or is that person.
            InputError: As `Directory.appoint`, or nothing is to be changed.
            StoreError: It could not be put on disk; nothing is changed.
        """
        admin = self._admin(by)
        if admin.id == f"user:{name}":
            raise AccessDenied(
                "Nobody gives himself a rank or a unit.", hint="Another admin has to do it."
            )
        if rank is None and unit is None:
            raise InputError("Which rank or unit? Give at least one of them.", field="rank")
        await self.amend(lambda: self._directory.appoint(name, rank, unit), "user.appoint", admin)

    async def bind(self, name: str, certificate: str, *, by: Actor | None = None) -> None:
        """Let a client certificate stand for a machine. Raises as `Directory.bind`."""
        admin = self._admin(by)
        await self.amend(lambda: self._directory.bind(name, certificate), "user.bind", admin)

    async def unbind(self, name: str, certificate: str, *, by: Actor | None = None) -> None:
        """Let a client certificate in no more. Raises as `Directory.unbind`."""
        admin = self._admin(by)
        await self.amend(lambda: self._directory.unbind(name, certificate), "user.unbind", admin)

    async def revoke(self, name: str, *, by: Actor | None = None) -> None:
        """Make a user's token and certificates worth nothing. Raises as `Directory.revoke`."""
        admin = self._admin(by)
        await self.amend(lambda: self._directory.revoke(name), "user.revoke", admin)

    async def sign_out(self, name: str, *, by: Actor | None = None) -> None:
        """End every session of a person, an admin's or one's own. Raises as `revoke`."""
        who = self._himself_or_admin(name, by)
        await self.amend(lambda: self._directory.row(name), "user.sign_out", who)

    async def offer_passkey(self, name: str, days: float = 0, *, by: Actor | None = None) -> str:
        """Let a person make a passkey once; returns the code, which is kept nowhere.

        Raises:
            AccessDenied: Who asks is no admin.
            InputError: No such person, a machine, or too many days.
            StoreError: It could not be put on disk; there is no such code.
        """
        admin = self._admin(by)
        if not 0 <= days <= LONGEST_CODE_DAYS:
            raise InputError(f"A code is good for up to {LONGEST_CODE_DAYS:g} days.", field="days")
        until = self._clock.millis() + int((days or CODE_DAYS) * DAY_MS)
        code = ""

        def offer() -> access.UserRow:
            nonlocal code
            row, code = with_code(self._directory.row(name), until)
            return self._directory.change(row)

        await self.amend(offer, "user.enrol", admin)
        return code

    async def remove_passkey(self, name: str, id: str, *, by: Actor | None = None) -> None:
        """Let a person come in with a passkey no more; its sessions end.

        Raises:
            AccessDenied: Who asks is neither that person nor an admin.
            InputError: No such person or passkey.
            StoreError: It could not be put on disk; it is as it was.
        """
        who = self._himself_or_admin(name, by)

        def remove() -> access.UserRow:
            return self._directory.change(without_passkey(self._directory.row(name), id))

        await self.amend(remove, "user.passkey_remove", who)

    async def bind_subject(self, name: str, subject: str, *, by: Actor | None = None) -> None:
        """Let a subject of the provider stand for a person. Raises as `with_subject`."""
        admin = self._admin(by)

        def bind() -> access.UserRow:
            return self._directory.change(with_subject(self._directory.row(name), subject))

        await self.amend(bind, "user.bind", admin)

    async def unbind_subject(self, name: str, subject: str, *, by: Actor | None = None) -> None:
        """Let a subject of the provider stand for a person no more; its sessions end."""
        admin = self._admin(by)

        def unbind() -> access.UserRow:
            return self._directory.change(without_subject(self._directory.row(name), subject))

        await self.amend(unbind, "user.unbind", admin)

    def _himself_or_admin(self, name: str, by: Actor | None) -> Actor:
        return by if by is not None and by.id == f"user:{name}" else self._admin(by)

    def _admin(self, by: Actor | None) -> Actor:
        """Who changes the table: an admin, or the account that owns the store. Raises otherwise."""
        admin = by or self.local_actor()
        require(admin, Role.ADMIN, drill=self._drill)
        return admin

    async def amend(
        self,
        change: Callable[[], access.UserRow],
        what: str | Callable[[], str],
        by: Actor,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        """Change one row, on record; one change at a time.

        Args:
            change: Changes the directory and returns the row; what it raises changes nothing.
            what: The act, as the record names it; asked once the change is made.
            by: Who does it; whether he may is the caller's matter.
            facts: More for the record.

        Raises:
            StoreError: It could not be put on disk; nothing is changed.
        """
        async with self._changing:
            await self._reload()
            row = change()
            await self._keep(row, what if isinstance(what, str) else what(), by, facts)

    async def change(self, wanted: UserChange, by: Actor | None = None) -> str:
        """Do what a request asks for; returns a new token, or an empty text.

        Args:
            wanted: The request.
            by: The admin; this process's own account unless given.

        Raises:
            AccessDenied: Who asks is no admin.
            InputError: As the method of that name.
            StoreError: It could not be put on disk.
        """
        rank = None if wanted.rank is None else Rank.named(wanted.rank)
        match wanted.action:
            case "add":
                return await self.add(
                    wanted.name,
                    wanted.roles,
                    machine=wanted.machine,
                    days=wanted.days,
                    certificates=wanted.certificates,
                    rank=rank or Rank.STATION,
                    unit=wanted.unit or "",
                    by=by,
                )
            case "renew":
                return await self.renew(wanted.name, wanted.days, by=by)
            case "appoint":
                await self.appoint(wanted.name, rank=rank, unit=wanted.unit, by=by)
            case "bind" | "unbind":
                await self._bound(wanted, by)
            case "enrol":
                return await self.offer_passkey(wanted.name, wanted.days, by=by)
            case "remove_passkey":
                await self.remove_passkey(wanted.name, wanted.passkey, by=by)
            case "password":
                secret = wanted.password.get_secret_value() if wanted.password else ""
                await self.set_password(wanted.name, secret, by=by)
            case "sign_out":
                await self.sign_out(wanted.name, by=by)
            case "revoke":
                await self.revoke(wanted.name, by=by)
        return ""

    async def _bound(self, wanted: UserChange, by: Actor | None) -> None:
        is_bind = wanted.action == "bind"
        change = self.bind if is_bind else self.unbind
        for certificate in wanted.certificates:
            await change(wanted.name, certificate, by=by)
        other = self.bind_subject if is_bind else self.unbind_subject
        for subject in wanted.subjects:
            await other(wanted.name, subject, by=by)

    def _expires(self, days: float) -> int:
        if not 0 <= days <= LONGEST_DAYS:
            raise InputError(
                f"A token is good for up to {LONGEST_DAYS} days; 0 is for good.", field="days"
            )
        return self._clock.millis() + int(days * DAY_MS) if days else 0

    async def disable(self, name: str, *, by: Actor | None = None) -> None:
        """Keep a user from acting. Raises `InputError` for an unknown one, and as `add`."""
        admin = self._admin(by)
        await self.amend(lambda: self._directory.disable(name), "user.disable", admin)

    async def _keep(
        self,
        row: access.UserRow,
        what: str,
        admin: Actor,
        told: Mapping[str, Json] | None = None,
    ) -> None:
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
            "rank": row.rank.name.lower(),
            "unit": row.unit,
        }
        facts: dict[str, Json] = {"user": row.name, "roles": roles, **more}
        facts |= {"passkeys": [one.id for one in row.passkeys]} if row.passkeys else {}
        facts |= dict(told or {})
        # Of the row alone, never of the record:
        more["password"] = row.password
        more["passkeys"] = [list(one) for one in row.passkeys]
        more["subjects"] = row.subjects
        more["enrol"] = [row.enrol_hash, row.enrol_until_ms]
        beside = StateRow(CREDENTIALS, row.name, json.dumps(more).encode())
        entry = EvidenceEntry("store", admin.id, what, facts)
        try:
            async with self.sessions.ending_one_by_one():
                gone = await self.sessions.ending(row.name) if what in ENDS_SESSIONS else ()
                state = (beside, *gone)
                await self._store.commit(ChangeSet(users=(kept,), state=state, evidence=(entry,)))
        except BaseException:
            self._stale = True  # the directory has what the disk may not have
            raise


def passkey_view(passkey: Passkey) -> PasskeyView:
    """A passkey as a list shows it; nothing of it opens anything."""
    return PasskeyView(
        id=passkey.id,
        label=passkey.label,
        aaguid=passkey.aaguid,
        created_at=time_text(passkey.created_ms),
        used_at=time_text(passkey.used_ms),
        backed_up=passkey.backed_up,
        blocked=passkey.blocked,
    )


def _credentials(kept: dict[str, Any]) -> tuple[Any, ...]:
    """What the row of state says beside the first columns, in the order of `UserRow`."""
    code, until_ms = kept.get("enrol", ("", 0))
    return (
        bool(kept.get("machine", False)),
        int(kept.get("expires", 0)),
        tuple(kept.get("certificates", ())),
        Rank.named(kept.get("rank", "station")),
        str(kept.get("unit", "")),
        str(kept.get("password", "")),
        tuple(Passkey(*one) for one in kept.get("passkeys", ())),
        tuple(kept.get("subjects", ())),
        str(code),
        int(until_ms),
    )
