"""The feeder: moves an audience into the queue no faster than its channel empties it.

Rows stay, encrypted, in the campaign; in the queue waits what the channel sends in a second, and
never more than ten seconds' worth. So a pause takes a second, memory is flat, and a crash resumes
at the exact row: the cursor moves in the same commit that accepts the messages.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Sequence

from fzalert.campaigns.book import Book
from fzalert.campaigns.model import ENDED, Campaign, Document, Source, State, Step, after, encode
from fzalert.campaigns.previewed import Confirmation, must_be_confirmed
from fzalert.campaigns.reading import ListReading, Person
from fzalert.clock import Clock
from fzalert.delivery import Caps, ChannelState, Engine, IdMaker, prepare
from fzalert.delivery.prepare import channel_for
from fzalert.errors import InputError, StoreError
from fzalert.log import get_logger
from fzalert.messages import Lane, TargetKind, Warning
from fzalert.store import (
    Acceptance,
    AudienceRow,
    CampaignRow,
    EvidenceEntry,
    Store,
)

log = get_logger("fzalert.campaigns")

FEEDER = "machine:feeder"
SECONDS_AHEAD = 1.0
LEAST_AHEAD = 64
BATCH = 250
"""Accepted at once: an urgent warning waits for no longer commit than that."""
PAUSE = 0.05
IDLE = 5.0
AFTER_FAULT = 1.0


class _Fed(enum.IntEnum):
    """What became of a look at a campaign."""

    WAITS = 0
    FULL = 1
    MOVED = 2


class Feeder:
    """Creates campaigns and feeds those that run.

    Args:
        store: Open.
        engine: Open.
        ids: Gives ids.
        caps: Limits per person.
        clock: Reader of time.
        source: Knows scripts, approvals and quiet hours.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        ids: IdMaker,
        caps: Caps,
        clock: Clock,
        source: Source,
    ) -> None:
        self._store = store
        self._engine = engine
        self._ids = ids
        self._caps = caps
        self._clock = clock
        self._source = source
        self._book = Book(store)
        self._importing: set[int] = set()
        self._steered = asyncio.Event()

    async def all(self) -> list[Campaign]:
        """Every campaign, the oldest first."""
        return await self._book.all()

    def adopt(self, caps: Caps) -> None:
        """Keep other limits per person from now on."""
        self._caps = caps

    # -- what people do --------------------------------------------------------------------

    async def create(
        self, name: str, warning: Warning, document: Document, people: ListReading
    ) -> Campaign:
        """Store a campaign with its audience; it waits, ready, until it is started.

        The list is put on disk batch by batch as it is read, and how far it is can be seen.

        Args:
            name: What people call it.
            warning: The decision.
            document: What it carries; what became of its list is added here.
            people: Open; read to its end.

        Raises:
            InputError: The list is none, or was not read to its end. Where that showed late, the
                campaign is there, cancelled, with the reason.
        """
        id_ = self._ids.one()
        row = CampaignRow(
            id_, name, warning.id, State.IMPORTING, 0, 0, self._clock.millis(), encode(document)
        )
        campaign = Campaign(row, document)
        is_begun = False
        self._importing.add(id_)
        try:
            async for batch in people.batches():
                async with self._book.lock:
                    accepts = () if is_begun else (Acceptance(warning, b"", (), ()),)
                    is_begun = True
                    campaign = await self._add(campaign, batch, people.rows, accepts)
            ready = campaign.imported(people.summary)
            async with self._book.lock:
                await self._book.write(ready, evidence=(_created(ready, warning),))
        except InputError as error:
            if is_begun:
                await self._spoil(campaign, error)
            raise
        finally:
            self._importing.discard(id_)
            self._steered.set()
        return ready

    async def _add(
        self,
        campaign: Campaign,
        batch: Sequence[Person],
        rows: int,
        accepts: tuple[Acceptance, ...],
    ) -> Campaign:
        """Add people to a campaign; the lock is held."""
        total = campaign.row.total
        audience = [
            AudienceRow(number, one.target, one.tags)
            for number, one in enumerate(batch, start=total + 1)
        ]
        longer = campaign.importing(total + len(batch), rows)
        added = await self._book.write(longer, accepts=accepts, audience=audience)
        if added != len(batch):
            raise InputError(
                "The list names a number twice after it was looked through.",
                hint="Import it again.",
                field="file",
            )
        return longer

    async def _spoil(self, campaign: Campaign, error: InputError) -> None:
        reason = f"导入中断 / the import was interrupted: {error}"
        async with self._book.lock:
            await self._book.move(campaign, State.CANCELLED, FEEDER, reason=reason)
        log.warning("campaign.import_failed", campaign=campaign.id, code=error.code)

    async def find(self, id_: int) -> Campaign:
        """One campaign. Raises `InputError` where there is none of that id."""
        for found in await self._book.all():
            if found.id == id_:
                return found
        raise _no_such()

    async def keep(self, id_: int, name: str, value: object) -> None:
        """Keep something with a campaign, on disk. Raises as `find`."""
        async with self._book.lock:
            found = (await self._book.rows()).get(id_)
            if found is None:
                raise _no_such()
            await self._book.write(found.noted(name, value))

    async def steer(
        self,
        id_: int,
        step: Step,
        by: str,
        confirm: Callable[[Campaign], Confirmation | None] | None = None,
    ) -> Campaign:
        """Let a campaign start, pause, resume or end.

        Args:
            id_: Which.
            step: What it shall do.
            by: Who wants it.
            confirm: Tells, where it is to run, what that person has confirmed; None leaves what
                was confirmed before.

        Raises:
            InputError: There is none of that id, it cannot do that now, or it may not be sent.
        """
        confirmation: Confirmation | None = None
        async with self._book.lock:
            found = (await self._book.rows()).get(id_)
            if found is None:
                raise _no_such()
            goal = after(found.state, step)
            if goal is found.state:
                return found
            if goal is State.RUNNING:
                if self._clock.millis() >= found.not_after:
                    raise InputError(
                        "The window of the campaign is over.",
                        hint="Plan a new one from its list.",
                        field="expires_in",
                    )
                await self._source.check(found.document)
                confirmation = confirm(found) if confirm is not None else None
            moved = await self._book.move(found, goal, by, confirmation=confirmation)
            self._steered.set()
        return moved

    # -- feeding ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Feed for ever; run under the service's background owner."""
        while True:
            self._steered.clear()
            try:
                found = await self._round()
            except StoreError as error:
                log.warning("campaign.store_failed", code=error.code)
                await self._clock.sleep(AFTER_FAULT)
                continue
            if found is _Fed.FULL:
                await self._clock.sleep(PAUSE)
            elif found is _Fed.WAITS:
                await self._idle()

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(IDLE):
                await self._steered.wait()
        except TimeoutError:
            return  # to look whether a window has ended

    async def _round(self) -> _Fed:
        """Feed each running campaign once; returns how busy the busiest was."""
        async with self._book.lock:
            campaigns = list((await self._book.rows()).values())
        busiest = _Fed.WAITS
        for one in campaigns:
            if one.state in ENDED:
                continue
            async with self._book.lock:
                campaign = (await self._book.rows())[one.id]  # it may have been steered meanwhile
                if campaign.state is State.RUNNING:
                    busiest = max(busiest, await self._feed(campaign))
                else:
                    await self._look_after(campaign)
        return busiest

    async def _look_after(self, campaign: Campaign) -> None:
        """End what is not fed and cannot be any more."""
        if campaign.state is State.IMPORTING and campaign.id not in self._importing:
            reason = "导入中断，请重新导入 / the import was interrupted: import the list again"
            await self._book.move(campaign, State.CANCELLED, FEEDER, reason=reason)
        elif campaign.state in {State.READY, State.PAUSED}:
            await self._expire(campaign)

    async def _expire(self, campaign: Campaign) -> bool:
        if self._clock.millis() < campaign.not_after:
            return False
        left = campaign.row.total - campaign.row.cursor
        reason = f"时限已过，{left} 人未发送 / its window is over; {left} were not written to"
        await self._book.move(campaign, State.EXPIRED, FEEDER, reason=reason)
        log.warning("campaign.expired", campaign=campaign.id, left=left)
        return True

    async def _feed(self, campaign: Campaign) -> _Fed:
        row = campaign.row
        if row.cursor >= row.total and not await self._store.audience(row.id, row.cursor, 1):
            return await self._end(campaign)
        if await self._expire(campaign):
            return _Fed.MOVED
        now = self._clock.millis()
        if now < campaign.not_before or self._source.waits(now):
            return _Fed.WAITS
        try:
            await self._source.check(campaign.document)
            async with self._engine.routing.shared():
                return await self._feed_some(campaign)
        except InputError as error:
            # What was approved and planned is not what would be sent: a person decides.
            await self._book.move(campaign, State.PAUSED, FEEDER, reason=str(error))
            log.warning("campaign.stopped", campaign=row.id, code=error.code)
            return _Fed.MOVED

    async def _end(self, campaign: Campaign) -> _Fed:
        await self._book.move(campaign, State.DONE, FEEDER)
        log.info("campaign.fed", campaign=campaign.id, total=campaign.row.total)
        return _Fed.MOVED

    async def _feed_some(self, campaign: Campaign) -> _Fed:
        row, document = campaign.row, campaign.document
        room = await self._rooms()
        most = max(room.values(), default=BATCH)
        if most <= 0:
            return _Fed.FULL
        people = await self._store.audience(row.id, row.cursor, min(most, BATCH))
        if not people:
            return await self._end(campaign)
        people = self._with_room(people, room)
        if not people:
            return _Fed.FULL
        ready = await prepare(
            self._source.warning_for(row, document, tuple(one.target for one in people)),
            b"",
            self._engine.channels,
            self._source.render_for(document),
            self._store,
            self._ids,
            self._caps,
            lambda _: None,
            new=False,
        )
        must_be_confirmed(document, ready.acceptance.bodies)
        await self._book.write(campaign.fed(people[-1].row), accepts=(ready.acceptance,))
        self._engine.poke(ready.channels)
        return _Fed.MOVED

    def _with_room(self, people: Sequence[AudienceRow], room: dict[str, int]) -> list[AudienceRow]:
        """The first people, up to one whose channel has no room."""
        taken: list[AudienceRow] = []
        for one in people:
            name = channel_for(one.target, self._engine.channels).spec.name
            if room[name] <= 0:
                break
            room[name] -= 1
            taken.append(one)
        return taken

    async def _rooms(self) -> dict[str, int]:
        return {
            name: await self._room(state)
            for name, state in self._engine.channels.items()
            if TargetKind.PHONE in state.capabilities.kinds
        }

    async def _room(self, state: ChannelState) -> int:
        """How many more may wait for a channel: about a second of what it sends."""
        slots = state.slots
        rates = [slot.capabilities.rate for slot in slots]
        if rates and None not in rates:
            ahead = sum(rate for rate in rates if rate is not None) * SECONDS_AHEAD
        else:
            window = sum(slot.capabilities.window for slot in slots)
            measured = sum(slot.per_second() for slot in slots) * SECONDS_AHEAD
            ahead = max(LEAST_AHEAD, 4.0 * window, measured)
        waiting = await self._store.queued(state.spec.name, Lane.BULK)
        waiting += sum(slot.ready(Lane.BULK) for slot in slots)
        return max(1, int(ahead)) - waiting


def _joined(choices: object) -> str:
    return ", ".join(map(str, choices)) if isinstance(choices, list) else ""


def _no_such() -> InputError:
    return InputError(
        "There is no such campaign.", hint="fzalert campaign list names them.", field="id"
    )


def _created(campaign: Campaign, warning: Warning) -> EvidenceEntry:
    document = campaign.document
    refused = int(str(document["refused"])) + int(str(document["duplicates"]))
    return EvidenceEntry(
        "store",
        warning.by,
        "campaign.create",
        {
            "campaign": str(campaign.id),
            "warning": str(warning.id),
            "script": warning.script,
            "digest": str(document["digest"]),
            "recipients": campaign.row.total,
            "refused": refused,
            "only": _joined(document.get("only")),
            "excluded": _joined(document.get("excluded")),
            "signature": str(document.get("signature") or ""),
            "drill": warning.drill,
        },
    )
