"""From frames to octets, and the template that packs a SUBMIT in one step.

A value that does not fit its field raises `ValueError`: settings and renditions are checked before
they come here.
"""

from __future__ import annotations

from struct import Struct
from typing import assert_never

from fzalert_sms.cmpp.codec import layout as c
from fzalert_sms.cmpp.codec.frames import (
    ActiveTest,
    ActiveTestResp,
    Cancel,
    CancelResp,
    Connect,
    ConnectResp,
    Deliver,
    DeliverResp,
    Frame,
    Query,
    QueryResp,
    Report,
    Submit,
    SubmitResp,
    Terminate,
    TerminateResp,
    Unknown,
)
from fzalert_sms.cmpp.codec.layout import HEADER, V20, V30, Layout
from fzalert_sms.wire import CONCATENATION, Template, exact, octets, small, whole


def encode(frame: Frame, layout: Layout) -> bytes:
    """Write one frame in the layout of a version.

    Raises:
        ValueError: A value does not fit its field.
    """
    command, body = _body(frame, layout)
    return HEADER.pack(HEADER.size + len(body), command, frame.sequence) + body


def encode_report(report: Report, layout: Layout) -> bytes:
    """Write the content of a status report: 60 octets in 2.0, 71 in 3.0."""
    return b"".join(
        (
            _id(report.msg_id),
            octets(report.stat, 7),
            octets(report.submit_time, 10),
            octets(report.done_time, 10),
            octets(report.dest_terminal_id, layout.terminal),
            report.smsc_sequence.to_bytes(4, "big"),
        )
    )


_DELIVER_ANSWERS = {V20.status: Struct(">III8sB"), V30.status: Struct(">III8sI")}


def deliver_answer(sequence: int, msg_id: bytes, result: int, layout: Layout) -> bytes:
    """Write a DELIVER_RESP in one step: a busy link answers thousands a second.

    Args:
        sequence: Of the DELIVER.
        msg_id: Its eight octets, as they were read.
        result: 0 to 255.
        layout: The version agreed at login.
    """
    shape = _DELIVER_ANSWERS[layout.status]
    return shape.pack(shape.size, c.DELIVER_RESP, sequence, msg_id, result)


class SubmitTemplate(Template):
    """A SUBMIT that is written but for what changes from message to message.

    Args:
        submit: The frame to take all other fields from; it has one destination. A long text
            begins with its user data header, whose reference is replaced each time.
        layout: The version agreed at login.
        extension: Digits at the end of Src_Id that are replaced by `extended`.
    """

    __slots__ = ()

    def __init__(self, submit: Submit, layout: Layout, extension: int = 0) -> None:
        if len(submit.destinations) != 1:
            raise ValueError("a template has one destination")
        start = HEADER.size + layout.submit.size
        content = start + layout.terminal + layout.typed + 1
        is_long = submit.tp_udhi == 1 and submit.content.startswith(CONCATENATION)
        super().__init__(
            encode(submit, layout),
            sequence_at=8,
            number_at=start,
            width=layout.terminal,
            reference_at=content + len(CONCATENATION) if is_long else 0,
            extension_at=start - 22 + len(submit.src_id) - extension if extension else 0,
        )

    def frame(self, sequence: int, number: bytes, reference: int = 0) -> bytes:
        """Write one SUBMIT; `number` must fit the terminal field, the rest is padded here."""
        return self.splice(sequence, number, reference)


def _id(msg_id: bytes) -> bytes:
    return whole(msg_id, 8)


def _body(frame: Frame, layout: Layout) -> tuple[int, bytes]:  # noqa: C901  one arm a frame
    match frame:
        case Submit():
            return c.SUBMIT, _submit(frame, layout)
        case SubmitResp():
            return c.SUBMIT_RESP, _id(frame.msg_id) + small(frame.result, layout.status)
        case Deliver():
            return c.DELIVER, _deliver(frame, layout)
        case DeliverResp():
            return c.DELIVER_RESP, _id(frame.msg_id) + small(frame.result, layout.status)
        case Connect():
            return c.CONNECT, b"".join(
                (
                    octets(frame.source_addr, 6),
                    exact(frame.authenticator, 16),
                    small(frame.version, 1),
                    small(frame.timestamp, 4),
                )
            )
        case ConnectResp():
            return c.CONNECT_RESP, b"".join(
                (
                    small(frame.status, layout.status),
                    exact(frame.authenticator, 16),
                    small(frame.version, 1),
                )
            )
        case Query():
            code = octets(frame.query_code, 10)
            return c.QUERY, octets(frame.time, 8) + small(frame.query_type, 1) + code + bytes(8)
        case QueryResp():
            if len(frame.counters) != 8:
                raise ValueError(f"{len(frame.counters)} counters, not 8")
            head = octets(frame.time, 8) + small(frame.query_type, 1)
            counters = b"".join(small(counter, 4) for counter in frame.counters)
            return c.QUERY_RESP, head + octets(frame.query_code, 10) + counters
        case Cancel():
            return c.CANCEL, _id(frame.msg_id)
        case CancelResp():
            return c.CANCEL_RESP, small(frame.success_id, layout.status)
        case ActiveTest():
            return c.ACTIVE_TEST, b""
        case ActiveTestResp():
            return c.ACTIVE_TEST_RESP, b"\0"
        case Terminate():
            return c.TERMINATE, b""
        case TerminateResp():
            return c.TERMINATE_RESP, b""
        case Unknown():
            return frame.command, b""
        case _:
            assert_never(frame)


def _submit(frame: Submit, layout: Layout) -> bytes:
    if not 0 < len(frame.destinations) < 100:
        raise ValueError(f"{len(frame.destinations)} destinations, not 1 to 99")
    types = [frame.fee_terminal_type] if layout.typed else []
    numbers = [
        frame.pk_total, frame.pk_number, frame.registered_delivery, frame.msg_level,
    ]  # fmt: skip
    flags = [*types, frame.tp_pid, frame.tp_udhi, frame.msg_fmt]
    return b"".join(
        (
            _id(frame.msg_id),
            bytes(numbers),
            octets(frame.service_id, 10),
            small(frame.fee_user_type, 1),
            octets(frame.fee_terminal_id, layout.terminal),
            bytes(flags),
            octets(frame.msg_src, 6),
            octets(frame.fee_type, 2),
            octets(frame.fee_code, 6),
            octets(frame.valid_time, 17),
            octets(frame.at_time, 17),
            octets(frame.src_id, 21),
            small(len(frame.destinations), 1),
            *(octets(number, layout.terminal) for number in frame.destinations),
            small(frame.dest_terminal_type, 1) if layout.typed else b"",
            small(len(frame.content), 1),
            frame.content,
            exact(frame.tail, layout.tail),
        )
    )


def _deliver(frame: Deliver, layout: Layout) -> bytes:
    return b"".join(
        (
            _id(frame.msg_id),
            octets(frame.dest_id, 21),
            octets(frame.service_id, 10),
            bytes((frame.tp_pid, frame.tp_udhi, frame.msg_fmt)),
            octets(frame.src_terminal_id, layout.terminal),
            small(frame.src_terminal_type, 1) if layout.typed else b"",
            small(frame.registered_delivery, 1),
            small(len(frame.content), 1),
            frame.content,
            exact(frame.tail, layout.tail),
        )
    )
