"""The road under test: a real store, engine and CMPP channel, opened in this process."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.common.carrier import ACCOUNT, SECRET
from fzalert.access.keys import KeySigner
from fzalert.access.vault import KeyRow, Vault
from fzalert.background import Background
from fzalert.clock import SystemClock
from fzalert.delivery import ChannelSpec, Engine, IdMaker, Limits
from fzalert.http import HttpPool
from fzalert.messages import (
    ActorId,
    Coding,
    Lane,
    ScriptRef,
    SmsText,
    Target,
    TargetKind,
    Warning,
    WarningId,
)
from fzalert.ports import Adapter, AdapterContext
from fzalert.service.building import StoreState
from fzalert.store import Acceptance, ChangeSet, Lease, NewMessage, PartState, SqliteStore
from fzalert_sms.cmpp import CmppConfig, CmppGateway

CHANNEL = "mobile"
TEXT = "【反诈】陌生人让您转钱、保密、共享手机画面，都是骗局。先停手，打96110问一问。"
BODY = SmsText((TEXT,), Coding.UCS2, ScriptRef("generic", "general", "zh", 1, "0" * 64))
DAY_MS = 86_400_000
AT_ONCE = 1000
"""Messages of one acceptance, as a campaign's feeder gives them."""


class Filler:
    """Makes acceptances: a text to one phone after another."""

    def __init__(self, clock: SystemClock) -> None:
        self.ids = IdMaker(clock)
        self._clock = clock
        self._given = 0
        self._warnings: dict[Lane, Warning] = {}

    def change(self, lane: Lane, messages: int, lease: Lease | None = None) -> ChangeSet:
        """Messages to different phones, queued, or claimed where a lease is given."""
        now = self._clock.millis()
        new: list[NewMessage] = []
        for id_ in self.ids.take(messages):
            self._given += 1
            target = Target(TargetKind.PHONE, f"+86138{self._given:08d}")
            new.append(NewMessage(id_, CHANNEL, target, 0, 1, now, lease))
        warning = self._warnings.get(lane)
        is_new = warning is None
        if warning is None:
            warning = self._warnings[lane] = Warning(
                WarningId(self.ids.one()), "generic/general/1", "zh", (), {}, lane, now,
                now + DAY_MS, "", ActorId("bench"),
            )  # fmt: skip
        return ChangeSet(accepts=(Acceptance(warning, b"", (BODY,), new, new=is_new),))


class Road:
    """Store and engine, and the ways a bench uses them.

    Attributes:
        store: The store.
        engine: The engine, with one CMPP channel of one connection.
    """

    def __init__(self, store: SqliteStore, engine: Engine, clock: SystemClock) -> None:
        self.store = store
        self.engine = engine
        self._filler = Filler(clock)

    async def accept(self, messages: int, lane: Lane = Lane.BULK) -> None:
        """Accept that many messages to different numbers, in batches, and queue them."""
        for start in range(0, messages, AT_ONCE):
            change = self._filler.change(lane, min(AT_ONCE, messages - start))
            await self.store.commit(change)
            self.engine.poke([CHANNEL])

    async def warn_one(self) -> int:
        """Accept one urgent message and hand it over, as `warn` does; returns its id."""
        change = self._filler.change(Lane.URGENT, 1, self.engine.lease_for(CHANNEL))
        done = await self.store.commit(change)
        self.engine.hand_over(done.accepted[0].claimed)
        self.engine.poke([CHANNEL])
        return change.accepts[0].messages[0].id

    async def delivered(self, lane: Lane = Lane.BULK) -> int:
        """How many parts are delivered, by the counters."""
        return sum(
            row.n
            for row in await self.store.counters()
            if row.state is PartState.DELIVERED and row.lane is lane
        )

    async def until_delivered(self, messages: int, lane: Lane = Lane.BULK) -> None:
        """Wait until so many reports are on disk."""
        seen = 0
        while await self.delivered(lane) < messages:
            seen = await self.engine.changed(seen, 0.5)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def road(folder: Path, port: int, window: int, *, opened: bool = True) -> AsyncIterator[Road]:
    """Open all of it on a folder.

    Args:
        folder: Where the database and the flight recorder stand.
        port: Of the carrier.
        window: Of the connection.
        opened: Whether the engine is opened; else its owner does so.
    """
    os.environ["FZ_BENCH_SECRET"] = SECRET
    clock = SystemClock()
    store = SqliteStore(folder / "bench.db", clock, make_vault)
    await store.open()
    rng = random.Random(1)  # noqa: S311  jitter
    http, signer = HttpPool(), KeySigner.from_seed(bytes(32))
    config = CmppConfig.model_validate(
        {
            "name": CHANNEL,
            "adapter": "sms.cmpp",
            "host": "127.0.0.1",
            "port": port,
            "account": ACCOUNT,
            "secret": {"env": "FZ_BENCH_SECRET"},
            "service_id": "BENCH",
            "src_id": "106500001",
            "signature": "反诈",
            "window": window,
        }
    )

    def make(slot: int, background: Background) -> Adapter:
        context = AdapterContext(clock, rng, background, StoreState(store, CHANNEL), signer, http)
        return CmppGateway(config.model_copy(update={"slot": slot}), context)

    engine = Engine(store, folder, [ChannelSpec(CHANNEL, "sms.cmpp", make)], Limits(), clock, rng)
    if opened:
        await engine.open()
    try:
        yield Road(store, engine, clock)
    finally:
        await engine.close()
        await http.aclose()
        await store.close()


def make_vault(
    keys: list[tuple[int, str, bytes, int]], keep: Callable[[int, str, bytes, int], None]
) -> Vault:
    """The real vault under a key that protects nothing."""
    vault = Vault(bytes(32), [KeyRow(*key) for key in keys])
    if not vault.has_active_key:
        for row in vault.new_key(0):
            keep(*row)
    return vault


class Stopwatch:
    """Seconds and processor seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._cpu = time.process_time()

    def rate(self, messages: int) -> float:
        """Messages a second."""
        return messages / (time.perf_counter() - self._began)

    def cpu(self, messages: int) -> float:
        """Processor microseconds a message."""
        return (time.process_time() - self._cpu) * 1e6 / messages
