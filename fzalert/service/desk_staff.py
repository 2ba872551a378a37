"""The people of a bank's desk: users of the desk's own store, beside the tokens of its file.

A person has a name, a password, and a role: an operator compares and answers; a supervisor may do
that too, and adds and closes people. The tokens in `desk.toml` stay good for programs and for the
terminal; the pages take people alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from fzalert.access import Actor, Role
from fzalert.errors import AccessDenied, InputError
from fzalert.service.people import People
from fzalert.service.signing_in import SigningIn

if TYPE_CHECKING:
    from fzalert.desk.service import DeskService
    from fzalert.service.models import UserView

__all__ = ["ROLES", "DeskPerson", "DeskStaff"]

ROLES: dict[str, tuple[Role, ...]] = {
    "operator": (Role.BANK_DESK,),
    "supervisor": (Role.ADMIN, Role.BANK_DESK),
}
"""What each role of a desk may be trusted with."""


class DeskPerson(BaseModel):
    """A change to the people of a desk, asked by a supervisor.

    Attributes:
        action: add, password or disable.
        name: Whose.
        role: operator or supervisor, for a new person.
        display: As receipts name the person.
        password: For the pages.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    action: Literal["add", "password", "disable"]
    name: Annotated[str, Field(max_length=32)]
    role: str = "operator"
    display: Annotated[str, Field(max_length=40)] = ""
    password: SecretStr = SecretStr("")

    async def change(self, staff: DeskStaff, by: Actor | None) -> str:
        """Do it; returns a new person's token, or an empty text. Raises as `DeskStaff`."""
        secret = self.password.get_secret_value()
        if self.action == "add":
            return await staff.add(
                self.name, self.role, display=self.display, password=secret, by=by
            )
        if self.action == "password":
            await staff.set_password(self.name, secret, by=by)
        else:
            await staff.disable(self.name, by=by)
        return ""


class DeskStaff:
    """Signs the desk's people in, and keeps the table of them.

    Args:
        desk: The open desk.
    """

    def __init__(self, desk: DeskService) -> None:
        self._desk = desk
        self._people = People(desk.store, desk.clock, drill=False)
        self._signing_in = SigningIn(self._people, desk.store, desk.clock)

    async def authenticate(self, token: str) -> Actor:
        """Tell who holds a token, of the store or of the file. Raises `AccessDenied`."""
        name = token.partition(".")[0]
        if self._desk.knows(name):
            return self._desk.authenticate(token)
        return await self._people.authenticate(token)

    async def by_certificate(self, fingerprint: str, names: Sequence[str]) -> Actor:
        """Nobody of a desk comes with a client certificate. Raises `CertificateUnknown`."""
        return await self._people.by_certificate(fingerprint, names)

    async def sign_in(self, secret: str, *, name: str = "", address: str = "") -> str:
        """Open a session for a person; raises as `SigningIn.sign_in`."""
        return await self._signing_in.sign_in(secret, name=name, address=address)

    async def session(self, cookie: str) -> Actor | None:
        """Tell who a session belongs to; None where it is over or unknown."""
        return await self._signing_in.session(cookie)

    async def prove_anew(self, cookie: str, secret: str, *, address: str = "") -> str:
        """Prove the person of a session anew; raises as `SigningIn.prove_anew`."""
        return await self._signing_in.prove_anew(cookie, secret, address=address)

    async def sign_out(self, cookie: str) -> None:
        """End a session; one that is unknown or over is none."""
        await self._signing_in.sign_out(cookie)

    async def add(
        self,
        name: str,
        role: str,
        *,
        display: str = "",
        password: str = "",
        by: Actor | None = None,
    ) -> str:
        """Add a person; returns a token for the terminal, which is kept nowhere.

        Args:
            name: Lower-case letters, digits, `_` and `-`.
            role: One of `ROLES`.
            display: As receipts name the person.
            password: For the pages; none where it is empty.
            by: A supervisor; the account that owns the store unless given.

        Raises:
            AccessDenied: Who asks is no supervisor.
            InputError: The role is none, the name is taken or malformed, or the password too plain.
        """
        if role not in ROLES:
            known = ", ".join(ROLES)
            raise InputError("That is no role of a desk.", hint=f"Roles: {known}.", field="role")
        if self._desk.knows(name):
            raise InputError(f"desk.toml has a token of the name {name}.", field="name")
        if password:
            from fzalert.access.passwords import check_password

            check_password(password, name)
        roles = [str(one) for one in ROLES[role]]
        token = await self._people.add(name, roles, display=display, by=by)
        if password:
            await self._people.set_password(name, password, by=by)
        return token

    async def set_password(self, name: str, password: str, *, by: Actor | None = None) -> None:
        """Give a person another password; raises as `People.set_password`."""
        await self._people.load()
        await self._people.set_password(name, password, by=by)

    async def disable(self, name: str, *, by: Actor | None = None) -> None:
        """Close a person's access, sessions too; raises as `People.disable`."""
        await self._people.load()
        await self._people.disable(name, by=by)

    async def views(self) -> list[UserView]:
        """Every person of the store."""
        return await self._people.views()

    async def names(self) -> dict[str, str]:
        """How papers and pages write the ids of actors."""
        found = {f"user:{view.name}": view.display for view in await self._people.views()}
        return {**self._desk.displays(), **found}

    async def supervisor(self, token: str) -> Actor:
        """Who holds a supervisor's token. Raises `AccessDenied` for anybody else."""
        actor = await self.authenticate(token)
        try:
            actor.require(Role.ADMIN)
        except AccessDenied:
            raise AccessDenied(
                "Only a supervisor of the desk may do this.", hint="Ask one."
            ) from None
        return actor
