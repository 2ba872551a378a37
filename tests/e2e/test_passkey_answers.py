"""What a device answers counts only as it was asked: a device in software tells every lie alone."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor2
import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from fzalert.access.challenges import CHALLENGE_LIFE_S, Challenges
from fzalert.access.passkeys import RelyingParty
from fzalert.config import parse_settings
from fzalert.errors import AccessDenied, ConfigError, InputError, PasskeyCloned, PasskeyRefused
from fzalert.service import Service
from fzalert.service.models import UserChange
from fzalert.testing import FakeClock
from fzalert.testing.engine import FarSide, sms
from fzalert.testing.house import House
from fzalert.web import build_app

SITE = RelyingParty.of("https://fzalert.county.example:8800")
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def spelt(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Device:
    """An authenticator that says what a test wants; every answer is signed as it stands."""

    counter: int = 1
    flags: int = PRESENT | VERIFIED
    origin: str = SITE.origin
    site: str = SITE.id
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    id: bytes = b"a device of the tests, 01"

    def _said(self, kind: str, challenge: str) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self.origin}
        return json.dumps(told).encode()

    def _data(self, flags: int) -> bytes:
        head = hashlib.sha256(self.site.encode()).digest()
        return head + bytes([flags]) + self.counter.to_bytes(4, "big")

    def make(self, question: dict[str, Any]) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        point = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, **point})
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data(self.flags | ATTESTED) + credential
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            clientDataJSON=self._said("webauthn.create", question["challenge"]),
            attestationObject=made,
        )

    def answer(self, question: dict[str, Any], *, kind: str = "webauthn.get") -> dict[str, Any]:
        said, data = self._said(kind, question["challenge"]), self._data(self.flags)
        signed = data + hashlib.sha256(said).digest()
        return self._answer(
            clientDataJSON=said,
            authenticatorData=data,
            signature=self.key.sign(signed, ec.ECDSA(hashes.SHA256())),
        )

    def _answer(self, **parts: bytes) -> dict[str, Any]:
        return {
            "id": spelt(self.id),
            "rawId": spelt(self.id),
            "type": "public-key",
            "response": {name: spelt(part) for name, part in parts.items()},
            "clientExtensionResults": {},
        }


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {"sms": FarSide(capabilities=sms(reports=False)).make})


@pytest.fixture
async def service(house: House) -> AsyncIterator[Service]:
    async with house.service() as service:
        yield service


async def enrolled(service: Service, device: Device, name: str = "wang") -> str:
    """Add a person with a passkey; returns the cookie that came with it."""
    await service.add_user(name, ["approver"])
    code = await service.change_user(UserChange(action="enrol", name=name))
    room = service.passkeys()
    question = await room.ask_new(SITE, "browser", code=code)
    return await room.add(SITE, "browser", device.make(question), label="d", code=code)


async def sign_in(service: Service, device: Device, **lie: Any) -> str:
    question = await service.passkeys().ask_sign_in(SITE, "browser")
    cookie, _ = await service.passkeys().sign_in(SITE, "browser", device.answer(question, **lie))
    return cookie


async def acts(service: Service) -> list[str]:
    store = service._open.building.store
    rows = [row for chain, *_ in await store.chains() for row in await store.evidence(chain)]
    return [str(json.loads(row.body)["what"]) for row in rows]


async def test_the_device_of_the_tests_signs_in_as_a_real_one_does(service: Service) -> None:
    device = Device()
    first = await enrolled(service, device)
    assert await service.session(first) is not None
    device.counter = 2
    actor = await service.session(await sign_in(service, device))
    assert actor is not None
    assert actor.id == "user:wang"
    device.counter = 0
    with pytest.raises(PasskeyCloned):
        await sign_in(service, device)


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://fzalert.evil.example"},
        {"origin": "https://fzalert.county.example"},
        {"site": "evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"key": ec.generate_private_key(ec.SECP256R1())},
        {"id": b"another device of the tests"},
    ],
    ids=lambda lie: "-".join(f"{k}" for k in lie),
)
async def test_one_lie_is_enough(service: Service, lie: dict[str, Any]) -> None:
    device = Device()
    await enrolled(service, device)
    liar = Device(**{"counter": 2, "key": device.key, "id": device.id, **lie})
    with pytest.raises(PasskeyRefused):
        await sign_in(service, liar)
    assert "user.passkey_use" not in await acts(service)
    (user,) = await service.users()
    assert not user.passkeys[0].blocked, "what is not signed for us raises no alarm"
    device.counter = 2
    assert await sign_in(service, device)


@pytest.mark.parametrize(
    "lie", [{"origin": "https://evil.example"}, {"site": "evil.example"}, {"flags": PRESENT}]
)
async def test_no_passkey_is_made_by_a_lie(service: Service, lie: dict[str, Any]) -> None:
    with pytest.raises(PasskeyRefused):
        await enrolled(service, Device(**lie))
    (user,) = await service.users()
    assert user.passkeys == []


async def test_an_answer_is_good_once_in_one_browser_and_for_one_purpose(service: Service) -> None:
    device = Device()
    cookie = await enrolled(service, device)
    room = service.passkeys()
    device.counter = 2
    question = await room.ask_sign_in(SITE, "browser")
    answer = device.answer(question)
    with pytest.raises(PasskeyRefused, match="not open here"):
        await room.sign_in(SITE, "another", answer)
    with pytest.raises(PasskeyRefused, match="not open here"):
        await room.sign_in(SITE, "browser", answer)  # tried once is used up
    answer = device.answer(await room.ask_sign_in(SITE, cookie))
    with pytest.raises(PasskeyRefused, match="not open here"):
        await room.prove(SITE, cookie, answer)
    answer = device.answer(await room.ask_prove(SITE, cookie))
    with pytest.raises(PasskeyRefused, match="not open here"):
        await room.sign_in(SITE, cookie, answer)
    answer = device.answer(await room.ask_sign_in(SITE, "browser"), kind="webauthn.create")
    with pytest.raises(PasskeyRefused, match="not right"):
        await room.sign_in(SITE, "browser", answer)
    question = await room.ask_sign_in(SITE, "browser")
    assert await room.sign_in(SITE, "browser", device.answer(question))
    with pytest.raises(PasskeyRefused, match="not open here"):
        await room.sign_in(SITE, "browser", device.answer(question))


async def test_another_person_s_passkey_proves_nobody(service: Service) -> None:
    mine, other = Device(), Device(id=b"a device of the tests, 02")
    cookie = await enrolled(service, mine)
    await enrolled(service, other, "li")
    room = service.passkeys()
    other.counter = 2
    with pytest.raises(PasskeyRefused, match="another person's"):
        await room.prove(SITE, cookie, other.answer(await room.ask_prove(SITE, cookie)))
    with pytest.raises(InputError, match="registered already"):
        question = await room.ask_new(SITE, cookie)
        await room.add(SITE, cookie, other.make(question), label="d")


async def test_a_device_that_never_counts_is_no_copy_and_a_disabled_person_stays_out(
    service: Service,
) -> None:
    device = Device(counter=0)
    cookie = await enrolled(service, device)
    assert await sign_in(service, device)
    assert await sign_in(service, device)
    await service.disable_user("wang")
    assert await service.session(cookie) is None
    with pytest.raises(PasskeyRefused):
        await sign_in(service, device)


async def test_a_passkey_outlives_a_restart_and_its_questions_do_not(house: House) -> None:
    device = Device()
    async with house.service() as service:
        cookie = await enrolled(service, device)
        question = await service.passkeys().ask_sign_in(SITE, "browser")
    async with house.service() as service:
        assert await service.session(cookie) is not None
        device.counter = 2
        with pytest.raises(PasskeyRefused, match="not open here"):
            await service.passkeys().sign_in(SITE, "browser", device.answer(question))
        assert await sign_in(service, device)
    async with house.service() as service:
        with pytest.raises(PasskeyCloned):
            await sign_in(service, device)


@pytest.mark.parametrize(
    "junk",
    [{}, {"id": 7}, {"id": "x", "response": None}, {"response": {"clientDataJSON": "!"}}],
)
async def test_what_is_no_answer_is_refused(service: Service, junk: dict[str, Any]) -> None:
    with pytest.raises(PasskeyRefused):
        await service.passkeys().sign_in(SITE, "browser", junk)


async def test_a_question_is_too_old_after_two_minutes_and_a_flood_pushes_out_its_own() -> None:
    clock = FakeClock()
    challenges = Challenges(clock)
    old, mine = challenges.ask("sign-in", "b"), challenges.ask("sign-in", "b", address="here")
    for _ in range(200):
        challenges.ask("sign-in", "b", address="flood")
    assert len(challenges._open) < 100
    assert challenges.take(mine, "sign-in", "b").address == "here"
    clock.advance(CHALLENGE_LIFE_S + 1)
    with pytest.raises(PasskeyRefused):
        challenges.take(old, "sign-in", "b")


async def test_a_person_has_few_passkeys_and_each_has_a_name(service: Service) -> None:
    cookie = await enrolled(service, Device())
    room = service.passkeys()
    for number in range(2, 11):
        device = Device(id=b"a device of the tests, %02d" % number)
        question = await room.ask_new(SITE, cookie)
        await room.add(SITE, cookie, device.make(question), label=f"d{number}")
    for label, what in (("x", "at most"), ("", "1 to 40"), ("a\nb", "1 to 40")):
        question = await room.ask_new(SITE, cookie)
        with pytest.raises(InputError, match=what):
            if label != "x":
                await room.rename(cookie, (await room.of(cookie))[0].id, label)
            await room.add(SITE, cookie, Device(id=b"more").make(question), label=label)
    await service.add_user("core", ["relay"])
    with pytest.raises(AccessDenied):
        await room.ask_new(SITE, "no session")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://10.0.0.5:8800", "an address is none"),
        ("http://fzalert.county.example", "without TLS"),
        ("https://fzalert.county.example/pages", "nothing more"),
        ("https://fzalert.county.example", "there is no certificate"),
        ("fzalert.county.example", "write https://"),
    ],
)
def test_a_public_address_without_a_name_or_tls_is_refused(url: str, said: str) -> None:

    toml = f'[web]\nhost = "0.0.0.0"\npublic_url = "{url}"'
    with pytest.raises(ConfigError, match=said):
        parse_settings(toml, Path("/etc/fzalert.toml"))


async def test_an_address_without_a_name_is_told_what_to_do(house: House) -> None:
    async with house.service() as service:
        for toml, base in (
            ("[web]\nport = 0", "http://127.0.0.1:8800"),
            ('[web]\nhost = "0.0.0.0"', "http://10.0.0.5:8800"),
        ):
            settings = parse_settings(toml, Path("/etc/fzalert.toml"))
            app = build_app(service, settings, clock=house.clock)
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url=base
            ) as client:
                asked = await client.post("/passkeys/ask", json={"purpose": "sign-in"})
                assert (asked.status_code, asked.json()["code"]) == (409, "config")
                assert "public_url" in asked.json()["detail"]


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example/", "javascript:alert(1)"])
async def test_the_way_back_is_a_page_of_our_own(house: House, service: Service, to: str) -> None:
    web = f'[web]\npublic_url = "{SITE.origin}"'
    app = build_app(service, parse_settings(web, Path("/etc/fzalert.toml")), clock=house.clock)
    device = Device()
    await enrolled(service, device)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=SITE.origin
    ) as client:
        for purpose in ("sign-in", "prove"):
            asked = await client.post("/passkeys/ask", json={"purpose": purpose})
            (kept,) = asked.headers.get_list("set-cookie")
            assert kept.startswith("__Host-fz-try=")
            assert {"httponly", "secure", "samesite=strict"} <= set(kept.lower().split("; "))
            device.counter += 1
            told = {"answer": device.answer(asked.json()), "next": to}
            done = await client.post(f"/passkeys/{purpose}", json=told)
            assert (done.status_code, done.json()) == (200, {"next": "/"})
            assert done.headers["set-cookie"].startswith("__Host-fz=")
