"""How long freeze cases are kept, for those who ask: what is over, and legal holds."""

from __future__ import annotations

from datetime import timedelta

from fzalert.access.actors import Actor, Role
from fzalert.clock import Clock
from fzalert.errors import InputError
from fzalert.freeze.book import CaseBook
from fzalert.freeze.keeping import Keeping
from fzalert.service.custody_models import CustodyAnswer, ExpiringAsk, ExpiringView, HoldAsk
from fzalert.service.people import require
from fzalert.store import SqliteStore

__all__ = ["DESTROYER", "Keeper"]

DESTROYER = "machine:retention"
"""Who acts where the time of a case is over."""
_MAY_HOLD = (Role.DETECTIVE, Role.DUTY_OFFICER, Role.APPROVER)
_MAY_LIFT = (Role.APPROVER,)
_MAY_READ = (*_MAY_HOLD, Role.AUDITOR, Role.ADMIN)


class Keeper:
    """Answers about the time of cases.

    Args:
        store: Where they stand.
        book: Reads them.
        clock: Reader of time.
        drill: Whether everything is a rehearsal.
    """

    def __init__(self, store: SqliteStore, book: CaseBook, clock: Clock, *, drill: bool) -> None:
        self._keeping = Keeping(store, book, store.vault, clock)
        self._drill = drill

    async def answer(self, ask: ExpiringAsk | HoldAsk, by: Actor) -> CustodyAnswer:
        """Do what is asked.

        Raises:
            AccessDenied: The actor may not.
            InputError: No such case, or no hold to lift.
            StoreError: It could not be put on disk.
        """
        if isinstance(ask, ExpiringAsk):
            require(by, *_MAY_READ, drill=self._drill)
            return CustodyAnswer(cases=await self._expiring(timedelta(days=ask.days)))
        require(by, *(_MAY_LIFT if ask.lift else _MAY_HOLD), drill=self._drill)
        if not ask.reason.strip():
            raise InputError("A hold needs a reason.", field="reason")
        if ask.lift:
            await self._keeping.lift(ask.case, ask.reason, by.id)
        else:
            await self._keeping.hold(ask.case, ask.reason, by.id)
        return CustodyAnswer(note="lifted" if ask.lift else "held")

    async def destroy_due(self) -> int:
        """Destroy the keys of the cases whose time is over; returns how many."""
        return len(await self._keeping.destroy_due(DESTROYER))

    async def _expiring(self, within: timedelta) -> list[ExpiringView]:
        return [
            ExpiringView(
                case=one.case,
                closed_at=one.closed_at.isoformat(timespec="seconds"),
                keep_until=one.keep_until.isoformat(timespec="seconds"),
                held=one.held,
                due=one.due,
            )
            for one in await self._keeping.expiring(within)
        ]
