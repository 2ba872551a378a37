"""The simulated gateway as others see it: a CMPP client that is not ours, a process of its own.

The client is cmppy, which speaks 3.0 and reads each answer with two `recv` calls.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import fzalert_sms.recount as module
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import recount, recount_with_texts

READER = Path(module.__file__).read_bytes()
CLIENT = """
import sys
from cmppy import Cmppy, SubmitReq
host, port, secret, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
for n in range(count):
    request = SubmitReq("901234", "反诈提醒%d：请勿转账" % n, dest_terminal_id=["1380000%04d" % n])
    answer = Cmppy(host, port, "901234", secret).request(request)
    if answer is None:
        sys.exit("refused")
    print("RESULT", answer.result, answer.msg_id)
"""


@asynccontextmanager
async def _simulator(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fzalert_sms.cmpp.simulator", "--port", "0", *options,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            ready: dict[str, Any] = json.loads(await process.stdout.readline())
        assert ready["ready"] is True
        yield process, ready["port"]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            await process.wait()


async def _client(port: int, secret: str, count: int) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, "127.0.0.1", str(port), secret, str(count),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("layout", ["auto", "3.0"])
async def test_a_foreign_client_logs_in_and_submits(tmp_path: Path, layout: str) -> None:
    log = tmp_path / "log"
    async with _simulator("--log", str(log), "--layout", layout) as (_, port):
        code, out, err = await _client(port, "1234", 5)
    assert code == 0, err
    lines = [line.split() for line in out.splitlines() if line.startswith("RESULT")]
    assert [line[1] for line in lines] == ["0"] * 5
    total, sightings = recount_with_texts(log)
    assert (total.logins, total.submits, total.accepted, total.duplicates) == (5, 5, 5, 0)
    assert (total.undecodable, total.unanswered, len(total.connections)) == (0, 0, 5)
    # What the client wrote, what our simulator answered, and what the reader found agree.
    assert [(s.text.number, s.text.text) for s in sightings] == [
        (f"1380000{n:04d}", f"反诈提醒{n}：请勿转账") for n in range(5)
    ]
    assert [str(int(s.msg_id, 16)) for s in sightings] == [line[2] for line in lines]


async def test_a_foreign_client_with_a_wrong_secret_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _simulator("--log", str(log)) as (_, port):
        code, _, err = await _client(port, "guess", 1)
    assert code == 1
    assert "refused" in err
    total = recount(log)
    assert (total.logins, total.refused_logins, total.submits) == (0, 1, 0)


async def test_a_foreign_client_is_throttled_and_rejected_as_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _simulator("--log", str(log), "--reject", "1.0:10") as (_, port):
        code, out, err = await _client(port, "1234", 2)
    assert code == 0, err
    assert out.count("RESULT 10 0") == 2
    assert recount(log).results == {10: 2}


async def test_the_simulator_outlives_a_client_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with CmppSimulator(Knobs(response_delay_ms=60_000), log=log) as simulator:
        killed = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, "127.0.0.1", str(simulator.port), "1234", "1",
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await simulator.until(lambda: simulator.counts["submits"] == 1, 20)
        killed.kill()
        await killed.wait()
        await simulator.until(lambda: not simulator.gateway.connections)
        simulator.change(response_delay_ms=0)
        code, _, err = await _client(simulator.port, "1234", 1)
        assert code == 0, err
    total = recount(log)
    assert (total.submits, total.unanswered, total.accepted) == (2, 1, 1)
    assert [one.unanswered for one in total.connections] == [1, 0]


async def test_the_counts_at_the_end_are_those_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _simulator("--log", str(log), "--tps", "1") as (process, port):
        await _client(port, "1234", 4)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        async with asyncio.timeout(10):
            counts = json.loads(await process.stdout.readline())
    total = recount(log)
    assert counts["submits"] == total.submits == 4
    assert counts["accepted"] == total.accepted
    assert counts["throttled"] == total.throttled > 0


async def test_the_reader_runs_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with _simulator("--log", str(log)) as (_, port):
        await _client(port, "1234", 1)
    copy = tmp_path / "reader.py"
    copy.write_bytes(READER)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(copy), str(log), "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert json.loads(out)["accepted"] == 1
