"""The state machine of a connection, in both roles, without any I/O, for every protocol."""

from fzalert_sms.carrier.session.client import ClientSession
from fzalert_sms.carrier.session.core import Event, Handler, Session
from fzalert_sms.carrier.session.events import (
    Answered,
    Closed,
    Congested,
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

__all__ = [
    "Answered",
    "ClientSession",
    "Closed",
    "Congested",
    "Delivered",
    "Event",
    "GivenUp",
    "Handler",
    "Ignored",
    "Limits",
    "LoggedIn",
    "Malformed",
    "Opened",
    "Overdue",
    "Refused",
    "Session",
    "State",
    "Stray",
    "Submitted",
    "Unreadable",
]
