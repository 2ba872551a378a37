"""An SM2 key in a file, behind the same `Signer` port; needs the extra `gm` (tongsuopy).

For units that have to sign by Chinese commercial cryptography. What is signed is
`domain || 0x00 || SM3(payload)` with SM2 over SM3 and the customary identity `1234567812345678`, so
that any other implementation can check it:

    openssl pkeyutl -verify -pubin -inkey key.pub.pem -in signed.bin -sigfile signature.der
        -rawin -digest sm3 -pkeyopt distid:1234567812345678      (one line)

A unit with a UKey or an HSM puts its own `Signer` in this place: a key in a file is no certified
product.

Source: GB/T 32918.2-2016 (SM2 signatures), GB/T 32905-2016 (SM3), GM/T 0009-2012, 10 (identity).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from typing_extensions import override

from fzalert.access import _files
from fzalert.access.keys import key_id_of
from fzalert.errors import ConfigError
from fzalert.ports import Signer

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["FILE_DOMAIN", "IDENTITY", "Sm2Signer", "signed_bytes", "verify_sm2"]

FILE_DOMAIN = "fz-file-v1"
"""Domain of a signature over a whole file, such as a paper or an evidence bundle."""
IDENTITY = "1234567812345678"
"""The identity that goes into SM2's hash where nobody agreed on another one."""


def signed_bytes(domain: str, payload: bytes) -> bytes:
    """The bytes that an SM2 signature is made over."""
    from cryptography.hazmat.primitives.hashes import SM3, Hash

    name = domain.encode("ascii")
    if not name or b"\0" in name:
        raise ValueError("a signature's domain is a short ASCII name")
    digest = Hash(SM3())
    digest.update(payload)
    return name + b"\0" + digest.finalize()


def verify_sm2(public: bytes, domain: str, payload: bytes, signature: bytes) -> bool:
    """Tell whether the holder of `public` signed this payload for this domain.

    Args:
        public: The point, uncompressed: 0x04, x, y; 65 bytes.
        domain: What it was signed for.
        payload: What was signed.
        signature: In DER; another spelling of the same numbers does not pass.

    Raises:
        ConfigError: The extra `gm` is not installed.
    """
    ec, hashes, _ = _library()
    from tongsuopy.crypto.exceptions import InternalError, InvalidSignature

    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SM2(), public)
        key.verify(signature, signed_bytes(domain, payload), ec.ECDSA(hashes.SM3()))
    except (InvalidSignature, InternalError, ValueError):
        return False
    return True


class Sm2Signer(Signer):
    """Signs with the SM2 key of a file that nobody else may read (PKCS #8, PEM)."""

    def __init__(self, key: Any) -> None:
        ec, _, serialization = _library()
        if getattr(key, "curve", None) is None or key.curve.name != ec.SM2.name:
            raise ValueError("it is no SM2 key")
        self._key = key
        self._public: bytes = key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self._id = key_id_of(self._public)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key.

        Raises:
            ConfigError: No such file, others may read it, it holds no SM2 key, or the extra `gm` is
                not installed.
        """
        _, _, serialization = _library()
        from tongsuopy.crypto.exceptions import InternalError, UnsupportedAlgorithm

        text = _files.read_private(path)
        try:
            return cls(serialization.load_pem_private_key(text, None))
        except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
            raise ConfigError(
                f"{path} holds no SM2 signing key.",
                hint="Restore it from its backup; a new key makes the old signatures foreign.",
            ) from None

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Read the key, or make one at the first call (mode 0600, never over an old file).

        Raises:
            ConfigError: As `load`, or the folder cannot be written.
        """
        if not path.exists():
            ec, _, serialization = _library()
            pem = ec.generate_private_key(ec.SM2()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            _files.create_private(path, pem)
        return cls.load(path)

    @property
    @override
    def key_id(self) -> str:
        return self._id

    @property
    @override
    def public_key(self) -> bytes:
        """The point, uncompressed: 65 bytes."""
        return self._public

    @property
    def public_pem(self) -> bytes:
        """The public key as other programs read it."""
        _, _, serialization = _library()
        pem: bytes = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem

    @override
    def sign(self, domain: str, payload: bytes) -> bytes:
        """Sign a payload for one purpose; DER."""
        ec, hashes, _ = _library()
        signature: bytes = self._key.sign(signed_bytes(domain, payload), ec.ECDSA(hashes.SM3()))
        return signature

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}(key_id={self._id!r})"


def _library() -> tuple[ModuleType, ModuleType, ModuleType]:
    """The parts of tongsuopy.

    Raises:
        ConfigError: It is not installed, or has no wheel for this machine.
    """
    try:
        from tongsuopy.crypto import hashes, serialization
        from tongsuopy.crypto.asymciphers import ec
    except ImportError:
        raise ConfigError(
            "SM2 needs the library tongsuopy.",
            hint="pip install 'fzalert[gm]'. It has no wheel for Linux on other processors than"
            " x86-64; there use a UKey or HSM behind the Signer port.",
        ) from None
    return ec, hashes, serialization
