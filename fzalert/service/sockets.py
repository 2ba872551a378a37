"""The local socket: other processes of the same user speak to the owner of the store.

One JSON object a line. The owner greets with its protocol version; a request is
`{"id", "call", "args"}`, its answer `{"id", "ok"}` or `{"id", "error"}`. The socket's file belongs
to the owner alone (0600), so whoever can connect is the same operating-system user.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import stat
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fzalert.background import Background
from fzalert.errors import ListenError
from fzalert.log import get_logger
from fzalert.service.calls import Calls, Request

if TYPE_CHECKING:
    from fzalert.service.core import Service

log = get_logger("fzalert.service")

PROTOCOL = 1
LONGEST_LINE = 1_048_576
LONGEST_ANSWER = 64 * LONGEST_LINE
"""What a client reads at most: a page of warnings or a campaign with its refused rows is long."""
LONGEST_PATH = 100
MOST_AT_ONCE = 64
BACKLOG = 128
SHORT_FOLDER = Path("/tmp")  # noqa: S108  the same for every process of the user, whatever TMPDIR is


def socket_path(store: Path) -> Path:
    """Where the socket of a store lies: beside it, or in the system's folder for short names."""
    beside = store.with_name(f"{store.name}.sock")
    if len(os.fsencode(beside)) <= LONGEST_PATH:
        return beside
    name = hashlib.sha256(os.fsencode(store)).hexdigest()[:20]
    return SHORT_FOLDER / f"fzalert-{os.getuid()}-{name}.sock"


def is_ours(path: Path) -> bool:
    """Whether what lies there is a socket of this user: no other is told a token."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid in {os.getuid(), 0}


class LocalSocket:
    """Serves one service on one socket file.

    Args:
        path: The file.
        service: Who answers.
    """

    def __init__(self, path: Path, service: Service) -> None:
        self.path = path
        self._calls = Calls(service)
        self._talks = Background(_talk_crashed)
        self._server: asyncio.AbstractServer | None = None

    async def open(self) -> None:
        """Listen. The store's lock proves that a socket file that lies there is nobody's.

        Raises:
            ListenError: The file cannot be made.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.unlink(missing_ok=True)
            listener.bind(str(self.path))
            self.path.chmod(0o600)  # before it listens: until then nobody can connect
            self._server = await asyncio.start_unix_server(
                self._welcome, sock=listener, limit=LONGEST_LINE, backlog=BACKLOG
            )
        except OSError as error:
            listener.close()
            raise ListenError(
                f"The local socket {self.path.name} cannot be made ({error.strerror}).",
                hint=f"Let this account write in {self.path.parent.name or '/'}.",
            ) from error

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def talk() -> None:
            try:
                await _converse(self._calls, reader, writer)
            finally:
                writer.close()

        try:
            _ = self._talks.once("socket.talk", talk)
        except RuntimeError:
            writer.close()  # it came while we close

    async def close(self) -> None:
        """Stop listening and end every conversation."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        with contextlib.suppress(OSError):
            self.path.unlink()
        await self._talks.close()


def _talk_crashed(name: str, error: Exception) -> timedelta:
    log.warning("socket.talk_failed", work=name, error=type(error).__name__)
    return timedelta(0)


async def _converse(
    calls: Calls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one connection until it ends; requests are answered side by side.

    When the other side is gone, what it waited for is given up and what it ordered is finished.
    """
    writer.write(_line({"fzalert": PROTOCOL, "pid": os.getpid()}))
    writing = asyncio.Lock()
    room = asyncio.Semaphore(MOST_AT_ONCE)
    waits: set[asyncio.Task[None]] = set()

    async def answer(request: Request) -> None:
        try:
            reply = _line(await calls.answer(request))
            async with writing:
                writer.write(reply)
                await writer.drain()
        except ConnectionError:
            log.debug("socket.gone")
        finally:
            room.release()

    async with asyncio.TaskGroup() as group:
        while (request := await _next(reader)) is not None:
            await room.acquire()
            task = group.create_task(answer(request))
            if calls.is_wait(request):
                waits.add(task)
                task.add_done_callback(waits.discard)
        for task in waits:
            task.cancel()


async def _next(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None at the end, and where a line is none of our protocol."""
    try:
        line = await reader.readline()
        request = json.loads(line) if line else None
    except (ConnectionError, ValueError, RecursionError) as error:
        log.debug("socket.no_request", error=type(error).__name__)
        return None
    return request if isinstance(request, dict) else None


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
