"""The settings of a CMPP channel: every field with its unit, range and a sentence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from fzalert.ports import Secret
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.cmpp.codec import V20, V30, Layout


class CmppConfig(CarrierConfig):
    """A connection to a CMPP gateway (ISMG), as the contract with the carrier gives it."""

    adapter: str = Field(default="sms.cmpp", description="Entry point: sms.cmpp.")
    port: int = Field(default=7890, ge=1, le=65535, description="TCP port of the gateway.")
    receive_connection: bool = Field(
        default=False,
        description="Open one more connection, beside the first, that only takes reports and"
        " replies.",
    )
    receive_port: int | None = Field(
        default=None, ge=1, le=65535, description="Its TCP port, where it is another one."
    )
    version: Literal["3.0", "2.0"] = Field(default="3.0", description="CMPP version to ask for.")
    allow_lower_version: bool = Field(
        default=True, description="Speak 2.0 with a gateway that does not speak 3.0."
    )
    account: str = Field(
        pattern=r"^[0-9A-Za-z]{1,6}$", description="SP_Id (企业代码), up to 6 characters."
    )
    secret: Secret = Field(description="Shared secret of the account, by reference.")
    service_id: str = Field(
        pattern=r"^[\x21-\x7e]{1,10}$", description="Service_Id (业务代码), up to 10 characters."
    )
    src_id: str = Field(
        pattern=r"^[0-9]{1,21}$", description="Access number (接入号), extension included."
    )
    fee_type: str = Field(
        default="01", pattern=r"^[0-9]{2}$", description="FeeType; 01 is free for the recipient."
    )
    fee_code: str = Field(
        default="", pattern=r"^[0-9]{0,6}$", description="FeeCode, in cents; empty where free."
    )
    message_level: int = Field(default=1, ge=0, le=9, description="Msg_level, 0 to 9.")
    number_format: Literal["bare", "86"] = Field(
        default="bare", description="bare: 11 digits; 86: with the country code in front."
    )
    clock_skew: float = Field(
        default=0.0,
        ge=-86_400,
        le=86_400,
        description="Seconds added to our clock in the login, where the gateway's clock is off.",
    )
    strict_server_auth: bool = Field(
        default=False, description="Refuse a gateway whose own digest is wrong."
    )
    auth_pad_source_addr: bool = Field(
        default=False, description="Pad a short account to 6 octets before it is hashed."
    )

    @property
    def layout(self) -> Layout:
        """The layout to ask for."""
        return V30 if self.version == "3.0" else V20

    @property
    @override
    def receive_endpoints(self) -> tuple[tuple[str, int], ...]:
        if not (self.receive_connection and self.slot == 0):
            return ()
        return tuple((host, self.receive_port or port) for host, port in self.endpoints)

    @property
    @override
    def own_number(self) -> str:
        return self.src_id
