"""What an actor may say in a case: the directory's facts about a person, and the day's counts.

A person brings the roles, rank and unit that an admin gave, and the moment at which the credential
was last shown. The account of the operating system that owns the store has never proved an identity
anew, and has the lowest rank and no unit: it may prepare, and approve nothing. The same holds for a
machine that comes in from outside; only the program's own acts (a deadline, an institution's signed
answer) count as the program.
"""

from __future__ import annotations

from typing import Protocol

from fzalert.access import Actor
from fzalert.freeze.commands import Authority

__all__ = ["Counts", "authority_of"]

_OWN = "machine:"
"""How the ids of the program's own acts begin; a machine from outside is `peer:…`."""


class Counts(Protocol):
    """Knows how much was asked for today; a `CaseBook` does."""

    async def counted(self, who: str) -> int:
        """How many instructions a person prepared or approved today, or of a unit by its code."""
        ...


async def authority_of(actor: Actor, counts: Counts) -> Authority:
    """Make an actor into who asks in a case.

    Args:
        actor: As the directory issued it.
        counts: Knows the day's counts.
    """
    return Authority(
        actor.id,
        actor.roles,
        actor.rank,
        actor.unit,
        machine=actor.id.startswith(_OWN),
        proved_at=actor.proved_at,
        today=await counts.counted(actor.id),
        unit_today=await counts.counted(actor.unit) if actor.unit else 0,
    )
