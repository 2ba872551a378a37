"""The settings of an SGIP channel: every field with its unit, range and a sentence."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import override

from fzalert.ports import Secret
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.carrier.reports import ReportWord

_LONGEST_PASSWORD = 16


class Listener(BaseModel):
    """Where the gateway connects to deliver reports and replies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        default="0.0.0.0",  # noqa: S104  the gateway dials us; who may come in stands below
        min_length=1,
        max_length=253,
        description="Address of this machine to listen on.",
    )
    port: int = Field(default=8801, ge=0, le=65535, description="TCP port to listen on; 0: any.")
    account: str = Field(
        pattern=r"^[\x21-\x7e]{1,16}$", description="Login name that the gateway was given."
    )
    secret: Secret = Field(description="Its password, by reference.")
    allowed: tuple[str, ...] = Field(
        default=(),
        max_length=32,
        description="Addresses or networks that may connect, such as 10.1.2.0/24; empty for any.",
    )
    login_type_1: bool = Field(
        default=True, description="Let in a gateway that binds with type 1 in place of 2."
    )
    max_connections: int = Field(
        default=64, ge=1, le=1024, description="Connections of the gateway at once."
    )
    login_timeout: float = Field(
        default=30.0, ge=0.1, le=60, description="Seconds until a connection must have bound."
    )
    idle_close: float = Field(
        default=300.0, ge=1, le=3600, description="Seconds of silence until one is closed."
    )

    @field_validator("allowed")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(
                    f"{network!r} is no address or network: write it as 10.1.2.3 or 10.1.2.0/24"
                ) from None
        return networks

    @model_validator(mode="after")
    def _has_room_for_the_secret(self) -> Self:
        _check_password(self.secret.get_secret_value())
        return self

    def lets_in(self, address: str) -> bool:
        """Whether a peer may connect at all."""
        if not self.allowed:
            return True
        try:
            peer = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(peer, "ipv4_mapped", None)
        return any((mapped or peer) in ip_network(network) for network in self.allowed)


class SgipConfig(CarrierConfig):
    """A connection to an SGIP gateway (SMG), as the contract with the carrier gives it."""

    adapter: str = Field(default="sms.sgip", description="Entry point: sms.sgip.")
    port: int = Field(default=8801, ge=1, le=65535, description="TCP port of the gateway.")
    account: str = Field(
        pattern=r"^[\x21-\x7e]{1,16}$", description="Login name, up to 16 characters."
    )
    secret: Secret = Field(description="Its password, by reference; it travels in clear.")
    listener: Listener | None = Field(
        default=None, description="Where the gateway delivers reports and replies."
    )
    node_id: int = Field(
        ge=1, le=4_294_967_295, description="Source node: 3, area code of 4 digits, company code."
    )
    corp_id: str = Field(pattern=r"^[0-9]{5}$", description="Company code (企业代码), 5 digits.")
    service_type: str = Field(
        pattern=r"^[\x21-\x7e]{1,10}$",
        description="ServiceType (业务代码), up to 10 characters.",
    )
    sp_number: str = Field(
        pattern=r"^[0-9]{1,21}$", description="Access number (接入号), extension included."
    )
    charge_number: str = Field(
        default="0" * 21,
        pattern=r"^[0-9]{0,21}$",
        description="Who pays: 21 zeros for the sender, empty for the recipient.",
    )
    fee_type: int = Field(
        default=1, ge=0, le=4, description="FeeType; 1 is free for the recipient."
    )
    fee_value: str = Field(default="0", pattern=r"^[0-9]{1,6}$", description="FeeValue, in cents.")
    given_value: str = Field(
        default="0", pattern=r"^[0-9]{1,6}$", description="GivenValue, in cents."
    )
    agent_flag: Literal[0, 1] = Field(default=0, description="AgentFlag: 0 due, 1 paid.")
    mt_flag: int = Field(
        default=2, ge=0, le=3, description="MorelatetoMTFlag; 2 is not an answer to a message."
    )
    priority: int = Field(default=0, ge=0, le=9, description="Priority, 0 to 9.")
    window: int = Field(default=16, ge=1, le=32, description="Unanswered parts at once.")
    submit_timeout: float = Field(
        default=30.0, ge=0.1, le=600, description="Seconds until it leaves the window."
    )
    idle_close: float = Field(
        default=30.0,
        ge=0.2,
        le=55,
        description="Seconds without work until a connection is closed; it opens again with work.",
    )
    gateway_deduplicates: bool = Field(
        default=False,
        description="The gateway has promised that one sequence sent twice is one text: what is"
        " unknown is then sent again with its own.",
    )

    @field_validator("report_table")
    @classmethod
    def _are_codes(cls, table: dict[str, ReportWord]) -> dict[str, ReportWord]:
        for key in table:
            if not (key.isascii() and key.isdigit() and 0 < int(key) < 256 and key[0] != "0"):
                raise ValueError(f"{key!r} is no ErrorCode: write 1 to 255, such as 25")
        return table

    @model_validator(mode="after")
    def _can_hear_and_log_in(self) -> Self:
        _check_password(self.secret.get_secret_value())
        if self.listener is None and self.wants_reports:
            raise ValueError(
                "[channel.listener] is missing: the gateway opens a connection of its own for"
                " reports and replies; or set wants_reports = false"
            )
        return self

    @property
    @override
    def rests_after(self) -> float:
        return self.idle_close


def _check_password(password: str) -> None:
    if len(password) > _LONGEST_PASSWORD or not password.isascii():
        raise ValueError("secret has more than the 16 ASCII characters that SGIP allows")
