"""From a decision to messages: routes, renditions, caps, opt-outs."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import MappingProxyType

import pytest

from fzalert.delivery import Caps, ChannelSpec, ChannelState, IdMaker, Prepared, prepare
from fzalert.delivery.policy import Channel
from fzalert.errors import TextTooLong, UnknownTarget
from fzalert.messages import (
    ActorId,
    Lane,
    Rendition,
    RenditionKind,
    SmsText,
    Target,
    TargetKind,
    Warning,
    WarningId,
    display,
    mailbox,
)
from fzalert.ports import Capabilities
from fzalert.store import ChangeSet, Lease, SqliteStore, Store
from fzalert.testing import FakeClock, sample_rendition
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.parcels import Parcels, make_vault, number, text_in_parts

HOUR = 3_600_000
SCREENS = Capabilities(
    frozenset({TargetKind.DISPLAY}), RenditionKind.DISPLAY, addresses=frozenset({"lobby", "atm"})
)


def channels(**by_name: Capabilities) -> dict[str, ChannelState]:
    return {
        name: ChannelState(
            ChannelSpec(name, "test", FarSide(capabilities=caps).make), caps, Channel(name)
        )
        for name, caps in by_name.items()
    }


class Desk:
    """Everything that `prepare` asks for, with what it was asked."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.ids = IdMaker(clock)
        self.rendered: list[tuple[TargetKind, RenditionKind]] = []
        self.body: Callable[[RenditionKind], Rendition] = sample_rendition
        self.lease: Lease | None = None
        self.channels = channels(sms=sms(), screens=SCREENS)

    def render(self, target: Target, capabilities: Capabilities) -> Rendition:
        self.rendered.append((target.kind, capabilities.rendition))
        return self.body(capabilities.rendition)

    async def prepare(
        self, *targets: Target, lane: Lane = Lane.BULK, caps: Caps | None = None
    ) -> Prepared:
        now = self.clock.millis()
        warning = Warning(
            WarningId(self.ids.one()),
            "s/general/1",
            "zh",
            targets,
            MappingProxyType({}),
            lane,
            now,
            now + HOUR,
            "",
            ActorId("tester"),
        )
        return await prepare(
            warning,
            b"h",
            self.channels,
            self.render,
            self.store,
            self.ids,
            caps or Caps(),
            lambda name: self.lease if name == "sms" else None,
        )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = FakeClock()
    store = SqliteStore(tmp_path / "fz.db", clock, make_vault)
    await store.open()
    yield Desk(store, clock)
    await store.close()


async def test_every_target_gets_its_channel_and_each_text_is_rendered_once(desk: Desk) -> None:
    ready = await desk.prepare(number(1), display("lobby"), number(2), display("atm"))
    messages = ready.acceptance.messages
    assert [m.channel for m in messages] == ["sms", "screens", "sms", "screens"]
    assert [m.body for m in messages] == [0, 1, 0, 1]
    assert desk.rendered == [
        (TargetKind.PHONE, RenditionKind.SMS),
        (TargetKind.DISPLAY, RenditionKind.DISPLAY),
    ]
    ids = [m.id for m in messages]
    assert ids == sorted(set(ids))
    assert ready.channels == {"sms", "screens"}


async def test_nobody_is_written_to_twice_by_one_warning(desk: Desk) -> None:
    ready = await desk.prepare(number(1), number(2), number(1))
    assert [m.target for m in ready.acceptance.messages] == [number(1), number(2)]


async def test_the_first_channel_that_serves_is_taken(desk: Desk) -> None:
    desk.channels = channels(first=sms(), second=sms())
    ready = await desk.prepare(number(1))
    assert ready.acceptance.messages[0].channel == "first"


async def test_a_target_that_nothing_serves_is_refused_with_what_there_is(desk: Desk) -> None:
    with pytest.raises(UnknownTarget) as refused:
        await desk.prepare(display("cellar"))
    assert "atm, lobby" in str(refused.value)
    with pytest.raises(UnknownTarget) as refused:
        await desk.prepare(mailbox("manager@bank.example"))
    assert "display, phone" in str(refused.value)
    assert "manager@" not in str(refused.value)


async def test_a_text_that_does_not_fit_accepts_nothing(desk: Desk) -> None:
    def too_long(kind: RenditionKind) -> Rendition:
        raise TextTooLong(f"{kind} is too long")

    desk.body = too_long
    with pytest.raises(TextTooLong):
        await desk.prepare(number(1))


async def test_a_long_text_has_its_parts_and_a_screen_has_one(desk: Desk) -> None:
    def body(kind: RenditionKind) -> Rendition:
        return text_in_parts(3) if kind is RenditionKind.SMS else sample_rendition(kind)

    desk.body = body
    ready = await desk.prepare(number(1), display("lobby"))
    assert [m.parts for m in ready.acceptance.messages] == [3, 1]
    assert isinstance(ready.acceptance.bodies[0], SmsText)


async def test_the_urgent_lane_is_claimed_at_once_where_a_slot_is_open(desk: Desk) -> None:
    desk.lease = Lease("sms", 1, 0, "me", 1)
    ready = await desk.prepare(number(1), display("lobby"), lane=Lane.URGENT)
    assert [m.claim for m in ready.acceptance.messages] == [desk.lease, None]
    assert ready.channels == {"screens"}
    ready = await desk.prepare(number(1))
    assert ready.acceptance.messages[0].claim is None


async def test_bulk_never_reaches_whoever_opted_out_and_urgent_does(desk: Desk) -> None:
    desk.lease = Lease("sms", 1, 0, "me", 1)
    await desk.store.commit(ChangeSet(suppress=((number(1), "opted out"),)))
    ready = await desk.prepare(number(1), number(2))
    assert [m.refused for m in ready.acceptance.messages] == ["opted out", ""]
    ready = await desk.prepare(number(1), lane=Lane.URGENT)
    assert ready.acceptance.messages[0].refused == ""


@pytest.mark.parametrize(
    ("lane", "caps", "allowed"),
    [
        (Lane.BULK, Caps(bulk_day=2), 2),
        (Lane.URGENT, Caps(urgent_hour=3, urgent_day=9), 3),
        (Lane.URGENT, Caps(urgent_hour=9, urgent_day=4), 4),
    ],
)
async def test_one_person_is_written_to_so_often_and_no_more(
    desk: Desk, lane: Lane, caps: Caps, allowed: int
) -> None:
    refused: list[str] = []
    for _ in range(allowed + 2):
        ready = await desk.prepare(number(1), lane=lane, caps=caps)
        refused += [m.refused for m in ready.acceptance.messages]
        await desk.store.commit(ChangeSet(accepts=(ready.acceptance,)))
    assert [not reason for reason in refused] == [True] * allowed + [False] * 2
    assert str(allowed) in refused[-1]


async def test_a_cap_is_over_after_its_time_and_counts_its_own_lane_only(desk: Desk) -> None:
    caps = Caps(urgent_hour=1, bulk_day=1)
    parcels = Parcels(desk.clock)
    await desk.store.commit(parcels.change(lane=Lane.URGENT, targets=[number(1)]))
    assert (await desk.prepare(number(1), caps=caps)).acceptance.messages[0].refused == ""
    ready = await desk.prepare(number(1), lane=Lane.URGENT, caps=caps)
    assert ready.acceptance.messages[0].refused
    desk.clock.advance(2 * 3600)
    ready = await desk.prepare(number(1), lane=Lane.URGENT, caps=caps)
    assert ready.acceptance.messages[0].refused == ""


async def test_a_screen_has_no_cap(desk: Desk) -> None:
    for _ in range(3):
        ready = await desk.prepare(display("lobby"), caps=Caps(bulk_day=1))
        assert ready.acceptance.messages[0].refused == ""
        await desk.store.commit(ChangeSet(accepts=(ready.acceptance,)))
