"""CMPP, China Mobile's protocol for text messages: the channel `sms.cmpp` and its simulator.

Source: CMPP V3.0.0 (QB-GF-028-2003).
"""

from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.cmpp.gateway import CmppGateway

__all__ = ["CmppConfig", "CmppGateway"]
