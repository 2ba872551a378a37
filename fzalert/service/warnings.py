"""Warnings of an open service: taken, read, taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from fzalert.access.actors import Actor
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.delivery import Prepared, prepare
from fzalert.errors import (
    ChannelUnavailable,
    FateUnknown,
    FzalertError,
    InputError,
    NotConnected,
)
from fzalert.evidence import Json
from fzalert.log import get_logger
from fzalert.messages import FINAL_STATES, Lane, Outcome, Warning, WarningId
from fzalert.ports import Health, HealthState
from fzalert.scripts import Script
from fzalert.service.building import Building, caps_of
from fzalert.service.guarded import Asker
from fzalert.service.intake import Intake
from fzalert.service.models import OutcomeView, WarningView, WarnRequest
from fzalert.service.people import MAY_WARN, require
from fzalert.service.texts import Render, Texts
from fzalert.service.views import accepted_view, key_hash_of, parse_target, warning_view
from fzalert.service.windows import window_of
from fzalert.store import Accepted, ChangeSet, EvidenceEntry, StateRow
from fzalert.tracing import Attributes

log = get_logger("fzalert.service")

LONGEST_WAIT = 600.0
LONGEST_PAGE = 200
SHOWN_TARGETS = 50
WITHDRAW_WITHIN = 5.0
LONGEST_ID = 19
UNSENT = frozenset({"open", "expired"})
"""Fates that the state of a channel may explain."""


def id_of(text: str) -> int:
    """Read an id as callers write it; 0, which nothing has, where it is none."""
    is_id = text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID
    return min(int(text), 2**63 - 1) if is_id else 0


class Warnings:
    """Takes warnings, and tells what became of them.

    Args:
        building: Store, engine and the rest.
        settings: Limits; whether this is a drill.
        texts: Scripts and approvals.
        clock: Reader of time.
        in_campaign: Tells whether a warning is a campaign's.
        health: Tells how a channel is.
    """

    def __init__(
        self,
        building: Building,
        settings: Settings,
        texts: Texts,
        clock: Clock,
        in_campaign: Callable[[int], Awaitable[bool]],
        health: Callable[[str], Awaitable[Health]],
    ) -> None:
        self._building = building
        self._store = building.store
        self._engine = building.engine
        self._tracer = building.tracer
        self._drill = settings.drill.enabled
        self._intake = Intake(building.store, building.engine, settings)
        self.adopt(settings)
        self._texts = texts
        self._clock = clock
        self._in_campaign = in_campaign
        self._health = health
        self._withdrawing: Asker[None] = Asker("withdraw", building.background, WITHDRAW_WITHIN)

    def adopt(self, settings: Settings) -> None:
        """Keep the limits of other settings from now on."""
        self._limits = settings.limits
        self._caps = caps_of(settings)
        self._intake.adopt(settings)

    # -- taking ----------------------------------------------------------------------------

    async def take(self, request: WarnRequest, by: Actor) -> WarningView:
        """Take one warning; on disk when this returns. Raises as `ServiceApi.warn_request`."""
        require(by, *MAY_WARN, drill=self._drill)
        lane = Lane(request.lane)
        script = self._texts.find(request.script, request.audience, request.language)
        await self._texts.may_send(script)
        warning = self._decide(request, script, lane, by)
        told: Attributes = {
            "fz.script": script.key,
            "fz.lane": str(lane),
            "fz.targets": len(warning.targets),
            "fz.drill": warning.drill,
        }
        with self._tracer.span("warn", told) as span:
            accepted, ready = await self.accept(
                warning,
                script,
                key_hash_of(request),
                self._texts.renderer(
                    script, request.language, request.audience, request.values, lane
                ),
            )
            span.set({"fz.existing": accepted.existing})
        try:
            found = await self._read(accepted.warning)
        except (FzalertError, RuntimeError) as error:
            # It is on disk and on its way: that its fate cannot be read now changes nothing.
            log.warning("warning.not_read", warning=accepted.warning, error=type(error).__name__)
            found = None
        if found is not None:
            return found
        return accepted_view(WarningId(accepted.warning), warning, ready.acceptance.messages)

    def _decide(self, request: WarnRequest, script: Script, lane: Lane, by: Actor) -> Warning:
        targets = tuple(dict.fromkeys(parse_target(text) for text in request.to))
        personal = any(target.is_personal for target in targets)
        now = self._clock.millis()
        not_before, not_after = window_of(
            self._limits, lane, request.expires_in, now, personal=personal
        )
        return Warning(
            WarningId(self._building.ids.one()),
            script.key,
            request.language,
            targets,
            request.values,
            lane,
            not_before,
            not_after,
            request.key,
            by.id,
            self._drill,
        )

    async def accept(
        self,
        warning: Warning,
        script: Script,
        key_hash: bytes,
        render: Render,
        *,
        channels: Collection[str] = (),
        facts: Mapping[str, Json] | None = None,
        state: Callable[[Prepared], tuple[StateRow, ...]] | None = None,
    ) -> tuple[Accepted, Prepared]:
        """Route, render and put a decided warning on disk; the engine delivers it.

        Args:
            warning: The decision; who made it was asked for its rights.
            script: What it says; it was found approved.
            key_hash: What its idempotency key stands for.
            render: Renders it.
            channels: Those that may carry it; empty takes any.
            facts: Put on record beside the usual ones.
            state: Rows that are written in the same commit, made once the messages have ids.

        Raises:
            UnknownTarget: No channel serves a target.
            InputError: A text does not fit or a value is wrong.
            DuplicateKey: The key was used for another warning.
            StoreError: It could not be put on disk.
        """
        async with self._engine.routing.shared():
            known = self._engine.channels
            usable = {name: one for name, one in known.items() if not channels or name in channels}
            with self._tracer.span("prepare", {"fz.targets": len(warning.targets)}):
                ready = await prepare(
                    warning,
                    key_hash,
                    usable,
                    render,
                    self._store,
                    self._building.ids,
                    self._caps,
                    self._engine.lease_for,
                )
            rows = () if state is None else state(ready)
            with self._tracer.span("commit", {"fz.messages": len(ready.acceptance.messages)}):
                await self._intake.check(warning.lane, ready)
                return await self._commit(warning, script, ready, facts or {}, rows), ready

    async def _commit(
        self,
        warning: Warning,
        script: Script,
        ready: Prepared,
        facts: Mapping[str, Json],
        state: tuple[StateRow, ...],
    ) -> Accepted:
        entry = EvidenceEntry(
            "store",
            warning.by,
            "warning.accept",
            {
                "warning": str(warning.id),
                "script": script.key,
                "digest": script.digest,
                "lane": str(warning.lane),
                "targets": len(warning.targets),
                "drill": warning.drill,
                **facts,
            },
        )
        changes = ChangeSet(accepts=(ready.acceptance,), evidence=(entry,), state=state)
        ended: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()

        async def see_through() -> None:
            try:
                accepted = await self._put_on_disk(changes, ready.channels)
            except Exception as error:  # noqa: BLE001  the caller's own task raises it
                if not ended.done():
                    ended.set_exception(error)
            else:
                if not ended.done():
                    ended.set_result(accepted)
            finally:
                self._engine.routing.release()
                if not ended.done():
                    ended.set_exception(
                        FateUnknown(
                            "fzalert was closed meanwhile.", hint="The same key asks again."
                        )
                    )

        self._engine.routing.hold()  # the caller may give up; the commit is seen through
        try:
            _ = self._building.background.once("warning.accept", see_through)
        except RuntimeError:
            self._engine.routing.release()
            raise NotConnected("The service is being closed.") from None
        return await ended

    async def _put_on_disk(self, changes: ChangeSet, channels: Iterable[str]) -> Accepted:
        """Commit, and tell the engine: never the one without the other, whoever gives up."""
        committed = await self._store.commit(changes)
        (accepted,) = committed.accepted
        self._engine.hand_over(accepted.claimed)
        self._engine.poke(channels)
        self._engine.note_change()
        return accepted

    # -- reading ---------------------------------------------------------------------------

    async def read(self, id: str, wait: float = 0) -> WarningView | None:
        """One warning, after waiting until its fate is final or the time is over.

        Where a target's channel is down, its detail says so, with what the channel says of it.
        """
        view = await self._read(id_of(id), wait)
        if view is None or not any(target.state in UNSENT for target in view.targets):
            return view
        return view.model_copy(update={"targets": [await self._told(t) for t in view.targets]})

    async def _told(self, target: OutcomeView) -> OutcomeView:
        if target.state not in UNSENT or target.channel not in self._engine.channels:
            return target
        health = await self._health(target.channel)
        if health.state is not HealthState.DOWN:
            return target
        detail = f"{target.detail} {target.channel}: {health.detail}".strip()
        return target.model_copy(update={"detail": detail})

    async def _read(self, number: int, wait: float = 0) -> WarningView | None:
        seconds = min(wait, LONGEST_WAIT) if wait > 0 else 0.0
        deadline = self._clock.monotonic() + seconds
        while True:
            seen = self._engine.changes
            row = await self._store.warning(number) if number else None
            if row is None:
                return None
            outcomes = await self._store.outcomes(row.id)
            left = deadline - self._clock.monotonic()
            if left <= 0 or all(outcome.state in FINAL_STATES for outcome in outcomes):
                return warning_view(row, outcomes)
            await self._engine.changed(seen, left)

    async def recent(self, limit: int, after: str = "") -> list[WarningView]:
        """Warnings, the newest first, each with its first targets."""
        before = id_of(after) or None
        rows = await self._store.warnings(max(0, min(limit, LONGEST_PAGE)), before)
        return [
            warning_view(row, await self._store.outcomes(row.id, most=SHOWN_TARGETS))
            for row in rows
        ]

    # -- taking back -----------------------------------------------------------------------

    async def withdraw(self, id: str, by: Actor) -> None:
        """Take a warning back where it still waits or is still shown.

        Raises:
            InputError: No such warning, or it is a campaign's.
            AccessDenied: The actor may not.
        """
        require(by, *MAY_WARN, drill=self._drill)
        row = await self._store.warning(id_of(id))
        if row is None:
            raise InputError("There is no such warning.", field="id")
        if await self._in_campaign(row.id):
            raise InputError(
                "This is the warning of a campaign.", hint="Cancel the campaign.", field="id"
            )
        outcomes = await self._store.outcomes(row.id)
        entry = EvidenceEntry("store", by.id, "warning.withdraw", {"warning": str(row.id)})
        await self._store.commit(
            ChangeSet(withdraw=tuple(o.message for o in outcomes), evidence=(entry,))
        )
        for channel in sorted({outcome.channel for outcome in outcomes}):
            await self._withdraw_from(channel, [o for o in outcomes if o.channel == channel])
        self._engine.note_change()

    async def _withdraw_from(self, channel: str, outcomes: list[Outcome]) -> None:
        parts = [
            (channel, outcome.message, part)
            for outcome in outcomes
            for part in range(outcome.parts)
        ]
        try:
            await self._withdrawing.ask(channel, lambda: self._engine.withdraw(parts))
        except ChannelUnavailable as error:
            log.warning("channel.withdraw_failed", channel=channel, why=str(error.args[0]))
