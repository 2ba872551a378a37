"""CMPP 2.0 and 3.0 on the wire: frames to octets and back, without any I/O.

Source: CMPP V3.0.0 (QB-GF-028-2003), chapter 8, with what real gateways do differently.
"""

from fzalert_sms.cmpp.codec.auth import (
    MsgId,
    gateway_digest,
    is_from_account,
    is_from_gateway,
    source_digest,
)
from fzalert_sms.cmpp.codec.decode import decode, decode_report
from fzalert_sms.cmpp.codec.encode import (
    SubmitTemplate,
    deliver_answer,
    encode,
    encode_report,
)
from fzalert_sms.cmpp.codec.frames import (
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Frame,
    Query,
    QueryResp,
    Report,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Unknown,
)
from fzalert_sms.cmpp.codec.layout import (
    HEADER,
    MAX_FRAME,
    NO_ID,
    V20,
    V30,
    Layout,
    layout_of,
)
from fzalert_sms.cmpp.codec.stream import FrameBuffer
from fzalert_sms.wire import DecodeError

__all__ = [
    "HEADER",
    "MAX_FRAME",
    "NO_ID",
    "V20",
    "V30",
    "ActiveTest",
    "ActiveTestResp",
    "Cancel",
    "CancelResp",
    "Connect",
    "ConnectResp",
    "DecodeError",
    "Deliver",
    "DeliverResp",
    "Frame",
    "FrameBuffer",
    "Layout",
    "MsgId",
    "Query",
    "QueryResp",
    "Report",
    "Submit",
    "SubmitResp",
    "SubmitTemplate",
    "Terminate",
    "TerminateResp",
    "Unknown",
    "decode",
    "decode_report",
    "deliver_answer",
    "encode",
    "encode_report",
    "gateway_digest",
    "is_from_account",
    "is_from_gateway",
    "layout_of",
    "source_digest",
]
