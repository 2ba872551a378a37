"""The service inside the process that owns the store."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from typing_extensions import override

from fzalert.access import directory as access
from fzalert.access.actors import Actor, Role
from fzalert.access.directory import Directory
from fzalert.clock import Clock, SystemClock
from fzalert.config import Settings
from fzalert.delivery import prepare
from fzalert.delivery.quiet import quiet_until
from fzalert.errors import AccessDenied, InputError, UnknownScript
from fzalert.messages import (
    FINAL_STATES,
    Lane,
    Outcome,
    OutcomeState,
    Rendition,
    Target,
    TargetKind,
    Warning,
    WarningId,
    bank_desk,
    counter,
    display,
    group,
    mailbox,
    phone,
    speaker,
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
    ChannelView,
    CountersView,
    OutcomeView,
    ScriptView,
    StatusView,
    UserView,
    WarningView,
    WarnRequest,
)
from fzalert.store import (
    ChangeSet,
    CounterRow,
    Event,
    EvidenceEntry,
    PartState,
    UserRow,
    WarningRow,
)

PROTOCOL = 1
APPROVALS = "approvals"
PLACES = {TargetKind.COUNTER: Place.COUNTER, TargetKind.BANK_DESK: Place.BANK_DESK}
MAKERS = {
    TargetKind.PHONE: phone,
    TargetKind.DISPLAY: display,
    TargetKind.SPEAKER: speaker,
    TargetKind.COUNTER: counter,
    TargetKind.MAILBOX: mailbox,
    TargetKind.GROUP: group,
    TargetKind.BANK_DESK: bank_desk,
}
MAY_WARN = (
    Role.TELLER,
    Role.BRANCH_MANAGER,
    Role.BANK_DESK,
    Role.DUTY_OFFICER,
    Role.DETECTIVE,
    Role.ADMIN,
)


def parse_target(text: str) -> Target:
    """Read `kind:address`.

    Raises:
        InputError: Unknown kind, or no address of that kind; `field` is `to`.
    """
    kind, colon, address = text.partition(":")
    if not colon or kind not in set(TargetKind):
        raise InputError(
            f"{kind[:20]!r} is no kind of target.",
            hint=f"Write kind:address with one of {', '.join(TargetKind)}.",
            field="to",
        )
    return MAKERS[TargetKind(kind)](address)


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
        script = self._script(request)
        now = self.clock.millis()
        drill = self.settings.drill.enabled
        may_send(script, self._approvals, now, drill=drill)
        warning = self._decide(request, script, targets, lane, by, now)

        def rendered(target: Target, capabilities: Capabilities) -> Rendition:
            return render(
                script,
                kind=capabilities.rendition,
                language=request.language,
                audience=request.audience,
                values=request.values,
                text_profile=capabilities.text,
                lane=lane,
                drill=drill,
                settings=building.scripts,
                place=PLACES.get(target.kind),
            )

        ready = await prepare(
            warning,
            _hash(request),
            building.engine.channels,
            rendered,
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

    def _script(self, request: WarnRequest) -> Script:
        audience = request.audience
        if audience == "elderly" and "elderly" not in self.library.audiences(request.script):
            # The elder variants live inside the general script; `render` takes them by audience.
            audience = "general"
        script = self.library.get(request.script, audience)
        if script.language(request.language) is None:
            raise UnknownScript(
                f"{script.key} has no texts in {request.language!r}.",
                hint=f"It has {', '.join(sorted(script.languages))}.",
                field="language",
            )
        return script

    def _decide(
        self,
        request: WarnRequest,
        script: Script,
        targets: tuple[Target, ...],
        lane: Lane,
        by: Actor,
        now: int,
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
        if lane is Lane.BULK and quiet.enabled and any(t.is_personal for t in targets):
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
            request.key,
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
                return _view(row, outcomes)
            await building.engine.changed(seen, left)

    @override
    async def recent(self, limit: int, after: str = "") -> list[WarningView]:
        store = self._parts.store
        before = int(after) if after.isdecimal() and len(after) <= 19 else None
        rows = await store.warnings(min(limit, 200), before)
        return [_view(row, await store.outcomes(row.id, most=50)) for row in rows]

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
                created_at=_time(row.created_ms),
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
        from fzalert import __version__

        return StatusView(
            version=__version__,
            protocol=PROTOCOL,
            pid=os.getpid(),
            started_at=self._started_at.isoformat(timespec="seconds"),
            drill=self.settings.drill.enabled,
            store=self.settings.store.path.name,
            store_id=building.store.store_id,
            channels=channels,
            totals=_counters(rows),
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
            counters=_counters([row for row in rows if row.channel == name]),
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


def _hash(request: WarnRequest) -> bytes:
    """What an idempotency key stands for: everything of the request but the key."""
    body = request.model_dump(exclude={"key"})
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


def _time(millis: int) -> str:
    if not millis:
        return ""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds")


def _view(row: WarningRow, outcomes: Sequence[Outcome]) -> WarningView:
    return WarningView(
        id=str(row.id),
        script=row.script,
        language=row.language,
        lane=str(row.lane),
        accepted_at=_time(row.created),
        not_after=_time(row.not_after),
        key=row.key,
        by=row.by,
        drill=row.drill,
        state=_overall(outcomes),
        targets=[
            OutcomeView(
                message=str(outcome.message),
                target=str(outcome.target),
                channel=outcome.channel,
                state=str(outcome.state),
                proof=outcome.proof.name.lower(),
                word=outcome.word,
                code=outcome.code,
                detail=outcome.detail,
                at=_time(outcome.at),
                parts=outcome.parts,
                duration_ms=outcome.duration_ms,
            )
            for outcome in outcomes
        ],
    )


def _overall(outcomes: Sequence[Outcome]) -> str:
    """One word for all: the common fate, `open` while one is open, else `partly`."""
    states = {outcome.state for outcome in outcomes}
    if OutcomeState.OPEN in states or not states:
        return "open"
    return str(states.pop()) if len(states) == 1 else "partly"


_COUNTED: Mapping[PartState, str] = {
    PartState.QUEUED: "queued",
    PartState.CLAIMED: "open",
    PartState.SENT: "sent",
    PartState.DELIVERED: "delivered",
    PartState.FAILED: "failed",
    PartState.EXPIRED: "expired",
    PartState.UNKNOWN: "unknown",
    PartState.SUPPRESSED: "suppressed",
    PartState.WITHDRAWN: "failed",
}


def _counters(rows: Sequence[CounterRow]) -> CountersView:
    sums = dict.fromkeys(CountersView.model_fields, 0)
    for row in rows:
        sums["accepted"] += row.n
        sums[_COUNTED[row.state]] += row.n
        if row.state in {PartState.SENT, PartState.DELIVERED}:
            sums["open"] += row.n if row.state is PartState.SENT else 0
    return CountersView(**sums)
