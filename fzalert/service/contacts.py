"""The directory of bank desks in an open service: changed by two persons, tested every month.

Nothing of `fzalert.freeze` is imported before somebody asks, so an installation without the extra
`freeze` is as it was.
"""

from __future__ import annotations

import hashlib
import importlib.util
import statistics
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fzalert.access.actors import Actor, Role
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.delivery import Caps, Prepared, prepare
from fzalert.errors import ConfigError, FzalertError, InputError
from fzalert.evidence import Json
from fzalert.log import get_logger
from fzalert.messages import (
    ActorId,
    BankPackage,
    Lane,
    Rendition,
    Target,
    Warning,
    WarningId,
    bank_desk,
    mask_digits,
)
from fzalert.ports import Capabilities
from fzalert.service import contact_models as asks
from fzalert.service.building import Building
from fzalert.service.contact_models import (
    AlarmView,
    ChangeView,
    ContactAnswer,
    ContactAsk,
    DeskView,
    DrillView,
)
from fzalert.service.people import require
from fzalert.service.views import time_text
from fzalert.store import ChangeSet, EvidenceEntry

if TYPE_CHECKING:
    from fzalert.freeze.contacts import Approval, ContactBook
    from fzalert.freeze.directory import Change, Desk, Directory, Standing
    from fzalert.freeze.package import SenderBlock

__all__ = ["MAY_SEE_CONTACTS", "Contacts", "drill_time"]

MAY_SEE_CONTACTS = (
    Role.DUTY_OFFICER,
    Role.DETECTIVE,
    Role.APPROVER,
    Role.ADMIN,
    Role.AUDITOR,
)
SCRIPT = "desk-drill"
"""What stands in the outbox where a warning names its script."""
_TEST_MINUTES = 60
_NOTICE_MINUTES = 24 * 60
_LOOK_EVERY = 900.0
_MADE_UP_WITHIN = timedelta(days=7)
_CHINA = timezone(timedelta(hours=8))
_TELL_AGAIN = timedelta(hours=24)
log = get_logger("fzalert.service")


class Contacts:
    """Reads, changes and tests the directory.

    Args:
        building: Store and engine.
        settings: Who we are, and whether everything is a drill.
        clock: Reader of time.
        is_urgent: Whether a real case waits for a desk now: then no rehearsal goes out.
    """

    def __init__(
        self,
        building: Building,
        settings: Settings,
        clock: Clock,
        is_urgent: Callable[[], Awaitable[bool]],
    ) -> None:
        self._is_urgent = is_urgent
        self._building = building
        self._settings = settings
        self._clock = clock
        self._told: dict[tuple[str, str], datetime] = {}

    async def answer(self, ask: ContactAsk, by: Actor) -> ContactAnswer:
        """Do what is asked. Raises as `ServiceApi.contacts`."""
        require(by, *MAY_SEE_CONTACTS, drill=self._settings.drill.enabled)
        book = self._book()
        match ask:
            case asks.ListAsk():
                return await self._list(book)
            case asks.ShowAsk():
                return await self._show(book, ask.code, by)
            case asks.ProposeAsk():
                desk = _read(ask)
                change = await book.propose(ask.code, desk, mask_digits(ask.reason), by)
                return ContactAnswer(changes=[_change(change, await book.directory())])
            case asks.ApproveAsk():
                before = (await book.directory()).desks(book.now())
                approval = await book.approve(ask.change, by)
                await self._tell_old(book, approval, before.get(approval.change.code), by)
                view = _change(approval.change, await book.directory())
                notice = f"{approval.notice.zh} {approval.notice.en}"
                told = {"tell": list(approval.notice.phones), "notice": notice}
                return ContactAnswer(changes=[view.model_copy(update=told)])
            case asks.DropAsk():
                await book.drop(ask.change, by)
                return await self._list(book)
            case asks.DrillAsk():
                return await self._drill(book, ask.code, by)
            case _:
                seconds = await book.answered(ask.application_id, by)
                code = _tested(await book.directory(), ask.application_id)
                view_ = DrillView(code=code, application_id=ask.application_id, seconds=seconds)
                return ContactAnswer(drills=[view_])

    async def watch(self) -> None:
        """Send the monthly tests, and tell the log of what has to be mended, until cancelled."""
        while True:
            await self._tell()
            await self._monthly()
            await self._clock.sleep(_LOOK_EVERY)

    async def _monthly(self) -> None:
        """Test each desk whose test of this month is due and was not sent.

        What was sent stands in the directory, so a restart sends none twice. A month in which
        nothing ran on the day is made up for within a week; then the next month counts.
        """
        if not self.is_installed or not self._settings.freeze.drill_day:
            return
        book = self._book()
        now = book.now()
        from_ = drill_time(now, self._settings.freeze.drill_day, self._settings.freeze.drill_hour)
        if not from_ <= now < from_ + _MADE_UP_WITHIN:
            return
        directory = await book.directory()
        for code, desk in directory.desks(now).items():
            drills = directory.standing(code).drills
            if drills and drills[-1].sent_at >= from_:
                continue
            if await self._is_urgent():
                log.info("desk.drill_waits", code=code)
                return
            view = await self._test(book, desk, None)
            log.info("desk.drill_sent", code=code, channel=view.channel, problem=view.problem)

    async def _tell(self) -> None:
        if not self.is_installed:
            return
        from fzalert.freeze.directory_alarms import desk_alarms

        book = self._book()
        now = book.now()
        for one in desk_alarms(await book.directory(), now):
            last = self._told.get((one.code, one.kind))
            if last is None or now - last >= _TELL_AGAIN:
                self._told[one.code, one.kind] = now
                log.warning("desk.alarm", code=one.code, kind=one.kind, what=one.en)

    @property
    def is_installed(self) -> bool:
        """Whether the extra `freeze` is there."""
        return importlib.util.find_spec("stdnum") is not None

    def _book(self) -> ContactBook:
        if not self.is_installed:
            raise ConfigError(
                "Freeze requests are not installed.", hint="pip install 'fzalert[freeze]'"
            )
        from fzalert.freeze.contacts import ContactBook

        return ContactBook(self._building.store, self._building.store.vault, self._clock)

    # -- reading ---------------------------------------------------------------------------

    async def _list(self, book: ContactBook) -> ContactAnswer:
        from fzalert.freeze.directory_alarms import desk_alarms

        directory, now = await book.directory(), book.now()
        waiting = [one.waiting(now) for _, one in sorted(directory.standings.items())]
        changes = [*directory.changes.values(), *(one for one in waiting if one is not None)]
        return ContactAnswer(
            desks=[
                _desk(desk, directory.standing(code)) for code, desk in directory.desks(now).items()
            ],
            changes=[_change(one, directory) for one in changes],
            alarms=[
                AlarmView(code=one.code, kind=one.kind, zh=one.zh, en=one.en, days=one.days)
                for one in desk_alarms(directory, now)
            ],
        )

    async def _show(self, book: ContactBook, code: str, by: Actor) -> ContactAnswer:
        directory = await book.directory()
        desk = directory.standing(code).desk(book.now())
        if desk is None:
            raise _no_desk()
        entry = EvidenceEntry("store", by.id, "contact.reveal", {"code": code})
        await self._building.store.commit(ChangeSet(evidence=(entry,)))
        return ContactAnswer(desks=[_desk(desk, directory.standing(code), reveal=True)])

    # -- tests -----------------------------------------------------------------------------

    async def _drill(self, book: ContactBook, code: str, by: Actor) -> ContactAnswer:
        desks = (await book.directory()).desks(book.now())
        if code:
            if code not in desks:
                raise _no_desk()
            desks = {code: desks[code]}
        # A desk that cannot be tested costs the others nothing.
        return ContactAnswer(drills=[await self._test(book, desk, by) for desk in desks.values()])

    async def _test(self, book: ContactBook, desk: Desk, by: Actor | None) -> DrillView:
        """Send one test by the desk's first way; by paper it is a telephone call."""
        application = f"drill-{uuid.uuid4().hex[:16]}"
        way = desk.ways[0]
        view = DrillView(
            code=desk.code,
            application_id=application,
            channel=way.channel or "paper",
            phone=desk.phone,
        )
        try:
            if way.kind == "paper":
                await book.tested(desk.code, application, "paper", by)
            else:
                await self._send(book, desk, application, way.channel, by)
        except FzalertError as error:
            return view.model_copy(update={"problem": str(error)})
        return view

    async def _send(
        self, book: ContactBook, desk: Desk, application: str, channel: str, by: Actor | None
    ) -> None:
        from fzalert.freeze.contacts import MONTHLY
        from fzalert.freeze.drill import drill_package

        package = drill_package(desk, self._sender(), application, book.now())
        key, who = f"desk-drill/{application}", MONTHLY if by is None else by.id
        engine = self._building.engine
        async with engine.routing.shared():
            ready = await self._prepared(desk, package, channel, key, who, _TEST_MINUTES)
            await book.tested(desk.code, application, channel, by, (ready.acceptance,))
            engine.poke(ready.channels)
            engine.note_change()

    async def _tell_old(
        self, book: ContactBook, approval: Approval, before: Desk | None, by: Actor
    ) -> None:
        """Tell the desk at its old address that its entry is to change; that is on record.

        Where it cannot be told that way, the telephones that the approval names are left.
        """
        from fzalert.freeze.drill import notice_package

        change = approval.change
        if before is None or change.use_from is None or change.use_from <= book.now():
            return
        channel = next((way.channel for way in before.ways if way.kind != "paper"), "")
        application = f"notice-{change.id}"
        drill = self._settings.drill.enabled
        engine = self._building.engine
        try:
            package = notice_package(
                before, self._sender(), application, book.now(), approval.notice.zh, drill=drill
            )
            async with engine.routing.shared():
                key = f"desk-notice/{change.id}"
                ready = await self._prepared(before, package, channel, key, by.id, _NOTICE_MINUTES)
                facts: dict[str, Json] = {"code": change.code, "change": change.id}
                entry = EvidenceEntry("store", by.id, "desk.notice", {**facts, "channel": channel})
                await self._building.store.commit(
                    ChangeSet(accepts=(ready.acceptance,), evidence=(entry,))
                )
                engine.poke(ready.channels)
                engine.note_change()
        except FzalertError as error:
            log.warning("desk.notice_unsent", code=change.code, why=error.code)

    def _sender(self) -> SenderBlock:
        from fzalert.freeze.package import SenderBlock

        own, identity = self._settings.freeze, self._settings.identity
        return SenderBlock(
            unit_name=own.unit_name or identity.county or identity.bank or "fzalert",
            unit_code=own.unit_code or "0" * 12,
            duty_phone=own.duty_phone or identity.hotline,
        )

    async def _prepared(
        self, desk: Desk, package: BankPackage, channel: str, key: str, who: str, minutes: int
    ) -> Prepared:
        """A package to a desk by one channel, ready to be accepted."""
        engine = self._building.engine
        began = self._clock.millis()
        warning = Warning(
            WarningId(self._building.ids.one()),
            SCRIPT,
            "zh",
            (bank_desk(desk.code),),
            {},
            Lane.URGENT,
            began,
            began + minutes * 60_000,
            key,
            ActorId(who),
            package.drill,
        )

        def render(target: Target, capabilities: Capabilities) -> Rendition:
            del target, capabilities
            return package

        return await prepare(
            warning,
            hashlib.sha256(key.encode()).digest(),
            {name: one for name, one in engine.channels.items() if name == channel},
            render,
            self._building.store,
            self._building.ids,
            Caps(),
            lambda _: None,
        )


def drill_time(now: datetime, day: int, hour: int) -> datetime:
    """When the test of this month is due, by Beijing time.

    Args:
        now: The present, with a zone.
        day: Of the month, from 1 to 28.
        hour: From 0 to 23.
    """
    here = now.astimezone(_CHINA)
    return here.replace(day=day, hour=hour, minute=0, second=0, microsecond=0)


def _read(ask: asks.ProposeAsk) -> Desk | None:
    from fzalert.freeze.directory import Desk

    if ask.desk is None:
        return None
    try:
        return Desk.model_validate(ask.desk)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"The entry is wrong at {place or 'its top'}: {first['msg']}.", field=place
        ) from None


def _desk(desk: Desk, standing: Standing, *, reveal: bool = False) -> DeskView:
    from fzalert.freeze.values import mask_name, mask_number

    def person(name: str, phone: str) -> str:
        return f"{name} {phone}" if reveal else f"{mask_name(name)} {mask_number(phone)}"

    last = [one for one in standing.drills if one.seconds is not None]
    tested = standing.last_tested_at
    return DeskView(
        code=desk.code,
        name=desk.name,
        prefecture=desk.prefecture,
        phone=desk.phone,
        person_a=person(desk.person_a.name, desk.person_a.phone),
        person_b=person(desk.person_b.name, desk.person_b.phone),
        ways=[f"{way.kind} {way.channel} {way.address}".replace("  ", " ") for way in desk.ways],
        valid_to=_text(desk.valid_to),
        last_tested_at=_text(tested),
        last_seconds=last[-1].seconds if last else None,
        drills=len(standing.drills),
        missed=len(standing.drills) - len(last),
        half_seconds=statistics.median(one.seconds or 0.0 for one in last) if last else None,
    )


def _change(change: Change, directory: Directory) -> ChangeView:
    known = directory.standing(change.code).versions
    others = [one for one in known if one.id != change.id and one.desk is not None]
    what = "remove" if change.desk is None else "change" if others else "add"
    return ChangeView.model_validate(
        {
            "id": change.id,
            "code": change.code,
            "what": what,
            "reason": change.reason,
            "by": change.by,
            "approved_by": change.approved_by,
            "use_from": _text(change.use_from),
        }
    )


def _tested(directory: Directory, application: str) -> str:
    for standing in directory.standings.values():
        if any(one.application_id == application for one in standing.drills):
            return standing.code
    return ""


def _text(moment: datetime | None) -> str:
    return "" if moment is None else time_text(int(moment.timestamp() * 1000))


def _no_desk() -> InputError:
    return InputError(
        "The directory has no such desk in use.",
        hint="`fzalert contacts list` shows the desks.",
        field="code",
    )
