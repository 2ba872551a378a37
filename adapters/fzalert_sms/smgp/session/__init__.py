"""The state machine of an SMGP connection, in both roles, without any I/O."""

from fzalert_sms.smgp.session.client import ClientSession, Credentials
from fzalert_sms.smgp.session.grammar import SmgpSession
from fzalert_sms.smgp.session.server import ServerSession

__all__ = ["ClientSession", "Credentials", "ServerSession", "SmgpSession"]
