"""From octets to frames. Every read is bounded; what cannot be read is a `DecodeError` value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

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
    TraceNode,
    TraceResp,
    Unbind,
    UnbindResp,
    Unknown,
    UserRpt,
    UserRptResp,
)
from fzalert_sms.wire import DecodeError, Unreadable, exactly, text


class _Result(Protocol):
    def __call__(self, sequence: Sequence, result: int) -> Frame: ...


def decode(frame: bytes) -> Frame | DecodeError[Sequence]:
    """Read one complete frame, header included, as `FrameBuffer` cuts it."""
    if len(frame) < c.HEADER.size:
        return DecodeError(Sequence(0, 0, 0), 0, "shorter than a header")
    length, command, *words = c.HEADER.unpack_from(frame)
    sequence = Sequence(*words)
    if length != len(frame):
        return DecodeError(sequence, command, "Message Length is not the length of the frame")
    reader = _READERS.get(command)
    if reader is None:
        return Unknown(sequence, command)
    try:
        return reader(sequence, frame[c.HEADER.size :])
    except Unreadable as error:
        return DecodeError(sequence, command, str(error))


def _bind(sequence: Sequence, body: bytes) -> Frame:
    exactly(body, c.BIND_BODY.size)
    kind, name, password, _ = c.BIND_BODY.unpack(body)
    return Bind(sequence, kind, text(name), text(password))


def _submit(sequence: Sequence, body: bytes) -> Frame:
    head, rest = c.SUBMIT_HEAD, c.SUBMIT_REST
    if len(body) < head.size:
        raise Unreadable("ends before UserCount")
    source, charge, count = head.unpack_from(body)
    if not 0 < count <= 100:
        raise Unreadable(f"UserCount is {count}")
    end = head.size + c.NUMBER * count
    if len(body) < end + rest.size:
        raise Unreadable("ends before MessageContent")
    numbers = tuple(text(body[at : at + c.NUMBER]) for at in range(head.size, end, c.NUMBER))
    (corp, service, fee_type, fee, given, agent, cause, priority, expires, scheduled, wants, pid,
     udhi, coding, kind, size) = rest.unpack_from(body, end)  # fmt: skip
    content, reserve = _content(body, end + rest.size, size)
    return Submit(
        sequence, text(source), text(charge), numbers, text(corp), text(service), fee_type,
        text(fee), text(given), agent, cause, priority, text(expires), text(scheduled), wants,
        pid, udhi, coding, kind, content, reserve,
    )  # fmt: skip


def _deliver(sequence: Sequence, body: bytes) -> Frame:
    head = c.DELIVER_HEAD
    if len(body) < head.size:
        raise Unreadable("ends before MessageContent")
    user, service, pid, udhi, coding, size = head.unpack_from(body)
    content, reserve = _content(body, head.size, size)
    return Deliver(sequence, text(user), text(service), pid, udhi, coding, content, reserve)


def _content(body: bytes, start: int, size: int) -> tuple[bytes, bytes]:
    """MessageContent and Reserve, which must end the frame."""
    if len(body) != start + size + c.RESERVE:
        raise Unreadable("MessageLength and the length of the frame do not agree")
    return body[start : start + size], body[start + size :]


def _report(sequence: Sequence, body: bytes) -> Frame:
    exactly(body, c.REPORT_BODY.size)
    submitted, kind, user, state, error, _ = c.REPORT_BODY.unpack(body)
    return Report(sequence, Sequence.unpack(submitted), kind, text(user), state, error)


def _trace(sequence: Sequence, body: bytes) -> Frame:
    exactly(body, c.TRACE_BODY.size)
    submitted, user, _ = c.TRACE_BODY.unpack(body)
    return Trace(sequence, Sequence.unpack(submitted), text(user))


def _trace_resp(sequence: Sequence, body: bytes) -> Frame:
    node = c.TRACE_NODE
    if not body or len(body) != 1 + body[0] * node.size:
        raise Unreadable("Count and the length of the frame do not agree")
    nodes = []
    for at in range(1, len(body), node.size):
        result, name, received, sent, _ = node.unpack_from(body, at)
        nodes.append(TraceNode(result, text(name), text(received), text(sent)))
    return TraceResp(sequence, tuple(nodes))


def _user_report(sequence: Sequence, body: bytes) -> Frame:
    exactly(body, c.USERRPT_BODY.size)
    service, user, condition, _ = c.USERRPT_BODY.unpack(body)
    return UserRpt(sequence, text(service), text(user), condition)


def _unbind(sequence: Sequence, body: bytes) -> Frame:
    exactly(body, 0)
    return Unbind(sequence)


def _unbind_resp(sequence: Sequence, body: bytes) -> Frame:
    # Some gateways answer with the nine octets of another response.
    del body
    return UnbindResp(sequence)


def _result(make: _Result) -> Callable[[Sequence, bytes], Frame]:
    def read(sequence: Sequence, body: bytes) -> Frame:
        exactly(body, c.RESULT_BODY.size)
        return make(sequence, body[0])

    return read


_READERS: dict[int, Callable[[Sequence, bytes], Frame]] = {
    c.BIND: _bind,
    c.BIND_RESP: _result(BindResp),
    c.UNBIND: _unbind,
    c.UNBIND_RESP: _unbind_resp,
    c.SUBMIT: _submit,
    c.SUBMIT_RESP: _result(SubmitResp),
    c.DELIVER: _deliver,
    c.DELIVER_RESP: _result(DeliverResp),
    c.REPORT: _report,
    c.REPORT_RESP: _result(ReportResp),
    c.USERRPT: _user_report,
    c.USERRPT_RESP: _result(UserRptResp),
    c.TRACE: _trace,
    c.TRACE_RESP: _trace_resp,
}
