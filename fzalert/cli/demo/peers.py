"""The far sides of the demo, each a process of its own: carrier, mail server, sound, webhook.

Nothing of them is needed to use fzalert; they stand in for a carrier's gateway, a bank's mail
server and the amplifier at the ATM.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from typing_extensions import override

from fzalert.errors import FzalertError

START_WITHIN = 20.0
SINK = "atm_area"
RATE = 48_000


class PeerFailed(FzalertError):
    """A process of the demo did not start."""

    code = "demo-peer"


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(
    *command: str, log: Path, env: Mapping[str, str] | None = None, pipe: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run one process until the block ends; its words go to a log file."""
    with log.open("ab") as sink:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if pipe else sink,
            stderr=sink,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        yield child
    finally:
        await stop(child)


async def stop(child: asyncio.subprocess.Process, within: float = 15.0) -> None:
    """Ask a process to end, and end it if it does not."""
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(within):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


@asynccontextmanager
async def carrier(log: Path, frames: Path, secret: str, seed: int) -> AsyncIterator[int]:
    """A simulated CMPP gateway that throttles, refuses some, and reports early, late and twice."""
    knobs = [
        "--port=0",
        f"--log={frames}",
        f"--seed={seed}",
        f"--account=901234:{secret}",
        "--window=64",
        # At the rate below some 50 parts are unanswered at any moment: a kill finds a full window.
        "--response-delay-ms=45",
        "--tps=1200",
        "--reject=0.008:13",
        "--failing-share=0.012",
        "--report-delay-ms=300",
        "--report-jitter-ms=600",
        "--early-share=0.03",
        "--twice-share=0.03",
        "--late-share=0.02",
        "--late-ms=2500",
        "--redeliver-after=5",
    ]
    command = (sys.executable, "-m", "fzalert_sms.cmpp.simulator", *knobs)
    async with process(*command, log=log, pipe=True) as child:
        yield int(str((await first_line(child, "the simulated carrier"))["port"]))


async def first_line(child: asyncio.subprocess.Process, what: str) -> dict[str, object]:
    """The JSON line by which a process says that it serves.

    Raises:
        PeerFailed: It ended, or said nothing in time.
    """
    assert child.stdout is not None  # noqa: S101  started with a pipe
    try:
        async with asyncio.timeout(START_WITHIN):
            line = await child.stdout.readline()
    except TimeoutError:
        line = b""
    if not line:
        raise PeerFailed(f"{what} did not start.", hint="Its log lies in the demo's folder.")
    found = json.loads(line)
    if not isinstance(found, dict):
        raise PeerFailed(f"{what} said something else than expected.")
    return found


@asynccontextmanager
async def mail_server(log: Path, folder: Path) -> AsyncIterator[int]:
    """A mail server (aiosmtpd) that keeps what it takes as files."""
    port = free_port()
    folder.mkdir(parents=True)
    command = (
        sys.executable,
        "-m",
        "aiosmtpd",
        "-n",
        "-c",
        "aiosmtpd.handlers.Mailbox",
        str(folder / "box"),
        "-l",
        f"127.0.0.1:{port}",
    )
    async with process(*command, log=log):
        await answers(port, "the mail server")
        yield port


async def answers(port: int, what: str) -> None:
    """Wait until something listens on a port. Raises `PeerFailed`."""
    try:
        async with asyncio.timeout(START_WITHIN):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                return
    except TimeoutError:
        raise PeerFailed(f"{what} did not start.") from None


@dataclass(slots=True)
class WebhookServer:
    """Takes signed posts and checks them.

    Attributes:
        port: Where it listens.
        posts: The bodies whose signature was right.
        forged: How many were not.
    """

    port: int
    posts: list[dict[str, object]] = field(default_factory=list)
    forged: int = 0


@asynccontextmanager
async def webhook_server(secret: str) -> AsyncIterator[WebhookServer]:
    """An HTTP server that takes the group post and verifies its HMAC."""
    kept = WebhookServer(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if verified(dict(self.headers.items()), body, secret):
                kept.posts.append(json.loads(body))
                self.send_response(204)
            else:
                kept.forged += 1
                self.send_response(401)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()


def verified(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Check the signature as a receiver would: HMAC-SHA256 over `timestamp.nonce.body`."""
    signed = f"{headers.get('Fz-Timestamp')}.{headers.get('Fz-Nonce')}.".encode() + body
    right = "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right, headers.get("Fz-Signature", ""))


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound server with one sink that leads nowhere, and its recording.

    Attributes:
        server: What PULSE_SERVER must be.
        raw: The recording: 48 kHz, one channel, 16 bit.
    """

    server: str
    raw: Path


@asynccontextmanager
async def sound(log: Path, folder: Path) -> AsyncIterator[Sound | None]:
    """Start a sound server and record its sink; None where there is no PulseAudio."""
    if shutil.which("pulseaudio") is None or shutil.which("parec") is None:
        yield None
        return
    folder.mkdir(parents=True)
    address = folder / "pulse.sock"
    raw = folder / "atm-area.raw"
    env = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PULSE_RUNTIME_PATH": str(folder)}
    modules = [
        f"module-null-sink sink_name={SINK} rate={RATE} channels=1 format=s16le",
        f"module-native-protocol-unix auth-anonymous=1 socket={address}",
    ]
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    command += [word for module in modules for word in ("-L", module)]
    async with process(*command, log=log, env=env):
        await exists(address)
        record = [
            "parec",
            f"--server=unix:{address}",
            f"--device={SINK}.monitor",
            "--raw",
            f"--rate={RATE}",
            "--channels=1",
            "--format=s16le",
            "--latency-msec=50",
            str(raw),
        ]
        async with process(*record, log=log, env=env):
            yield Sound(f"unix:{address}", raw)


async def exists(path: Path) -> None:
    """Wait until a file is there. Raises `PeerFailed`."""
    try:
        async with asyncio.timeout(START_WITHIN):
            while not path.exists():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise PeerFailed(f"{path.name} did not appear.") from None


async def output_of(command: Sequence[str]) -> str:
    """Run a command to its end and give what it printed. Raises `PeerFailed`."""
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await child.communicate()
    if child.returncode:
        raise PeerFailed(f"{command[2]} failed: {err.decode(errors='replace')[-300:]}")
    return out.decode()
