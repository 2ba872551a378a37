"""SMPP PDUs, field by field. A password is never shown."""

from __future__ import annotations

from typing import assert_never

from fzalert_sms.decoding.fields import Fields, Found, text_fields, tlv_fields
from fzalert_sms.smpp.codec import (
    TLV_NAMES,
    Bind,
    BindResp,
    DataSm,
    DecodeError,
    Frame,
    MessageResp,
    Outbind,
    Plain,
    QuerySm,
    QuerySmResp,
    ShortMessage,
    Unknown,
    decode,
    decode_receipt,
)
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.wire import divide
from fzalert_sms.wire.gsm7 import from_septets

_NAMES = {
    c.BIND_RECEIVER: "bind_receiver",
    c.BIND_TRANSMITTER: "bind_transmitter",
    c.BIND_TRANSCEIVER: "bind_transceiver",
    c.BIND_RECEIVER_RESP: "bind_receiver_resp",
    c.BIND_TRANSMITTER_RESP: "bind_transmitter_resp",
    c.BIND_TRANSCEIVER_RESP: "bind_transceiver_resp",
    c.SUBMIT_SM: "submit_sm",
    c.DELIVER_SM: "deliver_sm",
    c.SUBMIT_SM_RESP: "submit_sm_resp",
    c.DELIVER_SM_RESP: "deliver_sm_resp",
    c.DATA_SM_RESP: "data_sm_resp",
    c.UNBIND: "unbind",
    c.UNBIND_RESP: "unbind_resp",
    c.ENQUIRE_LINK: "enquire_link",
    c.ENQUIRE_LINK_RESP: "enquire_link_resp",
    c.GENERIC_NACK: "generic_nack",
}
_UDHI = 0x40


def explain_smpp(frame: bytes) -> Found:
    """Explain one PDU."""
    found = decode(frame)
    if isinstance(found, DecodeError):
        head: Fields = {"seq": found.sequence, "status": int.from_bytes(frame[8:12], "big")}
        return Found(_NAMES.get(found.command, f"command {found.command:#010x}"), head,
                     found.reason)  # fmt: skip
    name, fields, warning = _fields(found)
    return Found(name, {"seq": found.sequence, **fields}, "", warning)


def _fields(frame: Frame) -> tuple[str, Fields, str]:
    match frame:
        case Bind():
            return _NAMES[frame.command], {
                "system_id": frame.system_id,
                "password": "*" * len(frame.password),
                "system_type": frame.system_type,
                "interface_version": frame.interface_version,
                "addr_ton": frame.addr_ton,
                "addr_npi": frame.addr_npi,
                "address_range": frame.address_range,
            }, ""  # fmt: skip
        case BindResp():
            return _NAMES[frame.command], {
                "status": frame.status,
                "system_id": frame.system_id,
                "tlv": tlv_fields(frame.tlvs, TLV_NAMES),
            }, ""  # fmt: skip
        case ShortMessage():
            return _NAMES[frame.command], _short_message(frame), _cut(frame)
        case MessageResp():
            return _NAMES[frame.command], {
                "status": frame.status,
                "message_id": frame.message_id,
                "tlv": tlv_fields(frame.tlvs, TLV_NAMES),
            }, ""  # fmt: skip
        case DataSm():
            return "data_sm", _data_sm(frame), _cut(frame)
        case QuerySm() | QuerySmResp():
            fields: Fields = dict(frame._asdict())
            del fields["sequence"]
            return "query_sm" if isinstance(frame, QuerySm) else "query_sm_resp", fields, ""
        case Outbind():
            hidden = "*" * len(frame.password)
            return "outbind", {"system_id": frame.system_id, "password": hidden}, ""
        case Plain():
            return _NAMES[frame.command], {"status": frame.status}, ""
        case Unknown():
            fields = {"status": frame.status}
            return f"command {frame.command:#010x}", fields, "unknown command"
        case _:
            assert_never(frame)


def _cut(frame: ShortMessage | DataSm) -> str:
    return "the last optional field is cut off" if frame.is_cut else ""


def _short_message(frame: ShortMessage) -> Fields:
    names = frame._fields[2:-3]
    fields: Fields = {name: getattr(frame, name) for name in names}
    fields["sm_length"] = len(frame.short_message)
    fields["short_message"] = frame.short_message.hex()
    fields["tlv"] = tlv_fields(frame.tlvs, TLV_NAMES)
    receipt = decode_receipt(frame) if frame.command == c.DELIVER_SM else None
    if receipt is not None:
        fields["receipt"] = {
            "id": receipt.message_id,
            "stat": receipt.stat,
            "submit_date": receipt.submit_date,
            "done_date": receipt.done_date,
            "err": receipt.err,
        }
        return fields
    has_header = bool(frame.esm_class & _UDHI)
    if frame.data_coding == 0:
        octets = divide(frame.short_message)[1] if has_header else frame.short_message
        return {**fields, "text": from_septets(octets)}
    return {**fields, **text_fields(frame.short_message, frame.data_coding, has_header=has_header)}


def _data_sm(frame: DataSm) -> Fields:
    fields: Fields = {name: getattr(frame, name) for name in frame._fields[1:-2]}
    fields["tlv"] = tlv_fields(frame.tlvs, TLV_NAMES)
    return fields
