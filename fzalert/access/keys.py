"""The house's Ed25519 key in a file: it signs screens' state, evidence heads and transports.

What is signed is always `domain || 0x00 || SHA-256(payload)`, so that a signature made for one
purpose is worth nothing for another.

Source: RFC 8032 (Ed25519).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

from typing_extensions import override

from fzalert.access import _files
from fzalert.errors import ConfigError
from fzalert.ports import Signer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "BUNDLE_DOMAIN",
    "RELEASE_DOMAIN",
    "REQUEST_DOMAIN",
    "FileSigner",
    "KeySigner",
    "key_id_of",
    "verify",
]

BUNDLE_DOMAIN = "fz-bundle-v1"
"""What a public screen shows."""
REQUEST_DOMAIN = "fz-request-v1"
"""A request to another machine."""
RELEASE_DOMAIN = "fz-release-v1"
"""The files of a release."""


def key_id_of(public: bytes) -> str:
    """Name a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def signed_bytes(domain: str, payload: bytes) -> bytes:
    """Return the bytes that a signature is made over."""
    name = domain.encode("ascii")
    if not name or b"\0" in name:
        raise ValueError("a signature's domain is a short ASCII name")
    return name + b"\0" + hashlib.sha256(payload).digest()


def verify(public: bytes, domain: str, payload: bytes, signature: bytes) -> bool:
    """Tell whether the holder of `public` signed this payload for this domain."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed_bytes(domain, payload))
    except (InvalidSignature, ValueError):  # ValueError: the key is no 32 bytes
        return False
    return True


class KeySigner(Signer):
    """Signs with a key in memory; `repr` shows the key's name and never the key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()
        self._id = key_id_of(self._public)

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Make the key of a 32-byte seed.

        Raises:
            ValueError: The seed has another length.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    @override
    def key_id(self) -> str:
        return self._id

    @property
    @override
    def public_key(self) -> bytes:
        return self._public

    @override
    def sign(self, domain: str, payload: bytes) -> bytes:
        return self._key.sign(signed_bytes(domain, payload))

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}(key_id={self._id!r})"


class FileSigner(KeySigner):
    """Signs with the key of a file that nobody else may read (PKCS #8, PEM)."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key.

        Raises:
            ConfigError: No such file, others may read it, or it holds no Ed25519 key.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        text = _files.read_private(path)
        try:
            key = load_pem_private_key(text, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(
                f"{path} holds no Ed25519 signing key.",
                hint="Restore it from its backup; a new key makes the old signatures foreign.",
            )
        return cls(key)

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Read the key, or make one at the first start (mode 0600, never over an old file).

        Raises:
            ConfigError: As `load`, or the folder cannot be written.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        if not path.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
            _files.create_private(path, pem)
        return cls.load(path)
