"""The engine: what is accepted is delivered once, in time, and its fate is known."""

from fzalert.delivery.engine import ChannelSpec, ChannelState, Engine
from fzalert.delivery.ids import IdMaker
from fzalert.delivery.policy import Limits, UnknownPolicy
from fzalert.delivery.prepare import Caps, Prepared, prepare
from fzalert.delivery.swap import Plan, swap

__all__ = [
    "Caps",
    "ChannelSpec",
    "ChannelState",
    "Engine",
    "IdMaker",
    "Limits",
    "Plan",
    "Prepared",
    "UnknownPolicy",
    "prepare",
    "swap",
]
