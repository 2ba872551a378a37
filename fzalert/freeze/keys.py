"""A key for each case: its events are readable with it alone, and gone with it for good.

The key is 32 random bytes, wrapped by the store's vault and kept as one row beside the case. An
event's body is `0x01 || nonce (12, random) || ciphertext || tag (16)`: AES-256-GCM with the
additional data `fz1|event.body|<case>|<version>`, so that no event fits another place. Deleting the
row destroys the case in the store; backups follow as they expire.

Source: NIST SP 800-38D; PIPL art. 47 (deletion).
"""

from __future__ import annotations

import os
from typing import Protocol

from fzalert.errors import IntegrityError
from fzalert.store import StateRow, Store

__all__ = ["KEYS", "CaseKey", "Sealer"]

KEYS = "freeze-key"
"""Namespace of the rows that hold wrapped case keys."""
_COLUMN = "state.value"
_VERSION = b"\x01"
_NONCE = 12
_TAG = 16


class Sealer(Protocol):
    """What wraps the case keys: the store's vault."""

    def encrypt(self, column: str, row: str, plain: bytes) -> bytes:
        """Encrypt one field."""
        ...

    def decrypt(self, column: str, row: str, blob: bytes) -> bytes:
        """Decrypt one field."""
        ...

    def blind_index(self, value: str) -> bytes:
        """Equal for equal values."""
        ...


class CaseKey:
    """Seals and opens the events of one case."""

    def __init__(self, case_id: str, key: bytes) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._altered: type[Exception] = InvalidTag
        self._case = case_id
        self._key = key
        self._cipher = AESGCM(key)

    @classmethod
    def new(cls, case_id: str) -> CaseKey:
        """A fresh key; `row` has to be kept in the commit that opens the case."""
        return cls(case_id, os.urandom(32))

    @classmethod
    async def load(cls, case_id: str, store: Store, sealer: Sealer) -> CaseKey | None:
        """The key of a case, or None where it was destroyed or there is no such case.

        Raises:
            IntegrityError: The row was altered, or is of another store.
        """
        for key, value in await store.state(KEYS, case_id):
            if key == case_id:
                return cls(case_id, sealer.decrypt(_COLUMN, f"{KEYS}/{case_id}", value))
        return None

    @property
    def raw(self) -> bytes:
        """The key itself, for an evidence bundle alone."""
        return self._key

    def row(self, sealer: Sealer) -> StateRow:
        """The row that keeps it, wrapped."""
        wrapped = sealer.encrypt(_COLUMN, f"{KEYS}/{self._case}", self._key)
        return StateRow(KEYS, self._case, wrapped)

    def seal(self, version: int, plain: bytes) -> bytes:
        """Encrypt the event that gets a version."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, self._bound(version))

    def open(self, version: int, blob: bytes) -> bytes:
        """Decrypt an event.

        Raises:
            IntegrityError: It was altered, or stands at another place than its own.
        """
        return self._opened(f"Event {version}", self._bound(version), blob)

    def seal_document(self, name: str, plain: bytes) -> bytes:
        """Encrypt a document; it is bound to its name."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, self._bound_document(name))

    def open_document(self, name: str, blob: bytes) -> bytes:
        """Decrypt a document.

        Raises:
            IntegrityError: It was altered, or is another one.
        """
        return self._opened("A document", self._bound_document(name), blob)

    def _opened(self, what: str, bound: bytes, blob: bytes) -> bytes:
        if blob[:1] != _VERSION or len(blob) < 1 + _NONCE + _TAG:
            raise IntegrityError(f"{what} of a case is not sealed.")
        nonce = blob[1 : 1 + _NONCE]
        try:
            return self._cipher.decrypt(nonce, blob[1 + _NONCE :], bound)
        except self._altered:
            raise IntegrityError(
                f"{what} of a case was altered, or moved from another place."
            ) from None

    def _bound_document(self, name: str) -> bytes:
        return f"fz1|document|{self._case}|{name}".encode()

    def _bound(self, version: int) -> bytes:
        return f"fz1|event.body|{self._case}|{version}".encode()
