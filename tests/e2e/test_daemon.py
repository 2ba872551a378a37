"""`fzalert run` as a process: ready, one owner, signals, systemd, and a whole warning."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE = 30.0
FZALERT = [sys.executable, "-m", "fzalert.cli"]

# A service whose drain never ends: what a second signal is for.
STUCK = """
import asyncio, sys
from contextlib import asynccontextmanager
from pathlib import Path
from fzalert.cli.logs import start_logging
from fzalert.config import read_settings
from fzalert.daemon import run
from fzalert.testing.service import FakeService

@asynccontextmanager
async def stuck(settings):
    yield FakeService()
    print("draining", flush=True)
    await asyncio.Event().wait()

settings = read_settings(Path(sys.argv[1]))
start_logging(settings.log)
asyncio.run(run(settings, open_service=stuck,
                ready=lambda found: print("ready", flush=True)))
"""


@dataclass
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


class House:
    """A folder with a configuration, and the processes that a test starts in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "fzalert.toml"

    def write(self, more: str = "", *, port: int = 0) -> None:
        self.config.write_text(
            f"[web]\nport = {port}\n[drill]\nenabled = true\n{more}", encoding="utf-8"
        )

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FZ")}
        return {**kept, "FZALERT_CONFIG": str(self.config), **(more or {})}

    @asynccontextmanager
    async def started(
        self, *words: str, env: Mapping[str, str] | None = None, program: list[str] | None = None
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(program or FZALERT),
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.env(env),
            cwd=self.folder,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def ran(self, *words: str, env: Mapping[str, str] | None = None) -> Ended:
        async with self.started(*words, env=env) as process:
            return await ended(process)

    async def approve(self, key: str) -> None:
        """Two persons of the house approve a script."""
        tokens: dict[str, str] = {}
        for name, role in (("author", "script_editor"), ("approver", "approver")):
            added = await self.ran("user", "add", name, "--role", role, "--json")
            assert added.code == 0, added
            tokens[name] = json.loads(added.out)["token"]
        env = {
            "FZALERT_TOKEN": tokens["author"],
            "FZALERT_APPROVER_TOKEN": tokens["approver"],
        }
        approved = await self.ran("scripts", "approve", key, "--json", env=env)
        assert json.loads(approved.out)["status"] == "approved", approved

    @asynccontextmanager
    async def running(
        self, env: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
        async with self.started("run", "--ready-json", env=env) as process:
            yield process, json.loads(await line_of(process))


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        line = await process.stdout.readline()
    if not line:
        raise AssertionError((await ended(process)).err)
    return line.decode()


async def ended(process: asyncio.subprocess.Process) -> Ended:
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Ended(process.returncode, out.decode(), err.decode())


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.write()
    return house


async def test_it_serves_answers_the_terminal_and_stops_in_order(house: House) -> None:
    async with house.running() as (process, ready):
        assert ready["ready"]
        assert ready["pid"] == process.pid
        async with httpx.AsyncClient(base_url=ready["web"]) as client:
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert "演练" in (await client.get("/")).text
        status = await house.ran("status", "--json")
        assert json.loads(status.out)["pid"] == process.pid
        assert json.loads(status.out)["web"] == ready["web"]
        process.send_signal(signal.SIGTERM)
        stopped = await ended(process)
    assert stopped.code == 0
    assert stopped.out == ""
    events = [json.loads(line)["event"] for line in stopped.err.splitlines()]
    assert events[-1] == "daemon.stopped"


async def test_a_second_daemon_is_told_who_owns_the_store(house: House) -> None:
    async with house.running():
        second = await house.ran("run")
    assert second.code == 8
    assert "[store-in-use]" in second.err


async def test_a_taken_port_is_named_with_the_next_step(house: House) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        house.write(port=port)
        refused = await house.ran("run")
    assert refused.code == 3
    assert f"port {port}" in refused.err
    assert "[web] port" in refused.err


async def test_it_stops_within_three_seconds_with_a_hundred_open_pages(house: House) -> None:
    loop = asyncio.get_running_loop()
    async with house.running() as (process, ready):
        url = httpx.URL(ready["web"])
        pages = [await asyncio.open_connection(url.host, url.port) for _ in range(100)]
        for _, writer in pages:
            writer.write(b"GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        for reader, _ in pages:
            await reader.readuntil(b"retry: 3000")
        asked = loop.time()
        process.send_signal(signal.SIGTERM)
        assert (await ended(process)).code == 0
        assert loop.time() - asked < 3
        for reader, writer in pages:
            assert b"event: bye" in await reader.read()
            writer.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(house: House, number: signal.Signals) -> None:
    program = [sys.executable, "-c", STUCK]
    async with house.started(str(house.config), program=program) as process:
        assert await line_of(process) == "ready\n"
        process.send_signal(number)
        assert await line_of(process) == "draining\n"
        process.send_signal(number)
        stopped = await ended(process)
    assert stopped.code == 130
    assert "stopped at once" in stopped.err


async def test_systemd_is_told_ready_alive_and_stopping(house: House) -> None:
    address = house.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.setblocking(False)
        loop = asyncio.get_running_loop()
        env = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "200000"}
        async with house.running(env) as (process, _), asyncio.timeout(PATIENCE):
            assert b"READY=1" in await loop.sock_recv(systemd, 4096)
            assert await loop.sock_recv(systemd, 4096) == b"WATCHDOG=1"
            assert await loop.sock_recv(systemd, 4096) == b"WATCHDOG=1"
            process.send_signal(signal.SIGTERM)
            while (word := await loop.sock_recv(systemd, 4096)) == b"WATCHDOG=1":
                pass
            assert word == b"STOPPING=1"
            assert (await ended(process)).code == 0


async def test_the_watchdog_is_not_fed_while_the_stores_writer_hangs(house: House) -> None:
    address = house.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.setblocking(False)
        loop = asyncio.get_running_loop()
        env = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "100000"}
        async with house.running(env), asyncio.timeout(PATIENCE):
            assert b"READY=1" in await loop.sock_recv(systemd, 4096)
            assert await loop.sock_recv(systemd, 4096) == b"WATCHDOG=1"
            with closing(sqlite3.connect(house.folder / "fzalert.db", isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                fed = 0
                with suppress(TimeoutError):  # forty times the pause between two
                    async with asyncio.timeout(2):
                        while await loop.sock_recv(systemd, 4096) == b"WATCHDOG=1":
                            fed += 1
                assert fed <= 1, "but for one that was on its way"
                db.execute("ROLLBACK")
            assert await loop.sock_recv(systemd, 4096) == b"WATCHDOG=1"


async def test_a_warning_goes_the_whole_way(house: House) -> None:
    secret = house.folder / "secret"
    secret.write_text("made-up-secret\n", encoding="utf-8")
    secret.chmod(0o600)
    words = ["simulate", "cmpp", "--port", "0", "--account", "901234", "--secret", "made-up-secret"]
    async with house.started(*words) as gateway:
        port = json.loads(await line_of(gateway))["port"]
        house.write(
            f"""
            [identity]
            sign = "城关支行"
            [[channel]]
            name = "cmpp-1"
            adapter = "sms.cmpp"
            host = "127.0.0.1"
            port = {port}
            account = "901234"
            secret = {{ file = "secret" }}
            service_id = "FZALERT"
            src_id = "10690000"
            signature = "城关支行"
            """
        )
        checked = await house.ran("check", "--online", "--json")
        assert checked.code == 0, checked
        async with house.running() as (process, _):
            refused = await house.ran("warn", "generic", "phone:13800138000")
            assert refused.code == 2
            assert "城关支行" in refused.out
            warn = ["warn", "generic", "phone:13800138000", "--yes", "--wait", "15s", "--json"]
            draft = await house.ran(*warn)
            assert (draft.code, draft.out) == (4, "")
            await house.approve("generic/general/1")
            sent = await house.ran(*warn)
            assert sent.code == 0, sent
            (target,) = json.loads(sent.out)["targets"]
            assert (target["state"], target["channel"]) == ("delivered", "cmpp-1")
            process.send_signal(signal.SIGTERM)
            assert (await ended(process)).code == 0
        gateway.send_signal(signal.SIGTERM)
        assert (await ended(gateway)).code == 0
