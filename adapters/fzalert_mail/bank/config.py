"""Settings of a channel to bank desks by mail."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from fzalert import ConfigError
from fzalert_mail.bank.smime import Identity
from fzalert_mail.config import SmtpConfig

__all__ = ["BankMailConfig"]


class BankMailConfig(SmtpConfig):
    """A mail server, and the certificate that we sign with.

    The desks do not stand here: their addresses and certificates come from the directory of desks,
    where two persons agree on each.
    """

    certificate: Path = Field(
        description="Our certificate in PEM, that the sender's address signs with."
    )
    key: Path = Field(
        description="Its private key in PEM, without a passphrase, for this account alone."
    )
    chain: tuple[Path, ...] = Field(
        default=(), description="Certificates between ours and the root; they go with each mail."
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        try:
            self.identity()
        except ConfigError as error:
            raise ValueError(f"{error} {error.hint}") from None
        return self

    def identity(self) -> Identity:
        """Read certificate and key.

        Raises:
            ConfigError: A file is missing, open to others or no PEM, or the two do not fit.
        """
        return Identity.load(self.certificate, self.key, self.chain)
