"""When somebody last proved who he is: by a credential shown, never by one that a program keeps."""

from datetime import timedelta
from pathlib import Path

import pytest

from fzalert.access import Actor, Directory, Rank, Role
from fzalert.client import connect
from fzalert.freeze import commands as c
from fzalert.freeze.authority import authority_of
from fzalert.freeze.decide import Refusals
from fzalert.service import Service
from fzalert.service.models import UserChange
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from tests.unit.freezing import World

UNIT = "110105000000"


class Counted:
    """Counts as a book would tell them."""

    def __init__(self, **known: int) -> None:
        self.known = known

    async def counted(self, who: str) -> int:
        return self.known.get(who.partition(":")[2] or "unit", 0)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"sms": FarSide(capabilities=sms(reports=False)).make})


async def head(service: Service) -> tuple[Actor, str]:
    """A person who may approve, and the token."""
    wanted = UserChange(action="add", name="li", roles=["approver"], rank="county", unit=UNIT)
    token = await service.change_user(wanted)
    return await service.authenticate(token), token


async def test_a_token_that_is_shown_proves_a_person_at_that_moment(house: House) -> None:
    async with house.service() as service:
        first, token = await head(service)
        assert first.proved_at is not None
        assert abs(first.proved_at - house.clock.now()) < timedelta(seconds=30)
        house.clock.set(house.clock.now() + timedelta(minutes=10))
        again = await service.authenticate(token)
        assert again.proved_at is not None
        assert again.proved_at - first.proved_at >= timedelta(minutes=9)
        assert again == first, "the same person all the same"


async def test_a_machine_and_the_account_of_the_system_prove_nobody(house: House) -> None:
    async with house.service() as service:
        made = UserChange(action="add", name="core", roles=["bank_desk"], machine=True)
        machine = await service.authenticate(await service.change_user(made))
        local = service.local_actor()
        own = Directory().machine_actor("deadline")
        assert (machine.proved_at, local.proved_at, own.proved_at) == (None, None, None)
        assert not (await authority_of(machine, Counted())).machine, "it comes from outside"
        assert (await authority_of(own, Counted())).machine
        asks = await authority_of(local, Counted())
        assert (asks.rank, asks.unit, asks.proved_at) == (Rank.STATION, "", None)
        assert Role.APPROVER not in asks.roles


async def test_a_program_that_keeps_the_token_proves_nobody_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Actor] = []

    async def changed(wanted: UserChange, by: Actor | None = None) -> str:
        del wanted
        assert by is not None
        seen.append(by)
        return ""

    async with house.service() as service:
        first, token = await head(service)
        monkeypatch.setattr(service, "change_user", changed)
        async with connect(house.settings) as client:
            far = await client.authenticate(token)
            assert far.proved_at is not None
            house.clock.set(house.clock.now() + timedelta(minutes=10))
            await client.change_user(UserChange(action="renew", name="li"), far)
            await client.authenticate(token)
            await client.change_user(UserChange(action="renew", name="li"), far)
    kept, shown = (actor.proved_at for actor in seen)
    assert (kept, seen[0].id) == (far.proved_at, first.id)
    assert kept is not None
    assert shown is not None
    assert shown - kept >= timedelta(minutes=9)


@pytest.mark.parametrize(
    ("minutes", "counts", "unmet"),
    [
        (0, {}, ()),
        (5, {}, ()),
        (6, {}, ("step-up",)),
        (0, {"li": 50}, ("daily-limit",)),
        (0, {"unit": 300}, ("daily-limit",)),
        (0, {"li": 49, "unit": 299}, ()),
    ],
)
async def test_an_approval_asks_for_a_fresh_proof_and_the_day_s_counts(
    minutes: int, counts: dict[str, int], unmet: tuple[str, ...]
) -> None:
    world = World()
    world.opened()
    world.do(world.prepare())
    now = int(world.now.timestamp() * 1000)
    directory = Directory()
    _, token = directory.add_user("li", [Role.APPROVER], rank=Rank.COUNTY, unit=UNIT)
    actor = directory.authenticate(token, now - minutes * 60_000)
    by = await authority_of(actor, Counted(**counts))
    answer = world.ask(c.Approve(by, "m1"))
    found = tuple(one.guard for one in answer.refusals) if isinstance(answer, Refusals) else ()
    assert found == unmet
