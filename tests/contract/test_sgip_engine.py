"""The engine over the SGIP channel: what an answer that was lost, or a kill, leaves behind.

What the gateway saw is counted from its log by the independent reader.
"""

import shutil
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
from fzalert.messages import Lane
from fzalert.ports import Adapter, AdapterContext
from fzalert.testing import make_context
from fzalert.testing.engine import EngineRig, FarSide
from fzalert.testing.parcels import number
from fzalert_sms.recount import recount_with_texts
from fzalert_sms.sgip import SgipConfig, SgipGateway
from fzalert_sms.sgip.knobs import Knobs
from fzalert_sms.sgip.side import SgipSide
from fzalert_sms.sgip.simulator import SgipSimulator


class SgipFar(FarSide):
    """Makes real channels for the rig; the gateway delivers to the newest listener."""

    def __init__(
        self, config: SgipConfig, context: AdapterContext, simulator: SgipSimulator
    ) -> None:
        super().__init__()
        self.config = config
        self.context = context
        self.simulator = simulator

    @override
    def make(self, slot: int, background: Background) -> Adapter:
        context = replace(self.context, background=background)
        simulator = self.simulator

        class Told(SgipGateway):
            @override
            async def __aenter__(self) -> "Told":
                await super().__aenter__()
                if self.listener is not None:
                    simulator.change(deliver_port=self.listener.port)
                return self

        return Told(self.config.model_copy(update={"slot": slot}), context)


@asynccontextmanager
async def _engine(
    folder: Path, simulator: SgipSimulator, *, limits: Limits | None = None, **more: Any
) -> AsyncIterator[EngineRig]:
    settings: dict[str, Any] = {
        "name": "sms",
        "host": "127.0.0.1",
        "port": simulator.port,
        "account": "fzalert",
        "secret": SecretStr("shared"),
        "node_id": 3053100123,
        "corp_id": "00123",
        "service_type": "FZALERT",
        "sp_number": "10655000",
        "listener": {
            "host": "127.0.0.1",
            "port": 0,
            "account": "gateway",
            "secret": SecretStr("shared"),
        },
        "open_wait": 5,
        "late_after": 0.3,
        "submit_timeout": 0.6,
    }
    config = SgipConfig(**settings | more)
    async with make_context() as context:
        far = SgipFar(config, context, simulator)
        rig = EngineRig(folder, far, limits=limits or Limits(), connections=config.connections)
        async with rig:
            yield rig


async def test_every_part_has_its_report_over_two_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=1, report_delay_ms=20, early_share=0.3, deliver_connections=3)
    async with (
        SgipSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, connections=2) as rig,
    ):
        await rig.fates(await rig.accept(200), "delivered")
        await simulator.until(lambda: simulator.unacknowledged == 0)
    total, _ = recount_with_texts(log)
    assert (total.accepted, total.distinct, total.duplicates) == (200, 200, 0)


async def test_a_report_settles_what_no_answer_did(tmp_path: Path) -> None:
    """Two texts to one person: only the sequence tells which one the report means."""
    knobs = Knobs(response_delay_ms=0, drop_share=1.0, report_delay_ms=900)
    async with (
        SgipSimulator(knobs) as simulator,
        _engine(tmp_path, simulator, limits=Limits(unknown_wait_ms=60_000)) as rig,
    ):
        ids = await rig.accept(lane=Lane.BULK, targets=[number(5)] * 3)
        await rig.fates(ids, "unknown")
        await rig.fates(ids, "delivered")


async def test_bulk_goes_out_again_by_itself_where_the_gateway_promised(tmp_path: Path) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=0, drop_share=1.0, missing_share=1.0)
    async with (
        SgipSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, gateway_deduplicates=True) as rig,
    ):
        await rig.fates(await rig.accept(5), "sent")
        side = simulator.gateway.side
        assert isinstance(side, SgipSide)
        assert side.repeats >= 5
        assert simulator.counts["accepted"] == 5, "the gateway took a text twice"


@pytest.mark.parametrize("answer", [0, 9])
async def test_an_urgent_text_goes_out_once_more_as_the_same_one(
    tmp_path: Path, answer: int
) -> None:
    knobs = Knobs(response_delay_ms=0, drop_share=1.0, missing_share=1.0, answers_repeats=answer)
    limits = Limits(unknown_wait_ms=50)
    async with (
        SgipSimulator(knobs) as simulator,
        _engine(tmp_path, simulator, limits=limits) as rig,
    ):
        await rig.fates(await rig.accept(3, lane=Lane.URGENT), "sent")
        side = simulator.gateway.side
        assert isinstance(side, SgipSide)
        assert (side.repeats, simulator.counts["accepted"]) == (3, 3)


async def test_a_report_finds_what_a_process_that_died_left(tmp_path: Path) -> None:
    """The second engine runs on what the disk held while the first had four parts out."""
    knobs = Knobs(response_delay_ms=0, drop_share=1.0, missing_share=1.0)
    patient: dict[str, Any] = {"late_after": 30, "submit_timeout": 30, "close_within": 0}
    alive, dead = tmp_path / "alive", tmp_path / "dead"
    alive.mkdir()
    async with SgipSimulator(knobs) as simulator:
        async with _engine(alive, simulator, **patient) as rig:
            ids = await rig.accept(lane=Lane.BULK, targets=[number(5)] * 4)
            await simulator.until(lambda: len(simulator.submits) == 4)
            shutil.copytree(alive, dead)
            simulator.cut()  # so that the first one need not wait for answers
        async with _engine(dead, simulator, **patient) as rig:
            await rig.fates(ids, "unknown")
            for submit, carrier_id, _ in simulator.submits[:2]:
                simulator.report(submit, carrier_id, "DELIVRD")
            await simulator.until(lambda: simulator.counts["acknowledged"] == 2)
            words = [(await rig.fate(id_, "unknown", "delivered")).word for id_ in ids]
    assert sorted(words) == ["delivered", "delivered", "unknown", "unknown"]
