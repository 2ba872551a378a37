"""What the carriers' protocols share on the wire: frames out of a stream, fields, login digests."""

from fzalert_sms.wire.fields import (
    Unreadable,
    exact,
    exactly,
    octets,
    small,
    text,
    whole,
)
from fzalert_sms.wire.stream import FrameBuffer
from fzalert_sms.wire.tlv import Tlv, read_tlvs, write_tlvs
from fzalert_sms.wire.udh import (
    CONCATENATION,
    Place,
    concatenation_header,
    divide,
    reference_of,
)

__all__ = [
    "CONCATENATION",
    "FrameBuffer",
    "Place",
    "Tlv",
    "Unreadable",
    "concatenation_header",
    "divide",
    "exact",
    "exactly",
    "octets",
    "read_tlvs",
    "reference_of",
    "small",
    "text",
    "whole",
    "write_tlvs",
]
