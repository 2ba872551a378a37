"""SGIP, China Unicom's protocol for text messages: the channel `sms.sgip` and its simulator.

Source: SGIP V1.2 (2001-10).
"""

from fzalert_sms.sgip.config import SgipConfig
from fzalert_sms.sgip.gateway import SgipGateway

__all__ = ["SgipConfig", "SgipGateway"]
