"""Settings of a mail channel."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from fzalert.messages import mailbox
from fzalert.ports import ChannelConfig, Secret

__all__ = ["SmtpConfig"]

_PORTS = {"tls": 465, "starttls": 587, "none": 25}


class SmtpConfig(ChannelConfig):
    """A mail server that takes our mail.

    Without TLS only a server on this machine is spoken to, unless `allow_plaintext` says that the
    road is safe; a password never travels without TLS.
    """

    host: str = Field(min_length=1, max_length=253, description="Name or address of the server.")
    port: int | None = Field(
        default=None, ge=1, le=65_535, description="Port; by `tls` 465, 587 or 25 unless given."
    )
    tls: Literal["tls", "starttls", "none"] = Field(
        default="starttls", description="tls from the first byte, starttls, or none."
    )
    allow_plaintext: bool = Field(
        default=False, description="Allow `tls = none` to a server on another machine."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust instead of the machine's own store."
    )
    username: str = Field(default="", max_length=320, description="Login; empty for none.")
    password: Secret | None = Field(default=None, description="Password of the login.")
    sender: str = Field(description="Address that the mail comes from.")
    sender_name: str = Field(
        default="", max_length=64, description="Name beside the address, such as 反诈中心."
    )
    window: int = Field(default=20, ge=1, le=200, description="Mails handed over at once.")
    rate: float | None = Field(
        default=None, gt=0, le=1000, description="Mails a second that the server allows."
    )
    connect_timeout: float = Field(
        default=10.0, gt=0, le=60, description="Seconds for connection, greeting, TLS and login."
    )
    answer_timeout: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="Seconds for one mail, after which its fate is unknown.",
    )
    keepalive: float = Field(
        default=60.0, gt=0, le=600, description="Seconds of rest before the line is tried."
    )
    retry_most: float = Field(
        default=60.0, gt=0, le=600, description="Longest pause in seconds between connections."
    )

    @field_validator("sender")
    @classmethod
    def _is_address(cls, sender: str) -> str:
        if not sender.isascii():
            raise ValueError("the sender's address has to be ASCII")
        return mailbox(sender).address

    @field_validator("sender_name")
    @classmethod
    def _is_one_line(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("the sender's name holds a control character")
        return name

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password go together")
        if self.tls == "none" and not self._is_here:
            if self.password is not None:
                raise ValueError("a password never travels without TLS")
            if not self.allow_plaintext:
                raise ValueError("without TLS set allow_plaintext, or use starttls")
        return self

    @property
    def server_port(self) -> int:
        """The port that is connected to."""
        return self.port or _PORTS[self.tls]

    @property
    def domain(self) -> str:
        """The sender's domain; it names us in greetings and message ids."""
        return self.sender.partition("@")[2]

    @property
    def _is_here(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
