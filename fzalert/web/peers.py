"""Client certificates at the second listener: what TLS has verified, handed to who asks who calls.

A certificate of a foreign authority, one that is out of its time and none at all end in the
handshake; the log says which, since the other side only sees a closed connection. Whom a good one
stands for is the directory's to say, at each request: what is revoked is out at once, also on a
connection that was opened before.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from fzalert.web.problems import ProblemError

__all__ = ["STATE", "MachineDoor", "PeerCertificate", "handshakes_watched", "peer_in", "peer_of"]

_log = structlog.get_logger(__name__)
STATE = "peer"
"""Key of the certificate in the state of the ASGI scope."""
_FOR_MACHINES = ("/api/", "/channels/", "/healthz", "/readyz", "/openapi.json")
_KINDS = {"URI": "uri", "DNS": "dns"}


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A client certificate that TLS has verified.

    Attributes:
        fingerprint: `sha256:` and the hash of the whole certificate in hex.
        names: The names in it, as `uri:…` and `dns:…`.
        not_after: When it ends, seconds since the epoch; a long connection may outlive it.
    """

    fingerprint: str
    names: tuple[str, ...]
    not_after: float


def peer_of(connection: Any) -> PeerCertificate | None:
    """Read the certificate of a TLS connection; None where there is none."""
    if connection is None:
        return None
    der = connection.getpeercert(binary_form=True)
    told = connection.getpeercert()
    if not der or not told:
        return None
    names = tuple(
        f"{_KINDS[kind]}:{name}" for kind, name in told.get("subjectAltName", ()) if kind in _KINDS
    )
    fingerprint = "sha256:" + hashlib.sha256(der).hexdigest()
    return PeerCertificate(fingerprint, names, float(ssl.cert_time_to_seconds(told["notAfter"])))


def peer_in(request: HTTPConnection) -> PeerCertificate | None:
    """The certificate that a request came with; None on the first listener."""
    found = request.scope.get("state", {}).get(STATE)
    return found if isinstance(found, PeerCertificate) else None


def handshakes_watched(
    context: ssl.SSLContext, refused: Callable[[str], None] | None = None
) -> None:
    """Log each client that ends in the handshake, with the reason that it cannot see itself.

    Args:
        context: Of the listener.
        refused: Told the reason too.
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    def told(why: str) -> None:
        _log.warning("web.client_refused", why=why)
        if refused is not None:
            refused(why)

    class Watched(ssl.SSLObject):
        @override
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLCertVerificationError as error:
                told(error.verify_message)
                raise
            except ssl.SSLError as error:
                if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
                    told("it showed no certificate")
                raise

    context.sslobject_class = Watched


class MachineDoor:
    """ASGI middleware of the second listener: what is for programs, and no page.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not scope["path"].startswith(_FOR_MACHINES):
            problem = ProblemError(404, "no-such-path", "This address has no pages.")
            await problem.response(scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)
