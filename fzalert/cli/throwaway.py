"""Adapters made for a moment: to read what they can do, or to try their line; nothing is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from pydantic import BaseModel
from typing_extensions import override

from fzalert.access import KeySigner
from fzalert.background import Background
from fzalert.clock import SystemClock
from fzalert.config import ChannelSettings, Settings
from fzalert.errors import FzalertError
from fzalert.http import HttpPool
from fzalert.ports import AdapterContext, AdapterState, Capabilities, HealthState

__all__ = ["ChannelProbe", "capabilities", "probe"]

OPEN_WITHIN = 20.0
WORD_WITHIN = 8.0
_LOOK_EVERY = 0.2
_SEED = bytes(32)


class ChannelProbe(BaseModel):
    """How a channel answered when it was tried."""

    name: str
    state: str
    detail: str = ""


class _NoState(AdapterState):
    """Rows that are forgotten."""

    def __init__(self) -> None:
        self._rows: dict[str, bytes] = {}

    @override
    async def get(self, key: str) -> bytes | None:
        return self._rows.get(key)

    @override
    async def items(self, prefix: str = "") -> list[tuple[str, bytes]]:
        return sorted(row for row in self._rows.items() if row[0].startswith(prefix))

    @override
    async def put(self, key: str, value: bytes) -> None:
        self._rows[key] = value

    @override
    async def put_many(self, rows: dict[str, bytes | None]) -> None:
        for key, value in rows.items():
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value


@dataclass(slots=True)
class _Crashes:
    """Remembers why an adapter's background work failed."""

    last: str = ""

    def note(self, name: str, error: Exception) -> timedelta:
        self.last = f"{name}: {error}"
        return timedelta(seconds=1)


@asynccontextmanager
async def _context(crashes: _Crashes) -> AsyncIterator[AdapterContext]:
    http = HttpPool()
    try:
        async with Background(crashes.note) as background:
            yield AdapterContext(
                clock=SystemClock(),
                rng=Random(),  # noqa: S311  jitter, no secret
                background=background,
                state=_NoState(),
                signer=KeySigner.from_seed(_SEED),
                http=http,
            )
    finally:
        await http.aclose()


async def capabilities(settings: Settings) -> Mapping[str, Capabilities]:
    """Read what each channel can do, from its settings alone; no line is opened."""
    async with _context(_Crashes()) as context:
        return {
            channel.name: channel.factory(channel.config, context).capabilities
            for channel in settings.channels
        }


async def probe(channel: ChannelSettings) -> ChannelProbe:
    """Open one channel, wait for its first word, close it again."""
    crashes = _Crashes()
    try:
        async with (
            _context(crashes) as context,
            asyncio.timeout(OPEN_WITHIN),
            channel.factory(channel.config, context) as adapter,
        ):
            health = await adapter.health()
            waited = 0.0
            while health.state is not HealthState.UP and waited < WORD_WITHIN:
                await context.clock.sleep(_LOOK_EVERY)
                waited += _LOOK_EVERY
                health = await adapter.health()
            detail = health.detail or crashes.last
            return ChannelProbe(name=channel.name, state=str(health.state), detail=detail)
    except TimeoutError:
        detail = crashes.last or f"没有在 {OPEN_WITHIN:.0f} 秒内打开 it did not open in time"
    except (FzalertError, OSError) as error:
        detail = str(error)
    return ChannelProbe(name=channel.name, state="down", detail=detail)
