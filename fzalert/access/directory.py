"""The directory of people: tokens are checked here, and actors issued.

A token is `<name>.<43 characters>`, the second half 256 random bits. Only its SHA-256 is kept;
a random token needs no slow hash. An unknown or disabled name costs the same time and gives the
same answer as a wrong token. A machine may come with a token or with a client certificate, which is
known by its fingerprint or by a name that its authority wrote into it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fzalert.access.actors import SEAL, Actor, ActorKind, Role
from fzalert.access.passkeys import Passkey
from fzalert.access.ranks import Rank, check_unit
from fzalert.access.rows import UserRow, code_hash, passkey_stamp, person, subject_stamp
from fzalert.errors import (
    AccessDenied,
    CertificateUnknown,
    CredentialExpired,
    CredentialRevoked,
    InputError,
    PasskeyRefused,
    SingleSignOnRefused,
)
from fzalert.messages import ActorId

__all__ = ["LOCAL_ROLES", "Directory", "UserRow"]

LOCAL_ROLES = frozenset(Role) - {Role.APPROVER, Role.BANK_DESK, Role.RELAY}
"""Roles of whoever owns the process. The second pair of eyes needs a credential of its own."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_SUBJECT = re.compile(r"(?:uri|dns):[!-~]{1,200}")
_REVOKED = "!"
"""In front of a fingerprint: this certificate is let in no more, whatever else is bound."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).digest()


class Directory:
    """Knows the people, checks their tokens, issues actors. What changes is returned as a row.

    Args:
        rows: The table of users.
    """

    def __init__(self, rows: Iterable[UserRow] = ()) -> None:
        self._rows = {row.name: row for row in rows}

    @property
    def rows(self) -> tuple[UserRow, ...]:
        """The table of users as it has to stand, in the order of names."""
        return tuple(self._rows[name] for name in sorted(self._rows))

    def authenticate(self, token: str, now_ms: int = 0) -> Actor:
        """Issue the actor whose token this is.

        Args:
            token: As it was shown once.
            now_ms: Milliseconds since the epoch. To show the token proves a person anew.

        Raises:
            AccessDenied: The text is the same for an unknown person, a wrong token and a disabled
                person.
            CredentialExpired: It is the right token, and its time is over.
        """
        name, _, _ = token.partition(".")
        row = self._rows.get(name)
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        is_right = hmac.compare_digest(digest, _NOBODY if row is None else row.token_hash)
        if row is None or row.disabled or not is_right:
            raise AccessDenied("The token is not valid.", hint="Ask an admin for a new one.")
        if row.expires_ms and now_ms >= row.expires_ms:
            raise CredentialExpired(
                f"The token of {row.name} has expired.",
                hint=f"An admin gives a new one: fzalert user renew {row.name}.",
            )
        return self._issue(row, now_ms)

    def password_of(self, name: str) -> str:
        """The hash of a person's password; empty where there is none to check against."""
        row = self._rows.get(name)
        return "" if row is None or row.disabled else row.password

    def by_password(self, name: str, kept: str, now_ms: int) -> Actor:
        """Issue the actor whose password has just been checked.

        Args:
            name: Whose.
            kept: The hash that it was checked against.
            now_ms: Milliseconds since the epoch.

        Raises:
            AccessDenied: The password was replaced or the access closed meanwhile.
        """
        row = self._rows.get(name)
        if row is None or row.disabled or not kept or row.password != kept:
            raise AccessDenied("The name or the password is wrong.", hint="Try again.")
        return self._issue(row, now_ms)

    def set_password(self, name: str, encoded: str) -> UserRow:
        """Give a person a password, by its hash.

        Raises:
            InputError: No such person, or a machine.
        """
        row = person(self._row(name), "a password")
        return self._change(row._replace(password=encoded))

    def stamp(self, name: str, *, password: bool = False) -> str:
        """What changes with a person's credential; a session that was opened with another one ends.

        Args:
            name: Whose.
            password: Of the password, not of the token.

        Raises:
            AccessDenied: No such user.
        """
        row = self._rows.get(name)
        if row is None:
            raise AccessDenied("There is no such user any more.", hint="Sign in again.")
        kind, what = ("p", row.password.encode()) if password else ("t", row.token_hash)
        return kind + hashlib.sha256(b"fz-session-stamp\0" + what).hexdigest()[:32]

    def by_session(self, name: str, stamp: str, proved_ms: int, now_ms: int) -> Actor:
        """Issue the actor of a session that was opened with a credential.

        Args:
            name: Whose session.
            stamp: Of the credential, as `stamp` told it then.
            proved_ms: When the credential was last shown, milliseconds.
            now_ms: Milliseconds since the epoch.

        Raises:
            AccessDenied: The user is gone or disabled, or the credential was replaced or has ended.
        """
        row = self._rows.get(name)
        if row is None or row.disabled:
            raise AccessDenied("The session is over.", hint="Sign in again.")
        by_token = stamp.startswith("t")
        ended = row.expires_ms and now_ms >= row.expires_ms and by_token
        if ended or stamp not in self._stamps(row):
            raise AccessDenied("The session is over.", hint="Sign in again.")
        return self._issue(row, proved_ms)

    def _stamps(self, row: UserRow) -> Iterator[str]:
        """The stamps of every credential that a person has now."""
        yield self.stamp(row.name)
        yield self.stamp(row.name, password=True)
        yield from (passkey_stamp(one.key) for one in row.passkeys if not one.blocked)
        yield from (subject_stamp(one) for one in row.subjects)

    # -- passkeys --------------------------------------------------------------------------

    def passkey(self, key: str) -> tuple[UserRow, Passkey]:
        """The owner of a passkey, and the passkey.

        Args:
            key: SHA-256 of its credential id, in hex.

        Raises:
            PasskeyRefused: The text is the same for one that is unknown, was removed or closed, and
                for a disabled owner.
        """
        for row in self._rows.values():
            for one in row.passkeys:
                if one.key == key and not one.blocked and not row.disabled:
                    return row, one
        raise PasskeyRefused(
            "This passkey opens nothing here.",
            hint="It was removed, or made for another site; sign in another way.",
        )

    def by_passkey(self, key: str, now_ms: int) -> Actor:
        """Issue the actor whose passkey has just been checked. Raises as `passkey`."""
        return self._issue(self.passkey(key)[0], now_ms)

    def by_code(self, code: str, now_ms: int) -> UserRow:
        """Who may make a passkey by a code.

        Raises:
            AccessDenied: Nobody, or its time is over; the text is the same.
        """
        wanted = code_hash(code)
        for row in self._rows.values():
            known = row.enrol_hash and hmac.compare_digest(row.enrol_hash, wanted)
            if known and now_ms < row.enrol_until_ms and not row.disabled:
                return row
        raise AccessDenied(
            "The code is wrong, was used, or its time is over.",
            hint="An administrator makes one: fzalert user enrol NAME.",
        )

    # -- single sign-on --------------------------------------------------------------------

    def by_subject(self, subject: str, now_ms: int) -> Actor:
        """Issue the actor who is a subject at a provider, which has just been checked.

        Raises:
            SingleSignOnRefused: It is bound to nobody, or the person is disabled.
        """
        for row in self._rows.values():
            if subject in row.subjects and not row.disabled:
                return self._issue(row, now_ms)
        raise SingleSignOnRefused(
            "The provider knows this person, and nobody here is bound to it.",
            hint="An administrator binds it: "
            f"fzalert user bind NAME --subject '{subject.partition(' ')[2]}'.",
        )

    def by_certificate(self, fingerprint: str, names: Sequence[str] = ()) -> Actor:
        """Issue the actor that a client certificate is bound to; TLS has verified it before.

        Args:
            fingerprint: `sha256:` and the hash of the whole certificate in hex.
            names: The names that its authority wrote into it, as `uri:…` and `dns:…`.

        Raises:
            CertificateUnknown: It is bound to nobody.
            CredentialRevoked: It was revoked, or its owner is disabled.
        """
        known = self._rows.values()
        revoked = any(_REVOKED + fingerprint in row.certificates for row in known)
        offered = {fingerprint, *names}
        row = next((row for row in known if offered & set(row.certificates)), None)
        if revoked or (row is not None and row.disabled):
            raise CredentialRevoked(
                "The client certificate was revoked.", hint="Ask an admin for a new one."
            )
        if row is None:
            raise CertificateUnknown(
                "The client certificate is bound to no machine.",
                hint=f"fzalert user bind MACHINE --san NAME, or with the fingerprint {fingerprint}",
            )
        return self._issue(row)

    def add_user(
        self,
        name: str,
        roles: Iterable[Role | str],
        *,
        display: str = "",
        created_ms: int = 0,
        drill: bool = False,
        machine: bool = False,
        expires_ms: int = 0,
        rank: Rank = Rank.STATION,
        unit: str = "",
    ) -> tuple[UserRow, str]:
        """Add a person or a machine.

        Args:
            name: Lower-case letters, digits, `_` and `-`.
            roles: What it may be trusted with.
            display: How pages write it.
            created_ms: Now, milliseconds since the epoch.
            drill: Whether it is of a drill.
            machine: Whether it is a program.
            expires_ms: When the token expires, milliseconds; 0 for never.
            rank: The level of a person's office.
            unit: The code of a person's unit, or empty.

        Returns:
            The row to keep, and the token, which is shown once and never kept.

        Raises:
            InputError: The name is malformed or taken, a role is none, the code of the unit is
                malformed, or a machine is to have an office.
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                "The name of a user is up to 32 lower-case letters, digits, '_' and '-'.",
                field="name",
            )
        if name in self._rows:
            raise InputError(f"There is a user {name} already.", field="name")
        if machine:
            _no_office(name, rank, unit)
        token = _new_token(name)
        row = UserRow(
            name,
            display or name,
            _roles(roles),
            _hash(token),
            created_ms,
            False,
            drill,
            machine,
            expires_ms,
            rank=rank,
            unit=check_unit(unit),
        )
        self._rows[name] = row
        return row, token

    def renew_token(self, name: str, expires_ms: int = 0) -> tuple[UserRow, str]:
        """Give a person or machine a new token; the old one is worth nothing from here on.

        Raises:
            InputError: No such user.
        """
        token = _new_token(name)
        row = self._row(name)._replace(token_hash=_hash(token), expires_ms=expires_ms)
        return self._change(row), token

    def appoint(self, name: str, rank: Rank | None = None, unit: str | None = None) -> UserRow:
        """Give a person another rank or unit, or both; None leaves what it has.

        Raises:
            InputError: No such person, a machine, or the code of the unit is malformed.
        """
        row = self._row(name)
        if row.machine:
            _no_office(name, rank, unit)
        return self._change(
            row._replace(
                rank=row.rank if rank is None else rank,
                unit=row.unit if unit is None else check_unit(unit),
            )
        )

    def bind(self, name: str, certificate: str) -> UserRow:
        """Let a client certificate stand for a machine.

        Args:
            name: The machine.
            certificate: `sha256:` and a fingerprint, or a name in the certificate, `uri:…` or
                `dns:…`.

        Raises:
            InputError: No such machine, a person, or it is bound to another machine already.
        """
        row = self._row(name)
        if not row.machine:
            raise InputError(
                f"{name} is a person; a certificate is for a machine.",
                hint="Add a machine: fzalert user add-machine.",
                field="name",
            )
        if not (_FINGERPRINT.fullmatch(certificate) or _SUBJECT.fullmatch(certificate)):
            raise InputError(
                "That names no certificate.",
                hint="Give sha256: and 64 hex digits, or a name as uri:fz:branch:… or dns:….",
                field="certificate",
            )
        owner = next((r.name for r in self._rows.values() if certificate in r.certificates), name)
        if owner != name:
            raise InputError(f"It is bound to {owner} already.", field="certificate")
        rest = {one for one in row.certificates if one != _REVOKED + certificate}
        return self._change(row._replace(certificates=tuple(sorted(rest | {certificate}))))

    def unbind(self, name: str, certificate: str) -> UserRow:
        """Let a certificate in no more; one that is known by a name in it is kept out too.

        Raises:
            InputError: No such machine, or it names no certificate.
        """
        row = self._row(name)
        if certificate not in row.certificates and not _FINGERPRINT.fullmatch(certificate):
            raise InputError(
                "That certificate is not bound to it.",
                hint="Give sha256: and 64 hex digits of the certificate that is to be kept out.",
                field="certificate",
            )
        rest = {one for one in row.certificates if one != certificate}
        if _FINGERPRINT.fullmatch(certificate):
            rest.add(_REVOKED + certificate)
        return self._change(row._replace(certificates=tuple(sorted(rest))))

    def revoke(self, name: str) -> UserRow:
        """Make token, password, passkeys and certificates worth nothing; new ones may be given.

        Raises:
            InputError: No such user.
        """
        row = self._row(name)
        kept_out = {
            one if one.startswith(_REVOKED) else _REVOKED + one
            for one in row.certificates
            if one.removeprefix(_REVOKED).startswith("sha256:")
        }
        return self._change(
            row._replace(
                token_hash=_hash(_new_token(name)),
                expires_ms=0,
                certificates=tuple(sorted(kept_out)),
                password="",
                passkeys=(),
                subjects=(),
                enrol_hash="",
                enrol_until_ms=0,
            )
        )

    def set_roles(self, name: str, roles: Iterable[Role | str]) -> UserRow:
        """Give a person other roles. Raises `InputError` for an unknown user or role."""
        return self._change(self._row(name)._replace(roles=_roles(roles)))

    def disable(self, name: str) -> UserRow:
        """Keep a person from acting; its past acts stand. Raises `InputError` if unknown."""
        return self._change(self._row(name)._replace(disabled=True))

    def enable(self, name: str) -> UserRow:
        """Let a person act again. Raises `InputError` if unknown."""
        return self._change(self._row(name)._replace(disabled=False))

    def local_actor(self, *, roles: frozenset[Role] = LOCAL_ROLES) -> Actor:
        """Issue the actor for the account of the operating system that runs this process."""
        name = _account()
        return Actor(ActorId(f"local:{name}"), name, roles, ActorKind.LOCAL, seal=SEAL)

    def machine_actor(self, name: str, *, roles: frozenset[Role] = frozenset()) -> Actor:
        """Issue the actor for the program's own acts: a deadline, a trigger.

        Raises:
            InputError: The name is malformed.
        """
        if not _NAME.fullmatch(name):
            raise InputError("The name of a machine is as that of a user.", field="name")
        return Actor(ActorId(f"machine:{name}"), name, roles, ActorKind.MACHINE, seal=SEAL)

    @staticmethod
    def described(
        id: str,
        name: str,
        roles: Iterable[str],
        kind: str,
        *,
        rank: str = "station",
        unit: str = "",
        proved_ms: int = 0,
    ) -> Actor:
        """Issue the actor that another process's directory told of.

        It opens nothing here: that process checks the credential again at each act.
        """
        known = frozenset(Role(role) for role in roles)
        office = Rank.named(rank)
        return Actor(
            ActorId(id),
            name,
            known,
            ActorKind(kind),
            rank=office,
            unit=unit,
            proved_at=_moment(proved_ms),
            seal=SEAL,
        )

    @staticmethod
    def proved_before(actor: Actor, proved_ms: int) -> Actor:
        """The same actor, proved at a moment in the past, or not at all where that is 0.

        For a credential that a program keeps and shows by itself: that proves nobody anew. What was
        proved earlier is not made later.
        """
        moment = _moment(proved_ms)
        if moment is None or actor.proved_at is None:
            return replace(actor, proved_at=None, seal=SEAL)
        return replace(actor, proved_at=min(actor.proved_at, moment), seal=SEAL)

    def _issue(self, row: UserRow, proved_ms: int = 0) -> Actor:
        # A deadline of this program is `machine:…`; what comes in from outside is never that.
        return Actor(
            ActorId(f"{'peer' if row.machine else 'user'}:{row.name}"),
            row.display,
            frozenset(Role(role) for role in row.roles),
            ActorKind.MACHINE if row.machine else ActorKind.USER,
            row.drill,
            row.rank,
            row.unit,
            None if row.machine else _moment(proved_ms),
            seal=SEAL,
        )

    def unproved(self, name: str) -> Actor:
        """Issue the actor of a person who has shown nothing, for the record of an act of his own.

        Raises:
            InputError: No such user.
        """
        return self._issue(self._row(name))

    def knows(self, name: str) -> bool:
        """Whether there is a user of that name."""
        return name in self._rows

    def row(self, name: str) -> UserRow:
        """One row of the table of users. Raises `InputError` if unknown."""
        return self._row(name)

    def _row(self, name: str) -> UserRow:
        row = self._rows.get(name)
        if row is None:
            raise InputError("There is no user of that name.", field="name")
        return row

    def change(self, row: UserRow) -> UserRow:
        """Put a changed row in the place of the one of that name; returns it.

        Raises:
            InputError: A passkey or a subject of it stands for somebody else already.
        """
        keys = {one.key for one in row.passkeys}
        for other in self._rows.values():
            if other.name == row.name:
                continue
            if keys & {one.key for one in other.passkeys}:
                raise InputError("This passkey is registered already.", field="passkey")
            if set(row.subjects) & set(other.subjects):
                raise InputError(f"It is bound to {other.name} already.", field="subject")
        return self._change(row)

    def _change(self, row: UserRow) -> UserRow:
        self._rows[row.name] = row
        return row


def _roles(roles: Iterable[Role | str]) -> tuple[str, ...]:
    try:
        return tuple(sorted({str(Role(role)) for role in roles}))
    except ValueError:
        known = ", ".join(Role)
        raise InputError("That is no role.", hint=f"Roles are {known}.", field="roles") from None


def _moment(millis: int) -> datetime | None:
    return _EPOCH + timedelta(milliseconds=millis) if millis else None


def _no_office(name: str, rank: Rank | None, unit: str | None) -> None:
    if rank or unit:
        raise InputError(f"{name} is a machine; rank and unit are of a person.", field="rank")


def _new_token(name: str) -> str:
    return f"{name}.{secrets.token_urlsafe(32)}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _account() -> str:
    """The account's name; its number where it has no name (a container)."""
    if not hasattr(os, "getuid"):
        return os.environ.get("USERNAME", "local")
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
