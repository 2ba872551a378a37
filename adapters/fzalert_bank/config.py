"""Settings of the channel `bank.https`: which desks there are, and how each is known."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fzalert import ConfigError
from fzalert.ports import ChannelConfig
from fzalert_bank.reach import Reach, check_desk_url

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
            check_desk_url(self.url, private=self.private)
        except ConfigError as error:
            raise ValueError(f"{error.args[0]} {error.hint}".strip()) from None
        return self

    def reach(self) -> Reach:
        """How it is reached, as long as the directory does not say otherwise."""
        return Reach(
            self.name,
            self.url,
            self.public_keys,
            self.institutions,
            self.certificate,
            self.key,
            self.ca,
            private=self.private,
        )

    def tls(self) -> ssl.SSLContext:
        """Trust and client certificate of this line. Raises as `Reach.tls`."""
        return self.reach().tls()


class BankConfig(ChannelConfig):
    """Who we are to the desks, and how long we wait.

    Which desks there are, where, and with which certificate and keys, comes from the directory of
    desks, where two persons agree on each.
    """

    certificate: Path | None = Field(
        default=None,
        description="Our client certificate for every desk, chain included, in PEM. Address,"
        " certificate and keys of the desks come from the directory.",
    )
    key: Path | None = Field(default=None, description="Its private key in PEM.")
    ca: Path | None = Field(
        default=None,
        description="Authority of the desks' certificates in PEM, for entries of the directory that"
        " have none; without it those that this machine trusts.",
    )
    private: bool = Field(
        default=True, description="The desks' hosts are in a network of ours or of theirs."
    )
    most_desks: int = Field(
        default=50, ge=1, le=200, description="How many desks are written to at the same time."
    )
    desks: tuple[Desk, ...] = Field(
        default=(),
        max_length=200,
        description="Desks that are not in the directory yet, a table each; instead of certificate"
        " and key. What the directory says of one counts more. Move them there.",
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
        ours = (self.certificate, self.key)
        if self.desks and any(ours):
            raise ValueError(
                "certificate and key go with the directory of desks, `desks` is the way before it:"
                " enter each desk with `fzalert contacts add`, let a second person approve it, and"
                " take `desks` out a day later"
            )
        if not self.desks and not all(ours):
            raise ValueError(
                "give certificate and key, ours for every desk; the desks themselves are entered"
                " with `fzalert contacts add`"
            )
        return self
