"""uvicorn inside our own event loop: sockets bound by us, no signal handlers, slow heads cut off.

uvicorn sets no limit on how long a request's head may take, so one client could hold connections
open for ever by sending a byte now and then; `_Protocol` sets one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import structlog
import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from fzalert.background import Background
from fzalert.config import WebSettings
from fzalert.errors import ListenError
from fzalert.web.peers import STATE, handshakes_watched, peer_of
from fzalert.web.streams import Stopping

__all__ = ["HEAD_WITHIN", "Door", "WebServer", "bind"]

_log = structlog.get_logger(__name__)
HEAD_WITHIN = 10.0
"""Seconds within which the head of a request must have arrived."""
_KEEP_ALIVE = 15
_LARGEST_HEAD = 16_384
_DRAIN = 3


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server listens.

    Attributes:
        host: Address.
        port: Port; 0 takes a free one.
        setting: Name of the port's setting, for hints.
        client_ca: Authorities of the client certificates that are asked for; None asks for none.
        refused: Told why a client ended in the TLS handshake; None where only the log is told.
    """

    host: str
    port: int
    setting: str = "port"
    client_ca: Path | None = None
    refused: Callable[[str], None] | None = None

    @classmethod
    def first(cls, web: WebSettings) -> Self:
        """The door of pages and of programs with tokens."""
        return cls(web.host, web.port)

    @classmethod
    def second(cls, web: WebSettings) -> Self | None:
        """The door of machines with client certificates; None where there is none."""
        if web.mtls_port is None:
            return None
        return cls(web.mtls_host or web.host, web.mtls_port, "mtls_port", web.client_ca)


def bind(door: Door) -> socket.socket:
    """Bind an address; port 0 takes a free one.

    Raises:
        ListenError: The address is in use, or may not be bound; the hint says what to do.
    """
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((door.host, door.port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ListenError(
            f"Cannot listen on {door.host} port {door.port}: {error.strerror}.",
            hint=_next_step(error.errno, door),
        ) from error
    return listener


def _next_step(number: int | None, door: Door) -> str:
    match number:
        case errno.EADDRINUSE:
            return (
                f"Another program has port {door.port}: stop it, or set [web] {door.setting}"
                " (0: any free)."
            )
        case errno.EACCES | errno.EPERM:
            return f"Ports below 1024 need rights: set [web] {door.setting} to a higher one."
        case _:
            return "Is it an address of this machine? See [web] in the configuration."


class WebServer:
    """One listening server.

    Args:
        app: What it serves.
        web: Where, and how many connections.
        stopping: Set first when the server stops, so that open streams end by themselves.
        door: Where it listens; the first listener of the settings unless given. Where it asks
            for client certificates, the request's scope has the one that came.
        head_within: Seconds for the head of a request.
    """

    def __init__(
        self,
        app: ASGIApp,
        web: WebSettings,
        stopping: Stopping,
        *,
        door: Door | None = None,
        head_within: float = HEAD_WITHIN,
    ) -> None:
        self.failed = asyncio.Event()
        """Set where the server died of itself; its owner then stops the process."""
        self._web = web
        self._door = door or Door.first(web)
        client_ca = self._door.client_ca
        self._stopping = stopping
        protocol = type("Protocol", (_Protocol,), {"head_within": head_within})
        self._server = _Server(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                loop="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                limit_concurrency=web.connections,
                h11_max_incomplete_event_size=_LARGEST_HEAD,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_DRAIN,
                ssl_certfile=web.certificate,
                ssl_keyfile=None if web.key is None else str(web.key),
                ssl_ca_certs=None if client_ca is None else str(client_ca),
                ssl_cert_reqs=ssl.CERT_NONE if client_ca is None else ssl.CERT_REQUIRED,
            )
        )

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve inside the block; yields the address of the pages, with a slash at the end.

        Raises:
            ListenError: The address cannot be bound, or the certificate cannot be read.
        """
        try:
            self._server.config.load()
        except OSError as error:
            raise ListenError(
                f"The certificate or its key cannot be used: {error.strerror or error}.",
                hint="Check [web] certificate, key and client_ca.",
            ) from error
        if self._server.config.ssl is not None:
            handshakes_watched(self._server.config.ssl, self._door.refused)
        listener = bind(self._door)
        url = self._url(listener)
        async with Background(self._crashed) as tasks:
            serving = tasks.once("web", lambda: self._server.serve(sockets=[listener]))
            try:
                await self._server.up.wait()
                yield url
            finally:
                self._stopping.set()
                self._server.should_exit = True
                await asyncio.wait({serving}, timeout=_DRAIN + 1)

    def _crashed(self, name: str, error: Exception) -> timedelta:
        _log.error("web.crashed", task=name, exc_info=error)
        self.failed.set()
        self._server.up.set()
        return timedelta(0)

    def _url(self, listener: socket.socket) -> str:
        scheme = "https" if self._web.is_secure else "http"
        port = listener.getsockname()[1]
        host = self._door.host
        if host in {"0.0.0.0", "::"}:  # noqa: S104  a wildcard is no address to visit
            host = socket.gethostname()
        return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


class _Server(uvicorn.Server):
    """Leaves signals to the daemon, and tells when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class _Protocol(H11Protocol):
    """Aborts a connection whose next head does not arrive in time."""

    head_within = HEAD_WITHIN
    _watchdog: asyncio.TimerHandle | None = None

    @override
    def connection_made(  # type: ignore[override]  # narrower, as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        peer = peer_of(transport.get_extra_info("ssl_object"))
        if peer is not None:
            self.app_state = {**self.app_state, STATE: peer}
        self._watch()

    @override
    def data_received(self, data: bytes) -> None:
        if self._watchdog is None and not self._answering():
            self._watch()
        super().data_received(data)

    @override
    def handle_events(self) -> None:
        super().handle_events()
        if self._answering():
            self._unwatch()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _answering(self) -> bool:
        # uvicorn leaves the last, finished cycle in place between two requests.
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _watch(self) -> None:
        self._watchdog = self.loop.call_later(self.head_within, self._too_slow)

    def _unwatch(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _too_slow(self) -> None:
        self._watchdog = None
        if not self._answering():
            self.transport.abort()
