"""Routes that adapters bring: found, limited, and kept to those who may call them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from fzalert.config import parse_settings
from fzalert.ports import AuthKind, MountedRequest, MountedResponse, Route
from fzalert.testing.service import FakeService
from fzalert.web import build_app


class Kiosk:
    """Notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[MountedRequest] = []

    async def answer(self, request: MountedRequest) -> MountedResponse:
        self.asked.append(request)
        policy = {"content-security-policy": "default-src 'self'", "cache-control": "max-age=60"}
        return MountedResponse(body=b"ok", media_type="text/plain", headers=policy)


@pytest.fixture
def kiosk() -> Kiosk:
    return Kiosk()


@pytest.fixture
def service(kiosk: Kiosk) -> FakeService:
    service = FakeService({"zhang": ["teller"]})
    service.mounted["lobby"] = [
        Route("GET", "", AuthKind.OPEN, kiosk.answer),
        Route("GET", "s/{screen}", AuthKind.OPEN, kiosk.answer),
        Route("POST", "s/{screen}/report", AuthKind.OWN, kiosk.answer, max_body=8),
        Route("GET", "page/{screen}/", AuthKind.OPEN, kiosk.answer),
        Route("GET", "flow", AuthKind.OPEN, kiosk.answer, stream=True),
        Route("GET", "admin", AuthKind.STAFF, kiosk.answer),
        Route("POST", "admin", AuthKind.STAFF, kiosk.answer),
        Route("GET", "bank", AuthKind.MTLS, kiosk.answer),
    ]
    return service


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(service, parse_settings("", Path("/etc/fzalert.toml")))
    transport = httpx.ASGITransport(app)
    base = "http://127.0.0.1:8800/channels/lobby/"
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        yield client


async def test_a_handler_sees_the_request_whole(client: httpx.AsyncClient, kiosk: Kiosk) -> None:
    client.cookies.set("device", "d1")
    answer = await client.get("s/left", params={"seq": "7"}, headers={"X-Screen": "1"})
    assert answer.text == "ok"
    (asked,) = kiosk.asked
    assert (asked.method, dict(asked.path), dict(asked.query)) == (
        "GET",
        {"screen": "left"},
        {"seq": "7"},
    )
    assert asked.headers["x-screen"] == "1"
    assert asked.cookies == {"device": "d1"}
    assert asked.base_url == "http://127.0.0.1:8800/channels/lobby/"
    assert not asked.secure


async def test_a_mounted_page_keeps_its_own_policy_and_gets_the_rest(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("")
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_body_is_cut_off_at_its_limit(client: httpx.AsyncClient, kiosk: Kiosk) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x"

    assert (await client.post("s/left/report", content=b"12345678")).status_code == 200
    assert (await client.post("s/left/report", content=b"123456789")).status_code == 413
    assert (await client.post("s/left/report", content=drip())).status_code == 413
    assert [asked.body for asked in kiosk.asked] == [b"12345678"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "s/left/", 404),
        ("GET", "page/left/", 200),
        ("GET", "page/left", 307),
        ("HEAD", "flow", 405),
        ("GET", "s//", 404),
        ("GET", "s/left/more", 404),
        ("POST", "s/left", 405),
        ("HEAD", "s/left", 200),
        ("GET", "../other/x", 404),
        ("GET", "bank", 403),
        ("GET", "admin", 200),
        ("POST", "admin", 401),
    ],
)
async def test_paths_and_methods(
    method: str, path: str, status: int, client: httpx.AsyncClient
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    if status == 405:
        assert answer.headers["allow"] == ("GET" if path == "flow" else "GET, HEAD")
    if status == 307:
        assert answer.headers["location"].endswith("/channels/lobby/page/left/")


async def test_staff_may_change_with_a_token(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    token = {"authorization": f"Bearer {service.tokens['zhang']}"}
    assert (await client.post("admin", headers=token)).status_code == 200


async def test_a_channel_that_opens_later_is_found(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    routes = service.mounted.pop("lobby")
    assert (await client.get("")).status_code == 404
    service.mounted["lobby"] = routes
    assert (await client.get("")).status_code == 200
