"""The PDUs of SMPP as plain tuples. No `repr` shows a number, a text or a password.

Field names follow the protocol text. Every PDU has the `sequence` and the `status` of its header.
"""

from __future__ import annotations

from typing import NamedTuple

from typing_extensions import override

from fzalert_sms.wire import Tlv


class Bind(NamedTuple):
    """bind_receiver, bind_transmitter or bind_transceiver, as `command` says."""

    sequence: int
    command: int
    system_id: str
    password: str
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    @override
    def __repr__(self) -> str:
        return f"Bind(sequence={self.sequence}, command={self.command})"


class BindResp(NamedTuple):
    """The answer to a bind; `command` is that of the answer. An error has no body."""

    sequence: int
    command: int
    status: int
    system_id: str = ""
    tlvs: tuple[Tlv, ...] = ()

    @override
    def __repr__(self) -> str:
        return f"BindResp(sequence={self.sequence}, status={self.status:#x})"


class Outbind(NamedTuple):
    """outbind: the message centre asks to be bound to."""

    sequence: int
    system_id: str
    password: str

    @override
    def __repr__(self) -> str:
        return f"Outbind(sequence={self.sequence})"


class ShortMessage(NamedTuple):
    """submit_sm or deliver_sm, as `command` says: they have the same fields.

    Attributes:
        sequence: sequence_number.
        command: SUBMIT_SM or DELIVER_SM.
        short_message: The text, raw; empty where it is in the `message_payload` field.
        tlvs: Optional fields.
        is_cut: Whether the last optional field was cut off.
    """

    sequence: int
    command: int
    service_type: str
    source_addr_ton: int
    source_addr_npi: int
    source_addr: str
    dest_addr_ton: int
    dest_addr_npi: int
    destination_addr: str
    esm_class: int
    protocol_id: int
    priority_flag: int
    schedule_delivery_time: str
    validity_period: str
    registered_delivery: int
    replace_if_present: int
    data_coding: int
    sm_default_msg_id: int
    short_message: bytes
    tlvs: tuple[Tlv, ...] = ()
    is_cut: bool = False

    @override
    def __repr__(self) -> str:
        return (
            f"ShortMessage(sequence={self.sequence}, command={self.command},"
            f" octets={len(self.short_message)})"
        )


class MessageResp(NamedTuple):
    """submit_sm_resp, deliver_sm_resp or data_sm_resp, as `command` says.

    An error has no body; then `message_id` is empty.
    """

    sequence: int
    command: int
    status: int
    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class DataSm(NamedTuple):
    """data_sm: its text is in the `message_payload` field."""

    sequence: int
    service_type: str
    source_addr_ton: int
    source_addr_npi: int
    source_addr: str
    dest_addr_ton: int
    dest_addr_npi: int
    destination_addr: str
    esm_class: int
    registered_delivery: int
    data_coding: int
    tlvs: tuple[Tlv, ...] = ()
    is_cut: bool = False

    @override
    def __repr__(self) -> str:
        return f"DataSm(sequence={self.sequence})"


class QuerySm(NamedTuple):
    """query_sm."""

    sequence: int
    message_id: str
    source_addr_ton: int
    source_addr_npi: int
    source_addr: str

    @override
    def __repr__(self) -> str:
        return f"QuerySm(sequence={self.sequence}, message_id={self.message_id!r})"


class QuerySmResp(NamedTuple):
    """query_sm_resp; an error has no body."""

    sequence: int
    status: int
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class Plain(NamedTuple):
    """A PDU that is a header alone: unbind, enquire_link, their answers, generic_nack."""

    sequence: int
    command: int
    status: int = 0


class Unknown(NamedTuple):
    """A command that is none of the above; a request is answered with generic_nack."""

    sequence: int
    command: int
    status: int = 0


class Receipt(NamedTuple):
    """A delivery receipt, out of its fields or out of its text.

    Attributes:
        message_id: As the message centre wrote it.
        stat: DELIVRD, UNDELIV and so on.
        submit_date: YYMMDDhhmm[ss], or what stood there.
        done_date: The same for the end.
        err: Error code of the network, as text.
        is_intermediate: Whether the text is still under way.
    """

    message_id: str
    stat: str
    submit_date: str
    done_date: str
    err: str
    is_intermediate: bool

    @override
    def __repr__(self) -> str:
        return f"Receipt(message_id={self.message_id!r}, stat={self.stat!r})"


Frame = (
    Bind
    | BindResp
    | Outbind
    | ShortMessage
    | MessageResp
    | DataSm
    | QuerySm
    | QuerySmResp
    | Plain
    | Unknown
)
