"""The state machine of a CMPP connection, in both roles, without any I/O."""

from fzalert_sms.cmpp.session.client import ClientSession, Credentials
from fzalert_sms.cmpp.session.grammar import VERSION_TOO_HIGH, CmppSession
from fzalert_sms.cmpp.session.server import ServerSession

__all__ = ["VERSION_TOO_HIGH", "ClientSession", "CmppSession", "Credentials", "ServerSession"]
