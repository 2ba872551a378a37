"""A service in memory, for tests of what stands in front of it: pages, interface, terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from typing_extensions import override

from fzalert.access import Actor, Directory, Rank, Role
from fzalert.access.sessions import Sessions
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.errors import AccessDenied, DuplicateKey, InputError, StoreDamaged, UnknownScript
from fzalert.messages import mask_digits
from fzalert.ports import Route
from fzalert.service.api import DaemonApi
from fzalert.service.contact_models import ContactAnswer, ContactAsk
from fzalert.service.custody_models import CustodyAnswer, CustodyAsk
from fzalert.service.freeze_models import FreezeAnswer, FreezeAsk
from fzalert.service.models import (
    CampaignRequest,
    CampaignView,
    ChannelView,
    CountersView,
    FatePage,
    FateView,
    OptOutChange,
    OptOutPage,
    OptOutQuery,
    OptOutRequest,
    OptOutView,
    OutcomeView,
    RelayAnswer,
    RelayRequest,
    ReloadView,
    ScriptView,
    SessionView,
    SettledView,
    SettleRequest,
    SettleView,
    StatusView,
    UnknownPage,
    UnknownRequest,
    UnknownView,
    UserChange,
    UserView,
    WarningView,
    WarnRequest,
)
from fzalert.service.preview_models import CampaignPreview
from fzalert.store import ChangeSet, Committed
from fzalert.testing.clock import FakeClock

__all__ = ["FakeService"]

ACCEPTED = "2026-11-24T06:32:05+00:00"
NOT_AFTER = "2026-11-24T06:42:05+00:00"
SCRIPT = "impersonating-police/general/1"


class _Rows:
    """Rows of state in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], bytes] = {}

    async def state(self, namespace: str, prefix: str = "") -> list[tuple[str, bytes]]:
        found = [(key, value) for (space, key), value in self.rows.items() if space == namespace]
        return sorted((key, value) for key, value in found if key.startswith(prefix))

    async def commit(self, changes: ChangeSet) -> Committed:
        for row in changes.state:
            if row.value is None:
                self.rows.pop((row.namespace, row.key), None)
            else:
                self.rows[row.namespace, row.key] = row.value
        return Committed((), 0, 0)


class FakeService(DaemonApi):
    """Takes warnings into a list; a test sets what it answers.

    Args:
        people: Roles by name; each person's token stands in `tokens`.
        drill: What the status says.
        clock: Reader of time.
    """

    def __init__(
        self,
        people: Mapping[str, Sequence[str]] | None = None,
        *,
        drill: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.directory = Directory()
        self.clock = clock or FakeClock()
        self._sessions = Sessions(_Rows(), self.clock, lambda: self.directory)
        self.tokens: dict[str, str] = {}
        for name, roles in (people or {}).items():
            self.tokens[name] = self.directory.add_user(name, roles)[1]
        self.drill = drill
        self.warnings: list[WarningView] = []
        self.requests: dict[str, WarnRequest] = {}
        self.channels: list[ChannelView] = []
        self.mounted: dict[str, Sequence[Route]] = {}
        self.library = [_script()]
        self.planned: list[CampaignView] = []
        self.digest = "0123456789abcdef"
        self.confirmed = ""
        self.unknowns: list[UnknownView] = []
        self.settled: list[SettleRequest] = []
        self.opted_out: dict[str, str] = {}
        self.relayed: dict[str, RelayRequest] = {}
        self.fates: list[FateView] = []
        self.web = ""
        self.broken: Exception | None = None
        self._seq = 1
        self._news = asyncio.Condition()

    async def touch(self) -> None:
        """Say that something was committed: every waiting stream renders again."""
        async with self._news:
            self._seq += 1
            self._news.notify_all()

    @override
    async def status(self) -> StatusView:
        self._fail()
        totals = CountersView(
            accepted=sum(view.counters.accepted for view in self.channels),
            delivered=sum(view.counters.delivered for view in self.channels),
            failed=sum(view.counters.failed for view in self.channels),
            unknown=sum(view.counters.unknown for view in self.channels),
        )
        return StatusView(
            version="0.1.0",
            protocol=1,
            pid=4711,
            started_at=ACCEPTED,
            drill=self.drill,
            store="sqlite",
            store_id="0b5c",
            channels=self.channels,
            totals=totals,
            ticks=self._seq,
            evidence_head="9f" * 32,
            web=self.web,
        )

    @override
    async def warn_request(self, request: WarnRequest, by: Actor) -> WarningView:
        self._fail()
        if request.script not in {script.id for script in self.library}:
            raise UnknownScript(f"There is no script {request.script[:40]!r}.", field="script")
        before = self.requests.get(request.key)
        if before is not None and before != request:
            raise DuplicateKey("The key was used for another warning.", field="key")
        id = str(7_000_000_000_000 + len(self.warnings))
        if before is not None:
            return next(view for view in self.warnings if view.key == request.key)
        view = WarningView(
            id=id,
            script=SCRIPT,
            language=request.language,
            lane=request.lane,
            accepted_at=ACCEPTED,
            not_after=NOT_AFTER,
            key=request.key,
            by=str(by.id),
            drill=self.drill,
            state="delivered",
            targets=[
                OutcomeView(
                    message=f"{id}-{number}",
                    target=mask_digits(target),
                    channel="fake",
                    state="delivered",
                    proof="device",
                    word="delivered",
                    at=ACCEPTED,
                )
                for number, target in enumerate(request.to)
            ],
        )
        self.warnings.append(view)
        self.requests[request.key or id] = request
        await self.touch()
        return view

    @override
    async def warning(self, id: str, wait: float = 0) -> WarningView | None:
        self._fail()
        return next((view for view in self.warnings if view.id == id), None)

    @override
    async def recent(self, limit: int, after: str = "") -> list[WarningView]:
        self._fail()
        newest = sorted(self.warnings, key=lambda view: view.id, reverse=True)
        return [view for view in newest if not after or view.id < after][:limit]

    @override
    async def scripts(self) -> list[ScriptView]:
        self._fail()
        return list(self.library)

    @override
    async def approve(self, script_key: str, *, author: Actor, approver: Actor) -> ScriptView:
        if author.id == approver.id:
            raise AccessDenied("Author and approver are the same person.")
        for place, script in enumerate(self.library):
            if script.key == script_key:
                change = {"status": "approved", "approved_by": str(approver.id)}
                self.library[place] = script.model_copy(update=change)
                return self.library[place]
        raise UnknownScript(f"There is no script {script_key[:60]!r}.", field="script")

    @override
    async def users(self) -> list[UserView]:
        return [
            UserView(
                name=row.name,
                display=row.display,
                roles=list(row.roles),
                disabled=row.disabled,
                created_at=ACCEPTED,
                machine=row.machine,
                certificates=list(row.certificates),
                rank=row.rank.name.lower(),
                unit=row.unit,
                has_password=bool(row.password),
            )
            for row in self.directory.rows
        ]

    @override
    async def add_user(self, name: str, roles: list[str]) -> str:
        self.tokens[name] = self.directory.add_user(name, roles)[1]
        return self.tokens[name]

    def _bind(self, wanted: UserChange) -> None:
        change = getattr(self.directory, wanted.action)
        for certificate in wanted.certificates:
            change(wanted.name, certificate)

    @override
    async def change_user(self, wanted: UserChange, by: Actor | None = None) -> str:
        (by or self.directory.local_actor()).require(Role.ADMIN)
        token = ""
        rank = None if wanted.rank is None else Rank.named(wanted.rank)
        match wanted.action:
            case "add":
                _, token = self.directory.add_user(
                    wanted.name,
                    wanted.roles,
                    machine=wanted.machine,
                    rank=rank or Rank.STATION,
                    unit=wanted.unit or "",
                )
                for certificate in wanted.certificates:
                    self.directory.bind(wanted.name, certificate)
            case "renew":
                _, token = self.directory.renew_token(wanted.name)
            case "appoint":
                self.directory.appoint(wanted.name, rank, wanted.unit)
            case "bind" | "unbind":
                self._bind(wanted)
            case "password" | "sign_out":
                if wanted.action == "password":
                    self.directory.set_password(wanted.name, "$argon2id$")
                await self._sessions.close_all(wanted.name)
            case "revoke":
                self.directory.revoke(wanted.name)
        if token:
            self.tokens[wanted.name] = token
        return token

    @override
    async def relay(self, request: RelayRequest, key: str, by: Actor) -> RelayAnswer:
        self._fail()
        self.relayed.setdefault(key, request)
        place = str(list(self.relayed).index(key) + 1)
        return RelayAnswer(message=place, warning=place)

    @override
    async def relay_fates(
        self, by: Actor, *, after: int, store: str, limit: int, wait: float
    ) -> FatePage:
        self._fail()
        return FatePage(items=[one for one in self.fates if one.seq > after][:limit], store="0b5c")

    @override
    async def reload(self, by: Actor, *, allow_down: bool = False) -> ReloadView:
        self._fail()
        return ReloadView(file="fzalert.toml", before="9f" * 32, after="9f" * 32)

    @override
    def on_reload(self, began: Callable[[], None], ended: Callable[[Settings], None]) -> None:
        del began, ended  # it never reads its settings again

    @override
    async def by_certificate(self, fingerprint: str, names: Sequence[str]) -> Actor:
        return self.directory.by_certificate(fingerprint, names)

    @override
    async def disable_user(self, name: str, by: Actor | None = None) -> None:
        (by or self.directory.local_actor()).require(Role.ADMIN)
        self.directory.disable(name)

    @override
    async def authenticate(self, token: str) -> Actor:
        return self.directory.authenticate(token, self.clock.millis())

    @override
    async def sessions(self, by: Actor | None = None) -> list[SessionView]:
        return [
            SessionView(
                id=row.id, name=row.user, opened_at=ACCEPTED, seen_at=ACCEPTED, proved_at=ACCEPTED
            )
            for row in await self._sessions.current()
        ]

    @override
    async def sign_in(self, secret: str, *, name: str = "", address: str = "") -> str:
        if name:
            raise AccessDenied("Nobody has a password here.")
        return await self._sessions.open(await self.authenticate(secret))

    @override
    async def session(self, cookie: str) -> Actor | None:
        return await self._sessions.actor(cookie)

    @override
    async def prove_anew(self, cookie: str, secret: str, *, address: str = "") -> str:
        return await self._sessions.prove(cookie, await self.authenticate(secret))

    @override
    async def sign_out(self, cookie: str) -> None:
        await self._sessions.close(cookie)

    @override
    async def changed(self, seq: int, timeout: float) -> int:
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self._seq > seq)
        except TimeoutError:
            pass  # the caller asked for a wait with an end
        return self._seq

    @override
    async def withdraw(self, id: str, by: Actor) -> None:
        self._fail()

    @override
    async def plan_campaign(self, request: CampaignRequest, by: Actor) -> CampaignView:
        view = CampaignView(
            id=str(9_000_000_000_000 + len(self.planned)),
            name=request.name,
            warning="",
            script=SCRIPT,
            state="ready",
            total=8000,
            fed=0,
            rows=8000,
        )
        self.planned.append(view)
        return view

    @override
    async def preview_campaign(self, id: str, by: Actor) -> CampaignPreview:
        for view in self.planned:
            if view.id == id:
                return CampaignPreview(
                    campaign=id,
                    name=view.name,
                    state=view.state,
                    script=view.script,
                    language="zh",
                    audience="general",
                    digest=self.digest,
                    at="2026-11-24T04:00:00.000+00:00",
                    recipients=view.total,
                    parts=view.total * view.parts,
                    rows=view.rows,
                    duplicates=view.duplicates,
                    refused=view.refused,
                    by_code=view.by_code,
                    groups={"village": view.villages} if view.villages else {},
                    refusals=view.refusals,
                )
        raise InputError("There is no such campaign.", field="id")

    @override
    async def steer_campaign(
        self, id: str, action: str, by: Actor, confirm: str = ""
    ) -> CampaignView:
        self.confirmed = confirm
        states = {"start": "running", "pause": "paused", "resume": "running"}
        for place, view in enumerate(self.planned):
            if view.id == id:
                state = states.get(action, "cancelled")
                self.planned[place] = view.model_copy(update={"state": state})
                return self.planned[place]
        raise InputError("There is no such campaign.", field="id")

    @override
    async def campaigns(self) -> list[CampaignView]:
        self._fail()
        return list(self.planned)

    @override
    async def unknown(self, request: UnknownRequest) -> UnknownPage:
        self._fail()
        found = [
            view
            for view in self.unknowns
            if request.channel in {"", view.channel} and request.campaign in {"", view.campaign}
        ]
        page = [view for view in found if int(view.message) > int(request.after or 0)]
        page = page[: request.limit]
        more = len(page) == request.limit
        return UnknownPage(
            items=page, total=len(found), next=page[-1].message if more and page else ""
        )

    @override
    async def settle_unknown(self, request: SettleRequest, by: Actor) -> SettleView:
        self._fail()
        self.settled.append(request)
        known = {view.message for view in self.unknowns}
        self.unknowns = [view for view in self.unknowns if view.message not in request.messages]
        items = [
            SettledView(message=id, result="settled" if id in known else "not_unknown")
            for id in request.messages
        ]
        await self.touch()
        return SettleView(settled=sum(one.result == "settled" for one in items), items=items)

    @override
    async def opt_outs(self, query: OptOutQuery, by: Actor) -> OptOutPage:
        self._fail()
        return OptOutPage(
            items=[
                OptOutView(target=mask_digits(target), reason=reason, since=ACCEPTED)
                for target, reason in self.opted_out.items()
            ]
        )

    @override
    async def opt_out(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        self._fail()
        new = set(request.to) - self.opted_out.keys()
        self.opted_out |= dict.fromkeys(new, request.reason)
        return OptOutChange(named=len(request.to), changed=len(new))

    @override
    async def opt_in(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        self._fail()
        gone = [target for target in request.to if self.opted_out.pop(target, None) is not None]
        return OptOutChange(named=len(request.to), changed=len(gone))

    @override
    async def freeze(self, ask: FreezeAsk, by: Actor, *, key: str = "") -> FreezeAnswer:
        self._fail()
        raise InputError("There is no such case.", field="case")

    @override
    async def custody(self, ask: CustodyAsk, by: Actor) -> CustodyAnswer:
        del ask, by
        raise InputError("There are no keys here.", field="keys")

    @override
    async def contacts(self, ask: ContactAsk, by: Actor) -> ContactAnswer:
        self._fail()
        raise InputError("There are no contacts here.", field="contacts")

    @override
    def routes(self) -> Mapping[str, Sequence[Route]]:
        return self.mounted

    @override
    async def damage(self) -> StoreDamaged:
        await asyncio.Event().wait()
        raise AssertionError("it is never damaged")

    @override
    def set_web(self, url: str) -> None:
        self.web = url

    def _fail(self) -> None:
        if self.broken is not None:
            raise self.broken


def _script() -> ScriptView:
    return ScriptView(
        key=SCRIPT,
        id="impersonating-police",
        audience="general",
        version=1,
        title="冒充公检法",
        languages=["zh", "en"],
        channels=["sms", "display"],
        status="draft",
        digest="ab" * 32,
    )
