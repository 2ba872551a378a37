"""A line that is down hands its messages on in time, in the text that the next line carries."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Self

from typing_extensions import override

from fzalert.background import Background
from fzalert.messages import Receipt, ReceiptKind, Scope, SmsText, phone
from fzalert.ports import Adapter, Submission, TextProfile
from fzalert.service import Service
from fzalert.testing.engine import FarSide, ScriptedAdapter, sms, take_everything
from fzalert.testing.house import House

NUMBER = phone("13800138000")


def line(profile: TextProfile | None = None) -> FarSide:
    capabilities = sms(reports=False)
    return FarSide(
        capabilities=capabilities if profile is None else replace(capabilities, text=profile)
    )


def down(_: Submission) -> Receipt:
    return Receipt(ReceiptKind.CHANNEL_DOWN, Scope.CHANNEL, retry_after=0.05)


class Dialling(ScriptedAdapter):
    """A line whose login never ends."""

    @override
    async def __aenter__(self) -> Self:
        await asyncio.Event().wait()
        return self


def texts(far: FarSide) -> list[tuple[str, ...]]:
    found = [written.part.rendition for written in far.written]
    return [text.parts for text in found if isinstance(text, SmsText)]


async def warned(house: House, service: Service, lane: str = "urgent") -> str:
    warning = await house.door(service).warn("generic", to=NUMBER, lane=lane)  # type: ignore[arg-type]
    return (await warning.outcome(timeout=60)).state


async def test_an_urgent_warning_moves_in_the_text_of_the_other_line(tmp_path: Path) -> None:
    first, second = line(), line(TextProfile(signature="另一签名", opt_out="拒收请回复R"))
    first.answer = down
    house = House(tmp_path, {"first": first.make, "second": second.make})
    async with house.service() as service:
        await house.approve(service)
        assert await warned(house, service) == "delivered"
    assert first.written == []
    ((text,),) = texts(second)
    assert text.startswith("【另一签名】")
    assert text.endswith("拒收请回复R")


async def test_a_text_that_takes_more_parts_there_goes_whole(tmp_path: Path) -> None:
    first, second = line(), line(TextProfile(gateway_adds=40))
    first.answer = down
    house = House(tmp_path, {"first": first.make, "second": second.make})
    async with house.service() as service:
        await house.approve(service)
        assert await warned(house, service) == "delivered"
    parts = texts(second)
    assert len(parts) == len(parts[0]) > 1
    assert sorted(written.part.part for written in second.written) == [*range(len(parts))]


async def test_a_text_that_does_not_fit_there_waits_for_its_own_line(tmp_path: Path) -> None:
    first, second = line(), line(TextProfile(gateway_adds=60, max_parts=1))
    refusals = iter([True, True, True])
    first.answer = lambda part: down(part) if next(refusals, False) else take_everything(part)
    house = House(tmp_path, {"first": first.make, "second": second.make})
    async with house.service() as service:
        await house.approve(service)
        assert await warned(house, service) == "delivered"
    assert second.written == []
    assert len(first.written) == 1


def never_opening(far: FarSide) -> Callable[[int, Background], Adapter]:
    def make(slot: int, background: Background) -> Adapter:
        del slot, background
        return Dialling(far)

    return make


async def test_what_waits_for_a_line_that_never_opens_moves_in_time(tmp_path: Path) -> None:
    first, second = line(), line(TextProfile(signature="另一签名"))
    house = House(tmp_path, {"first": never_opening(first), "second": second.make})
    async with house.service() as service:
        await house.approve(service)
        fz = house.door(service)
        bulk = await fz.warn("generic", to=phone("13900139000"), lane="bulk")
        assert await warned(house, service) == "delivered"
        assert [written.part.target for written in second.written] == [NUMBER]
        house.clock.shift += timedelta(hours=19)
        assert (await bulk.outcome(timeout=60)).state == "delivered"
        assert len(second.written) == 2
        assert all(text.startswith("【另一签名】") for (text,) in texts(second))
    assert first.written == []
