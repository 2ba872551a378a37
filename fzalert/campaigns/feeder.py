"""The feeder: moves an audience into the queue no faster than its channel empties it.

Rows stay, encrypted, in the campaign; the queue holds at most ten seconds of the channel's rate.
So a pause takes a second, memory is flat, and a crash resumes at the exact row: the cursor moves
in the same commit that accepts the messages.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from fzalert.campaigns.audience import AudienceSummary, Recipient
from fzalert.clock import Clock
from fzalert.delivery import Caps, Engine, IdMaker, prepare
from fzalert.messages import Lane, Rendition, Target, TargetKind, Warning
from fzalert.ports import Capabilities
from fzalert.store import (
    Acceptance,
    AudienceRow,
    CampaignRow,
    ChangeSet,
    EvidenceEntry,
    Store,
)

log = structlog.get_logger("fzalert.campaigns")

SECONDS_AHEAD = 10
DEFAULT_AHEAD = 2000
BATCH = 500
AUDIENCE_BATCH = 2000
PAUSE = 0.2

Render = Callable[[Target, Capabilities], Rendition]


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign as its caller reads it."""

    row: CampaignRow
    document: Mapping[str, object]

    @property
    def id(self) -> int:
        """The campaign's id."""
        return self.row.id


class Feeder:
    """Creates campaigns and feeds those that run.

    Args:
        store: Open.
        engine: Open.
        ids: Gives ids.
        caps: Limits per person.
        clock: Reader of time.
        render_for: Gives the function that renders a campaign's texts, from its document.
        warning_for: Gives the stored warning of a campaign, for its later batches.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        ids: IdMaker,
        caps: Caps,
        clock: Clock,
        render_for: Callable[[Mapping[str, object]], Render],
        warning_for: Callable[[CampaignRow, Mapping[str, object], tuple[Target, ...]], Warning],
    ) -> None:
        self._store = store
        self._engine = engine
        self._ids = ids
        self._caps = caps
        self._clock = clock
        self._render_for = render_for
        self._warning_for = warning_for
        # A campaign's row is read and written again by feeding and by pausing: never both at once,
        # or a cursor would move back and people would be written to twice.
        self._rows = asyncio.Lock()

    async def create(
        self,
        name: str,
        warning: Warning,
        recipients: Iterable[Recipient],
        summary: AudienceSummary,
        document: Mapping[str, object],
        key_hash: bytes,
    ) -> Campaign:
        """Store a campaign with its audience; it waits, ready, until it is started."""
        id_ = self._ids.one()
        row = CampaignRow(
            id_, name, warning.id, "importing", 0, 0, self._clock.millis(), _encode(document)
        )
        await self._store.commit(
            ChangeSet(accepts=(Acceptance(warning, key_hash, (), ()),), campaigns=(row,))
        )
        total = 0
        batch: list[AudienceRow] = []
        for number, recipient in enumerate(recipients, start=1):
            batch.append(AudienceRow(number, recipient.target, recipient.tags_text()))
            if len(batch) == AUDIENCE_BATCH:
                total += await self._add(id_, batch)
                batch = []
        total += await self._add(id_, batch)
        row = row._replace(state="ready", total=total)
        await self._store.commit(
            ChangeSet(
                campaigns=(row,),
                evidence=(
                    EvidenceEntry(
                        "store",
                        warning.by,
                        "campaign.create",
                        {
                            "campaign": str(id_),
                            "warning": str(warning.id),
                            "script": warning.script,
                            "recipients": total,
                            "refused": summary.refused + summary.duplicates,
                        },
                    ),
                ),
            )
        )
        return Campaign(row, document)

    async def _add(self, campaign: int, batch: Sequence[AudienceRow]) -> int:
        if not batch:
            return 0
        done = await self._store.commit(ChangeSet(audience=((campaign, tuple(batch)),)))
        return done.added

    async def set_state(self, campaign: int, state: str, by: str) -> Campaign | None:
        """Start, pause or cancel; None where there is no such campaign."""
        async with self._rows:
            for found in await self._store.campaigns():
                if found.id == campaign:
                    row = found._replace(state=state)
                    entry = EvidenceEntry(
                        "store", by, f"campaign.{state}", {"campaign": str(campaign)}
                    )
                    await self._store.commit(ChangeSet(campaigns=(row,), evidence=(entry,)))
                    return Campaign(row, json.loads(row.document))
        return None

    async def all(self) -> list[Campaign]:
        """Every campaign, the oldest first."""
        rows = await self._store.campaigns()
        return [Campaign(row, json.loads(row.document)) for row in rows]

    async def run(self) -> None:
        """Feed for ever; run under the service's background owner."""
        while True:
            moved = False
            async with self._rows:
                for row in await self._store.campaigns():
                    if row.state == "running":
                        moved = await self._feed(row) or moved
            if not moved:
                await self._clock.sleep(PAUSE)

    async def _feed(self, row: CampaignRow) -> bool:
        document = json.loads(row.document)
        channels = {
            name: state
            for name, state in self._engine.channels.items()
            if TargetKind.PHONE in state.capabilities.kinds
        }
        room = min([await self._room(name) for name in channels] or [0])
        if room <= 0:
            return False
        people = await self._store.audience(row.id, row.cursor, min(room, BATCH))
        if not people:
            await self._store.commit(ChangeSet(campaigns=(row._replace(state="done"),)))
            log.info("campaign.fed", campaign=row.id, total=row.total)
            return True
        targets = tuple(person.target for person in people)
        warning = self._warning_for(row, document, targets)
        ready = await prepare(
            warning,
            b"",
            channels,
            self._render_for(document),
            self._store,
            self._ids,
            self._caps,
            lambda _: None,
            new=False,
        )
        await self._store.commit(
            ChangeSet(
                accepts=(ready.acceptance,),
                campaigns=(row._replace(cursor=people[-1].row),),
            )
        )
        self._engine.poke(ready.channels)
        return True

    async def _room(self, channel: str) -> int:
        rate = self._engine.channels[channel].capabilities.rate
        ahead = int(rate * SECONDS_AHEAD) if rate else DEFAULT_AHEAD
        return max(1, ahead) - await self._store.queued(channel, Lane.BULK)


def _encode(document: Mapping[str, object]) -> bytes:
    return json.dumps(dict(document), ensure_ascii=False, sort_keys=True).encode()
