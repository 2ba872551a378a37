"""The settings that every channel of a carrier has, with their units and ranges."""

from __future__ import annotations

import re
import ssl
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, field_validator, model_validator

from fzalert.messages import Coding
from fzalert.ports import ChannelConfig
from fzalert_sms.carrier.reports import ReportWord
from fzalert_sms.carrier.results import ResultWord
from fzalert_sms.carrier.session import Limits

_HOST = re.compile(
    r"(\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+))(:(?P<port>[0-9]{1,5}))?"
)
_RESULT = re.compile(r"[1-9][0-9]{0,9}|0x[0-9A-Fa-f]{1,8}", re.ASCII)
_LONGEST = 21
Signature = Annotated[str, StringConstraints(pattern=r"^[^【】\s]{2,18}$")]
SenderId = Annotated[str, StringConstraints(pattern=r"^\+?[0-9A-Za-z ._&-]{1,21}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[^\s]{1,253}$")]


class CarrierConfig(ChannelConfig):
    """A connection to a carrier's gateway, as the contract gives it."""

    host: str = Field(min_length=1, max_length=253, description="Address of the gateway.")
    port: int = Field(ge=1, le=65535, description="TCP port of the gateway.")
    extra_hosts: tuple[Host, ...] = Field(
        default=(),
        max_length=8,
        description="Other addresses of the gateway, tried in turn: host or host:port.",
    )
    validity: bool = Field(
        default=False,
        description="Tell the gateway until when a text is worth sending, up to two days.",
    )
    wants_reports: bool = Field(default=True, description="Ask for status reports.")
    report_parts: Literal["all", "first", "last", "any"] = Field(
        default="all",
        description="Parts of a long text that the gateway reports; other than all, that one"
        " report counts for every part.",
    )
    report_table: dict[str, ReportWord] = Field(
        default={},
        description="Words of the gateway's own in reports, by their beginning, and what they say.",
        json_schema_extra={"enum": list(get_args(ReportWord))},
    )
    result_table: dict[str, ResultWord] = Field(
        default={},
        description="Results of the gateway's own, by number, and what they say.",
        json_schema_extra={"enum": list(get_args(ResultWord))},
    )

    coding: Literal["ucs2", "gb18030", "ascii"] = Field(
        default="ucs2", description="Coding of texts that are not plain ASCII."
    )
    signature: str = Field(
        default="",
        max_length=18,
        pattern=r"^(?:[^【】\s]{2,18})?$",
        description="Registered signature, put in front within 【】, 2 to 18 characters.",
    )
    signatures: tuple[Signature, ...] = Field(
        default=(),
        max_length=100,
        description="Every signature that is registered for the account, this one included; a"
        " campaign may go out under any of them. Empty where there is but the one.",
    )
    sender_ids: dict[Signature, SenderId] = Field(
        default={},
        description="Sender that goes with a signature, whole, as filed for public-service (公益)"
        " texts: the access number with its extension. Others go out by the channel's own.",
    )
    extension_digits: int = Field(
        default=0,
        ge=0,
        le=6,
        description="Free digits behind the access number, chosen by us for each text, so that its"
        " report is known even if its answer is lost; 0 leaves the sender as it is.",
    )
    gateway_adds: int = Field(
        default=0, ge=0, le=40, description="Characters that the gateway itself adds to a text."
    )
    opt_out: str = Field(
        default="", max_length=20, description="Put at the end of a text, such as 拒收请回复R."
    )
    opt_out_keywords: tuple[str, ...] = Field(
        default=("TD", "T", "R", "N", "退订"),
        description="Replies that mean: never write to this person again.",
    )
    reply_wait: float = Field(
        default=30.0, ge=0.05, le=50, description="Seconds that a long reply waits for its parts."
    )
    max_parts: int = Field(default=4, ge=1, le=20, description="Parts of the longest text.")

    window: int = Field(default=16, ge=1, le=1024, description="Unanswered parts at once.")
    rate: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        description="Parts a second of the account, over all its connections; empty for no limit.",
    )
    late_after: float = Field(
        default=3.0, ge=0.05, le=60, description="Seconds until an unanswered part is unknown."
    )
    submit_timeout: float = Field(
        default=60.0, ge=0.1, le=600, description="Seconds until it leaves the window (T)."
    )
    timeouts_in_row: int = Field(
        default=3, ge=1, le=100, description="Unanswered parts in a row until a reconnect."
    )
    keep_alive: float = Field(
        default=30.0,
        ge=0.1,
        le=180,
        description="Seconds of silence until the gateway is asked if it lives (C).",
    )
    keep_alive_timeout: float = Field(
        default=10.0, ge=0.1, le=60, description="Seconds to wait for its answer."
    )
    keep_alive_tries: int = Field(
        default=3, ge=1, le=10, description="Questions until the link counts as dead (N)."
    )

    connect_timeout: float = Field(
        default=10.0, ge=0.1, le=60, description="Seconds for the TCP connection."
    )
    auth_timeout: float = Field(default=30.0, ge=0.1, le=60, description="Seconds for the login.")
    open_wait: float = Field(
        default=2.0, ge=0, le=30, description="Seconds that opening waits for a usable link."
    )
    close_within: float = Field(
        default=3.0, ge=0, le=60, description="Seconds that closing waits for open answers."
    )
    reconnect_min: float = Field(
        default=0.2, ge=0.01, le=60, description="Longest first pause before a reconnect, seconds."
    )
    reconnect_max: float = Field(
        default=60.0, ge=0.01, le=600, description="Longest pause before a reconnect, seconds."
    )
    reconnect_refused: float = Field(
        default=60.0, ge=60, le=3600, description="Shortest pause after a refused login, seconds."
    )
    reconnect_crowded: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="Shortest pause where the gateway has too many connections, seconds; the"
        " longest is twice that.",
    )

    @field_validator("result_table")
    @classmethod
    def _are_results(cls, table: dict[str, ResultWord]) -> dict[str, ResultWord]:
        for key in table:
            if _RESULT.fullmatch(key) is None or not 0 < int(key, 0) < 1 << 32:
                raise ValueError(f'{key!r} is no result: write a number over 0, such as "106"')
        return table

    @field_validator("report_table")
    @classmethod
    def _are_stats(cls, table: dict[str, ReportWord]) -> dict[str, ReportWord]:
        for key in table:
            if not (0 < len(key) <= 7 and key.isascii() and key.isprintable() and " " not in key):
                raise ValueError(f"{key!r} is no Stat: write 1 to 7 characters, such as MA:0022")
        return table

    @field_validator("extra_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not 0 < _endpoint(host, 1)[1] <= 65535:
                raise ValueError(f"{host!r} names no TCP port")
        return hosts

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.submit_timeout < self.late_after:
            raise ValueError("submit_timeout must not be shorter than late_after")
        if self.reconnect_max < self.reconnect_min:
            raise ValueError("reconnect_max must not be shorter than reconnect_min")
        return self

    @model_validator(mode="after")
    def _are_registered(self) -> Self:
        known = {self.signature, *self.signatures} - {""}
        if self.signature and self.signatures and self.signature not in self.signatures:
            raise ValueError(
                f"the signature 【{self.signature}】 is not among the registered signatures:"
                " register it with the carrier and add it there, or take one of them"
            )
        for signature, sender in self.sender_ids.items():
            if signature not in known:
                raise ValueError(
                    f"sender_ids names 【{signature}】, which is no registered signature: add it"
                    " to signatures"
                )
            if not self.takes_sender(sender):
                raise ValueError(f"the sender {sender} of 【{signature}】 is none of this protocol")
        return self

    @model_validator(mode="after")
    def _has_room_for_an_extension(self) -> Self:
        if not self.extension_digits:
            return self
        if not self.own_number:
            raise ValueError(
                "extension_digits needs an access number that digits may follow and that reports"
                " name; those of SGIP name the sequence instead, and need no such digits"
            )
        if not self.takes_sender(self.own_number + "0" * self.extension_digits):
            raise ValueError("the access number and its extension_digits are too long together")
        return self

    @property
    def own_number(self) -> str:
        """The access number that an extension may follow; empty where none may."""
        return ""

    def takes_sender(self, sender: str) -> bool:
        """Whether the protocol can carry a sender: 1 to 21 digits."""
        return len(sender) <= _LONGEST and sender.isdigit()

    def sender_of(self, parts: tuple[str, ...], otherwise: str) -> str:
        """The sender that goes with the signature of a text, or the channel's own.

        Zeros hold the place of the extension.
        """
        return self._filed_for(parts) or otherwise + "0" * self.extension_digits

    def extension_for(self, parts: tuple[str, ...]) -> int:
        """Digits that a text adds to its sender; none where it was filed whole."""
        return 0 if self._filed_for(parts) else self.extension_digits

    def extension_in(self, service: str) -> str:
        """The extension in the number that a report comes back to; empty where there is none."""
        digits = self.extension_digits
        if not digits or not service[-digits:].isdigit():
            return ""
        return service[-digits:] if service[:-digits].endswith(self.own_number.lstrip("+")) else ""

    def _filed_for(self, parts: tuple[str, ...]) -> str:
        if not self.sender_ids or not parts[0].startswith("【"):
            return ""
        return self.sender_ids.get(parts[0][1:].partition("】")[0], "")

    @property
    def tls_name(self) -> str:
        """The name that the gateway's certificate must bear; empty for the host that is dialled."""
        return ""

    def tls_context(self) -> ssl.SSLContext | None:
        """What TLS trusts and shows; None where the protocol is in clear text.

        Raises:
            OSError: A file cannot be read.
        """
        return None

    @property
    def sends_whole(self) -> bool:
        """Whether the gateway cuts long texts itself."""
        return False

    @property
    def rests_after(self) -> float:
        """Seconds without work after which the line is closed until there is work; 0 is never."""
        return 0.0

    @property
    def receive_endpoints(self) -> tuple[tuple[str, int], ...]:
        """Where a connection that only receives goes; empty where there is none."""
        return ()

    @property
    def endpoints(self) -> tuple[tuple[str, int], ...]:
        """Where the gateway may be, in order of preference."""
        return ((self.host, self.port), *(_endpoint(one, self.port) for one in self.extra_hosts))

    @property
    def limits(self) -> Limits:
        """The figures of the session."""
        return Limits(
            window=self.window,
            late_after=self.late_after,
            request_timeout=self.submit_timeout,
            timeouts_in_row=self.timeouts_in_row,
            keep_alive=self.keep_alive,
            keep_alive_timeout=self.keep_alive_timeout,
            keep_alive_tries=self.keep_alive_tries,
            login_timeout=self.auth_timeout,
        )

    @property
    def text_coding(self) -> Coding:
        """The coding that texts are cut for."""
        return Coding(self.coding)


def _endpoint(text: str, port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is neither host nor host:port")
    host = found["address"] or found["host"]
    return host, int(found["port"] or port)
