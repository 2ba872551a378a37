"""Signatures on documents: PAdES on a paper, made when it is approved.

The key stays behind the `DocumentSigner` port: a file for small units, a UKey or HSM for those that
have one. What goes over the wire is signed anew at each sending, by another key (`access.keys`).

Source: ETSI EN 319 142-1 (PAdES, baseline B-B); RFC 5652 (CMS).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from typing_extensions import override

from fzalert.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate
    from pyhanko.sign.signers import SimpleSigner

__all__ = ["DocumentSigner", "FileDocumentSigner", "SignedBy", "check_pdf"]

FIELD = "FzalertApproval"
"""Name of the signature field in a paper."""


class DocumentSigner(Protocol):
    """Signs a paper; an implementation may be a file, a UKey, an HSM."""

    @property
    def subject(self) -> str:
        """Who signs, as the certificate says."""
        ...

    async def sign_pdf(self, pdf: bytes, *, reason: str, location: str) -> bytes:
        """Sign a paper; every byte of it is covered.

        Args:
            pdf: The paper.
            reason: Why, as viewers show it; without personal data.
            location: The unit.
        """
        ...


class SignedBy:
    """What a check of a signed paper found.

    Attributes:
        subject: Who signed.
        trusted: Whether the certificate leads to one of the roots that were given.
    """

    def __init__(self, subject: str, *, trusted: bool) -> None:
        self.subject = subject
        self.trusted = trusted

    @override
    def __repr__(self) -> str:
        return f"SignedBy({self.subject}, trusted={self.trusted})"


class FileDocumentSigner:
    """A key and certificate in files.

    Args:
        signer: The loaded key; use `load`.
    """

    def __init__(self, signer: SimpleSigner) -> None:
        self._signer = signer

    @classmethod
    def load(cls, certificate: Path, key: Path, chain: tuple[Path, ...] = ()) -> Self:
        """Read a certificate and its key in PEM.

        Args:
            certificate: The signer's certificate.
            key: Its private key, without a passphrase, readable by this account alone.
            chain: Certificates above it.

        Raises:
            ConfigError: A file is missing or no PEM, or the two do not fit.
        """
        from pyhanko.sign.signers import SimpleSigner

        for path in (certificate, key, *chain):
            if not path.is_file():
                raise ConfigError(f"{path.name} is not there.", hint="Name the PEM files.")
        if key.stat().st_mode & 0o077:
            raise ConfigError(f"Others may read {key.name}.", hint="chmod 600 it.")
        try:
            signer = SimpleSigner.load(  # type: ignore[no-untyped-call]
                str(key), str(certificate), ca_chain_files=chain
            )
        except (ValueError, TypeError, OSError):
            signer = None
        if signer is None:
            raise ConfigError(
                f"{certificate.name} and {key.name} are no certificate and key that fit.",
                hint="Give both in PEM, the key without a passphrase.",
            )
        return cls(signer)

    @property
    def subject(self) -> str:
        """Who signs, as the certificate says."""
        certificate = self._signer.signing_cert
        return "" if certificate is None else _name(certificate)

    async def sign_pdf(self, pdf: bytes, *, reason: str, location: str) -> bytes:
        """Sign a paper with PAdES."""
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
        from pyhanko.sign import fields, signers

        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        metadata = signers.PdfSignatureMetadata(
            field_name=FIELD,
            reason=reason,
            location=location,
            subfilter=fields.SigSeedSubFilter.PADES,
            md_algorithm="sha256",
        )
        out = await signers.async_sign_pdf(writer, metadata, signer=self._signer)
        out.seek(0)
        signed: bytes = out.read()
        return signed


async def check_pdf(pdf: bytes, roots: tuple[Path, ...] = ()) -> SignedBy:
    """Check a signed paper: whole, unchanged, and by whom.

    Args:
        pdf: The signed paper.
        roots: Certificates in PEM that are trusted.

    Raises:
        IntegrityError: It carries no signature, or was changed after it.
    """
    from pyhanko.keys import load_cert_from_pemder
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko_certvalidator import ValidationContext

    context = ValidationContext(
        trust_roots=[
            load_cert_from_pemder(str(path))  # type: ignore[no-untyped-call]
            for path in roots
        ],
        allow_fetching=False,
    )
    try:
        found = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
        if len(found) != 1:
            raise IntegrityError("The paper does not carry exactly one signature.")
        status = await async_validate_pdf_signature(found[0], context)
    except (PdfError, SignatureValidationError, ValueError, LookupError, OSError) as error:
        raise IntegrityError(
            f"The signature of the paper cannot be read ({type(error).__name__})."
        ) from None
    if not (status.intact and status.valid) or (not status.bottom_line and status.trusted):
        raise IntegrityError("The paper was changed after it was signed.")
    return SignedBy(_name(status.signing_cert), trusted=bool(status.trusted))


def _name(certificate: Certificate) -> str:
    name: str = certificate.subject.human_friendly
    return name
