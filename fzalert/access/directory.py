"""The directory of people: tokens are checked here, and actors issued.

A token is `<name>.<43 characters>`, the second half 256 random bits. Only its SHA-256 is kept;
a random token needs no slow hash. An unknown or disabled name costs the same time and gives the
same answer as a wrong token.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from fzalert.access.actors import SEAL, Actor, ActorKind, Role
from fzalert.errors import AccessDenied, InputError
from fzalert.messages import ActorId

__all__ = ["LOCAL_ROLES", "Directory", "UserRow"]

LOCAL_ROLES = frozenset(Role) - {Role.APPROVER, Role.BANK_DESK}
"""Roles of whoever owns the process. The second pair of eyes needs a credential of its own."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).digest()


class UserRow(NamedTuple):
    """One row of the table of users, as the store keeps it.

    Attributes:
        name: Lower-case letters, digits, `_` and `-`.
        display: How pages write the person.
        roles: Names of roles, sorted.
        token_hash: SHA-256 of the token, 32 bytes.
        created_ms: Milliseconds since the epoch.
        disabled: May not act any more.
        drill: A person of a demonstration or drill; what it does never counts.
    """

    name: str
    display: str
    roles: tuple[str, ...]
    token_hash: bytes
    created_ms: int
    disabled: bool = False
    drill: bool = False


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

    def authenticate(self, token: str) -> Actor:
        """Issue the actor whose token this is.

        Raises:
            AccessDenied: The text is the same for an unknown person, a wrong token and a disabled
                person.
        """
        name, _, _ = token.partition(".")
        row = self._rows.get(name)
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        is_right = hmac.compare_digest(digest, _NOBODY if row is None else row.token_hash)
        if row is None or row.disabled or not is_right:
            raise AccessDenied("The token is not valid.", hint="Ask an admin for a new one.")
        return self._issue(row)

    def add_user(
        self,
        name: str,
        roles: Iterable[Role | str],
        *,
        display: str = "",
        created_ms: int = 0,
        drill: bool = False,
    ) -> tuple[UserRow, str]:
        """Add a person.

        Returns:
            The row to keep, and the token, which is shown once and never kept.

        Raises:
            InputError: The name is malformed or taken, or a role is none.
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                "The name of a user is up to 32 lower-case letters, digits, '_' and '-'.",
                field="name",
            )
        if name in self._rows:
            raise InputError(f"There is a user {name} already.", field="name")
        token = _new_token(name)
        row = UserRow(name, display or name, _roles(roles), _hash(token), created_ms, False, drill)
        self._rows[name] = row
        return row, token

    def renew_token(self, name: str) -> tuple[UserRow, str]:
        """Give a person a new token; the old one is worth nothing from here on.

        Raises:
            InputError: No such user.
        """
        token = _new_token(name)
        return self._change(self._row(name)._replace(token_hash=_hash(token))), token

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
    def described(id: str, name: str, roles: Iterable[str], kind: str) -> Actor:
        """Issue the actor that another process's directory told of.

        It opens nothing here: that process checks the credential again at each act.
        """
        known = frozenset(Role(role) for role in roles)
        return Actor(ActorId(id), name, known, ActorKind(kind), seal=SEAL)

    def _issue(self, row: UserRow) -> Actor:
        return Actor(
            ActorId(f"user:{row.name}"),
            row.display,
            frozenset(Role(role) for role in row.roles),
            ActorKind.USER,
            row.drill,
            seal=SEAL,
        )

    def _row(self, name: str) -> UserRow:
        row = self._rows.get(name)
        if row is None:
            raise InputError("There is no user of that name.", field="name")
        return row

    def _change(self, row: UserRow) -> UserRow:
        self._rows[row.name] = row
        return row


def _roles(roles: Iterable[Role | str]) -> tuple[str, ...]:
    try:
        return tuple(sorted({str(Role(role)) for role in roles}))
    except ValueError:
        known = ", ".join(Role)
        raise InputError("That is no role.", hint=f"Roles are {known}.", field="roles") from None


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
