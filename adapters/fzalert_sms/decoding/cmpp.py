"""CMPP frames, field by field."""

from __future__ import annotations

from typing import assert_never

from fzalert_sms.cmpp.codec import (
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    DecodeError,
    Deliver,
    DeliverResp,
    Frame,
    Layout,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Unknown,
    decode,
    decode_report,
)
from fzalert_sms.decoding.fields import Fields, Found, text_fields

_COUNTERS = ("mt_tlmsg", "mt_tlusr", "mt_scs", "mt_wt", "mt_fl", "mo_scs", "mo_wt", "mo_fl")


def explain_cmpp(frame: bytes, layout: Layout) -> Found:
    """Explain one frame in the layout of a version."""
    found = decode(frame, layout)
    if isinstance(found, DecodeError):
        return Found(f"command {found.command:#010x}", {"seq": found.sequence}, found.reason)
    name, fields, warning = _fields(found)
    return Found(name, {"seq": found.sequence, **fields}, "", warning)


def _fields(frame: Frame) -> tuple[str, Fields, str]:  # noqa: C901  one arm a frame
    match frame:
        case Connect():
            return "CMPP_CONNECT", {
                "source_addr": frame.source_addr,
                "authenticator_source": frame.authenticator.hex(),
                "version": frame.version,
                "timestamp": frame.timestamp,
                "timestamp_text": f"{frame.timestamp:010d}",
            }, ""  # fmt: skip
        case ConnectResp():
            return "CMPP_CONNECT_RESP", {
                "status": frame.status,
                "authenticator_ismg": frame.authenticator.hex(),
                "version": frame.version,
            }, ""  # fmt: skip
        case Submit():
            return "CMPP_SUBMIT", _submit(frame), ""
        case SubmitResp():
            return "CMPP_SUBMIT_RESP", {**_id(frame.msg_id), "result": frame.result}, ""
        case Deliver():
            fields, warning = _deliver(frame)
            return "CMPP_DELIVER", fields, warning
        case DeliverResp():
            return "CMPP_DELIVER_RESP", {**_id(frame.msg_id), "result": frame.result}, ""
        case Query():
            return "CMPP_QUERY", _query(frame), ""
        case QueryResp():
            counters = dict(zip(_COUNTERS, frame.counters, strict=True))
            return "CMPP_QUERY_RESP", {**_query(frame), **counters}, ""
        case Cancel():
            return "CMPP_CANCEL", _id(frame.msg_id), ""
        case CancelResp():
            return "CMPP_CANCEL_RESP", {"success_id": frame.success_id}, ""
        case ActiveTest():
            return "CMPP_ACTIVE_TEST", {}, ""
        case ActiveTestResp():
            return "CMPP_ACTIVE_TEST_RESP", {}, ""
        case Terminate():
            return "CMPP_TERMINATE", {}, ""
        case TerminateResp():
            return "CMPP_TERMINATE_RESP", {}, ""
        case Unknown():
            return f"command {frame.command:#010x}", {}, "unknown command"
        case _:
            assert_never(frame)


def _id(msg_id: bytes) -> Fields:
    return {"msg_id": str(int.from_bytes(msg_id, "big")), "msg_id_hex": msg_id.hex()}


def _query(frame: Query | QueryResp) -> Fields:
    return {
        "time": frame.time, "query_type": frame.query_type, "query_code": frame.query_code
    }  # fmt: skip


def _submit(frame: Submit) -> Fields:
    return {
        **_id(frame.msg_id),
        "pk_total": frame.pk_total,
        "pk_number": frame.pk_number,
        "registered_delivery": frame.registered_delivery,
        "msg_level": frame.msg_level,
        "service_id": frame.service_id,
        "fee_user_type": frame.fee_user_type,
        "fee_terminal_id": frame.fee_terminal_id,
        "tp_pid": frame.tp_pid,
        "tp_udhi": frame.tp_udhi,
        "msg_fmt": frame.msg_fmt,
        "msg_src": frame.msg_src,
        "fee_type": frame.fee_type,
        "fee_code": frame.fee_code,
        "valid_time": frame.valid_time,
        "at_time": frame.at_time,
        "src_id": frame.src_id,
        "dest_terminal_id": list(frame.destinations),
        "msg_length": len(frame.content),
        "msg_content": frame.content.hex(),
        **text_fields(frame.content, frame.msg_fmt, has_header=bool(frame.tp_udhi & 1)),
    }


def _deliver(frame: Deliver) -> tuple[Fields, str]:
    fields: Fields = {
        **_id(frame.msg_id),
        "dest_id": frame.dest_id,
        "service_id": frame.service_id,
        "tp_pid": frame.tp_pid,
        "tp_udhi": frame.tp_udhi,
        "msg_fmt": frame.msg_fmt,
        "src_terminal_id": frame.src_terminal_id,
        "registered_delivery": frame.registered_delivery,
        "msg_length": len(frame.content),
    }
    if not frame.registered_delivery:
        fields["msg_content"] = frame.content.hex()
        words = text_fields(frame.content, frame.msg_fmt, has_header=bool(frame.tp_udhi & 1))
        return {**fields, **words}, ""
    report = decode_report(frame.content)
    if report is None:
        return {**fields, "msg_content": frame.content.hex()}, "the report cannot be read"
    fields["report"] = {
        **_id(report.msg_id),
        "stat": report.stat,
        "submit_time": report.submit_time,
        "done_time": report.done_time,
        "dest_terminal_id": report.dest_terminal_id,
        "smsc_sequence": report.smsc_sequence,
    }
    return fields, "a report of a length that no version has" if report.is_odd else ""
