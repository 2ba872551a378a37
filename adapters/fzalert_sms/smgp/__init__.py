"""SMGP, China Telecom's protocol for text messages: the channel `sms.smgp` and its simulator.

Source: SMGP V3.0.3.
"""

from fzalert_sms.smgp.config import SmgpConfig
from fzalert_sms.smgp.gateway import SmgpGateway

__all__ = ["SmgpConfig", "SmgpGateway"]
