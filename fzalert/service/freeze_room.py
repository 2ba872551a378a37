"""The door to freeze requests: opened when first asked for, and shut where they are not installed.

Nothing of `fzalert.freeze` is imported before, so an installation without the extra `freeze` is as
it was.
"""

from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING

from fzalert.access.actors import Actor
from fzalert.access.keys import FileSigner
from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.errors import AccessDenied, ConfigError
from fzalert.service.building import SIGNING_KEY, Building
from fzalert.service.models import DeadlinesView, LimitView

if TYPE_CHECKING:
    from fzalert.freeze.book import CaseBook
    from fzalert.service.custody_models import CustodyAnswer, ExpiringAsk, HoldAsk
    from fzalert.service.freeze import Freezing
    from fzalert.service.freeze_clock import DeadlineRunner
    from fzalert.service.freeze_models import FreezeAnswer, FreezeAsk
    from fzalert.service.keeping import Keeper

__all__ = ["FreezeRoom"]

NEEDED = ("stdnum", "cn2an", "dateutil", "chinese_calendar", "typst", "segno", "pyhanko")
"""What the extra `freeze` brings."""


class FreezeRoom:
    """Opens the cases of a service when somebody asks for them.

    Args:
        building: Store, engine and the rest.
        settings: `[freeze]`.
        clock: Reader of time.
    """

    def __init__(self, building: Building, settings: Settings, clock: Clock) -> None:
        self._building = building
        self._settings = settings
        self._clock = clock
        self._opening = asyncio.Lock()
        self._freezing: Freezing | None = None
        self._runner: DeadlineRunner | None = None

    @property
    def is_installed(self) -> bool:
        """Whether the extra `freeze` is there."""
        return all(importlib.util.find_spec(name) is not None for name in NEEDED)

    async def answer(self, ask: FreezeAsk, by: Actor, *, key: str = "") -> FreezeAnswer:
        """Do what is asked. Raises as `ServiceApi.freeze`."""
        freezing = await self._opened()
        try:
            return await freezing.answer(ask, by, key=key)
        except AccessDenied as error:
            await freezing.put_refusal(ask, by, error.code)
            raise

    async def keep(self, ask: ExpiringAsk | HoldAsk, by: Actor) -> CustodyAnswer:
        """Show whose time is over, or hold a case. Raises as `ServiceApi.custody`."""
        return await (await self._keeper()).answer(ask, by)

    async def destroy_due(self) -> int:
        """Destroy the keys of cases whose time is over; returns how many."""
        return await (await self._keeper()).destroy_due() if self.is_installed else 0

    async def _keeper(self) -> Keeper:
        from fzalert.service.keeping import Keeper

        book = (await self._opened()).book
        drill = self._settings.drill.enabled
        return Keeper(self._building.store, book, self._clock, drill=drill)

    async def run(self) -> None:
        """Fire deadlines and read the desks' answers, until cancelled."""
        from fzalert.service.freeze_answers import AnswerReader
        from fzalert.service.freeze_clock import DeadlineRunner

        freezing = await self._opened()
        book = freezing.book
        building = self._building

        def the_book() -> CaseBook:
            return book

        if self._runner is None:
            self._runner = DeadlineRunner(the_book, self._clock, freezing.ladder.fire)
        answers = AnswerReader(
            book,
            building.store,
            building.engine,
            self._clock,
            freezing.ladder.refused,
            freezing.test_taken,
        )
        async with asyncio.TaskGroup() as group:
            _ = group.create_task(self._runner.run())
            _ = group.create_task(answers.run())

    async def is_urgent(self) -> bool:
        """Whether some desk is waited for now: then nobody else is bothered with a rehearsal."""
        return self.is_installed and await (await self._opened()).ladder.is_climbing()

    def view(self) -> DeadlinesView:
        """How the runner is, for the status."""
        runner = self._runner
        if runner is None:
            return DeadlinesView()
        problem = runner.failed
        if runner.stalled:
            problem = f"期限任务停摆 stalled for {runner.stalled:.0f} s"
        return DeadlinesView(
            running=True,
            next_due="" if runner.next_due is None else runner.next_due.isoformat(),
            fired=runner.fired,
            late=runner.late,
            problem=problem,
        )

    async def limits(self) -> list[LimitView]:
        """Who is near a daily limit, or at it; nobody before the room was opened."""
        freezing = self._freezing
        if freezing is None:
            return []
        from fzalert.freeze.daily import alarms_of_day

        found = await alarms_of_day(self._building.store, freezing.book.now())
        return [
            LimitView(of=one.of, kind=one.kind, count=one.count, limit=one.limit) for one in found
        ]

    def _changed(self) -> None:
        if self._runner is not None:
            self._runner.wake()

    async def _opened(self) -> Freezing:
        async with self._opening:
            if self._freezing is None:
                self._freezing = await self._open()
            return self._freezing

    async def _open(self) -> Freezing:
        if not self.is_installed:
            missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
            raise ConfigError(
                f"Freeze requests are not installed: {', '.join(missing)} is missing.",
                hint="pip install 'fzalert[freeze]'",
            )
        from fzalert.service.freeze import Freezing

        key = self._settings.data_directory / SIGNING_KEY
        signer = await asyncio.to_thread(FileSigner.load_or_create, key)
        return Freezing(self._building, self._settings, self._clock, signer, self._changed)
