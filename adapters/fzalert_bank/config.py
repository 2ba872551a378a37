"""Settings of the channel `bank.https`: which desks there are, and how each is known."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fzalert import ConfigError
from fzalert.http import check_url
from fzalert.ports import ChannelConfig

__all__ = ["BankConfig", "Desk"]

PublicKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Desk(BaseModel):
    """One bank's 24-hour desk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$",
        description="Its name in the directory, as in bank_desk:icbc-lhasa.",
    )
    url: str = Field(
        max_length=2000, description="Address of the desk, such as https://desk.bank.example:8853/."
    )
    certificate: Path = Field(description="Our client certificate there, chain included, in PEM.")
    key: Path = Field(description="Its private key in PEM.")
    ca: Path | None = Field(
        default=None,
        description="Authority of the desk's certificate in PEM; without it those that this"
        " machine trusts.",
    )
    public_keys: tuple[PublicKey, ...] = Field(
        min_length=1,
        max_length=3,
        description="Keys that the desk signs with (Ed25519, 64 hex digits); two while it changes"
        " them.",
    )
    institutions: tuple[str, ...] = Field(
        default=(),
        description="Codes of its institution; a package for another one never goes there. Empty"
        " leaves that to the desk.",
    )
    private: bool = Field(default=True, description="The desk's host is in a network of ours.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        try:
            origin = check_url(self.url, self.private_hosts)
        except ConfigError as error:
            raise ValueError(f"{error.args[0]} {error.hint}".strip()) from None
        parts = urlsplit(self.url)
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("url ends behind the port: the rest is known")
        if origin.scheme != "https":
            raise ValueError("url must be https: accounts and names travel on this line")
        return self

    @property
    def host(self) -> str:
        """The desk's host, for health and logs."""
        return (urlsplit(self.url).hostname or "").rstrip(".")

    @property
    def private_hosts(self) -> frozenset[str]:
        """What the HTTP pool is told about the host."""
        host = (urlsplit(self.url).hostname or "").rstrip(".")
        return frozenset({host}) if self.private else frozenset()

    def tls(self) -> ssl.SSLContext:
        """Trust and client certificate of this line.

        Raises:
            ConfigError: A file cannot be read, or key and certificate do not belong together.
        """
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise ConfigError(
                f"The certificates for the desk {self.name} cannot be used:"
                f" {error.strerror or error}.",
                hint="Check certificate, key and ca of the desk.",
            ) from error
        return context


class BankConfig(ChannelConfig):
    """The desks that this channel reaches."""

    desks: tuple[Desk, ...] = Field(
        min_length=1, max_length=200, description="The desks, a table each."
    )
    answer_timeout: float = Field(
        default=10.0,
        gt=0,
        le=120,
        description="Seconds from the connection to the whole acknowledgement.",
    )
    poll_wait: float = Field(
        default=25.0,
        ge=0,
        le=60,
        description="Seconds that a desk may hold a question for answers open.",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = [desk.name for desk in self.desks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two desks are called {twice[0]}")
        if self.connections != 1:
            raise ValueError("this channel has one connection set for each desk: no connections")
        return self
