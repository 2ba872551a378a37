"""SMGP 3.0 on the wire: frames to octets and back, without any I/O.

Source: SMGP V3.0.3, with what real gateways do differently.
"""

from fzalert_sms.smgp.codec.auth import (
    MsgId,
    client_digest,
    is_from_account,
    is_from_gateway,
    server_digest,
)
from fzalert_sms.smgp.codec.decode import decode, decode_report
from fzalert_sms.smgp.codec.encode import SubmitTemplate, deliver_answer, encode, encode_report
from fzalert_sms.smgp.codec.frames import (
    ActiveTest,
    ActiveTestResp,
    Deliver,
    DeliverResp,
    Exit,
    ExitResp,
    Frame,
    Login,
    LoginResp,
    Query,
    QueryResp,
    Report,
    Submit,
    SubmitResp,
    Unknown,
)
from fzalert_sms.smgp.codec.layout import HEADER, MAX_FRAME, NO_ID, TLV_NAMES, VERSION
from fzalert_sms.smgp.codec.stream import FrameBuffer
from fzalert_sms.wire import DecodeError

__all__ = [
    "HEADER",
    "MAX_FRAME",
    "NO_ID",
    "TLV_NAMES",
    "VERSION",
    "ActiveTest",
    "ActiveTestResp",
    "DecodeError",
    "Deliver",
    "DeliverResp",
    "Exit",
    "ExitResp",
    "Frame",
    "FrameBuffer",
    "Login",
    "LoginResp",
    "MsgId",
    "Query",
    "QueryResp",
    "Report",
    "Submit",
    "SubmitResp",
    "SubmitTemplate",
    "Unknown",
    "client_digest",
    "decode",
    "decode_report",
    "deliver_answer",
    "encode",
    "encode_report",
    "is_from_account",
    "is_from_gateway",
    "server_digest",
]
