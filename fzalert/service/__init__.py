"""The object that `fzalert.open()` gives, the service behind it, and its local socket."""

from fzalert.service.api import DaemonApi, ServiceApi
from fzalert.service.core import Service
from fzalert.service.facade import Fzalert
from fzalert.service.handle import WarningHandle, WarningOutcome
from fzalert.service.opening import open_fzalert, open_or_connect

__all__ = [
    "DaemonApi",
    "Fzalert",
    "Service",
    "ServiceApi",
    "WarningHandle",
    "WarningOutcome",
    "open_fzalert",
    "open_or_connect",
]
