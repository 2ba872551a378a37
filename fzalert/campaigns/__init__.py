"""宣防活动: an audience, imported with every refused row named, and fed to the engine in time."""

from fzalert.campaigns.audience import (
    AudienceSummary,
    Recipient,
    Refusal,
    RowCode,
    read_audience,
    summarise,
)
from fzalert.campaigns.feeder import Campaign, Feeder

__all__ = [
    "AudienceSummary",
    "Campaign",
    "Feeder",
    "Recipient",
    "Refusal",
    "RowCode",
    "read_audience",
    "summarise",
]
