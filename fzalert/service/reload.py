"""Another configuration without a restart: read, compared, tried, swapped; or the old one goes on.

What the process owns for its whole life (store, pages, drill) needs a restart and is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from fzalert.access.actors import Actor, Role
from fzalert.clock import Clock
from fzalert.config import ChannelSettings, Settings, Sources, settings_of
from fzalert.config.settings import FileSections
from fzalert.delivery import ChannelState, Plan, swap
from fzalert.errors import (
    ChannelUnavailable,
    FzalertError,
    NotConnected,
    ReloadRefused,
    StoreError,
)
from fzalert.log import get_logger
from fzalert.ports import Health, HealthState, Mounted
from fzalert.service.building import Building, limits_of, script_settings
from fzalert.service.guarded import Asker
from fzalert.service.models import ChangeView, ConfigView, ReloadView
from fzalert.service.people import require
from fzalert.service.standin import StandIn
from fzalert.service.status import Status, stranded
from fzalert.store import ChangeSet, EvidenceEntry

__all__ = ["MAY_CONFIGURE", "Reload", "changes_between"]

log = get_logger("fzalert.service")

MAY_CONFIGURE = (Role.ADMIN,)
SECTIONS = tuple(FileSections.model_fields)
COLD = ("store", "web", "drill", "telemetry", "freeze", "evidence", "access")
"""Sections that a process keeps from its start to its end."""
UP_WITHIN = 10.0
LOOK_EVERY = 0.1
HEALTH_WITHIN = 1.0


class Reload:
    """Reads the file of an open service again, and runs what it says.

    Args:
        building: Store, engine and the rest.
        settings: What runs now.
        clock: Reader of time.
        status: Shows which configuration runs.
        adopting: Called with the settings that hold from then on; they must not fail or wait.
    """

    def __init__(
        self,
        building: Building,
        settings: Settings,
        clock: Clock,
        status: Status,
        adopting: Sequence[Callable[[Settings], None]],
    ) -> None:
        self._building = building
        self._settings = settings
        self._clock = clock
        self._status = status
        self._adopting = adopting
        self._running = asyncio.Lock()
        self._health: Asker[Health] = Asker("health", building.background, HEALTH_WITHIN)
        self._began: list[Callable[[], None]] = []
        self._ended: list[Callable[[Settings], None]] = []

    def on_reload(self, began: Callable[[], None], ended: Callable[[Settings], None]) -> None:
        """Tell when a reload begins and when it has ended, with the settings that run then."""
        self._began.append(began)
        self._ended.append(ended)

    async def run(self, by: Actor, *, allow_down: bool = False) -> ReloadView:
        """Reload; seen through also where the caller gives up. Raises as `ServiceApi.reload`."""
        require(by, *MAY_CONFIGURE, drill=self._settings.drill.enabled)
        ended: asyncio.Future[ReloadView] = asyncio.get_running_loop().create_future()

        async def see_through() -> None:
            try:
                view = await self._run(by, allow_down=allow_down)
            except Exception as error:  # noqa: BLE001  the caller's own task raises it
                if not ended.done():
                    ended.set_exception(error)
            else:
                if not ended.done():
                    ended.set_result(view)
            finally:
                if not ended.done():
                    ended.set_exception(NotConnected("The service is being closed."))

        try:
            _ = self._building.background.once("config.reload", see_through)
        except RuntimeError:
            raise NotConnected("The service is being closed.") from None
        return await ended

    async def _run(self, by: Actor, *, allow_down: bool) -> ReloadView:
        async with self._running:
            for tell in self._began:
                tell()
            read: list[Sources] = []
            try:
                return await self._reload(by, read, allow_down=allow_down)
            except FzalertError as error:
                await self._refused(by, read, error)
                raise
            finally:
                for tell_ended in self._ended:
                    tell_ended(self._settings)

    async def _reload(self, by: Actor, read: list[Sources], *, allow_down: bool) -> ReloadView:
        old = self._settings
        sources = await asyncio.to_thread(Sources.read, old.path)
        read.append(sources)
        new = await asyncio.to_thread(settings_of, sources, old.path)
        changes = changes_between(old, new)
        _refuse_cold(changes)
        _ = script_settings(new)
        plan = await self._plan(new, changes, by, allow_down=allow_down)
        await swap(self._building.engine, plan)
        self._building.engine.note_change()
        view = ReloadView(
            file=new.path.name,
            before=old.digest,
            after=new.digest,
            changes=changes,
            waiting=stranded(await self._building.store.counters(), self._building.engine.channels),
        )
        log.info("config.reloaded", **_facts(view.before, view.after, changes))
        for name, number in view.waiting.items():
            log.warning("channel.waiting", channel=name, parts=number, why="not configured")
        return view

    async def _plan(
        self, new: Settings, changes: Sequence[ChangeView], by: Actor, *, allow_down: bool
    ) -> Plan:
        old = self._settings
        touched = {
            change.name
            for change in changes
            if change.kind == "channel" and change.action != "removed"
        }
        specs = []
        for channel in new.channels:
            running = self._building.engine.channels.get(channel.name)
            if running is not None and channel.name not in touched:
                specs.append(running.spec)
                continue
            spec = self._building.make(channel)
            if isinstance(spec.make(0, self._building.background), StandIn):
                raise ReloadRefused(
                    f"The adapter of {channel.name} cannot be made; the log says where it fails."
                )
            specs.append(spec)

        async def record() -> None:
            facts = _facts(old.digest, new.digest, changes)
            entry = EvidenceEntry("store", by.id, "config.reload", facts)
            await self._building.store.commit(ChangeSet(evidence=(entry,)))

        async def check(state: ChannelState) -> None:
            if not allow_down and state.spec.name not in down:
                await self._must_serve(state)

        def adopt() -> None:
            self._settings = new
            self._status.config = ConfigView(
                file=new.path.name, digest=new.digest, loaded_at=self._now()
            )
            for room in self._adopting:
                room(new)

        changed = touched & self._building.engine.channels.keys()
        # A line that is down already proves nothing against its new settings.
        healths = {name: await self._status.health(name) for name in changed}
        down = {name for name, health in healths.items() if health.state is HealthState.DOWN}
        return Plan(specs, changed, limits_of(new), check, record, adopt)

    async def _must_serve(self, state: ChannelState) -> None:
        """Let a channel pass whose line came up, or whose far sides come to us.

        Raises:
            ReloadRefused: It did not come up in time; the text has its own words.
        """
        name = state.spec.name
        deadline = self._clock.monotonic() + UP_WITHIN
        while True:
            is_open = bool(state.slots) and all(slot.open_now for slot in state.slots)
            if is_open and any(isinstance(slot.adapter, Mounted) for slot in state.slots):
                return
            try:
                health = await self._health.ask(name, state.health)
            except ChannelUnavailable as error:
                health = Health(HealthState.DOWN, str(error.args[0]))
            if is_open and health.state is not HealthState.DOWN:
                return
            if state.crash or self._clock.monotonic() > deadline:
                break
            await self._clock.sleep(LOOK_EVERY)
        why = state.crash or health.detail or "it gives no sign"
        raise ReloadRefused(
            f"The channel {name} did not come up: {why}.",
            hint="Mend it, or take it as it is with `fzalert reload --allow-down`.",
        )

    async def _refused(self, by: Actor, read: Sequence[Sources], error: FzalertError) -> None:
        """Tell everywhere that the old configuration goes on, and why."""
        why = str(error.args[0])
        digest = read[0].digest if read else ""
        self._status.config = self._status.config.model_copy(
            update={"refused": why, "refused_digest": digest, "refused_at": self._now()}
        )
        self._building.engine.note_change()
        running = self._settings.digest
        log.error(
            "config.reload_refused", running=running, refused=digest, code=error.code, why=why
        )
        facts = {"running": running, "refused": digest, "why": error.code}
        entry = EvidenceEntry("store", by.id, "config.reload_refused", facts)
        try:
            await self._building.store.commit(ChangeSet(evidence=(entry,)))
        except StoreError as full:
            log.warning("evidence.not_written", what=entry.what, code=full.code)

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="seconds")


def changes_between(old: Settings, new: Settings) -> list[ChangeView]:
    """What differs, by value: a secret whose file has another content is a change too."""
    found: list[ChangeView] = []
    for name in SECTIONS:
        detail = _differing(getattr(old, name), getattr(new, name))
        if detail:
            found.append(ChangeView(kind="section", name=name, action="changed", detail=detail))
    before = {channel.name: channel for channel in old.channels}
    after = {channel.name: channel for channel in new.channels}
    found += [_channel_change(name, before.get(name), after.get(name)) for name in after]
    found += [_channel_change(name, before[name], None) for name in before if name not in after]
    return [change for change in found if change.action != "changed" or change.detail]


def _channel_change(
    name: str, before: ChannelSettings | None, after: ChannelSettings | None
) -> ChangeView:
    if before is None and after is not None:
        return ChangeView(kind="channel", name=name, action="added", detail=after.adapter)
    if before is None or after is None:
        detail = "" if before is None else before.adapter
        return ChangeView(kind="channel", name=name, action="removed", detail=detail)
    detail = _differing(before.config, after.config)
    if before.adapter != after.adapter:
        detail = f"adapter {before.adapter} → {after.adapter}"
    return ChangeView(kind="channel", name=name, action="changed", detail=detail)


def _differing(old: BaseModel, new: BaseModel) -> str:
    """Name the settings that differ; their values may be secret."""
    if old == new:
        return ""
    names = [
        name
        for name in type(new).model_fields
        if getattr(old, name, None) != getattr(new, name, None)
    ]
    return ", ".join(names) or "all"


def _refuse_cold(changes: Sequence[ChangeView]) -> None:
    cold = [
        f"[{change.name}] {change.detail}"
        for change in changes
        if change.kind == "section" and change.name in COLD
    ]
    if cold:
        raise ReloadRefused(
            f"{'; '.join(cold)}: this holds from the start of a process to its end.",
            hint="Restart the daemon for it, or take the change back.",
        )


def _facts(before: str, after: str, changes: Sequence[ChangeView]) -> dict[str, str]:
    """What was changed, for log and evidence: names, no values."""

    def named(kind: str, action: str) -> str:
        return ",".join(c.name for c in changes if c.kind == kind and c.action == action)

    return {
        "before": before,
        "after": after,
        "added": named("channel", "added"),
        "changed": named("channel", "changed"),
        "removed": named("channel", "removed"),
        "sections": named("section", "changed"),
    }
