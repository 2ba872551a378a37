"""Passwords: hashed well, checked alike for nobody, delayed for guessers, never for owners."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count, islice, repeat
from pathlib import Path

import httpx
import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from fzalert.access import Actor
from fzalert.access.delays import FREE_OF_ONE, FREE_OF_PAIR, Delays
from fzalert.client import connect
from fzalert.clock import Clock
from fzalert.config import parse_settings
from fzalert.errors import AccessDenied, InputError, SignInDelayed
from fzalert.service import Service
from fzalert.service.models import UserChange
from fzalert.store import Store
from fzalert.testing import FakeClock
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.web import build_app

OUTSIDE = parse_settings('[web]\nhost = "0.0.0.0"', Path("/etc/fzalert.toml"))
GOOD, OTHER = "青山 绿水 horse battery", "another long secret"
HERE, AWAY = "10.0.0.8", "203.0.113.9"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"sms": FarSide(capabilities=sms(reports=False)).make})


def password(name: str, secret: str = GOOD) -> UserChange:
    return UserChange.model_validate({"action": "password", "name": name, "password": secret})


async def person(service: Service, name: str = "wang", role: str = "approver") -> str:
    token = await service.add_user(name, [role])
    await service.change_user(password(name))
    return token


def store_of(service: Service) -> Store:
    return service._open.building.store


def delays_of(service: Service, clock: Clock) -> Delays:
    return Delays(store_of(service), clock)


async def guessed(service: Service, house: House, pairs: Iterator[tuple[str, str]]) -> None:
    """Guess until the wait is a minute, which ends a minute from now."""
    tries = list(islice(pairs, FREE_OF_ONE + 7))
    clock = FakeClock(house.clock.now() - len(tries) * timedelta(minutes=1))
    for name, address in tries:
        clock.advance(60)
        await delays_of(service, clock).count(name, address)


def later(house: House, by: timedelta) -> None:
    house.clock.set(house.clock.now() + by)


@asynccontextmanager
async def browser(house: House, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(service, OUTSIDE, clock=house.clock)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(HERE, 5000)), base_url="http://10.0.0.5:8800"
    ) as client:
        client.headers.update({"accept": "text/html", "sec-fetch-site": "same-origin"})
        yield client


async def test_a_person_signs_in_by_name_and_proves_himself_by_password(house: House) -> None:
    async with house.service() as service:
        token = await person(service)
    found = b"".join(path.read_bytes() for path in house.folder.rglob("*") if path.is_file())
    assert GOOD.encode() not in found
    async with house.service() as service, browser(house, service) as client:
        refused = await client.post("/login", data={"name": "wang", "token": OTHER})
        assert refused.status_code == 401
        assert "口令不对" in refused.text
        done = await client.post("/login", data={"name": "wang", "token": GOOD})
        assert done.status_code == 303
        old = client.cookies["fz"]
        later(house, timedelta(minutes=10))
        assert (await client.post("/prove", data={"token": OTHER})).status_code == 401
        assert (await client.post("/prove", data={"token": GOOD})).status_code == 303
        fresh = await service.session(client.cookies["fz"])
        assert isinstance(fresh, Actor)
        assert fresh.proved_at is not None
        assert house.clock.now() - fresh.proved_at < timedelta(minutes=1)
        assert await service.session(old) is None
        assert (await client.post("/prove", data={"token": token})).status_code == 303
        await service.change_user(password("wang", OTHER))
        assert (await client.get("/")).status_code == 303, "another password ends the sessions"
        with pytest.raises(AccessDenied):
            await service.sign_in(GOOD, name="wang", address=HERE)
        assert await service.sign_in(OTHER, name="wang", address=HERE)


async def test_what_is_kept_is_argon2id_with_a_salt_of_its_own_and_not_on_record(
    house: House,
) -> None:
    async with house.service() as service:
        await person(service)
        await person(service, "li")
        rows = await store_of(service).state("credentials")
        kept = [json.loads(value)["password"] for _, value in rows]
        assert len(set(kept)) == 2, "the same password, another salt"
        for one in kept:
            found = extract_parameters(one)
            assert (found.type, found.memory_cost) == (Type.ID, 65536)
            assert (found.time_cost, found.parallelism) == (3, 4)
        for chain, *_ in await store_of(service).chains():
            for row in await store_of(service).evidence(chain):
                assert b"argon2" not in row.body
        assert all(view.has_password for view in await service.users())
        assert "argon2" not in repr(await service.users())


async def test_nobody_tells_a_name_that_exists_by_the_answer_or_the_work(house: House) -> None:
    async with house.service() as service:
        await person(service)
        await service.add_user("bare", ["viewer"])
        await person(service, "gone")
        await service.disable_user("gone")
        answers, work = set(), {}
        for name in ("wang", "bare", "gone", "nobody", "\ud800"):
            before = time.process_time()
            with pytest.raises(AccessDenied) as error:
                await service.sign_in(OTHER, name=name, address=name)
            work[name] = time.process_time() - before
            answers.add((str(error.value), error.value.code))
        with pytest.raises(AccessDenied) as error:
            await service.sign_in(GOOD, name="gone", address=HERE)
        answers.add((str(error.value), error.value.code))
        assert len(answers) == 1
        # A hash is a quarter of a second of work; what is left out would be a few milliseconds.
        assert min(work.values()) > 0.25 * work["wang"]


@pytest.mark.parametrize("name", ["wang", "nobody"])
async def test_a_guesser_waits_longer_each_time_and_a_restart_changes_nothing(
    house: House, name: str
) -> None:
    clock, waits = FakeClock(), list[float]()

    async def guess(delays: Delays) -> None:
        await delays.count(name, AWAY)
        with pytest.raises(SignInDelayed):
            await delays.count(name, AWAY)
        with pytest.raises(SignInDelayed, match="not looked at") as error:
            await delays.count(name, AWAY)
        assert error.value.retry_after is not None
        waits.append(error.value.retry_after.total_seconds())
        clock.advance(waits[-1])

    async with house.service() as service:
        for _ in range(FREE_OF_PAIR - 1):
            await delays_of(service, clock).count(name, AWAY)
        for _ in range(4):
            await guess(delays_of(service, clock))
    async with house.service() as service:
        for _ in range(5):
            await guess(delays_of(service, clock))
        clock.advance(2 * 3600)
        for _ in range(FREE_OF_PAIR):
            await delays_of(service, clock).count(name, AWAY)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_many_at_once_are_not_one(house: House) -> None:
    async with house.service() as service:
        delays = delays_of(service, FakeClock())
        tries = [delays.count("wang", AWAY) for _ in range(3 * FREE_OF_PAIR)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert [isinstance(one, SignInDelayed) for one in answers].count(False) == FREE_OF_PAIR


async def test_guesses_from_elsewhere_hold_the_owner_back_nowhere_he_came_in_before(
    house: House,
) -> None:
    async with house.service() as service:
        await person(service)
        await service.sign_in(GOOD, name="wang", address=HERE)
        await guessed(service, house, (("wang", f"198.51.100.{n}") for n in count()))
        with pytest.raises(SignInDelayed):
            await service.sign_in(GOOD, name="wang", address=AWAY)
        assert await service.sign_in(GOOD, name="wang", address=HERE)
        await guessed(service, house, ((f"name-{n}", HERE) for n in count()))
        with pytest.raises(SignInDelayed):
            await service.sign_in(GOOD, name="somebody", address=HERE)
        assert await service.sign_in(GOOD, name="wang", address=HERE), "one address, many people"


async def test_the_page_says_how_long_to_wait_and_a_token_lets_in_meanwhile(house: House) -> None:
    async with house.service() as service, browser(house, service) as client:
        token = await person(service)
        await guessed(service, house, repeat(("wang", HERE)))
        refused = await client.post("/login", data={"name": "wang", "token": GOOD})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.post("/login", data={"token": token})).status_code == 303
        await guessed(service, house, repeat(("nobody-1", AWAY)))
        for name, address in (("wang", HERE), ("nobody-1", AWAY)):
            with pytest.raises(SignInDelayed):
                await service.sign_in(GOOD, name=name, address=address)
        rows = [
            json.loads(row.body)
            for chain, *_ in await store_of(service).chains()
            for row in await store_of(service).evidence(chain)
        ]
        told = [(row["of"], row["why"]) for row in rows if row["what"] == "access.refused"]
        assert told == [("user:wang", "sign-in-delayed"), ("unknown", "sign-in-delayed")]


async def test_an_admin_sets_passwords_and_everybody_his_own(house: House) -> None:
    async with house.service() as service:
        wang = await service.authenticate(await person(service))
        await person(service, "li")
        with pytest.raises(AccessDenied):
            await service.change_user(password("li", OTHER), wang)
        async with connect(house.settings) as client:
            far = await client.authenticate(await service.change_user(renewed("wang")))
            await client.change_user(password("wang", OTHER), far)
        assert await service.sign_in(OTHER, name="wang", address=HERE)
        assert await service.sign_in(GOOD, name="li", address=HERE)
        await service.change_user(UserChange(action="revoke", name="li"))
        with pytest.raises(AccessDenied):
            await service.sign_in(GOOD, name="li", address=HERE)


def renewed(name: str) -> UserChange:
    return UserChange(action="renew", name=name)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("wang", ""),
        ("wang", "short secret"[:11]),
        ("wang", "x" * 129),
        ("wang", "aaaabbbbccccdddd"),
        ("wang", "Wang is my name 1"),
        ("wang", "wan." + "A1b2" * 10 + "xyz"),
        ("core", GOOD),
        ("nobody", GOOD),
    ],
)
async def test_a_password_that_is_no_good_is_refused_and_the_old_one_stays(
    house: House, name: str, secret: str
) -> None:
    async with house.service() as service:
        await service.add_user("wang", ["viewer"])
        await service.change_user(UserChange(action="add", name="core", machine=True))
        with pytest.raises(InputError) as error:
            await service.change_user(password(name, secret))
        assert not secret or secret not in str(error.value)
        assert not any(view.has_password for view in await service.users())


async def test_an_expired_token_ends_no_session_by_password(house: House) -> None:
    async with house.service() as service:
        made = UserChange(action="add", name="wang", roles=["viewer"], days=0.01)
        await service.change_user(made)
        await service.change_user(password("wang"))
        cookie = await service.sign_in(GOOD, name="wang", address=HERE)
        later(house, timedelta(minutes=20))
        assert await service.session(cookie) is not None
