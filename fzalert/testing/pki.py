"""A certificate authority for tests: servers and machines with names of their own, in any time."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fzalert.clock import SystemClock

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["Authority", "Issued"]

_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key as files.

    Attributes:
        certificate: In PEM.
        key: In PEM, for its owner alone.
        fingerprint: `sha256:` and the hash of the certificate in hex.
    """

    certificate: Path
    key: Path
    fingerprint: str


class Authority:
    """Makes certificates into a folder.

    Args:
        folder: Where the files go.
        name: Of the authority, and in front of its files.
    """

    def __init__(self, folder: Path, name: str = "ca") -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = SystemClock().now().astimezone(UTC)
        self._own = self._signed(name, self._key, now - _YEAR, now + _YEAR, None)
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(_pem(self._own))

    def issue(
        self,
        name: str,
        *,
        addresses: Sequence[str] = (),
        hosts: Sequence[str] = (),
        uris: Sequence[str] = (),
        since: timedelta = timedelta(hours=-1),
        until: timedelta = timedelta(days=30),
    ) -> Issued:
        """Make a certificate for servers and clients.

        Args:
            name: Common name, and name of the files.
            addresses: IP addresses in it.
            hosts: DNS names in it.
            uris: URIs in it.
            since: When it begins, from now.
            until: When it ends, from now.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        names: list[x509.GeneralName] = [
            *(x509.IPAddress(ipaddress.ip_address(one)) for one in addresses),
            *(x509.DNSName(one) for one in hosts),
            *(x509.UniformResourceIdentifier(one) for one in uris),
        ]
        key = ec.generate_private_key(ec.SECP256R1())
        now = SystemClock().now().astimezone(UTC)
        made = self._signed(name, key, now + since, now + until, names)
        files = Issued(
            self._folder / f"{self._name}-{name}.pem",
            self._folder / f"{self._name}-{name}.key",
            "sha256:" + hashlib.sha256(_der(made)).hexdigest(),
        )
        files.certificate.write_bytes(_pem(made))
        files.key.touch(mode=0o600)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _signed(
        self,
        name: str,
        key: EllipticCurvePrivateKey,
        begins: datetime,
        ends: datetime,
        names: Sequence[x509.GeneralName] | None,
    ) -> x509.Certificate:
        """Sign a certificate; without `names` it is the authority's own."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        def named(common: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])

        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(names is None, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)
