"""The state machines of SGIP connections, without any I/O.

Requests go one way only, from who dialled to who listens. So there are four: we dial to submit
(`ClientSession`), the gateway takes it (`ServerSession`); the gateway dials to deliver
(`PushSession`), we take it (`InboundSession`).
"""

from fzalert_sms.sgip.session.client import ClientSession, Credentials
from fzalert_sms.sgip.session.grammar import SgipSession
from fzalert_sms.sgip.session.inbound import Door, InboundSession
from fzalert_sms.sgip.session.sequences import Sequences
from fzalert_sms.sgip.session.server import PushSession, ServerSession

__all__ = [
    "ClientSession",
    "Credentials",
    "Door",
    "InboundSession",
    "PushSession",
    "Sequences",
    "ServerSession",
    "SgipSession",
]
