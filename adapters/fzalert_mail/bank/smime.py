"""S/MIME: sign what a desk gets, then encrypt it for that desk alone.

The signature covers the bytes of the signed entity as they are, lines ended by CRLF; nothing
between here and the wire may wrap them again. What travels is the encrypted form in base64, which
no mail server has a reason to touch.

Source: RFC 8551 (S/MIME 4.0), 3.3 and 3.5.3; RFC 1847, 2.1 (multipart/signed); RFC 5652 (CMS).
"""

from __future__ import annotations

import base64
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import (
    PKCS7EnvelopeBuilder,
    PKCS7Options,
    PKCS7SignatureBuilder,
)

from fzalert import ConfigError

__all__ = ["Identity", "encrypt", "in_lines", "sign"]

_SIGNED = "=_fzalert-signed"
"""No line of base64 begins so: the boundary is in no content."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs.

    Attributes:
        certificate: The signer's.
        key: Its private key.
        chain: Certificates above it, sent along.
    """

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def load(cls, certificate: Path, key: Path, chain: tuple[Path, ...] = ()) -> Self:
        """Read PEM files.

        Raises:
            ConfigError: A file is missing, open to others or no PEM, or the two do not fit.
        """
        own, *_ = _certificates(certificate)
        above = [one for path in chain for one in _certificates(path)]
        private = _key(key)
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise ConfigError(
                f"{certificate.name} and {key.name} do not belong together.",
                hint="Give the key that the certificate was made for.",
            )
        return cls(own, private, tuple(above))


def sign(content: bytes, identity: Identity) -> bytes:
    """Wrap an entity with a detached signature (SHA-256).

    Args:
        content: Headers and body, lines ended by CRLF; covered byte for byte.
        identity: Who signs.

    Returns:
        A multipart/signed entity.
    """
    builder = PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(identity.certificate, identity.key, SHA256())
    for one in identity.chain:
        builder = builder.add_certificate(one)
    # Binary: nothing is rewritten before it is hashed; the lines are CRLF already.
    signature = builder.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])
    line = f"--{_SIGNED}".encode()
    return b"\r\n".join(
        (
            b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";',
            f' micalg=sha-256; boundary="{_SIGNED}"'.encode(),
            b"",
            line,
            content,
            line,
            b'Content-Type: application/pkcs7-signature; name="smime.p7s"',
            b"Content-Transfer-Encoding: base64",
            b'Content-Disposition: attachment; filename="smime.p7s"',
            b"",
            in_lines(signature) + line + b"--",
            b"",
        )
    )


def encrypt(entity: bytes, recipient: x509.Certificate) -> bytes:
    """Encrypt an entity for one certificate (AES-256, its key by RSA).

    Args:
        entity: What is to be read by the holder of the certificate's key alone.
        recipient: With an RSA key.

    Returns:
        The enveloped data in DER.
    """
    return (
        PKCS7EnvelopeBuilder()
        .set_data(entity)
        .add_recipient(recipient)
        .set_content_encryption_algorithm(AES256)
        .encrypt(Encoding.DER, [PKCS7Options.Binary])
    )


def in_lines(data: bytes) -> bytes:
    """Spell bytes as base64 in lines of 76 characters, each ended by CRLF."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path.name} cannot be read: {error.strerror}.", hint="Name the PEM file."
        ) from None
    except ValueError:
        raise ConfigError(
            f"{path.name} holds no certificate in PEM.", hint="Convert it with openssl x509."
        ) from None


def _key(path: Path) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        is_open = stat.S_IMODE(path.stat().st_mode) & 0o077
        found = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConfigError(
            f"{path.name} cannot be read: {error.strerror}.", hint="Name the PEM file."
        ) from None
    except (ValueError, TypeError):
        raise ConfigError(
            f"{path.name} holds no private key in PEM without a passphrase.",
            hint="Convert it with openssl pkey.",
        ) from None
    if is_open:
        raise ConfigError(f"Others may read {path.name}.", hint=f"chmod 600 {path.name}.")
    if not isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigError(
            f"{path.name} is neither an RSA nor an EC key.", hint="S/MIME signs with one of them."
        )
    return found
