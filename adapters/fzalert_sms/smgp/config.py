"""The settings of an SMGP channel: every field with its unit, range and a sentence."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from fzalert.ports import Secret
from fzalert_sms.carrier.config import CarrierConfig


class SmgpConfig(CarrierConfig):
    """A connection to an SMGP gateway (SMGW), as the contract with the carrier gives it."""

    adapter: str = Field(default="sms.smgp", description="Entry point: sms.smgp.")
    port: int = Field(default=8890, ge=1, le=65535, description="TCP port of the gateway.")
    login_mode: Literal["both", "apart"] = Field(
        default="both",
        description="both: a connection sends and receives (LoginMode 2); apart: each sends, and"
        " one more beside the first receives (LoginMode 0 and 1).",
    )
    account: str = Field(pattern=r"^[0-9A-Za-z]{1,8}$", description="ClientID, up to 8 characters.")
    secret: Secret = Field(description="Shared secret of the account, by reference.")
    service_id: str = Field(
        pattern=r"^[\x21-\x7e]{1,10}$", description="ServiceID (业务代码), up to 10 characters."
    )
    src_term_id: str = Field(
        pattern=r"^[0-9]{1,21}$", description="Access number (接入号), extension included."
    )
    fee_type: str = Field(
        default="00", pattern=r"^[0-9]{2}$", description="FeeType; 00 is free for the recipient."
    )
    fee_code: str = Field(
        default="", pattern=r"^[0-9]{0,6}$", description="FeeCode, in cents; empty where free."
    )
    priority: int = Field(default=1, ge=0, le=3, description="Priority, 0 to 3.")
    msg_src: str = Field(
        default="",
        pattern=r"^[0-9A-Za-z]{0,8}$",
        description="Enterprise code (MsgSrc), where the contract gives one.",
    )
    m_service_id: str = Field(
        default="",
        pattern=r"^[\x21-\x7e]{0,21}$",
        description="Product code (MServiceID), where the contract gives one.",
    )
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

    @model_validator(mode="after")
    def _has_room_for_the_secret(self) -> Self:
        if len(self.secret.get_secret_value()) > 15:
            raise ValueError("secret has more than the 15 characters that SMGP allows")
        return self

    @property
    @override
    def receive_endpoints(self) -> tuple[tuple[str, int], ...]:
        return self.endpoints if self.login_mode == "apart" and self.slot == 0 else ()

    @property
    @override
    def own_number(self) -> str:
        return self.src_term_id
