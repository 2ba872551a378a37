"""The engine over the SMPP channel and the simulated centre: one text, one fate, nothing twice.

What the centre saw is counted from its log by the independent reader.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
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
from fzalert_sms.recount import recount_with_texts
from fzalert_sms.smpp import SmppConfig, SmppGateway
from fzalert_sms.smpp.knobs import Knobs
from fzalert_sms.smpp.simulator import SmppSimulator


class SmppFar(FarSide):
    """Makes real channels for the rig, all in the engine's own background."""

    def __init__(self, config: SmppConfig, context: AdapterContext) -> None:
        super().__init__()
        self.config = config
        self.context = context

    @override
    def make(self, slot: int, background: Background) -> Adapter:
        context = replace(self.context, background=background)
        return SmppGateway(self.config.model_copy(update={"slot": slot}), context)


@asynccontextmanager
async def _engine(folder: Path, simulator: SmppSimulator, **more: Any) -> AsyncIterator[EngineRig]:
    settings: dict[str, Any] = {
        "name": "sms",
        "host": "127.0.0.1",
        "port": simulator.port,
        "account": "fzalert",
        "secret": SecretStr("secret08"),
        "source_addr": "10690001",
        "open_wait": 20,
        "late_after": 20,
    }
    config = SmppConfig(**settings | more)
    async with make_context() as context:
        rig = EngineRig(
            folder,
            SmppFar(config, context),
            limits=Limits(),
            connections=config.connections,
            first_id=1001,
        )
        async with rig:
            yield rig


@pytest.mark.parametrize("bind", ["trx", "apart"])
async def test_every_text_has_its_fate_whenever_and_on_whichever_line_its_receipt_comes(
    tmp_path: Path, bind: str
) -> None:
    """Answers in hexadecimal, receipts in decimal; a third of them before the answer."""
    log = tmp_path / "log"
    knobs = Knobs(
        response_delay_ms=10,
        report_delay_ms=0,
        early_share=0.34,
        twice_share=0.33,
        message_ids="hex",
        receipt_ids="decimal",
    )
    more = {"bind": bind, "connections": 2, "message_id": "hex_to_dec"}
    async with (
        SmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, **more) as rig,
    ):
        ids = await rig.accept(200)
        await rig.fates(ids, "delivered")
        await simulator.until(lambda: simulator.unacknowledged == 0, 20)
    total, _ = recount_with_texts(log)
    assert (total.accepted, total.distinct, total.duplicates) == (200, 200, 0)
    assert total.logins == (3 if bind == "apart" else 2)
    assert total.undecodable == 0


async def test_throttled_texts_all_arrive_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=1, missing_share=1.0, tps=400)
    async with (
        SmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator, rate=800) as rig,
    ):
        await rig.fates(await rig.accept(300), "sent")
    total, _ = recount_with_texts(log)
    assert (total.accepted, total.distinct, total.duplicates) == (300, 300, 0)
    assert 0 < total.throttled < 300, "far fewer than a blind repetition"


async def test_a_congested_centre_gets_bulk_in_portions_and_an_urgent_warning_at_once(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, congestion=95)
    async with (
        SmppSimulator(knobs, log=log) as simulator,
        _engine(tmp_path, simulator) as rig,
    ):
        bulk = await rig.accept(24)
        await simulator.until(lambda: simulator.counts["accepted"] >= 10, 20)
        urgent = await rig.accept(1, lane=Lane.URGENT, at_once=True)
        await rig.fates(urgent, "sent")
        for id_ in bulk:
            await rig.fate(id_, "sent", timeout=30)
    total, sightings = recount_with_texts(log)
    assert (total.accepted, total.duplicates) == (25, 0)
    moments = [sighting.at for sighting in sightings]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert max(gaps) > 0.5, "bulk made a pause"
