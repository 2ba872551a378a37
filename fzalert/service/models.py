"""What goes in and out of the service, the same over the library, the local socket and HTTP.

Personal addresses come in as they are and go out masked.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "CampaignRequest",
    "CampaignView",
    "ChannelView",
    "CountersView",
    "OutcomeView",
    "RefusalView",
    "ScriptView",
    "StatusView",
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


class UserView(_Strict):
    """One person that may come in; never its credential."""

    name: str
    display: str = Field(default="", description="How pages write the person.")
    roles: list[str]
    disabled: bool = False
    drill: bool = Field(default=False, description="A person of a drill; its acts never count.")
    created_at: str = Field(default="", description="RFC 3339, or empty.")


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
    rows: int = 0
    duplicates: int = 0
    refused: int = 0
    by_code: dict[str, int] = Field(default_factory=dict)
    villages: dict[str, int] = Field(default_factory=dict)
    refusals: list[RefusalView] = Field(default_factory=list)


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
    evidence_head: str = ""
    web: str = ""
