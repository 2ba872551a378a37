"""From PDUs to octets, and the template that packs a submit_sm in one step.

A value that does not fit its field raises `ValueError`: settings and renditions are checked before
they come here.
"""

from __future__ import annotations

from typing import assert_never

from fzalert_sms.smpp.codec import layout as c
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
    ShortMessage,
    Unknown,
)
from fzalert_sms.wire import CONCATENATION, Template, small, write_tlvs

_UDHI = 0x40
"""The bit of esm_class that says that a user data header is there (v3.4, 5.2.12)."""
_LONGEST = 254
"""Octets of short_message (v3.4, 5.2.21)."""
_PASSWORD = 33
"""The specification says 9; many message centres give out longer ones."""


def encode(frame: Frame) -> bytes:
    """Write one PDU.

    Raises:
        ValueError: A value does not fit its field.
    """
    command, status, body = _body(frame)
    return c.HEADER.pack(c.HEADER.size + len(body), command, status, frame.sequence) + body


def deliver_answer(sequence: int, status: int = 0) -> bytes:
    """Write a deliver_sm_resp in one step; its message_id is empty, as the specification wants."""
    return c.HEADER.pack(c.HEADER.size + 1, c.DELIVER_SM_RESP, status, sequence) + b"\0"


class SubmitTemplate(Template):
    """A submit_sm that is written but for what changes from message to message.

    All numbers have as many digits as the one of the template.

    Args:
        submit: The PDU to take all other fields from. The reference of a long text, in its user
            data header or in its sar_msg_ref_num, is replaced each time.
        extension: Digits at the end of source_addr that are replaced by `extended`.
    """

    __slots__ = ("_digits",)

    def __init__(self, submit: ShortMessage, extension: int = 0) -> None:
        octets = encode(submit)
        source_end = c.HEADER.size + len(submit.service_type) + 3 + len(submit.source_addr)
        self._digits = len(submit.destination_addr)
        super().__init__(
            octets,
            sequence_at=12,
            number_at=source_end + 3,
            width=self._digits,
            reference_at=_reference_at(submit, len(octets)),
            extension_at=source_end - extension if extension else 0,
        )

    def frame(self, sequence: int, number: bytes, reference: int = 0) -> bytes:
        """Write one submit_sm.

        Raises:
            ValueError: The number has not as many digits as that of the template.
        """
        if len(number) != self._digits:
            raise ValueError(f"a number of {len(number)} digits, not {self._digits}")
        return self.splice(sequence, number, reference)


def _reference_at(submit: ShortMessage, size: int) -> int:
    """Where the octet of the reference stands; 0 where there is none."""
    fields = len(write_tlvs(submit.tlvs))
    content = submit.short_message
    if submit.esm_class & _UDHI and content.startswith(CONCATENATION):
        return size - fields - len(content) + len(CONCATENATION)
    if any(tag == c.SAR_MSG_REF_NUM for tag, _ in submit.tlvs):
        # Fields are written in the order of their tags; the value is the second octet of two.
        before = write_tlvs(field for field in submit.tlvs if field.tag < c.SAR_MSG_REF_NUM)
        return size - fields + len(before) + 5
    return 0


def _text(value: str, limit: int) -> bytes:
    octets = value.encode("latin-1")
    if len(octets) >= limit or b"\0" in octets:
        raise ValueError(f"{len(octets)} octets do not fit a text of {limit - 1}")
    return octets + b"\0"


def _bytes(*values: int) -> bytes:
    return b"".join(small(value, 1) for value in values)


def _body(frame: Frame) -> tuple[int, int, bytes]:  # noqa: C901  one arm a PDU
    match frame:
        case ShortMessage():
            return frame.command, c.OK, _short_message(frame)
        case MessageResp():
            if frame.status and not frame.message_id and not frame.tlvs:
                return frame.command, frame.status, b""
            body = _text(frame.message_id, 65) + write_tlvs(frame.tlvs)
            return frame.command, frame.status, body
        case Bind():
            login = _text(frame.system_id, 16) + _text(frame.password, _PASSWORD)
            kind = _text(frame.system_type, 13)
            numbers = _bytes(frame.interface_version, frame.addr_ton, frame.addr_npi)
            return frame.command, c.OK, login + kind + numbers + _text(frame.address_range, 41)
        case BindResp():
            if frame.status and not frame.system_id and not frame.tlvs:
                return frame.command, frame.status, b""
            body = _text(frame.system_id, 16) + write_tlvs(frame.tlvs)
            return frame.command, frame.status, body
        case Outbind():
            return c.OUTBIND, c.OK, _text(frame.system_id, 16) + _text(frame.password, _PASSWORD)
        case DataSm():
            return c.DATA_SM, c.OK, _data_sm(frame)
        case QuerySm():
            address = _bytes(frame.source_addr_ton, frame.source_addr_npi)
            body = _text(frame.message_id, 65) + address + _text(frame.source_addr, 21)
            return c.QUERY_SM, c.OK, body
        case QuerySmResp():
            if frame.status:
                return c.QUERY_SM_RESP, frame.status, b""
            body = _text(frame.message_id, 65) + _text(frame.final_date, 17)
            return c.QUERY_SM_RESP, c.OK, body + _bytes(frame.message_state, frame.error_code)
        case Plain() | Unknown():
            return frame.command, frame.status, b""
        case _:
            assert_never(frame)


def _short_message(frame: ShortMessage) -> bytes:
    if len(frame.short_message) > _LONGEST:
        raise ValueError(f"{len(frame.short_message)} octets do not fit short_message")
    return b"".join(
        (
            _text(frame.service_type, 6),
            _bytes(frame.source_addr_ton, frame.source_addr_npi),
            _text(frame.source_addr, 21),
            _bytes(frame.dest_addr_ton, frame.dest_addr_npi),
            _text(frame.destination_addr, 21),
            _bytes(frame.esm_class, frame.protocol_id, frame.priority_flag),
            _text(frame.schedule_delivery_time, 17),
            _text(frame.validity_period, 17),
            _bytes(
                frame.registered_delivery,
                frame.replace_if_present,
                frame.data_coding,
                frame.sm_default_msg_id,
                len(frame.short_message),
            ),
            frame.short_message,
            write_tlvs(frame.tlvs),
        )
    )


def _data_sm(frame: DataSm) -> bytes:
    return b"".join(
        (
            _text(frame.service_type, 6),
            _bytes(frame.source_addr_ton, frame.source_addr_npi),
            _text(frame.source_addr, 65),
            _bytes(frame.dest_addr_ton, frame.dest_addr_npi),
            _text(frame.destination_addr, 65),
            _bytes(frame.esm_class, frame.registered_delivery, frame.data_coding),
            write_tlvs(frame.tlvs),
        )
    )
