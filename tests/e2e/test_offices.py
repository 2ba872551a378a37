"""From which office somebody acts: rank and unit, set by an admin alone and kept on disk."""

import json
from pathlib import Path

import pytest

from fzalert.access import Actor, Rank, Role
from fzalert.client import connect
from fzalert.errors import AccessDenied, InputError
from fzalert.service import Service
from fzalert.service.models import UserChange
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House

UNIT, OTHER = "110101000000", "110102000000"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"sms": FarSide(capabilities=sms(reports=False)).make})


async def person(service: Service, name: str, role: Role, by: Actor | None = None) -> Actor:
    wanted = UserChange(action="add", name=name, roles=[role], rank="county", unit=UNIT)
    return await service.authenticate(await service.change_user(wanted, by))


async def records(service: Service) -> list[tuple[str, str, str, str]]:
    """Who did what to a user, and the office afterwards."""
    store = service._open.building.store
    bodies = [row.body for chain, *_ in await store.chains() for row in await store.evidence(chain)]
    return [
        (row["who"], row["what"], row["rank"], row["unit"])
        for row in map(json.loads, bodies)
        if row["what"].startswith("user.")
    ]


def appoint(name: str, rank: str | None = None, unit: str | None = None) -> UserChange:
    return UserChange(action="appoint", name=name, rank=rank, unit=unit)


async def test_an_office_is_kept_with_the_person_and_told_on_every_way(house: House) -> None:
    async with house.service() as service:
        token = await service.change_user(
            UserChange(action="add", name="ma", roles=["detective"], rank="county", unit=UNIT)
        )
        actor = await service.authenticate(token)
        assert (actor.rank, actor.unit) == (Rank.COUNTY, UNIT)
        async with connect(house.settings) as client:
            far = await client.authenticate(token)
            assert (far.rank, far.unit) == (Rank.COUNTY, UNIT)
            await client.change_user(appoint("ma", rank="prefecture"))
        again = await service.authenticate(token)
        assert (again.rank, again.unit) == (Rank.PREFECTURE, UNIT), "the unit stays"
        await service.change_user(appoint("ma", unit=OTHER))
    async with house.service() as service:
        found = await service.authenticate(token)
        assert (found.rank, found.unit) == (Rank.PREFECTURE, OTHER)
        (view,) = await service.users()
        assert (view.rank, view.unit) == ("prefecture", OTHER)


async def test_only_an_admin_gives_offices_and_the_record_names_him(house: House) -> None:
    async with house.service() as service:
        admin = await person(service, "he", Role.ADMIN)
        teller = await person(service, "wang", Role.TELLER, admin)
        local = service.local_actor()
        for change in (
            appoint("wang", rank="province"),
            UserChange(action="add", name="friend", roles=["admin"]),
            UserChange(action="renew", name="he"),
            UserChange(action="revoke", name="he"),
        ):
            with pytest.raises(AccessDenied):
                await service.change_user(change, teller)
        with pytest.raises(AccessDenied):
            await service.disable_user("he", teller)
        with pytest.raises(AccessDenied, match="himself"):
            await service.change_user(appoint("he", rank="province"), admin)
        await service.change_user(appoint("wang", rank="province"), admin)
        ranks = {view.name: view.rank for view in await service.users()}
        assert ranks == {"he": "county", "wang": "province"}
        said = await records(service)
    assert said == [
        (local.id, "user.add", "county", UNIT),
        ("user:he", "user.add", "county", UNIT),
        ("user:he", "user.appoint", "province", UNIT),
    ]


async def test_the_socket_lets_a_token_that_is_no_admin_change_nobody(house: House) -> None:
    async with house.service() as service:
        await person(service, "he", Role.ADMIN)
        token = await service.add_user("wang", ["teller"])
        async with connect(house.settings) as client:
            teller = await client.authenticate(token)
            with pytest.raises(AccessDenied):
                await client.change_user(appoint("wang", rank="province"), teller)
            with pytest.raises(AccessDenied):
                await client.disable_user("he", teller)
        assert not any(view.disabled for view in await service.users())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (appoint("ma"), "rank"),
        (appoint("ma", rank="national"), "rank"),
        (appoint("ma", unit="11010100000"), "unit"),
        (appoint("ma", unit="11010100000a"), "unit"),
        (appoint("ma", unit="１１０１０１００００００"), "unit"),
        (appoint("nobody", rank="county"), "name"),
        (appoint("core", rank="county"), "rank"),
        (UserChange(action="add", name="x", roles=["teller"], unit="1"), "unit"),
        (UserChange(action="add", name="x", machine=True, unit=OTHER), "rank"),
    ],
)
async def test_an_office_that_cannot_be_is_refused_and_changes_nothing(
    house: House, change: UserChange, field: str
) -> None:
    async with house.service() as service:
        await person(service, "ma", Role.DETECTIVE)
        await service.change_user(UserChange(action="add", name="core", machine=True))
        before = await service.users()
        with pytest.raises(InputError) as error:
            await service.change_user(change)
        assert error.value.field == field
        assert await service.users() == before
