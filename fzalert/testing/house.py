"""A whole service over a real store, with channels whose far side a test scripts.

```python
far = FarSide()
house = House(tmp_path, {"sms": far.make})
async with house.service() as service:
    await house.approve(service)
    fz = house.door(service)
    await (await fz.warn("generic", to=phone("13800138000"))).outcome(timeout=5)
```
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from fzalert.access import Actor, Directory
from fzalert.background import Background
from fzalert.clock import SystemClock
from fzalert.config import ChannelSettings, Settings
from fzalert.config.load import parse_settings
from fzalert.ports import Adapter, AdapterContext, ChannelConfig
from fzalert.registry import Registry
from fzalert.scripts import Library
from fzalert.service import Fzalert, Service, ServiceApi
from fzalert.service.models import CampaignView

__all__ = ["House", "ShiftedClock"]

Make = Callable[[int, Background], Adapter]

PLAIN = """
[identity]
county = "青山县"
branch = "城关支行"
sign = "城关支行"
[web]
port = 0
"""
LOUD = "[limits.quiet_hours]\nenabled = false\n"
SCRIPTS = ("generic/general/1", "impersonating-police/general/1")


class ShiftedClock(SystemClock):
    """The machine's clock, some time off; its wall time can be moved.

    Attributes:
        shift: How far wall time is off.
    """

    def __init__(self, shift: timedelta = timedelta(0)) -> None:
        super().__init__()
        self.shift = shift

    def set(self, moment: datetime) -> None:
        """Let it be another time now."""
        self.shift = moment - super().now()

    @override
    def now(self) -> datetime:
        return super().now() + self.shift

    @override
    def millis(self) -> int:
        return super().millis() + self.shift // timedelta(milliseconds=1)


class _Factory:
    """Stands for an adapter's class."""

    Config: ClassVar[type[ChannelConfig]] = ChannelConfig

    def __init__(self, make: Make) -> None:
        self._make = make

    def __call__(self, config: ChannelConfig, context: AdapterContext) -> Adapter:
        return self._make(config.slot, context.background)


class House:
    """A folder with settings and scripted channels; opened again it is a restart.

    Args:
        folder: For the store.
        makers: What makes the adapter of each channel, by its name, in order of preference.
        toml: More of the configuration; quiet hours are off unless it speaks of limits.
        clock: The machine's unless given.
        library: The shipped one unless given.
        adapters: Entry point of a channel's adapter where it matters; `sms.test` by default.
    """

    def __init__(
        self,
        folder: Path,
        makers: Mapping[str, Make] | None = None,
        toml: str = "",
        *,
        clock: ShiftedClock | None = None,
        library: Library | None = None,
        adapters: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.clock = clock or ShiftedClock()
        self.library = library
        text = PLAIN + ("" if "[limits" in toml else LOUD) + toml
        names = adapters or {}
        self.settings: Settings = dataclasses.replace(
            parse_settings(text, folder / "fzalert.toml", registry=Registry({})),
            channels=tuple(
                _channel(name, names.get(name, "sms.test"), make)
                for name, make in (makers or {}).items()
            ),
        )
        self.local = Directory().local_actor()

    def service(self) -> Service:
        """The service; use `async with`."""
        return Service(self.settings, clock=self.clock, library=self.library)

    def door(self, api: ServiceApi) -> Fzalert:
        """What a teller's program would have."""
        return Fzalert(api, self.local, owns_store=isinstance(api, Service))

    async def people(self, api: ServiceApi) -> tuple[Actor, Actor]:
        """An author and an approver."""
        known = {user.name for user in await api.users()}
        token = {
            name: await api.add_user(name, [role])
            for name, role in (("author", "script_editor"), ("approver", "approver"))
            if name not in known
        }
        return await api.authenticate(token["author"]), await api.authenticate(token["approver"])

    async def approve(self, api: ServiceApi, *keys: str) -> tuple[Actor, Actor]:
        """Let two persons approve scripts; returns the two."""
        author, approver = await self.people(api)
        for key in keys or SCRIPTS:
            await api.approve(key, author=author, approver=approver)
        return author, approver

    def list_of(self, numbers: Iterable[str], name: str = "list.csv") -> str:
        """Write a list of people; returns its absolute path."""
        path = self.folder / name
        path.write_text("手机号\n" + "".join(f"{n}\n" for n in numbers), encoding="utf-8")
        return str(path)

    async def campaign(
        self, api: ServiceApi, id: str, *states: str, within: float = 20.0
    ) -> CampaignView:
        """Wait until a campaign is in one of some states.

        Raises:
            TimeoutError: It is in another one; the test's log tells which.
        """
        async with asyncio.timeout(within):
            while True:
                found = {view.id: view for view in await api.campaigns()}[id]
                if found.state in states:
                    return found
                await self.clock.sleep(0.02)


def _channel(name: str, adapter: str, make: Make) -> ChannelSettings:
    config = ChannelConfig(name=name, adapter=adapter)
    return ChannelSettings(name, adapter, _Factory(make), config)
