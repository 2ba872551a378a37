"""SGIP frames, field by field. A password is never shown."""

from __future__ import annotations

from typing import assert_never

from fzalert_sms.decoding.fields import Fields, Found, Value, text_fields
from fzalert_sms.sgip.codec import (
    Bind,
    BindResp,
    DecodeError,
    Deliver,
    DeliverResp,
    Frame,
    Report,
    ReportResp,
    Sequence,
    Submit,
    SubmitResp,
    Trace,
    TraceResp,
    Unbind,
    UnbindResp,
    Unknown,
    UserRpt,
    UserRptResp,
    decode,
)

_RESULTS = {
    BindResp: "SGIP_BIND_RESP",
    SubmitResp: "SGIP_SUBMIT_RESP",
    DeliverResp: "SGIP_DELIVER_RESP",
    ReportResp: "SGIP_REPORT_RESP",
    UserRptResp: "SGIP_USERRPT_RESP",
}


def explain_sgip(frame: bytes) -> Found:
    """Explain one frame."""
    found = decode(frame)
    seq: Fields = {"seq": _words(found.sequence)}
    if isinstance(found, DecodeError):
        return Found(f"command {found.command:#010x}", seq, found.reason)
    name, fields = _fields(found)
    warning = "unknown command" if isinstance(found, Unknown) else ""
    return Found(name, {**seq, **fields}, "", warning)


def _words(sequence: Sequence) -> Value:
    return list(sequence)


def _fields(frame: Frame) -> tuple[str, Fields]:  # noqa: C901  one arm a frame
    match frame:
        case Bind():
            return "SGIP_BIND", {
                "login_type": frame.login_type,
                "login_name": frame.login_name,
                "login_password": "*" * len(frame.login_password),
            }  # fmt: skip
        case BindResp() | SubmitResp() | DeliverResp() | ReportResp() | UserRptResp():
            return _RESULTS[type(frame)], {"result": frame.result}
        case Unbind():
            return "SGIP_UNBIND", {}
        case UnbindResp():
            return "SGIP_UNBIND_RESP", {}
        case Submit():
            return "SGIP_SUBMIT", _submit(frame)
        case Deliver():
            return "SGIP_DELIVER", {
                "user_number": frame.user_number,
                "sp_number": frame.sp_number,
                "tp_pid": frame.tp_pid,
                "tp_udhi": frame.tp_udhi,
                "message_coding": frame.message_coding,
                "message_length": len(frame.content),
                "message_content": frame.content.hex(),
                **text_fields(
                    frame.content, frame.message_coding, has_header=bool(frame.tp_udhi & 1)
                ),
            }  # fmt: skip
        case Report():
            return "SGIP_REPORT", {
                "submit_sequence": _words(frame.submit_sequence),
                "report_type": frame.report_type,
                "user_number": frame.user_number,
                "state": frame.state,
                "error_code": frame.error_code,
            }  # fmt: skip
        case Trace():
            about = _words(frame.submit_sequence)
            return "SGIP_TRACE", {"submit_sequence": about, "user_number": frame.user_number}
        case TraceResp():
            nodes: list[Value] = [dict(node._asdict()) for node in frame.nodes]
            return "SGIP_TRACE_RESP", {"count": len(frame.nodes), "nodes": nodes}
        case UserRpt():
            return "SGIP_USERRPT", {
                "sp_number": frame.sp_number,
                "user_number": frame.user_number,
                "user_condition": frame.user_condition,
            }  # fmt: skip
        case Unknown():
            return f"command {frame.command:#010x}", {}
        case _:
            assert_never(frame)


def _submit(frame: Submit) -> Fields:
    return {
        "sp_number": frame.sp_number,
        "charge_number": frame.charge_number,
        "user_count": len(frame.user_numbers),
        "user_number": list(frame.user_numbers),
        "corp_id": frame.corp_id,
        "service_type": frame.service_type,
        "fee_type": frame.fee_type,
        "fee_value": frame.fee_value,
        "given_value": frame.given_value,
        "agent_flag": frame.agent_flag,
        "morelate_to_mt_flag": frame.morelate_to_mt_flag,
        "priority": frame.priority,
        "expire_time": frame.expire_time,
        "schedule_time": frame.schedule_time,
        "report_flag": frame.report_flag,
        "tp_pid": frame.tp_pid,
        "tp_udhi": frame.tp_udhi,
        "message_coding": frame.message_coding,
        "message_type": frame.message_type,
        "message_length": len(frame.content),
        "message_content": frame.content.hex(),
        **text_fields(frame.content, frame.message_coding, has_header=bool(frame.tp_udhi & 1)),
    }
