"""What `fzalert.toml` may say: one frozen model a section, and the typed whole."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from fzalert.ports import ChannelConfig, Secret

if TYPE_CHECKING:
    from fzalert.ports.adapter import AdapterFactory

BASE_DIRECTORY = "base_directory"
"""Key of the validation context under which the folder of the file stands."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _beside_file(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get(BASE_DIRECTORY)
    return path if base is None else Path(base) / path.expanduser()


LocalPath = Annotated[Path, AfterValidator(_beside_file)]
"""A path; a relative one is taken from the folder of the file."""

_SQLITE = "sqlite:///"


def _store_url(url: str, info: ValidationInfo) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme != "sqlite":
        raise ValueError(f"write sqlite:///fzalert.db; the store {scheme!r} is not supported")
    name = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not name or "?" in name or "#" in name:
        raise ValueError("write sqlite:///, then the path of the database file, and nothing else")
    return _SQLITE + str(_beside_file(Path(name), info))


class StoreSettings(_Section):
    """The database: queue, outcomes, evidence, users, all in one."""

    url: Annotated[str, AfterValidator(_store_url)] = Field(
        default="sqlite:///fzalert.db",
        validate_default=True,
        description="Address of the database; a relative path is taken from this file's folder.",
    )
    master_key: Secret | None = Field(
        default=None,
        description="Key that protects personal data, by reference; without it fzalert makes a"
        " key file beside the database.",
    )
    former_master_key: Secret | None = Field(
        default=None,
        description="The key before master_key, by reference, for the first start under another"
        " one; afterwards nothing needs it.",
    )
    keep_days: int = Field(
        default=365,
        ge=0,
        le=3650,
        description="Days after the end of its window for which a message is kept, with address and"
        " fate; 0 keeps it for ever. The evidence, which names nobody, always stays.",
    )
    anchor: LocalPath | None = Field(
        default=None,
        description="File that remembers how far the database is, so that an older copy of it is"
        " known; best on another disk. Without it, a file beside the database.",
    )

    @property
    def path(self) -> Path:
        """The database file."""
        return Path(self.url.removeprefix(_SQLITE))


_Line = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$")]
_Hotline = Annotated[str, Field(pattern=r"^[0-9]{3,12}$")]


class IdentitySettings(_Section):
    """Who speaks: what the texts may say of their sender, and the numbers they may name."""

    county: _Line = Field(default="", description="County or district, such as 青山县.")
    town: _Line = Field(default="", description="Town or street office.")
    village: _Line = Field(default="", description="Village or community.")
    bank: _Line = Field(default="", description="The bank's short name.")
    branch: _Line = Field(default="", description="The branch, such as 城关支行.")
    sign: Annotated[str, Field(max_length=20, pattern=r"^[^【】\[\]\x00-\x1f]*$")] = Field(
        default="", description="Signature of short messages, without the brackets 【】."
    )
    hotline: _Hotline = Field(default="96110", description="The number that a text names.")
    service_numbers: Mapping[str, _Hotline] = Field(
        default_factory=dict,
        description="Published customer service numbers, by the bank's name.",
    )


class DrillSettings(_Section):
    """Exercises."""

    enabled: bool = Field(
        default=False, description="Mark everything that goes out with 演练 and show it on pages."
    )


def _address(host: str) -> str:
    if host == "localhost":
        return host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("give an address such as 127.0.0.1 or 0.0.0.0, or localhost") from None
    return host


def _address_or_none(host: str | None) -> str | None:
    return None if host is None else _address(host)


def _public_url(url: str) -> str:
    """An address that passkeys and an OpenID provider can be bound to."""
    if not url:
        return url
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ValueError(f"{url[:80]} is no address; write https:// and a name") from None
    if parts.scheme not in {"https", "http"} or not host or parts.path.strip("/"):
        raise ValueError("write https://, a name, and the port unless it is 443; nothing more")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("write https://, a name, and the port unless it is 443; nothing more")
    if host != "localhost":
        if _is_address(host):
            raise ValueError(
                "a passkey is bound to a name, and an address is none; give the machine a name"
            )
        if parts.scheme == "http":
            raise ValueError(
                "browsers have no passkeys on a page without TLS; write https://, and make a"
                " certificate with fzalert tls init"
            )
    return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.replace(".", "").isdigit()
    return True


class WebSettings(_Section):
    """The pages, the interface for programs, and what screens connect to."""

    host: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1", description="Address to listen on."
    )
    port: int = Field(default=8800, ge=0, le=65535, description="Port; 0 takes any free one.")
    certificate: LocalPath | None = Field(
        default=None, description="Certificate chain in PEM, for TLS."
    )
    key: LocalPath | None = Field(default=None, description="Its private key in PEM.")
    hosts: tuple[str, ...] = Field(
        default=(),
        description="Names under which browsers may come; empty takes any on an outside address.",
    )
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        default="",
        description="Address of the pages as browsers write it, such as"
        " https://fzalert.county.example:8800. Passkeys and single sign-on are bound to it; without"
        " it there are passkeys on http://localhost alone.",
    )
    connections: int = Field(
        default=2000, ge=16, le=20000, description="Connections at once; beyond it 503."
    )
    mtls_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port of a second listener, for machines with client certificates; 0 takes any"
        " free one.",
    )
    mtls_host: Annotated[str | None, AfterValidator(_address_or_none)] = Field(
        default=None, description="Its address; the first listener's unless given."
    )
    client_ca: LocalPath | None = Field(
        default=None, description="Authorities whose client certificates it lets in, in PEM."
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both, or neither")
        if (self.mtls_port is None) != (self.client_ca is None):
            raise ValueError("mtls_port and client_ca go together: give both, or neither")
        if self.mtls_port is not None and self.certificate is None:
            raise ValueError("mtls_port needs certificate and key")
        says_tls = self.public_url.startswith("https:")
        if says_tls and self.certificate is None and not self.is_loopback:
            raise ValueError(
                "public_url says https, and there is no certificate: give certificate and key,"
                " or listen on 127.0.0.1 behind a proxy that has one"
            )
        if self.mtls_port and self.mtls_port == self.port:
            raise ValueError("port and mtls_port are the same")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def is_secure(self) -> bool:
        """Whether it is served over TLS."""
        return self.certificate is not None

    @property
    def has_tls_in_front(self) -> bool:
        """Whether browsers come over TLS, our own or that of a proxy on this machine."""
        return self.is_secure or self.public_url.startswith("https:")

    @property
    def public_name(self) -> str:
        """The name in `public_url`, or empty."""
        return (urlsplit(self.public_url).hostname or "") if self.public_url else ""


class UrgentCaps(_Section):
    """How many urgent messages a number may get."""

    hour: int = Field(default=3, ge=1, le=100, description="Messages in an hour.")
    day: int = Field(default=6, ge=1, le=100, description="Messages in 24 hours.")


class BulkCap(_Section):
    """How many bulk messages a number may get."""

    day: int = Field(default=1, ge=0, le=20, description="Messages in 24 hours.")


class NumberCaps(_Section):
    """Limits for one phone number, so that a warning does not become a nuisance."""

    urgent: UrgentCaps = Field(default_factory=UrgentCaps, description="The urgent lane.")
    bulk: BulkCap = Field(default_factory=BulkCap, description="The bulk lane.")


_CHINA = "Asia/Shanghai"


def _find_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        if name == _CHINA:  # a machine without zone data; China has kept this offset since 1991
            return timezone(timedelta(hours=8), name)
        raise ValueError(f"no such time zone; write {_CHINA}") from None


def _zone(name: str) -> str:
    _find_zone(name)
    return name


class QuietHours(_Section):
    """When bulk does not go out; from `start` to `end`, over midnight where end is earlier."""

    enabled: bool = Field(default=True, description="Whether quiet hours are kept.")
    start: time = Field(default=time(21, 0), description="First minute of the quiet.")
    end: time = Field(default=time(8, 0), description="First minute after it.")
    zone: Annotated[str, AfterValidator(_zone)] = Field(
        default=_CHINA, description="Time zone of the two."
    )

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.enabled and self.start == self.end:
            raise ValueError("start and end are the same: bulk would never go out, or always")
        return self

    @property
    def tzinfo(self) -> tzinfo:
        """The zone as an object."""
        return _find_zone(self.zone)


def _seconds(value: object) -> object:
    return timedelta(seconds=value) if isinstance(value, int | float) else value


Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
"""A length of time; a bare number is seconds."""


class LimitSettings(_Section):
    """How fast, how often, how long."""

    unknown_wait: Seconds = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(hours=1),
        description="Seconds that an unanswered urgent part waits before the policy decides.",
    )
    urgent_window: int = Field(
        default=10, ge=1, le=1440, description="Minutes after which an urgent warning is worthless."
    )
    bulk_window: int = Field(
        default=24, ge=1, le=720, description="Hours after which a bulk message is worthless."
    )
    bulk_queue: int = Field(
        default=100_000,
        ge=1_000,
        le=10_000_000,
        description="Bulk parts that may wait for one channel; beyond it callers are asked to come"
        " later. Campaigns feed themselves and never reach it.",
    )
    most_parts: int = Field(
        default=4,
        ge=1,
        le=20,
        description="Short messages that one text of a campaign may cost each person; a longer one"
        " is refused when it is planned.",
    )
    per_number: NumberCaps = Field(default_factory=NumberCaps, description="For one number.")
    quiet_hours: QuietHours = Field(default_factory=QuietHours, description="Quiet hours of bulk.")


class LogSettings(_Section):
    """Where the log goes and how much it says."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is written."
    )
    format: Literal["json", "text"] = Field(
        default="json", description="json for machines, text for a person at a terminal."
    )
    file: LocalPath | None = Field(default=None, description="A file; without it standard error.")


class BranchSettings(_Section):
    """A branch that hands its warnings over, and what it may do here."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = Field(
        description="Name of the branch's machine, as in fzalert user add-machine."
    )
    targets: tuple[Annotated[str, Field(pattern=r"^[a-z_]+:[^\s]{1,320}$")], ...] = Field(
        default=(),
        description="What it may address, such as phone:* or display:hall-*; empty takes only"
        " named targets that begin with the branch's name and a hyphen.",
    )
    channels: tuple[str, ...] = Field(
        default=(), description="Channels that may carry its warnings; empty takes any."
    )
    bank: _Line = Field(default="", description="The bank's name that its texts may say.")
    branch: _Line = Field(default="", description="The branch's name that its texts may say.")
    town: _Line = Field(default="", description="The town that its texts may name.")
    village: _Line = Field(default="", description="The village that its texts may name.")
    sign: _Line = Field(default="", description="The sign that its texts may say.")
    urgent_hour: int = Field(default=60, ge=0, le=100_000, description="Urgent warnings an hour.")
    urgent_day: int = Field(default=300, ge=0, le=1_000_000, description="Urgent warnings a day.")
    bulk_day: int = Field(default=2000, ge=0, le=1_000_000, description="Bulk warnings a day.")


class RelaySettings(_Section):
    """The county's side of the channel post.relay."""

    branch: tuple[BranchSettings, ...] = Field(
        default=(), description="The branches that may hand their warnings over."
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [one.name for one in self.branch]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two branches have the name {', '.join(twice)}")
        return self


def _collector(endpoint: str) -> str:
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise ValueError("write an address such as http://127.0.0.1:4318")
    return endpoint


class TelemetrySettings(_Section):
    """Traces, for a collector that speaks OTLP over HTTP; counts and names of ours, no more."""

    endpoint: Annotated[str, AfterValidator(_collector)] = Field(
        default="", description="Address of the collector; empty sends no traces."
    )
    sample: float = Field(
        default=1.0, ge=0, le=1, description="Share of the traces that are kept, 0 to 1."
    )


_Phone = Annotated[str, Field(pattern=r"^(?:\+?[0-9][0-9\-]{5,28})?$")]
_Notified = Annotated[
    str,
    Field(
        pattern=r"^(?:mailbox:[^@\s<>\",;]{1,64}@[A-Za-z0-9][A-Za-z0-9.\-]{0,252}"
        r"|group:[A-Za-z0-9][A-Za-z0-9_.\-]{0,63})?$"
    ),
]


class FreezeSettings(_Section):
    """Freeze requests: whose rules, who signs the papers, who answers day and night."""

    policy: LocalPath | None = Field(
        default=None,
        description="A unit's own rules in TOML; without it the shipped cn-2024.",
    )
    unit_name: Annotated[str, Field(max_length=150, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$")] = (
        Field(default="", description="The unit that asks, as papers name it.")
    )
    unit_code: Annotated[str, Field(pattern=r"^(?:[0-9]{12})?$")] = Field(
        default="", description="Its code of twelve digits."
    )
    prefecture: Annotated[str, Field(pattern=r"^(?:[0-9]{4})?$")] = Field(
        default="", description="First four digits of its area code (GB/T 2260)."
    )
    duty_phone: _Phone = Field(
        default="", description="Telephone that is answered day and night, for banks."
    )
    drill_day: int = Field(
        default=0,
        ge=0,
        le=28,
        description="Day of the month on which every desk of the directory is tested by itself; 0"
        " for never.",
    )
    drill_hour: int = Field(
        default=10, ge=0, le=23, description="From which hour of that day, by Beijing time."
    )
    notify_duty: _Notified = Field(
        default="",
        description="Who is told of stops and freezes that end soon, and of what was approved and"
        " not sent: mailbox:<address> or group:<name>. Empty tells nobody.",
    )
    notify_supervisor: _Notified = Field(
        default="",
        description="Who is told where a bank's desk stays silent, and of other limits that are"
        " missed: mailbox:<address> or group:<name>.",
    )
    supervisor_phone: _Phone = Field(
        default="", description="The supervisor's telephone, for the task on the board."
    )
    notify_centre: _Notified = Field(
        default="",
        description="The anti-fraud centre, told where nothing else helped: mailbox:<address> or"
        " group:<name>.",
    )
    centre_phone: _Phone = Field(
        default="", description="The centre's telephone, for the task on the board."
    )
    signer_certificate: LocalPath | None = Field(
        default=None, description="Certificate that signs the papers (PAdES), in PEM."
    )
    signer_key: LocalPath | None = Field(default=None, description="Its private key in PEM.")
    fonts: tuple[str, ...] = Field(
        default=(),
        description="Font families of the papers, the preferred one first; empty takes Noto Serif"
        " CJK SC.",
    )

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.signer_certificate is None) != (self.signer_key is None):
            raise ValueError("signer_certificate and signer_key go together: give both, or neither")
        duty = (self.unit_name, self.unit_code, self.duty_phone)
        if any(duty) and not all(duty):
            raise ValueError("unit_name, unit_code and duty_phone go together: give all, or none")
        return self


class EvidenceSettings(_Section):
    """The record: where its daily head is kept besides, and who gets it."""

    heads: LocalPath | None = Field(
        default=None,
        description="File to which every day's head of all chains is added; best on another disk,"
        " or one that cannot be rewritten. Without it, a file beside the database.",
    )
    mail_to: Annotated[str, Field(max_length=254, pattern=r"^(?:[^@\s]+@[^@\s]+)?$")] = Field(
        default="",
        description="Mailbox of a second unit that gets every day's head, over the channel that"
        " serves mailboxes; empty sends none.",
    )


def _host(name: str) -> str:
    if not name or "/" in name or ":" in name or "@" in name:
        raise ValueError("write the name of a host, without https:// and without a port")
    return name.lower()


class OidcSettings(_Section):
    """Single sign-on by an OpenID provider: it says who somebody is, and nothing about rights."""

    issuer: Annotated[str, Field(pattern=r"^https?://[!-~]{1,300}$")] = Field(
        description="The provider's name of itself, an address, exactly as it writes it."
    )
    client_id: Annotated[str, Field(pattern=r"^[!-~]{1,255}$")] = Field(
        description="Name under which fzalert is known there."
    )
    client_secret: Secret | None = Field(
        default=None, description="Its secret there; a client that is public has none."
    )
    private_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(
        default=(),
        description="Hosts of the provider in a network of ours: they may have private addresses,"
        " any port, and no TLS.",
    )
    label: Annotated[str, Field(max_length=30, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$")] = Field(
        default="统一身份认证", description="What the button at the login says."
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        parts = urlsplit(self.issuer)
        host = (parts.hostname or "").lower()
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("issuer has no query and no user name")
        if parts.scheme == "http" and host not in self.private_hosts:
            raise ValueError(
                "issuer has no TLS: write https://, or name its host under private_hosts where the"
                " network is ours"
            )
        return self


class AccessSettings(_Section):
    """How people come in, beside what fzalert user gives them."""

    oidc: OidcSettings | None = Field(
        default=None, description="Single sign-on by an OpenID provider."
    )


class FileSections(_Section):
    """The sections of the file other than its channels."""

    store: StoreSettings
    identity: IdentitySettings = Field(default_factory=IdentitySettings)
    drill: DrillSettings = Field(default_factory=DrillSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    relay: RelaySettings = Field(default_factory=RelaySettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    freeze: FreezeSettings = Field(default_factory=FreezeSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One `[[channel]]` table, validated by its adapter's own `Config`.

    Attributes:
        name: The channel's name.
        adapter: The adapter's entry point, such as `sms.cmpp`.
        factory: The adapter's class.
        config: Its settings, secrets resolved.
    """

    name: str
    adapter: str
    factory: AdapterFactory
    config: ChannelConfig


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file.

    Attributes:
        path: The file, absolute.
        store: `[store]`.
        identity: `[identity]`.
        drill: `[drill]`.
        web: `[web]`.
        limits: `[limits]`.
        log: `[log]`.
        channels: `[[channel]]`, in the order of the file.
        telemetry: `[telemetry]`.
        relay: `[relay]`.
        freeze: `[freeze]`.
        evidence: `[evidence]`.
        access: `[access]`.
        digest: SHA-256 of the file, hex; names this configuration on pages and in evidence.
    """

    path: Path
    store: StoreSettings
    identity: IdentitySettings
    drill: DrillSettings
    web: WebSettings
    limits: LimitSettings
    log: LogSettings
    channels: tuple[ChannelSettings, ...]
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    digest: str = field(default="", compare=False)
    relay: RelaySettings = field(default_factory=RelaySettings)
    freeze: FreezeSettings = field(default_factory=FreezeSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    access: AccessSettings = field(default_factory=AccessSettings)

    @property
    def data_directory(self) -> Path:
        """Where the store, its lock and the local socket lie."""
        return self.store.path.parent

    @property
    def heads_file(self) -> Path:
        """Where the daily heads of the evidence are kept besides the store."""
        return self.evidence.heads or self.store.path.with_name(self.store.path.name + ".heads")
