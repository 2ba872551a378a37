"""Puts the rooms together: store, engine, keys, socket, from one set of settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from typing_extensions import override

from fzalert.access.keys import FileSigner
from fzalert.access.vault import KeyRow, Vault, master_of
from fzalert.background import Background
from fzalert.clock import Clock
from fzalert.config import ChannelSettings, Settings
from fzalert.delivery import Caps, ChannelSpec, Engine, IdMaker, Limits
from fzalert.errors import ConfigError, FzalertError, IntegrityError, StoreFull
from fzalert.http import HttpPool
from fzalert.log import get_logger
from fzalert.ports import Adapter, AdapterContext, AdapterState, SecretValue, Signer
from fzalert.scripts import ScriptSettings
from fzalert.service.sockets import LocalSocket
from fzalert.service.standin import StandIn
from fzalert.service.windows import quiet_end
from fzalert.service.wrong import where
from fzalert.store import RESERVE, ChangeSet, SqliteStore, StateRow, Store
from fzalert.tracing import NOTHING, Tracer, open_tracer

SIGNING_KEY = "signing.key"
MASTER_KEY = "master.key"


log = get_logger("fzalert.service")


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
    """Everything that an open service stands on, and the order in which it is left."""

    store: SqliteStore
    engine: Engine
    http: HttpPool
    ids: IdMaker
    background: Background
    make: Callable[[ChannelSettings], ChannelSpec]
    signer: Signer
    tracer: Tracer = NOTHING
    socket: LocalSocket | None = None

    async def serve(self, socket: LocalSocket) -> None:
        """Let other processes in, until the building is closed."""
        self.socket = socket
        await socket.open()

    async def close(self) -> None:
        """Close in reverse order, each step whatever became of the one before.

        A caller that is cancelled meanwhile is so afterwards: a store half closed helps nobody,
        and every step has a limit. What an adapter does at its end is logged; it is no failure of
        the caller's.
        """
        closing = asyncio.ensure_future(self._close())
        cancelled: asyncio.CancelledError | None = None
        while not closing.done():
            try:
                await asyncio.wait([closing])
            except asyncio.CancelledError as error:
                cancelled = error
        closing.result()
        if cancelled is not None:
            raise cancelled

    async def _close(self) -> None:
        socket = [self.socket.close] if self.socket is not None else []
        steps = [
            *socket,
            self.background.close,
            self.engine.close,
            self.http.aclose,
            self.store.close,
            self._close_tracer,
        ]
        broken: list[Exception] = []
        for step in steps:
            try:
                await _twice(step)
            except (TimeoutError, FzalertError) as error:
                why = f"{type(error).__name__}: {error}"
                log.warning("service.close_late", step=step.__qualname__, why=why)
            except Exception as error:  # noqa: BLE001  raised below, after the other steps
                broken.append(error)
        if broken:
            raise broken[0]

    async def _close_tracer(self) -> None:
        """Send the last spans; the collector may be slow, and holds nobody up."""
        if self.tracer is not NOTHING:
            await asyncio.to_thread(self.tracer.close)


async def _twice(step: Callable[[], Awaitable[None]]) -> None:
    """Take a step of the close; once more where something outlived its first cancellation.

    An adapter that fails while it is cancelled counts as crashed, and waits to be started again.
    """
    try:
        await step()
    except TimeoutError as error:
        log.warning("service.close_again", step=step.__qualname__, why=str(error))
        await step()


async def build(settings: Settings, clock: Clock, *, resume_by: str = "") -> Building:
    """Open the store and put the rest around it; the engine is not started yet.

    Raises:
        StoreInUse: Another process owns the store.
        StoreDamaged: Its check failed.
        StoreRolledBack: It is an older copy, and `resume_by` names nobody who goes on with it.
        StoreFull: The folder cannot be written.
        ConfigError: A key cannot be read, or an adapter refuses its settings.
        IntegrityError: The master key is not the store's.
    """
    folder = settings.data_directory
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreFull(
            f"The data folder {folder.name} cannot be made ({error.strerror}).",
            hint="Let this account write there, or name another one in [store] url.",
        ) from error
    master = settings.store.master_key

    def make_vault(
        keys: list[tuple[int, str, bytes, int]], keep: Callable[[int, str, bytes, int], None]
    ) -> Vault:
        rows = [KeyRow(*key) for key in keys]
        if master is not None:
            vault = _by_reference(master, settings.store.former_master_key, rows, keep, clock)
        else:
            vault = Vault.create(folder / MASTER_KEY, rows)
        if not vault.has_active_key:
            for row in vault.new_key(clock.millis()):
                keep(*row)
        return vault

    store = SqliteStore(
        settings.store.path,
        clock,
        make_vault,
        anchor=settings.store.anchor,
        reserve=RESERVE,
        resume_by=resume_by,
    )
    await _opened(store)
    http = HttpPool()
    try:
        signer = await asyncio.to_thread(FileSigner.load_or_create, folder / SIGNING_KEY)
        rng = Random()  # noqa: S311  jitter, not a secret
        background = Background(_crashed)

        def make(channel: ChannelSettings) -> ChannelSpec:
            made = adapter_maker(channel, store, clock, rng, signer, http)
            return ChannelSpec(channel.name, channel.adapter, made, channel.config.connections)

        specs = _sound_first([make(channel) for channel in settings.channels], background)
        tracer = open_tracer(settings.telemetry.endpoint, settings.telemetry.sample)
        engine = Engine(store, folder, specs, limits_of(settings), clock, rng, tracer)
    except BaseException:
        await http.aclose()
        await store.close()
        raise
    return Building(store, engine, http, IdMaker(clock), background, make, signer, tracer)


def _by_reference(
    master: SecretValue,
    former: SecretValue | None,
    rows: list[KeyRow],
    keep: Callable[[int, str, bytes, int], None],
    clock: Clock,
) -> Vault:
    """Open with the master key that the configuration names, or come under it from the former one.

    Raises:
        ConfigError: A secret is no key.
        IntegrityError: Neither is the one of the rows.
    """
    try:
        return Vault.from_secret(master, rows)
    except IntegrityError:
        if former is None:
            raise
    before = Vault.from_secret(former, rows)
    vault = before.renewed(master_of(master), clock.millis())
    for row in vault.rows:
        keep(*row)
    log.warning("keys.rotated", master=vault.master_id)
    return vault


async def _opened(store: SqliteStore) -> None:
    """Open the store; a caller that is cancelled meanwhile leaves it closed, not half open."""
    opening = asyncio.ensure_future(store.open())
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            await store.close()
        raise


def _sound_first(specs: list[ChannelSpec], background: Background) -> list[ChannelSpec]:
    """Every channel, those whose adapter cannot be made at the end."""
    return sorted(specs, key=lambda spec: isinstance(spec.make(0, background), StandIn))


def _crashed(name: str, error: Exception) -> timedelta:
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
    """Give the function that makes the adapter of one slot.

    Where the adapter's own code fails, it makes a channel that is down and says so; a setting that
    is wrong (`ConfigError`) is the caller's to mend, and is raised.
    """

    def make(slot: int, background: Background) -> Adapter:
        context = AdapterContext(
            clock, rng, background, StoreState(store, channel.name), signer, http
        )
        config = channel.config.model_copy(update={"slot": slot})
        try:
            adapter = channel.factory(config, context)
            _ = adapter.capabilities  # asked for later, where a failure would be everybody's
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001  a broken adapter degrades its channel only
            log.warning(
                "channel.not_made",
                channel=channel.name,
                adapter=channel.adapter,
                error=type(error).__name__,
                where=where(error),
            )
            why = f"适配器无法启动 / {channel.adapter} cannot be made: {type(error).__name__}"
            return StandIn(channel.adapter, why)
        return adapter

    return make


def limits_of(settings: Settings) -> Limits:
    """What the configuration gives to the engine."""
    return Limits(
        unknown_wait_ms=int(settings.limits.unknown_wait.total_seconds() * 1000),
        quiet=lambda now: quiet_end(settings.limits, now),
    )


def caps_of(settings: Settings) -> Caps:
    """How often one person may be written to."""
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
