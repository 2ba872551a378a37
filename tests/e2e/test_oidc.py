"""Single sign-on against a provider that is not ours, and against one that lies."""

import asyncio
import base64
import http.server
import json
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwk, jwt
from typing_extensions import override

from fzalert.access.oidc import challenge_of
from fzalert.clock import SystemClock
from fzalert.config import parse_settings
from fzalert.errors import AccessDenied, ConfigError, InputError
from fzalert.registry import Registry
from fzalert.service import Service
from fzalert.service.models import UserChange
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.web import build_app

HOME = "http://localhost:8800"


def settings_for(issuer: str) -> str:
    return f"""
[web]
public_url = "{HOME}"
[access.oidc]
issuer = "{issuer}"
client_id = "fzalert"
client_secret = {{ env = "FZ_TEST_OIDC" }}
private_hosts = ["127.0.0.1", "localhost"]
label = "县局统一登录"
"""


class Office(House):
    """A house whose people may come in through a provider."""

    def __init__(self, folder: Path, issuer: str) -> None:
        super().__init__(folder, {"sms": FarSide(capabilities=sms(reports=False)).make})
        os.environ["FZ_TEST_OIDC"] = "a shared secret"
        found = parse_settings(settings_for(issuer), folder / "f.toml", registry=Registry({}))
        self.settings = type(self.settings)(
            **{
                **{name: getattr(self.settings, name) for name in self.settings.__slots__},
                "web": found.web,
                "access": found.access,
            }
        )


@asynccontextmanager
async def browser(house: House, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(service, house.settings, clock=house.clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def bind(subject: str, issuer: str, name: str = "wang") -> UserChange:
    return UserChange(action="bind", name=name, subjects=[f"{issuer} {subject}"])


# -- a provider that is not ours -------------------------------------------------------------------


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[str]:
    """The package oidc-provider-mock as a process on a free port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "ignore", "-m", "oidc_provider_mock", "--port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stderr is not None
    try:
        seen = ""
        async with asyncio.timeout(120):
            while not (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", seen)):
                line = await process.stderr.readline()
                assert line, seen
                seen += line.decode()
        yield found[1]
    finally:
        process.terminate()
        _ = await process.communicate()


async def through(client: httpx.AsyncClient, start: str, subject: str) -> httpx.Response:
    """Follow the way to the provider and back as a person at a browser does."""
    left = await client.get(start)
    assert left.status_code == 303, left.text
    async with httpx.AsyncClient(timeout=60) as outside:
        asked = await outside.get(left.headers["location"])
        assert asked.status_code == 200, asked.text
        back = await outside.post(left.headers["location"], data={"sub": subject})
    assert back.status_code == 302, back.text
    assert back.headers["location"].startswith(HOME + "/login/oidc/back?")
    return await client.get(back.headers["location"])


async def test_a_person_comes_in_through_a_provider_and_leaves_both(
    provider: str, tmp_path: Path
) -> None:
    house = Office(tmp_path, provider)
    async with house.service() as service, browser(house, service) as client:
        await service.add_user("wang", ["approver"])
        page = await client.get("/login")
        assert "县局统一登录" in page.text
        unknown = await through(client, "/login/oidc", "u-4711")
        assert unknown.status_code == 401
        assert "--subject" in unknown.text
        assert "u-4711" in unknown.text
        assert client.cookies.get("fz") is None
        await service.change_user(bind("u-4711", provider))
        done = await through(client, "/login/oidc?next=/account", "u-4711")
        assert (done.status_code, done.headers["location"]) == (303, "/account")
        cookie = client.cookies["fz"]
        actor = await service.session(cookie)
        assert actor is not None
        assert (actor.id, actor.name, sorted(actor.roles)) == ("user:wang", "wang", ["approver"])
        out = await client.post("/logout", headers={"sec-fetch-site": "same-origin"})
        where = re.search(r'href="(http://127[^"]+)"', out.text)
        assert where is not None
        leave = parse_qs(urlsplit(where[1].replace("&amp;", "&")).query)
        assert leave["post_logout_redirect_uri"] == [HOME + "/login"]
        assert await service.session(cookie) is None
        assert len(await service.users()) == 1, "nobody is made by a provider"


async def test_an_unbound_or_disabled_person_is_out_at_once(provider: str, tmp_path: Path) -> None:
    house = Office(tmp_path, provider)
    async with house.service() as service, browser(house, service) as client:
        await service.add_user("wang", ["approver"])
        await service.change_user(bind("w", provider))
        for way in ("unbind", "disable"):
            done = await through(client, "/login/oidc", "w")
            assert done.status_code == 303
            cookie = client.cookies["fz"]
            assert await service.session(cookie) is not None
            if way == "unbind":
                wanted = bind("w", provider).model_copy(update={"action": "unbind"})
                await service.change_user(wanted)
            else:
                await service.disable_user("wang")
            assert await service.session(cookie) is None
            refused = await through(client, "/login/oidc", "w")
            assert refused.status_code == 401
            if way == "unbind":
                await service.change_user(bind("w", provider))


async def test_a_subject_stands_for_one_person_and_no_machine(
    provider: str, tmp_path: Path
) -> None:
    house = Office(tmp_path, provider)
    async with house.service() as service:
        for name in ("wang", "li"):
            await service.add_user(name, ["teller"])
        await service.change_user(UserChange(action="add", name="core", machine=True))
        await service.change_user(bind("w", provider))
        for name in ("li", "core"):
            with pytest.raises(InputError):
                await service.change_user(bind("w", provider, name))
        with pytest.raises(InputError):
            await service.change_user(bind("w w", provider, "li"))
        li = await service.authenticate(
            await service.change_user(UserChange(action="renew", name="li"))
        )
        with pytest.raises(AccessDenied):
            await service.change_user(bind("x", provider, "li"), li)


# -- a provider that lies --------------------------------------------------------------------------


def spelt(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class Liar:
    """A provider that puts what a test wants into its token, signed as a test wants."""

    key: Any = field(default_factory=lambda: jwk.ECKey.generate_key("P-256", {"kid": "k1"}))
    published: list[Any] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    alg: str = "ES256"
    sign_with: Any = None
    raw: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: dict[str, str] = field(default_factory=dict)
    redeemed: list[dict[str, str]] = field(default_factory=list)
    key_fetches: int = 0
    issuer: str = ""

    def token(self) -> str:
        if self.raw:
            return self.raw
        now = int(SystemClock().millis() / 1000)
        claims = {
            "iss": self.issuer,
            "aud": "fzalert",
            "sub": "w",
            "nonce": self.asked.get("nonce", ""),
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            **self.claims,
        }
        for name in self.left_out:
            claims.pop(name, None)
        if self.alg == "none":
            return f"{spelt({'alg': 'none'})}.{spelt(claims)}."
        key = self.sign_with or self.key
        header = {"alg": self.alg, **({"kid": key.kid} if key.kid else {})}
        return jwt.encode(header, claims, key, algorithms=[self.alg])

    def answer(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.issuer,
                "authorization_endpoint": self.issuer + "/authorize",
                "token_endpoint": self.issuer + "/token",
                "jwks_uri": self.issuer + "/keys",
                **self.metadata,
            }
        if path == "/keys":
            self.key_fetches += 1
            keys = self.published or [self.key]
            return {"keys": [one.as_dict(private=False) for one in keys]}
        return {"access_token": "x", "token_type": "Bearer", "id_token": self.token()}


@pytest.fixture
def liar() -> Iterator[Liar]:
    liar = Liar()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            given = {"authorization": self.headers.get("authorization", "")}
            liar.redeemed.append({**dict(parse_qsl(body)), **given})
            self._say()

        def _say(self) -> None:
            body = json.dumps(liar.answer(self.path)).encode()
            self.send_response(liar.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    liar.issuer = f"http://127.0.0.1:{server.server_port}"
    yield liar
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Scene:
    house: Office
    service: Service
    client: httpx.AsyncClient
    liar: Liar

    async def leave(self, start: str = "/login/oidc") -> str:
        """Leave for the provider; returns the state."""
        left = await self.client.get(start)
        assert left.status_code == 303, left.text
        self.liar.asked = dict(parse_qsl(urlsplit(left.headers["location"]).query))
        return self.liar.asked["state"]

    async def back(self, state: str, **more: str) -> httpx.Response:
        asked = {"state": state, "code": "c-1", **more}
        return await self.client.get("/login/oidc/back", params=asked)


@pytest.fixture
async def scene(liar: Liar, tmp_path: Path) -> AsyncIterator[Scene]:
    house = Office(tmp_path, liar.issuer)
    async with house.service() as service, browser(house, service) as client:
        await service.add_user("wang", ["approver"])
        await service.change_user(bind("w", liar.issuer))
        yield Scene(house, service, client, liar)


async def test_the_code_is_redeemed_with_the_secret_and_the_half_that_stayed(scene: Scene) -> None:
    state = await scene.leave()
    asked = scene.liar.asked
    assert asked["redirect_uri"] == HOME + "/login/oidc/back"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert (await scene.back(state, iss=scene.liar.issuer)).status_code == 303
    (told,) = scene.liar.redeemed
    assert challenge_of(told["code_verifier"]) == asked["code_challenge"]
    assert told["redirect_uri"] == asked["redirect_uri"]
    pair = base64.b64decode(told["authorization"].removeprefix("Basic ")).decode()
    assert pair == "fzalert:a%20shared%20secret"
    assert "client_secret" not in told


NOW = SystemClock().millis() // 1000


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"claims": {"iss": "https://evil.example"}}, "another issuer"),
        ({"claims": {"aud": "another"}}, "another client"),
        ({"claims": {"aud": ["fzalert", "another"]}}, "several clients"),
        ({"claims": {"aud": ["fzalert"], "azp": "another"}}, "another client"),
        ({"claims": {"nonce": "of-yesterday"}}, "another question"),
        ({"left_out": ("nonce",)}, "another question"),
        ({"claims": {"exp": NOW - 3600}}, "expired"),
        ({"left_out": ("exp",)}, "no usable exp"),
        ({"claims": {"iat": NOW + 3600}}, "of the future"),
        ({"claims": {"nbf": NOW + 3600}}, "of the future"),
        ({"claims": {"sub": "nobody-here"}}, "nobody here is bound"),
        ({"claims": {"sub": 7}}, "names nobody"),
        ({"claims": {"sub": ""}}, "names nobody"),
        ({"alg": "none"}, "not signed"),
        ({"alg": "HS256", "sign_with": jwk.OctKey.import_key("x" * 40)},
         "not signed"),
        ({"sign_with": jwk.ECKey.generate_key("P-256", {"kid": "k1"})}, "not signed"),
        ({"sign_with": jwk.ECKey.generate_key("P-256", {"kid": "k9"})}, "not signed"),
        ({"raw": "not.a.token"}, "not signed"),
        ({"status": 500}, "answered 500"),
        ({"metadata": {"issuer": "https://evil.example"}}, "names itself otherwise"),
        ({"metadata": {"token_endpoint": "http://10.0.0.9/token"}}, "no usable token_endpoint"),
        ({"metadata": {"jwks_uri": "file:///etc/passwd"}}, "no usable jwks_uri"),
    ],
)  # fmt: skip
async def test_one_lie_of_the_provider_is_enough(
    scene: Scene, lie: dict[str, Any], said: str
) -> None:
    if {"status", "metadata"} & lie.keys() and "token_endpoint" not in str(lie):
        for name, value in lie.items():
            setattr(scene.liar, name, value)
        left = await scene.client.get("/login/oidc")
        if "jwks_uri" not in str(lie):
            assert left.status_code == 401
            assert said in left.text
            return
        scene.liar.asked = dict(parse_qsl(urlsplit(left.headers["location"]).query))
        state = scene.liar.asked["state"]
    else:
        for name, value in lie.items():
            setattr(scene.liar, name, value)
        state = await scene.leave()
    refused = await scene.back(state)
    assert refused.status_code == 401, refused.text
    assert said in refused.text
    assert scene.client.cookies.get("fz") is None
    assert await scene.service.sessions() == []


async def test_clocks_may_differ_by_a_minute(scene: Scene) -> None:
    now = SystemClock().millis() // 1000
    scene.liar.claims = {"iat": now + 50, "exp": now - 5}
    assert (await scene.back(await scene.leave())).status_code == 303


async def test_an_answer_is_good_once_in_the_browser_that_left(scene: Scene) -> None:
    state = await scene.leave()
    async with browser(scene.house, scene.service) as other:
        stolen = await other.get("/login/oidc/back", params={"state": state, "code": "c-1"})
    assert stolen.status_code == 401
    again = await scene.back(state)
    assert (again.status_code, "not asked for here" in again.text) == (401, True)
    state = await scene.leave()
    assert (await scene.back(state)).status_code == 303
    replayed = await scene.back(state)
    assert replayed.status_code == 401
    for state in ("made-up", "", "ä", "A" * 43):
        assert (await scene.back(state)).status_code == 401
    state = await scene.leave()
    mixed = await scene.back(state, iss="https://evil.example")
    assert "another provider" in mixed.text
    denied = await scene.client.get("/login/oidc/back", params={"error": "access_denied<b>"})
    assert (denied.status_code, "access_deniedb" in denied.text) == (401, True)


async def test_a_new_key_of_the_provider_is_found_and_an_old_one_ends(scene: Scene) -> None:
    assert (await scene.back(await scene.leave())).status_code == 303
    old = scene.liar.key
    scene.liar.key = jwk.ECKey.generate_key("P-256", {"kid": "k2"})
    fetched = scene.liar.key_fetches
    provider = scene.service.single_sign_on()
    assert provider is not None
    provider._provider._keys_at += 1000  # just now, also on a machine that is slow
    refused = await scene.back(await scene.leave())
    assert refused.status_code == 401, "asked for again too soon"
    assert scene.liar.key_fetches == fetched
    provider._provider._keys_at -= 1100
    assert (await scene.back(await scene.leave())).status_code == 303
    assert scene.liar.key_fetches == fetched + 1
    scene.liar.sign_with, scene.liar.published = old, [scene.liar.key]
    assert (await scene.back(await scene.leave())).status_code == 401


async def test_what_was_shown_this_morning_is_no_proof_of_now(scene: Scene) -> None:
    now = SystemClock().millis() // 1000
    for claims, left_out in (({"auth_time": now - 3600}, ()), ({}, ("auth_time",))):
        scene.liar.claims, scene.liar.left_out = claims, left_out
        assert (await scene.back(await scene.leave())).status_code == 303
        actor = await scene.service.session(scene.client.cookies["fz"])
        assert actor is not None
        if left_out:
            assert actor.proved_at is None
        else:
            assert actor.proved_at is not None
            assert scene.house.clock.now() - actor.proved_at > timedelta(minutes=59)
        state = await scene.leave("/prove/oidc?next=/account")
        assert (scene.liar.asked["prompt"], scene.liar.asked["max_age"]) == ("login", "0")
        stale = await scene.back(state)
        assert (stale.status_code, "without a fresh proof" in stale.text) == (401, True)
    scene.liar.claims, scene.liar.left_out = {}, ()
    old = scene.client.cookies["fz"]
    proved = await scene.back(await scene.leave("/prove/oidc?next=/account"))
    assert (proved.status_code, proved.headers["location"]) == (303, "/account")
    assert scene.client.cookies["fz"] != old
    assert await scene.service.session(old) is None
    actor = await scene.service.session(scene.client.cookies["fz"])
    assert actor is not None
    assert actor.proved_at is not None
    assert scene.house.clock.now() - actor.proved_at < timedelta(minutes=1)


async def test_another_person_of_the_provider_proves_nobody(scene: Scene) -> None:
    await scene.service.add_user("li", ["approver"])
    await scene.service.change_user(bind("l", scene.liar.issuer, "li"))
    assert (await scene.back(await scene.leave())).status_code == 303
    state = await scene.leave("/prove/oidc")
    scene.liar.claims = {"sub": "l"}
    refused = await scene.back(state)
    assert (refused.status_code, "another person" in refused.text) == (401, True)
    assert [one.name for one in await scene.service.sessions()] == ["wang"]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[access.oidc]\nissuer = "https://id.example"\nclient_id = "x"', "set public_url"),
        ('[web]\npublic_url = "http://localhost"\n[access.oidc]\nissuer = "http://id.example"\n'
         'client_id = "x"', "has no TLS"),
        ('[web]\npublic_url = "http://localhost"\n[access.oidc]\nissuer = "https://id.example"\n'
         'client_id = "x"\nclient_secret = "in the open"', "client_secret"),
        ('[access.oidc]\nissuer = "id.example"\nclient_id = "x"', "issuer"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_line(toml: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse_settings(toml, Path("/etc/fzalert.toml"))
    assert re.search(r"fzalert\.toml:\d+", str(caught.value))
