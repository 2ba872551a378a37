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
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import BaseModel, ValidationError

from fzalert.errors import FzalertError, InputError
from fzalert.service.models import CampaignRequest, WarnRequest

if TYPE_CHECKING:
    from fzalert.access.actors import Actor
    from fzalert.service.core import Service

log = structlog.get_logger("fzalert.service")

PROTOCOL = 1
LONGEST_LINE = 1_048_576
LONGEST_PATH = 100

Args = dict[str, Any]


def socket_path(store: Path) -> Path:
    """Where the socket of a store lies: beside it, or in the system's folder for short names."""
    beside = store.with_suffix(".sock")
    if len(os.fsencode(beside)) <= LONGEST_PATH:
        return beside
    name = hashlib.sha256(os.fsencode(store)).hexdigest()[:20]
    return Path(tempfile.gettempdir()) / f"fzalert-{os.getuid()}-{name}.sock"


class LocalSocket:
    """Serves one service on one socket file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server: asyncio.AbstractServer | None = None
        self._busy: set[asyncio.Task[None]] = set()

    async def open(self, service: Service) -> None:
        """Listen. The store's lock proves that a socket file that lies there is nobody's."""
        self.path.unlink(missing_ok=True)
        calls = Calls(service)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  a coroutine always runs in a task
            self._busy.add(task)
            try:
                await _converse(calls, reader, writer)
            finally:
                self._busy.discard(task)
                writer.close()

        old = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                serve, path=str(self.path), limit=LONGEST_LINE
            )
        finally:
            os.umask(old)

    async def close(self) -> None:
        """Stop listening and end every conversation."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._server = None


async def _converse(
    calls: Calls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one connection until it ends; requests are answered side by side."""
    writer.write(_line({"fzalert": PROTOCOL, "pid": os.getpid()}))
    lock = asyncio.Lock()

    async def answer(request: Args) -> None:
        reply = await calls.answer(request)
        async with lock:
            writer.write(_line(reply))
            await writer.drain()

    try:
        async with asyncio.TaskGroup() as group:
            while line := await reader.readline():
                try:
                    request = json.loads(line)
                except ValueError:
                    break  # no peer of ours; there is nothing to answer to
                if isinstance(request, dict):
                    task = group.create_task(answer(request))
                    del task
    except* (ConnectionError, ValueError, asyncio.LimitOverrunError) as group_error:
        log.debug("socket.ended", errors=len(group_error.exceptions))


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


class Calls:
    """Which questions the socket answers, and how."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._table: dict[str, Callable[[Args], Awaitable[object]]] = {
            "status": lambda _: service.status(),
            "warn_request": self._warn,
            "warning": lambda a: service.warning(str(a["id"]), float(a.get("wait", 0))),
            "recent": lambda a: service.recent(int(a["limit"]), str(a.get("after", ""))),
            "scripts": lambda _: service.scripts(),
            "approve": self._approve,
            "users": lambda _: service.users(),
            "add_user": lambda a: service.add_user(str(a["name"]), list(a["roles"])),
            "disable_user": lambda a: service.disable_user(str(a["name"])),
            "authenticate": self._authenticate,
            "changed": lambda a: service.changed(int(a["seq"]), min(float(a["timeout"]), 60.0)),
            "withdraw": self._withdraw,
            "plan_campaign": self._plan,
            "steer_campaign": self._steer,
            "campaigns": lambda _: service.campaigns(),
        }

    async def answer(self, request: Args) -> Args:
        """Answer one request; a failure of any kind is an answer too."""
        number = request.get("id")
        call = self._table.get(str(request.get("call")))
        args = request.get("args")
        if call is None or not isinstance(args, dict):
            error = InputError(f"There is no call {request.get('call')!r}.", field="call")
            return {"id": number, "error": encode_error(error)}
        try:
            return {"id": number, "ok": encode(await call(args))}
        except FzalertError as error:
            return {"id": number, "error": encode_error(error)}
        except (ValidationError, KeyError, TypeError, ValueError) as error:
            wrong = InputError(f"{request['call']}: {type(error).__name__}: {error}", field="args")
            return {"id": number, "error": encode_error(wrong)}
        except Exception as error:
            log.exception("socket.call_failed", call=request["call"])
            wrong_here = FzalertError(f"The service failed: {type(error).__name__}.")
            return {"id": number, "error": encode_error(wrong_here)}

    async def _actor(self, args: Args) -> Actor:
        token = args.get("token")
        if token:
            return await self._service.authenticate(str(token))
        return self._service.local_actor()

    async def _warn(self, args: Args) -> object:
        request = WarnRequest.model_validate(args["request"])
        return await self._service.warn_request(request, await self._actor(args))

    async def _withdraw(self, args: Args) -> object:
        await self._service.withdraw(str(args["id"]), await self._actor(args))
        return None

    async def _plan(self, args: Args) -> object:
        request = CampaignRequest.model_validate(args["request"])
        return await self._service.plan_campaign(request, await self._actor(args))

    async def _steer(self, args: Args) -> object:
        return await self._service.steer_campaign(
            str(args["id"]), str(args["action"]), await self._actor(args)
        )

    async def _approve(self, args: Args) -> object:
        author = await self._service.authenticate(str(args["author"]))
        approver = await self._service.authenticate(str(args["approver"]))
        return await self._service.approve(
            str(args["script_key"]), author=author, approver=approver
        )

    async def _authenticate(self, args: Args) -> object:
        actor = await self._service.authenticate(str(args["token"]))
        return {
            "id": actor.id,
            "name": actor.name,
            "roles": sorted(actor.roles),
            "kind": str(actor.kind),
        }


def encode(value: object) -> object:
    """Make a result model into JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [encode(item) for item in value]
    return value


def encode_error(error: FzalertError) -> Args:
    """Make an error into JSON; the other side raises the same class again."""
    return {
        "code": error.code,
        "what": str(error.args[0]),
        "hint": error.hint,
        "field": getattr(error, "field", ""),
        "row": getattr(error, "row", None),
        "channel": getattr(error, "channel", ""),
    }
