"""Routes that an adapter brings and the daemon serves, free of any web framework."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field


class AuthKind(enum.StrEnum):
    """Who may call a route; `OWN` leaves it to the handler (a device token, a vendor's key)."""

    OPEN = "open"
    OWN = "own"
    STAFF = "staff"
    MTLS = "mtls"


@dataclass(frozen=True, slots=True)
class MountedRequest:
    """One request, with its body read up to the route's limit.

    Attributes:
        method: GET, POST, …
        path: Path parameters of the route's pattern.
        query: Query parameters, the last of each name.
        headers: Header names in lower case.
        cookies: Cookies by name.
        body: The raw body.
        client: Address of the peer.
        base_url: Scheme, host and mount path as the client sees them, with a slash at the end.
        secure: Whether the client came over TLS.
        machine: Id of the machine whose client certificate came, on a route with auth kind mTLS.
    """

    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes
    client: str
    base_url: str
    secure: bool = False
    machine: str = ""


@dataclass(frozen=True, slots=True)
class MountedResponse:
    """One answer.

    Attributes:
        status: HTTP status.
        body: The bytes, or a stream of them. A stream is ended by the daemon at shutdown: its
            generator is closed, so `finally` runs.
        media_type: Content type, charset included.
        headers: Further headers.
    """

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One route under `/channels/<name>/`.

    Attributes:
        method: GET or POST.
        path: Pattern relative to the mount, without a leading slash; `{name}` is one segment.
        auth: Who may call it.
        handler: Called in the daemon's loop; must not block.
        max_body: Longest body in bytes; a longer one is refused with 413 while it streams in.
        stream: True where the answer never ends by itself (server-sent events).
    """

    method: str
    path: str
    auth: AuthKind
    handler: Callable[[MountedRequest], Awaitable[MountedResponse]]
    max_body: int = 65_536
    stream: bool = False
