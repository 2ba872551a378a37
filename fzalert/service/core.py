"""The service inside the process that owns the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from typing_extensions import override

from fzalert.access.actors import Actor
from fzalert.access.directory import Directory
from fzalert.clock import Clock, SystemClock
from fzalert.config import Settings
from fzalert.errors import AccessDenied, NotConnected, StoreDamaged
from fzalert.ports import Route
from fzalert.scripts import Library
from fzalert.service.api import DaemonApi
from fzalert.service.building import MASTER_KEY, Building, build
from fzalert.service.campaigns import Campaigns
from fzalert.service.checking import Checking
from fzalert.service.contact_models import ContactAnswer, ContactAsk
from fzalert.service.contacts import Contacts
from fzalert.service.custody import HOUSE_PLACES, Custody
from fzalert.service.custody_models import CustodyAnswer, CustodyAsk, KeysAsk, RotateAsk
from fzalert.service.freeze_room import FreezeRoom
from fzalert.service.heads import DailyHeads
from fzalert.service.models import (
    CampaignRequest,
    CampaignView,
    FatePage,
    OptOutChange,
    OptOutPage,
    OptOutQuery,
    OptOutRequest,
    RelayAnswer,
    RelayRequest,
    ReloadView,
    ScriptView,
    SessionView,
    SettleRequest,
    SettleView,
    StatusView,
    UnknownPage,
    UnknownRequest,
    UserChange,
    UserView,
    WarningView,
    WarnRequest,
)
from fzalert.service.optouts import OptOuts
from fzalert.service.passkeys import PasskeyRoom
from fzalert.service.people import MAY_CAMPAIGN, MAY_SETTLE, MAY_WARN, People
from fzalert.service.preview_models import CampaignPreview
from fzalert.service.relay import Relay
from fzalert.service.reload import Reload
from fzalert.service.retention import Retention
from fzalert.service.signing_in import SigningIn
from fzalert.service.single_sign_on import SingleSignOn
from fzalert.service.sockets import LocalSocket, socket_path
from fzalert.service.status import Status
from fzalert.service.texts import PLACES, Texts
from fzalert.service.unknowns import Unknowns
from fzalert.service.warnings import Warnings
from fzalert.store import ChangeSet
from fzalert.tracing import Tracer

if TYPE_CHECKING:
    from fzalert.service.freeze_models import FreezeAnswer, FreezeAsk

__all__ = ["MAY_CAMPAIGN", "MAY_SETTLE", "MAY_WARN", "PLACES", "Service"]


@dataclass(frozen=True, slots=True)
class _Rooms:
    """What an open service is made of, by subject."""

    building: Building
    texts: Texts
    people: People
    signing_in: SigningIn
    passkeys: PasskeyRoom
    single_sign_on: SingleSignOn | None
    campaigns: Campaigns
    warnings: Warnings
    unknowns: Unknowns
    optouts: OptOuts
    contacts: Contacts
    checking: Checking
    retention: Retention
    status: Status
    reload: Reload
    relay: Relay
    freeze: FreezeRoom
    heads: DailyHeads
    custody: Custody


class Service(DaemonApi):
    """Owns the store, runs the engine, answers every question.

    Use `async with Service(settings) as service`.

    Args:
        settings: The validated configuration.
        clock: Reader of time.
        library: The scripts; the shipped ones unless given.
        delivers: False for a look or an entry in the books: no channel is opened, so that no
            carrier sees a login for it, and nothing is sent.
        resume_as_unknown: Go on with an older copy of the database: nothing that waits in it is
            sent, it is unknown.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        library: Library | None = None,
        delivers: bool = True,
        resume_as_unknown: bool = False,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.library = library or Library.load()
        self._delivers = delivers
        self._resume_by = Directory().local_actor().id if resume_as_unknown else ""
        self._rooms: _Rooms | None = None

    # -- life ------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._rooms is not None:
            return self
        building = await build(self.settings, self.clock, resume_by=self._resume_by)
        try:
            rooms = self._furnish(building)
            await rooms.texts.load()
            await rooms.people.load()
            await rooms.relay.fates.load()
            if self._delivers:
                await building.engine.open()
                _ = building.background.keep("campaigns", rooms.campaigns.feed)
                _ = building.background.keep("store.check", rooms.checking.run)
                _ = building.background.keep("clock.watch", rooms.status.clock.run)
                _ = building.background.keep("store.purge", rooms.retention.run)
                _ = building.background.keep("keys", rooms.custody.run)
                _ = building.background.keep("evidence-heads", rooms.heads.run)
                _ = building.background.keep("relay-fates", rooms.relay.fates.run)
                _ = building.background.keep("desk-alarms", rooms.contacts.watch)
                if rooms.freeze.is_installed:
                    _ = building.background.keep("freeze-deadlines", rooms.freeze.run)
            self._rooms = rooms
            await building.serve(LocalSocket(socket_path(self.settings.store.path), self))
        except BaseException:
            self._rooms = None
            await building.close()
            raise
        return self

    def _furnish(self, building: Building) -> _Rooms:
        settings, clock = self.settings, self.clock
        texts = Texts(settings, self.library, clock, building.store)
        campaigns = Campaigns(building, settings, texts, clock)
        freeze = FreezeRoom(building, settings, clock)
        status = Status(building, settings, clock, freeze)
        warnings = Warnings(building, settings, texts, clock, campaigns.owns, status.health)
        unknowns = Unknowns(building, settings, clock)
        relay = Relay(building, settings, texts, warnings, clock)
        retention = Retention(building.store, settings, clock, freeze.destroy_due)
        rooms = (texts, campaigns, warnings, unknowns, retention, relay)
        adopting = [*(room.adopt for room in rooms), self._adopt]
        people = People(building.store, clock, drill=settings.drill.enabled)
        return _Rooms(
            building,
            texts,
            people,
            SigningIn(people, building.store, clock),
            PasskeyRoom(people, building.store.vault, clock),
            self._single_sign_on(people, building),
            campaigns,
            warnings,
            unknowns,
            OptOuts(building, settings),
            Contacts(building, settings, clock, freeze.is_urgent),
            Checking(building.store, building.engine),
            retention,
            status,
            Reload(building, settings, clock, status, adopting),
            relay,
            freeze,
            DailyHeads(building, settings, clock),
            Custody(
                building.store,
                settings.data_directory / MASTER_KEY,
                HOUSE_PLACES,
                clock,
                named=settings.store.master_key is not None,
                drill=settings.drill.enabled,
            ),
        )

    def _single_sign_on(self, people: People, building: Building) -> SingleSignOn | None:
        provider, home = self.settings.access.oidc, self.settings.web.public_url
        if provider is None:
            return None
        return SingleSignOn(people, provider, building.http, self.clock, home)

    def _adopt(self, settings: Settings) -> None:
        self.settings = settings

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Take nothing more, drain, write, unlock; nothing is left running."""
        rooms, self._rooms = self._rooms, None
        if rooms is not None:
            await rooms.building.close()

    @property
    def _open(self) -> _Rooms:
        if self._rooms is None:
            raise NotConnected("The service is not open.", hint="Use it inside `async with`.")
        return self._rooms

    # -- warnings --------------------------------------------------------------------------

    @override
    async def warn_request(self, request: WarnRequest, by: Actor) -> WarningView:
        return await self._open.warnings.take(request, by)

    @override
    async def warning(self, id: str, wait: float = 0) -> WarningView | None:
        return await self._open.warnings.read(id, wait)

    @override
    async def recent(self, limit: int, after: str = "") -> list[WarningView]:
        return await self._open.warnings.recent(limit, after)

    @override
    async def withdraw(self, id: str, by: Actor) -> None:
        await self._open.warnings.withdraw(id, by)

    # -- what stays unknown ----------------------------------------------------------------

    @override
    async def unknown(self, request: UnknownRequest) -> UnknownPage:
        return await self._open.unknowns.page(request)

    @override
    async def settle_unknown(self, request: SettleRequest, by: Actor) -> SettleView:
        return await self._open.unknowns.settle(request, by)

    # -- opt-outs --------------------------------------------------------------------------

    @override
    async def opt_outs(self, query: OptOutQuery, by: Actor) -> OptOutPage:
        return await self._open.optouts.page(query, by)

    @override
    async def opt_out(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        return await self._open.optouts.add(request, by)

    @override
    async def opt_in(self, request: OptOutRequest, by: Actor) -> OptOutChange:
        return await self._open.optouts.remove(request, by)

    @override
    async def custody(self, ask: CustodyAsk, by: Actor) -> CustodyAnswer:
        rooms = self._open
        try:
            if isinstance(ask, KeysAsk | RotateAsk):
                return await rooms.custody.answer(ask, by)
            return await rooms.freeze.keep(ask, by)
        except AccessDenied as error:
            await rooms.people.put_on_record(by.id, error.code)
            raise

    @override
    async def contacts(self, ask: ContactAsk, by: Actor) -> ContactAnswer:
        return await self._open.contacts.answer(ask, by)

    # -- branches --------------------------------------------------------------------------

    @override
    async def relay(self, request: RelayRequest, key: str, by: Actor) -> RelayAnswer:
        return await self._open.relay.take(request, key, by)

    @override
    async def relay_fates(
        self, by: Actor, *, after: int, store: str, limit: int, wait: float
    ) -> FatePage:
        return await self._open.relay.page(by, after=after, store=store, limit=limit, wait=wait)

    # -- freeze requests -------------------------------------------------------------------

    @override
    async def freeze(self, ask: FreezeAsk, by: Actor, *, key: str = "") -> FreezeAnswer:
        return await self._open.freeze.answer(ask, by, key=key)

    # -- campaigns -------------------------------------------------------------------------

    @override
    async def plan_campaign(self, request: CampaignRequest, by: Actor) -> CampaignView:
        return await self._open.campaigns.plan(request, by)

    @override
    async def preview_campaign(self, id: str, by: Actor) -> CampaignPreview:
        return await self._open.campaigns.preview(id, by)

    @override
    async def steer_campaign(
        self, id: str, action: str, by: Actor, confirm: str = ""
    ) -> CampaignView:
        return await self._open.campaigns.steer(id, action, by, confirm)

    @override
    async def campaigns(self) -> list[CampaignView]:
        return await self._open.campaigns.views()

    # -- scripts and people ----------------------------------------------------------------

    @override
    async def scripts(self) -> list[ScriptView]:
        return await self._open.texts.views()

    @override
    async def approve(self, script_key: str, *, author: Actor, approver: Actor) -> ScriptView:
        return await self._open.texts.approve(script_key, author=author, approver=approver)

    async def unapprove(self, script_key: str, *, by: Actor) -> ScriptView:
        """Let a script be sent no more; campaigns that carry it pause.

        Raises:
            UnknownScript: No such script.
            AccessDenied: The actor may not.
        """
        return await self._open.texts.unapprove(script_key, by=by)

    @override
    async def users(self) -> list[UserView]:
        return await self._open.people.views()

    @override
    async def add_user(self, name: str, roles: list[str]) -> str:
        return await self._open.people.add(name, roles)

    @override
    async def change_user(self, wanted: UserChange, by: Actor | None = None) -> str:
        return await self._open.people.change(wanted, by)

    @override
    async def disable_user(self, name: str, by: Actor | None = None) -> None:
        await self._open.people.disable(name, by=by)

    @override
    async def authenticate(self, token: str) -> Actor:
        return await self._open.people.authenticate(token)

    @override
    async def sessions(self, by: Actor | None = None) -> list[SessionView]:
        return await self._open.people.session_views(by)

    @override
    async def sign_in(self, secret: str, *, name: str = "", address: str = "") -> str:
        return await self._open.signing_in.sign_in(secret, name=name, address=address)

    @override
    async def session(self, cookie: str) -> Actor | None:
        return await self._open.signing_in.session(cookie)

    @override
    async def prove_anew(self, cookie: str, secret: str, *, address: str = "") -> str:
        return await self._open.signing_in.prove_anew(cookie, secret, address=address)

    @override
    async def sign_out(self, cookie: str) -> None:
        await self._open.signing_in.sign_out(cookie)

    @override
    def single_sign_on(self) -> SingleSignOn | None:
        return self._open.single_sign_on

    @override
    def passkeys(self) -> PasskeyRoom:
        return self._open.passkeys

    @override
    async def by_certificate(self, fingerprint: str, names: Sequence[str]) -> Actor:
        return await self._open.people.by_certificate(fingerprint, names)

    def local_actor(self) -> Actor:
        """The actor of this process's own operating-system user."""
        return Directory().local_actor()

    # -- configuration ---------------------------------------------------------------------

    @override
    async def reload(self, by: Actor, *, allow_down: bool = False) -> ReloadView:
        return await self._open.reload.run(by, allow_down=allow_down)

    @override
    def on_reload(self, began: Callable[[], None], ended: Callable[[Settings], None]) -> None:
        self._open.reload.on_reload(began, ended)

    # -- status ----------------------------------------------------------------------------

    @override
    async def status(self) -> StatusView:
        return await self._open.status.view()

    @override
    async def changed(self, seq: int, timeout: float) -> int:
        return await self._open.building.engine.changed(seq, timeout)

    @override
    def routes(self) -> Mapping[str, Sequence[Route]]:
        return self._open.status.routes()

    @override
    async def prove(self) -> None:
        await self._open.building.store.commit(ChangeSet())
        await self.status()

    @override
    def tracer(self) -> Tracer:
        return self._open.building.tracer

    @override
    async def damage(self) -> StoreDamaged:
        checking = self._open.checking
        await checking.damaged.wait()
        return checking.error or StoreDamaged("The store is damaged.")

    @override
    def set_web(self, url: str) -> None:
        if self._rooms is not None:
            self._rooms.status.web = url
