"""A request that one machine signs and another checks: what is signed, and how it is written down.

Over the wire go four headers: `Fz-Key` (which key), `Fz-Time` (RFC 3339, UTC), `Fz-Nonce` (32 hex
digits, used once) and `Fz-Signature` (128 hex digits). Signed is, under the domain
`fz-request-v1`, the text of method, path with query, time, nonce and the SHA-256 of the body, a
line each: a signature fits one request, once, for a few minutes.

TLS stays: this proves who asks even where a proxy ends the TLS.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from fzalert.errors import InputError
from fzalert.ports.context import Signer

__all__ = [
    "SIGNED_REQUEST_DOMAIN",
    "RequestSignature",
    "read_request_signature",
    "request_payload",
    "sign_request",
]

SIGNED_REQUEST_DOMAIN = "fz-request-v1"
_KEY = re.compile(r"[0-9a-f]{16}")
_NONCE = re.compile(r"[0-9a-f]{32}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class RequestSignature(NamedTuple):
    """What the four headers say; not yet believed.

    Attributes:
        key_id: Which key.
        at: When it was signed.
        nonce: Used once.
        signature: 64 bytes.
    """

    key_id: str
    at: datetime
    nonce: str
    signature: bytes


def request_payload(method: str, path: str, at: datetime, nonce: str, body: bytes) -> bytes:
    """The bytes that are signed.

    Args:
        method: Such as POST.
        path: With its query, as it stands in the request line.
        at: In UTC, whole seconds.
        nonce: 32 hex digits.
        body: Of the request, empty for none.
    """
    lines = (method.upper(), path, at.strftime(_TIME), nonce, hashlib.sha256(body).hexdigest())
    return "\n".join(lines).encode()


def sign_request(
    signer: Signer, method: str, path: str, body: bytes, now: datetime
) -> dict[str, str]:
    """Sign a request anew; each sending gets its own time and nonce.

    Args:
        signer: Holder of the key.
        method: Such as POST.
        path: With its query.
        body: Of the request.
        now: The present, with a zone.
    """
    at = now.astimezone(UTC).replace(microsecond=0)
    nonce = secrets.token_hex(16)
    payload = request_payload(method, path, at, nonce, body)
    return {
        "Fz-Key": signer.key_id,
        "Fz-Time": at.strftime(_TIME),
        "Fz-Nonce": nonce,
        "Fz-Signature": signer.sign(SIGNED_REQUEST_DOMAIN, payload).hex(),
    }


def read_request_signature(headers: Mapping[str, str]) -> RequestSignature:
    """Read the four headers; names in lower case.

    Raises:
        InputError: One is missing or malformed; the text names it.
    """
    values = {}
    for name, shape in (("fz-key", _KEY), ("fz-nonce", _NONCE), ("fz-signature", _SIGNATURE)):
        value = headers.get(name, "")
        if not shape.fullmatch(value):
            raise InputError(f"The header {name} is missing or malformed.", field=name)
        values[name] = value
    try:
        at = datetime.strptime(headers.get("fz-time", ""), _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise InputError("The header fz-time is missing or malformed.", field="fz-time") from None
    return RequestSignature(
        values["fz-key"], at, values["fz-nonce"], bytes.fromhex(values["fz-signature"])
    )
