"""What a person looks at before a campaign goes out, the same over library, socket and HTTP."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fzalert.service.models import RefusalView

__all__ = ["CampaignPreview", "CarrierPreview", "ChannelPreview", "PausePreview"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChannelPreview(_Strict):
    """One channel: the text as it would send it, and what goes by it."""

    name: str
    adapter: str
    text: str = Field(default="", description="In full, with signature and opt-out tail.")
    problem: str = Field(default="", description="Why it can carry no text, or empty.")
    coding: str = ""
    signature: str = ""
    parts_each: int = Field(default=0, description="Short messages that each person gets.")
    recipients: int = 0
    parts: int = 0
    price: str = Field(default="", description="Yuan for a part, exact; empty where none is set.")
    cost: str = Field(default="", description="Yuan for its parts, exact.")
    rate: float | None = Field(default=None, description="Parts a second; none sets no limit.")
    seconds: float | None = Field(default=None, description="Time that its parts take at that.")


class CarrierPreview(_Strict):
    """One carrier: whose subscribers, and by which channels they are reached."""

    carrier: str = Field(description="mobile, unicom, telecom, broadnet, or unknown.")
    recipients: int = 0
    parts: int = 0
    cost: str = ""
    channels: dict[str, int] = Field(default_factory=dict, description="People by channel.")


class PausePreview(_Strict):
    """Quiet hours that fall into the sending."""

    begins: str
    ends: str


class CampaignPreview(_Strict):
    """What would go out, counted on the stored list; confirmed by its digest."""

    campaign: str
    name: str
    state: str
    script: str
    language: str
    audience: str
    digest: str = Field(description="Names exactly this; what start or resume confirms.")
    at: str = Field(description="When it was counted, RFC 3339.")
    recipients: int = Field(description="People who are still to be written to.")
    fed: int = Field(default=0, description="People whose texts are in the queue already.")
    parts: int
    cost: str = Field(default="", description="Yuan in all, exact; empty without any price.")
    unpriced: int = Field(default=0, description="Parts on channels without a price.")
    channels: list[ChannelPreview] = Field(default_factory=list)
    carriers: list[CarrierPreview] = Field(default_factory=list)
    kinds: dict[str, int] = Field(
        default_factory=dict, description="People with mvno, m2m or unknown numbers."
    )
    groups: dict[str, dict[str, int]] = Field(
        default_factory=dict,
        description="People by town, village, group, school, class, elderly, age and tag.",
    )
    only: list[str] = Field(default_factory=list, description="Groups that were chosen.")
    excluded: list[str] = Field(default_factory=list, description="Groups that were left out.")
    opted_out: int = Field(default=0, description="People who opted out: not written to.")
    capped: int = Field(default=0, description="People who were written to enough lately.")
    not_before: str = ""
    not_after: str = ""
    seconds: float | None = Field(default=None, description="Time of sending, without pauses.")
    done_at: str = Field(default="", description="When it would be done if it began now.")
    pauses: list[PausePreview] = Field(default_factory=list)
    late: int = Field(default=0, description="People whose turn comes after the window.")
    rows: int = 0
    left_out: int = Field(default=0, description="Rows that the chosen groups leave out.")
    duplicates: int = 0
    refused: int = 0
    by_code: dict[str, int] = Field(default_factory=dict)
    refusals: list[RefusalView] = Field(default_factory=list)
