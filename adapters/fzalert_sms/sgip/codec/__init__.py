"""SGIP 1.2 on the wire: frames to octets and back, without any I/O.

Source: SGIP V1.2 (2001-10), with what real gateways do differently.
"""

from fzalert_sms.sgip.codec.decode import decode
from fzalert_sms.sgip.codec.encode import SubmitTemplate, encode, result_answer
from fzalert_sms.sgip.codec.frames import (
    Bind,
    BindResp,
    Deliver,
    DeliverResp,
    Frame,
    Report,
    ReportResp,
    Sequence,
    Submit,
    SubmitResp,
    Trace,
    TraceNode,
    TraceResp,
    Unbind,
    UnbindResp,
    Unknown,
    UserRpt,
    UserRptResp,
)
from fzalert_sms.sgip.codec.layout import GATEWAY_TO_SP, HEADER, MAX_FRAME, SP_TO_GATEWAY
from fzalert_sms.sgip.codec.stream import FrameBuffer
from fzalert_sms.wire import DecodeError

__all__ = [
    "GATEWAY_TO_SP",
    "HEADER",
    "MAX_FRAME",
    "SP_TO_GATEWAY",
    "Bind",
    "BindResp",
    "DecodeError",
    "Deliver",
    "DeliverResp",
    "Frame",
    "FrameBuffer",
    "Report",
    "ReportResp",
    "Sequence",
    "Submit",
    "SubmitResp",
    "SubmitTemplate",
    "Trace",
    "TraceNode",
    "TraceResp",
    "Unbind",
    "UnbindResp",
    "Unknown",
    "UserRpt",
    "UserRptResp",
    "decode",
    "encode",
    "result_answer",
]
