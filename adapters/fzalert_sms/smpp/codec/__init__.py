"""SMPP 3.4 on the wire: PDUs to octets and back, without any I/O.

Source: SMPP v3.4 issue 1.2, with what real message centres do differently.
"""

from fzalert_sms.smpp.codec.decode import decode, decode_receipt
from fzalert_sms.smpp.codec.encode import SubmitTemplate, deliver_answer, encode
from fzalert_sms.smpp.codec.frames import (
    Bind,
    BindResp,
    DataSm,
    Frame,
    MessageResp,
    Outbind,
    Plain,
    QuerySm,
    QuerySmResp,
    Receipt,
    ShortMessage,
    Unknown,
)
from fzalert_sms.smpp.codec.layout import HEADER, MAX_FRAME, TLV_NAMES
from fzalert_sms.smpp.codec.stream import FrameBuffer
from fzalert_sms.wire import DecodeError

__all__ = [
    "HEADER",
    "MAX_FRAME",
    "TLV_NAMES",
    "Bind",
    "BindResp",
    "DataSm",
    "DecodeError",
    "Frame",
    "FrameBuffer",
    "MessageResp",
    "Outbind",
    "Plain",
    "QuerySm",
    "QuerySmResp",
    "Receipt",
    "ShortMessage",
    "SubmitTemplate",
    "Unknown",
    "decode",
    "decode_receipt",
    "deliver_answer",
    "encode",
]
