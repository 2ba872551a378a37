"""Who signed a request: known key, fresh time, unused nonce, right signature; in that order.

A nonce is kept in the store for as long as its time is fresh, so that a request taken down from the
line is worth nothing, also after a restart.

Source: trust model T7 of this library: signed requests bind method, path and body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fzalert.access.keys import key_id_of, verify
from fzalert.clock import Clock
from fzalert.errors import AccessDenied
from fzalert.ports.signed import (
    SIGNED_REQUEST_DOMAIN,
    read_request_signature,
    request_payload,
)
from fzalert.store import ChangeSet, StateRow, Store

__all__ = ["FRESH", "KnownKey", "RequestGate", "Signed", "refusal_reason"]

FRESH = timedelta(seconds=300)
"""How far a request's time may lie from ours."""
NONCES = "request-nonce"
_SWEEP_EVERY = 500


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A machine that may sign.

    Attributes:
        public_key: 32 bytes (Ed25519).
        name: Who it is, for people and for the record.
        not_after: When it ends, or None.
    """

    public_key: bytes
    name: str
    not_after: datetime | None = None

    @property
    def key_id(self) -> str:
        """The name that the header gives."""
        return key_id_of(self.public_key)


def refusal_reason(error: AccessDenied) -> str:
    """Why a gate did not believe a request, in one word.

    Returns:
        `unknown-key`, `ended-key`, `not-fresh`, `wrong-signature` or `replayed`; empty where the
        refusal is not a gate's.
    """
    text = str(error.args[0])
    return next((reason for reason, end in _REASONS.items() if text.endswith(end)), "")


_REASONS = {
    "unknown-key": "is signed with a key that is not known here.",
    "ended-key": "has ended.",
    "not-fresh": "is more than five minutes from ours.",
    "wrong-signature": "does not fit the request.",
    "replayed": "was sent before.",
}
"""How the text of each refusal ends."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed a request, and when as the signature says.

    Attributes:
        key: The key.
        at: The signed time.
    """

    key: KnownKey
    at: datetime

    @property
    def name(self) -> str:
        """Who it is, for people and for the record."""
        return self.key.name


class RequestGate:
    """Checks signed requests against known keys.

    Args:
        store: Keeps the nonces.
        clock: Reader of time.
        keys: Who may sign.
    """

    def __init__(self, store: Store, clock: Clock, keys: list[KnownKey]) -> None:
        self._store = store
        self._clock = clock
        self._keys = {key.key_id: key for key in keys}
        self._checking = asyncio.Lock()
        self._since_sweep = 0

    async def check(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Signed:
        """Tell who signed a request, once.

        Args:
            method: Such as POST.
            path: With its query, as it came.
            headers: Names in lower case.
            body: As it came.

        Raises:
            AccessDenied: The key is unknown or has ended, the time is not fresh, the nonce was
                used before, or the signature is wrong. The text says which.
            InputError: A header is missing or malformed.
        """
        given = read_request_signature(headers)
        key = self._keys.get(given.key_id)
        now = datetime.fromtimestamp(self._clock.millis() / 1000, UTC)
        if key is None:
            raise AccessDenied(f"The request {_REASONS['unknown-key']}")
        if key.not_after is not None and now > key.not_after:
            raise AccessDenied(
                f"The key of {key.name} {_REASONS['ended-key']}", hint="Exchange a new key."
            )
        if abs(now - given.at) > FRESH:
            raise AccessDenied(
                f"The request's time {_REASONS['not-fresh']}",
                hint="Set the clocks by NTP, then send it again.",
            )
        payload = request_payload(method, path, given.at, given.nonce, body)
        if not verify(key.public_key, SIGNED_REQUEST_DOMAIN, payload, given.signature):
            raise AccessDenied(f"The signature {_REASONS['wrong-signature']}")
        async with self._checking:
            await self._once(f"{given.key_id}/{given.nonce}", given.at)
        return Signed(key, given.at)

    async def _once(self, name: str, at: datetime) -> None:
        if await self._store.state(NONCES, name):
            raise AccessDenied(
                f"The request {_REASONS['replayed']}", hint="Sign each sending anew."
            )
        rows = [StateRow(NONCES, name, str(int(at.timestamp())).encode())]
        self._since_sweep += 1
        if self._since_sweep >= _SWEEP_EVERY:
            rows += await self._stale()
        await self._store.commit(ChangeSet(state=tuple(rows)))

    async def _stale(self) -> list[StateRow]:
        """Nonces whose time is no longer fresh: their requests are refused without them."""
        self._since_sweep = 0
        oldest = self._clock.millis() / 1000 - 2 * FRESH.total_seconds()
        return [
            StateRow(NONCES, name, None)
            for name, value in await self._store.state(NONCES)
            if int(value) < oldest
        ]
