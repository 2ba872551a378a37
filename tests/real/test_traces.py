"""Traces as a collector gets them: OTLP over HTTP, decoded by OpenTelemetry's own schema."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from typing_extensions import override

from fzalert.access import Directory
from fzalert.service.models import WarnRequest
from fzalert.testing.processes import Site, ask_until
from fzalert.tracing import ATTRIBUTES
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "made-up-secret"
SCRIPT = "impersonating-police"
PEOPLE = 40
PATIENCE = 60.0


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()

    @property
    def spans(self) -> list[Span]:
        found: list[Span] = []
        for body in list(self.bodies):
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                names = {a.key: a.value.string_value for a in resource.resource.attributes}
                assert names["service.name"] == "fzalert"
                for scope in resource.scope_spans:
                    found += scope.spans
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.paths.add(self.path)
        self.server.bodies.append(body)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_a_warning_is_traced_from_the_callers_span_to_its_batches_and_names_nobody(
    tmp_path: Path, collector: Collector
) -> None:
    site = Site(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    secret.chmod(0o600)
    numbers = [f"1380013{n:04d}" for n in range(PEOPLE)]
    async with CmppSimulator(Knobs(accounts={"901234": SECRET})) as gateway:
        site.config.write_text(
            f"""
            [store]
            url = "sqlite:///fz.db"
            [web]
            port = 0
            [drill]
            enabled = true
            [identity]
            sign = "反诈中心"
            branch = "城关支行"
            [telemetry]
            endpoint = "http://127.0.0.1:{collector.server_address[1]}"
            [[channel]]
            name = "mobile"
            adapter = "sms.cmpp"
            host = "127.0.0.1"
            port = {gateway.port}
            account = "901234"
            secret = {{ file = "secret" }}
            service_id = "FZALERT"
            src_id = "10690000"
            signature = "反诈中心"
            """,
            encoding="utf-8",
        )
        async with site.daemon() as daemon, site.client() as client:
            author = await client.authenticate(await client.add_user("author", ["script_editor"]))
            other = await client.authenticate(await client.add_user("approver", ["approver"]))
            await client.approve(f"{SCRIPT}/general/1", author=author, approver=other)
            token = await client.add_user("wang", ["teller"])
            web = (await client.status()).web
            asked = {"script": SCRIPT, "to": [f"phone:{n}" for n in numbers]}
            async with httpx.AsyncClient(base_url=web, trust_env=False, timeout=60) as program:
                headers = {
                    "authorization": f"Bearer {token}",
                    "idempotency-key": "T-1024",
                    "traceparent": f"00-{TRACE}-{PARENT}-01",
                }
                answer = await program.post("/api/v1/warnings", json=asked, headers=headers)
                assert answer.status_code in {200, 201, 202}, answer.text
                headers["traceparent"] = "00-nonsense-01"
                again = await program.post("/api/v1/warnings", json=asked, headers=headers)
                assert again.json()["id"] == answer.json()["id"]
            me = Directory().local_actor()
            request = WarnRequest(script="no-such-script", to=["phone:13800139999"])
            with pytest.raises(Exception, match="no-such-script"):
                await client.warn_request(request, me)

            async def delivered() -> bool:
                view = await client.warning(answer.json()["id"])
                return view is not None and view.state == "delivered"

            await ask_until(delivered, "everybody has it", within=PATIENCE)
            ended = await daemon.stop()
            assert ended.code == 0, ended.err
    assert collector.paths == {"/v1/traces"}
    spans = collector.spans
    by_name = {name: [s for s in spans if s.name == name] for name in {s.name for s in spans}}
    assert by_name.keys() == {"warn", "prepare", "commit", "submit", "tick"}

    (warn,) = (s for s in by_name["warn"] if s.trace_id.hex() == TRACE)
    assert warn.parent_span_id.hex() == PARENT, "it is the caller's child"
    assert said(warn)["fz.targets"] == PEOPLE
    assert said(warn)["fz.script"] == f"{SCRIPT}/general/1"
    for name in ("prepare", "commit"):
        (one,) = (s for s in by_name[name] if s.trace_id.hex() == TRACE)
        assert one.parent_span_id == warn.span_id
    (second,) = (s for s in by_name["warn"] if s.trace_id.hex() != TRACE)
    assert second.parent_span_id == b"", "what is no traceparent begins a trace of its own"
    assert said(second)["fz.existing"] is True

    parts = sum(int(said(span)["fz.parts"]) for span in by_name["submit"])
    assert parts == len(gateway.submits) >= PEOPLE
    assert len(by_name["submit"]) < parts, "a span a batch, and none a message"
    assert {said(span)["fz.channel"] for span in by_name["tick"]} == {"mobile"}
    assert sum(int(said(span)["fz.settled"]) for span in by_name["tick"]) == parts

    assert {name for span in spans for name in said(span)} <= ATTRIBUTES
    assert not any(span.events for span in spans), "no exception texts"
    sent = b"".join(collector.bodies)
    for personal in (*numbers, "T-1024", "wang", SECRET, "城关支行"):
        assert personal.encode() not in sent


def said(span: Span) -> dict[str, str | int | bool]:
    found: dict[str, str | int | bool] = {}
    for one in span.attributes:
        kind = one.value.WhichOneof("value")
        assert kind in {"string_value", "int_value", "bool_value"}
        found[one.key] = getattr(one.value, kind)
    return found
