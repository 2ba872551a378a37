"""The log: one event a line, masked by type first, written beside the loop and never in it."""

from fzalert.cli.logs.redaction import Redaction, secrets_in
from fzalert.cli.logs.start import RunningLog, start_logging

__all__ = ["Redaction", "RunningLog", "secrets_in", "start_logging"]
