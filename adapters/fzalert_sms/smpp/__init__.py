"""SMPP, the protocol of message centres and aggregators everywhere else.

The channel `sms.smpp` and its simulator.

Source: SMPP Protocol Specification v3.4, issue 1.2 (1999-10-12); parts of v5.0.
"""

from fzalert_sms.smpp.config import SmppConfig
from fzalert_sms.smpp.gateway import SmppGateway

__all__ = ["SmppConfig", "SmppGateway"]
