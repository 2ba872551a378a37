"""An authority of one's own for an intranet name: its certificate, a server's, and machines'.

Browsers give no secure cookies and no passkeys over plain HTTP to a name on an intranet, so the
daemon needs TLS there. Keys are P-256 and made once; a certificate is made anew for the same key.
Key usages and identifiers are those of RFC 5280; 397 days is what browsers accept of a server.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fzalert.access._files import create_private, read_private
from fzalert.errors import ConfigError, InputError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["AUTHORITY_DAYS", "LEAF_DAYS", "Issued", "init_tls", "issue_client"]

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397
_BEFORE = timedelta(minutes=5)
"""Certificates are good a little earlier: clocks of an intranet differ."""
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_MACHINE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Issued(NamedTuple):
    """A certificate that was made, and its key.

    Attributes:
        certificate: File of the certificate, PEM.
        key: File of its key, PEM, readable by its owner alone.
        names: What it is for.
        not_after: When it ends.
    """

    certificate: Path
    key: Path
    names: tuple[str, ...]
    not_after: datetime


def init_tls(folder: Path, names: Sequence[str], now: datetime) -> tuple[Issued, Issued]:
    """Make an authority where the folder has none, and a server's certificate under it.

    Called again it keeps the authority and every key, and makes the server a new certificate.

    Args:
        folder: Where the files stand: `ca.pem`, `ca.key`, `server.pem`, `server.key`.
        names: Host names and addresses by which the server is reached.
        now: The present, aware.

    Returns:
        The authority, and the server.

    Raises:
        InputError: No name is given, or one is neither a host name nor an address.
        ConfigError: A file cannot be read or written, or the authority has ended.
    """
    from cryptography import x509

    wanted = [_host(name) for name in names]
    if not wanted:
        raise InputError("Which names? Give a host name.", field="names")
    key = _key(folder / "ca.key", has_certificate=(folder / "ca.pem").exists())
    authority = _authority(folder, key, now)
    subject = x509.SubjectAlternativeName(wanted)
    common = str(wanted[0].value)
    return authority, _leaf(folder, "server", subject, common, now, server=True)


def issue_client(folder: Path, machine: str, now: datetime) -> Issued:
    """Make a machine's client certificate under the authority of a folder.

    Args:
        folder: Where the authority stands, and the new files will.
        machine: Its name; the certificate carries `fz:branch:` and the name.
        now: The present, aware.

    Raises:
        InputError: The name is malformed.
        ConfigError: There is no authority, it has ended, or a file cannot be written.
    """
    from cryptography import x509

    if not _MACHINE.fullmatch(machine) or machine in {"ca", "server"}:
        raise InputError(
            "The name of a machine is up to 32 lower-case letters, digits, '_' and '-'.",
            field="machine",
        )
    subject = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"fz:branch:{machine}")])
    return _leaf(folder, machine, subject, machine, now, server=False)


def _host(name: str) -> x509.DNSName | x509.IPAddress:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass  # no address: then it has to be a name
    if not _HOST.fullmatch(name.lower()) or len(name) > 253:
        raise InputError(f"{name[:60]!r} is neither a host name nor an address.", field="names")
    return x509.DNSName(name.lower())


def _authority(folder: Path, key: EllipticCurvePrivateKey, now: datetime) -> Issued:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    path = folder / "ca.pem"
    if not path.exists():
        name = _name(f"fzalert {secrets.token_hex(4)}")
        known = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        made = (
            _builder(now, AUTHORITY_DAYS)
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(known, critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(path, made)
    found = _read(folder, now)
    return Issued(path, folder / "ca.key", ("ca",), found.not_valid_after_utc)


def _leaf(
    folder: Path,
    stem: str,
    subject: x509.SubjectAlternativeName,
    common: str,
    now: datetime,
    *,
    server: bool,
) -> Issued:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

    authority = _read(folder, now)
    signer = _key(folder / "ca.key", has_certificate=True)
    if signer.public_key() != authority.public_key():
        raise ConfigError(
            f"{folder / 'ca.key'} is not the key of ca.pem.", hint="Put the right one back."
        )
    key = _key(folder / f"{stem}.key", has_certificate=False)
    purpose = Purpose.SERVER_AUTH if server else Purpose.CLIENT_AUTH
    whose = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        _builder(now, LEAF_DAYS, authority.not_valid_after_utc)
        .subject_name(_name(common))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .add_extension(subject, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(whose), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    path = folder / f"{stem}.pem"
    _write(path, made)
    names = tuple(str(one.value) for one in subject)
    return Issued(path, folder / f"{stem}.key", names, made.not_valid_after_utc)


def _builder(now: datetime, days: int, latest: datetime | None = None) -> x509.CertificateBuilder:
    from cryptography import x509

    end = now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(end if latest is None else min(end, latest))
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _key(path: Path, *, has_certificate: bool) -> EllipticCurvePrivateKey:
    """Read a key, or make it where there is none and nothing depends on it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if not path.exists():
        if has_certificate:
            raise ConfigError(
                f"The authority's key {path} is not there.",
                hint="Bring it back from where it is kept; without it nothing can be issued.",
            )
        made = ec.generate_private_key(ec.SECP256R1())
        text = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        create_private(path, text)
    try:
        key = serialization.load_pem_private_key(read_private(path), None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} holds no key in PEM.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path} holds no key of an elliptic curve.")
    return key


def _read(folder: Path, now: datetime) -> x509.Certificate:
    from cryptography import x509

    path = folder / "ca.pem"
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"There is no authority in {folder}.", hint="fzalert tls init NAME"
        ) from error
    if now >= found.not_valid_after_utc:
        raise ConfigError(f"The authority in {path} has ended.", hint="Make a new one elsewhere.")
    return found


def _write(path: Path, certificate: x509.Certificate) -> None:
    """Put a certificate in place, whole; one of before is replaced."""
    from cryptography.hazmat.primitives.serialization import Encoding

    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with draft.open("xb") as file:
            file.write(certificate.public_bytes(Encoding.PEM))
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(f"Cannot write {path}: {error.strerror}.") from error
