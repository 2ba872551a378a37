"""SMGP frames, field by field."""

from __future__ import annotations

from typing import assert_never

from fzalert_sms.decoding.fields import Fields, Found, text_fields, tlv_fields
from fzalert_sms.smgp.codec import (
    TLV_NAMES,
    ActiveTest,
    ActiveTestResp,
    DecodeError,
    Deliver,
    DeliverResp,
    Exit,
    ExitResp,
    Frame,
    Login,
    LoginResp,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Unknown,
    decode,
    decode_report,
)
from fzalert_sms.smgp.codec.layout import TP_UDHI
from fzalert_sms.wire import Tlv

_COUNTERS = ("mt_tlmsg", "mt_tlusr", "mt_scs", "mt_wt", "mt_fl", "mo_scs", "mo_wt", "mo_fl")


def explain_smgp(frame: bytes) -> Found:
    """Explain one frame."""
    found = decode(frame)
    if isinstance(found, DecodeError):
        return Found(f"command {found.command:#010x}", {"seq": found.sequence}, found.reason)
    name, fields, warning = _fields(found)
    return Found(name, {"seq": found.sequence, **fields}, "", warning)


def _fields(frame: Frame) -> tuple[str, Fields, str]:  # noqa: C901  one arm a frame
    match frame:
        case Login():
            return "Login", {
                "client_id": frame.client_id,
                "authenticator_client": frame.authenticator.hex(),
                "login_mode": frame.login_mode,
                "timestamp": frame.timestamp,
                "timestamp_text": f"{frame.timestamp:010d}",
                "client_version": frame.client_version,
            }, ""  # fmt: skip
        case LoginResp():
            return "Login_Resp", {
                "status": frame.status,
                "authenticator_server": frame.authenticator.hex(),
                "server_version": frame.server_version,
            }, ""  # fmt: skip
        case Submit():
            return "Submit", _submit(frame), _cut(frame)
        case SubmitResp():
            return "Submit_Resp", {"msg_id": frame.msg_id.hex(), "status": frame.status}, ""
        case Deliver():
            fields, warning = _deliver(frame)
            return "Deliver", fields, warning or _cut(frame)
        case DeliverResp():
            return "Deliver_Resp", {"msg_id": frame.msg_id.hex(), "status": frame.status}, ""
        case Query():
            return "Query", _query(frame), ""
        case QueryResp():
            counters = dict(zip(_COUNTERS, frame.counters, strict=True))
            return "Query_Resp", {**_query(frame), **counters}, ""
        case ActiveTest():
            return "active_test", {}, ""
        case ActiveTestResp():
            return "active_test_resp", {}, ""
        case Exit():
            return "exit", {}, ""
        case ExitResp():
            return "exit_resp", {}, ""
        case Unknown():
            return f"command {frame.command:#010x}", {}, "unknown command"
        case _:
            assert_never(frame)


def _cut(frame: Submit | Deliver) -> str:
    return "the last optional field is cut off" if frame.is_cut else ""


def _query(frame: Query | QueryResp) -> Fields:
    return {
        "query_time": frame.query_time,
        "query_type": frame.query_type,
        "query_code": frame.query_code,
    }


def _has_header(tlvs: tuple[Tlv, ...]) -> bool:
    return any(field.tag == TP_UDHI and field.value == b"\1" for field in tlvs)


def _submit(frame: Submit) -> Fields:
    return {
        "msg_type": frame.msg_type,
        "need_report": frame.need_report,
        "priority": frame.priority,
        "service_id": frame.service_id,
        "fee_type": frame.fee_type,
        "fee_code": frame.fee_code,
        "fixed_fee": frame.fixed_fee,
        "msg_format": frame.msg_format,
        "valid_time": frame.valid_time,
        "at_time": frame.at_time,
        "src_term_id": frame.src_term_id,
        "charge_term_id": frame.charge_term_id,
        "dest_term_id": list(frame.dest_term_ids),
        "msg_length": len(frame.content),
        "msg_content": frame.content.hex(),
        "tlv": tlv_fields(frame.tlvs, TLV_NAMES),
        **text_fields(frame.content, frame.msg_format, has_header=_has_header(frame.tlvs)),
    }


def _deliver(frame: Deliver) -> tuple[Fields, str]:
    fields: Fields = {
        "msg_id": frame.msg_id.hex(),
        "is_report": frame.is_report,
        "msg_format": frame.msg_format,
        "recv_time": frame.recv_time,
        "src_term_id": frame.src_term_id,
        "dest_term_id": frame.dest_term_id,
        "msg_length": len(frame.content),
        "tlv": tlv_fields(frame.tlvs, TLV_NAMES),
    }
    if not frame.is_report:
        fields["msg_content"] = frame.content.hex()
        words = text_fields(frame.content, frame.msg_format, has_header=_has_header(frame.tlvs))
        return {**fields, **words}, ""
    report = decode_report(frame.content)
    if report is None:
        return {**fields, "msg_content": frame.content.hex()}, "the report cannot be read"
    fields["report"] = {
        "id": report.msg_id.hex(),
        "sub": report.sub,
        "dlvrd": report.dlvrd,
        "submit_date": report.submit_date,
        "done_date": report.done_date,
        "stat": report.stat,
        "err": report.err,
        "text_hex": report.text.hex(),
    }
    return fields, "a report that is not written as the text says" if report.is_odd else ""
