"""The one contract between the engine and everything that delivers.

An adapter package imports this, `fzalert.messages` and `fzalert.http`, and nothing else of the
library. `docs/adapters.md` shows a whole adapter.
"""

from fzalert.log import get_logger
from fzalert.ports.adapter import (
    Adapter,
    Capabilities,
    Health,
    HealthState,
    InboundBatch,
    KeepsState,
    Mounted,
    Previews,
    ResolvesUnknown,
    Snapshots,
    Submission,
    TextProfile,
    Wire,
    Withdraws,
)
from fzalert.ports.commands import Command, CommandGroup
from fzalert.ports.context import AdapterContext, AdapterState, Signer
from fzalert.ports.desks import DESK_ROWS, DeskRow
from fzalert.ports.mounted import (
    AuthKind,
    MountedRequest,
    MountedResponse,
    Route,
)
from fzalert.ports.settings import ChannelConfig, Secret, SecretValue
from fzalert.ports.signed import sign_request

__all__ = [
    "DESK_ROWS",
    "Adapter",
    "AdapterContext",
    "AdapterState",
    "AuthKind",
    "Capabilities",
    "ChannelConfig",
    "Command",
    "CommandGroup",
    "DeskRow",
    "Health",
    "HealthState",
    "InboundBatch",
    "KeepsState",
    "Mounted",
    "MountedRequest",
    "MountedResponse",
    "Previews",
    "ResolvesUnknown",
    "Route",
    "Secret",
    "SecretValue",
    "Signer",
    "Snapshots",
    "Submission",
    "TextProfile",
    "Wire",
    "Withdraws",
    "get_logger",
    "sign_request",
]
