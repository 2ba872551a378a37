"""The simulated gateway as a CMPP 2.0 client sees it that is not ours: pycmpp.

It runs in a process of its own, keeps its connection, cuts long texts itself, and answers
ACTIVE_TEST with three octets more than it announces.
"""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.simulator import CmppSimulator
from fzalert_sms.recount import recount_with_texts

CLIENT = """
import logging, sys, threading
from pycmpp.cmpp import Cmpp

host, port, secret, texts = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
answers = threading.Semaphore(0)

class Told(logging.Handler):
    def emit(self, record):
        words = record.getMessage()
        if words.startswith(("发送成功", "发送失败", "短信网关连接")):
            print("TOLD", words, flush=True)
            answers.release()

logger = logging.getLogger("pycmpp")
logger.addHandler(Told())
logger.setLevel(logging.INFO)
client = Cmpp(host, port, "901234", secret, "106980001234", client_heartbeat=False)
client.connect()
threading.Thread(target=client.receive, daemon=True).start()
client.auth()
if not answers.acquire(timeout=10):
    sys.exit("no answer to the login")
for n, text in enumerate(texts):
    client.submit(text, ["1380000%04d" % n])
    for _ in range(1 if len(text) < 70 else -(-len(text) // 64)):
        if not answers.acquire(timeout=10):
            sys.exit("no answer to a text")
client.disconnect()
"""
LONG = "反诈中心提醒：" + "请勿向陌生账户转账。" * 13


async def _client(port: int, secret: str, *texts: str) -> tuple[int | None, list[str], str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, "127.0.0.1", str(port), secret, *texts,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = [line for line in out.decode().splitlines() if line.startswith("TOLD")]
    return process.returncode, told, err.decode()


@pytest.mark.parametrize("layout", ["auto", "2.0"])
async def test_a_foreign_2_0_client_logs_in_and_submits(tmp_path: Path, layout: str) -> None:
    log = tmp_path / "log"
    knobs = Knobs(layout="2.0" if layout == "2.0" else "auto", missing_share=1.0)
    async with CmppSimulator(knobs, log=log) as simulator:
        code, told, err = await _client(simulator.port, "1234", "反诈提醒：请勿转账", LONG)
        await simulator.until(lambda: not simulator.gateway.connections)
    assert code == 0, err
    assert told[0] == "TOLD 短信网关连接成功"
    assert sum("发送成功" in line for line in told) == 4
    total, sightings = recount_with_texts(log)
    assert (total.logins, total.submits, total.accepted, total.duplicates) == (1, 4, 4, 0)
    assert (total.undecodable, total.unanswered) == (0, 0)
    assert [one.version for one in total.connections] == [2]
    assert sightings[0].text.text == "反诈提醒：请勿转账"
    parts = [s.text for s in sightings[1:]]
    assert [(p.part, p.parts) for p in parts] == [(1, 3), (2, 3), (3, 3)]
    assert "".join(p.text for p in parts) == LONG
    # What the client read of our answers and what the reader found agree.
    ids = [int(line.rpartition("msg_id: ")[2]) for line in told[1:]]
    assert ids == [int(sighting.msg_id, 16) for sighting in sightings]


async def test_a_foreign_2_0_client_with_a_wrong_secret_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with CmppSimulator(log=log) as simulator:
        _, told, _ = await _client(simulator.port, "guess")
    assert told == ["TOLD 短信网关连接失败; status: 3"]
    total, _ = recount_with_texts(log)
    assert (total.logins, total.refused_logins) == (0, 1)


async def test_a_foreign_2_0_client_is_throttled_and_rejected_as_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with CmppSimulator(log=log) as simulator:
        simulator.gateway.next_answers.extend([8, 10])
        _, told, err = await _client(simulator.port, "1234", "一", "二", "三")
        await simulator.until(lambda: not simulator.gateway.connections)
    assert [line.rpartition("; ")[2].startswith("error") for line in told[1:]] == [
        True, True, False,
    ], err  # fmt: skip
    assert recount_with_texts(log)[0].results == {0: 1, 8: 1, 10: 1}


async def test_a_client_that_writes_more_than_it_announces_harms_nobody_else(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    knobs = Knobs(response_delay_ms=400, keep_alive=0.05, missing_share=1.0)
    async with CmppSimulator(knobs, log=log) as simulator:
        going = asyncio.ensure_future(_client(simulator.port, "1234", "一", "二"))
        await simulator.until(
            lambda: bool(simulator.submits) and not simulator.gateway.connections, 20
        )
        simulator.change(response_delay_ms=0, keep_alive=30)
        code, told, err = await _client(simulator.port, "1234", "三")
        assert (code, len(told)) == (0, 2), err
        going.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going
    total, _ = recount_with_texts(log)
    first, second = total.connections
    assert "framing lost" in first.reason
    assert (first.unanswered, second.unanswered, total.accepted) == (1, 0, 1)
