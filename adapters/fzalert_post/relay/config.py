"""Settings of a relay: where the county is, and who we are to it."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from fzalert import ConfigError
from fzalert.http import check_url
from fzalert.ports import ChannelConfig, Secret

__all__ = ["RelayConfig"]

Kind = Literal["phone", "display", "speaker", "counter", "mailbox", "group"]


class RelayConfig(ChannelConfig):
    """The line to the county's fzalert."""

    url: str = Field(
        max_length=2000,
        description="Address of the county's fzalert, such as https://county.example:8843/.",
    )
    token: Secret | None = Field(
        default=None, description="Token of this branch's machine; or give a certificate."
    )
    certificate: Path | None = Field(
        default=None, description="Client certificate of this branch, chain included, in PEM."
    )
    key: Path | None = Field(default=None, description="Its private key in PEM.")
    ca: Path | None = Field(
        default=None,
        description="Authority of the county's certificate in PEM; without it those that this"
        " machine trusts.",
    )
    private: bool = Field(default=True, description="The county's host is in a network of ours.")
    kinds: tuple[Kind, ...] = Field(
        default=("phone",), min_length=1, description="Kinds of target that go to the county."
    )
    addresses: tuple[str, ...] = Field(
        default=(), description="Only these names or numbers of those kinds; empty takes all."
    )
    window: int = Field(default=8, ge=1, le=24, description="Warnings at once.")
    rate: float | None = Field(default=None, gt=0, le=5000, description="Warnings a second.")
    answer_timeout: float = Field(
        default=10.0, gt=0, le=120, description="Seconds from the connection to the whole answer."
    )
    poll_wait: float = Field(
        default=25.0,
        ge=0,
        le=60,
        description="Seconds that the county may hold a question for fates open.",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both, or neither")
        if (self.certificate is None) == (self.token is None):
            raise ValueError("give a token, or certificate and key")
        if self.connections != 1:
            raise ValueError("a relay has one connection; raise window instead")
        try:
            origin = check_url(self.url, self.private_hosts)
        except ConfigError as error:
            raise ValueError(f"{error.args[0]} {error.hint}".strip()) from None
        parts = urlsplit(self.url)
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("url ends behind the port: the rest is known")
        if origin.scheme == "http" and not _is_loopback(origin.host):
            raise ValueError("url must be https: names and numbers of people travel on this line")
        if origin.scheme == "http" and self.certificate is not None:
            raise ValueError("a client certificate needs https")
        return self

    @property
    def host(self) -> str:
        """The county's host, for health and logs."""
        return (urlsplit(self.url).hostname or "").rstrip(".")

    @property
    def private_hosts(self) -> frozenset[str]:
        """What the HTTP pool is told about the host."""
        host = (urlsplit(self.url).hostname or "").rstrip(".")
        return frozenset({host}) if self.private else frozenset()

    def tls(self) -> ssl.SSLContext | None:
        """Trust and client certificate of this line; None where the machine's own will do.

        Raises:
            ConfigError: A file cannot be read, or key and certificate do not belong together.
        """
        if self.ca is None and self.certificate is None:
            return None
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise ConfigError(
                f"The certificates of {self.name} cannot be used: {error.strerror or error}.",
                hint="Check certificate, key and ca of the channel.",
            ) from error
        return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
