"""From frames to octets, and the template that packs a SUBMIT in one step.

A value that does not fit its field raises `ValueError`: settings and renditions are checked before
they come here.
"""

from __future__ import annotations

from typing import assert_never

from fzalert_sms.sgip.codec import layout as c
from fzalert_sms.sgip.codec.frames import (
    Bind,
    BindResp,
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
)
from fzalert_sms.wire import CONCATENATION, Template, octets, small, whole


def encode(frame: Frame) -> bytes:
    """Write one frame.

    Raises:
        ValueError: A value does not fit its field.
    """
    command, body = _body(frame)
    return c.HEADER.pack(c.HEADER.size + len(body), command, *frame.sequence) + body


def result_answer(command: int, sequence: Sequence, result: int) -> bytes:
    """Write any response that carries a result, in one step.

    Args:
        command: Of the request.
        sequence: Of the request.
        result: 0 to 255.
    """
    size = c.HEADER.size + c.RESULT_BODY.size
    return c.HEADER.pack(size, command | c.RESPONSE, *sequence) + small(result, 1) + bytes(8)


class SubmitTemplate(Template):
    """A SUBMIT that is written but for what changes from message to message.

    Args:
        submit: The frame to take all other fields from; it has one destination. A long text
            begins with its user data header, whose reference is replaced each time.
    """

    __slots__ = ()

    def __init__(self, submit: Submit) -> None:
        if len(submit.user_numbers) != 1:
            raise ValueError("a template has one destination")
        start = c.HEADER.size + c.SUBMIT_HEAD.size
        content = start + c.NUMBER + c.SUBMIT_REST.size
        is_long = submit.tp_udhi == 1 and submit.content.startswith(CONCATENATION)
        super().__init__(
            encode(submit),
            sequence_at=8,
            sequence="12s",
            number_at=start,
            width=c.NUMBER,
            reference_at=content + len(CONCATENATION) if is_long else 0,
        )

    def frame(self, sequence: Sequence, number: bytes, reference: int = 0) -> bytes:
        """Write one SUBMIT; `number` must fit its field, the rest is padded here."""
        return self.splice(sequence.pack(), number, reference)


_RESULTS: dict[type, int] = {
    BindResp: c.BIND_RESP,
    SubmitResp: c.SUBMIT_RESP,
    DeliverResp: c.DELIVER_RESP,
    ReportResp: c.REPORT_RESP,
    UserRptResp: c.USERRPT_RESP,
}


def _body(frame: Frame) -> tuple[int, bytes]:  # noqa: C901  one arm a frame
    match frame:
        case Submit():
            return c.SUBMIT, _submit(frame)
        case BindResp() | SubmitResp() | DeliverResp() | ReportResp() | UserRptResp():
            return _RESULTS[type(frame)], small(frame.result, 1) + bytes(c.RESERVE)
        case Deliver():
            return c.DELIVER, b"".join(
                (
                    octets(frame.user_number, c.NUMBER),
                    octets(frame.sp_number, c.NUMBER),
                    small(frame.tp_pid, 1),
                    small(frame.tp_udhi, 1),
                    small(frame.message_coding, 1),
                    small(len(frame.content), 4),
                    frame.content,
                    whole(frame.reserve, c.RESERVE),
                )
            )
        case Report():
            about = frame.submit_sequence.pack() + small(frame.report_type, 1)
            fate = small(frame.state, 1) + small(frame.error_code, 1) + bytes(c.RESERVE)
            return c.REPORT, about + octets(frame.user_number, c.NUMBER) + fate
        case Bind():
            login = octets(frame.login_name, 16) + octets(frame.login_password, 16)
            return c.BIND, small(frame.login_type, 1) + login + bytes(c.RESERVE)
        case Unbind():
            return c.UNBIND, b""
        case UnbindResp():
            return c.UNBIND_RESP, b""
        case Trace():
            number = octets(frame.user_number, c.NUMBER)
            return c.TRACE, frame.submit_sequence.pack() + number + bytes(c.RESERVE)
        case TraceResp():
            return c.TRACE_RESP, _trace(frame)
        case UserRpt():
            numbers = octets(frame.sp_number, c.NUMBER) + octets(frame.user_number, c.NUMBER)
            return c.USERRPT, numbers + small(frame.user_condition, 1) + bytes(c.RESERVE)
        case Unknown():
            return frame.command, b""
        case _:
            assert_never(frame)


def _trace(frame: TraceResp) -> bytes:
    nodes = (
        small(node.result, 1)
        + octets(node.node_id, 6)
        + octets(node.receive_time, 16)
        + octets(node.send_time, 16)
        + bytes(c.RESERVE)
        for node in frame.nodes
    )
    return small(len(frame.nodes), 1) + b"".join(nodes)


def _submit(frame: Submit) -> bytes:
    if not 0 < len(frame.user_numbers) <= 100:
        raise ValueError(f"{len(frame.user_numbers)} destinations, not 1 to 100")
    return b"".join(
        (
            octets(frame.sp_number, c.NUMBER),
            octets(frame.charge_number, c.NUMBER),
            small(len(frame.user_numbers), 1),
            *(octets(number, c.NUMBER) for number in frame.user_numbers),
            octets(frame.corp_id, 5),
            octets(frame.service_type, 10),
            small(frame.fee_type, 1),
            octets(frame.fee_value, 6),
            octets(frame.given_value, 6),
            small(frame.agent_flag, 1),
            small(frame.morelate_to_mt_flag, 1),
            small(frame.priority, 1),
            octets(frame.expire_time, 16),
            octets(frame.schedule_time, 16),
            small(frame.report_flag, 1),
            small(frame.tp_pid, 1),
            small(frame.tp_udhi, 1),
            small(frame.message_coding, 1),
            small(frame.message_type, 1),
            small(len(frame.content), 4),
            frame.content,
            whole(frame.reserve, c.RESERVE),
        )
    )
