"""The campaigns of one store, in memory as they are on disk; one process owns both."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fzalert.campaigns.model import Campaign, State
from fzalert.campaigns.previewed import Confirmation
from fzalert.evidence import Json
from fzalert.store import Acceptance, AudienceRow, ChangeSet, EvidenceEntry, Store


class Book:
    """Reads campaigns once, and writes each change through.

    Args:
        store: Open.

    Attributes:
        lock: Held by whoever reads a row to write it again: feeding and pausing at once would move
            a cursor back, and people would be written to twice.
    """

    def __init__(self, store: Store) -> None:
        self.lock = asyncio.Lock()
        self._store = store
        self._kept: dict[int, Campaign] | None = None

    async def rows(self) -> dict[int, Campaign]:
        """Every campaign by its id; the lock is held."""
        if self._kept is None:
            self._kept = {row.id: Campaign.stored(row) for row in await self._store.campaigns()}
        return self._kept

    async def all(self) -> list[Campaign]:
        """Every campaign, the oldest first; for readers, without the lock."""
        kept = self._kept
        if kept is not None:
            return [kept[id_] for id_ in sorted(kept)]
        return [Campaign.stored(row) for row in await self._store.campaigns()]

    async def write(
        self,
        campaign: Campaign,
        *,
        accepts: tuple[Acceptance, ...] = (),
        evidence: tuple[EvidenceEntry, ...] = (),
        audience: Sequence[AudienceRow] = (),
    ) -> int:
        """Put a campaign's row on disk with what belongs to it; the lock is held.

        Returns:
            How many of `audience` were not there before.
        """
        rows = await self.rows()
        self._kept = None  # until the commit has ended it is not known what is on disk
        done = await self._store.commit(
            ChangeSet(
                campaigns=(campaign.row,),
                audience=((campaign.id, tuple(audience)),) if audience else (),
                accepts=accepts,
                evidence=evidence,
            )
        )
        rows[campaign.id] = campaign
        self._kept = rows
        return done.added

    async def move(
        self,
        campaign: Campaign,
        state: State,
        by: str,
        *,
        reason: str = "",
        confirmation: Confirmation | None = None,
    ) -> Campaign:
        """Put a campaign into another state, on record; the lock is held."""
        moved = campaign.moved(state, reason=reason)
        facts: dict[str, Json] = {}
        if confirmation is not None:
            moved = moved.noted("confirmed", confirmation.document())
            facts.update(confirmation.facts)
        entry = EvidenceEntry(
            "store",
            by,
            f"campaign.{state}",
            {"campaign": str(campaign.id), "fed": campaign.row.cursor, "reason": reason, **facts},
        )
        await self.write(moved, evidence=(entry,))
        return moved
