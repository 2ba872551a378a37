"""From frames to octets, and the template that packs a Submit in one step.

A value that does not fit its field raises `ValueError`: settings and renditions are checked before
they come here.
"""

from __future__ import annotations

from struct import Struct
from typing import assert_never

from fzalert_sms.smgp.codec import layout as c
from fzalert_sms.smgp.codec.frames import (
    ActiveTest,
    ActiveTestResp,
    Deliver,
    DeliverResp,
    Exit,
    ExitResp,
    Frame,
    Login,
    LoginResp,
    Query,
    QueryResp,
    Report,
    Submit,
    SubmitResp,
    Unknown,
)
from fzalert_sms.wire import CONCATENATION, Template, exact, octets, small, whole, write_tlvs

_DELIVER_ANSWER = Struct(">III10sI")


def encode(frame: Frame) -> bytes:
    """Write one frame.

    Raises:
        ValueError: A value does not fit its field.
    """
    command, body = _body(frame)
    return c.HEADER.pack(c.HEADER.size + len(body), command, frame.sequence) + body


def encode_report(report: Report) -> bytes:
    """Write the content of a status report: 122 octets."""
    fields = (
        (b"id:", whole(report.msg_id, 10)),
        (b" sub:", _three(report.sub)),
        (b" dlvrd:", _three(report.dlvrd)),
        (b" Submit date:", octets(report.submit_date, 10)),
        (b" done date:", octets(report.done_date, 10)),
        (b" stat:", octets(report.stat, 7)),
        (b" err:", octets(report.err, 3)),
        (b" Text:", exact(report.text, 20)),
    )
    return b"".join(label + value for label, value in fields)


def deliver_answer(sequence: int, msg_id: bytes, status: int = 0) -> bytes:
    """Write a Deliver_Resp in one step; `msg_id` is that of the Deliver, as it was read."""
    size = _DELIVER_ANSWER.size
    return _DELIVER_ANSWER.pack(size, c.DELIVER_RESP, sequence, msg_id, status)


class SubmitTemplate(Template):
    """A Submit that is written but for what changes from message to message.

    Args:
        submit: The frame to take all other fields from; it has one destination. A long text
            begins with its user data header, whose reference is replaced each time.
        extension: Digits at the end of SrcTermID that are replaced by `extended`.
    """

    __slots__ = ()

    def __init__(self, submit: Submit, extension: int = 0) -> None:
        if len(submit.dest_term_ids) != 1:
            raise ValueError("a template has one destination")
        start = c.HEADER.size + c.SUBMIT_HEAD.size
        content = start + c.NUMBER + 1
        is_long = submit.content.startswith(CONCATENATION) and any(
            field.tag == c.TP_UDHI and field.value == b"\1" for field in submit.tlvs
        )
        super().__init__(
            encode(submit),
            sequence_at=8,
            number_at=start,
            width=c.NUMBER,
            reference_at=content + len(CONCATENATION) if is_long else 0,
            extension_at=c.HEADER.size + 62 + len(submit.src_term_id) - extension
            if extension
            else 0,
        )

    def frame(self, sequence: int, number: bytes, reference: int = 0) -> bytes:
        """Write one Submit; `number` must fit its field, the rest is padded here."""
        return self.splice(sequence, number, reference)


def _three(digits: str) -> bytes:
    return whole(digits.encode("latin-1"), 3)


def _body(frame: Frame) -> tuple[int, bytes]:  # noqa: C901  one arm a frame
    match frame:
        case Submit():
            return c.SUBMIT, _submit(frame)
        case SubmitResp():
            return c.SUBMIT_RESP, whole(frame.msg_id, 10) + small(frame.status, 4)
        case Deliver():
            return c.DELIVER, _deliver(frame)
        case DeliverResp():
            return c.DELIVER_RESP, whole(frame.msg_id, 10) + small(frame.status, 4)
        case Login():
            return c.LOGIN, b"".join(
                (
                    octets(frame.client_id, 8),
                    exact(frame.authenticator, 16),
                    small(frame.login_mode, 1),
                    small(frame.timestamp, 4),
                    small(frame.client_version, 1),
                )
            )
        case LoginResp():
            digest = exact(frame.authenticator, 16)
            return c.LOGIN_RESP, small(frame.status, 4) + digest + small(frame.server_version, 1)
        case Query():
            return c.QUERY, _asked(frame)
        case QueryResp():
            if len(frame.counters) != 8:
                raise ValueError(f"{len(frame.counters)} counters, not 8")
            counters = b"".join(small(counter, 4) for counter in frame.counters)
            return c.QUERY_RESP, _asked(frame) + counters + bytes(c.RESERVE)
        case ActiveTest():
            return c.ACTIVE_TEST, b""
        case ActiveTestResp():
            return c.ACTIVE_TEST_RESP, b""
        case Exit():
            return c.EXIT, b""
        case ExitResp():
            return c.EXIT_RESP, b""
        case Unknown():
            return frame.command, b""
        case _:
            assert_never(frame)


def _asked(frame: Query | QueryResp) -> bytes:
    return octets(frame.query_time, 8) + small(frame.query_type, 1) + octets(frame.query_code, 10)


def _submit(frame: Submit) -> bytes:
    if not 0 < len(frame.dest_term_ids) <= 100:
        raise ValueError(f"{len(frame.dest_term_ids)} destinations, not 1 to 100")
    return b"".join(
        (
            small(frame.msg_type, 1),
            small(frame.need_report, 1),
            small(frame.priority, 1),
            octets(frame.service_id, 10),
            octets(frame.fee_type, 2),
            octets(frame.fee_code, 6),
            octets(frame.fixed_fee, 6),
            small(frame.msg_format, 1),
            octets(frame.valid_time, 17),
            octets(frame.at_time, 17),
            octets(frame.src_term_id, c.NUMBER),
            octets(frame.charge_term_id, c.NUMBER),
            small(len(frame.dest_term_ids), 1),
            *(octets(number, c.NUMBER) for number in frame.dest_term_ids),
            small(len(frame.content), 1),
            frame.content,
            whole(frame.reserve, c.RESERVE),
            write_tlvs(frame.tlvs),
        )
    )


def _deliver(frame: Deliver) -> bytes:
    return b"".join(
        (
            whole(frame.msg_id, 10),
            small(frame.is_report, 1),
            small(frame.msg_format, 1),
            octets(frame.recv_time, 14),
            octets(frame.src_term_id, c.NUMBER),
            octets(frame.dest_term_id, c.NUMBER),
            small(len(frame.content), 1),
            frame.content,
            whole(frame.reserve, c.RESERVE),
            write_tlvs(frame.tlvs),
        )
    )
