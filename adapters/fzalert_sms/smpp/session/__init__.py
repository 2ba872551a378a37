"""The state machine of an SMPP connection, in both roles, without any I/O."""

from fzalert_sms.smpp.session.client import ClientSession, Credentials
from fzalert_sms.smpp.session.grammar import SmppSession
from fzalert_sms.smpp.session.server import ServerSession

__all__ = ["ClientSession", "Credentials", "ServerSession", "SmppSession"]
