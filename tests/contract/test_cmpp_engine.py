"""The engine over the CMPP channel and the simulated gateway: pace, several connections, restarts.

What the gateway saw is counted from its log by the independent reader.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typing_extensions import override

from fzalert.background import Background
from fzalert.delivery import Limits
from fzalert.messages import Lane, OutcomeState
from fzalert.ports import Adapter, AdapterContext
from fzalert.testing import make_context
from fzalert.testing.engine import EngineRig, FarSide
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import Sighting, recount_with_texts

THROTTLED = 8


class CmppFar(FarSide):
    """Makes real channels for the rig, all in the engine's own background."""

    def __init__(self, config: CmppConfig, context: AdapterContext) -> None:
        super().__init__()
        self.config = config
        self.context = context
        self.gateways: list[CmppGateway] = []

    @override
    def make(self, slot: int, background: Background) -> Adapter:
        context = replace(self.context, background=background)
        gateway = CmppGateway(self.config.model_copy(update={"slot": slot}), context)
        self.gateways.append(gateway)
        return gateway


@asynccontextmanager
async def _engine(
    folder: Path, simulator: CmppSimulator, *, first_id: int = 1001, **more: Any
) -> AsyncIterator[tuple[EngineRig, CmppFar]]:
    settings: dict[str, Any] = {
        "name": "sms",
        "host": "127.0.0.1",
        "port": simulator.port,
        "account": "901234",
        "secret": SecretStr("1234"),
        "service_id": "FZALERT",
        "src_id": "106980001234",
        "open_wait": 5,
    }
    config = CmppConfig(**settings | more)
    async with make_context() as context:
        far = CmppFar(config, context)
        rig = EngineRig(
            folder, far, limits=Limits(), connections=config.connections, first_id=first_id
        )
        async with rig:
            yield rig, far


def _in(sightings: list[Sighting], start: float, end: float, *results: int | None) -> int:
    return sum(start <= s.at < end and s.result in results for s in sightings)


async def _send(rig: EngineRig, count: int, *words: str, **kinds: Any) -> list[int]:
    """Accept messages and wait until each has one of these words."""
    ids = await rig.accept(count, **kinds)
    await rig.fates(ids, *words)
    return ids


async def test_the_rate_settles_below_the_gateways_limit_without_a_storm(tmp_path: Path) -> None:
    """A contract of 250 a second, a gateway that takes 150: × 0.7, then 2 % a second back."""
    log, tps = tmp_path / "log", 150.0
    knobs = Knobs(response_delay_ms=5, missing_share=1.0, tps=tps)
    urgent: list[float] = []
    async with (
        CmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, rate=250) as (rig, far),
    ):
        await rig.accept(1200)
        began = rig.clock.monotonic()
        for second in range(1, 5):
            await rig.clock.sleep(began + second - rig.clock.monotonic())
            at = rig.clock.monotonic()
            await _send(rig, 1, "sent", lane=Lane.URGENT, at_once=True)
            urgent.append(rig.clock.monotonic() - at)
        health = await far.gateways[-1].health()
    total, sightings = recount_with_texts(log)
    start = sightings[0].at
    steady = _in(sightings, start + 1, start + 4, 0) / 3
    assert 0.4 * tps <= steady <= tps + 1
    first = _in(sightings, start, start + 1, THROTTLED)
    later = [_in(sightings, start + n, start + n + 1, THROTTLED) for n in range(1, 4)]
    assert 0 < first <= 100
    assert max(later) <= 0.2 * tps, "it stays below the limit"
    assert total.duplicates == 0
    assert max(urgent) < 1.5, "urgent keeps its reserve"
    assert dict(health.figures)["throttled"] == total.throttled


async def test_throttled_texts_all_arrive_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=1, missing_share=1.0, tps=400)
    async with (
        CmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, rate=800) as (rig, _),
    ):
        await _send(rig, 300, "sent")
    total, _ = recount_with_texts(log)
    assert (total.accepted, total.distinct, total.duplicates) == (300, 300, 0)
    assert 0 < total.throttled < 300, "far fewer than a blind repetition"


async def test_overflow_told_by_reports_slows_the_channel_down(tmp_path: Path) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=1, report_delay_ms=20, tps=100, throttle_by="report")
    async with (
        CmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, rate=200) as (rig, far),
    ):
        ids = await rig.accept(200)
        outcomes = [await rig.fate(id_, "delivered", "undelivered", timeout=20) for id_ in ids]
        assert far.gateways[-1].capabilities.rate == 200
    lost = [one for one in outcomes if one.state is OutcomeState.FAILED]
    assert {(one.word, one.code) for one in lost} == {("undelivered", "MO:0008")}
    assert 0 < len(lost) < 90, "unslowed it were every second text"
    total, _ = recount_with_texts(log)
    assert (total.accepted, total.duplicates, total.throttled) == (200, 0, 0)


@pytest.mark.parametrize("version", ["3.0", "2.0"])
async def test_reports_on_any_of_several_connections_settle_their_texts(
    tmp_path: Path, version: str
) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=1, report_delay_ms=5, report_jitter_ms=20, early_share=0.3)
    async with (
        CmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, connections=3, version=version) as (rig, _),
    ):
        assert simulator.counts["logins"] == 3
        ids = await rig.accept(300)
        for outcome in await rig.fates(ids, "delivered"):
            assert outcome.state is OutcomeState.DELIVERED
        await simulator.until(lambda: simulator.unacknowledged == 0)
    total, sightings = recount_with_texts(log)
    assert (total.accepted, total.duplicates, total.undecodable) == (300, 0, 0)
    assert (total.reports_sent, total.reports_acknowledged) == (300, 300)
    assert len({sighting.connection for sighting in sightings}) == 3
    assert {one.version for one in total.connections} == {int(version[0])}
    delivering = [one.number for one in total.connections if one.delivers]
    assert delivering, "and it need not be the connection that sent the text"


async def test_two_of_three_connections_are_cut_and_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=2, report_delay_ms=5)
    async with (
        CmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, connections=3) as (rig, _),
    ):
        ids = await rig.accept(400)
        await simulator.until(lambda: simulator.counts["submits"] > 60)
        for connection in simulator.gateway.connections[:2]:
            connection.cut("the test cuts two of three")
        outcomes = await rig.fates(ids, "delivered", "unknown")
        await simulator.until(lambda: simulator.unacknowledged == 0)
    total, sightings = recount_with_texts(log)
    assert total.duplicates == 0
    seen = {"+86" + sighting.text.number for sighting in sightings}
    unknown = {o.target.address for o in outcomes if o.state is OutcomeState.UNKNOWN}
    delivered = {o.target.address for o in outcomes if o.state is OutcomeState.DELIVERED}
    assert len(unknown) <= 2 * 16, "what was out on the two, less what a report told"
    assert len(unknown | delivered) == 400
    assert delivered <= seen
    assert {o.word for o in outcomes} <= {"delivered", "unknown"}


@pytest.mark.parametrize("version", ["3.0", "2.0"])
async def test_the_report_of_another_process_text_is_matched(tmp_path: Path, version: str) -> None:
    """Sent by one run, reported to the next: on another connection, after a new login."""
    knobs = Knobs(response_delay_ms=1, missing_share=1.0)
    async with CmppSimulator(knobs) as simulator:
        async with _engine(tmp_path, simulator, version=version) as (rig, _):
            ids = await _send(rig, 5, "sent")
        texts = list(simulator.submits)
        for submit, msg_id, _ in texts:
            simulator.report(submit, msg_id, "DELIVRD")
        async with _engine(tmp_path, simulator, version=version, first_id=5001) as (rig, _):
            for outcome in await rig.fates(ids, "delivered"):
                assert outcome.state is OutcomeState.DELIVERED
            await simulator.until(lambda: simulator.unacknowledged == 0)


async def test_taken_without_an_id_is_held_in_bulk(tmp_path: Path) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=1, gives_ids=False)
    async with (
        CmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator) as (rig, _),
    ):
        ids = await rig.accept(10)
        for outcome in await rig.fates(ids, "unknown"):
            assert (outcome.state, outcome.code) == (OutcomeState.UNKNOWN, "0")
    total, _ = recount_with_texts(log)
    assert (total.accepted, total.duplicates) == (10, 0)


async def test_one_report_of_a_long_text_delivers_the_whole_message(tmp_path: Path) -> None:
    knobs = Knobs(response_delay_ms=1, report_delay_ms=5, report_parts="last")
    async with (
        CmppSimulator(knobs) as simulator,
        _engine(tmp_path, simulator, report_parts="last") as (rig, _),
    ):
        ids = await rig.accept(5, parts=3)
        for outcome in await rig.fates(ids, "delivered"):
            assert (outcome.state, outcome.parts) == (OutcomeState.DELIVERED, 3)
        assert simulator.counts["submits"] == 15
