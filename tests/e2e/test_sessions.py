"""Sessions at the pages: on disk, without a credential, proved anew, ended when they must."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from fzalert.access import Actor
from fzalert.access.sessions import MOST_OF_ONE, SESSION_IDLE_S, SESSION_LIFE_S
from fzalert.client import connect
from fzalert.config import parse_settings
from fzalert.errors import AccessDenied
from fzalert.service import Service
from fzalert.service.models import UserChange
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.web import build_app

OUTSIDE = parse_settings('[web]\nhost = "0.0.0.0"', Path("/etc/fzalert.toml"))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"sms": FarSide(capabilities=sms(reports=False)).make})


@asynccontextmanager
async def browser(house: House, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(service, OUTSIDE, clock=house.clock)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://10.0.0.5:8800"
    ) as client:
        client.headers.update({"accept": "text/html", "sec-fetch-site": "same-origin"})
        yield client


async def signed_in(client: httpx.AsyncClient, token: str) -> str:
    answer = await client.post("/login", data={"token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    return client.cookies["fz"]


async def is_in(client: httpx.AsyncClient) -> bool:
    return (await client.get("/")).status_code == 200


def later(house: House, by: timedelta) -> None:
    house.clock.set(house.clock.now() + by)


async def acts(service: Service) -> list[tuple[str, str, str]]:
    store = service._open.building.store
    bodies = [row.body for chain, *_ in await store.chains() for row in await store.evidence(chain)]
    rows = [json.loads(body) for body in bodies]
    return [(row["who"], row["what"], row["user"]) for row in rows if "session" in row["what"]]


async def test_a_session_survives_a_restart_and_the_store_holds_no_way_in(house: House) -> None:
    async with house.service() as service, browser(house, service) as client:
        token = await service.add_user("wang", ["teller"])
        cookie = await signed_in(client, token)
        assert await is_in(client)
    found = b"".join(path.read_bytes() for path in house.folder.rglob("*") if path.is_file())
    assert cookie.encode() not in found
    assert token.encode() not in found
    async with house.service() as service, browser(house, service) as client:
        client.cookies.set("fz", cookie)
        assert "wang" in (await client.get("/")).text
        await client.post("/logout")
        client.cookies.set("fz", cookie)
        assert not await is_in(client)
        assert await acts(service) == [
            ("user:wang", "session.open", "wang"),
            ("user:wang", "session.end", "wang"),
        ]
    async with house.service() as service, browser(house, service) as client:
        client.cookies.set("fz", cookie)
        assert not await is_in(client), "a closed one stays closed"


@pytest.mark.parametrize("way", ["disable", "renew", "revoke", "sign_out", "appoint"])
async def test_a_session_ends_with_the_access_of_its_person_and_no_other(
    house: House, way: str
) -> None:
    async with house.service() as service:
        tokens = {name: await service.add_user(name, ["teller"]) for name in ("wang", "li")}
        async with browser(house, service) as wang, browser(house, service) as li:
            await signed_in(wang, tokens["wang"])
            await signed_in(li, tokens["li"])
            if way == "disable":
                await service.disable_user("wang")
            else:
                more = {"rank": "county"} if way == "appoint" else {}
                await service.change_user(
                    UserChange.model_validate({"action": way, "name": "wang", **more})
                )
            assert not await is_in(wang)
            assert await is_in(li)
            assert [one.name for one in await service.sessions()] == ["li"]
            rows = await service._open.building.store.state("session")
            assert len(rows) == 1, "its row is gone too"
            again = await wang.post("/login", data={"token": tokens["wang"]})
            assert again.status_code == (303 if way in {"sign_out", "appoint"} else 401)


async def test_an_idle_session_ends_and_a_used_one_ends_after_its_life(house: House) -> None:
    idle, life = timedelta(seconds=SESSION_IDLE_S), timedelta(seconds=SESSION_LIFE_S)
    async with house.service() as service, browser(house, service) as client:
        token = await service.add_user("wang", ["teller"])
        begin = house.clock.now()
        await signed_in(client, token)
        while house.clock.now() - begin < life - idle:
            later(house, idle - 5 * MINUTE)
            assert await is_in(client), "each use counts"
        house.clock.set(begin + life - 2 * MINUTE)
        assert await is_in(client)
        house.clock.set(begin + life + 5 * MINUTE)
        assert not await is_in(client)
        await signed_in(client, token)
        later(house, idle + 2 * MINUTE)
        assert not await is_in(client)
        house.clock.set(begin - timedelta(days=1))
        assert not await is_in(client), "of a time that is still to come"


async def test_whoever_shows_the_token_anew_gets_a_new_cookie_and_a_fresh_proof(
    house: House,
) -> None:
    async with house.service() as service, browser(house, service) as client:
        token = await service.add_user("wang", ["approver"])
        other = await service.add_user("li", ["approver"])
        old = await signed_in(client, token)
        later(house, 10 * MINUTE)
        stale = await service.session(old)
        assert stale is not None
        assert stale.proved_at is not None
        assert house.clock.now() - stale.proved_at > 9 * MINUTE, "a page's use proves nothing"
        page = await client.get("/prove", params={"next": "/warnings/7"})
        assert 'value="/warnings/7"' in page.text
        for wrong in ("made-up", other):
            refused = await client.post("/prove", data={"token": wrong, "next": "/"})
            assert refused.status_code == 401
            assert client.cookies["fz"] == old
        done = await client.post("/prove", data={"token": token, "next": "/warnings/7"})
        assert (done.status_code, done.headers["location"]) == (303, "/warnings/7")
        assert client.cookies["fz"] != old
        assert await service.session(old) is None
        fresh = await service.session(client.cookies["fz"])
        assert isinstance(fresh, Actor)
        assert fresh.proved_at is not None
        assert house.clock.now() - fresh.proved_at < MINUTE
        (view,) = await service.sessions()
        assert view.opened_at < view.proved_at, "it lives no longer for it"
        assert [what for _, what, _ in await acts(service)] == ["session.open", "session.prove"]


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example/", "/\\evil.example", "/%2f/x", "x", "", "/a\nb"]
)
async def test_the_way_back_is_a_page_of_our_own(house: House, to: str) -> None:
    async with house.service() as service, browser(house, service) as client:
        token = await service.add_user("wang", ["approver"])
        await signed_in(client, token)
        page = await client.get("/prove", params={"next": to})
        assert re.findall(r'name="next" value="([^"]*)"', page.text) == ["/"]
        done = await client.post("/prove", data={"token": token, "next": to})
        assert done.headers["location"] == "/"


async def test_nobody_proves_anything_without_a_session_or_from_a_foreign_page(
    house: House,
) -> None:
    async with house.service() as service, browser(house, service) as client:
        token = await service.add_user("wang", ["approver"])
        for method in ("GET", "POST"):
            answer = await client.request(method, "/prove", data={"token": token})
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        old = await signed_in(client, token)
        foreign = {"sec-fetch-site": "cross-site"}
        refused = await client.post("/prove", data={"token": token}, headers=foreign)
        assert refused.status_code == 403
        assert client.cookies["fz"] == old


async def test_an_admin_sees_who_is_signed_in_and_ends_it_over_the_socket(house: House) -> None:
    async with house.service() as service, browser(house, service) as client:
        token = await service.add_user("wang", ["teller"])
        await signed_in(client, token)
        async with connect(house.settings) as far:
            teller = await far.authenticate(token)
            with pytest.raises(AccessDenied):
                await far.sessions(teller)
            with pytest.raises(AccessDenied):
                await far.change_user(UserChange(action="sign_out", name="li"), teller)
            (view,) = await far.sessions()
            assert view.name == "wang"
            await far.change_user(UserChange(action="sign_out", name="wang"))
            assert await far.sessions() == []
        assert not await is_in(client)


async def test_one_person_has_few_sessions_and_the_longest_unused_ends(house: House) -> None:
    async with house.service() as service:
        token = await service.add_user("wang", ["teller"])
        first, second = await service.sign_in(token), await service.sign_in(token)
        later(house, 2 * MINUTE)
        assert await service.session(first) is not None
        for _ in range(MOST_OF_ONE - 1):
            await service.sign_in(token)
        assert await service.session(second) is None
        assert await service.session(first) is not None
        assert len(await service.sessions()) == MOST_OF_ONE


async def test_a_page_that_is_read_meanwhile_brings_no_ended_session_back(house: House) -> None:
    async with house.service() as service:
        token = await service.add_user("wang", ["teller"])
        for _ in range(5):
            cookies = [await service.sign_in(token) for _ in range(4)]
            later(house, 2 * MINUTE)
            reads = [service.session(cookie) for cookie in cookies]
            ends = service.change_user(UserChange(action="sign_out", name="wang"))
            await asyncio.gather(*reads[:2], ends, *reads[2:])
            assert await service.sessions() == []
            assert await service._open.building.store.state("session") == []


async def test_a_session_ends_with_the_token_s_time(house: House) -> None:
    async with house.service() as service:
        wanted = UserChange(action="add", name="wang", roles=["teller"], days=0.01)
        cookie = await service.sign_in(await service.change_user(wanted))
        later(house, 10 * MINUTE)
        assert await service.session(cookie) is not None
        later(house, 10 * MINUTE)
        assert await service.session(cookie) is None


@pytest.mark.parametrize("front", ["none", "proxy"])
async def test_the_cookie_is_kept_from_scripts_other_sites_and_other_hosts(
    house: House, front: str
) -> None:
    web = '[web]\npublic_url = "https://fzalert.county.example"' if front == "proxy" else "[web]"
    settings = parse_settings(web, Path("/etc/fzalert.toml"))
    name = "fz" if front == "none" else "__Host-fz"
    async with house.service() as service:
        token = await service.add_user("wang", ["teller"])
        app = build_app(service, settings, clock=house.clock)
        host = "http://localhost:8800" if front == "none" else "https://fzalert.county.example"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=host) as client:
            client.headers["sec-fetch-site"] = "same-origin"
            first = await client.post("/login", data={"token": token})
            proved = await client.post("/prove", data={"token": token})
            left = await client.post("/logout")
    for answer in (first, proved, left):
        (cookie,) = answer.headers.get_list("set-cookie")
        found, *flags = [part.strip().lower() for part in cookie.split(";")]
        assert found.startswith(name.lower() + "=")
        assert {"httponly", "samesite=lax", "path=/"} <= set(flags)
        assert not any(flag.startswith("domain") for flag in flags)
        assert ("secure" in flags) == (front == "proxy")
        assert ("strict-transport-security" in answer.headers) == (front == "proxy")
    values = [a.headers["set-cookie"].split(";")[0].partition("=")[2] for a in (first, proved)]
    assert len(set(values)) == 2, "another one after the proof"
    assert min(map(len, values)) >= 43, "256 random bits"


async def test_everybody_ends_his_own_sessions_and_nobody_else_s(house: House) -> None:
    async with house.service() as service:
        tokens = {name: await service.add_user(name, ["teller"]) for name in ("wang", "li")}
        wang = await service.authenticate(tokens["wang"])
        for name in tokens:
            await service.sign_in(tokens[name])
        with pytest.raises(AccessDenied):
            await service.change_user(UserChange(action="sign_out", name="li"), wang)
        await service.change_user(UserChange(action="sign_out", name="wang"), wang)
        assert [one.name for one in await service.sessions()] == ["li"]


async def test_a_new_login_ends_the_session_of_before_in_that_browser(house: House) -> None:
    async with house.service() as service, browser(house, service) as client:
        token = await service.add_user("wang", ["teller"])
        planted = await signed_in(client, token)
        fresh = await signed_in(client, token)
        assert fresh != planted
        assert await service.session(planted) is None
        assert len(await service.sessions()) == 1
