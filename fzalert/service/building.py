"""Puts the rooms together: store, engine, keys, socket, from one set of settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Protocol

import structlog
from typing_extensions import override

from fzalert.access.keys import FileSigner
from fzalert.access.vault import KeyRow, Vault
from fzalert.background import Background
from fzalert.campaigns import Feeder
from fzalert.campaigns.feeder import Render
from fzalert.clock import Clock
from fzalert.config import ChannelSettings, Settings
from fzalert.delivery import Caps, ChannelSpec, Engine, IdMaker, Limits
from fzalert.http import HttpPool
from fzalert.messages import Target, Warning
from fzalert.ports import Adapter, AdapterContext, AdapterState, Signer
from fzalert.scripts import ScriptSettings
from fzalert.service.sockets import LocalSocket, socket_path
from fzalert.store import CampaignRow, ChangeSet, SqliteStore, StateRow, Store

SIGNING_KEY = "signing.key"
MASTER_KEY = "master.key"


log = structlog.get_logger("fzalert.service")


class CampaignSource(Protocol):
    """What the feeder asks of the service about a stored campaign."""

    def render_for(self, document: Mapping[str, object]) -> Render:
        """The function that renders its texts."""
        ...

    def warning_for(
        self, row: CampaignRow, document: Mapping[str, object], targets: tuple[Target, ...]
    ) -> Warning:
        """Its warning, for some of its targets."""
        ...


class StoreState(AdapterState):
    """An adapter's rows, in the store under its channel's name."""

    def __init__(self, store: Store, channel: str) -> None:
        self._store = store
        self._namespace = f"channel:{channel}"

    @override
    async def get(self, key: str) -> bytes | None:
        for found, value in await self._store.state(self._namespace, key):
            if found == key:
                return value
        return None

    @override
    async def items(self, prefix: str = "") -> list[tuple[str, bytes]]:
        return await self._store.state(self._namespace, prefix)

    @override
    async def put(self, key: str, value: bytes) -> None:
        await self.put_many({key: value})

    @override
    async def put_many(self, rows: dict[str, bytes | None]) -> None:
        await self._store.commit(
            ChangeSet(
                state=tuple(StateRow(self._namespace, key, value) for key, value in rows.items())
            )
        )


@dataclass(slots=True)
class Building:
    """Everything that an open service holds, and the order in which it is left."""

    store: SqliteStore
    engine: Engine
    http: HttpPool
    signer: Signer
    socket: LocalSocket
    ids: IdMaker
    caps: Caps
    scripts: ScriptSettings
    clock: Clock
    background: Background
    _feeder: Feeder | None = None
    _feeding: asyncio.Task[None] | None = None

    def feeder(self, source: CampaignSource) -> Feeder:
        """The feeder of this service's campaigns."""
        if self._feeder is None:
            self._feeder = Feeder(
                self.store,
                self.engine,
                self.ids,
                self.caps,
                self.clock,
                source.render_for,
                source.warning_for,
            )
        return self._feeder

    def start_feeding(self, source: CampaignSource) -> None:
        """Feed running campaigns until the service closes."""
        self._feeding = self.background.keep("campaigns", self.feeder(source).run)

    async def close(self) -> None:
        """Close in reverse order; each step runs even if one before it failed."""
        try:
            await self.socket.close()
            await self.background.close()
        finally:
            try:
                await self.engine.close()
            finally:
                try:
                    await self.http.aclose()
                finally:
                    await self.store.close()


async def build(settings: Settings, clock: Clock) -> Building:
    """Open the store and put the rest around it; the engine is not started yet.

    Raises:
        StoreInUse: Another process owns the store.
        StoreDamaged: Its check failed.
        ConfigError: A key cannot be read.
    """
    folder = settings.data_directory
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    master = settings.store.master_key

    def make_vault(
        keys: list[tuple[int, str, bytes, int]], keep: Callable[[int, str, bytes, int], None]
    ) -> Vault:
        rows = [KeyRow(*key) for key in keys]
        if master is not None:
            vault = Vault.from_secret(master, rows)
        else:
            vault = Vault.create(folder / MASTER_KEY, rows)
        if not vault.has_active_key:
            for row in vault.new_key(clock.millis()):
                keep(*row)
        return vault

    store = SqliteStore(settings.store.path, clock, make_vault)
    await store.open()
    try:
        signer = await asyncio.to_thread(FileSigner.load_or_create, folder / SIGNING_KEY)
        http = HttpPool()
        rng = Random()  # noqa: S311  jitter, not a secret
        engine = Engine(
            store,
            folder,
            [
                ChannelSpec(
                    channel.name,
                    channel.adapter,
                    adapter_maker(channel, store, clock, rng, signer, http),
                    channel.config.connections,
                )
                for channel in settings.channels
            ],
            Limits(unknown_wait_ms=int(settings.limits.unknown_wait.total_seconds() * 1000)),
            clock,
            rng,
        )
    except BaseException:
        await store.close()
        raise
    return Building(
        store,
        engine,
        http,
        signer,
        LocalSocket(socket_path(settings.store.path)),
        IdMaker(clock),
        _caps(settings),
        script_settings(settings),
        clock,
        Background(_feeder_crashed),
    )


def _feeder_crashed(name: str, error: Exception) -> timedelta:
    log.warning("service.work_crashed", work=name, error=type(error).__name__, detail=str(error))
    return timedelta(seconds=2)


def adapter_maker(
    channel: ChannelSettings,
    store: Store,
    clock: Clock,
    rng: Random,
    signer: Signer,
    http: HttpPool,
) -> Callable[[int, Background], Adapter]:
    """Give the function that makes the adapter of one slot."""

    def make(slot: int, background: Background) -> Adapter:
        context = AdapterContext(
            clock, rng, background, StoreState(store, channel.name), signer, http
        )
        config = channel.config.model_copy(update={"slot": slot})
        return channel.factory(config, context)

    return make


def _caps(settings: Settings) -> Caps:
    numbers = settings.limits.per_number
    return Caps(numbers.urgent.hour, numbers.urgent.day, numbers.bulk.day)


def script_settings(settings: Settings) -> ScriptSettings:
    """What the configuration gives to texts."""
    identity = settings.identity
    names = {
        name: value
        for name in ("county", "town", "village", "bank", "branch", "sign")
        if (value := getattr(identity, name))
    }
    return ScriptSettings(
        names={name: frozenset({value}) for name, value in names.items()},
        service_numbers=frozenset(identity.service_numbers.values()),
        defaults=dict(names),
        hotline=identity.hotline,
    )
