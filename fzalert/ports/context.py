"""What an adapter is given, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Protocol

from fzalert.background import Background
from fzalert.clock import Clock
from fzalert.http import HttpPool


class Signer(Protocol):
    """Signs `domain || 0x00 || SHA-256(payload)`; the key stays behind it."""

    @property
    def key_id(self) -> str:
        """Names the key: the first 16 hex digits of the SHA-256 of the public key."""
        ...

    @property
    def public_key(self) -> bytes:
        """The raw public key (Ed25519: 32 bytes)."""
        ...

    def sign(self, domain: str, payload: bytes) -> bytes:
        """Sign a payload for one purpose; `domain` keeps purposes apart."""
        ...


class AdapterState(Protocol):
    """The adapter's own rows in the store; they join the tick."""

    async def get(self, key: str) -> bytes | None:
        """Read one row."""
        ...

    async def items(self, prefix: str = "") -> list[tuple[str, bytes]]:
        """Read the rows whose key starts with `prefix`, in the order of their keys."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Write one row; returns when it is on disk."""
        ...

    async def put_many(self, rows: dict[str, bytes | None]) -> None:
        """Write several rows in one commit; None deletes. Returns when all are on disk."""
        ...


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """The world as an adapter may see it.

    Attributes:
        clock: The only reader of time.
        rng: The only source of chance (jitter); seeded in simulations.
        background: The only starter of tasks.
        state: The adapter's rows in the store.
        signer: The house's signing key.
        http: The shared HTTP pool: total deadlines, SSRF guard, redaction.
    """

    clock: Clock
    rng: Random
    background: Background
    state: AdapterState
    signer: Signer
    http: HttpPool
