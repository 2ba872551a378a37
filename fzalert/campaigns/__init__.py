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
from fzalert.campaigns.previewed import (
    Confirmation,
    PreviewStale,
    digest_of,
    must_be_confirmed,
    text_hash,
)
from fzalert.campaigns.reading import ListNotRead, ListReading, Person, ReadingLimits
from fzalert.campaigns.tally import Groups

__all__ = [
    "AudienceSummary",
    "Campaign",
    "Confirmation",
    "Document",
    "Feeder",
    "Groups",
    "ListNotRead",
    "ListReading",
    "Person",
    "PreviewStale",
    "ReadingLimits",
    "Recipient",
    "Refusal",
    "Render",
    "RowCode",
    "Source",
    "State",
    "Step",
    "digest_of",
    "must_be_confirmed",
    "read_audience",
    "summarise",
    "text_hash",
]
