"""What the carriers' protocols share on the wire: frames out of a stream, fields, login digests."""

from fzalert_sms.wire.fields import (
    DecodeError,
    Unreadable,
    exact,
    exactly,
    octets,
    small,
    text,
    whole,
)
from fzalert_sms.wire.moment import BEIJING, login_timestamp, moment_of, valid_time
from fzalert_sms.wire.stream import FrameBuffer
from fzalert_sms.wire.template import Template
from fzalert_sms.wire.tlv import Tlv, read_tlvs, write_tlvs
from fzalert_sms.wire.udh import (
    CONCATENATION,
    Place,
    concatenation_header,
    divide,
    reference_of,
)

__all__ = [
    "BEIJING",
    "CONCATENATION",
    "DecodeError",
    "FrameBuffer",
    "Place",
    "Template",
    "Tlv",
    "Unreadable",
    "concatenation_header",
    "divide",
    "exact",
    "exactly",
    "login_timestamp",
    "moment_of",
    "octets",
    "read_tlvs",
    "reference_of",
    "small",
    "text",
    "valid_time",
    "whole",
    "write_tlvs",
]
