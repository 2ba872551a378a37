"""One adapter is broken in every way; the caller never hears of it, the other channels work on."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from typing_extensions import override

from fzalert.background import Background
from fzalert.errors import ConfigError
from fzalert.messages import RenditionKind, TargetKind, display, phone
from fzalert.ports import (
    Adapter,
    Capabilities,
    Health,
    InboundBatch,
    MountedRequest,
    MountedResponse,
    Route,
    Submission,
    Wire,
)
from fzalert.ports.mounted import AuthKind
from fzalert.service.models import ChannelView, StatusView
from fzalert.testing.engine import FarSide, ScriptedAdapter, sms
from fzalert.testing.house import House

LIMIT = 5.5
SCREEN = Capabilities(frozenset({TargetKind.DISPLAY}), RenditionKind.DISPLAY)


async def for_ever() -> None:
    await asyncio.Event().wait()


class Opens(ScriptedAdapter):
    """Its opening never ends."""

    @override
    async def __aenter__(self) -> Self:
        await for_ever()
        return self


class OpensBadly(ScriptedAdapter):
    @override
    async def __aenter__(self) -> Self:
        raise RecursionError("the line is broken")


class SubmitsBadly(ScriptedAdapter):
    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        raise ZeroDivisionError("made-up-secret")


class SubmitsForEver(ScriptedAdapter):
    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        await for_ever()


class Blocks(ScriptedAdapter):
    """It holds the whole loop for a while, as a careless driver does."""

    @override
    async def submit(self, batch: Sequence[Submission], wire: Wire) -> None:
        time.sleep(0.3)  # noqa: ASYNC251  that is the fault
        await super().submit(batch, wire)


class HearsBadly(ScriptedAdapter):
    @override
    async def inbound(self) -> AsyncIterator[InboundBatch]:
        raise KeyError("the line is broken")
        yield  # pragma: no cover


class HealthRaises(ScriptedAdapter):
    @override
    async def health(self) -> Health:
        raise ValueError("made-up-secret")


class HealthHangs(ScriptedAdapter):
    @override
    async def health(self) -> Health:
        await for_ever()
        raise AssertionError


class HealthClings(ScriptedAdapter):
    """It hangs, and its first cancellation does not move it."""

    @override
    async def health(self) -> Health:
        try:
            await for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(2)
        raise AssertionError


class RoutesRaise(ScriptedAdapter):
    def routes(self) -> Sequence[Route]:
        raise AttributeError("made-up-secret")


class Withdraws(ScriptedAdapter):
    async def withdraw(self, submissions: Sequence[tuple[int, int]]) -> None:
        raise OSError("made-up-secret")


class ClosesBadly(ScriptedAdapter):
    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise BufferError("made-up-secret")


def raises_when_made(far: FarSide) -> Adapter:
    raise TypeError("made-up-secret")


class KnowsNothing(ScriptedAdapter):
    @property
    @override
    def capabilities(self) -> Capabilities:
        raise NotImplementedError("made-up-secret")


BROKEN: list[Callable[[FarSide], Adapter]] = [
    Opens,
    OpensBadly,
    SubmitsBadly,
    SubmitsForEver,
    Blocks,
    HearsBadly,
    HealthRaises,
    HealthHangs,
    HealthClings,
    RoutesRaise,
    Withdraws,
    ClosesBadly,
    raises_when_made,
    KnowsNothing,
]


def channel(status: StatusView, name: str) -> ChannelView:
    return next(view for view in status.channels if view.name == name)


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_adapter_is_its_channels_own_trouble(
    tmp_path: Path, broken: Callable[[FarSide], Adapter], capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = FarSide(capabilities=sms(reports=False)), FarSide(capabilities=SCREEN)

    def make(slot: int, background: Background) -> Adapter:
        return broken(bad)

    house = House(tmp_path, {"bad": make, "good": good.make})
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    async with house.service() as service:
        await house.approve(service)
        fz = house.door(service)
        begun = loop.time()
        warning = await fz.warn("generic", to=[phone("13800138000"), display("lobby")])
        assert loop.time() - begun < LIMIT
        assert warning.accepted
        async with asyncio.timeout(10):
            while (await warning.outcome())["display"].state != "delivered":
                await service.changed(0, 0.02)
        begun = loop.time()
        first, second = await asyncio.gather(fz.status(), fz.status())
        third = await fz.status()
        assert loop.time() - begun < 4
        for status in (first, second, third):
            assert channel(status, "good").state == "up"
            assert "made-up-secret" not in status.model_dump_json()
        assert "bad" not in service.routes()
        await service.withdraw(warning.id, house.local)
        begun = loop.time()
    assert loop.time() - begun < 20
    assert asyncio.all_tasks() == before


async def test_a_health_that_hangs_is_told_and_not_asked_again_meanwhile(tmp_path: Path) -> None:
    asked = 0

    class Counts(HealthClings):
        @override
        async def health(self) -> Health:
            nonlocal asked
            asked += 1
            return await super().health()

    far = FarSide(capabilities=sms())
    house = House(tmp_path, {"bad": lambda *_: Counts(far)})
    async with house.service() as service:
        first = channel(await service.status(), "bad")
        second = channel(await service.status(), "bad")
    assert (first.state, second.state) == ("down", "down")
    assert "no answer within 1 s" in first.detail
    assert "still gives no answer" in second.detail
    assert asked == 1


async def test_an_adapter_that_cannot_be_made_is_a_channel_that_is_down(tmp_path: Path) -> None:
    def make(slot: int, background: Background) -> Adapter:
        raise TypeError("made-up-secret")

    house = House(tmp_path, {"mobile": make}, adapters={"mobile": "sms.other"})
    async with house.service() as service:
        await house.approve(service)
        warning = await house.door(service).warn("generic", to=phone("13800138000"))
        assert warning.accepted
        assert (await warning.outcome()).state == "open"
        view = channel(await service.status(), "mobile")
        assert view.state == "down"
        assert "sms.other cannot be made: TypeError" in view.detail
    # Mended, it sends what waited.
    far = FarSide(capabilities=sms(reports=False))
    house = House(tmp_path, {"mobile": far.make}, adapters={"mobile": "sms.other"})
    async with house.service() as service:
        found = await service.warning(warning.id, wait=40)
        assert found is not None
        assert found.state == "delivered"


async def test_a_working_channel_is_preferred_to_one_that_cannot_be_made(tmp_path: Path) -> None:
    def make(slot: int, background: Background) -> Adapter:
        raise TypeError("made-up-secret")

    far = FarSide(capabilities=sms(reports=False))
    house = House(tmp_path, {"first": make, "second": far.make})
    async with house.service() as service:
        await house.approve(service)
        warning = await house.door(service).warn("generic", to=phone("13800138000"))
        assert (await warning.outcome(timeout=5))["phone"].channel == "second"


async def test_a_setting_that_an_adapter_refuses_is_raised_at_once(tmp_path: Path) -> None:
    def make(slot: int, background: Background) -> Adapter:
        raise ConfigError("The speaker atm-1 has no file.", hint="Give it one.")

    house = House(tmp_path, {"voice": make})
    with pytest.raises(ConfigError, match="atm-1"):
        async with house.service():
            pass
    far = FarSide()
    async with House(tmp_path, {"sms": far.make}).service() as service:
        assert (await service.status()).channels[0].name == "sms"


async def test_routes_of_sound_adapters_are_served(tmp_path: Path) -> None:
    async def page(request: MountedRequest) -> MountedResponse:
        return MountedResponse(body=b"here")

    class Mounted(ScriptedAdapter):
        def routes(self) -> Sequence[Route]:
            return [Route("GET", "/", AuthKind.OPEN, page)]

    fars = FarSide(), FarSide(capabilities=SCREEN)
    house = House(
        tmp_path, {"bad": lambda *_: RoutesRaise(fars[0]), "good": lambda *_: Mounted(fars[1])}
    )
    async with house.service() as service:
        assert list(service.routes()) == ["good"]
