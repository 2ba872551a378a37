"""How an open service is, asked of parts that may be broken: the answer comes in any case."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata

from fzalert.clock import Clock
from fzalert.config import Settings
from fzalert.delivery import ChannelState
from fzalert.errors import ChannelUnavailable
from fzalert.log import get_logger
from fzalert.messages import Lane
from fzalert.ports import Health, HealthState, Mounted, Route
from fzalert.service.building import Building
from fzalert.service.clockwatch import ClockWatch
from fzalert.service.freeze_room import FreezeRoom
from fzalert.service.guarded import Asker
from fzalert.service.models import ChannelView, ConfigView, StatusView
from fzalert.service.sockets import PROTOCOL
from fzalert.service.views import counters_view
from fzalert.store import CounterRow, PartState

log = get_logger("fzalert.service")

HEALTH_WITHIN = 1.0


class Status:
    """Tells how the process, its channels and its counters are.

    Args:
        building: Store, engine and the rest.
        settings: Names; whether this is a drill.
        clock: Reader of time.
        freeze: Runs the deadlines of freeze requests.

    Attributes:
        web: Address of the pages, or empty.
        config: Which configuration runs, and how the last reload went.
        clock: Watches the machine's clock.
    """

    def __init__(
        self, building: Building, settings: Settings, clock: Clock, freeze: FreezeRoom
    ) -> None:
        self._freeze = freeze
        self.web = ""
        self.config = ConfigView(
            file=settings.path.name,
            digest=settings.digest,
            loaded_at=clock.now().isoformat(timespec="seconds"),
        )
        self._building = building
        self._settings = settings
        self._started_at = clock.now().isoformat(timespec="seconds")
        self._version = metadata.version("fzalert")
        self.clock = ClockWatch(
            clock, building.store, lambda: building.engine.poke(list(building.engine.channels))
        )
        self._healths: Asker[Health] = Asker("health", building.background, HEALTH_WITHIN)

    async def view(self) -> StatusView:
        """Ask everything."""
        store = self._building.store
        channels, config = self._building.engine.channels, self.config  # of one moment
        rows = await store.counters()
        chains = await store.chains()
        healths = await asyncio.gather(*(self.health(name) for name in channels))
        return StatusView(
            version=self._version,
            protocol=PROTOCOL,
            pid=os.getpid(),
            started_at=self._started_at,
            drill=self._settings.drill.enabled,
            store=self._settings.store.path.name,
            store_id=store.store_id,
            channels=[
                _channel(state, health, [row for row in rows if row.channel == name])
                for (name, state), health in zip(channels.items(), healths, strict=True)
            ],
            totals=counters_view(rows),
            ticks=store.transactions,
            orphans=await store.orphans(),
            store_state=store.stopped,
            clock_suspect=self.clock.suspect,
            deadlines=self._freeze.view(),
            limits=await self._freeze.limits(),
            evidence_head=chains[-1][2].hex() if chains else "",
            web=self.web,
            config=config.model_copy(update={"waiting": stranded(rows, channels)}),
        )

    async def health(self, name: str) -> Health:
        """One channel's health; one that does not tell it is down."""
        engine = self._building.engine
        try:
            return await self._healths.ask(name, lambda: engine.health(name))
        except ChannelUnavailable as error:
            return Health(HealthState.DOWN, str(error.args[0]))

    def routes(self) -> Mapping[str, Sequence[Route]]:
        """Routes that the open channels bring, by the channel's name; a broken one brings none."""
        found: dict[str, Sequence[Route]] = {}
        for name, state in self._building.engine.channels.items():
            for slot in state.slots[:1]:
                if not isinstance(slot.adapter, Mounted):
                    continue
                try:
                    found[name] = slot.adapter.routes()
                except Exception as error:  # noqa: BLE001  a broken adapter degrades its channel only
                    log.warning("channel.routes_failed", channel=name, error=type(error).__name__)
        return found


def stranded(rows: Sequence[CounterRow], channels: Collection[str]) -> dict[str, int]:
    """How much waits on a channel that is not configured, by its name."""
    found: dict[str, int] = {}
    for row in rows:
        if row.channel not in channels and row.state is PartState.QUEUED and row.n:
            found[row.channel] = found.get(row.channel, 0) + row.n
    return found


def _channel(state: ChannelState, health: Health, rows: Sequence[CounterRow]) -> ChannelView:
    slots = state.slots
    return ChannelView(
        name=state.spec.name,
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
        counters=counters_view(rows),
        figures=dict(health.figures),
    )
