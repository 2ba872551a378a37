"""The signature of a webhook: made by the channel, checked by the receiver.

`HMAC-SHA256(secret, timestamp "." nonce "." body)` in lower-case hex, in three headers:

```
Fz-Timestamp: 1795514400            seconds since the epoch, when it was sent
Fz-Nonce: 5f0c…                     32 hex digits, never the same twice
Fz-Signature: v1=8d1e…              several, with commas between, while a secret changes
```

Every attempt has a time and nonce of its own, and the same `Idempotency-Key`. A receiver checks, in
this order: the signature over the raw body, the time (five minutes either way), that the nonce is
new, and only then reads the JSON.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, MutableMapping

__all__ = ["signature", "verify"]

_TOLERANCE = 300


def signature(secret: bytes, timestamp: str, nonce: str, body: bytes) -> str:
    """Sign a body; the result is the value of `Fz-Signature`."""
    signed = f"{timestamp}.{nonce}.".encode() + body
    return "v1=" + hmac.digest(secret, signed, hashlib.sha256).hex()


def verify(
    secret: bytes,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    seen: MutableMapping[str, float],
) -> bool:
    """Check a request as its receiver should; needs nothing but the standard library.

    >>> body = b'{"id":"7"}'
    >>> sent = {"fz-timestamp": "1000", "fz-nonce": "aa"}
    >>> sent["fz-signature"] = signature(b"secret", "1000", "aa", body)
    >>> seen: dict[str, float] = {}
    >>> verify(b"secret", sent, body, now=1002.0, seen=seen)
    True
    >>> verify(b"secret", sent, body, now=1003.0, seen=seen)    # the same once more
    False

    Args:
        secret: What both sides know.
        headers: The request's headers, names in lower case.
        body: The raw bytes, before any decoding.
        now: Seconds since the epoch.
        seen: Nonces and their times. Kept by the receiver over its restarts; what is too old to
            matter is taken out here.
    """
    timestamp, nonce = headers.get("fz-timestamp", ""), headers.get("fz-nonce", "")
    right = signature(secret, timestamp, nonce, body).encode()
    offered = [part.strip() for part in headers.get("fz-signature", "").split(",")]
    if not any(hmac.compare_digest(right, one.encode()) for one in offered):
        return False
    # From here on it is the sender who speaks: a forger cannot fill the memory.
    if not (timestamp.isascii() and timestamp.isdigit()) or not nonce:
        return False
    if abs(now - int(timestamp)) > _TOLERANCE:
        return False
    for old in [one for one, at in seen.items() if now - at > 2 * _TOLERANCE]:
        del seen[old]
    if nonce in seen:
        return False
    seen[nonce] = now
    return True
