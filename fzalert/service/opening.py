"""Own the store if it is free; speak to its owner otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fzalert.access.directory import Directory
from fzalert.clock import Clock, SystemClock
from fzalert.config import Settings, load_settings
from fzalert.errors import NotConnected, ProtocolMismatch, StoreInUse
from fzalert.service.api import ServiceApi
from fzalert.service.core import Service
from fzalert.service.facade import Fzalert

if TYPE_CHECKING:
    from fzalert.client import Client

__all__ = ["open_fzalert", "open_or_connect"]

OWNER_WITHIN = 10.0
LOOK_AGAIN = 0.1


@asynccontextmanager
async def open_or_connect(
    settings: Settings, *, delivers: bool = True
) -> AsyncIterator[ServiceApi]:
    """Give the service itself where the store is free, else a client of its owner.

    Args:
        settings: Whose store.
        delivers: Whether a service of our own opens its channels; see `Service`.

    Raises:
        NotConnected: Another process owns the store and does not answer.
        StoreDamaged: The store is free and its check failed.
    """
    api = await _owner_or_client(settings, SystemClock(), delivers=delivers)
    async with api:
        yield api


async def _owner_or_client(
    settings: Settings, clock: Clock, *, delivers: bool = True
) -> Service | Client:
    """Give the one or the other, open. An owner that is just starting or ending is waited for."""
    from fzalert.client import connect  # the client needs the service's models first

    until = clock.monotonic() + OWNER_WITHIN
    while True:
        client = connect(settings)
        try:
            return await client.__aenter__()
        except ProtocolMismatch:
            raise
        except NotConnected as nobody:
            try:
                return await Service(settings, delivers=delivers).__aenter__()
            except StoreInUse as owned:
                if clock.monotonic() > until:
                    raise NotConnected(
                        f"{owned.args[0]} It does not answer on its socket.",
                        hint="Wait until it has started, or restart it.",
                    ) from nobody
        await clock.sleep(LOOK_AGAIN)


@asynccontextmanager
async def open_fzalert(config: Path | str | Settings | None = None) -> AsyncIterator[Fzalert]:
    """Open fzalert for a program: `async with fzalert.open("fzalert.toml") as fz`.

    If no other process owns the store, this one does, and delivers until the block ends; pages
    and screens need `fzalert run`. Otherwise everything is handed to the owner.

    Args:
        config: The configuration file, or settings; by default `./fzalert.toml` or the file that
            FZALERT_CONFIG names.

    Raises:
        ConfigError: The configuration is wrong; the text names every fault.
        NotConnected: Another process owns the store and does not answer.
    """
    if isinstance(config, Settings):
        settings = config
    else:
        settings = load_settings(None if config is None else Path(config))
    async with open_or_connect(settings) as api:
        yield Fzalert(api, Directory().local_actor(), owns_store=isinstance(api, Service))
