"""Those who warn: they route, commit and hand over as the service does, and sometimes give up."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fzalert.delivery import prepare
from fzalert.delivery.quiet import quiet_until
from fzalert.errors import FzalertError
from fzalert.messages import (
    ActorId,
    Lane,
    Rendition,
    Target,
    TargetKind,
    Warning,
    WarningId,
    bank_desk,
    display,
)
from fzalert.store import ChangeSet, EvidenceEntry
from fzalert.testing.parcels import number, text_in_parts
from fzalert.testing.sim.chance import Fault

if TYPE_CHECKING:
    from fzalert.testing.sim.process import Process
    from fzalert.testing.sim.world import World

__all__ = ["Callers"]

PEOPLE = 20
BY = ActorId("tester")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a caller wants; asked again it is the same."""

    lane: Lane
    targets: tuple[Target, ...]
    parts: int
    window_ms: int
    key: str


class Callers:
    """Makes warnings, at whatever moment the world says.

    Args:
        world: Where they are.

    Attributes:
        acknowledged: Messages that were acknowledged: on disk, whatever comes.
        warnings: Every warning that was acknowledged.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.acknowledged: set[int] = set()
        self.warnings: list[int] = []
        self._again: list[_Wish] = []
        self._count = 0

    def call(self, process: Process) -> None:
        """Somebody warns."""
        self._count += 1
        _ = process.spawn(self._warn(process, self._wish()), f"caller {self._count}")

    def take_back(self, process: Process) -> None:
        """Somebody takes a warning back."""
        if self.warnings:
            warning = self.world.chance.rng.choice(self.warnings)
            _ = process.spawn(self._withdraw(process, warning), f"caller withdraws {warning}")

    # -- warning ---------------------------------------------------------------------------------

    def _wish(self) -> _Wish:
        world, rng = self.world, self.world.chance.rng
        if self._again and rng.random() < 0.7:
            world.chance.fire(Fault.KEY_AGAIN)
            return self._again.pop()
        lane = rng.choice((Lane.URGENT, Lane.BULK, Lane.BULK))
        kinds = sorted(
            {str(k) for c in world.carriers.values() for k in c.traits.capabilities.kinds}
        )
        count = rng.choice((1, 1, 2, 5))
        targets = dict.fromkeys(self._target(rng.choice(kinds)) for _ in range(count))
        window = rng.choice((1_000, 4_000, 12_000, 20_000))
        if lane is Lane.BULK:
            window *= 2
        key = f"key-{self._count}" if rng.random() < 0.5 else ""
        return _Wish(lane, tuple(targets), rng.choice((1, 1, 1, 2)), window, key)

    def _target(self, kind: str) -> Target:
        n = self.world.chance.rng.randrange(PEOPLE)
        match TargetKind(kind):
            case TargetKind.PHONE:
                return number(n)
            case TargetKind.DISPLAY:
                return display(f"screen-{n % 3}")
            case _:
                return bank_desk(f"bank-{n % 3}")

    async def _warn(self, process: Process, wish: _Wish) -> None:
        world = self.world
        now = world.clock.millis()
        start = self._start(wish, now)
        warning = Warning(
            WarningId(process.ids.one()),
            "impersonating-police/general/1",
            "zh",
            wish.targets,
            {"branch": "城关支行"},
            wish.lane,
            start,
            start + wish.window_ms,
            wish.key,
            BY,
        )
        try:
            await self._take(process, warning, wish)
        except (FzalertError, RuntimeError) as error:  # the store may be closed meanwhile
            world.trace.note("refused", warning.id, type(error).__name__)
            if wish.key:
                self._again.append(wish)

    def _start(self, wish: _Wish, now: int) -> int:
        if wish.lane is not Lane.BULK or not any(t.is_personal for t in wish.targets):
            return now
        begins, ends = self.world.quiet
        until = quiet_until(datetime.fromtimestamp(now / 1000, UTC), begins, ends, UTC)
        if until is None:
            return now
        self.world.chance.fire(Fault.QUIET)
        return int(until.timestamp() * 1000)

    async def _take(self, process: Process, warning: Warning, wish: _Wish) -> None:
        world = self.world
        digest = hashlib.sha256(repr(replace(wish, key="")).encode()).digest()
        engine = process.engine
        if wish.key:
            self._again.append(wish)  # until it is acknowledged: the process may die meanwhile
        ready = await prepare(
            warning,
            digest,
            engine.channels,
            lambda *_: _text(wish.parts),
            process.store,
            process.ids,
            world.caps,
            engine.lease_for,
        )
        for message in ready.acceptance.messages:
            if message.refused:
                world.chance.fire(Fault.CAPPED)
        entry = EvidenceEntry("store", BY, "warning.accept", {"warning": str(warning.id)})
        committed = await process.store.commit(
            ChangeSet(accepts=(ready.acceptance,), evidence=(entry,))
        )
        if not process.is_alive:
            return
        (accepted,) = committed.accepted
        if wish.key and wish in self._again:
            self._again.remove(wish)
        world.trace.note("accepted", accepted.warning, wish.lane, len(wish.targets))
        if not accepted.existing:
            self.acknowledged.update(message.id for message in ready.acceptance.messages)
            self.warnings.append(accepted.warning)
        if world.is_rough and world.chance.happens(0.05):
            world.chance.fire(Fault.GAVE_UP)
            return
        engine.hand_over(accepted.claimed)
        engine.poke(sorted(ready.channels))
        engine.note_change()

    # -- taking back -----------------------------------------------------------------------------

    async def _withdraw(self, process: Process, warning: int) -> None:
        try:
            outcomes = await process.store.outcomes(warning)
            await process.store.commit(ChangeSet(withdraw=tuple(o.message for o in outcomes)))
            self.world.chance.fire(Fault.WITHDRAWN)
            await process.engine.withdraw(
                [(o.channel, o.message, part) for o in outcomes for part in range(o.parts)]
            )
        except (FzalertError, RuntimeError) as error:
            self.world.trace.note("not withdrawn", warning, type(error).__name__)


def _text(parts: int) -> Rendition:
    return text_in_parts(parts)
