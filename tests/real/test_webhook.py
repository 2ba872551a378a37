"""The webhook channel against Python's own HTTP server, which checks what it gets."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import structlog
from pydantic import SecretStr
from typing_extensions import override

from fzalert.messages import Post, Receipt, ReceiptKind, Scope, group
from fzalert.ports import AdapterContext, HealthState
from fzalert.testing import SCRIPT, RecordingWire, make_context, submission
from fzalert_post.signing import verify
from fzalert_post.webhook import Webhook, WebhookConfig

SECRET = "a shared secret of 30 letters"
POST = Post("反诈预警", "请立即停止转账。", SCRIPT, (("branch", "城关支行"),))


class Receiver:
    """What the server saw, and what it answers."""

    def __init__(self) -> None:
        self.port = 0
        self.posts: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.verified: list[bool] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.seen: dict[str, float] = {}


@contextmanager
def receiving() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            now = int(headers["fz-timestamp"])
            kept.verified.append(verify(SECRET.encode(), headers, body, now=now, seen=kept.seen))
            kept.posts.append((headers, json.loads(body)))
            self.send_response(kept.status)
            for name, value in kept.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        kept.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


def config(*ports: int, **settings: Any) -> WebhookConfig:
    groups = [
        {
            "name": f"g{at}",
            "url": f"http://127.0.0.1:{port}/hook?key=k3y",
            "secret": SecretStr(SECRET),
            "private": True,
        }
        for at, port in enumerate(ports)
    ]
    return WebhookConfig.model_validate(
        {"name": "posts", "adapter": "post.webhook", "groups": groups, **settings}
    )


@pytest.fixture
async def context() -> AsyncIterator[AdapterContext]:
    async with make_context() as context:
        yield context


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


async def send(
    adapter: Webhook, post: Post = POST, *, id: int = 2**63 + 1, to: str = "g0"
) -> Receipt:
    wire = RecordingWire()
    async with asyncio.timeout(10):
        await adapter.submit([submission(group(to), post, id=id, not_after=5)], wire)
    wire.check()
    return wire.receipts[id, 0]


async def test_a_post_arrives_signed_and_whole(context: AdapterContext, receiver: Receiver) -> None:
    async with Webhook(config(receiver.port), context) as adapter:
        receipt = await send(adapter)
        assert (await adapter.health()).state is HealthState.UP
    assert (receipt.kind, receipt.code) == (ReceiptKind.SENT, "200")
    ((headers, said),) = receiver.posts
    assert receiver.verified == [True]
    assert headers["idempotency-key"] == "9223372036854775809.0"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert said == {
        "id": "9223372036854775809",
        "part": 0,
        "title": "反诈预警",
        "text": "请立即停止转账。",
        "script": {
            "id": "impersonating-police",
            "audience": "general",
            "language": "zh",
            "version": 1,
            "digest": "0" * 64,
        },
        "values": {"branch": "城关支行"},
        "drill": False,
        "not_after": 5,
    }


async def test_a_drill_is_marked(context: AdapterContext, receiver: Receiver) -> None:
    async with Webhook(config(receiver.port), context) as adapter:
        await send(adapter, Post("反诈预警", "x", SCRIPT, drill=True))
    assert receiver.posts[0][1]["title"] == "【演练】反诈预警"
    assert receiver.posts[0][1]["drill"] is True


async def test_each_attempt_is_signed_anew_under_the_same_key(
    context: AdapterContext, receiver: Receiver
) -> None:
    async with Webhook(config(receiver.port), context) as adapter:
        await send(adapter, id=7)
        await send(adapter, id=7)
    (one, _), (two, _) = receiver.posts
    assert receiver.verified == [True, True]
    assert one["fz-nonce"] != two["fz-nonce"]
    assert one["idempotency-key"] == two["idempotency-key"] == "7.0"


async def test_a_promise_to_act_once_is_declared(
    context: AdapterContext, receiver: Receiver
) -> None:
    plain = Webhook(config(receiver.port), context)
    promised = Webhook(config(receiver.port, receiver_deduplicates=True), context)
    assert not plain.capabilities.idempotent_key
    assert promised.capabilities.idempotent_key
    receiver.status = 409
    async with plain, promised:
        assert (await send(plain)).kind is ReceiptKind.PERMANENT
        assert (await send(promised)).kind is ReceiptKind.SENT


async def test_a_slower_pace_is_passed_on(context: AdapterContext, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": "3"}
    async with Webhook(config(receiver.port), context) as adapter:
        receipt = await send(adapter)
    assert (receipt.kind, receipt.retry_after) == (ReceiptKind.THROTTLED, 3)


async def test_a_redirect_is_refused_and_not_followed(
    context: AdapterContext, receiver: Receiver
) -> None:
    receiver.status = 307
    receiver.headers = {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    async with Webhook(config(receiver.port), context) as adapter:
        receipt = await send(adapter)
    assert (receipt.kind, receipt.scope) == (ReceiptKind.PERMANENT, Scope.BINDING)
    assert len(receiver.posts) == 1


async def test_the_only_receiver_away_is_the_channel_down(context: AdapterContext) -> None:
    with receiving() as gone:
        pass
    async with Webhook(config(gone.port), context) as adapter:
        receipt = await send(adapter)
        health = await adapter.health()
    assert receipt.kind is ReceiptKind.CHANNEL_DOWN
    assert health.state is HealthState.DOWN
    assert "k3y" not in repr(receipt) + repr(health)


async def test_one_receiver_away_leaves_the_others_alone(
    context: AdapterContext, receiver: Receiver
) -> None:
    with receiving() as gone:
        pass
    async with Webhook(config(receiver.port, gone.port), context) as adapter:
        away = await send(adapter, to="g1")
        here = await send(adapter, to="g0")
        health = await adapter.health()
    assert (away.kind, away.scope) == (ReceiptKind.TEMPORARY, Scope.RECIPIENT)
    assert here.kind is ReceiptKind.SENT
    assert (health.state, health.detail) == (HealthState.SLOW, "g1: not reached")


async def test_a_whole_batch_goes_at_once_over_few_connections(
    context: AdapterContext, receiver: Receiver
) -> None:
    batch = [submission(group("g0"), POST, id=id, not_after=5) for id in range(1, 101)]
    wire = RecordingWire()
    async with Webhook(config(receiver.port, window=8), context) as adapter:
        await adapter.submit(batch, wire)
    wire.check()
    assert set(wire.fates(batch)) == {ReceiptKind.SENT}
    assert {said["id"] for _, said in receiver.posts} == {str(id) for id in range(1, 101)}


async def test_half_a_character_is_refused_unsent(
    context: AdapterContext, receiver: Receiver
) -> None:
    async with Webhook(config(receiver.port), context) as adapter:
        receipt = await send(adapter, Post("\ud83d", "x", SCRIPT))
    assert receipt.kind is ReceiptKind.PERMANENT
    assert receiver.posts == []


async def test_an_unmapped_status_raises_its_alarm_once(
    context: AdapterContext, receiver: Receiver
) -> None:
    receiver.status = 599
    async with Webhook(config(receiver.port), context) as adapter:
        with structlog.testing.capture_logs() as events:
            await send(adapter, id=1)
            await send(adapter, id=2)
    assert [(event["event"], event["status"]) for event in events] == [
        ("webhook.unmapped_status", 599)
    ]
