"""Whether a certificate may be used now, for this address, for this purpose; and when it ends.

Which desk's certificate it is two persons said when they approved it in the directory: it is known
by itself, and no authority has to be asked.

Source: RFC 5280, 4.1.2.5, 4.2.1.3 and 4.2.1.12; RFC 8550, 3 and 4.4 (mail addresses, uses).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID

__all__ = ["WARN_DAYS", "days_left", "fault_of", "read_certificate", "warn_at"]

Purpose = Literal["sign", "encrypt"]
WARN_DAYS = (30, 14, 7, 1)
"""Days before its end at which a certificate is warned about."""

_LEAST_BITS = 2048
_MAIL = frozenset(
    {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)
_E = TypeVar("_E", bound=x509.ExtensionType)


def read_certificate(pem: str) -> x509.Certificate | None:
    """Read a certificate in PEM; None where it is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None


def fault_of(certificate: x509.Certificate, address: str, purpose: Purpose, now: datetime) -> str:
    """Why it may not be used; empty where it may.

    Args:
        certificate: Whose.
        address: Mailbox that it has to be for, where it names any.
        purpose: What it is to be used for.
        now: The present, with a zone.
    """
    if now < certificate.not_valid_before_utc:
        return "is not valid yet"
    if now > certificate.not_valid_after_utc:
        return "has expired"
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_BITS:
        return f"has a key of fewer than {_LEAST_BITS} bits"
    if purpose == "encrypt" and not isinstance(key, RSAPublicKey):
        return "has no RSA key, and mail is encrypted for those alone"
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None:
        allowed = usage.digital_signature if purpose == "sign" else usage.key_encipherment
        if not allowed:
            return f"may not be used to {purpose}"
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended is not None and _MAIL.isdisjoint(extended):
        return "is not made for mail"
    names = _extension(certificate, x509.SubjectAlternativeName)
    mailboxes = [] if names is None else names.get_values_for_type(x509.RFC822Name)
    if mailboxes and address.casefold() not in {one.casefold() for one in mailboxes}:
        return "is for another mailbox"
    return ""


def days_left(certificate: x509.Certificate, now: datetime) -> int:
    """Whole days until it ends; negative where it has ended."""
    return (certificate.not_valid_after_utc - now) // timedelta(days=1)


def warn_at(certificate: x509.Certificate, now: datetime) -> int | None:
    """The last of the warning days that has come, 0 where it has ended, None before all of them."""
    left = certificate.not_valid_after_utc - now
    if left <= timedelta(0):
        return 0
    due = [days for days in WARN_DAYS if left <= timedelta(days=days)]
    return min(due, default=None)


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
