"""`/metrics`: what Prometheus reads, who may read it, and that no label is a person."""

import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain
from prometheus_client.samples import Sample

from fzalert.config import Settings, parse_settings
from fzalert.service.models import ChannelView, CountersView, WarnRequest
from fzalert.testing import FakeClock
from fzalert.testing.service import FakeService
from fzalert.web import Watch, build_app
from fzalert.web.metrics import Metrics

ROOT = Path(__file__).parents[2]
OUTSIDE = '[web]\nhost = "0.0.0.0"'
LABELS = {
    "channel": {"mobile", "screens", "mail"},
    "kind": {"phone", "counter+display", "mailbox"},
    "lane": {"urgent", "bulk"},
    "state": {
        *("up", "slow", "down", "unknown"),
        *("accepted", "queued", "open", "sent", "delivered", "failed", "expired", "suppressed"),
    },
}


def settings_of(text: str = "") -> Settings:
    return parse_settings(text, Path("/etc/fzalert.toml"))


@pytest.fixture
def service() -> FakeService:
    service = FakeService({"sun": ["viewer"], "li": ["admin"], "wang": ["teller"]}, drill=True)
    service.channels = [
        ChannelView(
            name="mobile",
            adapter="sms.cmpp",
            kinds=["phone"],
            state="slow",
            window=16,
            in_flight=12,
            ready_urgent=2,
            ready_bulk=40,
            rate=100,
            per_second=87.5,
            latency_ms=250,
            detail="to 13800138000",
            last_error="8 for 13800138000",
            counters=CountersView(accepted=1000, queued=40, delivered=900, unknown=3, failed=7),
        ),
        ChannelView(
            name="screens",
            adapter="display.kiosk",
            kinds=["display", "counter"],
            state="up",
            window=64,
            figures={"screens": 3, "screens_live": 2, "screens_stale": 1, "note": "x"},
        ),
        ChannelView(name="mail", adapter="mail.smtp", kinds=["mailbox"], state="down"),
    ]
    return service


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def client_of(
    service: FakeService, clock: FakeClock, text: str = "", watch: Watch | None = None
) -> httpx.AsyncClient:
    settings = settings_of(text)
    app = build_app(service, settings, clock=clock, watch=watch)
    host = "127.0.0.1" if settings.web.is_loopback else "10.0.0.5"
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}:8800")


@pytest.fixture
async def local(service: FakeService, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service, clock) as client:
        yield client


def samples(text: str) -> list[Sample]:
    return [sample for family in plain(text) for sample in family.samples]


def figures(text: str, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for sample in samples(text)
        if sample.name == name
    }


async def test_every_label_is_of_a_closed_set_and_no_person_is_in_it(
    local: httpx.AsyncClient, service: FakeService
) -> None:
    request = WarnRequest(script="impersonating-police", to=["phone:13800138000"], key="a")
    await service.warn_request(request, service.directory.local_actor())
    answer = await local.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = samples(answer.text)
    assert len(found) > 60
    for sample in found:
        assert sample.name.startswith(("fz_", "process_"))
        for name, value in sample.labels.items():
            assert value in LABELS[name], sample
    assert "1380013" not in answer.text


async def test_the_figures_are_those_of_the_status(local: httpx.AsyncClient) -> None:
    text = (await local.get("/metrics")).text
    mobile = ("mobile", "phone")
    assert figures(text, "fz_channel_up") == {
        mobile: 1,
        ("screens", "counter+display"): 1,
        ("mail", "mailbox"): 0,
    }
    assert figures(text, "fz_channel_state")[*mobile, "slow"] == 1
    assert figures(text, "fz_channel_state")[*mobile, "up"] == 0
    assert figures(text, "fz_channel_window_used")[mobile] == 0.75
    assert figures(text, "fz_channel_latency_seconds") == {mobile: 0.25}
    assert figures(text, "fz_channel_rate")[mobile] == 87.5
    assert figures(text, "fz_channel_rate_limit") == {mobile: 100}
    assert figures(text, "fz_queue_depth")[*mobile, "urgent"] == 2
    assert figures(text, "fz_queue_depth")[*mobile, "bulk"] == 40
    assert figures(text, "fz_parts")[*mobile, "unknown"] == 3
    assert figures(text, "fz_messages_total")[*mobile, "delivered"] == 900
    assert figures(text, "fz_display_connected") == {("screens", "counter+display"): 2}
    assert figures(text, "fz_display_stale") == {("screens", "counter+display"): 1}
    assert figures(text, "fz_drill") == {(): 1}
    assert figures(text, "process_resident_memory_bytes")[()] > 0


async def test_a_reader_of_open_metrics_gets_them(local: httpx.AsyncClient) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    answer = await local.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    parse: Any = open_metrics.text_string_to_metric_families  # it ships no types
    names = {family.name for family in parse(answer.text)}
    assert {"fz_messages", "fz_channel_up"} <= names


async def test_a_counter_never_goes_down_and_says_since_when_a_state_holds(
    service: FakeService, clock: FakeClock
) -> None:
    watch = Watch(clock)
    async with client_of(service, clock, watch=watch) as client:
        await client.get("/metrics")
        less = service.channels[0].counters.model_copy(update={"delivered": 890})
        change = {"counters": less, "state": "down"}
        service.channels[0] = service.channels[0].model_copy(update=change)
        clock.advance(30)
        await client.get("/metrics")
        clock.advance(12)
        text = (await client.get("/metrics")).text
    mobile = ("mobile", "phone")
    assert figures(text, "fz_messages_total")[*mobile, "delivered"] == 900
    assert figures(text, "fz_parts")[*mobile, "delivered"] == 890
    assert figures(text, "fz_channel_state_seconds")[mobile] == 12
    assert figures(text, "fz_channel_state_seconds")["mail", "mailbox"] == 42


@pytest.mark.parametrize(
    ("who", "status"),
    [(None, 401), ("nobody", 401), ("wang", 403), ("sun", 200), ("li", 200)],
)
async def test_from_outside_it_takes_a_viewer_or_an_admin(
    who: str | None, status: int, service: FakeService, clock: FakeClock
) -> None:
    token = service.tokens.get(who or "", "wrong")
    headers = {"authorization": f"Bearer {token}"} if who else {}
    async with client_of(service, clock, OUTSIDE) as client:
        answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("fz_" in answer.text) == (status == 200)
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_behind_a_proxy_or_with_a_wrong_token_this_machine_is_nobody(
    local: httpx.AsyncClient, service: FakeService
) -> None:
    assert (await local.get("/metrics", headers={"x-forwarded-for": "10.0.0.9"})).status_code == 401
    wrong = {"authorization": f"Bearer {service.tokens['wang']}"}
    assert (await local.get("/metrics", headers=wrong)).status_code == 403
    await local.post("/login", data={"token": service.tokens["sun"]})
    assert (await local.get("/metrics", headers={"forwarded": "for=x"})).status_code == 401


async def test_without_its_extra_it_says_what_to_install(
    local: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "fzalert.web.metrics", raising=False)
    answer = await local.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (501, "not-installed")
    assert "fzalert[metrics]" in answer.json()["detail"]
    assert (await local.get("/healthz")).status_code == 200


async def test_a_service_that_fails_gives_no_figures(
    local: httpx.AsyncClient, service: FakeService
) -> None:
    assert (await local.get("/metrics")).status_code == 200
    service.broken = RuntimeError("the store is gone")
    with pytest.raises(RuntimeError):  # the server logs it and answers 500
        await local.get("/metrics")


async def test_a_scrape_costs_less_than_five_milliseconds(
    service: FakeService, clock: FakeClock
) -> None:
    one = service.channels[0]
    service.channels = [one.model_copy(update={"name": f"line-{n}"}) for n in range(12)]
    status = await service.status()
    metrics = Metrics(Watch(clock))
    costs = []
    for _ in range(30):
        began = time.process_time()
        metrics.text(status)
        costs.append(time.process_time() - began)
    assert min(costs) < 0.005


# -- what the dashboard and the rules ask for ------------------------------------------------------


def asked_for(file: Path) -> set[str]:
    """Every metric that an expression of a file names."""
    text = file.read_text(encoding="utf-8")
    return set(re.findall(r"\b(?:fz|process)_[a-z_]+[a-z]\b", text))


@pytest.mark.parametrize("name", ["deploy/grafana/fzalert.json", "deploy/prometheus/rules.yml"])
async def test_every_metric_that_is_asked_for_is_there(name: str, local: httpx.AsyncClient) -> None:
    there = {sample.name for sample in samples((await local.get("/metrics")).text)}
    asked = asked_for(ROOT / name)
    assert len(asked) > 5
    assert asked <= there
