"""Desks of many banks in a process of their own: `python -m bench.common.desks FOLDER N SEED`.

Each is an asyncio server behind mutual TLS. It acknowledges a package after a time of its
own, 50 to 500 ms by the seed, signed as the protocol says, and holds questions for answers open. It
prints its ports first and then a line for each package: the desk, the application, and when it was
acknowledged by the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import IO

from fzalert.access.keys import KeySigner
from fzalert.evidence import canonical

__all__ = ["DESK", "Notified", "desks"]

DESK = KeySigner.from_seed(bytes([7]) * 32)
"""What every desk signs with."""
SLOWEST = (0.05, 0.5)
_DOMAIN = "fz-receipt-v1"


class Notified:
    """What the desks' process says.

    Args:
        out: Its standard output.

    Attributes:
        ports: Of the desks.
        latencies: Of each, seconds.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        said = json.loads(out.readline())
        self.ports: list[int] = said["ports"]
        self.latencies: list[float] = said["latencies"]

    def when(self, many: int) -> list[float]:
        """Wait for so many acknowledgements, and tell when each left, in order."""
        return [float(json.loads(self._out.readline())["at"]) for _ in range(many)]


@contextmanager
def desks(folder: Path, many: int, seed: int) -> Iterator[Notified]:
    """Run them; `ca.pem`, `ca-server.pem` and its key lie in the folder."""
    words = [sys.executable, "-m", "bench.common.desks", str(folder), str(many), str(seed)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  ours
        assert child.stdout is not None  # noqa: S101  a pipe was asked for
        try:
            yield Notified(child.stdout)
        finally:
            child.terminate()


async def _serve(folder: Path, many: int, seed: int) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "ca-server.pem", folder / "ca-server.key")
    chance = Random(seed)  # noqa: S311  seeded chance is wanted
    latencies = [chance.uniform(*SLOWEST) for _ in range(many)]
    servers = []
    for number, latency in enumerate(latencies):

        async def talk(
            reader: asyncio.StreamReader,
            writer: asyncio.StreamWriter,
            number: int = number,
            latency: float = latency,
        ) -> None:
            try:
                while await _one(reader, writer, number, latency):
                    pass
            except (OSError, asyncio.IncompleteReadError):
                pass  # the far side is gone
            finally:
                writer.close()

        servers.append(await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context, backlog=256))
    _say({"ports": [s.sockets[0].getsockname()[1] for s in servers], "latencies": latencies})
    await asyncio.Event().wait()


async def _one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, latency: float
) -> bool:
    """Answer one request; whether another may come."""
    head = await reader.readuntil(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    named = dict(one.lower().split(": ", 1) for one in fields if ": " in one)
    method, path, _ = line.split(" ")
    body = await reader.readexactly(int(named.get("content-length", "0")))
    if method == "GET":
        wait = float(path.rpartition("wait=")[2] or 0)
        await asyncio.sleep(wait)
        said = canonical({"store": "bench", "last": 0, "items": []})
        _write(writer, said)
        await writer.drain()
        return True
    application = str(json.loads(body)["application_id"])
    await asyncio.sleep(latency)
    document = canonical(
        {
            "acknowledges": application,
            "at": "2026-11-24T08:00:00Z",
            "desk": str(number),
            "document": "instruction",
            "sha256": hashlib.sha256(body).hexdigest(),
        }
    )
    signature = DESK.sign(_DOMAIN, document).hex()
    signed = {"document": document.decode(), "key_id": DESK.key_id, "signature": signature}
    _write(writer, canonical({**signed}))
    await writer.drain()
    _say({"desk": number, "application": application, "at": time.monotonic()})
    return True


def _write(writer: asyncio.StreamWriter, body: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b"\r\n" + body)


def _say(words: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
