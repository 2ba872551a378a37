"""Who acts: an actor is issued after a credential was checked, and by nobody but the directory."""

from __future__ import annotations

import enum
from dataclasses import InitVar, dataclass, field
from datetime import datetime

from fzalert.access.ranks import Rank
from fzalert.errors import AccessDenied
from fzalert.messages import ActorId

__all__ = ["Actor", "ActorKind", "Role"]


class Role(enum.StrEnum):
    """What a person or machine may be trusted with; one may have several."""

    VIEWER = "viewer"
    TELLER = "teller"
    BRANCH_MANAGER = "branch_manager"
    BANK_DESK = "bank_desk"
    DUTY_OFFICER = "duty_officer"
    DETECTIVE = "detective"
    APPROVER = "approver"
    SCRIPT_EDITOR = "script_editor"
    ADMIN = "admin"
    AUDITOR = "auditor"
    RELAY = "relay"
    """Another fzalert, a branch's: may hand over warnings, and do nothing else."""


class ActorKind(enum.StrEnum):
    """How an actor was recognised."""

    LOCAL = "local"
    """The account of the operating system that runs the process and owns its files."""
    USER = "user"
    """A person with a token."""
    MACHINE = "machine"
    """A program: another machine with a credential, or this one's own deadline or trigger."""


SEAL = object()
"""What the directory shows to the constructor; of no use to anyone else in `access`."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or machine that acts. Every act that counts takes one, never a text.

    Made by `fzalert.access.Directory` only; also `dataclasses.replace` is refused, so that no code
    can give itself another role.

    Attributes:
        id: What store and evidence keep.
        name: For people.
        roles: What it may be trusted with.
        kind: How it was recognised.
        drill: Its acts carry the mark 演练 and never count.
        rank: The level of its office.
        unit: Twelve digits, the code of its unit, or empty.
        proved_at: When the person last showed a credential, or None: a machine and the account of
            the operating system prove no person.
    """

    id: ActorId
    name: str
    roles: frozenset[Role]
    kind: ActorKind
    drill: bool = False
    rank: Rank = Rank.STATION
    unit: str = ""
    proved_at: datetime | None = field(default=None, compare=False)
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not SEAL:
            raise TypeError("an Actor is issued by fzalert.access.Directory, not made")

    def require(self, *roles: Role) -> None:
        """Go on only with one of these roles.

        Raises:
            AccessDenied: It has none of them.
        """
        if self.roles.isdisjoint(roles):
            wanted = " or ".join(roles)
            raise AccessDenied(f"{self.name} may not do this.", hint=f"It needs the role {wanted}.")
