"""The pool that every HTTP channel shares.

One big httpx pool costs more with every connection it holds, so there are several clients of four
connections each behind one TLS context. A name is resolved once for each connection, every
address it has is checked, and the connection goes to a checked address while `Host` and SNI stay
the name: nothing can be rebound in between. Redirects are not followed, proxies of the
environment are ignored, and no error or log line shows more of an address than its host.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from fzalert.errors import ChannelUnavailable, ConfigError, FateUnknown
from fzalert.http.guard import Origin, check_url

if TYPE_CHECKING:
    import httpx

    from fzalert.http.transport import Resolve

__all__ = ["HttpAnswer", "HttpPool"]

_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One complete answer.

    Attributes:
        status: HTTP status; redirects are answers like any other.
        headers: Names in lower case; of a repeated one the last.
        body: At most the pool's limit.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Shard:
    """One client, and how many requests are in it now."""

    __slots__ = ("active", "client")

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.active = 0


class _Trace:
    """Learns from httpcore whether the first byte of the request was about to leave."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False

    async def __call__(self, name: str, info: Mapping[str, object]) -> None:
        del info
        if name == "http11.send_request_headers.started":
            self.left = True


class _NoTargets(logging.Filter):
    """Keeps httpx from logging whole addresses, in which keys often stand."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO


class HttpPool:
    """Requests with a total deadline, to addresses that may be called.

    Args:
        clients: How many clients of four connections each there may be, for the hosts of the
            outside, again for the private ones, and for each channel with a certificate.
        max_body: Longest answer in bytes.
        tls: Trust for servers; the machine's own trust store unless given.
        resolve: Finds the addresses of a name; the system's resolver unless given.
    """

    def __init__(
        self,
        *,
        clients: int = 8,
        max_body: int = 65_536,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._clients = clients
        self._max_body = max_body
        self._tls = tls
        self._resolve = resolve
        self._shards: dict[tuple[bool, ssl.SSLContext | None], list[_Shard]] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        deadline: timedelta,
        private_hosts: frozenset[str] = frozenset(),
        tls: ssl.SSLContext | None = None,
    ) -> HttpAnswer:
        """Send one request, once.

        Args:
            method: GET, POST, …
            url: The whole address, query included; percent-escapes travel as they are.
            content: The body.
            headers: Sent as given, beside `Host`, `Content-Length` and `Accept-Encoding`.
            deadline: From here to the last byte of the answer.
            private_hosts: Hosts that the channel's settings name as private.
            tls: A channel's own trust and client certificate, the same object at every request;
                the pool's unless given.

        Raises:
            ConfigError: The address is none that a channel may call, or a header is malformed.
            ChannelUnavailable: Nothing was sent.
            FateUnknown: The request left, and no whole answer came back.
        """
        import httpcore
        import httpx

        from fzalert.http.transport import AddressRefused

        origin = check_url(url, private_hosts)
        shard = self._shard(origin, tls)
        trace = _Trace()
        shard.active += 1
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                request = shard.client.build_request(
                    method, url, content=content, headers=headers, extensions={"trace": trace}
                )
                answer = await shard.client.send(request, stream=True)
                try:
                    body = await self._read(answer, origin)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise _lost(origin, trace, f"within {deadline.total_seconds():g} s") from error
        except AddressRefused as error:
            raise ChannelUnavailable(
                f"{origin.host} was not called: {error}.",
                hint="If the host is ours, name it as private in the channel's settings.",
            ) from None
        except (httpcore.LocalProtocolError, httpx.InvalidURL) as error:
            raise ConfigError(
                f"{origin.host} was not called: {type(error).__name__} in the request's headers"
                " or address."
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
            raise _lost(origin, trace, f"({type(error).__name__})") from error
        finally:
            shard.active -= 1
        return HttpAnswer(answer.status_code, dict(answer.headers), body)

    async def _read(self, answer: httpx.Response, origin: Origin) -> bytes:
        encoding = answer.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise FateUnknown(f"{origin.text} answered in a coding that was not asked for.")
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > self._max_body:
                raise FateUnknown(f"{origin.text} answered with more than {self._max_body} bytes.")
        return bytes(body)

    def _shard(self, origin: Origin, tls: ssl.SSLContext | None) -> _Shard:
        """The least busy client; a warm one that is free comes before a new one."""
        shards = self._shards.setdefault((origin.is_private, tls), [])
        best = min(shards, key=lambda shard: shard.active, default=None)
        if best is None or (best.active >= _CONNECTIONS and len(shards) < self._clients):
            best = _Shard(self._client(tls, is_private=origin.is_private))
            shards.append(best)
        return best

    def _client(self, tls: ssl.SSLContext | None, *, is_private: bool) -> httpx.AsyncClient:
        import httpx

        from fzalert.http.transport import GuardedTransport, resolve

        if self._tls is None:
            self._tls = ssl.create_default_context()
        log = logging.getLogger("httpx")
        if not any(isinstance(one, _NoTargets) for one in log.filters):
            log.addFilter(_NoTargets())
        return httpx.AsyncClient(
            transport=GuardedTransport(
                tls or self._tls,
                self._resolve or resolve,
                is_private=is_private,
                connections=_CONNECTIONS,
            ),
            headers={"user-agent": "fzalert", "accept": "*/*", "accept-encoding": "identity"},
            timeout=None,  # noqa: S113  the total deadline stands around every request
            trust_env=False,
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        """Close every connection. A later request opens new ones."""
        shards = [shard for some in self._shards.values() for shard in some]
        self._shards = {}
        for shard in shards:
            await shard.client.aclose()


def _lost(origin: Origin, trace: _Trace, how: str) -> ChannelUnavailable | FateUnknown:
    if trace.left:
        return FateUnknown(
            f"{origin.text} gave no whole answer {how}.",
            hint="It may have been taken; it is not sent again blindly.",
        )
    return ChannelUnavailable(f"{origin.text} could not be reached {how}.")
