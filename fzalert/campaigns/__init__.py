"""宣防活动: an audience, imported with every refused row named, and fed to the engine in time."""

from fzalert.campaigns.audience import (
    AudienceSummary,
    Recipient,
    Refusal,
    read_audience,
    summarise,
)
from fzalert.campaigns.feeder import Feeder
from fzalert.campaigns.model import Campaign, Document, Render, Source, State, Step
from fzalert.campaigns.numbers import RowCode
from fzalert.campaigns.reading import ListNotRead, ListReading, Person, ReadingLimits

__all__ = [
    "AudienceSummary",
    "Campaign",
    "Document",
    "Feeder",
    "ListNotRead",
    "ListReading",
    "Person",
    "ReadingLimits",
    "Recipient",
    "Refusal",
    "Render",
    "RowCode",
    "Source",
    "State",
    "Step",
    "read_audience",
    "summarise",
]
