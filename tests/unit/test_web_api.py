"""The interface for programs: credentials, keys, bodies, problems, and its own description."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fzalert.config import parse_settings
from fzalert.errors import StoreFull
from fzalert.service.models import ChannelView
from fzalert.testing.service import FakeService
from fzalert.web import build_app

WARNING = {"script": "impersonating-police", "to": ["phone:13800138000", "display:lobby"]}


@pytest.fixture
def service() -> FakeService:
    people = {"zhang": ["teller"], "li": ["approver"], "wang": ["viewer"]}
    service = FakeService(people)
    service.channels.append(
        ChannelView(name="line-1", adapter="sms.line", kinds=["phone"], state="up")
    )
    return service


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(service, parse_settings("", Path("/etc/fzalert.toml")))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        client.headers["authorization"] = f"Bearer {service.tokens['zhang']}"
        yield client


def headers(**given: str) -> dict[str, str]:
    return {"idempotency-key": "k-1", **{k.replace("_", "-"): v for k, v in given.items()}}


async def test_a_warning_is_taken_once_for_its_key(client: httpx.AsyncClient) -> None:
    first = await client.post("/api/v1/warnings", json=WARNING, headers=headers())
    assert first.status_code == 202
    assert first.json()["key"] == "k-1"
    again = await client.post("/api/v1/warnings", json=WARNING, headers=headers())
    assert again.json() == first.json()
    read = await client.get(first.headers["location"], params={"wait": 1})
    assert read.json() == first.json()
    assert "13800138000" not in first.text


async def test_a_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    await client.post("/api/v1/warnings", json=WARNING, headers=headers())
    other = {**WARNING, "to": ["display:lobby"]}
    answer = await client.post("/api/v1/warnings", json=other, headers=headers())
    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate-key")


async def test_the_key_in_the_body_must_be_the_same(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/warnings", json={**WARNING, "key": "x"}, headers=headers())
    assert (answer.status_code, answer.json()["code"]) == (409, "two-keys")
    assert answer.json()["errors"][0]["pointer"] == "/key"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"headers": {}}, 400, "idempotency-key"),
        ({"headers": headers(idempotency_key="a b")}, 400, "idempotency-key"),
        ({"content": b"{", "json": None}, 400, "not-json"),
        ({"content": b"[" * 100_000, "json": None}, 400, "not-json"),
        ({"content": b'{"script": "\\ud800", "to": ["a"]}', "json": None}, 400, "not-json"),
        ({"content": b"x" * 262_145, "json": None}, 413, "too-large"),
        ({"headers": headers(content_type="text/plain")}, 415, "media-type"),
        ({"json": {**WARNING, "urgent": True}}, 422, "invalid"),
        ({"json": {**WARNING, "to": []}}, 422, "invalid"),
        ({"json": {**WARNING, "expires_in": "5"}}, 422, "invalid"),
        ({"json": {**WARNING, "script": "no-such"}}, 422, "unknown-script"),
        ({"headers": headers(authorization="Basic YTpi")}, 401, "unauthorised"),
        ({"headers": headers(authorization="Bearer nobody")}, 401, "unauthorised"),
    ],
)
async def test_a_wrong_call_is_a_problem_document(
    change: dict[str, Any], status: int, code: str, client: httpx.AsyncClient
) -> None:
    call: dict[str, Any] = {"json": WARNING, "headers": headers(), **change}
    if "content" in call:
        call["headers"] = {**call["headers"], "content-type": "application/json"}
    answer = await client.post("/api/v1/warnings", **call)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["instance"] == "/api/v1/warnings"
    assert problem["title"]


async def test_a_role_that_may_not_warn_is_403(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    wang = headers(authorization=f"Bearer {service.tokens['wang']}")
    answer = await client.post("/api/v1/warnings", json=WARNING, headers=wang)
    assert (answer.status_code, answer.json()["code"]) == (403, "access-denied")
    assert (await client.get("/api/v1/status", headers=wang)).status_code == 200


async def test_a_closed_access_is_closed_at_once(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    await service.disable_user("zhang")
    assert (await client.get("/api/v1/status")).status_code == 401


async def test_every_fault_of_a_body_has_its_pointer(client: httpx.AsyncClient) -> None:
    body = {"script": "impersonating-police", "to": ["phone:1", 2], "lane": "fast", "a/b": 1}
    answer = await client.post("/api/v1/warnings", json=body, headers=headers())
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"/to/1", "/lane", "/a~1b"}


async def test_a_full_store_refuses_with_503_and_when_to_come_back(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    service.broken = StoreFull("No room is left on the disk.", hint="Free some.")
    answer = await client.post("/api/v1/warnings", json=WARNING, headers=headers())
    assert (answer.status_code, answer.json()["code"]) == (503, "store-full")
    assert answer.headers["retry-after"] == "5"


async def test_guessing_tokens_is_slowed_down_and_not_for_others(
    client: httpx.AsyncClient,
) -> None:
    bad = {"authorization": "Bearer wrong"}
    statuses = [(await client.get("/api/v1/status", headers=bad)).status_code for _ in range(13)]
    assert statuses[:11] == [401] * 11
    assert statuses[-1] == 429
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/warnings/0", "/api/v1/warnings/%20", "/nowhere"])
async def test_what_does_not_exist_is_404(path: str, client: httpx.AsyncClient) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_another_method_is_405_with_the_allowed_ones(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/api/v1/warnings")
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))
    assert answer.json()["code"] == "method"


async def test_pages_of_warnings_follow_each_other(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.post(
            "/api/v1/warnings", json=WARNING, headers=headers(idempotency_key=f"k{number}")
        )
    seen: list[str] = []
    after = ""
    while True:
        page = (await client.get("/api/v1/warnings", params={"limit": 2, "after": after})).json()
        seen += [item["key"] for item in page["items"]]
        after = page["next"]
        if not after:
            break
    assert seen == ["k4", "k3", "k2", "k1", "k0"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1&limit=2", "colour=red"])
async def test_wrong_parameters_are_422(query: str, client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/api/v1/warnings?{query}")).status_code == 422


async def test_an_approval_takes_two_different_persons(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    li = {"authorization": f"Bearer {service.tokens['li']}"}
    path = "/api/v1/scripts/impersonating-police/general/1/approve"
    author = {"author_token": service.tokens["zhang"]}
    alone = await client.post(path, json={"author_token": service.tokens["li"]}, headers=li)
    assert alone.status_code == 403
    assert (await client.post(path, json=author)).status_code == 403
    both = await client.post(path, json=author, headers=li)
    assert both.json()["status"] == "approved"
    missing = await client.post(path.replace("police", "judge"), json=author, headers=li)
    assert missing.status_code == 404


async def test_readiness_names_the_kind_that_has_no_channel_up(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    assert (await client.get("/readyz")).json() == {"ready": True, "reasons": []}
    service.channels[0] = service.channels[0].model_copy(update={"state": "down"})
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["every channel for phone is down"]


async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/", "/login", "/api/v1/status", "/healthz", "/nowhere", "/openapi.json"):
        answer = await client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] in {"no-referrer", "same-origin"}
        assert "camera=()" in answer.headers["permissions-policy"]


async def test_a_foreign_name_for_this_machine_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 421


async def test_the_description_names_every_answer_of_every_call(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    take = document["paths"]["/api/v1/warnings"]["post"]
    assert {"202", "400", "401", "403", "405", "409", "413", "415", "422", "429", "503"} <= set(
        take["responses"]
    )
    key = next(p for p in take["parameters"] if p["name"] == "Idempotency-Key")
    assert key["required"]
    assert take["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "WarnRequest"
    )
    operations = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(operations) == len(set(operations)) > 40
