"""What goes in and out of the service, the same over the library, the local socket and HTTP.

Personal addresses come in as they are and go out masked.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

__all__ = [
    "CampaignRequest",
    "CampaignView",
    "ChangeView",
    "ChannelView",
    "ConfigView",
    "CountersView",
    "FatePage",
    "FateView",
    "OptOutChange",
    "OptOutPage",
    "OptOutQuery",
    "OptOutRequest",
    "OptOutView",
    "OutcomeView",
    "RefusalView",
    "RelayAnswer",
    "RelayRequest",
    "ReloadView",
    "ScriptView",
    "SettleRequest",
    "SettleView",
    "SettledView",
    "StatusView",
    "UnknownPage",
    "UnknownRequest",
    "UnknownView",
    "UserChange",
    "UserView",
    "WarnRequest",
    "WarningView",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _writable(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("this is no text that can be stored") from None
    return text


Text = Annotated[str, AfterValidator(_writable)]
"""Text that every store and line can carry: no halves of characters."""


class WarnRequest(_Strict):
    """One decision to warn, as it comes over a socket or HTTP."""

    script: Text = Field(description="Id of the script, such as impersonating-police.")
    to: list[Annotated[Text, Field(max_length=320)]] = Field(
        min_length=1,
        max_length=1000,
        description="Targets as kind:address, such as phone:13800138000 or display:lobby.",
    )
    audience: Text = Field(default="general", description="Audience of the script.")
    language: Text = Field(default="zh", description="Language of the texts: zh or en.")
    values: dict[Text, Text | int] = Field(
        default_factory=dict, description="Values of the script's variables."
    )
    lane: Literal["urgent", "bulk"] = Field(default="urgent", description="urgent or bulk.")
    expires_in: float | None = Field(
        default=None, gt=0, le=30 * 86400, description="Seconds after which it is worthless."
    )
    key: Text = Field(default="", max_length=128, description="Idempotency key of the caller.")


class RelayRequest(_Strict):
    """One warning to one target, as a branch hands it over: no word of it, only which text."""

    script: Text = Field(max_length=80, description="Id of the script.")
    audience: Text = Field(max_length=40, description="Audience of the text.")
    language: Text = Field(max_length=20, description="Language of the text.")
    version: int = Field(ge=1, description="Version of the script.")
    digest: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the script's canonical form, in hex."
    )
    values: dict[Text, Text | int] = Field(
        default_factory=dict, description="Values of the script's variables."
    )
    target: Text = Field(max_length=320, description="Whom, as kind:address.")
    lane: Literal["urgent", "bulk"] = Field(description="urgent or bulk.")
    not_after: int = Field(gt=0, description="Worthless from here on, milliseconds since 1970.")
    sent_at: int = Field(gt=0, description="The branch's clock as it sends this, milliseconds.")
    drill: bool = Field(default=False, description="Whether the branch is in a drill.")


class RelayAnswer(_Strict):
    """The warning is on disk at the county."""

    message: str = Field(description="The county's id of it; its fate comes under this name.")
    warning: str = Field(description="Id of the warning at the county.")
    again: bool = Field(default=False, description="It was there already, under the same key.")


class FateView(_Strict):
    """What became of a message that a branch handed over."""

    seq: int = Field(description="Position; give the last one as `after` once all are on disk.")
    message: str = Field(description="The county's id, as it was answered.")
    word: str = Field(description="The report: delivered, undelivered, expired, shown, …")
    code: str = Field(default="", description="The code of the far side, or of a rule.")
    detail: str = Field(default="", description="Why, for people.")
    proof: str = Field(description="How much is proved.")
    at: int = Field(default=0, description="When, milliseconds since 1970.")
    duration_ms: int = Field(default=0, description="How long it was shown or played.")


class FatePage(_Strict):
    """Fates that the branch has not acknowledged."""

    items: list[FateView]
    store: str = Field(description="Names the county's store; positions of another mean nothing.")


class OutcomeView(_Strict):
    """The fate of one message, the address masked."""

    message: str
    target: str
    channel: str
    state: str
    proof: str
    word: str = ""
    code: str = ""
    detail: str = ""
    at: str = Field(default="", description="RFC 3339, or empty.")
    parts: int = 1
    duration_ms: int = 0
    resent: bool = Field(
        default=False,
        description="It was sent a second time, since nothing was known of the first.",
    )


class WarningView(_Strict):
    """One warning with the fate of each of its messages."""

    id: str
    script: str
    language: str
    lane: str
    accepted_at: str
    not_after: str
    key: str = ""
    by: str = ""
    drill: bool = False
    state: str = Field(description="open, delivered, partly, failed, expired, unknown, …")
    targets: list[OutcomeView] = Field(default_factory=list)


class CountersView(_Strict):
    """Parts by their fate, from counters that the tick keeps."""

    accepted: int = 0
    queued: int = 0
    open: int = Field(default=0, description="Claimed or sent, and no final word yet.")
    sent: int = 0
    delivered: int = 0
    failed: int = 0
    expired: int = 0
    unknown: int = 0
    suppressed: int = 0


class ChannelView(_Strict):
    """One channel on the status page."""

    name: str
    adapter: str
    kinds: list[str]
    state: str = Field(description="up, slow, down or unknown.")
    detail: str = ""
    window: int = 0
    in_flight: int = 0
    ready_urgent: int = 0
    ready_bulk: int = 0
    rate: float | None = None
    per_second: float = 0.0
    latency_ms: float | None = None
    last_error: str = ""
    counters: CountersView = Field(default_factory=CountersView)
    figures: dict[str, int | float | str] = Field(default_factory=dict)


class ScriptView(_Strict):
    """One script of the library."""

    key: str
    id: str
    audience: str
    version: int
    title: str
    languages: list[str]
    channels: list[str]
    status: str = Field(description="draft, approved, expired or changed.")
    approved_by: str = ""
    digest: str


class UserChange(_Strict):
    """A change of who may come in, and with what."""

    action: Literal[
        "add",
        "renew",
        "appoint",
        "bind",
        "unbind",
        "password",
        "enrol",
        "remove_passkey",
        "sign_out",
        "revoke",
    ] = Field(
        description="add, renew (a new token), appoint (rank and unit), bind and unbind"
        " (certificates, subjects), password, enrol (a code to make a passkey with),"
        " remove_passkey, sign_out (every session), or revoke (token, password, passkeys, subjects"
        " and certificates)."
    )
    name: Text = Field(max_length=32, description="Name of the user or machine.")
    roles: list[Text] = Field(default_factory=list, description="Roles, for add.")
    machine: bool = Field(default=False, description="Whether it is a program, for add.")
    days: float = Field(
        default=0,
        ge=0,
        description="How long the token is good, 0 for good; for enrol the code, 0 for a day.",
    )
    certificates: list[Text] = Field(
        default_factory=list,
        description="Client certificates, by sha256: and fingerprint, or by uri: or dns: and name.",
    )
    password: SecretStr | None = Field(default=None, description="The new one, for password.")
    passkey: Text = Field(default="", description="Id of a passkey, for remove_passkey.")
    subjects: list[Text] = Field(
        default_factory=list,
        description="Who a person is at an OpenID provider: issuer, a space, and subject.",
    )
    rank: Text | None = Field(
        default=None,
        description="Level of the person's office: station, county, prefecture or province; without"
        " it as it stands, at first station.",
    )
    unit: Text | None = Field(
        default=None,
        description="Code of the person's unit, twelve digits, or empty for none; without it as it"
        " stands.",
    )


class PasskeyView(_Strict):
    """One passkey of a person; nothing of it opens anything."""

    id: str = Field(description="A short name of it, as in the record.")
    label: str = Field(description="What its owner calls it.")
    aaguid: str = Field(default="", description="Kind of the device, as it says itself.")
    created_at: str = Field(description="RFC 3339.")
    used_at: str = Field(default="", description="When it last opened something, or empty.")
    backed_up: bool = Field(default=False, description="Its maker keeps copies of it elsewhere.")
    blocked: bool = Field(default=False, description="Closed: two devices used it.")


class UserView(_Strict):
    """One person or machine that may come in; never its credential."""

    name: str
    display: str = Field(default="", description="How pages write the person.")
    roles: list[str]
    disabled: bool = False
    drill: bool = Field(default=False, description="A person of a drill; its acts never count.")
    created_at: str = Field(default="", description="RFC 3339, or empty.")
    machine: bool = Field(default=False, description="A program, not a person.")
    expires_at: str = Field(default="", description="When the token expires, or empty for never.")
    certificates: list[str] = Field(
        default_factory=list,
        description="What its client certificates are known by; with ! in front: revoked.",
    )
    rank: str = Field(
        default="station",
        description="Level of the person's office: station, county, prefecture or province.",
    )
    unit: str = Field(default="", description="Twelve digits, the code of the unit, or empty.")
    has_password: bool = Field(default=False, description="Whether the person may sign in by name.")
    passkeys: list[PasskeyView] = Field(default_factory=list, description="Its passkeys.")
    subjects: list[str] = Field(
        default_factory=list, description="Who it is at an OpenID provider: issuer and subject."
    )


class SessionView(_Strict):
    """One session of a person at the pages; never its cookie."""

    id: str = Field(description="A short name of it, as in the record.")
    name: str = Field(description="Whose it is.")
    opened_at: str = Field(description="RFC 3339.")
    seen_at: str = Field(description="When it was last used, to the minute.")
    proved_at: str = Field(description="When its person last showed a credential.")


class RefusalView(_Strict):
    """One row of a list that was refused."""

    row: int
    column: str
    code: str
    reason: str
    sheet: str = ""


class CampaignView(_Strict):
    """One campaign: its audience, what of the list was refused, and how far it is."""

    id: str
    name: str
    warning: str
    script: str
    state: str = Field(description="importing, ready, running, paused, done, expired or cancelled.")
    reason: str = Field(default="", description="Why it paused or ended by itself, or empty.")
    total: int
    fed: int
    parts: int = Field(default=1, description="Short messages that each person gets.")
    sha256: str = Field(default="", description="Hash of the list, hex.")
    rows: int = Field(default=0, description="Rows of the list, up to now while it is imported.")
    duplicates: int = 0
    refused: int = 0
    by_code: dict[str, int] = Field(default_factory=dict)
    villages: dict[str, int] = Field(default_factory=dict)
    groups: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="People by kind of group and by its value."
    )
    left_out: int = Field(default=0, description="Rows of groups that were not chosen.")
    only: list[str] = Field(default_factory=list, description="Groups that were chosen.")
    excluded: list[str] = Field(default_factory=list, description="Groups that were left out.")
    refusals: list[RefusalView] = Field(default_factory=list)


Choice = Annotated[Text, Field(min_length=3, max_length=100)]
"""A group of a list, such as village=东沟村."""


class CampaignRequest(_Strict):
    """One campaign to be planned from a list that lies on this machine."""

    name: Text = Field(min_length=1, max_length=80, description="What people call it.")
    file: Text = Field(description="The list, .xlsx or .csv, as an absolute path.")
    script: Text = Field(description="Id of the script.")
    audience: Text = Field(default="general", description="Audience of the script.")
    language: Text = Field(default="zh", description="Language of the texts: zh or en.")
    values: dict[Text, Text | int] = Field(
        default_factory=dict, description="Values of the script's variables."
    )
    expires_in: float | None = Field(
        default=None, gt=0, le=30 * 86400, description="Seconds after which it is worthless."
    )
    signature: Text = Field(
        default="",
        max_length=20,
        pattern=r"^[^【】\s]*$",
        description="Registered signature to go out under, without 【】; empty is the channel's.",
    )
    only: list[Choice] = Field(
        default_factory=list,
        max_length=50,
        description="Groups of the list that it is for, as key=value; empty is for everybody.",
    )
    excluded: list[Choice] = Field(
        default_factory=list, max_length=50, description="Groups that are left out, as key=value."
    )


class UnknownRequest(_Strict):
    """Which unknown fates are asked for."""

    channel: Text = Field(default="", max_length=64, description="Only of this channel.")
    campaign: str = Field(
        default="", pattern=r"^[0-9]{0,19}$", description="Only of the campaign with this id."
    )
    limit: int = Field(default=50, ge=1, le=200, description="Messages on a page.")
    after: str = Field(
        default="", pattern=r"^[0-9]{0,19}$", description="Last message of the page before."
    )


class UnknownView(_Strict):
    """One message whose fate is unknown, the address masked."""

    message: str
    warning: str
    campaign: str = Field(default="", description="Id of its campaign, or empty.")
    script: str
    channel: str
    lane: str
    target: str
    since: str = Field(description="When it became unknown, RFC 3339.")
    not_after: str
    parts: int
    unknown_parts: int
    word: str = ""
    detail: str = ""
    resent: bool = Field(default=False, description="It was sent a second time already.")
    resend_at: str = Field(default="", description="When it is sent once more, or empty.")
    can_resend: bool = Field(default=False, description="A person may have it sent once more.")


class UnknownPage(_Strict):
    """A page of unknown fates, the longest unknown first."""

    items: list[UnknownView]
    total: int = Field(description="Messages on all pages.")
    next: str = Field(default="", description="Give it as `after` for the next page; empty ends.")


class SettleRequest(_Strict):
    """A person's decision about messages whose fate is unknown."""

    messages: list[Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]] = Field(
        min_length=1, max_length=500, description="Ids of the messages."
    )
    decision: Literal["delivered", "not_delivered", "send_again"] = Field(
        description="delivered, not_delivered, or send_again: once more, knowingly."
    )
    reason: Text = Field(
        min_length=2,
        max_length=200,
        description="Why, for the record; long numbers are masked.",
        pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$",
    )
    count: int = Field(ge=1, le=500, description="How many messages; it confirms the selection.")


class SettledView(_Strict):
    """What became of one message of a decision."""

    message: str
    result: str = Field(
        description="settled, repeated, not_unknown, too_late, resent_before, no_channel or"
        " no_message."
    )
    text: str = ""


class SettleView(_Strict):
    """What became of a decision."""

    settled: int = Field(description="How many messages were changed.")
    items: list[SettledView]


class ChangeView(_Strict):
    """One thing that a reload changed: a channel or a section of the file."""

    kind: Literal["channel", "section"]
    name: str
    action: Literal["added", "changed", "removed"]
    detail: str = Field(default="", description="Names of the settings that changed; no values.")


class ReloadView(_Strict):
    """What a reload did."""

    file: str = Field(description="The configuration file of the process.")
    before: str = Field(description="Digest of the configuration that it ran.")
    after: str = Field(description="Digest of the one that it runs now.")
    changes: list[ChangeView] = Field(default_factory=list)
    waiting: dict[str, int] = Field(
        default_factory=dict,
        description="Parts that wait on a channel which is no longer configured, by its name.",
    )


class ConfigView(_Strict):
    """Which configuration runs, and what became of the last attempt to change it."""

    file: str = ""
    digest: str = ""
    loaded_at: str = Field(default="", description="RFC 3339.")
    refused: str = Field(
        default="", description="Why the newest file is not run, or empty; the old one goes on."
    )
    refused_digest: str = ""
    refused_at: str = ""
    waiting: dict[str, int] = Field(
        default_factory=dict,
        description="Parts that wait on a channel which is not configured, by its name.",
    )


class OptOutQuery(_Strict):
    """Which page of the opt-outs is read."""

    limit: int = Field(default=50, ge=1, le=1000, description="People on a page.")
    after: str = Field(
        default="", pattern=r"^[0-9]{0,19}$", description="Where the page before ended."
    )


class OptOutView(_Strict):
    """One person who is not to be written to in bulk, the address masked."""

    target: str = Field(description="Masked; empty for a row of an older version.")
    reason: str
    since: str


class OptOutPage(_Strict):
    """A page of opt-outs, the newest first."""

    items: list[OptOutView]
    next: str = Field(default="", description="Give it as `after` for the next page; empty ends.")


class OptOutRequest(_Strict):
    """People to be noted as opted out, or to be taken back."""

    to: list[Annotated[Text, Field(max_length=320)]] = Field(
        min_length=1, max_length=1000, description="As phone:13800138000 or mailbox:a@b.example."
    )
    reason: Text = Field(
        min_length=2,
        max_length=200,
        description="Why, for the record; long numbers are masked.",
        pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$",
    )


class OptOutChange(_Strict):
    """What a change of the opt-outs did."""

    named: int = Field(description="How many people were named.")
    changed: int = Field(description="How many of them were not so already.")


class DeadlinesView(_Strict):
    """How the runner of freeze requests' deadlines is."""

    running: bool = False
    next_due: str = Field(default="", description="When the next deadline falls due.")
    fired: int = Field(default=0, description="Deadlines that fired since the start.")
    late: int = Field(default=0, description="Of them more than five seconds late.")
    problem: str = Field(default="", description="Why deadlines are not kept, or empty.")


class LimitView(_Strict):
    """Somebody who is near a daily limit of freeze requests, or has reached it."""

    of: str = Field(description="The person's actor id, or the code of the unit.")
    kind: str = Field(description="measures (prepared and approved), sends, or reveals.")
    count: int = Field(description="How many today.")
    limit: int = Field(description="How many there may be in a day.")


class StatusView(_Strict):
    """How the whole process is."""

    version: str
    protocol: int
    pid: int
    started_at: str
    drill: bool
    store: str
    store_id: str
    channels: list[ChannelView]
    totals: CountersView
    ticks: int = 0
    orphans: int = 0
    clock_suspect: str = Field(
        default="", description="What is odd about the machine's clock, or empty."
    )
    store_state: str = Field(
        default="",
        description="Why nothing new is taken: store-full, store-read-only or store-damaged; empty"
        " while all is well.",
    )
    limits: list[LimitView] = Field(
        default_factory=list, description="Who is near a daily limit of freeze requests, or at it."
    )
    deadlines: DeadlinesView = Field(default_factory=DeadlinesView)
    evidence_head: str = ""
    web: str = ""
    config: ConfigView = Field(default_factory=ConfigView)
