"""The state machine of a CMPP connection, in both roles, without any I/O."""

from fzalert_sms.cmpp.session.client import ClientSession, Credentials
from fzalert_sms.cmpp.session.core import Event, Session
from fzalert_sms.cmpp.session.events import (
    VERSION_TOO_HIGH,
    Answered,
    Closed,
    Delivered,
    GivenUp,
    Ignored,
    Limits,
    LoggedIn,
    Malformed,
    Opened,
    Overdue,
    Refused,
    State,
    Stray,
    Submitted,
    Unreadable,
)
from fzalert_sms.cmpp.session.server import ServerSession

__all__ = [
    "VERSION_TOO_HIGH",
    "Answered",
    "ClientSession",
    "Closed",
    "Credentials",
    "Delivered",
    "Event",
    "GivenUp",
    "Ignored",
    "Limits",
    "LoggedIn",
    "Malformed",
    "Opened",
    "Overdue",
    "Refused",
    "ServerSession",
    "Session",
    "State",
    "Stray",
    "Submitted",
    "Unreadable",
]
