"""Commands and lengths of SGIP 1.2.

All integers are big-endian and without a sign: a node number is over 2**31. Texts are fixed-length
octet strings, padded on the right with zero.

Source: SGIP V1.2 (2001-10), chapters 3 and 4.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

BIND: Final = 0x0000_0001
UNBIND: Final = 0x0000_0002
SUBMIT: Final = 0x0000_0003
DELIVER: Final = 0x0000_0004
REPORT: Final = 0x0000_0005
USERRPT: Final = 0x0000_0011
TRACE: Final = 0x0000_1000
RESPONSE: Final = 0x8000_0000
"""A response carries the command of its request with this bit set."""

BIND_RESP: Final = RESPONSE | BIND
UNBIND_RESP: Final = RESPONSE | UNBIND
SUBMIT_RESP: Final = RESPONSE | SUBMIT
DELIVER_RESP: Final = RESPONSE | DELIVER
REPORT_RESP: Final = RESPONSE | REPORT
USERRPT_RESP: Final = RESPONSE | USERRPT
TRACE_RESP: Final = RESPONSE | TRACE

HEADER: Final = Struct(">5I")
"""Message Length (header included), Command ID, and the three words of the Sequence Number."""
MAX_FRAME: Final = 4096
"""Longest frame that is read. The text says 2 KiB, which 100 numbers and a text do not fit."""
RESERVE: Final = 8
NUMBER: Final = 21
"""Octets of a number."""

BIND_BODY: Final = Struct(">B16s16s8s")
RESULT_BODY: Final = Struct(">B8s")
"""Every response but those of UNBIND and TRACE."""
SUBMIT_HEAD: Final = Struct(">21s21sB")
"""SUBMIT up to and including UserCount."""
SUBMIT_REST: Final = Struct(">5s10sB6s6sBBB16s16sB4BI")
"""SUBMIT from CorpId up to and including MessageLength."""
DELIVER_HEAD: Final = Struct(">21s21s3BI")
"""DELIVER up to and including MessageLength."""
REPORT_BODY: Final = Struct(">12sB21sBB8s")
TRACE_BODY: Final = Struct(">12s21s8s")
TRACE_NODE: Final = Struct(">B6s16s16s8s")
USERRPT_BODY: Final = Struct(">21s21sB8s")

SP_TO_GATEWAY: Final = 1
"""Login Type of a service provider that binds to a gateway."""
GATEWAY_TO_SP: Final = 2
"""Login Type of a gateway that binds to a service provider's listener."""
