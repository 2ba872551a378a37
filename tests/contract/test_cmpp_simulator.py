"""The simulated gateway's faults, seen by our own channel and counted by the independent reader."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typing_extensions import override

from fzalert.messages import Coding, Lane, ReceiptKind, SmsText, phone
from fzalert.ports import Submission
from fzalert.testing import SCRIPT, RecordingWire, make_context
from fzalert_sms.carrier.simulator import SimulatorResult
from fzalert_sms.cmpp import CmppConfig, CmppGateway
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import COMMANDS, CmppSimulator, serve
from fzalert_sms.recount import Recount, recount

both_versions = pytest.mark.parametrize("version", ["3.0", "2.0"])
TEXT = SmsText(("反诈中心提醒：请勿转账。",), Coding.UCS2, SCRIPT)


def _config(port: int, **more: Any) -> CmppConfig:
    settings: dict[str, Any] = {
        "name": "cmpp-1",
        "host": "127.0.0.1",
        "port": port,
        "account": "901234",
        "secret": SecretStr("1234"),
        "service_id": "FZALERT",
        "src_id": "106980001234",
        "late_after": 0.5,
        "open_wait": 5,
    }
    return CmppConfig(**settings | more)


async def _play(
    knobs: Knobs,
    log: Path,
    count: int,
    *,
    reports: bool = False,
    seed: int = 0,
    version: str = "3.0",
) -> tuple[list[ReceiptKind], Recount]:
    """Send `count` texts until each has a fate other than channel_down; then recount."""
    wire = RecordingWire()
    batch = [
        Submission(n, 0, Lane.BULK, phone(f"138{n:08d}"), TEXT, 2**62) for n in range(1, 1 + count)
    ]
    async with (
        make_context(seed=seed) as context,
        CmppSimulator(knobs, log=log, seed=seed) as simulator,
        CmppGateway(_config(simulator.port, version=version), context) as gateway,
    ):
        todo = list(batch)
        async with asyncio.timeout(20):
            while todo:
                await gateway.submit(todo, wire)
                wire.check()
                again = {ReceiptKind.CHANNEL_DOWN, ReceiptKind.THROTTLED}
                todo = [s for s in todo if wire.receipts[s.id, 0].kind in again]
                wire.forget(todo)
                if todo:
                    await context.clock.sleep(0.02)
            inbound = gateway.inbound()
            while reports and simulator.unacknowledged:
                rows = await anext(inbound)
                rows.acknowledge()
                await asyncio.sleep(0.01)
    kinds = [kind for kind in wire.fates(batch) if kind is not None]
    assert len(kinds) == count
    total = recount(log)
    assert {one.version for one in total.connections} == {int(version[0])}
    return kinds, total


@both_versions
async def test_cut_links_lose_nothing_and_double_nothing(tmp_path: Path, version: str) -> None:
    knobs = Knobs(response_delay_ms=5, missing_share=1.0, kill_after=20, kills=3)
    kinds, total = await _play(knobs, tmp_path / "log", 120, version=version)
    assert total.duplicates == 0
    assert kinds.count(ReceiptKind.SENT) == total.accepted == total.distinct_accepted
    assert set(kinds) == {ReceiptKind.SENT, ReceiptKind.UNKNOWN}
    assert total.unanswered <= kinds.count(ReceiptKind.UNKNOWN) <= 3 * 16
    assert len(total.connections) == 4
    assert total.max_unanswered <= 16


async def test_a_gateway_that_leaves_again_and_again_is_followed(tmp_path: Path) -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, leave_after=30)
    kinds, total = await _play(knobs, tmp_path / "log", 100)
    assert total.duplicates == 0
    assert len(total.connections) >= 3
    assert kinds.count(ReceiptKind.SENT) <= total.accepted


@both_versions
async def test_throttling_delays_and_doubles_nothing(tmp_path: Path, version: str) -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, tps=400)
    kinds, total = await _play(knobs, tmp_path / "log", 100, version=version)
    assert kinds == [ReceiptKind.SENT] * 100
    assert (total.accepted, total.duplicates) == (100, 0)
    assert total.throttled > 0


async def test_the_same_numbers_are_always_rejected(tmp_path: Path) -> None:
    knobs = Knobs(response_delay_ms=0, missing_share=1.0, rejects=((0.2, 13), (0.1, 10)))
    kinds, total = await _play(knobs, tmp_path / "log", 200)
    again, second = await _play(knobs, tmp_path / "again", 200)
    other, _ = await _play(knobs, tmp_path / "other", 200, seed=1)
    assert kinds == again != other
    assert total.results == second.results
    assert set(total.results) == {0, 10, 13}
    assert 20 <= total.results[13] <= 60


@both_versions
async def test_reports_of_all_manners_arrive_and_are_acknowledged(
    tmp_path: Path, version: str
) -> None:
    knobs = Knobs(
        response_delay_ms=1,
        report_delay_ms=1,
        report_jitter_ms=10,
        early_share=0.25,
        twice_share=0.25,
        late_share=0.25,
        late_ms=100,
    )
    _, total = await _play(knobs, tmp_path / "log", 80, reports=True, version=version)
    assert (total.reports_sent, total.reports_acknowledged) == (80, 80)
    assert sum(total.stats.values()) == 80
    assert set(total.stats) <= {"DELIVRD", "UNDELIV"}
    assert total.reports_repeated > 0
    assert max(one.max_delivers for one in total.connections) <= 16


async def test_no_frame_leaves_before_it_is_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with CmppSimulator(Knobs(response_delay_ms=0), log=log) as simulator, make_context() as c:
        async with CmppGateway(_config(simulator.port), c) as gateway:
            wire = _CheckingWire(log)
            await gateway.submit(
                [Submission(1, 0, Lane.BULK, phone("13800138000"), TEXT, 2**62)], wire
            )
        assert wire.seen == [(1, 1)]


class _CheckingWire(RecordingWire):
    """Reads the log at the moment the answer arrives."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log
        self.seen: list[tuple[int, int]] = []

    @override
    def settle(self, id: int, part: int, receipt: Any) -> None:
        total = recount(self.log)
        self.seen.append((total.submits, total.accepted))
        super().settle(id, part, receipt)


async def test_the_command_runs_until_it_is_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert COMMANDS.name == "cmpp"
    assert [command.run for command in COMMANDS.commands] == [serve]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        task = group.create_task(serve(port=0, log=tmp_path / "log"))
        out = ""
        while not out:
            await asyncio.sleep(0)
            out = capsys.readouterr().out
        port = json.loads(out)["port"]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        os.kill(os.getpid(), signal.SIGINT)
        result = await task
        writer.close()
    assert result == SimulatorResult(port, 0, 0, 0, 0, 0, 0, 0)
