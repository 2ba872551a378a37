"""The settings of an SMPP channel: every field with its unit, range and a sentence."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from fzalert.messages import Coding
from fzalert.ports import Secret
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.smpp.ids import IdRule

_LONGEST_PASSWORD = 32


_LONGEST_NAME, _LONGEST_NUMBER = 11, 20


def _is_name(sender: str) -> bool:
    return bool(sender) and not sender.lstrip("+").isdigit()


class SmppConfig(CarrierConfig):
    """A connection to an SMPP message centre (SMSC), as the contract gives it."""

    adapter: str = Field(default="sms.smpp", description="Entry point: sms.smpp.")
    port: int = Field(default=2775, ge=1, le=65535, description="TCP port of the message centre.")
    # Other codings than those of the Chinese protocols: data_coding 15 means nothing here.
    coding: Literal["ucs2", "gsm7", "ascii"] = Field(  # type: ignore[assignment]
        default="gsm7",
        description="Coding of texts that it can carry (gsm7: data_coding 0, ascii: 1); all others"
        " go as UCS-2 (8).",
    )
    gsm7_packed: bool = Field(
        default=False,
        description="Eight septets in seven octets, both ways; most centres want an octet each.",
    )
    concat: Literal["udh", "sar", "payload"] = Field(
        default="udh",
        description="Long texts: udh, parts with a header; sar, parts with optional fields;"
        " payload, whole in message_payload, and the centre cuts them.",
    )
    bind: Literal["trx", "apart"] = Field(
        default="trx",
        description="trx: a connection sends and receives (bind_transceiver); apart: each sends,"
        " and one more beside the first receives (bind_transmitter, bind_receiver).",
    )
    interface_version: Literal["3.4", "5.0"] = Field(
        default="3.4", description="Version asked for; 5.0 only where the centre wants it."
    )
    account: str = Field(
        pattern=r"^[\x21-\x7e]{1,15}$", description="system_id, up to 15 characters."
    )
    secret: Secret = Field(description="Password of the account, by reference.")
    system_type: str = Field(
        default="",
        pattern=r"^[\x21-\x7e]{0,12}$",
        description="system_type, where the contract gives one.",
    )
    address_range: str = Field(
        default="",
        pattern=r"^[\x21-\x7e]{0,40}$",
        description="Numbers whose messages this connection gets, where the contract says so.",
    )
    source_addr: str = Field(
        default="",
        pattern=r"^\+?[0-9A-Za-z ._&-]{0,20}$",
        description="Sender: access number, or a name of up to 11 characters; empty where the"
        " centre puts its own.",
    )
    source_ton: int | None = Field(
        default=None,
        ge=0,
        le=7,
        description="Type of the sender's number; empty: 5 for a name, else 0.",
    )
    source_npi: int | None = Field(
        default=None,
        ge=0,
        le=18,
        description="Plan of the sender's number; empty: 0 for a name, else 1.",
    )
    number_format: Literal["86", "+86", "bare"] = Field(
        default="86", description="How a phone is written: with the country code, or 11 digits."
    )
    dest_ton: int = Field(default=1, ge=0, le=7, description="Type of the phone's number.")
    dest_npi: int = Field(default=1, ge=0, le=18, description="Plan of the phone's number.")
    service_type: str = Field(
        default="",
        pattern=r"^[\x21-\x7e]{0,5}$",
        description="service_type, where the contract gives one.",
    )
    priority: int = Field(default=0, ge=0, le=9, description="priority_flag.")
    message_id: IdRule = Field(
        default="as_is",
        description="How the id of an answer becomes that of the receipt: as_is; lower, without"
        " regard to case; strip_zeros, nor to leading zeros; hex_to_dec or dec_to_hex, written"
        " anew.",
    )
    congestion_limit: int = Field(
        default=80,
        ge=1,
        le=100,
        description="congestion_state (5.0), in percent, from which bulk goes slower.",
    )
    tls: bool = Field(default=False, description="Speak TLS from the first octet.")
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust instead of the system's (PEM)."
    )
    tls_host: str = Field(
        default="",
        max_length=253,
        description="Name in the centre's certificate, where it is not the host.",
    )
    certificate: Path | None = Field(
        default=None, description="Certificate of this side (PEM), where the centre asks for one."
    )
    key: Path | None = Field(default=None, description="Its private key (PEM).")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not 0 < len(self.secret.get_secret_value().encode()) <= _LONGEST_PASSWORD:
            raise ValueError(f"secret must have 1 to {_LONGEST_PASSWORD} characters")
        if not self.secret.get_secret_value().isascii():
            raise ValueError("secret must be plain ASCII")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both, or neither")
        if not self.tls and (self.ca_file or self.tls_host or self.certificate):
            raise ValueError("ca_file, tls_host, certificate and key need tls = true")
        if self.gsm7_packed and self.coding != "gsm7":
            raise ValueError('gsm7_packed needs coding = "gsm7"')
        if self.source_addr and not self.takes_sender(self.source_addr):
            raise ValueError("source_addr is a name of more than 11 characters")
        return self

    @property
    @override
    def own_number(self) -> str:
        return "" if _is_name(self.source_addr) else self.source_addr

    @override
    def takes_sender(self, sender: str) -> bool:
        """Up to 20 digits, or a name of up to 11 characters."""
        return len(sender) <= (_LONGEST_NAME if _is_name(sender) else _LONGEST_NUMBER)

    @property
    def source(self) -> tuple[int, int, str]:
        """Type, plan and number of the sender."""
        return self.source_of(self.source_addr)

    def source_of(self, sender: str) -> tuple[int, int, str]:
        """Type, plan and number of a sender."""
        is_name = _is_name(sender)
        ton = self.source_ton if self.source_ton is not None else 5 * is_name
        has_plan = bool(sender) and not is_name
        npi = self.source_npi if self.source_npi is not None else int(has_plan)
        return ton, npi, sender

    @property
    @override
    def text_coding(self) -> Coding:
        return Coding(self.coding)

    @property
    @override
    def sends_whole(self) -> bool:
        return self.concat == "payload"

    @property
    @override
    def tls_name(self) -> str:
        return self.tls_host

    @override
    def tls_context(self) -> ssl.SSLContext | None:
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context

    @property
    @override
    def receive_endpoints(self) -> tuple[tuple[str, int], ...]:
        return self.endpoints if self.bind == "apart" and self.slot == 0 else ()
