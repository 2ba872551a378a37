"""The service inside the process that owns the store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import override

from fzalert.access import directory as access
from fzalert.access.actors import Actor, Role
from fzalert.access.directory import Directory
from fzalert.campaigns import summarise
from fzalert.campaigns.feeder import Render
from fzalert.clock import Clock, SystemClock
from fzalert.config import Settings
from fzalert.delivery import prepare
from fzalert.delivery.quiet import quiet_until
from fzalert.errors import AccessDenied, InputError, UnknownScript
from fzalert.messages import (
    FINAL_STATES,
    ActorId,
    Lane,
    Rendition,
    Target,
    TargetKind,
    Warning,
    WarningId,
)
from fzalert.ports import Capabilities, Route
from fzalert.scripts import (
    Approval,
    ApprovalState,
    Library,
    Place,
    Script,
    approve,
    decode_event,
    encode_event,
    may_send,
    render,
)
from fzalert.service.api import DaemonApi
from fzalert.service.building import Building, build
from fzalert.service.models import (
    CampaignRequest,
    CampaignView,
    ChannelView,
    ScriptView,
    StatusView,
    UserView,
    WarningView,
    WarnRequest,
)
from fzalert.service.views import (
    campaign_view,
    counters_view,
    key_hash_of,
    parse_target,
    time_text,
    warning_view,
)
from fzalert.store import (
    CampaignRow,
    ChangeSet,
    CounterRow,
    Event,
    EvidenceEntry,
    UserRow,
)

PROTOCOL = 1
APPROVALS = "approvals"
PLACES = {TargetKind.COUNTER: Place.COUNTER, TargetKind.BANK_DESK: Place.BANK_DESK}
MOST_REFUSALS = 1000
STEERING = {"start": "running", "resume": "running", "pause": "paused", "cancel": "cancelled"}
MAY_WARN = (
    Role.TELLER,
    Role.BRANCH_MANAGER,
    Role.BANK_DESK,
    Role.DUTY_OFFICER,
    Role.DETECTIVE,
    Role.ADMIN,
)

MAY_CAMPAIGN = (Role.BRANCH_MANAGER, Role.DUTY_OFFICER, Role.ADMIN)


class Service(DaemonApi):
    """Owns the store, runs the engine, answers every question.

    Use `async with Service(settings) as service`.

    Args:
        settings: The validated configuration.
        clock: Reader of time.
        library: The scripts; the shipped ones unless given.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, library: Library | None = None
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.library = library or Library.load()
        self._building: Building | None = None
        self._approvals = ApprovalState()
        self._approval_version = 0
        self._directory = Directory(())
        self._started_at = self.clock.now()
        self._web = ""

    # -- life ------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._building is not None:
            return self
        building = await build(self.settings, self.clock)
        self._building = building
        try:
            await self._read_approvals()
            self._directory = Directory(
                access.UserRow(
                    row.name,
                    row.display,
                    tuple(row.roles.split(",")) if row.roles else (),
                    row.token_hash,
                    row.created_ms,
                    row.disabled,
                    row.drill,
                )
                for row in await building.store.users()
            )
            await building.engine.open()
            building.start_feeding(self)
            await building.socket.open(self)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Take nothing more, drain, write, unlock; nothing is left running."""
        building, self._building = self._building, None
        if building is not None:
            await building.close()

    @property
    def _parts(self) -> Building:
        if self._building is None:
            raise RuntimeError("the service is not open; use `async with`")
        return self._building

    async def _read_approvals(self) -> None:
        for version, _, event in await self._parts.store.events(APPROVALS):
            self._approvals.apply(decode_event(event.body))
            self._approval_version = version

    # -- warnings --------------------------------------------------------------------------

    @override
    async def warn_request(self, request: WarnRequest, by: Actor) -> WarningView:
        by.require(*MAY_WARN)
        building = self._parts
        lane = Lane(request.lane)
        targets = tuple(dict.fromkeys(parse_target(text) for text in request.to))
        script = self._script(request.script, request.audience, request.language)
        now = self.clock.millis()
        drill = self.settings.drill.enabled
        may_send(script, self._approvals, now, drill=drill)
        personal = any(target.is_personal for target in targets)
        warning = self._decide(request, script, targets, lane, by, now, personal=personal)

        ready = await prepare(
            warning,
            key_hash_of(request),
            building.engine.channels,
            self._renderer(script, request.language, request.audience, request.values, lane),
            building.store,
            building.ids,
            building.caps,
            building.engine.lease_for,
        )
        committed = await building.store.commit(
            ChangeSet(
                accepts=(ready.acceptance,),
                evidence=(
                    EvidenceEntry(
                        "store",
                        by.id,
                        "warning.accept",
                        {
                            "warning": str(warning.id),
                            "script": script.key,
                            "digest": script.digest,
                            "lane": str(lane),
                            "targets": len(targets),
                            "drill": drill,
                        },
                    ),
                ),
            )
        )
        (accepted,) = committed.accepted
        building.engine.hand_over(accepted.claimed)
        building.engine.poke(ready.channels)
        building.engine.note_change()
        found = await self.warning(str(accepted.warning))
        if found is None:
            raise RuntimeError("a warning that was just committed cannot be read")
        return found

    def _renderer(
        self,
        script: Script,
        language: str,
        audience: str,
        values: Mapping[str, str | int],
        lane: Lane,
    ) -> Render:
        settings = self._parts.scripts
        drill = self.settings.drill.enabled

        def rendered(target: Target, capabilities: Capabilities) -> Rendition:
            return render(
                script,
                kind=capabilities.rendition,
                language=language,
                audience=audience,
                values=values,
                text_profile=capabilities.text,
                lane=lane,
                drill=drill,
                settings=settings,
                place=PLACES.get(target.kind),
            )

        return rendered

    def _script(self, id: str, audience: str, language: str) -> Script:
        if audience == "elderly" and "elderly" not in self.library.audiences(id):
            # The elder variants live inside the general script; `render` takes them by audience.
            audience = "general"
        script = self.library.get(id, audience)
        if script.language(language) is None:
            raise UnknownScript(
                f"{script.key} has no texts in {language!r}.",
                hint=f"It has {', '.join(sorted(script.languages))}.",
                field="language",
            )
        return script

    def _decide(
        self,
        request: WarnRequest | CampaignRequest,
        script: Script,
        targets: tuple[Target, ...],
        lane: Lane,
        by: Actor,
        now: int,
        *,
        personal: bool,
    ) -> Warning:
        limits = self.settings.limits
        if request.expires_in is not None:
            window = int(request.expires_in * 1000)
        elif lane is Lane.URGENT:
            window = limits.urgent_window * 60_000
        else:
            window = limits.bulk_window * 3_600_000
        not_before = now
        quiet = limits.quiet_hours
        if lane is Lane.BULK and quiet.enabled and personal:
            until = quiet_until(self.clock.now(), quiet.start, quiet.end, quiet.tzinfo)
            if until is not None:
                not_before = int(until.timestamp() * 1000)
        not_after = max(now, not_before) + window if request.expires_in is None else now + window
        if not_after <= not_before:
            raise InputError(
                "The window ends before the quiet hours do, so it could never be sent.",
                hint="Give a longer expires_in, or use the urgent lane if somebody is in danger.",
                field="expires_in",
            )
        return Warning(
            WarningId(self._parts.ids.one()),
            script.key,
            request.language,
            targets,
            request.values,
            lane,
            not_before,
            not_after,
            request.key if isinstance(request, WarnRequest) else "",
            by.id,
            self.settings.drill.enabled,
        )

    @override
    async def warning(self, id: str, wait: float = 0) -> WarningView | None:
        if not id.isdecimal() or len(id) > 19:
            return None
        building = self._parts
        deadline = self.clock.monotonic() + min(wait, 600)
        while True:
            seen = building.engine.changes
            row = await building.store.warning(int(id))
            if row is None:
                return None
            outcomes = await building.store.outcomes(row.id)
            left = deadline - self.clock.monotonic()
            if left <= 0 or all(outcome.state in FINAL_STATES for outcome in outcomes):
                return warning_view(row, outcomes)
            await building.engine.changed(seen, left)

    @override
    async def recent(self, limit: int, after: str = "") -> list[WarningView]:
        store = self._parts.store
        before = int(after) if after.isdecimal() and len(after) <= 19 else None
        rows = await store.warnings(min(limit, 200), before)
        return [warning_view(row, await store.outcomes(row.id, most=50)) for row in rows]

    @override
    async def withdraw(self, id: str, by: Actor) -> None:
        by.require(*MAY_WARN)
        row = await self._parts.store.warning(int(id)) if id.isdecimal() else None
        if row is None:
            raise InputError("There is no such warning.", field="id")
        building = self._parts
        outcomes = await building.store.outcomes(row.id)
        messages = tuple(outcome.message for outcome in outcomes)
        await building.store.commit(
            ChangeSet(
                withdraw=messages,
                evidence=(
                    EvidenceEntry("store", by.id, "warning.withdraw", {"warning": str(row.id)}),
                ),
            )
        )
        await building.engine.withdraw(
            (outcome.channel, outcome.message, part)
            for outcome in outcomes
            for part in range(outcome.parts)
        )
        building.engine.note_change()

    # -- campaigns -------------------------------------------------------------------------

    @override
    async def plan_campaign(self, request: CampaignRequest, by: Actor) -> CampaignView:
        by.require(*MAY_CAMPAIGN)
        script = self._script(request.script, request.audience, request.language)
        now = self.clock.millis()
        may_send(script, self._approvals, now, drill=self.settings.drill.enabled)
        warning = self._decide(request, script, (), Lane.BULK, by, now, personal=True)
        recipients, summary = await asyncio.to_thread(summarise, Path(request.file))
        document: dict[str, object] = {
            "script": script.key,
            "audience": request.audience,
            "language": request.language,
            "values": dict(request.values),
            "not_before": warning.not_before,
            "not_after": warning.not_after,
            "by": by.id,
            "drill": warning.drill,
            "rows": summary.rows,
            "duplicates": summary.duplicates,
            "refused": summary.refused,
            "by_code": dict(summary.by_code),
            "villages": dict(summary.villages.most_common(200)),
            "refusals": [
                {
                    "row": refusal.row,
                    "column": refusal.column,
                    "code": str(refusal.code),
                    "reason": refusal.reason,
                    "sheet": refusal.sheet,
                }
                for refusal in summary.refusals[:MOST_REFUSALS]
            ],
        }
        campaign = await self._parts.feeder(self).create(
            request.name, warning, recipients, summary, document, b""
        )
        return campaign_view(campaign)

    @override
    async def steer_campaign(self, id: str, action: str, by: Actor) -> CampaignView:
        by.require(*MAY_CAMPAIGN)
        state = STEERING.get(action)
        if state is None:
            raise InputError(
                f"{action[:20]!r} is nothing that a campaign can do.",
                hint=f"Use one of {', '.join(STEERING)}.",
                field="action",
            )
        number = int(id) if id.isdecimal() and len(id) <= 19 else 0
        found = await self._parts.feeder(self).set_state(number, state, by.id)
        if found is None:
            raise InputError("There is no such campaign.", field="id")
        return campaign_view(found)

    @override
    async def campaigns(self) -> list[CampaignView]:
        return [campaign_view(found) for found in await self._parts.feeder(self).all()]

    def render_for(self, document: Mapping[str, object]) -> Render:
        """The function that renders a campaign's texts; for the feeder."""
        script = self.library.by_key(str(document["script"]))
        values = document["values"]
        assert isinstance(values, dict)  # noqa: S101  as it was stored
        return self._renderer(
            script, str(document["language"]), str(document["audience"]), values, Lane.BULK
        )

    def warning_for(
        self, row: CampaignRow, document: Mapping[str, object], targets: tuple[Target, ...]
    ) -> Warning:
        """The stored warning of a campaign, for some of its targets; for the feeder."""
        values = document["values"]
        assert isinstance(values, dict)  # noqa: S101  as it was stored
        return Warning(
            WarningId(row.warning),
            str(document["script"]),
            str(document["language"]),
            targets,
            values,
            Lane.BULK,
            max(int(str(document["not_before"])), self.clock.millis()),
            int(str(document["not_after"])),
            "",
            ActorId(str(document["by"])),
            bool(document["drill"]),
        )

    # -- scripts ---------------------------------------------------------------------------

    @override
    async def scripts(self) -> list[ScriptView]:
        return [self._script_view(script) for script in self.library]

    def _script_view(self, script: Script) -> ScriptView:
        drill = self.settings.drill.enabled
        now = self.clock.millis()
        standing = self._approvals.find(script, now, drill=drill)
        title = self.library.titles.get(script.id)
        kinds = sorted({str(kind) for texts in script.languages.values() for kind in texts.kinds()})
        return ScriptView(
            key=script.key,
            id=script.id,
            audience=script.audience,
            version=script.version,
            title=title.zh if title else script.id,
            languages=sorted(script.languages),
            channels=kinds,
            status=str(self._approvals.status(script, now, drill=drill)),
            approved_by=standing.approver if standing else "",
            digest=script.digest,
        )

    @override
    async def approve(self, script_key: str, *, author: Actor, approver: Actor) -> ScriptView:
        author.require(Role.SCRIPT_EDITOR, Role.ADMIN)
        approver.require(Role.APPROVER)
        drill = self.settings.drill.enabled
        if (author.drill or approver.drill) and not drill:
            raise AccessDenied(
                "A person of a drill cannot approve for real channels.",
                hint="Sign in as yourself, or enable [drill].",
            )
        script = self.library.by_key(script_key)
        event: Approval = approve(
            script,
            author=author.id,
            approver=approver.id,
            at=self.clock.millis(),
            drill=drill,
        )
        await self._parts.store.commit(
            ChangeSet(
                events=(Event("script.approved", encode_event(event), approver.id),),
                stream=APPROVALS,
                expected_version=self._approval_version,
                evidence=(
                    EvidenceEntry(
                        "store",
                        approver.id,
                        "script.approve",
                        {
                            "script": script.key,
                            "digest": script.digest,
                            "author": author.id,
                            "drill": event.drill,
                        },
                    ),
                ),
            )
        )
        self._approval_version += 1
        self._approvals.apply(event)
        return self._script_view(script)

    # -- users -----------------------------------------------------------------------------

    @override
    async def users(self) -> list[UserView]:
        return [
            UserView(
                name=row.name,
                roles=[role for role in row.roles.split(",") if role],
                disabled=row.disabled,
                created_at=time_text(row.created_ms),
            )
            for row in await self._parts.store.users()
        ]

    @override
    async def add_user(self, name: str, roles: list[str]) -> str:
        row, token = self._directory.add_user(
            name, roles, created_ms=self.clock.millis(), drill=self.settings.drill.enabled
        )
        await self._keep_user(row, "user.add")
        return token

    @override
    async def disable_user(self, name: str) -> None:
        await self._keep_user(self._directory.disable(name), "user.disable")

    async def _keep_user(self, row: access.UserRow, what: str) -> None:
        by = self.local_actor().id
        roles = ",".join(row.roles)
        await self._parts.store.commit(
            ChangeSet(
                users=(
                    UserRow(
                        row.name,
                        row.display,
                        roles,
                        row.token_hash,
                        row.created_ms,
                        row.disabled,
                        row.drill,
                    ),
                ),
                evidence=(EvidenceEntry("store", by, what, {"user": row.name, "roles": roles}),),
            )
        )

    @override
    async def authenticate(self, token: str) -> Actor:
        return self._directory.authenticate(token)

    def local_actor(self) -> Actor:
        """The actor of this process's own operating-system user."""
        return self._directory.local_actor()

    # -- status ----------------------------------------------------------------------------

    @override
    async def status(self) -> StatusView:
        building = self._parts
        rows = await building.store.counters()
        chains = await building.store.chains()
        channels = [await self._channel(name, rows) for name in building.engine.channels]
        return StatusView(
            version=metadata.version("fzalert"),
            protocol=PROTOCOL,
            pid=os.getpid(),
            started_at=self._started_at.isoformat(timespec="seconds"),
            drill=self.settings.drill.enabled,
            store=self.settings.store.path.name,
            store_id=building.store.store_id,
            channels=channels,
            totals=counters_view(rows),
            ticks=building.store.transactions,
            orphans=await building.store.orphans(),
            evidence_head=chains[-1][2].hex() if chains else "",
            web=self._web,
        )

    async def _channel(self, name: str, rows: Sequence[CounterRow]) -> ChannelView:
        engine = self._parts.engine
        state = engine.channels[name]
        health = await engine.health(name)
        slots = state.slots
        return ChannelView(
            name=name,
            adapter=state.spec.adapter,
            kinds=sorted(str(kind) for kind in state.capabilities.kinds),
            state=str(health.state),
            detail=health.detail,
            window=sum(slot.capabilities.window for slot in slots),
            in_flight=sum(slot.in_flight for slot in slots),
            ready_urgent=sum(slot.ready(Lane.URGENT) for slot in slots),
            ready_bulk=sum(slot.ready(Lane.BULK) for slot in slots),
            rate=state.capabilities.rate,
            per_second=round(sum(slot.per_second() for slot in slots), 1),
            latency_ms=health.latency_ms,
            last_error=next((slot.last_error for slot in slots if slot.last_error), ""),
            counters=counters_view([row for row in rows if row.channel == name]),
            figures=dict(health.figures),
        )

    @override
    async def changed(self, seq: int, timeout: float) -> int:
        return await self._parts.engine.changed(seq, timeout)

    @override
    def routes(self) -> Mapping[str, Sequence[Route]]:
        return self._parts.engine.routes()

    @override
    def set_web(self, url: str) -> None:
        self._web = url
