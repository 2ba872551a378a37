"""The interface for programs, the staff pages, and the routes that adapters bring.

Loaded when first used, so that `fzalert.web.words` can be had without a web library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fzalert.web.app import build_app
    from fzalert.web.peers import MachineDoor
    from fzalert.web.server import Door, WebServer
    from fzalert.web.streams import Stopping
    from fzalert.web.watch import Watch

__all__ = ["Door", "MachineDoor", "Stopping", "Watch", "WebServer", "build_app"]

_MODULES = {
    "Door": "fzalert.web.server",
    "MachineDoor": "fzalert.web.peers",
    "Stopping": "fzalert.web.streams",
    "Watch": "fzalert.web.watch",
    "WebServer": "fzalert.web.server",
    "build_app": "fzalert.web.app",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
