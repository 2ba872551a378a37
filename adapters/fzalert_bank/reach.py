"""How a desk is reached now: where, whom to trust there, as whom, and by which keys it is known."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fzalert import ConfigError
from fzalert.http import check_url

__all__ = ["Reach", "check_desk_url"]


@dataclass(frozen=True, slots=True)
class Reach:
    """One desk, as the directory or the settings have it at a moment.

    Attributes:
        name: Name of the target.
        url: Address of the desk, without a path.
        public_keys: Keys that the desk signs with, hex.
        institutions: Codes of its institution; empty leaves that to the desk.
        certificate: File of our client certificate.
        key: File of its private key.
        ca: File of the authority of the desk's certificate, or None for this machine's own.
        pinned: The desk's certificate or its authority's, in PEM; then no other is trusted.
        private: Whether its host may be in a private network.
    """

    name: str
    url: str
    public_keys: tuple[str, ...]
    institutions: tuple[str, ...]
    certificate: Path
    key: Path
    ca: Path | None = None
    pinned: str = ""
    private: bool = True

    @property
    def host(self) -> str:
        """The desk's host, for health and logs."""
        return (urlsplit(self.url).hostname or "").rstrip(".")

    @property
    def private_hosts(self) -> frozenset[str]:
        """What the HTTP pool is told about the host."""
        return frozenset({self.host}) if self.private else frozenset()

    def tls(self) -> ssl.SSLContext:
        """Trust and client certificate of this line.

        Raises:
            ConfigError: A file cannot be read, the entry's certificate is none, or key and
                certificate do not belong together.
        """
        try:
            if self.pinned:
                context = ssl.create_default_context(cadata=self.pinned)
                # The desk's own certificate is enough: no authority has to stand above it.
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            else:
                ca = None if self.ca is None else str(self.ca)
                context = ssl.create_default_context(cafile=ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"The certificates for the desk {self.name} cannot be used: {why}.",
                hint="Check certificate, key and ca, and the desk's entry in the directory.",
            ) from error
        return context


def check_desk_url(url: str, *, private: bool) -> None:
    """Find out whether an address is one of a desk.

    Raises:
        ConfigError: It is none, or not https.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    origin = check_url(url, frozenset({host}) if private else frozenset())
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError("url ends behind the port: the rest is known")
    if origin.scheme != "https":
        raise ConfigError("url must be https: accounts and names travel on this line")
