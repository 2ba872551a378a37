"""An httpx transport that connects to checked addresses only.

httpx 0.28 offers no way to hand its own transport a network backend, so this one stands on
httpcore's public pool.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable

import httpcore
import httpx
from typing_extensions import override

from fzalert.http.guard import why_refused

__all__ = ["AddressRefused", "GuardedTransport", "Resolve", "resolve"]

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Finds every address of a name."""


class AddressRefused(httpcore.ConnectError):
    """The name leads to an address that must not be connected to."""


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver for every address of a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves once, checks every address, connects to what was checked."""

    def __init__(self, resolve: Resolve, *, is_private: bool) -> None:
        self._resolve = resolve
        self._is_private = is_private
        self._inner = httpcore.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name has no address") from error
        for address in addresses:
            reason = why_refused(address, is_private=self._is_private)
            if reason:
                raise AddressRefused(f"the name leads to {reason}")
        failure = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
        raise failure


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes], close: Callable[[], Awaitable[None]]) -> None:
        self._stream = stream
        self._close = close

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    @override
    async def aclose(self) -> None:
        await self._close()


class GuardedTransport(httpx.AsyncBaseTransport):
    """A pool of a few connections behind the guard; httpcore's errors pass as they are."""

    def __init__(
        self, context: ssl.SSLContext, resolve: Resolve, *, is_private: bool, connections: int
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=90.0,
            network_backend=_GuardedBackend(resolve, is_private=is_private),
        )

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(request.stream, httpx.AsyncByteStream):
            raise TypeError("the body of a request here is bytes")
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        if not isinstance(answer.stream, AsyncIterable):
            raise TypeError("the pool gave a body that is not asynchronous")
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream, answer.aclose),
            extensions=answer.extensions,
        )

    @override
    async def aclose(self) -> None:
        await self._pool.aclose()
